"""Tickets as processes of its own: NATS, registry and tickets below one directory, with terms of seconds, to be killed at will."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bailiwick_contracts.deadline import DeadlinePolicy, EscalationStep, Terms
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.envelope import Actor, Answer, Event, read_event
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, SetReportingLine
from bailiwick_contracts.ticket import RegisterTicket
from nats.aio.client import Client

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.due import next_due
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.run.nats import free_port, nats_binary
from services.tickets.app import SERVICE
from tests.tickets.office import ANN, DIRECTOR, HOURS, MANAGER, NORTH, SETUP, hiring

RESPONSE, RESOLUTION, STEP = 2, 4, 1
"""Seconds: a response in 2, a resolution in 4, two steps up right then and a second later."""


def terms_of_seconds(response: int = RESPONSE, resolution: int = RESOLUTION) -> DeadlinePolicy:
    steps = (EscalationStep(after_seconds=0), EscalationStep(after_seconds=STEP))
    hurried = Terms(
        kind="repair", response_seconds=response, resolution_seconds=resolution, counts="elapsed", escalation=steps
    )
    return DeadlinePolicy(version="terms-hurried", hours=HOURS, terms=(hurried,))


@dataclass
class Running:
    """The processes, and a door to ask them through."""

    directory: Path
    policy: DeadlinePolicy = field(default_factory=terms_of_seconds)
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in ("nats", "registry", "tickets"):
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("tickets", "registry", "nats"):
            self.processes[name].kill()
            self.processes[name].wait()

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.directory, nats_url=f"nats://127.0.0.1:{self.port}")

    def start(self, name: str, crash_at: str = "") -> None:
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(self.directory),
            "BAILIWICK_NATS_URL": f"nats://127.0.0.1:{self.port}",
            "BAILIWICK_CRASH_AT": crash_at,
            "BAILIWICK_LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "services.cli.entry", "serve", name]
        if name == "nats":
            store = self.directory / "jetstream"
            command = [nats_binary(), "-js", "-sd", str(store), "-a", "127.0.0.1", "-p", str(self.port)]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def kill(self, name: str) -> None:
        """SIGKILL one part, by its own process id."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    async def client(self) -> Client:
        return await connect(self.settings.nats_url, "test")

    async def until_answered(
        self, client: Client, request: Request, by: str = ANN, at: str = NORTH, actor: Actor | None = None
    ) -> Answer:
        """Send one command again and again under its id until it is answered, as the house asks of every caller."""
        body = Door(self.settings.doors_dir).sign(request, actor or Actor(actor=by), at)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                answer = await ask(client, body, type(request), at, timeout=3)
            except Exception:  # noqa: BLE001 - whatever the outage looks like to the client, the id is sent again
                await asyncio.sleep(0.1)
                continue
            if answer.outcome == "done":
                return answer
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{type(request).wire()} was not answered within 90 s")

    async def set_up(self, client: Client) -> None:
        lines = (("property_assistant", "office_director"), ("office_director", "property_manager"))
        for request in (
            AddProperty(property_id=NORTH, name=NORTH),
            *(SetReportingLine(property_id=NORTH, position=position, reports_to=above) for position, above in lines),
            *hiring(ANN, "property_assistant"),
            *hiring(DIRECTOR, "office_director"),
            *hiring(MANAGER, "property_manager"),
            AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1),
        ):
            await self.until_answered(client, request, at=COMPANY, actor=SETUP)
        policy = AdoptDeadlinePolicy(policy=self.policy, lead_seconds=1)
        await self.until_answered(client, policy, at=COMPANY, actor=SETUP)
        assert await caught_up(client, "tickets", "registry")
        await asyncio.sleep(1.1)

    def store(self) -> Store:
        return Store(
            self.settings.store_url("tickets"), schema="tickets", views=[t for v in SERVICE.views for t in v.tables]
        )

    def facts(self) -> list[Event[Any]]:
        store = self.store()
        try:
            return [read_event(fact.raw, fact.type) for fact in store.chain(NORTH, 0, 1_000_000)]
        finally:
            store.close()

    async def nothing_due(self, seconds: float = 60) -> None:
        """Wait until no timer waits any more."""
        store = self.store()
        deadline = time.monotonic() + seconds
        try:
            while True:
                with store.reading() as connection:
                    if next_due(connection) is None:
                        return
                assert time.monotonic() < deadline, "timers wait still"
                await asyncio.sleep(0.1)
        finally:
            store.close()


def reported(number: int) -> RegisterTicket:
    """One of many: a leak in a flat."""
    return RegisterTicket(
        ticket_id=f"burst-{number}", kind="repair", resident_id=f"owner-{number % 50}", unit_id=f"A-{number}",
        topic="typhoon", description="Water through the window.",
    )  # fmt: skip
