"""Working time: a property's calendar and hours as data, and how much of it lies between two instants, exact to the second.

Hours are wall-clock times of the property's zone; each working span is turned into instants by the zone's expanded offset
changes, so an hour that a clock change skips or repeats is counted as it passes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from bailiwick_contracts.message import Instant, Record, built
from bailiwick_contracts.registry import CalendarAdopted, OffsetChange, ZoneAdopted

Clock = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
"""A wall-clock time, `09:00`; `24:00` is the end of the day."""
Weekday = Annotated[int, Field(ge=1, le=7)]
"""By ISO 8601: 1 is Monday."""
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_SEARCH_DAYS = 4_000
"""How far ahead working time is looked for before a calendar is called empty."""


class WorkingSpan(Record):
    """Working time on each of these weekdays, from `starts` to `ends` of the same day."""

    weekdays: tuple[Weekday, ...]
    starts: Clock
    ends: Clock

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.starts >= self.ends:
            raise ValueError(
                "ends: a working span ends after it starts, on the same day; split one that passes midnight"
            )
        return self


class Span(Record):
    """From `since`, included, to `until`, excluded; without `until` it goes on."""

    since: Instant
    until: Instant | None = None


class DayCounted(Record):
    """How much was counted on a date of the property's zone."""

    on: date
    seconds: int


@dataclass(frozen=True)
class WorkingCalendar:
    """When work is done at a property: its hours, the days that are not what their weekday says, and its zone."""

    hours: tuple[WorkingSpan, ...]
    changes: tuple[OffsetChange, ...]
    exceptions: Mapping[date, str]
    make_up_weekday: int = 1
    """Whose hours a weekend day has that is worked in exchange for a holiday."""

    @classmethod
    def of(
        cls, hours: Sequence[WorkingSpan], calendar: CalendarAdopted | None, zone: ZoneAdopted, make_up_weekday: int = 1
    ) -> "WorkingCalendar":
        """The calendar from a property's adopted facts; without adopted holidays every day is what its weekday says."""
        days = {day.on: day.kind for day in calendar.days} if calendar is not None else {}
        return cls(tuple(hours), zone.changes, days, make_up_weekday)

    @cached_property
    def _instants(self) -> list[datetime]:
        return [change.at for change in self.changes]

    def local(self, at: datetime) -> datetime:
        """The wall clock at an instant, without offset."""
        index = max(bisect_right(self._instants, at) - 1, 0)
        return datetime.combine(at.date(), at.time()) + timedelta(0, self.changes[index].offset_seconds)

    def instant(self, on: date, clock: str, *, latest: bool = False) -> datetime:
        """The instant at which the wall clock shows a time of a day.

        One that occurs twice is the earlier, or with `latest` the later; one that is skipped is the instant of the change.
        """
        moment = _moment(on, clock)
        around = {change.offset_seconds for change in self._near(moment)}
        found = sorted(
            at for offset in around if self.local(at := moment - timedelta(seconds=offset)) == _naive(moment)
        )
        if found:
            return found[-1 if latest else 0]
        return next(change.at for change in self._near(moment) if self.local(change.at) > _naive(moment))

    def _near(self, moment: datetime) -> Sequence[OffsetChange]:
        first = max(bisect_right(self._instants, moment - 2 * _DAY) - 1, 0)
        return self.changes[first : bisect_right(self._instants, moment + 2 * _DAY) or 1]

    def weekday_of(self, on: date) -> int | None:
        """Whose hours a date has, or None for one on which nobody works."""
        kind = self.exceptions.get(on)
        if kind == "holiday":
            return None
        weekday = on.isoweekday()
        if kind == "working_day" and not any(weekday in span.weekdays for span in self.hours):
            return self.make_up_weekday
        return weekday

    def spans_on(self, on: date) -> list[tuple[datetime, datetime]]:
        """The working time of a date as instants, in order, overlaps joined."""
        if on not in self._reckoned:
            self._reckoned[on] = self._spans_on(on)
        return self._reckoned[on]

    @cached_property
    def _reckoned(self) -> dict[date, list[tuple[datetime, datetime]]]:
        """Dates reckoned before: they never change, and a burst asks for the same few."""
        return {}

    def _spans_on(self, on: date) -> list[tuple[datetime, datetime]]:
        weekday = self.weekday_of(on)
        found = sorted(
            (self.instant(on, span.starts), self.instant(on, span.ends, latest=True))
            for span in self.hours
            if weekday in span.weekdays
        )
        joined: list[tuple[datetime, datetime]] = []
        for starts, ends in found:
            if joined and starts <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(ends, joined[-1][1]))
            elif starts < ends:
                joined.append((starts, ends))
        return joined

    def spans_from(self, at: datetime) -> Iterator[tuple[date, datetime, datetime]]:
        """Working time from an instant on, date by date, for as long as the search goes."""
        first = self.local(at).date()
        for number in range(_SEARCH_DAYS):
            on = first + number * _DAY
            for starts, ends in self.spans_on(on):
                if ends > at:
                    yield on, max(starts, at), ends

    def seconds_between(self, since: datetime, until: datetime) -> int:
        """Working seconds from an instant to another (C4); 0 where the second does not lie later."""
        total = timedelta(0)
        for _, starts, ends in self.spans_from(since):
            if starts >= until:
                break
            total += min(ends, until) - starts
        return int(total.total_seconds())


def _moment(on: date, clock: str) -> datetime:
    if clock == "24:00":
        return datetime.combine(on + _DAY, time(), UTC)
    return datetime.combine(on, time.fromisoformat(clock), UTC)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def round_the_clock(at: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    """Every second from an instant on, by days of UTC: the spans of a term that does not stop at night."""
    starts = at
    for _ in range(_SEARCH_DAYS):
        ends = datetime.combine(starts.date() + _DAY, time(), UTC)
        yield starts.date(), starts, ends
        starts = ends


def without(
    spans: Iterator[tuple[date, datetime, datetime]], held: Iterable[Span]
) -> Iterator[tuple[date, datetime, datetime]]:
    """The spans less what was on hold."""
    holds = sorted((hold.since, hold.until) for hold in held if hold.until is not None and hold.since < hold.until)
    return _between(spans, holds) if holds else spans


def _between(
    spans: Iterator[tuple[date, datetime, datetime]], holds: Sequence[tuple[datetime, datetime]]
) -> Iterator[tuple[date, datetime, datetime]]:
    for on, starts, ends in spans:
        rest = starts
        for since, until in holds:
            if until <= rest or since >= ends:
                continue
            if since > rest:
                yield on, rest, since
            rest = max(rest, until)
            if rest >= ends:
                break
        if rest < ends:
            yield on, rest, ends


class Reached(NamedTuple):
    """The instant at which so many seconds have passed, and how many whole ones were counted on each date up to it."""

    at: datetime
    days: tuple[tuple[date, int], ...]

    @property
    def counted(self) -> tuple[DayCounted, ...]:
        """The same days as a fact holds them."""
        return tuple([built(DayCounted, {"on": on, "seconds": seconds}) for on, seconds in self.days])


def reach(
    spans: Iterator[tuple[date, datetime, datetime]], wanted: Sequence[int], start: datetime
) -> dict[int, Reached]:
    """When each of several numbers of seconds of the spans has passed, in one walk over them.

    Time used up to the second at the end of a day is up at that end, not the next morning. The whole seconds of the days
    add up to the number asked for, whatever fraction of a second it began at.

    Raises:
        ValueError: the spans hold no such time; of several the one is named that stands first in `wanted`.
    """
    found: dict[int, Reached] = {}
    rising = sorted(set(wanted))
    if rising and not rising[0]:
        found[rising.pop(0)] = Reached(start, ())
    if not rising:
        return found
    at_least = [timedelta(0, seconds) for seconds in rising]
    passed, whole_before, today = timedelta(0), 0, None
    days: list[tuple[date, int]] = []
    for on, starts, ends in spans:
        if on != today:
            if today is not None:
                whole = passed // _SECOND
                days.append((today, whole - whole_before))
                whole_before = whole
            today = on
        after = passed + (ends - starts)
        while after >= at_least[0]:
            seconds = rising.pop(0)
            found[seconds] = Reached(starts + (at_least.pop(0) - passed), (*days, (on, seconds - whole_before)))
            if not rising:
                return found
        passed = after
    seconds = next(one for one in wanted if one not in found)
    raise ValueError(f"hours: no {seconds} s of working time lie within {_SEARCH_DAYS} days; adopt hours that do")
