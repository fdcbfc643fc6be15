"""A year of real punches, derived by the pure functions and compared with a plain count by the wall clock."""

import csv
from collections import Counter
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from bailiwick_contracts.lateness import DerivedDay, Punch, Shift, derive_day

from services.attendance.day import by_day
from services.attendance.imports import read_punches, read_staff, read_workdays
from tests.attendance.office import local, shift
from tests.attendance.test_imports import SHANGHAI

DATA = Path(__file__).parents[3] / "shared" / "data"
AFTERWARDS = local("00:00", date(2016, 1, 2))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not here")


def derived_year(data: Path) -> dict[tuple[str, date], DerivedDay]:
    """Every person's every working day, by a shift from 10:00 to 17:00."""
    days: dict[date, tuple[Shift, ...]] = {
        day: (shift("10:00", "17:00", day),) for day in read_workdays((data / "workdays-2015.csv").read_bytes()).rows
    }
    punches: dict[str, list[Punch]] = {}
    for row in read_punches((data / "punches-2015.csv").read_bytes(), SHANGHAI).rows:
        punches.setdefault(row.external_id, []).append(Punch(at=row.at, direction=row.direction, fact_id=f"r{row.row}"))
    found = {}
    for person in read_staff((data / "staff-2015.csv").read_bytes()).rows:
        assigned = by_day(punches.get(person.external_id, ()), days)
        for day, shifts in days.items():
            found[person.external_id, day] = derive_day(shifts, assigned.get(day, ()), now=AFTERWARDS)
    return found


def by_wall_clock(data: Path) -> Counter[str]:
    """The same figures from the file's own columns, without a line of ours."""
    starts, ends = timedelta(hours=10), timedelta(hours=17)
    seen: Counter[str] = Counter()
    with (data / "punches-2015.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["at"])
            clock = datetime.combine(date.min, at.time()) - datetime.combine(date.min, time.min)
            by = clock - starts if row["direction"] == "in" else ends - clock
            seen["present"] += row["direction"] == "in"
            if by > timedelta(0):
                kind = "late" if row["direction"] == "in" else "early"
                seen[f"{kind}_up_to_30" if by <= timedelta(minutes=30) else f"{kind}_over_30"] += 1
    return seen


def test_every_file_is_read_whole() -> None:
    punches = read_punches((DATA / "punches-2015.csv").read_bytes(), SHANGHAI)
    assert (len(punches.rows), punches.bad) == (23_648, ())
    staff = read_staff((DATA / "staff-2015.csv").read_bytes())
    assert (len(staff.rows), staff.bad) == (50, ())
    assert len(read_workdays((DATA / "workdays-2015.csv").read_bytes()).rows) == 249


def test_a_year_of_days_comes_to_what_the_wall_clock_says() -> None:
    counted: Counter[str] = Counter()
    for day in derived_year(DATA).values():
        counted[day.status] += 1
        for occurrence in day.occurrences:
            if occurrence.kind != "absent":
                counted[f"{occurrence.kind}_{'up_to' if occurrence.seconds <= 1800 else 'over'}_30"] += 1
    expected = by_wall_clock(DATA)
    assert {name: counted[name] for name in expected} == expected
    assert counted["present"] + counted["absent"] == 50 * 249
    assert counted["incomplete"] == 0
