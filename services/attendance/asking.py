"""What the handlers of the newer nouns read before they decide: the question, the house's rules, working days, a month's days."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

from bailiwick_contracts.envelope import Command
from bailiwick_contracts.house_book import House, house_stream
from bailiwick_contracts.house_rules import HouseRules
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.month import month_stream
from bailiwick_contracts.month_book import counts_in
from bailiwick_contracts.notice import StandingNotice, notices_stream, opened_notices
from bailiwick_contracts.registry_evidence import ADOPTIONS, person, place
from bailiwick_contracts.standing import asked_of, matrix_in_force, same_person
from bailiwick_contracts.working_days import WorkingDays

from services.attendance.house_rules import HOUSE
from services.attendance.month import MONTH
from services.attendance.notice import NOTICES
from services.attendance.question import Question
from services.attendance.views import calendar_subject
from services.kernel.decision import Noun
from services.kernel.service import Reading, Unit
from services.registry_copy import copy_positions, ground, registry_facts

S = TypeVar("S")
SETUP = ("system-setup", "system-import")
"""Who sets an installation up or imports into it, never through the live channel."""


def question(unit: Unit, command: Command[Any], row_id: str, verb: Verb, subject_id: str | None = None) -> Question:
    """Who asks, about whom, under the matrix in force. Raises Rejected for an unknown property or person."""
    found = ground(unit, command, row_id, verb, subject_id)
    matrix, _ = matrix_in_force(found.events, unit.now)
    set_up = command.actor in SETUP and command.channel != "live"
    return Question(found.asked, matrix, unit.now, found.positions, set_up, found.events, found.ids)


def question_anywhere(unit: Unit, command: Command[Any], row_id: str, verb: Verb) -> Question:
    """The same where `company` is asked: it has no zone of its own, so the date is that of UTC."""
    if unit.property_id != COMPANY:
        return question(unit, command, row_id, verb)
    subjects = [ADOPTIONS, place(COMPANY), *map(person, (one for one in (command.actor, command.onbehalfof) if one))]
    events = registry_facts(unit, subjects)
    asked = asked_of(
        events,
        row_id=row_id,
        verb=verb,
        actor_id=command.actor,
        on_behalf_of_id=command.onbehalfof,
        delegation_id=None,
        subject_id=None,
        property_id=COMPANY,
        decided_on=unit.now.date(),
    )
    set_up = command.actor in SETUP and command.channel != "live"
    return Question(asked, matrix_in_force(events, unit.now)[0], unit.now, copy_positions(unit), set_up, events)


def ids_of(reading: Reading, staff_id: str) -> tuple[str, ...]:
    """Every id of a person, the remaining one first; the id alone of somebody nobody registered."""
    return same_person(registry_facts(reading, [person(staff_id)]), staff_id)


def states(unit: Unit, noun: Noun[S], stream: Callable[[str], str], ids: Sequence[str]) -> list[S]:
    """The state of a noun under each id of a person, the remaining one first."""
    streams = [stream(one) for one in ids]
    unit.load(streams)
    return [unit.state(noun, one) for one in streams]


def house(reading: Reading, property_id: str) -> House:
    """The rules that hold at a property, its own or else the company's, with its own working days."""
    own = reading.state(HOUSE, house_stream(property_id))
    if own.rules is not None:
        return own
    of_company = reading.state(HOUSE, house_stream(COMPANY))
    return House(of_company.rules, of_company.rules_fact, own.overridden)


def rules(reading: Reading, property_id: str) -> HouseRules | None:
    """The rules that hold at a property."""
    return house(reading, property_id).rules


def working_days(reading: Reading, property_id: str) -> WorkingDays:
    """The property's working calendar."""
    events = registry_facts(reading, [calendar_subject(property_id)])
    adopted = sorted(events, key=lambda event: (event.recordedat, event.chainnumber))
    return WorkingDays(adopted, house(reading, property_id).overridden)


def closed_at(reading: Reading, property_id: str) -> Callable[[str], bool]:
    """Whether a month of a property is closed."""
    return lambda month: reading.state(MONTH, month_stream(property_id, month)).closed is not None


def taken_in(reading: Reading, property_id: str, day: date) -> str:
    """The month in which something about a day is taken: its own, or the next that is open."""
    return counts_in(f"{day:%Y-%m}", closed_at(reading, property_id))


def confirmation_of(reading: Reading, property_id: str, day: date) -> str | None:
    """The fact that confirmed the attendance of a day's month at a property."""
    return reading.state(MONTH, month_stream(property_id, f"{day:%Y-%m}")).confirmation


def notices(unit: Unit, ids: Sequence[str], day: date, occurrence: str) -> tuple[StandingNotice, ...]:
    """The written notices a person was given about an occurrence, opened."""
    given = [event for one in states(unit, NOTICES, notices_stream, ids) for event in one.given]
    return opened_notices(given, day, occurrence, unit.keys)
