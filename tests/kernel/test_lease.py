"""A lease: one is active, another takes over when it falls silent or stops, and nobody's clock decides."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import OperationalError

from services.kernel.lease import LEASES, Lease, Leased
from services.kernel.store import Store


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("services.kernel.lease.BEAT_SECONDS", 0.1)
    monkeypatch.setattr("services.kernel.lease.SILENT_SECONDS", 0.5)
    made = Store(database_url, schema="toy")
    yield made
    made.close()


@asynccontextmanager
async def running(*parts: Any) -> Any:
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.01)


async def test_of_two_one_is_active_and_the_other_follows_at_once_when_it_stops(store: Store) -> None:
    one, two = Lease(store, "active"), Lease(store, "active")
    async with running(two):
        async with running(one):
            await until(lambda: one.taken.is_set() or two.taken.is_set())
            for _ in range(15):
                assert one.taken.is_set() != two.taken.is_set()
                await asyncio.sleep(0.05)
        began = time.monotonic()
        await until(two.taken.is_set)
        assert time.monotonic() - began < 0.45, "given back, it need not fall silent first"


async def test_a_holder_that_died_without_a_word_is_followed_once_it_was_silent_long_enough(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(sa.insert(LEASES).values(name="active", holder="elsewhere:1:x", beat=7))
    lease = Lease(store, "active")
    async with running(lease):
        await asyncio.sleep(0.3)
        assert not lease.taken.is_set()
        await until(lease.taken.is_set, 1)


async def test_a_process_of_this_machine_that_is_no_more_is_followed_at_once(store: Store) -> None:
    lease = Lease(store, "active")
    host = lease._holder.partition(":")[0]
    with store.transaction() as connection:
        connection.execute(sa.insert(LEASES).values(name="active", holder=f"{host}:{2**22 + 7}:x", beat=7))
    async with running(lease):
        await until(lease.taken.is_set, 0.4)


class Counting:
    """A part that says how often it was begun, and whether it runs."""

    def __init__(self) -> None:
        self.begun, self.runs, self.fails, self.turns = 0, False, False, 0

    def waits(self) -> bool:
        return True

    async def run(self) -> None:
        self.begun += 1
        self.runs = True
        try:
            while not self.fails:  # noqa: ASYNC110 - told from outside
                await asyncio.sleep(0.01)
            raise RuntimeError("asked to fail")
        finally:
            self.runs = False


async def test_who_cannot_tell_the_database_that_it_lives_lets_go_before_another_takes_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, part = Lease(store, "active"), Counting()
    async with running(lease, Leased(lease, part)):
        await until(lambda: part.runs)

        def away(*_: Any) -> Any:
            raise OperationalError("the server closed the connection")

        with monkeypatch.context() as broken:
            broken.setattr(Store, "beside", away)
            began = time.monotonic()
            await until(lambda: not part.runs)
            assert time.monotonic() - began < 0.5 + 0.1
        await until(lambda: part.runs)
    assert (part.begun, part.runs) == (2, False)


async def test_a_part_that_another_took_over_from_stops_and_its_failure_is_passed_on(store: Store) -> None:
    lease, part = Lease(store, "active"), Counting()
    leased = Leased(lease, part)
    async with running(lease, leased) as tasks:
        await until(lambda: part.runs)
        with store.transaction() as connection:
            connection.execute(sa.update(LEASES).values(holder="elsewhere:1:x", beat=99))
        await until(lambda: not part.runs)
        assert leased.waits() is False
        await until(lambda: part.runs)
        part.fails = True
        await until(tasks[1].done)
        assert "asked to fail" in str(tasks[1].exception())
