"""The clocks of the services jump, and cross what calendars are got wrong at, with timers waiting."""

import asyncio
import calendar
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bailiwick_contracts.envelope import read_event

from tests.crash.system import System

HOUR = 3_600
ZONE = "Europe/Berlin"
"""Of the machine on which the clock is changed twice a year; nothing that is recorded follows it."""


async def jumps(system: System, chance: random.Random, soak: bool) -> None:
    """An hour ahead, an hour back, and right again: nothing is recorded before what was recorded already, each timer fires once."""
    clock = _moved(system)
    client = await system.client()
    try:
        for beside in (HOUR, -HOUR, chance.uniform(-HOUR, HOUR), 0):
            await system.timed(client, chance, chance.choice((0.5, 2)))
            clock.write_text(str(beside))
            await asyncio.sleep(chance.uniform(0.2, 1))
            await system.timed(client, chance, 0.5)
    finally:
        clock.write_text("0")
        await client.close()


async def days_of_the_calendar(system: System, chance: random.Random, soak: bool) -> None:
    """Over month ends, a leap day, both changes of the clock and a new year, with timers due right before and after each."""
    clock = _moved(system, TZ=ZONE)
    client = await system.client()
    # Whoever recorded in years to come never records before that again, so this system is for nothing else.
    system.worn = True
    instants = list(_instants(datetime.now(UTC)))
    try:
        for instant in instants:
            ahead = timedelta(seconds=chance.uniform(0.5, 1.5))
            beside = (instant - ahead - datetime.now(UTC)).total_seconds()
            clock.write_text(str(beside))
            for _ in range(2):
                await system.timed(client, chance, 2 * ahead.total_seconds(), beside)
            await asyncio.sleep(ahead.total_seconds())
            await system.timed(client, chance, 0.5, beside)
    finally:
        await client.close()
    store = system.store("toy")
    recorded = [read_event(fact.raw).recordedat for fact in store.after(0, 1_000_000)]
    store.close()
    for instant in instants:
        assert any(instant <= at < instant + timedelta(minutes=5) for at in recorded), (
            f"nothing was recorded at {instant}"
        )


def _moved(system: System, **environment: str) -> Path:
    """Start the services again with a clock that a file moves, which this answers."""
    clock = system.directory / "clock"
    for part in ("toy", "echo"):
        before = system.environment.get(part, {})
        system.environment[part] = before | {"TOY_CLOCK": str(clock)} | environment
        system.restart(part)
    return clock


def _instants(now: datetime) -> Iterator[datetime]:
    """In order: the ends of a January, of its 28 and 29 February, summer time and winter time, and the end of that year."""
    year = next(year for year in range(now.year + 1, now.year + 9) if calendar.isleap(year))
    yield datetime(year, 2, 1, tzinfo=UTC)
    yield datetime(year, 2, 29, tzinfo=UTC)
    yield datetime(year, 3, 1, tzinfo=UTC)
    for month in (3, 10):
        last = datetime(year, month, 31, 1, tzinfo=UTC)
        yield last - timedelta(days=(last.weekday() + 1) % 7)
    yield datetime(year + 1, 1, 1, tzinfo=UTC)
