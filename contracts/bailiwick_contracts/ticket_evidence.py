"""The facts that decisions about tickets rest on: their streams, the adopted deadline policies, calendars and zones."""

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from bailiwick_contracts.deadline import Basis, Reckoning, Terms, reckon_both
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted, policy_holding
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.handling import TicketCompleted, TicketReopened, TicketResumed
from bailiwick_contracts.mark import Mark, Sees, last
from bailiwick_contracts.registry import CalendarAdopted, ZoneAdopted
from bailiwick_contracts.ticket import TicketClassified, TicketRegistered
from bailiwick_contracts.working_time import Span, WorkingCalendar

_READ = frozenset({TicketRegistered, TicketClassified, TicketResumed, TicketReopened, TicketCompleted})
"""The kinds of fact that a ticket's kind, class, terms and holds are read from."""


class Stood(NamedTuple):
    """A ticket as it stood before some fact."""

    registered: Event[TicketRegistered] | None = None
    classified: TicketClassified | None = None
    """Its last classification; None while it is what it was registered as."""
    deadlines: tuple[Reckoning, ...] = ()
    """The terms as they were reckoned last: a classification replaces them, what else reckons moves them."""
    holds: tuple[Span, ...] = ()
    """What did not count of the terms."""

    @property
    def said(self) -> TicketRegistered | TicketClassified | None:
        """What says its kind, class and topic, and the terms that hold for it."""
        return self.classified or (self.registered.data if self.registered is not None else None)


class TicketEvidence:
    """Facts by stream. Facts of one chain are taken in order."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._streams: defaultdict[str, list[Mark]] = defaultdict(list)
        self._policies: list[Mark] = []
        self._zones: defaultdict[str, list[Mark]] = defaultdict(list)
        self._calendars: defaultdict[str, list[Mark]] = defaultdict(list)
        self._made: dict[Basis, WorkingCalendar] = {}

    def take(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact of tickets; of most nothing is asked, and what another system kept is evidence of nothing."""
        kind = type(event.data)
        if kind in _READ:
            self._streams[event.subject].append(mark)
        elif kind is DeadlinePolicyAdopted:
            self._policies.append(mark)

    def take_registry(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact of the registry."""
        if isinstance(event.data, ZoneAdopted):
            self._zones[event.data.property_id].append(mark)
        elif isinstance(event.data, CalendarAdopted):
            self._calendars[event.data.property_id].append(mark)

    def stood(self, stream: str, sees: Sees) -> Stood:
        """A ticket by the facts of its stream that are seen."""
        registered: Event[TicketRegistered] | None = None
        classified: TicketClassified | None = None
        deadlines: dict[str, Reckoning] = {}
        holds: list[Span] = []
        for mark in self._streams.get(stream, ()):
            if not sees(mark):
                continue
            fact = mark.value.data
            match fact:
                case TicketCompleted():
                    if fact.held is not None:
                        holds.append(fact.held)
                    continue
                case TicketRegistered():
                    registered = registered or mark.value
                case TicketClassified():
                    classified, deadlines = fact, {}
                case TicketResumed():
                    holds.append(fact.held)
                case TicketReopened():
                    holds.append(fact.stood_still)
            deadlines |= {one.clock: one for one in fact.deadlines}
        return Stood(registered, classified, tuple(deadlines.values()), tuple(holds))

    def policy_at(self, property_id: str, at: datetime, sees: Sees) -> tuple[DeadlinePolicyAdopted, str] | None:
        """The policy that held for a property, with its fact."""
        adopted = [(mark.value.data, mark.fact_id) for mark in self._policies if sees(mark)]
        return policy_holding(adopted, property_id, at)

    def reckoned(
        self, property_id: str, terms: Terms | None, started_at: datetime, held: tuple[Span, ...], at: datetime,
        sees: Sees, knows: Sees,
    ) -> tuple[Reckoning, ...]:  # fmt: skip
        """Both terms of a ticket again, by the policy, zone and calendar that held at an instant."""
        adopted = self.policy_at(property_id, at, sees)
        zone = last(self._zones.get(property_id, ()), knows)
        if adopted is None or zone is None or terms is None:
            return ()
        dates = last(self._calendars.get(property_id, ()), knows)
        policy, fact_id = adopted[0].policy, adopted[1]
        basis = Basis(
            policy_version=policy.version,
            policy_fact=fact_id,
            zone_fact=zone.fact_id,
            calendar_fact=dates.fact_id if dates is not None else None,
        )
        if basis not in self._made:
            days = dates.value.data if dates is not None else None
            self._made[basis] = WorkingCalendar.of(policy.hours, days, zone.value.data, policy.make_up_weekday)
        return reckon_both(terms, basis, self._made[basis], started_at, held)
