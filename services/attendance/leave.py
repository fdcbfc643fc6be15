"""Leave: asked for, approved up to a day by the director (A12), forwarded beyond, cancelled; and its balances."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.house_rules import CLAUSE as RULES_CLAUSE
from bailiwick_contracts.house_rules import HouseRules, HouseRulesRefused
from bailiwick_contracts.leave import (
    CancelLeave,
    DecideLeave,
    Leave,
    LeaveApproved,
    LeaveBalanceSet,
    LeaveBook,
    LeaveCancelled,
    LeaveDeclined,
    LeaveForwarded,
    LeaveRefused,
    LeaveRequested,
    RequestLeave,
    SetLeaveBalance,
    adjoining,
    days_taken,
    evolve,
    leave_power,
    leave_shown,
)
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.standing import opened_by

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected


def ask(
    request: RequestLeave, books: Sequence[LeaveBook], rules: HouseRules | None, granted: Mapping[int, Fraction]
) -> list[Fact]:
    """Record that leave is asked for, or that no balance covers it; the same request again is nothing new.

    Args:
        request: the leave.
        books: the person's leave, under every id, the remaining one first.
        rules: the house's rules in force.
        granted: days of comp leave granted for overtime, by year.

    Raises:
        Rejected: the kind is none of the house's, the id names other leave, or a day has leave already.
    """
    known = _find(books, request.leave_id)
    if known is not None:
        if known.status == "refused" or (known.kind, known.days) == (request.kind, request.days):
            return []
        raise Rejected(f"{request.leave_id} names other leave", code="leave_id_reused", field="leave_id",
                       value=request.leave_id, rule="one id for one leave", remedy="send it under a new id")  # fmt: skip
    kind = rules.leave_kind(request.kind) if rules else None
    if kind is None:
        codes = ", ".join(one.code for one in rules.leave_kinds) if rules else "none: no house rules are adopted"
        raise Rejected(f"{request.kind} is no kind of leave here", code="unknown_leave_kind", field="kind",
                       value=request.kind, rule=f"one of {codes}", remedy="adopt the kind with AdoptHouseRules")  # fmt: skip
    taken = {
        (day.day, part)
        for book in books
        for one in book.leaves.values()
        if one.status in ("requested", "forwarded", "approved")
        for day in one.days
        for part in _halves(day.part)
    }
    doubled = next((day for day in request.days for part in _halves(day.part) if (day.day, part) in taken), None)
    if doubled is not None:
        raise Rejected(f"{doubled.day} has leave already", code="leave_overlaps", field="days", value=str(doubled.day),
                       rule="each half day has one leave", remedy="cancel the other leave first, or leave the day out")  # fmt: skip
    common: dict[str, Any] = {
        "leave_id": request.leave_id,
        "staff_id": request.staff_id,
        "grounds": Personal.of(request.staff_id, request.grounds),
    }
    left = _left(books, request.kind, request.days, rules, granted)
    if left is not None:
        return [LeaveRefused(reason="balance_exceeded", asked_for="request", balance=Ratio.of(left), **common)]
    return [LeaveRequested(kind=request.kind, paid=kind.paid, days=request.days, **common)]


def decide(
    request: DecideLeave,
    books: Sequence[LeaveBook],
    question: Question,
    *,
    works: Callable[[date], bool],
    calendar: tuple[str, ...],
    rules: HouseRules | None,
    granted: Mapping[int, Fraction],
) -> list[Fact]:
    """Approve or decline leave, forward it to the next in line, or record why not; decided leave is nothing new.

    Whoever holds the power above (S2) decides on leave of any length.

    Raises:
        Rejected: nobody asked for this leave, or it was answered otherwise.
    """
    leave = _find(books, request.leave_id)
    if leave is None or leave.status in ("refused", "cancelled"):
        raise _no_leave(request.leave_id, "leave that is asked for")
    done = {"approve": "approved", "decline": "declined"}[request.decision]
    if leave.status == done:
        return []
    if leave.status in ("approved", "declined"):
        raise _no_leave(request.leave_id, f"leave that is still open; this one was {leave.status}")
    grounds = Personal.of(request.staff_id, request.grounds)
    common: dict[str, Any] = {"leave_id": request.leave_id, "staff_id": request.staff_id, "grounds": grounds}
    beside = adjoining(request.leave_id, books, works)
    ruling = _ruled(question, leave, beside, calendar)
    if ruling.outcome in ("escalated", "recommend_only") and request.decision == "approve":
        if leave.status == "forwarded":
            return []
        adjoins = tuple(one.fact_id for _, one in beside)
        to = ruling.escalate_to or "unset"
        return [LeaveForwarded(forwarded_to=to, adjoining=adjoins, ruling=ruling, **common)]
    if ruling.outcome == "refused" or (ruling.outcome != "granted" and request.decision == "approve"):
        return [LeaveRefused(reason=ruling.reason, asked_for="decide", ruling=ruling, **common)]
    if request.decision == "decline":
        return [LeaveDeclined(ruling=ruling, **common)]
    left = _left(books, leave.kind, leave.days, rules, granted)
    if left is not None:
        return [LeaveRefused(reason="balance_exceeded", asked_for="decide", balance=Ratio.of(left), **common)]
    return [LeaveApproved(kind=leave.kind, days=leave.days, ruling=ruling, **common)]


def _ruled(question: Question, leave: Leave, beside: Sequence[tuple[str, Leave]], calendar: tuple[str, ...]) -> Ruling:
    row_id, verb = leave_power(question.matrix, question.asked.actor_position)
    requested_by = opened_by(question.events, (leave.requested_by, leave.requested_for), question.asked)
    shown = leave_shown(leave, beside, calendar=calendar, requested_by=requested_by)
    return question.ruled(row_id, verb, shown)


def cancel(request: CancelLeave, books: Sequence[LeaveBook], question: Question) -> list[Fact]:
    """Cancel leave: one's own that has not begun by oneself, any other under A12 or S2; cancelled again is nothing new.

    Raises:
        Rejected: there is no such leave.
    """
    leave = _find(books, request.leave_id)
    if leave is None or leave.status in ("refused", "declined"):
        raise _no_leave(request.leave_id, "leave that is asked for or approved")
    if leave.status == "cancelled":
        return []
    grounds = Personal.of(request.staff_id, request.grounds)
    common: dict[str, Any] = {"leave_id": request.leave_id, "staff_id": request.staff_id, "grounds": grounds}
    if question.asked.actor_id == question.asked.subject_id and leave.days[0].day > question.today:
        return [LeaveCancelled(**common)]
    row_id, verb = leave_power(question.matrix, question.asked.actor_position)
    ruling = question.ruled(row_id, verb, leave_shown(leave, (), calendar=(), requested_by=None))
    if ruling.outcome != "granted" and not (ruling.outcome == "escalated" and leave.status == "requested"):
        return [LeaveRefused(reason=ruling.reason, asked_for="cancel", ruling=ruling, **common)]
    return [LeaveCancelled(ruling=ruling, **common)]


def set_balance(request: SetLeaveBalance, book: LeaveBook, question: Question) -> list[Fact]:
    """Set a person's balance of a kind for a year, or record that the actor may not (S4)."""
    if book.balances.get((request.kind, request.year)) == request.days.fraction:
        return []
    ruling = None if question.is_set_up else question.ruled(RULES_CLAUSE, "decide")
    if ruling is not None and ruling.outcome != "granted":
        return [HouseRulesRefused(reason=ruling.reason, asked_for="set_leave_balance", ruling=ruling)]
    return [LeaveBalanceSet(ruling=ruling, **request.model_dump(exclude={"type", "days"}), days=request.days)]


def left_of(
    books: Sequence[LeaveBook], kind: str, year: int, rules: HouseRules | None, granted: Mapping[int, Fraction]
) -> Fraction | None:
    """Days left of a kind in a year; None where no balance is kept."""
    of_kind = rules.leave_kind(kind) if rules else None
    if of_kind is None:
        return None
    own = next((book.balances[kind, year] for book in books if (kind, year) in book.balances), None)
    if of_kind.from_overtime:
        return granted.get(year, Fraction(0)) + (own or Fraction(0)) - days_taken(books, kind, year)
    given = own if own is not None else of_kind.days_per_year.fraction if of_kind.days_per_year else None
    return None if given is None else given - days_taken(books, kind, year)


def _left(
    books: Sequence[LeaveBook],
    kind: str,
    days: Sequence[Any],
    rules: HouseRules | None,
    granted: Mapping[int, Fraction],
) -> Fraction | None:
    """What is left where it is too little for these days; None where it is enough."""
    for year in sorted({day.day.year for day in days}):
        left = left_of(books, kind, year, rules, granted)
        wanted = sum((day.days for day in days if day.day.year == year), Fraction(0))
        if left is not None and wanted > left:
            return left
    return None


def _halves(part: str) -> tuple[Literal["first_half", "second_half"], ...]:
    return {"first_half": ("first_half",), "second_half": ("second_half",)}.get(part, ("first_half", "second_half"))  # type: ignore[return-value]


def _find(books: Sequence[LeaveBook], leave_id: str) -> Leave | None:
    return next((book.leaves[leave_id] for book in books if leave_id in book.leaves), None)


def _no_leave(leave_id: str, rule: str) -> Rejected:
    return Rejected(f"no leave {leave_id} can be decided on", code="no_such_leave", field="leave_id", value=leave_id,
                    rule=rule, remedy="look the person's leave up with GetLeave")  # fmt: skip


LEAVE: Noun[LeaveBook] = Noun("leave", LeaveBook(), evolve)
