"""The office of the demonstration: two properties, forty staff and a month of punches, all made up here and always the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

MONTH_FIRST = date(2026, 3, 2)
MONTH_LAST = date(2026, 3, 31)
SHIFT = (time(9, 0), time(18, 0))
ZONE = "Asia/Shanghai"
SEED = 20260302


@dataclass(frozen=True)
class Property:
    """A property with its four independent settings."""

    property_id: str
    language: str = "zh-Hant"
    currency: str = "CNY"
    calendar: str = "CN"
    zone: str = ZONE


@dataclass(frozen=True)
class Person:
    """One member of staff. Names and phones are made up."""

    staff_id: str
    property_id: str
    name: str
    phone: str
    position: str
    grade: str
    wage: Decimal


@dataclass(frozen=True)
class Punch:
    """A line as the device at the gate exports it; `at` is local wall time."""

    staff_id: str
    at: datetime
    direction: str


PROPERTIES = (Property("north-court"), Property("south-court"))
_FAMILY = "林陳黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴周"
_GIVEN = ("樣一", "樣二")
_POSTS = (
    ("office_director", "director", "9800.00"),
    ("property_assistant", "staff", "5200.00"),
    ("cleaning_foreman", "team_leader", "4600.00"),
    ("clubhouse_supervisor", "supervisor", "6100.00"),
)


def staff() -> Iterator[Person]:
    """The forty: a director, three reports and sixteen others in each property."""
    for index, of in enumerate(PROPERTIES):
        prefix = of.property_id.split("-")[0]
        for number in range(20):
            position, grade, wage = (
                _POSTS[number] if number < len(_POSTS) else ("guard", "staff", f"{3600 + 55 * number}.00")
            )
            yield Person(
                staff_id=f"{prefix}-{number:02d}",
                property_id=of.property_id,
                name=f"{_FAMILY[number]}{_GIVEN[index]}",
                phone=f"1390000{index}{number:03d}",
                position=position,
                grade=grade,
                wage=Decimal(wage),
            )


def workdays() -> list[date]:
    """Monday to Friday of the month."""
    days = (MONTH_FIRST + timedelta(days=n) for n in range((MONTH_LAST - MONTH_FIRST).days + 1))
    return [day for day in days if day.weekday() < 5]


# What happens to whom, so that a decision can be taken at, under and over each limit: (staff number, workday) to seconds late.
LATE = {
    (5, 1): 1_740,
    (6, 1): 1_800,
    (7, 1): 1_801,
    (8, 2): 3_600,
    **{(9, day): 600 for day in (1, 3, 5, 7)},
    **{(10, day): 300 for day in (2, 4)},
}
ABSENT = {(11, 4), (12, 6)}
FORGOTTEN = {(13, day) for day in (1, 4, 7, 9)}
TWICE = {(14, 2), (15, 3), (16, 5)}


def punches() -> Iterator[Punch]:
    """A month of punches, in the order of the device: some late, some missing, some twice, a few out of order."""
    chance = random.Random(SEED)  # noqa: S311 - the same office every time
    lines: list[Punch] = []
    people = list(staff())
    for day_number, day in enumerate(workdays()):
        for person in people:
            number = int(person.staff_id.rsplit("-", 1)[1])
            if (number, day_number) in ABSENT:
                continue
            early = chance.randint(30, 900)
            start = datetime.combine(day, SHIFT[0]) + timedelta(seconds=LATE.get((number, day_number), -early))
            end = datetime.combine(day, SHIFT[1]) + timedelta(seconds=chance.randint(0, 1_800))
            came = Punch(person.staff_id, start, "in")
            if (number, day_number) not in FORGOTTEN:
                lines.append(came)
            if (number, day_number) in TWICE:
                lines.append(came)
            lines.append(Punch(person.staff_id, end, "out"))
    lines.sort(key=lambda punch: punch.at)
    for index in range(0, len(lines) - 50, 97):
        lines[index], lines[index + 40] = lines[index + 40], lines[index]
    return iter(lines)


def as_csv() -> str:
    """The punches as the device's file: `staff_id,at,direction`, local wall time."""
    return "".join(
        [
            "staff_id,at,direction\n",
            *(f"{punch.staff_id},{punch.at.isoformat()},{punch.direction}\n" for punch in punches()),
        ]
    )
