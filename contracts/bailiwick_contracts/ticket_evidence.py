"""The facts that decisions about tickets rest on: their streams, the adopted deadline policies, calendars and zones."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from bailiwick_contracts.deadline import Basis, Reckoning, Terms, reckon
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted, policy_holding
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.handling import TicketCompleted, TicketReopened, TicketResumed
from bailiwick_contracts.mark import Mark, Sees, last
from bailiwick_contracts.registry import CalendarAdopted, ZoneAdopted
from bailiwick_contracts.ticket import TicketClassified, TicketRegistered
from bailiwick_contracts.ticket_import import ActivityImported
from bailiwick_contracts.working_time import Span, WorkingCalendar


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
        """Read one more fact of tickets; what another system kept is evidence of nothing."""
        if isinstance(event.data, DeadlinePolicyAdopted):
            self._policies.append(mark)
        elif not isinstance(event.data, ActivityImported):
            self._streams[event.subject].append(mark)

    def take_registry(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact of the registry."""
        if isinstance(event.data, ZoneAdopted):
            self._zones[event.data.property_id].append(mark)
        elif isinstance(event.data, CalendarAdopted):
            self._calendars[event.data.property_id].append(mark)

    def history(self, stream: str, sees: Sees) -> list[Event[Any]]:
        """The facts of a stream that are seen, oldest first."""
        return [mark.value for mark in self._streams.get(stream, ()) if sees(mark)]

    def registered(self, stream: str, sees: Sees) -> Event[TicketRegistered] | None:
        """The registration of a ticket."""
        found = (event for event in self.history(stream, sees) if isinstance(event.data, TicketRegistered))
        return next(found, None)

    def classified(self, stream: str, sees: Sees) -> TicketClassified | None:
        """The last classification of a ticket; None while it is what it was registered as."""
        found = (
            event.data for event in reversed(self.history(stream, sees)) if isinstance(event.data, TicketClassified)
        )
        return next(found, None)

    def terms(self, stream: str, sees: Sees) -> Terms | None:
        """The terms under which a ticket was registered or last classified."""
        registered = self.registered(stream, sees)
        stood = self.classified(stream, sees) or (registered.data if registered is not None else None)
        return stood.terms if stood is not None else None

    def deadlines(self, stream: str, sees: Sees) -> tuple[Reckoning, ...]:
        """The terms of a ticket as they were reckoned last: a classification replaces them, what else reckons moves them."""
        found: dict[str, Reckoning] = {}
        for event in self.history(stream, sees):
            if isinstance(event.data, TicketClassified):
                found = {}
            if isinstance(event.data, TicketRegistered | TicketClassified | TicketResumed | TicketReopened):
                found |= {one.clock: one for one in event.data.deadlines}
        return tuple(found.values())

    def holds(self, stream: str, sees: Sees) -> tuple[Span, ...]:
        """What did not count of a ticket's terms."""
        found: list[Span] = []
        for event in self.history(stream, sees):
            if isinstance(event.data, TicketResumed):
                found.append(event.data.held)
            elif isinstance(event.data, TicketReopened):
                found.append(event.data.stood_still)
            elif isinstance(event.data, TicketCompleted) and event.data.held is not None:
                found.append(event.data.held)
        return tuple(found)

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
        found = (
            reckon(clock, terms, basis, self._made[basis], started_at, held) for clock in ("response", "resolution")
        )
        return tuple(one for one in found if one is not None)
