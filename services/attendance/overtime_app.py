"""Overtime: each request to what it needs to know, and on to its decision."""

from collections.abc import Mapping
from typing import Any

from bailiwick_contracts.envelope import Command
from bailiwick_contracts.house_rules import OvertimeRates
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.overtime import (
    CLAUSE,
    COMP_LEAVE,
    PAY,
    CompLeaveGranted,
    ConfirmOvertime,
    GetOvertime,
    GrantCompLeave,
    OvertimeBook,
    OvertimeConfirmed,
    OvertimePayRecommended,
    OvertimeRefused,
    OvertimeSubmitted,
    RecommendOvertimePay,
    SubmitOvertime,
    overtime_stream,
)
from bailiwick_contracts.registry import PAID_DAYS_PER_MONTH
from bailiwick_contracts.standing import local_date, property_of
from pydantic_core import to_jsonable_python

from services.attendance import asking, overtime
from services.attendance import gathering as gather
from services.attendance.overtime import OVERTIME
from services.attendance.question import Question
from services.kernel.service import CommandHandler, QueryHandler, Reading, Unit


def _found(unit: Unit, command: Command[Any], row_id: str, verb: Verb) -> tuple[Question, str, OvertimeBook]:
    question = asking.question(unit, command, row_id, verb, command.data.staff_id)
    books = asking.states(unit, OVERTIME, overtime_stream, question.ids)
    named = command.data.overtime_id
    index = next((n for n, book in enumerate(books) if named in book.overtimes), 0)
    return question, overtime_stream(question.ids[index]), books[index]


def _rates(unit: Unit) -> OvertimeRates:
    rules = asking.rules(unit, unit.property_id)
    return rules.overtime if rules is not None else OvertimeRates()


def on_submit_overtime(unit: Unit, command: Command[SubmitOvertime]) -> None:
    """Submit overtime (A11)."""
    question, stream, book = _found(unit, command, CLAUSE, "submit")
    others = [one for one in asking.states(unit, OVERTIME, overtime_stream, question.ids) if one is not book]
    starts_on = local_date(question.events, unit.property_id, command.data.starts_at) or command.data.day
    unit.append(stream, *overtime.submit(command.data, [book, *others], question, starts_on=starts_on))


def on_confirm_overtime(unit: Unit, command: Command[ConfirmOvertime]) -> None:
    """Confirm overtime (A11)."""
    question, stream, book = _found(unit, command, CLAUSE, "confirm")
    calendar = asking.working_days(unit, unit.property_id)
    unit.append(stream, *overtime.confirm(command.data, book, question, calendar=calendar))


def on_grant_comp_leave(unit: Unit, command: Command[GrantCompLeave]) -> None:
    """Compensate by leave (A5)."""
    question, stream, book = _found(unit, command, COMP_LEAVE, "decide")
    unit.append(stream, *overtime.grant(command.data, book, question, rates=_rates(unit)))


def on_recommend_overtime_pay(unit: Unit, command: Command[RecommendOvertimePay]) -> None:
    """Recommend pay (A6)."""
    question, stream, book = _found(unit, command, PAY, "recommend")
    known = book.overtimes.get(command.data.overtime_id)
    wage = gather.wage_on(unit, question.events, question.ids, known.day) if known is not None else None
    settings = property_of(question.events, unit.property_id)
    facts = overtime.recommend_pay(
        command.data,
        book,
        question,
        wage=wage.month if wage is not None else None,
        paid_days=settings.data.paid_days_per_month if settings else PAID_DAYS_PER_MONTH,
        rates=_rates(unit),
        property_id=unit.property_id,
    )
    unit.append(stream, *facts)


def get_overtime(reading: Reading, command: Command[GetOvertime]) -> Mapping[str, Any]:
    """`overtimes` of one person by id, and days of comp leave `granted` by year. Figures stay sealed."""
    ids = asking.ids_of(reading, command.data.staff_id)
    books = [reading.state(OVERTIME, overtime_stream(one)) for one in ids]
    return {
        "staff_id": command.data.staff_id,
        "overtimes": to_jsonable_python({key: one for book in books for key, one in book.overtimes.items()}),
        "granted": {str(year): str(days) for year, days in overtime.granted_by_year(books).items()},
    }


PUBLISHES: tuple[type[Fact], ...] = (
    OvertimeSubmitted,
    OvertimeConfirmed,
    CompLeaveGranted,
    OvertimePayRecommended,
    OvertimeRefused,
)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    SubmitOvertime: on_submit_overtime,
    ConfirmOvertime: on_confirm_overtime,
    GrantCompLeave: on_grant_comp_leave,
    RecommendOvertimePay: on_recommend_overtime_pay,
}
QUERIES: Mapping[type[Request], QueryHandler] = {GetOvertime: get_overtime}
