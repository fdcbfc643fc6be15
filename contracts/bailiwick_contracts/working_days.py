"""A property's working days: the adopted calendar's holidays and make-up days, and the property's own over them."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.house_rules import CalendarOverridden
from bailiwick_contracts.registry import CalendarAdopted

DayKind = Literal["workday", "rest_day", "holiday"]
_SATURDAY = 5


class WorkingDays:
    """Which days of a property are worked. A day that no table speaks of goes by its weekday."""

    def __init__(self, adopted: Iterable[Event[Any]], overridden: Iterable[Event[Any]] = ()) -> None:
        """`adopted` and `overridden`: `CalendarAdopted` and `CalendarOverridden` facts, oldest first."""
        self._kinds: dict[date, DayKind] = {}
        self.facts: tuple[str, ...] = ()
        for event in (*adopted, *overridden):
            if isinstance(event.data, CalendarAdopted):
                for day in event.data.days:
                    self._kinds[day.on] = "holiday" if day.kind == "holiday" else "workday"
            elif isinstance(event.data, CalendarOverridden):
                for own in event.data.days:
                    self._kinds[own.on] = "workday" if own.kind == "working_day" else own.kind
            self.facts = (*self.facts, event.id)

    def kind(self, day: date) -> DayKind:
        """What a day is."""
        return self._kinds.get(day) or ("rest_day" if day.weekday() >= _SATURDAY else "workday")

    def is_worked(self, day: date) -> bool:
        """Whether the office works on it."""
        return self.kind(day) == "workday"

    def between(self, first: date, last: date) -> tuple[date, ...]:
        """The working days from a day to a day, both included."""
        days = (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
        return tuple(day for day in days if self.is_worked(day))

    @property
    def said(self) -> Mapping[date, DayKind]:
        """The days on which a table speaks."""
        return dict(self._kinds)
