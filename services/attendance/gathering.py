"""What a handler reads before it decides: people and versions from the registry's copies, days and sums from our views."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.authority import Asked, CopyPosition
from bailiwick_contracts.conduct import ImportedAmount
from bailiwick_contracts.deductions import PenaltyFigures, UnpaidDay, Wage
from bailiwick_contracts.envelope import Command, Event, read_event
from bailiwick_contracts.lateness import Punch, Shift
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.penalty import StandingPenalty
from bailiwick_contracts.quota import Amount, CountedDay, Counting, month_of
from bailiwick_contracts.sealed import Confidential, open_record
from bailiwick_contracts.staff import StaffMerged
from bailiwick_contracts.staff import Wage as SealedWage
from bailiwick_contracts.standing import (
    asked_of,
    external_meanings,
    is_erased,
    local_date,
    property_of,
    remaining_id,
    same_person,
    wage_fact,
)

from services.attendance.views import (
    ADOPTIONS,
    CONFIRMATIONS,
    COPIES,
    DAYS,
    PENALTIES,
    PUNCHES,
    REVERSALS,
    SHIFTS,
    SHIFTS_JSON,
    external,
    instant,
    lent,
    micros,
    person,
    place,
)
from services.kernel.decision import Rejected
from services.kernel.service import Reading, Unit

_PART = 500
"""Ids in one query."""
_AROUND = timedelta(days=3)


@lru_cache(maxsize=8_192)
def _read(raw: bytes, wire: str) -> Event[Any]:
    return read_event(raw, wire)


@lru_cache(maxsize=4_096)
def _shifts(text: str) -> tuple[Shift, ...]:
    found: tuple[Shift, ...] = SHIFTS_JSON.validate_json(text)
    return found


def registry_facts(reading: Reading, subjects: Iterable[str]) -> list[Event[Any]]:
    """The registry's facts about these subjects, and about everyone merged with them."""
    found: dict[str, Event[Any]] = {}
    asked: set[str] = set()
    wanted = set(subjects)
    while wanted:
        asked |= wanted
        for part in _parts(sorted(wanted)):
            for row in reading.rows(
                sa.select(COPIES.c.fact_id, COPIES.c.type, COPIES.c.raw).where(COPIES.c.subject.in_(part))
            ):
                found[row.fact_id] = _read(bytes(row.raw), row.type)
        merged = [event.data for event in found.values() if isinstance(event.data, StaffMerged)]
        wanted = {person(one) for fact in merged for one in (fact.staff_id, fact.into_staff_id)} - asked
    return list(found.values())


def _parts(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _PART] for start in range(0, len(items), _PART))


@dataclass(frozen=True)
class People:
    """Who the people of one request are, now."""

    events: list[Event[Any]]
    known: Mapping[str, str] = field(default_factory=dict)
    """Every registered id asked for, with the id that remains of it."""
    erased: frozenset[str] = frozenset()


def people(reading: Reading, staff_ids: Iterable[str]) -> People:
    """Look people up. Ids that nobody registered are missing from `known`."""
    wanted = set(staff_ids)
    events = registry_facts(reading, map(person, wanted))
    registered = {event.data.staff_id for event in events if event.type == "registry.staff_registered.v1"}
    any_merged = any(isinstance(event.data, StaffMerged) for event in events)
    known = {one: remaining_id(events, one) if any_merged else one for one in wanted & registered}
    any_erased = any(event.type == "registry.person_erased.v1" for event in events)
    erased = frozenset(one for one in wanted if any_erased and is_erased(events, same_person(events, one)))
    return People(events, known, erased)


def external_ids(reading: Reading, system: str, property_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Whom another system's ids mean at a property; where it has no such id, in the whole company."""
    wanted = sorted(set(ids))
    places = (property_id, COMPANY)
    subjects = [external(system, where, one) for one in wanted for where in places]
    meant = external_meanings(registry_facts(reading, subjects))
    found = {
        one: next((meant[system, where, one] for where in places if (system, where, one) in meant), None)
        for one in wanted
    }
    return {one: staff_id for one, staff_id in found.items() if staff_id is not None}


def settings(unit: Reading, property_id: str) -> list[Event[Any]]:
    """The facts about a property.

    Raises:
        Rejected: nobody added it.
    """
    events = registry_facts(unit, [place(property_id)])
    if property_of(events, property_id) is None or local_date(events, property_id, unit.now) is None:
        raise Rejected(
            f"{property_id} is not a property that attendance knows",
            code="unknown_property",
            field="property",
            value=property_id,
            rule="a property that the registry added, with its zone",
            remedy="add it with AddProperty, or wait until attendance has taken that in",
        )
    return events


@dataclass(frozen=True)
class Ground:
    """What every ruling of a request rests on."""

    asked: Asked
    events: list[Event[Any]]
    ids: tuple[str, ...]
    """Every id of the subject."""
    positions: tuple[CopyPosition, ...]


def ground(unit: Unit, command: Command[Any], row_id: str, verb: Verb, subject_id: str | None) -> Ground:
    """Who asks, about whom, under which versions.

    Raises:
        Rejected: the subject is not registered, or was erased.
    """
    facts = settings(unit, unit.property_id)
    ids = [one for one in (command.actor, command.onbehalfof, subject_id) if one]
    subjects = [
        *map(person, ids),
        place("company"),
        ADOPTIONS,
        *([lent(command.delegation)] if command.delegation else []),
    ]
    events = [*facts, *registry_facts(unit, subjects)]
    if subject_id is not None:
        reject_unknown(events, subject_id)
    decided_on = local_date(facts, unit.property_id, unit.now)
    assert decided_on is not None  # noqa: S101 - `settings` rejects a property without a zone
    asked = asked_of(
        events,
        row_id=row_id,
        verb=verb,
        actor_id=command.actor,
        on_behalf_of_id=command.onbehalfof,
        delegation_id=command.delegation,
        subject_id=subject_id,
        property_id=unit.property_id,
        decided_on=decided_on,
    )
    reached = unit.positions("registry")
    positions = tuple(CopyPosition(chain=chain, number=number) for chain, number in sorted(reached.items()))
    return Ground(asked, events, same_person(events, subject_id) if subject_id else (), positions)


def reject_unknown(events: list[Event[Any]], staff_id: str) -> None:
    """Reject a request about somebody who is not registered, or was erased."""
    if not any(event.type == "registry.staff_registered.v1" and event.data.staff_id == staff_id for event in events):
        raise Rejected(
            f"{staff_id} is not a person that attendance knows",
            code="unknown_staff",
            field="staff_id",
            value=staff_id,
            rule="a person that the registry registered",
            remedy="register the person, or wait until attendance has taken that in",
        )
    if is_erased(events, same_person(events, staff_id)):
        raise Rejected(
            f"{staff_id} was erased",
            code="person_erased",
            field="staff_id",
            value=staff_id,
            rule="a person whose key exists",
            remedy="nothing more can be recorded about this person",
        )


def shifts_between(
    reading: Reading, staff_ids: Iterable[str], first: date, last: date
) -> dict[str, dict[date, tuple[Shift, ...]]]:
    """The rostered shifts of people, with those of three days before and after."""
    found: dict[str, dict[date, tuple[Shift, ...]]] = {}
    for part in _parts(sorted(set(staff_ids))):
        query = sa.select(SHIFTS.c.staff_id, SHIFTS.c.day, SHIFTS.c.shifts).where(
            SHIFTS.c.staff_id.in_(part), SHIFTS.c.day.between(first - _AROUND, last + _AROUND)
        )
        for row in reading.rows(query):
            found.setdefault(row.staff_id, {})[row.day] = _shifts(row.shifts)
    return found


def punches_between(
    reading: Reading, staff_ids: Iterable[str], first: datetime, last: datetime
) -> dict[str, list[Punch]]:
    """The punches of people from an instant to an instant, both included."""
    found: dict[str, list[Punch]] = {}
    columns = (PUNCHES.c.staff_id, PUNCHES.c.at_us, PUNCHES.c.direction, PUNCHES.c.fact_id)
    for part in _parts(sorted(set(staff_ids))):
        query = sa.select(*columns).where(
            PUNCHES.c.staff_id.in_(part), PUNCHES.c.at_us.between(micros(first), micros(last))
        )
        for row in reading.rows(query):
            punch = Punch.model_construct(at=instant(row.at_us), direction=row.direction, fact_id=row.fact_id)
            found.setdefault(row.staff_id, []).append(punch)
    return found


def punches_known_as(reading: Reading, punch_ids: Iterable[str], property_id: str) -> dict[str, str]:
    """What is recorded at a property under these punch ids: `punch_key` of each."""
    found: dict[str, str] = {}
    for part in _parts(sorted(set(punch_ids))):
        query = sa.select(PUNCHES.c.punch_id, PUNCHES.c.key).where(
            PUNCHES.c.punch_id.in_(part), PUNCHES.c.property_id == property_id
        )
        found.update({row.punch_id: row.key for row in reading.rows(query)})
    return found


def confirmations(unit: Unit, ids: Sequence[str], day: date) -> tuple[Counting, ...]:
    """A person's confirmed forgotten punches of the years around a day, whatever the property."""
    query = sa.select(CONFIRMATIONS.c.day, CONFIRMATIONS.c.fact_id).where(
        CONFIRMATIONS.c.staff_id.in_(ids), CONFIRMATIONS.c.day.between(*_years_around(day))
    )
    return tuple(Counting(day=row.day, fact_id=row.fact_id) for row in unit.rows(query))


def _years_around(day: date) -> tuple[date, date]:
    return date(day.year - 1, 1, 1), date(day.year + 1, 12, 31)


def late_days(unit: Unit, ids: Sequence[str], day: date, until: date) -> tuple[CountedDay, ...]:
    """A person's days with a lateness or early leave, from the year before `day` up to `until`, whatever the property.

    An imported penalty shows an occurrence of a day of which no derivation shows one.
    """
    first = date(day.year - 1, 1, 1)
    query = sa.select(DAYS.c.day, DAYS.c.kinds, DAYS.c.fact_id).where(
        DAYS.c.staff_id.in_(ids), DAYS.c.day.between(first, until), DAYS.c.kinds != ""
    )
    found: dict[date, CountedDay] = {}
    for row in unit.rows(query):
        kinds = tuple(kind for kind in row.kinds.split(",") if kind != "absent")
        if kinds:
            found[row.day] = CountedDay.model_validate({"day": row.day, "kinds": kinds, "fact_id": row.fact_id})
    for row in unit.rows(_standing(PENALTIES.c.status == "imported", ids).where(PENALTIES.c.day.between(first, until))):
        if row.occurrence != "absent" and row.day not in found:
            found[row.day] = CountedDay.model_validate(
                {"day": row.day, "kinds": (row.occurrence,), "fact_id": row.fact_id}
            )
    return tuple(found[day] for day in sorted(found))


def _standing(condition: Any, ids: Sequence[str]) -> sa.Select[Any]:
    taken_back = sa.select(REVERSALS.c.penalty_id)
    return sa.select(PENALTIES).where(
        condition,
        PENALTIES.c.staff_id.in_(ids),
        PENALTIES.c.status.in_(("decided", "imported")),
        PENALTIES.c.penalty_id.not_in(taken_back),
    )


def standing_on(unit: Unit, ids: Sequence[str], day: date, occurrence: str) -> tuple[StandingPenalty, ...]:
    """The penalties that stand on an occurrence."""
    query = _standing(PENALTIES.c.day == day, ids).where(PENALTIES.c.occurrence == occurrence)
    return tuple(StandingPenalty(clause=row.clause, fact_id=row.fact_id) for row in unit.rows(query))


def month_days(unit: Unit, ids: Sequence[str], day: date) -> tuple[UnpaidDay, ...]:
    """A person's days of a wage month with unpaid time, whatever the property."""
    first = day.replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    query = (
        sa.select(DAYS.c.unpaid_seconds, DAYS.c.scheduled_seconds, DAYS.c.fact_id)
        .where(DAYS.c.staff_id.in_(ids), DAYS.c.day.between(first, last), DAYS.c.unpaid_seconds > 0)
        .order_by(DAYS.c.day, DAYS.c.staff_id)
    )
    return tuple(
        UnpaidDay(unpaid_seconds=row.unpaid_seconds, scheduled_seconds=row.scheduled_seconds, fact_id=row.fact_id)
        for row in unit.rows(query)
    )


def month_penalties(unit: Unit, ids: Sequence[str], day: date) -> tuple[Amount, ...]:
    """The penalties that stand in a person's wage month, whatever the property, opened."""
    found = []
    for row in unit.rows(_standing(PENALTIES.c.month == month_of(day), ids)):
        sealed = Confidential.model_validate_json(row.figures)
        if row.status == "imported":
            amount = open_record(sealed, ImportedAmount, event_id=row.fact_id, path="figures", keys=unit.keys).penalty
        else:
            figures = open_record(sealed, PenaltyFigures, event_id=row.fact_id, path="figures", keys=unit.keys)
            if figures.computed is None:
                continue
            amount = figures.computed.penalty
        found.append(Amount(amount=amount, fact_id=row.fact_id))
    return tuple(sorted(found, key=lambda item: item.fact_id))


def wage_on(unit: Unit, events: list[Event[Any]], ids: Sequence[str], day: date) -> Wage | None:
    """The base wage that holds on a day, opened."""
    fact = wage_fact(events, ids, day)
    if fact is None:
        return None
    opened = open_record(fact.data.wage, SealedWage, event_id=fact.id, path="wage", keys=unit.keys)
    return Wage(month=opened.base_wage, fact_id=fact.id)
