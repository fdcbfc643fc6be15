"""`python -m tests.bench.month [--staff 3000]`: workload W7, a month's end in attendance, with the time of each stage.

Fifty properties share the staff; thirty days each, a penalty for every second head (1,500 of 3,000), a sheet per head. The
service decides in one process on one SQLite file; commands are signed, decided, stored with their views and judged by the same
code that runs behind the bus. `busy` is processor time of this process: a machine that does other work shows in the difference.
At the end stands the rate of a bare insert of as many rows into a table of the same machine, as a reference.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bailiwick_contracts.appraisal import OpenAppraisals, Score, SubmitAppraisal
from bailiwick_contracts.attendance import DeriveDays, PublishRoster, PunchRow, RecordPunches, RosterDay
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.month import CloseMonth, ConfirmAttendance, SupplyAttendance
from bailiwick_contracts.payroll import HandOverPayroll
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, AdoptLegalPolicy

from tests.attendance.house import RULES
from tests.attendance.office import CAPPED, HR, Office, hiring, local, shift

PROPERTIES, DAYS, MONTH = 50, 30, "2026-04"
FIRST = date(2026, 4, 1)
ROWS, AT_ONCE = 1_000, 200
LATE_EVERY = 7
"""Every seventh person-day is ten minutes late, so that there is something to penalise."""
SYSTEM = Actor(actor="system-import", channel="import", authmethod="file")


class Stages:
    """The time of each stage, printed as it ends."""

    def __init__(self) -> None:
        self.total = self.busy = 0.0

    def run(self, title: str, count: int, work: Any) -> None:
        begun, cpu = time.perf_counter(), time.process_time()
        work()
        taken, busy = time.perf_counter() - begun, time.process_time() - cpu
        self.total += taken
        self.busy += busy
        sys.stdout.write(
            f"  {title:<44} {count:>9,} {taken:9.1f} s ({busy:7.1f} s busy) {count / max(taken, 1e-9):9,.0f} /s\n"
        )
        sys.stdout.flush()


def places(staff: int) -> dict[str, list[str]]:
    """Who works where; the first of each place is its director."""
    many = min(PROPERTIES, max(1, staff // 3))
    names = [f"court-{number:02d}" for number in range(many)]
    found: dict[str, list[str]] = {name: [f"director-{name}"] for name in names}
    for number in range(staff):
        found[names[number % many]].append(f"s-{number:05d}")
    return found


def set_up(office: Office, homes: dict[str, list[str]]) -> None:
    requests: list[Request] = [AddProperty(property_id=name, name=name) for name in homes]
    requests += [
        AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1),
        AdoptLegalPolicy(policy=CAPPED, lead_seconds=1),
    ]
    for name, people in homes.items():
        requests += hiring(people[0], name, grade="director", position="office_director")
        for one in people[1:]:
            requests += hiring(one, name)
    first = next(iter(homes))
    requests += hiring(HR, first, grade="supervisor", position="hr")
    office.register(*requests)
    office.now += timedelta(minutes=1)
    office.adopt(RULES)


def send(office: Office, of: Iterator[tuple[Request, str, Actor]]) -> None:
    """Have commands decided, as many at once as callers would be waiting."""
    waiting: list[Any] = []

    def flush() -> None:
        for answer in office.attendance.process(waiting):
            assert answer.outcome in ("done", "ignored"), answer
        waiting.clear()

    for request, place, actor in of:
        waiting.append(office.sign(request, actor, place))
        if len(waiting) >= AT_ONCE:
            flush()
    if waiting:
        flush()


def rosters(homes: dict[str, list[str]]) -> Iterator[tuple[Request, str, Actor]]:
    days = [FIRST + timedelta(days=offset) for offset in range(DAYS)]
    rows = [RosterDay(day=day, shifts=(shift(day=day),)) for day in days]
    for name, people in homes.items():
        step = max(1, ROWS // len(people[1:]))
        for start in range(0, DAYS, step):
            yield (
                PublishRoster(
                    roster_id=f"r-{name}-{start}", staff_ids=tuple(people[1:]), days=tuple(rows[start : start + step])
                ),
                name,
                Actor(actor=people[0]),
            )


def punches(homes: dict[str, list[str]]) -> Iterator[tuple[Request, str, Actor]]:
    clocks: dict[tuple[date, str], datetime] = {
        (day, clock): local(clock, day)
        for day in (FIRST + timedelta(days=offset) for offset in range(DAYS))
        for clock in ("08:55", "09:10", "17:05")
    }
    number = 0
    for name, people in homes.items():
        rows = []
        for index, one in enumerate(people[1:]):
            for offset in range(DAYS):
                day = FIRST + timedelta(days=offset)
                arrival = "09:10" if (index + offset) % LATE_EVERY == 0 else "08:55"
                for direction, clock in (("in", arrival), ("out", "17:05")):
                    number += 1
                    rows.append(
                        PunchRow.model_construct(
                            punch_id=f"p{number}",
                            staff_id=one,
                            external_id=None,
                            at=clocks[day, clock],
                            direction=direction,  # type: ignore[arg-type]
                            file_row=None,
                        )
                    )
        for start in range(0, len(rows), ROWS):
            yield RecordPunches(rows=tuple(rows[start : start + ROWS])), name, SYSTEM


def penalties(homes: dict[str, list[str]], wanted: int) -> Iterator[tuple[Request, str, Actor]]:
    requested = Requested(share=Ratio(numerator=1, denominator=5))
    number = 0
    while number < wanted:
        for name, people in homes.items():
            for index, one in enumerate(people[1:]):
                offset = (-index) % LATE_EVERY
                if number >= wanted:
                    return
                if index % 2:
                    continue
                number += 1
                yield (
                    DecidePenalty(penalty_id=f"p-{one}", staff_id=one, day=FIRST + timedelta(days=offset), occurrence="late",
                                  requested=requested, grounds="Late."),
                    name,
                    Actor(actor=people[0]),
                )  # fmt: skip
        return


def main() -> None:
    """Print the stages."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.month", description=__doc__)
    parser.add_argument("--staff", type=int, default=3_000)
    staff = parser.parse_args().staff
    homes = places(staff)
    hr = Actor(actor=HR)
    with tempfile.TemporaryDirectory() as directory:
        office = Office(f"sqlite:///{directory}/store.sqlite", Path(directory))
        stages = Stages()
        sys.stdout.write(f"{staff:,} staff in {len(homes)} properties, {DAYS} days, SQLite\n")
        stages.run("set the company up (people)", staff, lambda: set_up(office, homes))
        stages.total = stages.busy = 0.0
        stages.run("rosters (person-days)", staff * DAYS, lambda: send(office, rosters(homes)))
        office.now = local("20:00", FIRST + timedelta(days=DAYS))
        stages.run("punches, days derived (punches)", staff * DAYS * 2, lambda: send(office, punches(homes)))
        taking_in = stages.total
        derive: list[tuple[Request, str, Actor]] = [
            (DeriveDays(first_on=FIRST, last_on=FIRST + timedelta(days=DAYS - 1)), name, SYSTEM) for name in homes
        ]
        stages.run("what nobody punched (properties)", len(homes), lambda: send(office, iter(derive)))
        stages.run("sheets supplied and confirmed (months)", len(homes), lambda: send(office, _confirmed(homes, hr)))
        wanted = staff // 2
        stages.run("penalties", wanted, lambda: send(office, penalties(homes, wanted)))
        stages.run("appraisals", staff, lambda: send(office, _appraised(homes)))
        stages.run("months closed and handed over (months)", len(homes), lambda: send(office, _closed(homes, hr)))
        sys.stdout.write(
            f"  {'a month in all':<44} {'':>9} {stages.total:9.1f} s; month's end alone {stages.total - taking_in:.1f} s\n"
        )
        facts = sum(head for place in homes for head in [len(office.store.chain(place, 0, 10_000_000))])
        decided = len(
            [
                1
                for place in homes
                for fact in office.store.chain(place, 0, 10_000_000)
                if "penalty_decided" in fact.type
            ]
        )
        sys.stdout.write(f"  {facts:,} facts stored, {decided:,} penalties decided\n")
        _reference(directory, facts)
        office.close()


def _confirmed(homes: dict[str, list[str]], hr: Actor) -> Iterator[tuple[Request, str, Actor]]:
    for name, people in homes.items():
        yield SupplyAttendance(month=MONTH), name, hr
        yield ConfirmAttendance(month=MONTH), name, Actor(actor=people[0])


def _appraised(homes: dict[str, list[str]]) -> Iterator[tuple[Request, str, Actor]]:
    scores = tuple(Score(section=section, score=80) for section in ("duty", "service", "conduct"))
    for name, people in homes.items():
        yield OpenAppraisals(month=MONTH, staff_ids=tuple(people[1:])), name, Actor(actor=people[0])
        for one in people[1:]:
            yield SubmitAppraisal(month=MONTH, staff_id=one, scores=scores, signed=True), name, Actor(actor=people[0])


def _closed(homes: dict[str, list[str]], hr: Actor) -> Iterator[tuple[Request, str, Actor]]:
    for name in homes:
        yield CloseMonth(month=MONTH), name, hr
        yield HandOverPayroll(month=MONTH), name, hr


def _reference(directory: str, facts: int) -> None:
    begun = time.perf_counter()
    with sqlite3.connect(f"{directory}/reference.sqlite") as connection:
        connection.execute("create table facts (position integer primary key, raw blob)")
        connection.executemany("insert into facts values (?, ?)", ((number, b"x" * 900) for number in range(facts)))
    taken = time.perf_counter() - begun
    sys.stdout.write(f"  reference: as many bare rows of 900 bytes {taken:26.1f} s {facts / taken:11,.0f} /s\n")


if __name__ == "__main__":
    main()
