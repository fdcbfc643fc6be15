"""The ruling on a forgotten punch (A10): one pure function, asked by the decision and again by every re-adjudication."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Asked, CopyPosition, Input, Measured, Ruling, rule
from bailiwick_contracts.lateness import DerivedDay
from bailiwick_contracts.matrix import AuthorityMatrix, Ratio
from bailiwick_contracts.message import Identifier, Label, Record
from bailiwick_contracts.quota import Counting, count_in_year

CLAUSE = "A10"


class ArrivalEvidence(Record):
    """What shows that the person was there on time, other than the person's own word."""

    kind: Literal["witness", "camera", "access_log", "work_record"]
    reference: Label
    """A witness's staff id, or where the record is kept; never a name."""


class ConfirmationCase(Record):
    """All that the confirmation of a forgotten punch rests on beside the matrix; each part names its facts."""

    asked: Asked
    """Who asks, about whom, when; its row, measures, conditions and inputs are filled in here."""
    day: date
    direction: Literal["in", "out"]
    shift: Annotated[int, Field(ge=0)] = 0
    derived: DerivedDay | None = None
    day_fact_id: Identifier | None = None
    evidence: tuple[ArrivalEvidence, ...] = ()
    confirmed: tuple[Counting, ...] = ()
    """Confirmations that the person has, whatever the property, of at least the two years around the day."""
    entered_on: date | None = None
    standing: Identifier | None = None
    """A confirmation of the same punch, where there is one already."""


class ConfirmationAdjudication(Record):
    """The answer to a confirmation that was asked for."""

    verdict: Literal["confirmed", "refused"]
    reason: Identifier
    """`within_limits`, or what stands against it: a reason of `rule`, or one of those listed below."""
    ruling: Ruling | None = None


def adjudicate_confirmation(
    case: ConfirmationCase,
    matrix: AuthorityMatrix | None,
    *,
    selected_at: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> ConfirmationAdjudication:
    """Whether a forgotten punch is confirmed: at most three a person and year (A10), arrival established first.

    Refused before the clause is asked: `day_not_derived`, `no_such_shift`, `day_not_over` for a punch out of a shift that
    goes on, `already_confirmed`, `punch_present`. Refused by the clause: `quota_exceeded` (the next in line may decide),
    `arrival_not_established`, or a reason of `rule`, such as `own_case`.
    """
    reason = _impossible(case)
    if reason is not None:
        return ConfirmationAdjudication(verdict="refused", reason=reason)
    anchor = matrix.readings.year_anchor if matrix else "calendar"
    counted = count_in_year(case.confirmed, case.day, anchor=anchor, entered_on=case.entered_on)
    shown = any(item.kind != "witness" or item.reference != case.asked.subject_id for item in case.evidence)
    inputs = (
        Input(name="day", facts=(case.day_fact_id,) if case.day_fact_id else ()),
        Input(name="confirmed_in_year", facts=counted.facts),
    )
    asked = case.asked.model_copy(
        update={
            "row_id": CLAUSE,
            "verb": "confirm",
            "conditions": (*case.asked.conditions, *(("arrival_established",) if shown else ())),
            "measures": (Measured(measure="times_per_year", value=Ratio.of(counted.times + 1)),),
            "inputs": (*case.asked.inputs, *(item for item in inputs if item.facts)),
        }
    )
    ruling = rule(matrix, asked, selected_at=selected_at, positions=positions)
    if ruling.outcome == "granted":
        return ConfirmationAdjudication(verdict="confirmed", reason=ruling.reason, ruling=ruling)
    return ConfirmationAdjudication(verdict="refused", reason=_reason(ruling), ruling=ruling)


def _impossible(case: ConfirmationCase) -> str | None:
    if case.derived is None:
        return "day_not_derived"
    if case.standing is not None:
        return "already_confirmed"
    if case.shift >= case.derived.shifts:
        return "no_such_shift"
    missing = case.derived.missing_in if case.direction == "in" else case.derived.missing_out
    if case.shift in missing:
        return None
    return "day_not_over" if case.derived.status == "open" and case.direction == "out" else "punch_present"


def _reason(ruling: Ruling) -> str:
    if ruling.reason == "beyond_limit" and ruling.limit is not None and ruling.limit.measure == "times_per_year":
        return "quota_exceeded"
    if ruling.condition == "arrival_established":
        return "arrival_not_established"
    return ruling.reason
