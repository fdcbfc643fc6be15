"""Two of everything on one database: correct together, and the other one active within ten seconds, killed or frozen."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, read_event
from nats.aio.client import Client

from services.kernel.doors import Door, ask
from services.kernel.due import TIMERS
from services.kernel.lease import LEASES
from services.kernel.store import Store
from tests.kernel.toy import TakeToken
from tests.real.harness import Installation, command_until_answered, drained

TAKEN_OVER_SECONDS = 10
PARTS = {"toy": ("toy", "active"), "relay": ("toy", "relay"), "echo": ("echo", "active")}
"""Which lease of which store says who is the active one of a part."""
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("two")]


class Doubled(Installation):
    """Every part twice, beside one NATS server."""

    def __enter__(self) -> Self:
        relays = ("relay", "relay-2") if self.relay_apart else ()
        for name in ("nats", "toy", "toy-2", *relays, "echo", "echo-2"):
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()

    def active(self, part: str) -> str | None:
        """The name of the process that is active, by its lease."""
        service, lease = PARTS[part]
        store = self.store(service)
        try:
            with store.reading() as connection:
                row = connection.execute(sa.select(LEASES.c.holder).where(LEASES.c.name == lease)).first()
        finally:
            store.close()
        pids = {str(process.pid): name for name, process in self.processes.items()}
        return pids.get(row.holder.split(":")[1]) if row is not None and row.holder else None

    def freeze(self, name: str) -> None:
        """Stop a process while no writer of its service has a transaction open.

        One that is frozen with SQLite's lock keeps it until it goes on: no database gives that lock to another.
        """
        store = self.store(name.partition("-")[0].replace("relay", "toy"))
        try:
            with store.transaction():
                self.processes[name].send_signal(signal.SIGSTOP)
        finally:
            store.close()

    async def until_active(self, part: str, other_than: str | None = None) -> tuple[str, float]:
        """Wait until a process is active, other than one; answers which, and the seconds it took."""
        began = time.monotonic()
        while (found := self.active(part)) is None or found == other_than:
            assert time.monotonic() - began < 30, f"nobody but {other_than} is active as {part}"
            await asyncio.sleep(0.05)
        return found, time.monotonic() - began


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.crash)])
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite in every run, PostgreSQL as well in `make crash`."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def doubled(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Doubled, Client]]:
    url = None if database_url.startswith("sqlite") else database_url
    with Doubled(tmp_path, url) as installation:
        client = await installation.client()
        await command_until_answered(installation, client, "first", "unbounded-first", "north-court")
        for part in PARTS:
            await installation.until_active(part)
        yield installation, client
        await client.close()


def count(store: Store, query: sa.Select[Any]) -> int:
    with store.reading() as connection:
        return connection.execute(query).scalar() or 0


async def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, what
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def flow(doubled: Doubled, client: Client, accepted: set[str], ended: asyncio.Event, name: str) -> None:
    """Commands one after the other, each asked for again until it is answered."""
    number = 0
    while not ended.is_set():
        number += 1
        command_id, place = f"{name}-{number}", ("north-court", "south-court")[number % 2]
        await command_until_answered(doubled, client, command_id, f"unbounded-{number % 5}", place)
        accepted.add(command_id)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.crash)])
async def test_the_other_one_of_each_part_is_active_within_ten_seconds_and_nothing_is_lost_or_doubled(
    doubled: tuple[Doubled, Client], how: signal.Signals
) -> None:
    installation, client = doubled
    accepted, ended = {"first"}, asyncio.Event()
    flows = [asyncio.create_task(flow(installation, client, accepted, ended, f"c{n}")) for n in range(4)]
    took: dict[str, float] = {}
    frozen: list[str] = []
    for part in ("echo", "relay", "toy"):
        await asyncio.sleep(1)
        was, _ = await installation.until_active(part)
        if how == signal.SIGKILL:
            installation.processes[was].kill()
        else:
            installation.freeze(was)
        _, took[part] = await installation.until_active(part, other_than=was)
        if how == signal.SIGKILL:
            installation.processes[was].wait()
            installation.start(was)
        else:
            frozen.append(was)
    for was in frozen:
        installation.processes[was].send_signal(signal.SIGCONT)
    await asyncio.sleep(1)
    ended.set()
    await asyncio.gather(*flows)
    await drained(installation, client, accepted)
    assert len(accepted) > 20
    assert max(took.values()) < TAKEN_OVER_SECONDS, took


async def test_timers_fire_once_each_when_the_active_instance_is_killed_between_them(
    doubled: tuple[Doubled, Client],
) -> None:
    installation, client = doubled
    door, due_at = Door(installation.settings.doors_dir), datetime.now(UTC) + timedelta(seconds=4)
    for number in range(60):
        request = TakeToken(holder_id=f"unbounded-t{number}", back_at=due_at + timedelta(milliseconds=50 * number))
        body = door.sign(request, Actor(actor="boss"), "north-court")
        answer = None
        while answer is None or answer.outcome != "done":
            with contextlib.suppress(Exception):
                answer = await ask(client, body, TakeToken, "north-court", timeout=2)
    store = installation.store("toy")
    given = (
        sa.select(sa.func.count())
        .select_from(sa.table("facts", sa.column("type")))
        .where(sa.column("type") == "toy.token_given_back.v1")
    )
    was, _ = await installation.until_active("toy")
    await until(lambda: count(store, given) >= 5, 20, "no timer fired")
    installation.kill(was)
    took = await until(lambda: not count(store, sa.select(sa.func.count()).select_from(TIMERS)), 30, "timers are left")
    assert took < TAKEN_OVER_SECONDS + 3
    back = [read_event(fact.raw) for fact in store.after(0, 10_000) if "given_back" in fact.type]
    assert sorted(event.subject for event in back) == sorted(f"holder-unbounded-t{n}" for n in range(60))
    assert len({event.commandid for event in back}) == 60
    store.close()


async def test_what_an_instance_that_is_not_active_stored_is_taken_in_elsewhere_at_once(
    tmp_path: Path,
) -> None:
    """Half of the commands reach the instance whose relay rests; they are not left to its poll of half a second."""
    with Doubled(tmp_path, None, relay_apart=False) as installation:
        client = await installation.client()
        await command_until_answered(installation, client, "first", "unbounded-first", "north-court")
        await installation.until_active("toy")
        echo = installation.store("echo")
        facts = sa.select(sa.func.count()).select_from(sa.table("facts"))
        waits = []
        for number in range(30):
            before = count(echo, facts)
            await command_until_answered(installation, client, f"n{number}", "unbounded-n", "north-court")
            waits.append(await until(lambda: count(echo, facts) > before, 5, "not taken in"))  # noqa: B023
        echo.close()
        await client.close()
    slow = [seconds for seconds in waits if seconds > 0.3]
    assert len(slow) <= len(waits) // 4, waits
