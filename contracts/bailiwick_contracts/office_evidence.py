"""The facts of an office's newer nouns that rulings rest on: kept by their streams, folded as they stood before a given fact."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, TypeVar

from bailiwick_contracts.attendance import DayDerived
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_book import House, house_stream
from bailiwick_contracts.house_book import evolve as evolve_house
from bailiwick_contracts.house_rules import HouseRules
from bailiwick_contracts.lateness import Leave
from bailiwick_contracts.leave import LeaveEntered, LeaveStruck
from bailiwick_contracts.mark import Mark, Sees
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.month import month_stream
from bailiwick_contracts.month_book import Month, counts_in
from bailiwick_contracts.month_book import evolve as evolve_month
from bailiwick_contracts.payroll_sheet import payroll_month, payroll_since
from bailiwick_contracts.quota import month_of
from bailiwick_contracts.registry import CalendarAdopted
from bailiwick_contracts.working_days import WorkingDays

S = TypeVar("S")
_NO_MONTH = Month()


class OfficeEvidence:
    """Facts by stream. Facts of one chain are taken in order."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._streams: defaultdict[str, list[Mark]] = defaultdict(list)
        self._leave: defaultdict[tuple[str, date], list[Mark]] = defaultdict(list)
        self._calendars: defaultdict[str, list[Mark]] = defaultdict(list)
        self._payroll: defaultdict[tuple[str, str], list[Mark]] = defaultdict(list)
        self._is_house_ruled = False

    def take(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact of attendance."""
        fact, kind = event.data, type(event.data)
        paid_in = payroll_month(fact)
        if paid_in is not None:
            self._payroll[event.property_id, paid_in].append(mark)
        if kind is DayDerived:
            return  # kept elsewhere, by person and day
        if kind in (LeaveEntered, LeaveStruck):
            self._leave[fact.staff_id, fact.day].append(mark)
        else:
            self._streams[event.subject].append(mark)
            self._is_house_ruled = self._is_house_ruled or event.type == "attendance.house_rules_adopted.v1"

    def take_registry(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact of the registry."""
        if isinstance(event.data, CalendarAdopted):
            self._calendars[event.data.property_id].append(mark)

    def history(self, stream: str, sees: Sees) -> list[Event[Any]]:
        """The facts of a stream that are seen, oldest first."""
        return [mark.value for mark in self._streams.get(stream, ()) if sees(mark)]

    def fold(self, evolve: Callable[[S, Event[Any]], S], initial: S, stream: str, sees: Sees) -> S:
        """The state of a stream as it is seen."""
        state = initial
        for mark in self._streams.get(stream, ()):
            if sees(mark):
                state = evolve(state, mark.value)
        return state

    def folds(self, evolve: Callable[[S, Event[Any]], S], initial: S, streams: Iterable[str], sees: Sees) -> list[S]:
        """The same of several streams."""
        return [self.fold(evolve, initial, stream, sees) for stream in streams]

    def house(self, property_id: str, sees: Sees) -> House:
        """The rules that held at a property, its own or else the company's."""
        if not self._is_house_ruled:
            return self.fold(evolve_house, House(), house_stream(property_id), sees)
        own = self.fold(evolve_house, House(), house_stream(property_id), sees)
        if own.rules is not None:
            return own
        of_company = self.fold(evolve_house, House(), house_stream(COMPANY), sees)
        return House(of_company.rules, of_company.rules_fact, own.overridden)

    def rules(self, property_id: str, sees: Sees) -> HouseRules | None:
        """The rules that held at a property."""
        return self.house(property_id, sees).rules if self._is_house_ruled else None

    def leave_on(self, staff_id: str, day: date, sees: Sees) -> tuple[Leave, ...]:
        """The leave that stood on a person's day."""
        found: dict[str, Leave] = {}
        for mark in self._leave.get((staff_id, day), ()):
            if not sees(mark):
                continue
            fact = mark.value.data
            if isinstance(fact, LeaveEntered):
                found[fact.leave_id] = Leave(part=fact.part, fact_id=mark.fact_id)
            else:
                found.pop(fact.leave_id, None)
        return tuple(found.values())

    def month(self, property_id: str, month: str, sees: Sees) -> Month:
        """What was known of a month."""
        return self.fold(evolve_month, _NO_MONTH, month_stream(property_id, month), sees)

    def confirmation_of(self, property_id: str, day: date, sees: Sees) -> str | None:
        """The fact that had confirmed the attendance of a day's month."""
        return self.month(property_id, month_of(day), sees).confirmation

    def taken_in_and_confirmed(self, property_id: str, day: date, sees: Sees) -> tuple[str, str | None]:
        """The month in which something about a day was taken, and the fact that had confirmed the attendance of its own."""
        month = month_of(day)
        known = self.month(property_id, month, sees)
        taken_in = month if known.closed is None else self.taken_in(property_id, day, sees)
        return taken_in, known.confirmation

    def payroll(self, property_id: str, month: str, sees: Sees) -> list[Event[Any]]:
        """The facts that a month's file was made of, of the month and the year before it."""
        months = [one for place, one in self._payroll if place == property_id and payroll_since(month) <= one <= month]
        return [mark.value for one in months for mark in self._payroll[property_id, one] if sees(mark)]

    def taken_in(self, property_id: str, day: date, sees: Sees) -> str:
        """The month in which something about a day was taken."""
        return counts_in(month_of(day), lambda month: self.month(property_id, month, sees).closed is not None)

    def working_days(self, property_id: str, sees: Sees, knows: Sees) -> WorkingDays:
        """The working calendar as it stood, of the registry's facts those that the copy `knows`."""
        adopted = [mark.value for mark in self._calendars.get(property_id, ()) if knows(mark)]
        return WorkingDays(adopted, self.house(property_id, sees).overridden)
