"""The registry's facts that rulings rest on, by what they are about, asked for as a copy knew them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, TypeVar

from bailiwick_contracts.authority import CopyPosition
from bailiwick_contracts.deductions import Wage
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.mark import Mark, Sees, copied, recorded_by
from bailiwick_contracts.matrix import AuthorityMatrix
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
from bailiwick_contracts.sealed import Keys, open_record
from bailiwick_contracts.staff import (
    BaseWageSet,
    EmploymentEnded,
    FactRetracted,
    PersonErased,
    PositionAssigned,
    StaffCorrected,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)
from bailiwick_contracts.staff import Wage as SealedWage
from bailiwick_contracts.standing import Facts, wage_fact

T = TypeVar("T")
_reach = attrgetter("chain", "number")
_KEPT = 20_000
"""How many subjects at their positions are kept in mind."""
ADOPTIONS = "adoptions"
"""The subject of everything the company adopted."""


class Known:
    """The registry's facts about some subjects as a copy knew them, and what was made out from them."""

    def __init__(self, events: Iterable[Event[Any]]) -> None:
        """Nothing was made out yet."""
        self.events = Facts(events)
        self._made: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` answers for `key` from these facts alone, asked for once."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found


class RegistryEvidence:
    """Every fact of the registry that a ruling may rest on. Facts of one chain are taken in order."""

    def __init__(self, keys: Keys) -> None:
        """`keys` opens wages."""
        self._keys = keys
        self._reached: dict[str, int] = {}
        self._about: defaultdict[str, list[Mark]] = defaultdict(list)
        self._versions: dict[str, AuthorityMatrix] = {}
        self._wages: dict[str, Wage] = {}
        self._known: dict[Any, Known] = {}
        self.retracted: set[str] = set()
        """Facts taken back, whenever."""

    def take(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact."""
        fact = event.data
        self._reached[mark.chain] = max(mark.number, self._reached.get(mark.chain, 0))
        for subject in _subjects(fact):
            self._about[subject].append(mark)
        if isinstance(fact, AuthorityMatrixAdopted):
            self._versions[fact.version] = fact.matrix
        elif isinstance(fact, FactRetracted):
            self.retracted.add(fact.fact_id)

    def missing(self, positions: Iterable[CopyPosition]) -> list[CopyPosition]:
        """The positions that lie beyond what was read."""
        reached = self._reached
        return [position for position in positions if reached.get(position.chain, 0) < position.number]

    def version(self, name: str) -> AuthorityMatrix | None:
        """A version of the matrix, whenever it was adopted."""
        return self._versions.get(name)

    def about(self, subjects: Iterable[str], sees: Sees) -> list[Event[Any]]:
        """The registry's facts about these subjects, and about everyone merged with them, as far as a ruling sees."""
        found: dict[str, Event[Any]] = {}
        wanted, asked = list(subjects), set[str]()
        while wanted:
            subject = wanted.pop()
            if subject in asked:
                continue
            asked.add(subject)
            for mark in self._about.get(subject, ()):
                if sees(mark):
                    found[mark.fact_id] = mark.value
                    if isinstance(mark.value.data, StaffMerged):
                        wanted += (person(mark.value.data.staff_id), person(mark.value.data.into_staff_id))
        return list(found.values())

    def known(self, event: Event[Any], subject_id: str | None, positions: tuple[CopyPosition, ...]) -> Known:
        """What a decision about somebody rests on: as its service's copy of the registry had it, or as it was recorded by then.

        Made once for a copy's positions, for nothing is added to what lies within them.
        """
        if not positions:
            return Known(self.about(_concerned(event, subject_id), recorded_by(event.recordedat)))
        asked = (event.actor, event.onbehalfof, event.delegation, subject_id, event.source, *map(_reach, positions))
        found = self._known.get(asked)
        if found is None:
            found = Known(self.about(_concerned(event, subject_id), copied(positions)))
            if not self.missing(positions):
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[asked] = found
        return found

    def wage_on(self, events: Sequence[Event[Any]], ids: Iterable[str], day: date) -> Wage | None:
        """The base wage of a day, opened."""
        fact = wage_fact(events, ids, day)
        if fact is None:
            return None
        if fact.id not in self._wages:
            opened = open_record(fact.data.wage, SealedWage, event_id=fact.id, path="wage", keys=self._keys)
            self._wages[fact.id] = Wage(month=opened.base_wage, fact_id=fact.id)
        return self._wages[fact.id]


def person(staff_id: str) -> str:
    """The subject of facts about a person."""
    return f"person:{staff_id}"


def place(property_id: str) -> str:
    """The subject of facts about a property."""
    return f"place:{property_id}"


def lent(delegation_id: str) -> str:
    """The subject of facts about a delegation."""
    return f"delegation:{delegation_id}"


def _concerned(event: Event[Any], subject_id: str | None) -> list[str]:
    people = [person(one) for one in (event.actor, event.onbehalfof, subject_id) if one]
    lending = [lent(event.delegation)] if event.delegation is not None else []
    return [*people, place(event.property_id), place(COMPANY), ADOPTIONS, *lending]


def _subjects(fact: Any) -> tuple[str, ...]:
    match fact:
        case StaffMerged():
            return (person(fact.staff_id), person(fact.into_staff_id))
        case PersonErased():
            return tuple(dict.fromkeys(map(person, (fact.staff_id, *fact.staff_ids))))
        case (
            StaffRegistered()
            | StaffCorrected()
            | StaffRehired()
            | EmploymentEnded()
            | PositionAssigned()
            | BaseWageSet()
            | FactRetracted()
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
