"""Cases of discipline: each request to what it needs to know, and on to its decision."""

from collections.abc import Mapping
from typing import Any

from bailiwick_contracts.breach import (
    AppealCase,
    AppealDecided,
    CaseAppealed,
    CaseDecided,
    CaseForwarded,
    CaseNoticeGiven,
    CaseOpened,
    CaseRefused,
    CaseReversed,
    Conduct,
    DecideAppeal,
    DecideCase,
    GetConduct,
    GiveCaseNotice,
    OpenCase,
    RecordStatement,
    StatementRecorded,
    conduct_stream,
)
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.message import Fact, Request
from pydantic_core import to_jsonable_python

from services.attendance import asking, breach
from services.attendance.breach import CONDUCT
from services.attendance.question import Question
from services.kernel.service import CommandHandler, QueryHandler, Reading, Unit


def _found(unit: Unit, command: Command[Any]) -> tuple[Question, str, list[Conduct]]:
    question = asking.question(unit, command, "G4", "decide", command.data.staff_id)
    books = asking.states(unit, CONDUCT, conduct_stream, question.ids)
    index = next((n for n, book in enumerate(books) if command.data.case_id in book.cases), 0)
    return question, conduct_stream(question.ids[index]), books


def on_open_case(unit: Unit, command: Command[OpenCase]) -> None:
    """Open a case."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.open_case(command.data, books, question, asking.rules(unit, unit.property_id)))


def on_record_statement(unit: Unit, command: Command[RecordStatement]) -> None:
    """Record a statement."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.hear(command.data, books, question))


def on_decide_case(unit: Unit, command: Command[DecideCase]) -> None:
    """Decide a case."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.decide(command.data, books, question, asking.rules(unit, unit.property_id)))


def on_give_case_notice(unit: Unit, command: Command[GiveCaseNotice]) -> None:
    """Record the notice."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.give_notice(command.data, books, question))


def on_appeal_case(unit: Unit, command: Command[AppealCase]) -> None:
    """Appeal."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.appeal(command.data, books, question, asking.rules(unit, unit.property_id)))


def on_decide_appeal(unit: Unit, command: Command[DecideAppeal]) -> None:
    """Decide an appeal."""
    question, stream, books = _found(unit, command)
    unit.append(stream, *breach.decide_appeal(command.data, books, question))


def get_conduct(reading: Reading, command: Command[GetConduct]) -> Mapping[str, Any]:
    """`cases` of one person by id, and `standing` breaches by code. Grounds and statements stay sealed."""
    ids = asking.ids_of(reading, command.data.staff_id)
    books = [reading.state(CONDUCT, conduct_stream(one)) for one in ids]
    cases = {key: one for book in books for key, one in book.cases.items()}
    standing: dict[str, int] = {}
    for one in cases.values():
        if one.stands:
            standing[one.code] = standing.get(one.code, 0) + 1
    return {"staff_id": command.data.staff_id, "cases": to_jsonable_python(cases), "standing": standing}


PUBLISHES: tuple[type[Fact], ...] = (
    CaseOpened,
    StatementRecorded,
    CaseDecided,
    CaseForwarded,
    CaseNoticeGiven,
    CaseAppealed,
    AppealDecided,
    CaseReversed,
    CaseRefused,
)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    OpenCase: on_open_case,
    RecordStatement: on_record_statement,
    DecideCase: on_decide_case,
    GiveCaseNotice: on_give_case_notice,
    AppealCase: on_appeal_case,
    DecideAppeal: on_decide_appeal,
}
QUERIES: Mapping[type[Request], QueryHandler] = {GetConduct: get_conduct}
