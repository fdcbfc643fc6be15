"""The monthly appraisal (A8, D4c): a sheet per person, due on the 2nd of the next month; overdue is a fact, and K12 counts them."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_rules import AppraisalForm
from bailiwick_contracts.message import Fact, Identifier, Instant, Record, Refusal, Request, Text
from bailiwick_contracts.month import month_after
from bailiwick_contracts.part import whole
from bailiwick_contracts.quota import Month
from bailiwick_contracts.sealed import Personal

CLAUSE, VERB = "A8", "appraise"


def appraisal_stream(property_id: str, month: str) -> str:
    """The stream of one month's sheets of one property."""
    return f"appraisal-{property_id}-{month}"


def due_on(month: str, form: AppraisalForm) -> date:
    """The last day on which a month's sheets are on time: the 2nd of the next month unless the house's form says otherwise."""
    return date.fromisoformat(f"{month_after(month)}-{form.due_day:02d}")


class OpenAppraisals(Request):
    """Say who is to be appraised for a month (A8); the sheets fall due by the house's form, over every restart."""

    type: Literal["attendance.open_appraisals.v1"] = "attendance.open_appraisals.v1"
    month: Month
    staff_ids: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=1_500)]


class AppraisalsOpened(Fact):
    """The sheets of a month that are due."""

    type: Literal["attendance.appraisals_opened.v1"] = "attendance.appraisals_opened.v1"
    month: Month
    due_at: Instant
    """The end of the due day at the property; a sheet handed in by then is on time."""
    sections: tuple[Identifier, ...]
    lowest: int
    highest: int
    staff_ids: tuple[Identifier, ...]
    ruling: Ruling | None = None


class Score(Record):
    """A section of the form with its score."""

    section: Identifier
    score: int


Scores = Annotated[tuple[Annotated[Score, whole(Score)], ...], Field(max_length=30)]


class SubmitAppraisal(Request):
    """Hand in a person's sheet (A8). It is valid (K12) when it is complete, signed and on time; late or not, it is taken once."""

    type: Literal["attendance.submit_appraisal.v1"] = "attendance.submit_appraisal.v1"
    month: Month
    staff_id: Identifier
    scores: Scores
    signed: bool
    """The person signed it."""
    comment: Text | None = None


class AppraisalSubmitted(Fact):
    """A person's sheet of a month."""

    type: Literal["attendance.appraisal_submitted.v1"] = "attendance.appraisal_submitted.v1"
    month: Month
    staff_id: Identifier
    scores: tuple[Score, ...]
    complete: bool
    """Every section of the form has a score."""
    signed: bool
    on_time: bool
    ruling: Ruling
    comment: Personal | None = None


class AppraisalRefused(Refusal):
    """A sheet, or the opening of a month, was turned down by the matrix."""

    type: Literal["attendance.appraisal_refused.v1"] = "attendance.appraisal_refused.v1"
    asked_for: Literal["open", "submit"]
    month: Month
    staff_id: Identifier | None = None
    ruling: Ruling


class CheckAppraisals(Request):
    """Only the service's own timer asks: which sheets of a month are overdue."""

    type: Literal["attendance.check_appraisals.v1"] = "attendance.check_appraisals.v1"
    month: Month


class AppraisalsOverdue(Fact):
    """When the sheets fell due these were missing (D4c)."""

    type: Literal["attendance.appraisals_overdue.v1"] = "attendance.appraisals_overdue.v1"
    month: Month
    due_at: Instant
    staff_ids: tuple[Identifier, ...]


class GetAppraisals(Request):
    """A month's sheets, and the counts of K12: how many are due, and how many are complete, signed and on time."""

    type: Literal["attendance.get_appraisals.v1"] = "attendance.get_appraisals.v1"
    month: Month


@dataclass(frozen=True)
class Sheet:
    """One person's sheet."""

    complete: bool
    signed: bool
    on_time: bool
    fact_id: str

    @property
    def valid(self) -> bool:
        """What K12 counts."""
        return self.complete and self.signed and self.on_time


@dataclass(frozen=True)
class Appraisals:
    """The sheets of one month of one property."""

    opened: AppraisalsOpened | None = None
    opened_fact: str = ""
    due: frozenset[str] = frozenset()
    sheets: dict[str, Sheet] = field(default_factory=dict)
    overdue: frozenset[str] = frozenset()
    checked: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Who is due and has no sheet."""
        return tuple(sorted(self.due - self.sheets.keys()))


def evolve(known: Appraisals, event: Event[Any]) -> Appraisals:
    """The month's sheets after one more fact; what says nothing of them changes nothing."""
    fact = event.data
    match fact:
        case AppraisalsOpened():
            return replace(known, opened=fact, opened_fact=event.id, due=known.due | set(fact.staff_ids))
        case AppraisalSubmitted():
            sheet = Sheet(fact.complete, fact.signed, fact.on_time, event.id)
            return replace(known, sheets={**known.sheets, fact.staff_id: sheet})
        case AppraisalsOverdue():
            return replace(known, overdue=known.overdue | set(fact.staff_ids), checked=True)
        case _:
            return known
