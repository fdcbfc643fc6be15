"""A month of attendance: HR supplies it, the director confirms it (A7), HR closes it; what changes later is said, not undone."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.quota import Month
from bailiwick_contracts.sealed import Personal

CONFIRMS = "A7"
SUPPLIES, CLOSES = "S1", "S5"
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Asking = Literal["supply", "confirm", "dispute", "close", "hand_over"]


def month_stream(property_id: str, month: str) -> str:
    """The stream of one month of one property."""
    return f"month-{property_id}-{month}"


def month_after(month: str) -> str:
    """The month that follows."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def last_day(month: str) -> date:
    """The last day of a month."""
    return date.fromordinal(date.fromisoformat(f"{month_after(month)}-01").toordinal() - 1)


class SheetCounts(Record):
    """What a month's attendance sheet comes to, in person-days."""

    people: int
    days: int
    present: int
    absent: int
    late: int
    early: int
    incomplete: int
    open: int
    """Days that are not derived to their end; a sheet with such days may not be supplied."""


class SupplyAttendance(Request):
    """Supply a month's attendance for the director to confirm, once the month is over (HR)."""

    type: Literal["attendance.supply_attendance.v1"] = "attendance.supply_attendance.v1"
    month: Month


class AttendanceSupplied(Fact):
    """HR's attendance sheet of a month: what every derived day came to, and the digest of the facts it was counted from."""

    type: Literal["attendance.attendance_supplied.v1"] = "attendance.attendance_supplied.v1"
    month: Month
    sheet: Annotated[int, Field(ge=1)]
    """Which one of the month; a dispute is answered by another."""
    counts: SheetCounts
    digest: Digest
    """SHA-256 over the ids of the derivations that stand, in order of day and person, a line each."""
    ruling: Ruling | None = None
    """None where it was taken over from elsewhere."""


class ConfirmAttendance(Request):
    """Confirm the month's attendance that HR supplied (A7)."""

    type: Literal["attendance.confirm_attendance.v1"] = "attendance.confirm_attendance.v1"
    month: Month
    sheet: Annotated[int, Field(ge=1)] = 1


class AttendanceConfirmed(Fact):
    """The director confirmed the month's attendance; until then nothing may be deducted for its days (A7)."""

    type: Literal["attendance.attendance_confirmed.v1"] = "attendance.attendance_confirmed.v1"
    month: Month
    sheet: int
    digest: Digest
    """Of the sheet that was confirmed."""
    ruling: Ruling


class DisputedDay(Record):
    """A day of the sheet that the director holds to be wrong."""

    staff_id: Identifier
    day: date


class DisputeAttendance(Request):
    """Say which days of a supplied sheet are wrong (A7); HR supplies another once they are put right."""

    type: Literal["attendance.dispute_attendance.v1"] = "attendance.dispute_attendance.v1"
    month: Month
    sheet: Annotated[int, Field(ge=1)] = 1
    days: Annotated[tuple[Annotated[DisputedDay, whole(DisputedDay)], ...], Field(min_length=1, max_length=500)]
    grounds: Text


class AttendanceDisputed(Fact):
    """The director does not confirm the sheet."""

    type: Literal["attendance.attendance_disputed.v1"] = "attendance.attendance_disputed.v1"
    month: Month
    sheet: int
    days: tuple[DisputedDay, ...]
    why: Personal
    """Sealed with the key of the first person named."""
    ruling: Ruling


class ConfirmedDayChanged(Fact):
    """A day of a confirmed month came to something else afterwards. The confirmation stands; a person decides what follows."""

    type: Literal["attendance.confirmed_day_changed.v1"] = "attendance.confirmed_day_changed.v1"
    month: Month
    staff_id: Identifier
    day: date
    confirmation: Identifier
    """The fact that confirmed the month."""
    derivation: Identifier
    """The derivation that now stands."""
    supersedes: Identifier | None = None
    month_closed: bool = False
    counts_in: Month
    """The month in which the difference is taken: the next that is open, where this one is closed."""


class CloseMonth(Request):
    """Close a confirmed month for payroll (HR): what comes to light later goes to the next open month with a note."""

    type: Literal["attendance.close_month.v1"] = "attendance.close_month.v1"
    month: Month


class MonthClosed(Fact):
    """The month is frozen."""

    type: Literal["attendance.month_closed.v1"] = "attendance.month_closed.v1"
    month: Month
    digest: Digest
    """Of the derivations that stood at the close, as in `AttendanceSupplied`."""
    confirmation: Identifier
    ruling: Ruling | None = None


class MonthRefused(Refusal):
    """Something asked of a month was turned down.

    `no_sheet`, `sheet_superseded`, `days_open`, `month_not_over`, `month_unconfirmed`, `month_not_closed`, or a reason of
    `rule`.
    """

    type: Literal["attendance.month_refused.v1"] = "attendance.month_refused.v1"
    asked_for: Asking
    month: Month
    detail: Label | None = None
    ruling: Ruling | None = None


class GetMonth(Request):
    """One month of a property: sheets, confirmation, close, days that changed afterwards; now or as recorded at an instant."""

    type: Literal["attendance.get_month.v1"] = "attendance.get_month.v1"
    month: Month


class ListWorkingDays(Request):
    """The working days of a property from a day to a day: its adopted calendar with its own days over it.

    At most 4,000 days, so there are no pages.
    """

    type: Literal["attendance.list_working_days.v1"] = "attendance.list_working_days.v1"
    first_on: date
    last_on: date

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not 0 <= (self.last_on - self.first_on).days <= 4_000:
            raise ValueError("last_on: not before first_on, and at most 4,000 days later; ask for fewer")
        return self


class GetPersonCounts(Request):
    """What K1 and K2 count of one person in a period: shifts on time of those worked by the roster, breaches, repetitions."""

    type: Literal["attendance.get_person_counts.v1"] = "attendance.get_person_counts.v1"
    staff_id: Identifier
    first_on: date
    last_on: date
