"""Leave: each request to what it needs to know, and on to its decision; its days are derived with it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from bailiwick_contracts.attendance import day_stream
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.house_rules import CLAUSE as RULES
from bailiwick_contracts.leave import (
    CLAUSE,
    CancelLeave,
    DecideLeave,
    GetLeave,
    Leave,
    LeaveApproved,
    LeaveBalanceSet,
    LeaveBook,
    LeaveCancelled,
    LeaveDeclined,
    LeaveEntered,
    LeaveForwarded,
    LeaveRefused,
    LeaveRequested,
    LeaveStruck,
    RequestLeave,
    SetLeaveBalance,
    leave_stream,
)
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.overtime import overtime_stream
from pydantic_core import to_jsonable_python

from services.attendance import asking, leave
from services.attendance import gathering as gather
from services.attendance.day import DAY
from services.attendance.deriving import derive_whole
from services.attendance.leave import LEAVE
from services.attendance.overtime import OVERTIME, granted_by_year
from services.kernel.service import CommandHandler, QueryHandler, Reading, Unit


def _books(unit: Unit, ids: Sequence[str]) -> list[LeaveBook]:
    return asking.states(unit, LEAVE, leave_stream, ids)


def _where(books: Sequence[LeaveBook], ids: Sequence[str], leave_id: str) -> str:
    """The stream that holds a leave; the remaining id's for one that nobody asked for."""
    found = (one for one, book in zip(ids, books, strict=True) if leave_id in book.leaves)
    return leave_stream(next(found, ids[0]))


def _granted(reading: Reading, ids: Sequence[str]) -> dict[int, Fraction]:
    """Days of comp leave that a person was granted for overtime, by year."""
    return granted_by_year(reading.state(OVERTIME, overtime_stream(one)) for one in ids)


def on_request_leave(unit: Unit, command: Command[RequestLeave]) -> None:
    """Record that leave is asked for."""
    request = command.data
    question = asking.question(unit, command, CLAUSE, "approve", request.staff_id)
    books = _books(unit, question.ids)
    rules = asking.rules(unit, unit.property_id)
    facts = leave.ask(request, books, rules, _granted(unit, question.ids))
    unit.append(leave_stream(question.ids[0]), *facts)


def _works(
    unit: Unit, ids: Sequence[str], books: Sequence[LeaveBook]
) -> tuple[Callable[[date], bool], tuple[str, ...]]:
    """Whether a person works on a day: by the roster where it speaks of the day, or else by the property's calendar."""
    calendar = asking.working_days(unit, unit.property_id)
    days = [day.day for book in books for one in book.leaves.values() for day in one.days]
    if not days:
        return calendar.is_worked, calendar.facts
    rostered: dict[date, bool] = {}
    for of_person in gather.shifts_between(unit, ids, min(days), max(days)).values():
        for on, shifts in of_person.items():
            rostered[on] = rostered.get(on, False) or bool(shifts)
    return lambda on: rostered[on] if on in rostered else calendar.is_worked(on), calendar.facts


def on_decide_leave(unit: Unit, command: Command[DecideLeave]) -> None:
    """Decide on leave (A12, S2), and enter it on its days."""
    request = command.data
    question = asking.question(unit, command, CLAUSE, "approve", request.staff_id)
    books = _books(unit, question.ids)
    works, calendar = _works(unit, question.ids, books)
    facts = leave.decide(
        request,
        books,
        question,
        works=works,
        calendar=calendar,
        rules=asking.rules(unit, unit.property_id),
        granted=_granted(unit, question.ids),
    )
    unit.append(_where(books, question.ids, request.leave_id), *facts)
    for fact in facts:
        if isinstance(fact, LeaveApproved):
            known = next(book.leaves[request.leave_id] for book in books if request.leave_id in book.leaves)
            _enter(unit, question.ids, request.leave_id, known)


def _enter(unit: Unit, ids: Sequence[str], leave_id: str, known: Leave) -> None:
    touched = []
    for row in known.days:
        staff_id = _rostered(unit, ids, row.day)
        entered = LeaveEntered(
            staff_id=staff_id, day=row.day, leave_id=leave_id, kind=known.kind, paid=known.paid, part=row.part
        )
        unit.append(day_stream(staff_id, row.day), entered)
        touched.append((staff_id, row.day))
    derive_whole(unit, _derivable(unit, touched))


def _rostered(unit: Unit, ids: Sequence[str], day: date) -> str:
    streams = [day_stream(one, day) for one in ids]
    unit.load(streams)
    rostered = (one for one, stream in zip(ids, streams, strict=True) if unit.state(DAY, stream).is_rostered)
    return next(rostered, ids[0])


def _derivable(unit: Unit, touched: Sequence[tuple[str, date]]) -> list[tuple[str, date]]:
    """Days that were derived before, or are over: the others are derived once something is known of them."""
    return [
        (staff_id, day)
        for staff_id, day in touched
        for state in (unit.state(DAY, day_stream(staff_id, day)),)
        if state.derived is not None or (state.is_rostered and all(shift.ends_at < unit.now for shift in state.shifts))
    ]


def on_cancel_leave(unit: Unit, command: Command[CancelLeave]) -> None:
    """Cancel leave, and strike it from its days."""
    request = command.data
    question = asking.question(unit, command, CLAUSE, "approve", request.staff_id)
    books = _books(unit, question.ids)
    facts = leave.cancel(request, books, question)
    unit.append(_where(books, question.ids, request.leave_id), *facts)
    if not any(isinstance(fact, LeaveCancelled) for fact in facts):
        return
    known = next(book.leaves[request.leave_id] for book in books if request.leave_id in book.leaves)
    touched = []
    for row in known.days:
        for one in question.ids:
            stream = day_stream(one, row.day)
            if any(leave_id == request.leave_id for leave_id, _ in unit.state(DAY, stream).leave):
                unit.append(stream, LeaveStruck(staff_id=one, day=row.day, leave_id=request.leave_id))
                touched.append((one, row.day))
    derive_whole(unit, _derivable(unit, touched))


def on_set_leave_balance(unit: Unit, command: Command[SetLeaveBalance]) -> None:
    """Set a person's balance (S4)."""
    request = command.data
    question = asking.question(unit, command, RULES, "decide", request.staff_id)
    stream = leave_stream(question.ids[0])
    unit.append(stream, *leave.set_balance(request, unit.state(LEAVE, stream), question))


def get_leave(reading: Reading, command: Command[GetLeave]) -> Mapping[str, Any]:
    """`leaves` of one person by id, under every id of the person, and `left` of each kind that a balance is kept of."""
    request = command.data
    ids = asking.ids_of(reading, request.staff_id)
    books = [reading.state(LEAVE, leave_stream(one)) for one in ids]
    rules = asking.rules(reading, command.property)
    granted = _granted(reading, ids)
    left = {
        kind.code: leave.left_of(books, kind.code, request.year, rules, granted)
        for kind in (rules.leave_kinds if rules else ())
    }
    return {
        "staff_id": request.staff_id,
        "leaves": {
            key: {"status": one.status, "kind": one.kind, "paid": one.paid, "days": to_jsonable_python(one.days),
                  "fact_id": one.fact_id}
            for book in books
            for key, one in book.leaves.items()
        },
        "left": {code: str(days) for code, days in left.items() if days is not None},
    }  # fmt: skip


PUBLISHES: tuple[type[Fact], ...] = (
    LeaveRequested,
    LeaveApproved,
    LeaveForwarded,
    LeaveDeclined,
    LeaveRefused,
    LeaveCancelled,
    LeaveEntered,
    LeaveStruck,
    LeaveBalanceSet,
)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    RequestLeave: on_request_leave,
    DecideLeave: on_decide_leave,
    CancelLeave: on_cancel_leave,
    SetLeaveBalance: on_set_leave_balance,
}
QUERIES: Mapping[type[Request], QueryHandler] = {GetLeave: get_leave}
