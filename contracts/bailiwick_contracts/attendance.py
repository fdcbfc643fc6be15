"""Attendance: rosters, punches, what a day came to, and forgotten punches. Penalties stand in `conduct`."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from bailiwick_contracts import (  # noqa: F401 - this service's other nouns register with this one
    appraisal,
    breach,
    conduct,
    house_rules,
    leave,
    month,
    notice,
    offsite,
    overtime,
    payroll,
    swap,
    team,
    temporary,
)
from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.confirmation import ArrivalEvidence
from bailiwick_contracts.lateness import DayStatus, DerivedDay, Direction, Shift
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal

ROWS_LIMIT = 1_500
"""Rows of one request; so many stay under the 256 KiB of a message."""
PageSize = Annotated[int, Field(ge=1, le=500)]
Revision = Annotated[int, Field(ge=1)]


def day_stream(staff_id: str, day: date) -> str:
    """The stream of one person's day."""
    return f"day-{staff_id}-{day.isoformat().replace('-', '')}"


class Row(Record):
    """A row of a bulk request, read as strictly as the request."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class RosterDay(Row):
    """The shifts of a day, in order; none is a day of rest."""

    day: date
    shifts: Annotated[tuple[Annotated[Shift, whole(Shift)], ...], Field(max_length=4)] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for earlier, later in zip(self.shifts, self.shifts[1:], strict=False):
            if later.starts_at < earlier.ends_at:
                raise ValueError(
                    "shifts: the shifts of a day follow one another and do not overlap; order them by start"
                )
        return self


class PublishRoster(Request):
    """Publish (A5) the shifts of some people on some days: each person gets each day. It replaces what stood there."""

    type: Literal["attendance.publish_roster.v1"] = "attendance.publish_roster.v1"
    roster_id: Identifier
    staff_ids: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=500)]
    days: Annotated[tuple[RosterDay, ...], Field(min_length=1, max_length=400)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(self.staff_ids) * len(self.days) > ROWS_LIMIT:
            raise ValueError(f"days: people times days are at most {ROWS_LIMIT:,} in one request; send several")
        if len({row.day for row in self.days}) < len(self.days) or len(set(self.staff_ids)) < len(self.staff_ids):
            raise ValueError("days: each day and each person stands once in a roster; remove the repetition")
        return self


class RosterPublished(Fact):
    """A roster was published; each person's day holds its own part."""

    type: Literal["attendance.roster_published.v1"] = "attendance.roster_published.v1"
    roster_id: Identifier
    first_on: date
    last_on: date
    people: int
    person_days: int
    """How many of them changed."""
    ruling: Ruling | None = None
    """None for a roster taken over from elsewhere."""


class RosterRefused(Refusal):
    """Somebody without the authority asked to publish a roster."""

    type: Literal["attendance.roster_refused.v1"] = "attendance.roster_refused.v1"
    roster_id: Identifier
    ruling: Ruling


class ShiftRostered(Fact):
    """The shifts of one person on one day; none is a day of rest. The latest one holds."""

    type: Literal["attendance.shift_rostered.v1"] = "attendance.shift_rostered.v1"
    staff_id: Identifier
    day: date
    roster_id: Identifier
    shifts: tuple[Shift, ...]


class PunchRow(Row):
    """One punch as a device recorded it, of a person named by our id or by the id of the request's `system`."""

    punch_id: Identifier
    staff_id: Identifier | None = None
    external_id: Label | None = None
    at: Instant
    direction: Direction
    file_row: int | None = None
    """The row of the file it was read from."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.staff_id is None) == (self.external_id is None):
            raise ValueError("staff_id: name the person by staff_id or by external_id, one of them")
        return self


class RecordPunches(Request):
    """Record punches, in any order, doubles included. Each row is answered by its `punch_id`.

    `done`; `ignored`: the same person, instant and direction is known; `rejected`, with the reason `unknown_staff`,
    `person_erased`, `clock_in_future` or `punch_id_reused`. Each affected day is derived once more.
    """

    type: Literal["attendance.record_punches.v1"] = "attendance.record_punches.v1"
    system: Identifier | None = None
    """The system whose ids the rows use; needed where a row has an `external_id`."""
    rows: Annotated[tuple[PunchRow, ...], Field(min_length=1, max_length=ROWS_LIMIT)]

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.system is None and any(row.external_id is not None for row in self.rows):
            raise ValueError("system: rows with an external_id need the system that gave it")
        return self


class PunchRecorded(Fact):
    """A person punched in or out; the envelope's `time` is the punch's."""

    type: Literal["attendance.punch_recorded.v1"] = "attendance.punch_recorded.v1"
    staff_id: Identifier
    punch_id: Identifier
    at: Instant
    direction: Direction


class DeriveDays(Request):
    """Derive the days of a period that are rostered, over and not derived yet: this is how an absence comes to light.

    `result`: `derived`, how many days changed, and `remaining`, how many are left for another request.
    """

    type: Literal["attendance.derive_days.v1"] = "attendance.derive_days.v1"
    first_on: date
    last_on: date
    staff_ids: Annotated[tuple[Identifier, ...], Field(max_length=500)] = ()
    """Empty: everybody."""


class DayDerived(Fact):
    """What one person's day came to, from the facts in `derived.basis`, as of this fact's `recordedat`."""

    type: Literal["attendance.day_derived.v1"] = "attendance.day_derived.v1"
    staff_id: Identifier
    day: date
    revision: Revision
    supersedes: Identifier | None = None
    """The derivation before, which no longer holds."""
    derived: DerivedDay


class ConfirmMissedPunch(Request):
    """Confirm (A10) that a person was on time and forgot to punch; at most three a person and year."""

    type: Literal["attendance.confirm_missed_punch.v1"] = "attendance.confirm_missed_punch.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Literal["in", "out"]
    shift: Annotated[int, Field(ge=0, le=3)] = 0
    evidence: Annotated[tuple[Annotated[ArrivalEvidence, whole(ArrivalEvidence)], ...], Field(max_length=20)] = ()
    grounds: Text


class MissedPunchConfirmed(Fact):
    """A forgotten punch counts as one on time."""

    type: Literal["attendance.missed_punch_confirmed.v1"] = "attendance.missed_punch_confirmed.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Literal["in", "out"]
    shift: int
    times_in_year: int
    """Which one of the year this is."""
    evidence: tuple[ArrivalEvidence, ...]
    ruling: Ruling
    grounds: Personal


class MissedPunchRefused(Refusal):
    """A forgotten punch was not confirmed; `bailiwick_contracts.confirmation` lists the reasons."""

    type: Literal["attendance.missed_punch_refused.v1"] = "attendance.missed_punch_refused.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Literal["in", "out"]
    shift: int
    evidence: tuple[ArrivalEvidence, ...]
    day_fact_id: Identifier | None = None
    """The derivation it was judged by."""
    standing: Identifier | None = None
    """The confirmation that stands already."""
    positions: tuple[CopyPosition, ...] = ()
    """How far the copies of the registry reached, where no ruling says so."""
    ruling: Ruling | None = None
    grounds: Personal


class GetDay(Request):
    """One person's day: roster, punches, derivation and confirmations, now or as recorded at an instant."""

    type: Literal["attendance.get_day.v1"] = "attendance.get_day.v1"
    staff_id: Identifier
    day: date
    as_of: Instant | None = None


class ListDays(Request):
    """Derived days of a property as they stand, by day and person, in pages."""

    type: Literal["attendance.list_days.v1"] = "attendance.list_days.v1"
    first_on: date
    last_on: date
    staff_id: Identifier | None = None
    status: DayStatus | None = None
    after: Label | None = None
    """The `next` of the page before."""
    limit: PageSize = 200


class ListPunches(Request):
    """Punches of a property by time, in pages."""

    type: Literal["attendance.list_punches.v1"] = "attendance.list_punches.v1"
    since: Instant
    until: Instant
    staff_id: Identifier | None = None
    after: Label | None = None
    limit: PageSize = 200
