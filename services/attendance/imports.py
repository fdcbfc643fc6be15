"""Punches, people and working days from files of other systems: parsed only; what is taken is asked for elsewhere."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from decimal import Decimal
from typing import Generic, TypeVar

from bailiwick_contracts.lateness import Direction
from bailiwick_contracts.money import AMOUNT_PATTERN
from bailiwick_contracts.registry import OffsetChange

from services.table import BadRow, Line, read_table
from services.wall_clock import BadCell, Clocks, instant_of, wall_clock

T = TypeVar("T")
M = TypeVar("M")
_amount = re.compile(AMOUNT_PATTERN)
_hour = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
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
class RosterMapping:
    """How a file of shifts names things. Times are the property's wall clock; a row without times is a day of rest."""

    staff_id: str = "staff_id"
    date: str = "date"
    start: str = "start"
    end: str = "end"


@dataclass(frozen=True)
class CalendarMapping:
    """How a file of a property's own working days names things."""

    date: str = "date"
    kind: str = "kind"
    words: Mapping[str, str] = field(
        default_factory=lambda: {
            "holiday": "holiday", "假日": "holiday", "rest_day": "rest_day", "休息": "rest_day",
            "working_day": "working_day", "上班": "working_day",
        }
    )  # fmt: skip


@dataclass(frozen=True)
class ReadShift:
    """A shift of a file, by the wall clock; None and None for a day of rest."""

    row: int
    external_id: str
    day: date
    start: time | None
    end: time | None


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
    changes = Clocks(zone)

    def punch(line: Line) -> ReadPunch:
        return ReadPunch(
            row=line.number,
            external_id=_given(line, named.staff_id),
            at=instant_of(named.at, _given(line, named.at), changes).replace(microsecond=0),
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


def read_roster(content: bytes, mapping: RosterMapping | None = None) -> Read[ReadShift]:
    """The shifts of a file that has one row per person and shift."""
    named = mapping or RosterMapping()

    def shift(line: Line) -> ReadShift:
        given = [line.cells[column] for column in (named.start, named.end)]
        if bool(given[0]) != bool(given[1]):
            raise BadCell(named.start, " ".join(given), "both times, or neither for a day of rest", "fill the cell in")
        day = wall_clock(named.date, _given(line, named.date))[0].date()
        times = [
            _clock(column, value) if value else None
            for column, value in zip((named.start, named.end), given, strict=True)
        ]
        return ReadShift(line.number, _given(line, named.staff_id), day, times[0], times[1])

    return _read(content, [named.staff_id, named.date, named.start, named.end], shift)


def read_calendar(content: bytes, mapping: CalendarMapping | None = None) -> Read[tuple[date, str]]:
    """The days of a file on which a property works or rests against its calendar."""
    named = mapping or CalendarMapping()

    def own(line: Line) -> tuple[date, str]:
        value = _given(line, named.kind)
        kind = named.words.get(value.lower())
        if kind is None:
            raise BadCell(named.kind, value, f"one of {', '.join(named.words)}", "say in a mapping what the word means")
        return wall_clock(named.date, _given(line, named.date))[0].date(), kind

    return _read(content, [named.date, named.kind], own)


def read_mapping(content: bytes, kind: type[M]) -> M:
    """How a file names its columns, from a JSON document such as `{"staff_id": "工號", "at": "時間"}`.

    Raises:
        ValueError: it is no such document, or names what the mapping does not have.
    """
    try:
        given = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise ValueError(f"no JSON document: {error}") from None
    known = {one.name: one.type == str | None for one in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(given, dict) or not set(given) <= set(known):
        raise ValueError(f"an object with some of the names {', '.join(known)}")
    for name, value in given.items():
        if name == "words":
            if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
                raise ValueError("words: an object from what stands in the file to what it means")
            given[name] = {written.lower(): meaning for written, meaning in value.items()}
        elif not isinstance(value, str) and not (value is None and known[name]):
            raise ValueError(f"{name}: the name of a column")
    return kind(**given)


def _clock(column: str, value: str) -> time:
    found = _hour.fullmatch(value)
    try:
        hours, minutes, seconds = (int(number or 0) for number in found.groups()) if found else (99, 0, 0)
        return time(hours, minutes, seconds)
    except ValueError:
        raise BadCell(column, value, "a time of day such as 09:30", "format the column so before exporting") from None


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
