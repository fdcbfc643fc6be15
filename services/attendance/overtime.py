"""Overtime: submitted and confirmed (A11); comp leave is decided here (A5), money only recommended (A6)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Literal

from bailiwick_contracts.house_rules import OvertimeRates
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact
from bailiwick_contracts.money import Money
from bailiwick_contracts.overtime import (
    CLAUSE,
    COMP_LEAVE,
    PAY,
    CompLeaveGranted,
    ConfirmOvertime,
    GrantCompLeave,
    Overtime,
    OvertimeBook,
    OvertimeConfirmed,
    OvertimePayRecommended,
    OvertimeRefused,
    OvertimeSubmitted,
    RecommendOvertimePay,
    SubmitOvertime,
    evolve,
    overtime_pay,
    overtime_shown,
)
from bailiwick_contracts.sealed import Confidential, Personal
from bailiwick_contracts.working_days import WorkingDays

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected

_GOES_ON = ("recommend_only", "granted")


def submit(
    request: SubmitOvertime, books: Sequence[OvertimeBook], question: Question, *, starts_on: date
) -> list[Fact]:
    """Hand overtime in to the next in line, or record why not; the same overtime again is nothing new (A11).

    Args:
        request: the overtime.
        books: the person's, under every id, the remaining one first.
        question: who submits.
        starts_on: the date at the property on which it starts; by it the rate is chosen (C18).

    Raises:
        Rejected: the id names other overtime, the hours are in another one, or start on another day.
    """
    book = books[0]
    known = book.overtimes.get(request.overtime_id)
    if known is not None:
        planned = int((request.ends_at - request.starts_at).total_seconds())
        if known.status == "refused" or (known.day, known.planned_seconds) == (request.day, planned):
            return []
        raise Rejected(f"{request.overtime_id} names other overtime", code="overtime_id_reused", field="overtime_id",
                       value=request.overtime_id, rule="one id for one overtime", remedy="send it under a new id")  # fmt: skip
    if request.day != starts_on:
        raise Rejected(f"it starts on {starts_on} at the property", code="day_mismatch", field="day", value=str(request.day),
                       rule="the day on which it starts", remedy=f"send it with the day {starts_on}")  # fmt: skip
    ruling = question.ruled(CLAUSE, "submit", overtime_shown(None))
    if ruling.outcome not in _GOES_ON:
        return [_refused("submit", request, ruling.reason, ruling)]
    others = (
        key
        for one in books
        for key, other in one.overtimes.items()
        if other.overlaps(request.starts_at, request.ends_at)
    )
    doubled = next(others, None)
    if doubled is not None:
        raise Rejected(f"{doubled} holds some of these hours already", code="overtime_overlaps", field="starts_at",
                       value=request.starts_at.isoformat(), rule="each hour is overtime once",
                       remedy="submit the hours that are not in it")  # fmt: skip
    return [
        OvertimeSubmitted(
            overtime_id=request.overtime_id,
            staff_id=request.staff_id,
            day=request.day,
            starts_at=request.starts_at,
            ends_at=request.ends_at,
            submitted_to=ruling.escalate_to or "unset",
            ruling=ruling,
            grounds=Personal.of(request.staff_id, request.grounds),
        )
    ]


def confirm(request: ConfirmOvertime, book: OvertimeBook, question: Question, *, calendar: WorkingDays) -> list[Fact]:
    """Confirm that overtime was worked, or record why not; confirmed again is nothing new (A11).

    Raises:
        Rejected: it was not submitted, is not over, or less was submitted than is confirmed.
    """
    known = _known(request.overtime_id, book)
    if known.status != "submitted":
        return []
    if request.worked_seconds > known.planned_seconds:
        raise Rejected("more is confirmed than was submitted", code="more_than_submitted", field="worked_seconds",
                       value=request.worked_seconds, rule=f"at most {known.planned_seconds} s",
                       remedy="submit the rest as overtime of its own")  # fmt: skip
    if known.starts_at is not None and question.now < known.starts_at + timedelta(seconds=request.worked_seconds):
        raise Rejected("that cannot have been worked yet", code="overtime_not_over", field="worked_seconds",
                       value=request.worked_seconds, rule=f"what was worked since {known.starts_at.isoformat()}",
                       remedy="confirm it when it is over")  # fmt: skip
    ruling = question.ruled(CLAUSE, "confirm", overtime_shown(known, calendar=calendar.facts))
    if ruling.outcome != "granted":
        return [_refused("confirm", request, ruling.reason, ruling)]
    return [
        OvertimeConfirmed(
            overtime_id=request.overtime_id,
            staff_id=request.staff_id,
            day=known.day,
            worked_seconds=request.worked_seconds,
            day_kind=calendar.kind(known.day),
            ruling=ruling,
        )
    ]


def grant(request: GrantCompLeave, book: OvertimeBook, question: Question, *, rates: OvertimeRates) -> list[Fact]:
    """Compensate overtime by leave, or record why not; granted again is nothing new (A5).

    Raises:
        Rejected: it was not confirmed, or pay was recommended for it.
    """
    known = _compensated(request.overtime_id, book, "comp_leave")
    if known is None:
        return []
    ruling = question.ruled(COMP_LEAVE, "decide", overtime_shown(known))
    if ruling.outcome != "granted":
        return [_refused("comp_leave", request, ruling.reason, ruling)]
    hours = Ratio.of(Ratio(numerator=known.worked_seconds, denominator=3600).fraction / rates.hours_per_day.fraction)
    return [
        CompLeaveGranted(
            overtime_id=request.overtime_id,
            staff_id=request.staff_id,
            year=known.day.year,
            days=hours,
            ruling=ruling,
        )
    ]


def recommend_pay(
    request: RecommendOvertimePay,
    book: OvertimeBook,
    question: Question,
    *,
    wage: Money | None,
    paid_days: Ratio,
    rates: OvertimeRates,
    property_id: str,
) -> list[Fact]:
    """Recommend pay for overtime to HR, or record why not; recommended again is nothing new (A6).

    Raises:
        Rejected: it was not confirmed, or comp leave was granted for it.
    """
    known = _compensated(request.overtime_id, book, "pay_recommended")
    if known is None:
        return []
    ruling = question.ruled(PAY, "recommend", overtime_shown(known))
    if ruling.outcome not in _GOES_ON:
        return [_refused("pay", request, ruling.reason, ruling)]
    if wage is None:
        return [_refused("pay", request, "wage_unset", ruling)]
    figures = overtime_pay(wage, known.worked_seconds, known.day_kind, paid_days=paid_days, rates=rates)
    return [
        OvertimePayRecommended(
            overtime_id=request.overtime_id,
            staff_id=request.staff_id,
            day=known.day,
            worked_seconds=known.worked_seconds,
            day_kind=known.day_kind,
            recommended_to=ruling.escalate_to or "hr",
            figures=Confidential.of(property_id, figures),
            ruling=ruling,
        )
    ]


def _known(overtime_id: str, book: OvertimeBook) -> Overtime:
    known = book.overtimes.get(overtime_id)
    if known is None or known.status == "refused":
        raise Rejected(f"no overtime {overtime_id} was submitted", code="no_such_overtime", field="overtime_id",
                       value=overtime_id, rule="overtime that was submitted", remedy="submit it with SubmitOvertime")  # fmt: skip
    return known


def _compensated(overtime_id: str, book: OvertimeBook, wanted: str) -> Overtime | None:
    """The overtime that may be compensated so; None where it was already."""
    known = _known(overtime_id, book)
    if known.status == wanted:
        return None
    if known.status != "confirmed":
        rule = (
            "overtime that was confirmed"
            if known.status == "submitted"
            else f"overtime not compensated; this is {known.status}"
        )
        raise Rejected(f"{overtime_id} cannot be compensated", code="not_compensable", field="overtime_id",
                       value=overtime_id, rule=rule, remedy="look the person's overtime up with GetOvertime")  # fmt: skip
    return known


def _refused(
    asked_for: Literal["submit", "confirm", "comp_leave", "pay"], request: Any, reason: str, ruling: Any
) -> OvertimeRefused:
    return OvertimeRefused(
        reason=reason, asked_for=asked_for, overtime_id=request.overtime_id, staff_id=request.staff_id, ruling=ruling
    )


OVERTIME: Noun[OvertimeBook] = Noun("overtime", OvertimeBook(), evolve)


def granted_by_year(books: Iterable[OvertimeBook]) -> dict[int, Fraction]:
    """Days of comp leave that a person was granted, by year; `books` are those of every id of the person."""
    found: dict[int, Fraction] = {}
    for book in books:
        for year, days in book.granted.items():
            found[year] = found.get(year, Fraction(0)) + days
    return found
