"""Servers and services as processes that can be killed at any moment, and what must hold afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, check_chain, read_event
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.relay import POSITION_HEADER
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.tables import FACTS
from services.run.nats import free_port, nats_binary
from tests.kernel.toy import NOTED, TOKENS, TakeToken

PROPERTIES = ("north-court", "south-court")


@dataclass
class Installation:
    """NATS, toy, its relay and echo below one directory, on one database."""

    directory: Path
    database_url: str | None
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    relay_apart: bool = True
    """Whether the relay is a process of its own, or runs in each of toy's."""

    def __enter__(self) -> Self:
        for name in ("nats", "toy", "relay", "echo"):
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("toy", "relay", "echo", "nats"):
            self.processes[name].kill()
            self.processes[name].wait()

    @property
    def settings(self) -> Settings:
        return Settings(
            data_dir=self.directory,
            nats_url=f"nats://127.0.0.1:{self.port}",
            database_url=self.database_url,
        )

    def start(self, name: str, crash_at: str = "") -> None:
        """Start a part, which may be told to kill itself at a named point."""
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(self.directory),
            "BAILIWICK_NATS_URL": f"nats://127.0.0.1:{self.port}",
            "BAILIWICK_CRASH_AT": crash_at,
            "BAILIWICK_RELAY": "false" if self.relay_apart and name.startswith("toy") else "true",
        }
        if self.database_url is not None:
            environment["BAILIWICK_DATABASE_URL"] = self.database_url
        command = [sys.executable, "-m", "tests.real.process", name]
        if name == "nats":
            store = self.directory / "jetstream"
            command = [nats_binary(), "-js", "-sd", str(store), "-a", "127.0.0.1", "-p", str(self.port)]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def kill(self, name: str) -> None:
        """SIGKILL one part, by its own process id."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def restart(self, name: str, crash_at: str = "") -> None:
        """Kill a part, if it still lives, and start it again."""
        self.kill(name)
        self.start(name, crash_at)

    def store(self, name: str) -> Store:
        """A service's store, to look into."""
        table = {"toy": TOKENS, "echo": NOTED}[name]
        return Store(self.settings.store_url(name), schema=name, views=[table])

    async def client(self) -> Client:
        """A client of the running server."""
        return await connect(self.settings.nats_url, "test")


async def command_until_answered(
    installation: Installation, client: Client, command_id: str, holder: str, property_id: str
) -> None:
    """Send one command again and again under its id until it is answered, as the house asks of every caller."""
    request = TakeToken(holder_id=holder)
    body = Door(installation.settings.doors_dir).sign(request, Actor(actor="boss"), property_id, command_id=command_id)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = await ask(client, body, TakeToken, property_id, timeout=2)
        except Exception:  # noqa: BLE001 - whatever the outage looks like to the client, the id is sent again
            await asyncio.sleep(0.1)
            continue
        if answer.outcome == "done":
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{command_id} was not answered within 60 s")


async def drained(installation: Installation, client: Client, accepted: set[str]) -> None:
    """Wait until everything accepted is published and taken in, then hold I1 to I3 of the fault matrix against it.

    I1 what was answered is stored, once; I2 the stream is the store: content, order, nothing twice; I3 the other service
    took in every fact once, in chain order.
    """
    toy, echo = installation.store("toy"), installation.store("echo")
    try:
        stored = toy.after(0, 1_000_000)
        await _until(
            lambda: _taken_in(echo) >= len(stored), 45, lambda: f"echo took in {_taken_in(echo)} of {len(stored)}"
        )
        stored = toy.after(0, 1_000_000)
        command_ids = [read_event(fact.raw, fact.type).commandid for fact in stored]
        assert len(command_ids) == len(set(command_ids)), "a command was stored twice"
        assert accepted <= set(command_ids), "an answered command is not stored"
        for property_id in PROPERTIES:
            list(check_chain(fact.raw for fact in toy.chain(property_id, 0, 1_000_000)))
            noted = [event.data.number for event in check_chain(f.raw for f in echo.chain(property_id, 0, 1_000_000))]
            assert noted == list(range(1, len(noted) + 1)), "echo took a fact in twice or out of order"
        await _until_published(client, stored[-1].position)
        published = await _published(client)
        assert [raw for _, raw in published] == [fact.raw for fact in stored], "the stream is not the store"
        assert [position for position, _ in published] == [fact.position for fact in stored]
    finally:
        toy.close()
        echo.close()


def _taken_in(echo: Store) -> int:
    with echo.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(FACTS)).scalar() or 0


async def _until(condition: Callable[[], object], seconds: float, why: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.05)


async def _until_published(client: Client, position: int) -> None:
    js = client.jetstream(timeout=5)
    for _ in range(200):
        state = (await js.stream_info(stream_of("toy"))).state
        if state.messages:
            last = await js.get_msg(stream_of("toy"), state.last_seq)
            if int((last.headers or {})[POSITION_HEADER]) >= position:
                return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"position {position} was not published")


async def _published(client: Client) -> list[tuple[int, bytes]]:
    js = client.jetstream(timeout=5)
    state = (await js.stream_info(stream_of("toy"))).state
    subscription = await js.subscribe("bailiwick.*.toy.event.>", ordered_consumer=True)
    found = []
    for _ in range(state.messages):
        message = await subscription.next_msg(timeout=5)
        found.append((int((message.headers or {})[POSITION_HEADER]), message.data))
    await subscription.unsubscribe()
    return found
