"""After three days without a network every device sends what it kept, at once: late, doubled, out of order, over one another."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from bailiwick_contracts.attendance import ROWS_LIMIT, DeriveDays, PunchRow, RecordPunches
from bailiwick_contracts.lateness import DerivedDay, Punch, derive_day
from bailiwick_contracts.message import Request

from services.attendance.day import by_day
from tests.attendance.office import ANN, MONDAY, Office, hiring, local, punch, shift

DAYS = [MONDAY + timedelta(days=offset) for offset in range(3)]
DEVICES = ("gate", "garage", "lobby", "roof")
BACK_AT = local("11:00", DAYS[-1] + timedelta(days=1))


def shifts_of(number: int, day: date) -> tuple[Any, ...]:
    """Two shifts a day; every fifth person works one over midnight."""
    if number % 5 == 4:
        return (shift("22:00", "06:00", day, margin_before_seconds=3_600, margin_after_seconds=7_200),)
    margins = {"margin_before_seconds": 1_800, "margin_after_seconds": 1_800}
    return (shift("09:00", "12:00", day, **margins), shift("13:00", "18:00", day, **margins))


def punched(people: list[str], chance: random.Random) -> Iterator[PunchRow]:
    """What everybody punched in these days, some of it late, some of it early, a few never."""
    for number, who in enumerate(people):
        for day in DAYS:
            for index, one in enumerate(shifts_of(number, day)):
                for direction, at in (("in", one.starts_at), ("out", one.ends_at)):
                    off = timedelta(seconds=chance.randint(-1_500, 1_500))
                    if chance.random() > 0.02:
                        yield punch(f"{who}-{day}-{index}-{direction}", who, direction, at + off)


def outcome(day: DerivedDay) -> tuple[Any, ...]:
    """What a day comes to, whichever facts led there."""
    happened = tuple((one.kind, one.occurrence, one.seconds) for one in day.occurrences)
    return day.status, day.unpaid_seconds, day.scheduled_seconds, happened, day.missing_in, day.missing_out


@pytest.mark.parametrize(
    "size", [24, pytest.param(3_500, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])], ids=["a few", "36,000"]
)
def test_three_days_of_every_device_arrive_at_once_and_each_day_comes_to_what_was_punched(
    office: Office, size: int
) -> None:
    chance = random.Random(size)
    people = [f"s-{number:04d}" for number in range(size)]
    hired: list[Request] = [request for who in people for request in hiring(who)]
    for start in range(0, len(hired), 300):
        office.register(*hired[start : start + 300])
    for number in range(5):
        of = tuple(people[number::5])
        for start in range(0, len(of), 300):
            office.roster(*DAYS, who=of[start : start + 300], shifts=lambda day, kind=number: shifts_of(kind, day))
    office.came(None, day=DAYS[0], who=ANN)
    assert office.confirm("c1", day=DAYS[0], who=ANN).outcome == "done"
    office.now = BACK_AT
    while derive(office):
        pass
    absent = {event.data.derived.status for event in office.facts("day_derived") if event.data.staff_id in people}
    assert absent == {"absent"}, "while nothing came in, nobody was seen"

    kept = [*punched(people, chance), punch("kept-in", ANN, "in", local("09:20", DAYS[0]))]
    sent = [(chance.choice(DEVICES), row) for row in kept]
    sent += [(chance.choice(DEVICES), row) for _, row in chance.sample(sent, len(sent) // 10)]
    if size > 1_000:
        assert len(kept) > 36_000
    known: set[tuple[Any, ...]] = set()
    for device in DEVICES:
        rows = [row.model_copy(update={"punch_id": f"{device}-{row.punch_id}"}) for name, row in sent if name == device]
        rows += chance.sample(rows, len(rows) // 20)
        chance.shuffle(rows)
        send(office, rows, known)
    assert len(office.facts("punch_recorded")) == len(kept) + 1

    seen: dict[str, list[Punch]] = {}
    for row in kept:
        seen.setdefault(row.staff_id or "", []).append(Punch(at=row.at, direction=row.direction, fact_id=row.punch_id))
    stood: dict[tuple[str, date], DerivedDay] = {}
    for event in office.facts("day_derived"):
        stood[event.data.staff_id, event.data.day] = event.data.derived
    for number, who in enumerate(people):
        rostered = {day: shifts_of(number, day) for day in DAYS}
        assigned = by_day(seen.get(who, ()), rostered)
        for day in DAYS:
            expected = derive_day(rostered[day], assigned.get(day, ()), now=BACK_AT)
            assert outcome(stood[who, day]) == outcome(expected), (who, day)

    of_ann = stood[ANN, DAYS[0]]
    assert of_ann.contradicted, "a confirmation that a punch contradicts is flagged"
    assert len(office.facts("missed_punch_confirmed")) == 1, "and it stands as it was given"
    stored = len(office.facts())
    again = [row for _, row in sent]
    assert {row.outcome for part in parts(again) for row in record(office, part).rows} == {"ignored"}
    assert len(office.facts()) == stored


def derive(office: Office) -> int:
    answer = office.ask(DeriveDays(first_on=DAYS[0], last_on=DAYS[-1]), by="device-sample")
    return int((answer.result or {})["remaining"])


def parts(rows: list[PunchRow]) -> list[list[PunchRow]]:
    return [rows[start : start + ROWS_LIMIT] for start in range(0, len(rows), ROWS_LIMIT)]


def record(office: Office, rows: list[PunchRow]) -> Any:
    once = {row.punch_id: row for row in rows}
    return office.ask(RecordPunches(rows=tuple(once.values())), by="device-sample")


def send(office: Office, rows: list[PunchRow], known: set[tuple[Any, ...]]) -> None:
    """A device empties its memory; of each row it is said whether it was new."""
    for part in parts(rows):
        outcomes = Counter(row.outcome for row in record(office, part).rows)
        new = {(row.staff_id, row.at, row.direction) for row in part} - known
        assert (outcomes["done"], outcomes["rejected"]) == (len(new), 0)
        known |= new
