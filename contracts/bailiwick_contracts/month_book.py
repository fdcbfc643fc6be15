"""What is remembered of a month of attendance, and which month a late fact counts in. Folded alike by the office and by its judges."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import DerivedDay
from bailiwick_contracts.month import (
    AttendanceConfirmed,
    AttendanceDisputed,
    AttendanceSupplied,
    ConfirmedDayChanged,
    MonthClosed,
    SheetCounts,
    month_after,
)

_FAR = 1_200
"""Months that are looked ahead for one that is open."""


@dataclass(frozen=True)
class Month:
    """What is remembered of one month of one property."""

    sheets: int = 0
    digest: str = ""
    disputed: bool = False
    confirmation: str | None = None
    confirmed_sheet: int = 0
    closed: str | None = None
    handed_over: int = 0
    payroll_digest: str = ""
    """Of the file that was handed over last."""
    changed_after: tuple[str, ...] = ()
    """Days that came to something else after the confirmation, as `<staff id> <day>`."""


def evolve(month: Month, event: Event[Any]) -> Month:
    """The month after one more fact; what says nothing of it changes nothing."""
    fact = event.data
    match fact:
        case AttendanceSupplied():
            return replace(month, sheets=fact.sheet, digest=fact.digest, disputed=False)
        case AttendanceDisputed():
            return replace(month, disputed=True)
        case AttendanceConfirmed():
            return replace(month, confirmation=event.id, confirmed_sheet=fact.sheet)
        case ConfirmedDayChanged():
            changed = f"{fact.staff_id} {fact.day}"
            return replace(month, changed_after=(*month.changed_after, changed))
        case MonthClosed():
            return replace(month, closed=event.id)
        case _:
            if event.type == "attendance.payroll_handed_over.v1":
                return replace(month, handed_over=fact.revision, payroll_digest=fact.digest)
            return month


def counts_in(month: str, closed: Callable[[str], bool]) -> str:
    """The month in which something about a day of `month` is taken: itself, or the first later one that is not closed."""
    for _ in range(_FAR):
        if not closed(month):
            return month
        month = month_after(month)
    return month


def digest_of(derivations: Iterable[str]) -> str:
    """The digest of a sheet: over the ids of its derivations, a line each."""
    return sha256("".join(f"{one}\n" for one in derivations).encode()).hexdigest()


def counts_of(days: Iterable[tuple[str, DerivedDay]]) -> SheetCounts:
    """What derived days of people come to, in person-days.

    Args:
        days: person and derivation, each person's day once.
    """
    seen = list(days)

    def having(kind: str) -> int:
        return sum(any(item.kind == kind for item in day.occurrences) for _, day in seen)

    def being(status: str) -> int:
        return sum(day.status == status for _, day in seen)

    return SheetCounts(
        people=len({staff_id for staff_id, _ in seen}),
        days=len(seen),
        present=being("present"),
        absent=having("absent"),
        late=having("late"),
        early=having("early"),
        incomplete=being("incomplete"),
        open=being("open"),
    )
