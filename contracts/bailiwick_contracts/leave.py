"""Leave (A12): asked for, approved up to a day, forwarded beyond; requests that adjoin count as one. And its balances."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bailiwick_contracts.authority import Measured, Ruling
from bailiwick_contracts.deductions import UnpaidDay
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import LeavePart
from bailiwick_contracts.matrix import AuthorityMatrix, Ratio, Verb
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.quota import month_of
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.showing import Showing, named

CLAUSE = "A12"
ABOVE = "S2"
Year = Annotated[int, Field(ge=1990, le=2100)]


def leave_stream(staff_id: str) -> str:
    """The stream of one person's leave."""
    return f"leave-{staff_id}"


class LeaveDay(Record):
    """A day of leave, or half of one."""

    day: date
    part: LeavePart = "whole"

    @property
    def days(self) -> Fraction:
        """How much of a day it is."""
        return Fraction(1) if self.part == "whole" else Fraction(1, 2)


LeaveDays = Annotated[tuple[Annotated[LeaveDay, whole(LeaveDay)], ...], Field(min_length=1, max_length=190)]


class RequestLeave(Request):
    """Ask for leave on working days, whole or halves; whoever asks for somebody else is named as the actor."""

    type: Literal["attendance.request_leave.v1"] = "attendance.request_leave.v1"
    leave_id: Identifier
    staff_id: Identifier
    kind: Identifier
    """As the house's rules name it: `sick`, `annual`, `comp`…"""
    days: LeaveDays
    grounds: Text

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [row.day for row in self.days]
        if days != sorted(set(days)):
            raise ValueError("days: each day stands once, in order; sort them and remove the repetition")
        return self


class LeaveRequested(Fact):
    """A person asked for leave; nothing is decided."""

    type: Literal["attendance.leave_requested.v1"] = "attendance.leave_requested.v1"
    leave_id: Identifier
    staff_id: Identifier
    kind: Identifier
    paid: bool
    days: tuple[LeaveDay, ...]
    grounds: Personal


class DecideLeave(Request):
    """Approve leave that was asked for, or decline it (A12; beyond a day S2)."""

    type: Literal["attendance.decide_leave.v1"] = "attendance.decide_leave.v1"
    leave_id: Identifier
    staff_id: Identifier
    decision: Literal["approve", "decline"] = "approve"
    grounds: Text


class LeaveApproved(Fact):
    """The leave stands; each of its days says so too."""

    type: Literal["attendance.leave_approved.v1"] = "attendance.leave_approved.v1"
    leave_id: Identifier
    staff_id: Identifier
    kind: Identifier
    days: tuple[LeaveDay, ...]
    ruling: Ruling
    grounds: Personal


class LeaveForwarded(Fact):
    """It lay beyond the actor's authority, alone or with the leave that adjoins it: the next in line has the case."""

    type: Literal["attendance.leave_forwarded.v1"] = "attendance.leave_forwarded.v1"
    leave_id: Identifier
    staff_id: Identifier
    forwarded_to: Label
    adjoining: tuple[Identifier, ...] = ()
    """The facts of the leave that counts with it."""
    ruling: Ruling
    grounds: Personal


class LeaveDeclined(Fact):
    """The leave was not approved, by somebody who could have."""

    type: Literal["attendance.leave_declined.v1"] = "attendance.leave_declined.v1"
    leave_id: Identifier
    staff_id: Identifier
    ruling: Ruling
    grounds: Personal


class LeaveRefused(Refusal):
    """Leave was turned down by a rule: `balance_exceeded`, or a reason of `rule` such as `own_case`."""

    type: Literal["attendance.leave_refused.v1"] = "attendance.leave_refused.v1"
    asked_for: Literal["request", "decide", "cancel"]
    leave_id: Identifier
    staff_id: Identifier
    balance: Ratio | None = None
    """Days left of the kind in the year, where they were too few."""
    ruling: Ruling | None = None
    grounds: Personal


class CancelLeave(Request):
    """Cancel leave: the person's own, or the director's word (A12). Days on which it stood are derived anew."""

    type: Literal["attendance.cancel_leave.v1"] = "attendance.cancel_leave.v1"
    leave_id: Identifier
    staff_id: Identifier
    grounds: Text


class LeaveCancelled(Fact):
    """The leave no longer stands and counts in no balance."""

    type: Literal["attendance.leave_cancelled.v1"] = "attendance.leave_cancelled.v1"
    leave_id: Identifier
    staff_id: Identifier
    ruling: Ruling | None = None
    """None where the person cancelled leave of their own."""
    grounds: Personal


class LeaveEntered(Fact):
    """Leave stands on a person's day, in the stream of that day."""

    type: Literal["attendance.leave_entered.v1"] = "attendance.leave_entered.v1"
    staff_id: Identifier
    day: date
    leave_id: Identifier
    kind: Identifier
    paid: bool
    part: LeavePart


class LeaveStruck(Fact):
    """Leave no longer stands on a person's day."""

    type: Literal["attendance.leave_struck.v1"] = "attendance.leave_struck.v1"
    staff_id: Identifier
    day: date
    leave_id: Identifier


class SetLeaveBalance(Request):
    """Say how many days of a kind a person has in a year, beside what the house's rules give everybody (S4)."""

    type: Literal["attendance.set_leave_balance.v1"] = "attendance.set_leave_balance.v1"
    staff_id: Identifier
    kind: Identifier
    year: Year
    days: Annotated[Ratio, whole(Ratio)]
    why: Label


class LeaveBalanceSet(Fact):
    """How many days of a kind a person has in a year; the latest holds."""

    type: Literal["attendance.leave_balance_set.v1"] = "attendance.leave_balance_set.v1"
    staff_id: Identifier
    kind: Identifier
    year: Year
    days: Ratio
    why: Label
    ruling: Ruling | None = None


class GetLeave(Request):
    """One person's leave and what is left of each kind in a year."""

    type: Literal["attendance.get_leave.v1"] = "attendance.get_leave.v1"
    staff_id: Identifier
    year: Year


@dataclass(frozen=True)
class Leave:
    """One leave of a person."""

    status: Literal["requested", "forwarded", "approved", "declined", "cancelled", "refused"]
    kind: str = ""
    paid: bool = True
    days: tuple[LeaveDay, ...] = ()
    requested_by: str = ""
    fact_id: str = ""
    """The fact that gave it this status."""
    requested_for: str = ""
    """On whose behalf it was asked for, where it was."""

    @property
    def length(self) -> Fraction:
        """In days."""
        return sum((day.days for day in self.days), Fraction(0))


@dataclass(frozen=True)
class LeaveBook:
    """All leave of one person."""

    leaves: dict[str, Leave] = field(default_factory=dict)
    balances: dict[tuple[str, int], Fraction] = field(default_factory=dict)


def evolve(book: LeaveBook, event: Event[Any]) -> LeaveBook:
    """The book after one more fact; what says nothing of leave changes nothing."""
    fact = event.data
    match fact:
        case LeaveRequested():
            asked = Leave("requested", fact.kind, fact.paid, fact.days, event.actor, event.id, event.onbehalfof or "")
            return replace(book, leaves={**book.leaves, fact.leave_id: asked})
        case LeaveForwarded():
            return _with(book, fact.leave_id, "forwarded", event.id)
        case LeaveApproved():
            return _with(book, fact.leave_id, "approved", event.id)
        case LeaveDeclined():
            return _with(book, fact.leave_id, "declined", event.id)
        case LeaveCancelled():
            return _with(book, fact.leave_id, "cancelled", event.id)
        case LeaveRefused():
            known = book.leaves.get(fact.leave_id)
            refused = known or Leave("refused", fact_id=event.id)
            return replace(book, leaves={**book.leaves, fact.leave_id: refused})
        case LeaveBalanceSet():
            return replace(book, balances={**book.balances, (fact.kind, fact.year): fact.days.fraction})
        case _:
            return book


def _with(book: LeaveBook, leave_id: str, status: Any, fact_id: str) -> LeaveBook:
    known = book.leaves.get(leave_id, Leave("requested"))
    return replace(book, leaves={**book.leaves, leave_id: replace(known, status=status, fact_id=fact_id)})


def adjoining(leave_id: str, books: Iterable[LeaveBook], works: Callable[[date], bool]) -> list[tuple[str, Leave]]:
    """The leave that counts with one: standing or asked for, and joined to it, or to what is joined to it, by no working day.

    Args:
        leave_id: which one.
        books: the person's leave, under every id.
        works: whether the office works on a day, for the days between two leaves.
    """
    known = {key: one for book in books for key, one in book.leaves.items()}
    joined = {leave_id: known[leave_id]}
    others = {
        key: one
        for key, one in known.items()
        if key != leave_id and one.status in ("requested", "forwarded", "approved") and one.days
    }
    while True:
        more = {key: one for key, one in others.items() if any(_touch(one, held, works) for held in joined.values())}
        if not more:
            break
        joined |= more
        others = {key: one for key, one in others.items() if key not in more}
    return sorted(((key, one) for key, one in joined.items() if key != leave_id), key=lambda item: item[1].days[0].day)


def _touch(one: Leave, other: Leave, works: Callable[[date], bool]) -> bool:
    first, second = sorted((one, other), key=lambda leave: leave.days[0].day)
    between = range(first.days[-1].day.toordinal() + 1, second.days[0].day.toordinal())
    return not any(works(date.fromordinal(number)) for number in between)


def unpaid_leave(books: Iterable[LeaveBook], month: str) -> tuple[UnpaidDay, ...]:
    """The days of approved leave in a wage month for which no wage is due, halves as halves, with the facts that approved it."""
    return tuple(
        UnpaidDay(unpaid_seconds=day.days.numerator, scheduled_seconds=day.days.denominator, fact_id=one.fact_id)
        for book in books
        for one in book.leaves.values()
        if one.status == "approved" and not one.paid
        for day in one.days
        if month_of(day.day) == month
    )


def leave_power(matrix: AuthorityMatrix | None, position: str | None) -> tuple[str, Verb]:
    """A12 for who holds it, S2 for who stands above."""
    above = matrix.row(ABOVE) if matrix else None
    return (ABOVE, "decide") if above is not None and position in above.holders else (CLAUSE, "approve")


def leave_shown(
    leave: Leave, with_it: Iterable[tuple[str, Leave]], *, calendar: tuple[str, ...], requested_by: str | None
) -> Showing:
    """What a decision on leave shows: its length with all that adjoins it (A12)."""
    beside = list(with_it)
    total = leave.length + sum((one.length for _, one in beside), Fraction(0))
    return Showing(
        measures=(Measured(measure="days", value=Ratio.of(total)),),
        inputs=named(
            leave=(leave.fact_id,), adjoining_leave=tuple(one.fact_id for _, one in beside), calendar=calendar
        ),
        requested_by_id=requested_by,
    )


def days_taken(books: Iterable[LeaveBook], kind: str, year: int, without: str = "") -> Fraction:
    """How many days of a kind stand in a year, approved ones."""
    return sum(
        (
            day.days
            for book in books
            for key, one in book.leaves.items()
            if key != without and one.status == "approved" and one.kind == kind
            for day in one.days
            if day.day.year == year
        ),
        Fraction(0),
    )
