"""Work outside the office, by which somebody did not punch: the director signs for it (A9), apart from forgotten punches (A10)."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.showing import Showing, named

CLAUSE = "A9"
Directions = Literal["in", "out", "both"]


def directions_of(written: str) -> tuple[Literal["in", "out"], ...]:
    """The punches that a confirmation stands for."""
    return {"in": ("in",), "out": ("out",)}.get(written, ("in", "out"))  # type: ignore[return-value]


class ErrandEvidence(Record):
    """What shows that the person worked outside, other than the person's own word."""

    kind: Literal["work_order", "counterpart", "travel_record", "witness", "document"]
    reference: Label
    """A record's number, a witness's staff id, or where the paper is kept; never a name."""


class ConfirmOffsiteWork(Request):
    """Sign that a person was out on business and could not punch (A9). There is no quota; there must be evidence."""

    type: Literal["attendance.confirm_offsite_work.v1"] = "attendance.confirm_offsite_work.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Directions
    """Which punch is missing because of it; `both` for a day spent outside."""
    shift: Annotated[int, Field(ge=0, le=3)] = 0
    evidence: Annotated[tuple[Annotated[ErrandEvidence, whole(ErrandEvidence)], ...], Field(max_length=20)] = ()
    grounds: Text


class OffsiteConfirmed(Fact):
    """The missing punch counts as one on time, and under no quota."""

    type: Literal["attendance.offsite_confirmed.v1"] = "attendance.offsite_confirmed.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Directions
    shift: int
    evidence: tuple[ErrandEvidence, ...]
    ruling: Ruling
    grounds: Personal


class OffsiteRefused(Refusal):
    """Work outside was not confirmed.

    `day_not_derived`, `day_not_over`, `no_such_shift`, `already_confirmed`, `punch_present`, `evidence_missing`, or a
    reason of `rule`.
    """

    type: Literal["attendance.offsite_refused.v1"] = "attendance.offsite_refused.v1"
    confirmation_id: Identifier
    staff_id: Identifier
    day: date
    direction: Directions
    shift: int
    evidence: tuple[ErrandEvidence, ...]
    day_fact_id: Identifier | None = None
    ruling: Ruling | None = None
    grounds: Personal


def offsite_shown(evidence: tuple[ErrandEvidence, ...], subject_id: str | None, day_fact_id: str | None) -> Showing:
    """What a confirmation under A9 shows: evidence beyond the person's own word, and the day it is about."""
    beyond_own_word = any(item.kind != "witness" or item.reference != subject_id for item in evidence)
    return Showing(
        conditions=("evidence",) if beyond_own_word else (),
        inputs=named(day=(day_fact_id,) if day_fact_id else ()),
    )
