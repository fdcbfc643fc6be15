"""Whatever somebody does to a timer, a parked fact, a position or a view's row is found, and the report names table and row."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import hash_of
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.money import Money
from bailiwick_contracts.staff import SetBaseWage

from services.kernel.due import TIMERS, command_id_of
from services.kernel.ids import uuid7
from services.kernel.parked import PARKED
from services.kernel.tables import COMMANDS, TRACKING
from services.tickets.app import SERVICE
from tests.audit.rows.house import GIVEN_UP, RETRIED, House
from tests.tickets.office import SETUP

VIEWS = tuple(dict.fromkeys(table for view in SERVICE.views for table in view.tables))
DEEDS = ("alter", "remove", "insert", "swap")
OF_THE_KERNEL = (TIMERS, PARKED, TRACKING)
SMALL, LARGE = 36, 400
NOT_TOLD: dict[str, set[str]] = {
    "timers": {"setting", "traceparent", "tries", "reason"},
    "parked": {"copied", "tries", "reason", "next_us", "parked_us"},
    "tracking": set(),
}
"""What no fact says of a row that is still being tried; `test_what_no_fact_tells…` shows what comes of it."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.office.close()


def key_of(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    return {column.name: row[column.name] for column in table.primary_key.columns}


def other(value: Any, chance: random.Random) -> Any:
    """Another value of the same kind; None where there was none becomes a number."""
    match value:
        case bool():
            return not value
        case int():
            return value + chance.choice((-60_000_000, -1, 1, 3_600_000_000))
        case bytes():
            return value.replace(b'"ticket_id":"', b'"ticket_id":"x') if b'"ticket_id"' in value else value + b" "
        case None:
            return 1
        case _:
            return f"{value}x"


def alter(table: sa.Table, rows: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    told = [name for name in rows[0] if name not in NOT_TOLD.get(table.name, set())]
    place, column = chance.randrange(len(rows)), chance.choice(told)
    if rows[place][column] is None and table not in OF_THE_KERNEL:
        column = next(iter(key_of(table, rows[place])))
    before = key_of(table, rows[place])
    rows[place] = rows[place] | {column: other(rows[place][column], chance)}
    return [before, key_of(table, rows[place])]


def remove(table: sa.Table, rows: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    return [key_of(table, rows.pop(chance.randrange(len(rows))))]


def insert(table: sa.Table, rows: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    row = dict(chance.choice(rows))
    name = next(iter(key_of(table, row)))
    row[name] = other(row[name], chance)
    if table is TRACKING:
        row["source"] = "billing-1:north-court"
    rows.append(row)
    return [key_of(table, row)]


def swap(table: sa.Table, rows: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """Two rows exchange everything but their keys."""
    while True:
        one, two = chance.sample(range(len(rows)), 2)
        first, second = rows[one] | key_of(table, rows[two]), rows[two] | key_of(table, rows[one])
        if first != rows[two]:
            rows[one], rows[two] = second, first
            return [key_of(table, first), key_of(table, second)]


def judge(house: House, number: int) -> tuple[str, str]:
    """One deed to one table, which is then as it was; what was touched has to be named, and its table."""
    chance = random.Random(number)
    tables = [*OF_THE_KERNEL, *(view for view in VIEWS if len(house.rows(view)) > 1)]
    deed, table = DEEDS[number % 4], tables[number // 4 % len(tables)]
    clean = house.rows(table)
    while True:
        rows = [dict(row) for row in clean]
        touched = {"alter": alter, "remove": remove, "insert": insert, "swap": swap}[deed](table, rows, chance)
        if len({tuple(key_of(table, row).values()) for row in rows}) == len(rows):  # else the database refuses it
            break
    house.put(table, rows)
    try:
        found: list[Any] = house.findings() if table in OF_THE_KERNEL else house.in_views()
    finally:
        house.put(table, clean)
    named = [dict(one.key) for one in found if one.table == table.name]
    lane = table is PARKED and deed == "remove" and _first_of_lane(clean, touched[0])
    if lane:  # what waited behind it shows that it is gone
        assert found, (deed, number, touched)
    else:
        assert any(key in named for key in touched), (deed, table.name, number, touched, found)
    return deed, table.name


def _first_of_lane(rows: list[dict[str, Any]], key: dict[str, Any]) -> bool:
    (gone,) = [row for row in rows if row["number"] == key["number"] and row["source"] == key["source"]]
    return all(row["version"] >= gone["version"] for row in rows if row["lane"] == gone["lane"])


def test_rows_that_nobody_touched_are_accused_of_nothing(house: House) -> None:
    assert (house.findings(), house.in_views()) == ([], [])
    assert len(house.rows(TIMERS)) >= 15
    states = Counter((row["tries"] > 0, row["raised"]) for row in house.rows(PARKED))
    assert set(states) == {(True, True), (True, False), (False, False)}
    assert any(row["raised"] for row in house.rows(TIMERS))


def test_each_kind_of_tampering_with_a_row_is_found_and_its_table_and_key_named(house: House) -> None:
    tried = Counter(judge(house, number) for number in range(SMALL))
    assert {name for _, name in tried} >= {"timers", "parked", "tracking"}


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_none_of_hundreds_of_altered_removed_inserted_and_swapped_rows_is_missed(house: House) -> None:
    seed = int(os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"BAILIWICK_TEST_SEED={seed}")  # noqa: T201 - with it the run can be repeated
    tried = Counter(judge(house, seed * 1_000 + number) for number in range(LARGE))
    assert {deed for deed, _ in tried} == set(DEEDS)


def after(house: House, table: sa.Table, change: Any) -> list[Any]:
    clean = house.rows(table)
    house.put(table, [row for row in map(change, map(dict, clean)) if row is not None])
    try:
        return house.findings()
    finally:
        house.put(table, clean)


def of_lane(who: str) -> Any:
    return lambda row: row["lane"].endswith(who)


def test_the_finding_says_what_the_facts_say_instead(house: House) -> None:
    def later(row: dict[str, Any]) -> dict[str, Any]:
        if row["timer_id"] != "t0/judge/resolution":
            return row
        return row | {"due_us": row["due_us"] + 1_000_000, "next_us": row["next_us"] + 1_000_000}

    (found,) = after(house, TIMERS, later)
    assert (found.table, found.kind, found.key, found.columns) == (
        "timers", "altered", {"timer_id": "t0/judge/resolution"}, ("due_us",),
    )  # fmt: skip
    (gone,) = after(house, TIMERS, lambda row: None if row["timer_id"] == "left/eva-sample" else row)
    assert (gone.kind, gone.key) == ("missing", {"timer_id": "left/eva-sample"})
    assert "not decided" in gone.says


def test_a_dead_letter_that_was_taken_out_of_its_table_is_missing(house: House) -> None:
    first = next(row for row in house.rows(PARKED) if of_lane(GIVEN_UP)(row))
    found = after(house, PARKED, lambda row: None if row["fact_id"] == first["fact_id"] else row)
    assert {"source": first["source"], "number": first["number"]} in [one.key for one in found if one.kind == "missing"]


def test_a_whole_stream_taken_out_of_what_is_parked_shows_in_what_it_never_came_to(house: House) -> None:
    found = after(house, PARKED, lambda row: None if of_lane(RETRIED)(row) else row)
    assert [(one.table, one.kind, one.key) for one in found] == [("timers", "missing", {"timer_id": f"left/{RETRIED}"})]


def test_a_position_set_back_or_taken_away_is_named_by_what_the_copies_hold(house: House) -> None:
    place = next(row["source"] for row in house.rows(TRACKING) if row["source"].endswith("south-court"))

    def back(row: dict[str, Any]) -> dict[str, Any]:
        if row["source"] != place:
            return row
        earlier = house.feed("registry", "south-court", 0)[0]
        return row | {"position": 1, "hash": hash_of(earlier)}

    assert [(one.table, one.key, one.columns) for one in after(house, TRACKING, back)] == [
        ("tracking", {"source": place}, ("position", "hash"))
    ]
    gone = after(house, TRACKING, lambda row: None if row["source"] == place else row)
    assert [(one.table, one.kind, one.key) for one in gone] == [("tracking", "missing", {"source": place})]


def test_a_timer_that_would_come_to_nothing_because_its_command_was_decided_is_named(house: House) -> None:
    commands = house.rows(COMMANDS)
    row = house.rows(TIMERS)[0]
    house.put(COMMANDS, [*commands, {"command_id": command_id_of(row), "digest": b"timer", "answer": b"{}"}])
    found = house.findings()
    house.put(COMMANDS, commands)
    assert [(one.key, one.columns) for one in found] == [({"timer_id": row["timer_id"]}, ("setting",))]


@pytest.mark.parametrize("jumped", ["both", "source", "neither"])
def test_a_clock_that_ran_ahead_and_was_put_right_accuses_no_row(tmp_path: Path, jumped: str) -> None:
    """When a fact was parked is told by the clock of then, whatever the clock of now says."""
    house = House(tmp_path)
    office, before = house.office, house.office.now
    office.now += timedelta(days=3) if jumped != "neither" else timedelta()
    wage = SetBaseWage(
        staff_id=RETRIED, base_wage=Money(amount="5300.00"), effective_on=before.date() + timedelta(days=90)
    )
    office.registry.process([office.sign(wage, SETUP, COMPANY)])
    if jumped == "source":
        office.now = before
    count = len(house.rows(PARKED))
    office.take_in()
    assert len(house.rows(PARKED)) == count + 1
    if jumped == "both":
        office.report("t-ahead", "repair")
    office.now = before + timedelta(seconds=1)
    assert house.findings() == []
    for us in (-1, int((before + timedelta(days=30)).timestamp() * 1e6)):
        found = after(house, PARKED, lambda row, us=us: row | {"parked_us": us})
        assert {one.columns for one in found} == {("parked_us",)}
    office.close()


def test_what_no_fact_tells_of_a_row_changes_nothing_but_when_within_a_minute_it_is_tried(house: House) -> None:
    """Another random setting leads to another command id and to the same decision, once."""
    assert after(house, TIMERS, lambda row: row | {"setting": uuid7()} if not row["raised"] else row) == []
    first = next(row for row in house.rows(PARKED) if of_lane(RETRIED)(row))

    def sooner(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"next_us": row["next_us"] + 1} if row["fact_id"] == first["fact_id"] else row

    assert after(house, PARKED, sooner) == []
    much_later = after(
        house,
        PARKED,
        lambda row: row | {"next_us": row["next_us"] + 10**9} if row["fact_id"] == first["fact_id"] else row,
    )
    assert [one.columns for one in much_later] == [("next_us",)]
