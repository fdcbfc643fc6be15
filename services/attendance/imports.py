"""Punches, people and working days from files of other systems: parsed only; what is taken is asked for elsewhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

from bailiwick_contracts.lateness import Direction
from bailiwick_contracts.money import AMOUNT_PATTERN
from bailiwick_contracts.registry import OffsetChange

from services.table import BadRow, Line, read_table
from services.wall_clock import BadCell, instant_of, wall_clock

T = TypeVar("T")
_amount = re.compile(AMOUNT_PATTERN)
_IN: Direction = "in"
_OUT: Direction = "out"
_WORDS: Mapping[str, Direction] = {
    **dict.fromkeys(("in", "i", "check-in", "checkin", "上班", "签到", "簽到", "进", "進"), _IN),
    **dict.fromkeys(("out", "o", "check-out", "checkout", "下班", "签退", "簽退", "出"), _OUT),
}


@dataclass(frozen=True)
class PunchMapping:
    """How a device's file names things. Without a `direction` column every punch is of unknown direction."""

    staff_id: str = "staff_id"
    at: str = "at"
    direction: str | None = "direction"
    words: Mapping[str, Direction] = field(default_factory=lambda: _WORDS)
    """What stands in the direction column, in lower case."""


@dataclass(frozen=True)
class StaffMapping:
    """How a file of people names things."""

    staff_id: str = "staff_id"
    department: str = "department"
    job_role: str = "job_role"
    job_level: str = "job_level"
    monthly_income: str = "monthly_income"


@dataclass(frozen=True)
class ReadPunch:
    """A punch of a file, of a person by the other system's id, as an instant in UTC."""

    row: int
    external_id: str
    at: datetime
    direction: Direction


@dataclass(frozen=True)
class ReadPerson:
    """A person of a file, by the other system's id; the income is a month's."""

    row: int
    external_id: str
    department: str
    job_role: str
    job_level: str
    monthly_income: Decimal


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a file holds: the rows that can be taken, and the others with what is wrong."""

    rows: tuple[T, ...]
    bad: tuple[BadRow, ...]


def read_punches(content: bytes, zone: Sequence[OffsetChange], mapping: PunchMapping | None = None) -> Read[ReadPunch]:
    """The punches of a device's file, in its order, doubles included.

    Args:
        content: the file.
        zone: the offset changes of the property's adopted zone, in which times without an offset are read. Of a wall-clock
            time that occurs twice, the earlier instant is meant.
        mapping: how the file names its columns and directions.
    """
    named = mapping or PunchMapping()
    columns = [named.staff_id, named.at, *([named.direction] if named.direction else [])]

    def punch(line: Line) -> ReadPunch:
        return ReadPunch(
            row=line.number,
            external_id=_given(line, named.staff_id),
            at=instant_of(named.at, _given(line, named.at), zone),
            direction=_direction(line, named),
        )

    return _read(content, columns, punch)


def read_staff(content: bytes, mapping: StaffMapping | None = None) -> Read[ReadPerson]:
    """The people of a file."""
    named = mapping or StaffMapping()

    def person(line: Line) -> ReadPerson:
        income = _given(line, named.monthly_income)
        if not _amount.fullmatch(income):
            raise BadCell(
                named.monthly_income, income, "an amount such as 4350.00, without separators or exponent", "write it so"
            )
        return ReadPerson(
            row=line.number,
            external_id=_given(line, named.staff_id),
            department=_given(line, named.department),
            job_role=_given(line, named.job_role),
            job_level=_given(line, named.job_level),
            monthly_income=Decimal(income),
        )

    return _read(
        content, [named.staff_id, named.department, named.job_role, named.job_level, named.monthly_income], person
    )


def read_workdays(content: bytes, column: str = "date") -> Read[date]:
    """The dates of a file of working days."""
    return _read(content, [column], lambda line: wall_clock(column, _given(line, column))[0].date())


def _read(content: bytes, columns: Sequence[str], row: Callable[[Line], T]) -> Read[T]:
    lines, bad = read_table(content, columns)
    rows: list[T] = []
    for line in lines:
        try:
            rows.append(row(line))
        except BadCell as wrong:
            bad.append(wrong.of(line.number))
    return Read(tuple(rows), tuple(sorted(bad, key=lambda one: one.row)))


def _given(line: Line, column: str) -> str:
    value = line.cells[column]
    if not value:
        raise BadCell(column, value, "not empty", "fill the cell in, or take the row out")
    return value


def _direction(line: Line, mapping: PunchMapping) -> Direction:
    if mapping.direction is None:
        return "unknown"
    value = line.cells[mapping.direction]
    found = mapping.words.get(value.lower())
    if found is None:
        raise BadCell(
            mapping.direction, value, f"one of {', '.join(mapping.words)}", "say in a mapping what the word means"
        )
    return found
