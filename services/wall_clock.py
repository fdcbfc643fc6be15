"""Times as other systems write them: a cell in, a wall-clock time or an instant out, or what is wrong with the cell."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bailiwick_contracts.registry import OffsetChange

from services.table import BadRow, shown

_OFFSET = r" ?(Z|[+-]\d{2}(?::?\d{2})?)?"
_times = (
    re.compile(
        r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?" + _OFFSET,
        re.ASCII,
    ),
    re.compile(r"(\d{4})(\d{2})(\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?" + _OFFSET, re.ASCII),
)
_YEARS = range(1990, 2101)


class BadCell(Exception):  # noqa: N818 - it becomes a row of the report
    """A cell that cannot be taken: which, the rule, and the way out."""

    def __init__(self, name: str, value: str, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.name, self.value, self.rule, self.remedy = name, value, rule, remedy

    def of(self, number: int) -> BadRow:
        """The row of the report."""
        return BadRow(number, self.name, shown(self.value), self.rule, self.remedy)


def wall_clock(column: str, value: str) -> tuple[datetime, str | None]:
    """A cell as a wall-clock time without offset, to the microsecond, and its offset where one is written. Raises BadCell."""
    found = next((match for one in _times if (match := one.fullmatch(value)) is not None), None)
    if found is None:
        raise BadCell(
            column,
            value,
            "a time such as 2026-03-02T09:31:00 or 2026/3/2 9:31",
            "format the column so before exporting",
        )
    *numbers, fraction, offset = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        clock = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
    except ValueError as error:
        raise BadCell(column, value, f"a day and time that exist ({error})", "correct the cell") from None
    if clock.year not in _YEARS:
        raise BadCell(
            column, value, f"a year from {_YEARS[0]} to {_YEARS[-1]}", "correct the device's clock and the cell"
        )
    return clock, offset


class Clocks:
    """The offset changes of a zone, made ready once to be asked for every row of a file."""

    def __init__(self, changes: Sequence[OffsetChange]) -> None:
        """`changes`: in order; the first holds for everything before it too."""
        self._ats = [change.at for change in changes]
        self._offsets = [timedelta(seconds=change.offset_seconds) for change in changes]
        self._distinct = sorted(set(self._offsets), reverse=True)

    def instants(self, clock: datetime) -> list[datetime]:
        """The instants at which the wall clock showed this time, the earlier first; none where it was skipped."""
        candidates = ((clock.replace(tzinfo=UTC) - offset, offset) for offset in self._distinct)
        return [at for at, offset in candidates if self._offset(at) == offset]

    def _offset(self, at: datetime) -> timedelta:
        return self._offsets[max(0, bisect_right(self._ats, at) - 1)]


def instant_of(column: str, value: str, zone: Sequence[OffsetChange] | Clocks) -> datetime:
    """A cell as an instant; without an offset by a property's adopted zone, of a time that occurs twice the earlier. Raises BadCell."""
    clock, offset = wall_clock(column, value)
    if offset is not None:
        return datetime.fromisoformat(f"{clock.isoformat()}{offset}").astimezone(UTC)
    found = (zone if isinstance(zone, Clocks) else Clocks(zone)).instants(clock)
    if not found:
        raise BadCell(column, value, "a wall-clock time that occurred: the clocks were set forward over this one",
                   "correct the cell, or write it with its offset from UTC")  # fmt: skip
    return min(found)
