"""Overtime: submitted and confirmed (A11), compensated by leave that is decided here (A5) or by pay that is only recommended (A6)."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_rules import OvertimeRates
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Record, Refusal, Request, Text
from bailiwick_contracts.money import Money
from bailiwick_contracts.sealed import Confidential, Personal
from bailiwick_contracts.showing import Showing, named
from bailiwick_contracts.working_days import DayKind

CLAUSE = "A11"
COMP_LEAVE, PAY = "A5", "A6"


def overtime_stream(staff_id: str) -> str:
    """The stream of one person's overtime."""
    return f"overtime-{staff_id}"


class SubmitOvertime(Request):
    """Submit (A11) that somebody is to work, or worked, beyond the shift; approval lies above."""

    type: Literal["attendance.submit_overtime.v1"] = "attendance.submit_overtime.v1"
    overtime_id: Identifier
    staff_id: Identifier
    day: date
    """On which it starts, at the property."""
    starts_at: Instant
    ends_at: Instant
    grounds: Text

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 < (self.ends_at - self.starts_at).total_seconds() <= 86_400:
            raise ValueError("ends_at: overtime ends after it starts and lasts at most 24 hours; correct the times")
        return self


class OvertimeSubmitted(Fact):
    """Overtime was submitted; the next in line has it."""

    type: Literal["attendance.overtime_submitted.v1"] = "attendance.overtime_submitted.v1"
    overtime_id: Identifier
    staff_id: Identifier
    day: date
    starts_at: Instant
    ends_at: Instant
    submitted_to: Label
    ruling: Ruling
    grounds: Personal


class ConfirmOvertime(Request):
    """Confirm (A11) that the overtime was worked, as long as it was."""

    type: Literal["attendance.confirm_overtime.v1"] = "attendance.confirm_overtime.v1"
    overtime_id: Identifier
    staff_id: Identifier
    worked_seconds: Annotated[int, Field(ge=1, le=86_400)]


class OvertimeConfirmed(Fact):
    """The overtime was worked; nothing is paid or granted for it by this alone."""

    type: Literal["attendance.overtime_confirmed.v1"] = "attendance.overtime_confirmed.v1"
    overtime_id: Identifier
    staff_id: Identifier
    day: date
    worked_seconds: int
    day_kind: DayKind
    """Of the property's working calendar: by it the rate is chosen (C18)."""
    ruling: Ruling


class GrantCompLeave(Request):
    """Compensate confirmed overtime by leave (A5)."""

    type: Literal["attendance.grant_comp_leave.v1"] = "attendance.grant_comp_leave.v1"
    overtime_id: Identifier
    staff_id: Identifier


class CompLeaveGranted(Fact):
    """Comp leave is added to the person's balance of the year of the overtime."""

    type: Literal["attendance.comp_leave_granted.v1"] = "attendance.comp_leave_granted.v1"
    overtime_id: Identifier
    staff_id: Identifier
    year: int
    days: Ratio
    """Worked hours divided by the hours of a day."""
    ruling: Ruling


class RecommendOvertimePay(Request):
    """Recommend (A6) that confirmed overtime is paid; HR decides."""

    type: Literal["attendance.recommend_overtime_pay.v1"] = "attendance.recommend_overtime_pay.v1"
    overtime_id: Identifier
    staff_id: Identifier


class OvertimeFigures(Record):
    """What `OvertimePayRecommended.figures` holds."""

    month_base_wage: Money
    hourly: Money
    rate: Ratio
    amount: Money


class OvertimePayRecommended(Fact):
    """Pay for overtime is recommended to HR. `figures` opens to `OvertimeFigures`."""

    type: Literal["attendance.overtime_pay_recommended.v1"] = "attendance.overtime_pay_recommended.v1"
    overtime_id: Identifier
    staff_id: Identifier
    day: date
    worked_seconds: int
    day_kind: DayKind
    recommended_to: Label
    figures: Confidential
    ruling: Ruling


class OvertimeRefused(Refusal):
    """Something asked of overtime was turned down: `wage_unset`, or a reason of `rule` such as `own_case`."""

    type: Literal["attendance.overtime_refused.v1"] = "attendance.overtime_refused.v1"
    asked_for: Literal["submit", "confirm", "comp_leave", "pay"]
    overtime_id: Identifier
    staff_id: Identifier
    ruling: Ruling | None = None


class GetOvertime(Request):
    """One person's overtime."""

    type: Literal["attendance.get_overtime.v1"] = "attendance.get_overtime.v1"
    staff_id: Identifier


@dataclass(frozen=True)
class Overtime:
    """One overtime of a person."""

    status: Literal["submitted", "confirmed", "comp_leave", "pay_recommended", "refused"]
    day: date = date.min
    planned_seconds: int = 0
    worked_seconds: int = 0
    day_kind: DayKind = "workday"
    submitted_by: str = ""
    fact_id: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether it holds a moment of a time, and was not turned down."""
        if self.status == "refused" or self.starts_at is None or self.ends_at is None:
            return False
        return self.starts_at < ends_at and starts_at < self.ends_at


@dataclass(frozen=True)
class OvertimeBook:
    """All overtime of one person."""

    overtimes: dict[str, Overtime] = field(default_factory=dict)
    granted: dict[int, Fraction] = field(default_factory=dict)
    """Days of comp leave by year."""


def evolve(book: OvertimeBook, event: Event[Any]) -> OvertimeBook:
    """The book after one more fact; what says nothing of overtime changes nothing."""
    fact = event.data
    match fact:
        case OvertimeSubmitted():
            planned = int((fact.ends_at - fact.starts_at).total_seconds())
            made = Overtime(
                "submitted", fact.day, planned, submitted_by=event.actor, fact_id=event.id, starts_at=fact.starts_at,
                ends_at=fact.ends_at,
            )  # fmt: skip
            return _with(book, fact.overtime_id, made)
        case OvertimeConfirmed():
            known = book.overtimes.get(fact.overtime_id, Overtime("submitted"))
            worked = replace(
                known, status="confirmed", day=fact.day, worked_seconds=fact.worked_seconds, day_kind=fact.day_kind,
                fact_id=event.id,
            )  # fmt: skip
            return _with(book, fact.overtime_id, worked)
        case CompLeaveGranted():
            known = book.overtimes.get(fact.overtime_id, Overtime("confirmed"))
            granted = {**book.granted, fact.year: book.granted.get(fact.year, Fraction(0)) + fact.days.fraction}
            return replace(_with(book, fact.overtime_id, replace(known, status="comp_leave")), granted=granted)
        case OvertimePayRecommended():
            known = book.overtimes.get(fact.overtime_id, Overtime("confirmed"))
            return _with(book, fact.overtime_id, replace(known, status="pay_recommended"))
        case OvertimeRefused() if fact.overtime_id not in book.overtimes:
            return _with(book, fact.overtime_id, Overtime("refused", fact_id=event.id))
        case _:
            return book


def _with(book: OvertimeBook, overtime_id: str, overtime: Overtime) -> OvertimeBook:
    return replace(book, overtimes={**book.overtimes, overtime_id: overtime})


def rate_of(rates: OvertimeRates, kind: DayKind) -> Ratio:
    """What overtime on such a day costs: 150, 200 or 300 % unless the house's rules say otherwise (C18)."""
    return {"workday": rates.workday, "rest_day": rates.rest_day, "holiday": rates.holiday}[kind]


def overtime_pay(
    month_wage: Money, worked_seconds: int, kind: DayKind, *, paid_days: Ratio, rates: OvertimeRates
) -> OvertimeFigures:
    """The pay of overtime, half up to the cent at the end (case C18: 4,350 a month is 25.00 an hour).

    Args:
        month_wage: the base wage of the month.
        worked_seconds: how long was worked.
        kind: of the day.
        paid_days: of a month, as the property has it set (21.75).
        rates: the house's.
    """
    rate = rate_of(rates, kind)
    an_hour = 1 / (paid_days.fraction * rates.hours_per_day.fraction)
    return OvertimeFigures(
        month_base_wage=month_wage,
        hourly=month_wage.share(an_hour),
        rate=rate,
        amount=month_wage.share(an_hour * rate.fraction * Fraction(worked_seconds, 3600)),
    )


def overtime_shown(overtime: Overtime | None, *, calendar: tuple[str, ...] = ()) -> Showing:
    """What a decision on overtime shows: the fact it goes on from, and the calendar."""
    before = (overtime.fact_id,) if overtime is not None and overtime.fact_id else ()
    return Showing(inputs=named(overtime=before, calendar=calendar))
