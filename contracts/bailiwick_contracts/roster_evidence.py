"""Rosters and punches by person, of which a history has the most: the shifts of a day and the punches that belong to it, as they stood."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import takewhile
from operator import itemgetter
from typing import Any, NamedTuple

from bailiwick_contracts.attendance import PunchRecorded, ShiftRostered
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import Direction, Punch, Shift, shift_of
from bailiwick_contracts.mark import Mark, Sees, chain_of, last
from bailiwick_contracts.message import built

OF_ROSTERS = (PunchRecorded, ShiftRostered)
"""What is kept here: of these there are the most, and nothing but days is made of them."""
_AROUND_DAYS = 3
"""A punch belongs to a shift of a day at most so far away."""
_LONGEST = timedelta(hours=48)
"""No window is longer: a shift lasts at most a day, a margin half of one."""
_first = itemgetter(1)


class _Window(NamedTuple):
    """A shift of a day, and from when to when a punch can belong to it and to that day."""

    day: date
    first: datetime
    last: datetime
    shift: Shift


class Roster(NamedTuple):
    """What a roster said of a person's day: its shifts, none of them on a day of rest, and where punches belong to them."""

    fact_id: str
    shifts: tuple[Shift, ...]
    windows: tuple[_Window, ...]


class _Person:
    """Of a person, all that was ever said: what counts is asked for."""

    __slots__ = ("meeting", "punched_at", "punches", "reach", "rosters", "windows")

    def __init__(self) -> None:
        self.rosters: defaultdict[date, list[Mark]] = defaultdict(list)
        self.windows: list[_Window] = []
        """Of every roster, by their beginning."""
        self.reach = datetime.min.replace(tzinfo=UTC)
        """When the last of them ends."""
        self.meeting: defaultdict[date, set[date]] = defaultdict(set)
        """The days whose windows overlap one of this day's; mostly none does."""
        self.punched_at: list[datetime] = []
        """In order, and beside it the punches."""
        self.punches: list[Mark] = []


class RosterEvidence:
    """Rosters and punches. Facts of one chain are taken in order."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._people: defaultdict[str, _Person] = defaultdict(_Person)

    def take(self, event: Event[Any]) -> None:
        """Read one more punch or roster of a day."""
        fact = event.data
        person = self._people[fact.staff_id]
        if type(fact) is PunchRecorded:
            # Of what there is most, only what is asked for is kept: a ledger of a million facts is read in one process.
            mark = Mark(chain_of(event), event.chainnumber, event.recordedat, event.id, fact.direction)
            place = bisect_right(person.punched_at, fact.at)
            person.punched_at.insert(place, fact.at)
            person.punches.insert(place, mark)
        else:
            windows = _windows(fact.day, fact.shifts)
            roster = Roster(event.id, fact.shifts, windows)
            mark = Mark(chain_of(event), event.chainnumber, event.recordedat, event.id, roster)
            person.rosters[fact.day].append(mark)
            for window in windows:
                if window.first > person.reach:
                    person.windows.append(window)
                    person.reach = window.last
                else:
                    _insert(person, window)

    def roster(self, staff_id: str, day: date, sees: Sees) -> Roster | None:
        """The roster of a person's day; None where none spoke of it."""
        person = self._people.get(staff_id)
        mark = last(person.rosters.get(day, ()), sees) if person is not None else None
        return mark.value if mark is not None else None

    def punches(self, staff_id: str, day: date, roster: Roster, sees: Sees) -> list[Punch]:
        """The punches that belong to a person's day, of which `roster` holds; in order of time, doubles included."""
        person, own = self._people[staff_id], roster.windows
        if not own:
            return []
        first, final = own[0].first, own[0].last
        for window in own[1:]:
            first, final = min(first, window.first), max(final, window.last)
        low = bisect_left(person.punched_at, first)
        high = bisect_right(person.punched_at, final, low)
        if low >= high:
            return []
        around = own if day not in person.meeting else tuple(_around(person, day, own, sees))
        is_alone = len(around) == 1
        return [
            built(Punch, {"at": at, "direction": mark.value, "fact_id": mark.fact_id})
            for at, mark in zip(person.punched_at[low:high], person.punches[low:high], strict=True)
            if sees(mark) and (is_alone or _day_of(at, mark.value, around) == day)
        ]


def _windows(day: date, shifts: Iterable[Shift]) -> tuple[_Window, ...]:
    """From when to when punches can belong to a day's shifts: never, to one that was put too far from its day."""
    earliest, latest = _days_around(day)
    found = []
    for shift in shifts:
        first, final = shift.window
        first, final = max(first, earliest), min(final, latest)
        if first <= final:
            found.append(_Window(day, first, final, shift))
    return tuple(found)


@cache
def _days_around(day: date) -> tuple[datetime, datetime]:
    """From when to when punches can belong to a day."""
    number = day.toordinal()
    first = date.fromordinal(max(number - _AROUND_DAYS + 1, date.min.toordinal()))
    final = date.fromordinal(min(number + _AROUND_DAYS, date.max.toordinal()))
    return datetime.combine(first, time.min, UTC), datetime.combine(final, time.max, UTC)


def _insert(person: _Person, window: _Window) -> None:
    begun = person.windows[: bisect_right(person.windows, window.last, key=_first)]
    for other in takewhile(lambda other: window.first - other.first <= _LONGEST, reversed(begun)):
        if other.last >= window.first and 0 < abs((other.day - window.day).days) <= _AROUND_DAYS:
            person.meeting[window.day].add(other.day)
            person.meeting[other.day].add(window.day)
    insort(person.windows, window, key=_first)
    person.reach = max(person.reach, window.last)


def _around(person: _Person, day: date, own: Sequence[_Window], sees: Sees) -> Iterator[_Window]:
    """A day's windows with those that overlap them, as rosters stood, in order of their days."""
    for other in sorted({day, *person.meeting[day]}):
        mark = last(person.rosters[other], sees) if other != day else None
        yield from own if other == day else mark.value.windows if mark is not None else ()


def _day_of(at: datetime, direction: Direction, around: Sequence[_Window]) -> date | None:
    """The day a punch belongs to; a night shift belongs to the day it starts (C7)."""
    near = [window for window in around if window.first <= at <= window.last]
    days = {window.day for window in near}
    if len(days) < 2:
        return days.pop() if days else None
    index = shift_of([window.shift for window in near], at, direction)
    return near[index].day if index is not None else None
