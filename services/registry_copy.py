"""A service's local copy of the registry's facts, and what every ruling of a service reads from it.

Attendance, tickets and whoever else rules on people keep the same copy, each in a table of its own store. A service that
needs more subjects than these names them in `copied`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from bailiwick_contracts.authority import Asked, CopyPosition
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import (
    AuthorityDelegated,
    AuthorityMatrixAdopted,
    DelegationRevoked,
    LegalPolicyAdopted,
    PropertyAdded,
    ReportingLineSet,
    ZoneAdopted,
)
from bailiwick_contracts.registry_evidence import ADOPTIONS, lent, person, place
from bailiwick_contracts.staff import (
    BaseWageSet,
    EmploymentEnded,
    ExternalId,
    ExternalIdMapped,
    FactRetracted,
    PersonErased,
    PositionAssigned,
    StaffCorrected,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)
from bailiwick_contracts.standing import (
    asked_of,
    external_meanings,
    is_erased,
    local_date,
    property_of,
    remaining_id,
    same_person,
)
from bailiwick_contracts.stored import read_stored

from services.kernel.decision import Rejected
from services.kernel.service import Change, Put, Reading, Unit, View

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART = 500
"""Ids in one query."""
_REMEMBERED_LIMIT = 20_000
_Reached = tuple[tuple[str, int], ...]
_REACHED: WeakKeyDictionary[Any, _Reached] = WeakKeyDictionary()
"""How far the copy reached when a unit or query first asked."""
_REMEMBERED: WeakKeyDictionary[Any, tuple[_Reached, dict[tuple[str, ...], list[Event[Any]]]]] = WeakKeyDictionary()
"""Of each installation, by its keys: how far its copy reached, and what was found there."""
COPIES = sa.Table(
    "registry_copies",
    sa.MetaData(),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("fact_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("recorded_us", sa.BigInteger, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)


def micros(at: datetime) -> int:
    """Microseconds since 1970, by which instants are ordered in views."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    """The instant of a view's microseconds."""
    return _EPOCH + timedelta(microseconds=us)


def external(system: str, property_id: str, external_id: str) -> str:
    """The subject of facts about another system's id."""
    return f"external:{system}:{property_id}:{external_id}"


def _external(ids: Iterable[ExternalId]) -> Iterator[str]:
    return (external(one.system, one.property_id, one.external_id) for one in ids)


def subjects_of(fact: Any) -> tuple[str, ...]:
    """Whom a registry fact speaks about; nobody, where no ruling has a use for it."""
    match fact:
        case StaffMerged():
            return (person(fact.staff_id), person(fact.into_staff_id), *_external(fact.external_ids))
        case ExternalIdMapped():
            return (person(fact.staff_id), *_external((fact.external,)))
        case FactRetracted():
            return (person(fact.staff_id), *_external((fact.external,) if fact.external else ()))
        case PersonErased():
            return tuple(dict.fromkeys(map(person, (fact.staff_id, *fact.staff_ids))))
        case (
            StaffRegistered()
            | StaffCorrected()
            | StaffRehired()
            | EmploymentEnded()
            | PositionAssigned()
            | BaseWageSet()
        ):
            return (person(fact.staff_id),)
        case PropertyAdded() | ZoneAdopted() | ReportingLineSet():
            return (place(fact.property_id),)
        case AuthorityDelegated():
            return (lent(fact.delegation.delegation_id),)
        case DelegationRevoked():
            return (lent(fact.delegation_id),)
        case AuthorityMatrixAdopted() | LegalPolicyAdopted():
            return (ADOPTIONS,)
        case _:
            return ()


def copied(more: Callable[[Any], tuple[str, ...]] | None = None, version: int = 1) -> View:
    """The view that keeps the registry's facts as they were stored, by whom they are about.

    Args:
        more: further subjects under which a service wants a fact.
        version: raised whenever `more` wants more than before, so that the copy is made anew.
    """

    def copy_registry(event: Event[Any], raw: bytes) -> Iterator[Change]:
        further = more(event.data) if more is not None else ()
        for subject in (*subjects_of(event.data), *further):
            row = {
                "subject": subject,
                "fact_id": event.id,
                "type": event.type,
                "recorded_us": micros(event.recordedat),
                "raw": raw,
            }
            yield Put(COPIES, row)

    return View("registry_copies", version, "registry", (COPIES,), copy_registry)


REGISTRY_COPIES = copied()


@lru_cache(maxsize=8_192)
def _read(raw: bytes, wire: str) -> Event[Any]:
    return read_stored(raw, wire)


def registry_facts(reading: Reading, subjects: Iterable[str]) -> list[Event[Any]]:
    """The registry's facts about these subjects, and about everyone merged with them.

    The copy changes only where more of the registry is taken in. What was found is therefore remembered for as long as the
    copy reaches no further, and a burst of commands asks the database once.
    """
    wanted = tuple(sorted(set(subjects)))
    remembered = _remembered(reading)
    found = remembered.get(wanted) if remembered is not None else None
    if found is None:
        found = _facts_about(reading, wanted)
        if remembered is not None:
            if len(remembered) >= _REMEMBERED_LIMIT:
                remembered.clear()
            remembered[wanted] = found
    return list(found)


def _remembered(reading: Reading) -> dict[tuple[str, ...], list[Event[Any]]] | None:
    """What was found of the copy as far as it reaches; None while a fact is being taken in, for then it is changing."""
    if getattr(reading, "cause", None) is not None:
        return None
    reached = _REACHED.get(reading)
    if reached is None:
        reached = _REACHED[reading] = tuple(sorted(reading.positions("registry").items()))
    known = _REMEMBERED.get(reading.keys)
    if known is None or known[0] != reached:
        known = _REMEMBERED[reading.keys] = (reached, {})
    return known[1]


def _facts_about(reading: Reading, subjects: Iterable[str]) -> list[Event[Any]]:
    found: dict[str, Event[Any]] = {}
    asked: set[str] = set()
    wanted = set(subjects)
    while wanted:
        asked |= wanted
        for part in parts(sorted(wanted)):
            for row in reading.rows(
                sa.select(COPIES.c.fact_id, COPIES.c.type, COPIES.c.raw).where(COPIES.c.subject.in_(part))
            ):
                found[row.fact_id] = _read(bytes(row.raw), row.type)
        merged = [event.data for event in found.values() if isinstance(event.data, StaffMerged)]
        wanted = {person(one) for fact in merged for one in (fact.staff_id, fact.into_staff_id)} - asked
    return list(found.values())


def parts(items: Sequence[str]) -> Iterable[Sequence[str]]:
    """Ids in as many as go into one query."""
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
            f"{property_id} is not a property that this service knows",
            code="unknown_property",
            field="property",
            value=property_id,
            rule="a property that the registry added, with its zone",
            remedy="add it with AddProperty, or wait until this service has taken that in",
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
    return Ground(asked, events, same_person(events, subject_id) if subject_id else (), copy_positions(unit))


def copy_positions(reading: Reading, property_id: str | None = None) -> tuple[CopyPosition, ...]:
    """How far the registry's copy reaches in the chains that a ruling of a property may rest on: its own and the company's.

    A ruling is read by the property's people, who are not to learn from it which other properties there are.
    """
    own = str(property_id or getattr(reading, "property_id", COMPANY))
    reached = sorted(reading.positions("registry").items())
    return tuple(
        CopyPosition(chain=chain, number=number)
        for chain, number in reached
        if own == COMPANY or chain.partition(":")[2] in (own, COMPANY)
    )


def reject_unknown(events: list[Event[Any]], staff_id: str) -> None:
    """Reject a request about somebody who is not registered, or was erased."""
    if not any(event.type == "registry.staff_registered.v1" and event.data.staff_id == staff_id for event in events):
        raise Rejected(
            f"{staff_id} is not a person that this service knows",
            code="unknown_staff",
            field="staff_id",
            value=staff_id,
            rule="a person that the registry registered",
            remedy="register the person, or wait until this service has taken that in",
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
