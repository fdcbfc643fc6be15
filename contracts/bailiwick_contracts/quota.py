"""Counts and sums over a year or a month of one person, whatever the property, each with the facts it was counted from."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from bailiwick_contracts.lateness import OccurrenceKind
from bailiwick_contracts.message import Identifier, Record, built, made, of_the_calendar
from bailiwick_contracts.money import Money

Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$"), AfterValidator(of_the_calendar)]
"""A calendar month in the property's zone, `2026-03`."""
YearAnchor = Literal["calendar", "service"]
_NOTHING = Decimal("0.00")
_fact_id, _counting, _on = attrgetter("fact_id"), attrgetter("day", "kinds", "fact_id"), itemgetter(0)


class Counted(Record):
    """A number with the facts that make it up."""

    times: Annotated[int, Field(ge=0)]
    facts: tuple[Identifier, ...] = ()


class Summed(Record):
    """An amount with the facts that make it up."""

    total: Money
    facts: tuple[Identifier, ...] = ()


class Counting(Record):
    """Something that counts, on its day: a confirmation, a penalty."""

    day: date
    fact_id: Identifier


class CountedDay(Record):
    """The late arrivals and early leaves of one day, in their order within the day."""

    day: date
    kinds: tuple[OccurrenceKind, ...]
    fact_id: Identifier
    """The derivation of the day that stands, or the imported penalty that shows the occurrence."""


class Amount(Record):
    """An amount that counts in a month."""

    amount: Money
    fact_id: Identifier


def month_of(day: date) -> Month:
    """The wage month of a day."""
    return f"{day.year:04d}-{day.month:02d}"


def year_of(day: date, *, anchor: YearAnchor = "calendar", entered_on: date | None = None) -> tuple[date, date]:
    """The first and last day of the year in which `day` is counted (T7).

    Args:
        day: the day of the incident.
        anchor: the calendar year, or the year of service that runs from the day of entry.
        entered_on: the day of entry; without it a year of service falls back to the calendar year.
    """
    if anchor == "calendar" or entered_on is None:
        return date(day.year, 1, 1), date(day.year, 12, 31)
    start = _anniversary(entered_on, day.year)
    if start > day:
        start = _anniversary(entered_on, day.year - 1)
    return start, date.fromordinal(_anniversary(entered_on, start.year + 1).toordinal() - 1)


def _anniversary(entered_on: date, year: int) -> date:
    """The day of entry in another year; 29 February falls on 1 March where there is none."""
    try:
        return entered_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def count_in_year(
    items: Iterable[Counting], day: date, *, anchor: YearAnchor = "calendar", entered_on: date | None = None
) -> Counted:
    """How many items lie in the year of `day` (A10: three a person and year)."""
    first, last = year_of(day, anchor=anchor, entered_on=entered_on)
    inside = sorted((item for item in items if first <= item.day <= last), key=lambda item: (item.day, item.fact_id))
    return made(Counted, times=len(inside), facts=tuple(item.fact_id for item in inside))


def late_times(
    days: Iterable[CountedDay],
    day: date,
    kind: OccurrenceKind,
    shift: int = 0,
    *,
    shared: bool = True,
    anchor: YearAnchor = "calendar",
    entered_on: date | None = None,
) -> Counted:
    """The ordinal of a lateness or early leave within its year, itself included: 4 is the fourth (A15, T7).

    The year is that of the incident, and only what happened up to the incident counts, so that a decision taken late
    comes out as one taken at once.

    Args:
        days: every day of the person with a lateness or early leave, each once.
        day: the day of the occurrence.
        kind: `late` or `early`.
        shift: which occurrence of that kind on that day, from 0.
        shared: whether late arrivals and early leaves are counted together (T14).
        anchor: calendar year or year of service.
        entered_on: the day of entry, for a year of service.
    """
    first, _ = year_of(day, anchor=anchor, entered_on=entered_on)
    counts = (kind, "late", "early") if shared else (kind,)
    times, facts = 0, []
    for on, kinds, fact_id in sorted(map(_counting, days), key=_on):
        if first <= on <= day:
            counted = _of_these(kinds, counts)
            if on == day:
                counted = _up_to(counted, kind, shift)
            if counted:
                times += len(counted)
                facts.append(fact_id)
    return built(Counted, {"times": times, "facts": tuple(facts)})


_Kinds = tuple[OccurrenceKind, ...]


@lru_cache(maxsize=256)
def _of_these(kinds: _Kinds, counts: _Kinds) -> _Kinds:
    return tuple(kind for kind in kinds if kind in counts)


def _up_to(kinds: _Kinds, kind: OccurrenceKind, ordinal: int) -> _Kinds:
    of_kind = [index for index, found in enumerate(kinds) if found == kind]
    return kinds[: of_kind[min(ordinal, len(of_kind) - 1)] + 1] if of_kind else kinds


def sum_of(amounts: Iterable[Amount], currency: str) -> Summed:
    """The sum of what counts in a month. Raises ValueError when a currency differs."""
    found = sorted(amounts, key=_fact_id)
    nothing = built(Money, {"amount": _NOTHING, "currency": currency})
    for item in found:
        nothing.same(item.amount)
    total = nothing.with_amount(sum([item.amount.amount for item in found], _NOTHING)) if found else nothing
    return built(Summed, {"total": total, "facts": tuple([item.fact_id for item in found])})
