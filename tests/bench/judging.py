"""Every decision judged again from the stored facts and the payroll keys alone: a company's year, and a quarter full of penalties."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bailiwick_contracts.attendance import RecordPunches
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding
from bailiwick_contracts.judges import Judges
from bailiwick_contracts.readjudicate import Summary, readjudicate
from bailiwick_contracts.sealed import Keys, keys_from
from bailiwick_contracts.stored import read_evidence
from pydantic_core import from_json

from services.kernel.store import Store, StoredFact
from tests.audit.office import FIFTH, MONDAY, Office, at, punch_row
from tests.bench.figures import Figures
from tests.bench.place import PLACE, Place
from tests.bench.toys import TOY
from tests.bench.year import year

PEOPLE, DAYS, EVERY = 30, 60, 5
"""Each person is late on every fifth day, and penalised for it."""


@cache
def _quarter() -> tuple[tuple[bytes, ...], dict[str, bytes]]:
    """The facts of registry and attendance in the order of recording, and the payroll key."""
    with TemporaryDirectory() as directory:
        office = Office(Path(directory))
        office.set_up()
        people = tuple(f"s-{number}" for number in range(100, 100 + PEOPLE))
        for staff_id in people:
            office.hire(staff_id, "guard", "staff", "4400.00")
        days = [MONDAY + timedelta(days=n) for n in range(DAYS)]
        for start in range(0, DAYS, 10):
            office.roster(*days[start : start + 10], staff=people)
        late: list[tuple[str, date]] = []
        for number, day in enumerate(days):
            rows = []
            for index, staff_id in enumerate(people):
                is_late = (index + number) % EVERY == 0
                rows.append(punch_row(staff_id, at(day, 9) + timedelta(minutes=20 if is_late else 0), "in"))
                rows.append(punch_row(staff_id, at(day, 18), "out"))
                late += [(staff_id, day)] if is_late else []
            office.now = max(office.now, at(day, 19))
            office.ask(RecordPunches(rows=tuple(rows)), "s-device", channel="import")
            office.close_day(day)
        for start in range(0, len(late), 60):
            office.now += timedelta(seconds=5)
            asked = [
                (
                    DecidePenalty(
                        penalty_id=f"p-{staff_id}-{day}",
                        staff_id=staff_id,
                        day=day,
                        occurrence="late",
                        requested=Requested(share=FIFTH),
                        grounds="樣本事由",
                    ),
                    "s-director",
                    PLACE,
                )
                for staff_id, day in late[start : start + 60]
            ]
            office.ask_at_once(*asked)
        raws = tuple(office.raws())
        keys = {"payroll/north-court": office.keys("payroll/north-court")}
        office.close()
    return raws, keys


def _from_store(store: Store) -> Iterator[bytes]:
    position = 0
    while page := store.after(position, 1_000):
        yield from (fact.raw for fact in page)
        position = page[-1].position


def _judged(store: Store, keys: Keys, again: Callable[..., Iterator[Finding]], count: int) -> tuple[float, Summary]:
    """The seconds that it takes, once it was done before."""
    for _ in range(2):
        begun, summary = time.perf_counter(), Summary()
        found = list(again(_from_store(store), keys, summary=summary))
        seconds = time.perf_counter() - begun
        if found or summary.read != count:
            raise RuntimeError(f"a decision did not come out again: {found[:1]} of {summary}")
    return seconds, summary


def _kept(store: Store, keys: Keys) -> float:
    """Every fact read typed and placed where rulings look for it, and nothing judged."""
    begun, evidence = time.perf_counter(), Evidence(keys)
    for raw in _from_store(store):
        evidence.take(read_evidence(raw))
    return time.perf_counter() - begun


def _bare(store: Store) -> float:
    """Every fact read as JSON and let go."""
    begun = time.perf_counter()
    for raw in _from_store(store):
        from_json(raw)
    return time.perf_counter() - begun


def judging(place: Place) -> Figures:
    """Rulings given and days derived again, a second, read from the store: by a process for each processor, and by one alone."""
    return {
        **_figures("", place.another("year"), *year()),
        **_figures(" of a quarter with a penalty for every fifth day", place.another("quarter"), *_quarter()),
    }


def _figures(of: str, place: Place, raws: tuple[bytes, ...], held: dict[str, bytes]) -> Figures:
    with place:
        store, keys = place.store(TOY), keys_from(held)
        with store.transaction() as connection:
            store.append(
                connection, [StoredFact(number, f"s-{number}", 1, "kept", raw) for number, raw in enumerate(raws, 1)]
            )
        alone, summary = _judged(store, keys, readjudicate, len(raws))
        with Judges(os.cpu_count() or 1) as judges:
            seconds, _ = _judged(store, keys, judges.readjudicate, len(raws))
        kept, bare = _kept(store, keys), _bare(store)
    decided = summary.judged + summary.derivations
    return {
        f"re-adjudication{of}, decisions/s": decided / seconds,
        f"re-adjudication{of} in one process, decisions/s": decided / alone,
        f"re-adjudication{of} in one process, decisions/s if nothing were judged, only read typed and kept": decided
        / kept,
        f"re-adjudication{of}, facts read/s": summary.read / seconds,
        f"re-adjudication{of}, of the rate at which the same facts are read from the store as bare JSON": bare
        / seconds,
    }
