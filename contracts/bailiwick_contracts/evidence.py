"""The facts that rulings rest on, read once and asked for as they stood before a given fact: incremental, keyed by person.

Everything is kept with its place (chain, number, instant of recording), so that a ruling is judged on what had been recorded
before it and on nothing that came later, in whatever order rulings are judged.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import DayDerived, MissedPunchConfirmed, day_stream
from bailiwick_contracts.billing_evidence import BillingEvidence
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyImported, PenaltyReversed
from bailiwick_contracts.deductions import UnpaidDay
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import Confirmation, DerivedDay, derive_day
from bailiwick_contracts.mark import Mark, Sees, before, chain_of, last
from bailiwick_contracts.message import made
from bailiwick_contracts.office_evidence import OfficeEvidence
from bailiwick_contracts.offsite import OffsiteConfirmed, directions_of
from bailiwick_contracts.penalty_evidence import PenaltyEvidence
from bailiwick_contracts.quota import CountedDay, Counting, month_of
from bailiwick_contracts.registry_evidence import RegistryEvidence
from bailiwick_contracts.roster_evidence import OF_ROSTERS, RosterEvidence
from bailiwick_contracts.sealed import Keys
from bailiwick_contracts.ticket_evidence import TicketEvidence
from bailiwick_contracts.unread import Fetch, Unread


class Derivation(NamedTuple):
    """A derivation of a day, as recorded and as it comes out again, with what it adds to counts and sums."""

    fact_id: str
    recorded: DerivedDay
    again: DerivedDay
    counted: CountedDay | None
    unpaid: UnpaidDay | None


_Day = tuple[date, list[Mark]]
"""A day with its derivations."""
_on = itemgetter(0)


def _add(days: list[_Day], found: _Day) -> None:
    place = bisect_left(days, found[0], key=_on)
    if place == len(days) or days[place][0] != found[0]:
        days.insert(place, found)


class Evidence:
    """Every fact that a ruling may rest on. Facts of one chain are taken in order."""

    def __init__(self, keys: Keys, fetch: Fetch | None = None) -> None:
        """`keys` opens wages and figures; `fetch` reads what is left unread at first."""
        self.keys = keys
        self.registry = RegistryEvidence(keys)
        self.office = OfficeEvidence()
        self.penalties = PenaltyEvidence(keys)
        """Those that were read; of whom something is asked, all are (`penalties_of`)."""
        self.tickets = TicketEvidence()
        self.billing = BillingEvidence()
        self._rosters = RosterEvidence()
        self._stands_on: list[tuple[str, tuple[str, ...]]] = []
        """Rulings with the facts that they name, by id alone: the rulings themselves are mostly not kept."""
        self._days: defaultdict[tuple[str, date], list[Mark]] = defaultdict(list)
        """The derivations of each day; of one derived anew what is remembered is no longer its fact, but what came out."""
        self._unpaid_days: defaultdict[tuple[str, str], list[_Day]] = defaultdict(list)
        self._late_days: defaultdict[str, list[_Day]] = defaultdict(list)
        self._confirmed: defaultdict[str, list[Mark]] = defaultdict(list)
        self._confirmed_on: defaultdict[str, list[Mark]] = defaultdict(list)
        self._again: dict[str, Derivation] = {}
        self.unread = Unread(fetch)
        """Of whom something is asked, all is read first."""
        self._unasked: defaultdict[str, list[Event[DayDerived]]] = defaultdict(list)

    def take(self, event: Event[Any]) -> None:
        """Read one more fact."""
        service, kind = event.service, type(event.data)
        if kind in OF_ROSTERS:
            if service == "attendance":
                self._rosters.take(event)
            return
        mark = Mark(chain_of(event), event.chainnumber, event.recordedat, event.id, event)
        if service == "registry":
            self.registry.take(mark, event)
            self.office.take_registry(mark, event)
            self.tickets.take_registry(mark, event)
            return
        if service == "tickets":
            self.tickets.take(mark, event)
        elif service == "billing":
            self.billing.take(mark, event)
        elif service == "attendance":
            self.office.take(mark, event)
        keep = _KEEPING.get(kind)
        if keep is not None:
            keep(self, mark, event.data)
        ruling = event.data.__dict__.get("ruling")
        if ruling is not None:
            self._stands_on.append((event.id, tuple([fact for item in ruling.asked.inputs for fact in item.facts])))

    def _open(self, *people: str) -> None:
        for staff_id in people:
            if staff_id in self.unread:
                for event in self.unread.of(staff_id):
                    self.take(event)
                    if type(event.data) is DayDerived:
                        self.unasked(event)

    def _keep_day(self, mark: Mark, fact: DayDerived) -> None:
        self._days[fact.staff_id, fact.day].append(mark)

    def _keep_confirmation(self, mark: Mark, fact: MissedPunchConfirmed) -> None:
        self._confirmed[fact.staff_id].append(mark)
        self._confirmed_on[mark.value.subject].append(mark)

    def _keep_offsite(self, mark: Mark, _: OffsiteConfirmed) -> None:
        self._confirmed_on[mark.value.subject].append(mark)

    def _keep_penalty(self, mark: Mark, fact: PenaltyDecided | PenaltyImported) -> None:
        event = mark.value
        self.penalties.take(mark, fact, self.office.taken_in(event.property_id, fact.day, before(event)))

    def _keep_reversal(self, mark: Mark, fact: PenaltyReversed) -> None:
        self.penalties.take_reversal(mark, fact)

    def retracted_since(self) -> Iterator[str]:
        """Rulings that name a fact which was retracted afterwards."""
        retracted = self.registry.retracted
        return (ruled for ruled, facts in self._stands_on if not retracted.isdisjoint(facts))

    # -- days --------------------------------------------------------------------------------------------------------

    def derivation(self, staff_id: str, day: date, sees: Sees) -> Derivation | None:
        """The derivation of a day that stood."""
        self._open(staff_id)
        mark = last(self._days.get((staff_id, day), ()), sees)
        return self._derived(mark) if mark is not None else None

    def unasked(self, event: Event[DayDerived]) -> None:
        """Keep a derivation that is not judged: it is derived anew once a count or a sum of its person asks for it."""
        self._unasked[event.data.staff_id].append(event)

    def _asked(self, staff_id: str) -> None:
        self._open(staff_id)
        for event in self._unasked.pop(staff_id, ()):
            self.derived_again(event)

    def derived_again(self, event: Event[DayDerived]) -> Derivation:
        """A day derived anew from roster, punches and confirmations, as they stood before its derivation was recorded.

        Counts of the year know the days that were asked for here or are kept `unasked`: each once all before it was read.
        """
        found = self._again.get(event.id)
        if found is None:
            fact, sees = event.data, before(event)
            self._open(fact.staff_id)
            roster = self._rosters.roster(fact.staff_id, fact.day, sees)
            again = derive_day(
                roster.shifts if roster else (),
                self._rosters.punches(fact.staff_id, fact.day, roster, sees) if roster else (),
                self._confirmations_of(fact.staff_id, fact.day, sees),
                now=event.recordedat,
                roster_facts=(roster.fact_id,) if roster else (),
                leave=self.office.leave_on(fact.staff_id, fact.day, sees),
                worked_time=rules.worked_time if (rules := self.office.rules(event.property_id, sees)) else None,
            )
            self._again[event.id] = found = _derivation(
                event.id, fact, fact.derived if again == fact.derived else again
            )
            days_of = self._days[fact.staff_id, fact.day]
            for place, mark in enumerate(days_of):
                if mark.fact_id == event.id:
                    days_of[place] = Mark(mark.chain, mark.number, mark.at, mark.fact_id, found)
            if found.counted is not None:
                _add(self._late_days[fact.staff_id], (fact.day, days_of))
            if found.unpaid is not None:
                _add(self._unpaid_days[fact.staff_id, month_of(fact.day)], (fact.day, days_of))
        return found

    def _derived(self, mark: Mark) -> Derivation:
        return mark.value if type(mark.value) is Derivation else self.derived_again(mark.value)

    def _confirmations_of(self, staff_id: str, day: date, sees: Sees) -> list[Confirmation]:
        return [
            Confirmation(direction=direction, shift=mark.value.data.shift, fact_id=mark.fact_id)
            for mark in self._confirmed_on.get(day_stream(staff_id, day), ())
            if sees(mark)
            for direction in directions_of(mark.value.data.direction)
        ]

    def standing_confirmation(self, staff_id: str, day: date, direction: str, shift: int, sees: Sees) -> str | None:
        """The confirmation of a punch of a shift, where there is one."""
        found = self._confirmations_of(staff_id, day, sees)
        return next((one.fact_id for one in found if (one.direction, one.shift) == (direction, shift)), None)

    def rostered_shifts(self, staff_id: str, day: date, sees: Sees) -> bool | None:
        """Whether the roster gave a person a shift on a day; None where no roster spoke of it."""
        self._open(staff_id)
        roster = self._rosters.roster(staff_id, day, sees)
        return None if roster is None else bool(roster.shifts)

    def rostered(self, ids: Sequence[str], day: date, sees: Sees) -> str:
        """Under which of a person's ids a day was rostered; the one that remains where it was under none."""
        if len(ids) == 1:
            return ids[0]
        self._open(*ids)
        return next((one for one in ids if self._rosters.roster(one, day, sees) is not None), ids[0])

    def penalty(self, penalty_id: str, sees: Sees) -> Mark | None:
        """The fact that decided or imported a penalty."""
        if penalty_id not in self.penalties:
            self._open(*self.unread.people())
        return self.penalties.penalty(penalty_id, sees)

    def penalties_of(self, ids: Iterable[str]) -> PenaltyEvidence:
        """The penalties, those of these people all read."""
        self._open(*ids)
        return self.penalties

    def payroll(self, property_id: str, month: str, sees: Sees) -> list[Event[Any]]:
        """The facts that a month's file was made of, of the month and the year before it."""
        self._open(*self.unread.people())
        return self.office.payroll(property_id, month, sees)

    def confirmed(self, ids: Iterable[str], day: date, sees: Sees) -> tuple[Counting, ...]:
        """A person's confirmed forgotten punches of the years around a day, whatever the property."""
        first, last = date(day.year - 1, 1, 1), date(day.year + 1, 12, 31)
        return tuple(
            made(Counting, day=mark.value.data.day, fact_id=mark.fact_id)
            for one in ids
            for mark in self._confirmed.get(one, ())
            if first <= mark.value.data.day <= last and sees(mark)
        )

    def late_days(self, ids: Iterable[str], day: date, until: date, sees: Sees) -> tuple[CountedDay, ...]:
        """A person's days with a lateness or early leave, from the year before `day` up to `until`, whatever the property.

        An imported penalty shows an occurrence of a day of which no derivation shows one.
        """
        first = date(day.year - 1, 1, 1)
        people = tuple(ids)
        found: dict[date, CountedDay] = {}
        for one in people:
            self._asked(one)
            days = self._late_days.get(one, [])
            for near, marks in days[bisect_left(days, first, key=_on) : bisect_right(days, until, key=_on)]:
                mark = last(marks, sees)
                if mark is not None and (counted := self._derived(mark).counted) is not None:
                    found[near] = counted
        for one in people:
            for mark in self.penalties.imported(one, sees):
                fact = mark.value.data
                if fact.kind != "absent" and first <= fact.day <= until and fact.day not in found:
                    found[fact.day] = made(CountedDay, day=fact.day, kinds=(fact.kind,), fact_id=mark.fact_id)
        return tuple([found[day] for day in sorted(found)])

    def month_days(self, ids: Iterable[str], month: str, sees: Sees) -> tuple[UnpaidDay, ...]:
        """A person's days of a wage month with unpaid time, whatever the property."""
        found: list[tuple[date, str, UnpaidDay]] = []
        for one in ids:
            self._asked(one)
            for near, marks in self._unpaid_days.get((one, month), ()):
                mark = last(marks, sees)
                if mark is not None and (unpaid := self._derived(mark).unpaid) is not None:
                    found.append((near, one, unpaid))
        return tuple([unpaid for _, _, unpaid in sorted(found, key=itemgetter(0, 1))])


# By the class itself: asking six models in turn whether a fact is one of theirs costs more than reading it.
_KEEPING: Mapping[type, Callable[[Evidence, Mark, Any], None]] = {
    DayDerived: Evidence._keep_day,  # noqa: SLF001
    MissedPunchConfirmed: Evidence._keep_confirmation,  # noqa: SLF001
    OffsiteConfirmed: Evidence._keep_offsite,  # noqa: SLF001
    PenaltyDecided: Evidence._keep_penalty,  # noqa: SLF001
    PenaltyImported: Evidence._keep_penalty,  # noqa: SLF001
    PenaltyReversed: Evidence._keep_reversal,  # noqa: SLF001
}


def _derivation(fact_id: str, fact: DayDerived, again: DerivedDay) -> Derivation:
    if not again.occurrences and not again.unpaid_seconds:
        return Derivation(fact_id, fact.derived, again, None, None)
    kinds = tuple([item.kind for item in again.occurrences if item.kind != "absent"])
    return Derivation(
        fact_id,
        fact.derived,
        again,
        made(CountedDay, day=fact.day, kinds=kinds, fact_id=fact_id) if kinds else None,
        made(UnpaidDay, unpaid_seconds=again.unpaid_seconds, scheduled_seconds=again.scheduled_seconds, fact_id=fact_id)
        if again.unpaid_seconds > 0
        else None,
    )
