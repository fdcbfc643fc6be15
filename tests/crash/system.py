"""The system under faults, with its callers: commands flow while something happens, everything drains, and all is looked at."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.subjects import events_of, stream_of
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.kernel.doors import Door, ask
from services.kernel.due import TIMERS
from services.kernel.parked import PARKED
from services.kernel.relay import POSITION_HEADER
from services.kernel.store import StoredFact
from tests.crash.invariants import Evidence, Published, hold
from tests.crash.parts import Parts
from tests.kernel.toy import NOTED, TOKENS, TakeToken
from tests.real.harness import PROPERTIES
from tests.servers import PostgresServer, forget_broken_lines

CALLERS = 6
ANSWER_SECONDS = 240
"""The longest outage of a row is 130 seconds."""
DRAIN_SECONDS = 60.0


_PARKED = sa.select(sa.func.count()).select_from(PARKED)
_TIMERS = sa.select(sa.func.count()).select_from(TIMERS)


@contextlib.asynccontextmanager
async def supervising(parts: Parts) -> AsyncIterator[None]:
    """What ends is started again for as long as the context is open."""

    async def watch() -> None:
        while True:
            parts.supervise()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


class System(Parts):
    """One installation over many rounds."""

    def __init__(self, directory: Path, database_url: str | None, postgres: PostgresServer | None = None) -> None:
        super().__init__(directory, database_url, postgres)
        self.accepted: set[str] = set()
        self.secrets: list[str] = []
        self.aged_out = False
        """Whether the stream was emptied by age once."""
        self.flows = 0
        self.timed_holders: set[str] = set()
        """Each took one token with a timer to give it back."""
        self.parked: set[str] = set()
        """Holders whose tokens a handler failed on for a while, so that they were taken in later than others."""
        self.worn = False
        """Whether it holds so much that the next round had better begin with another one."""
        self.drain_seconds = DRAIN_SECONDS

    async def begin(self, chance: random.Random) -> None:
        """Once, before the first fault: everything is there and goes on."""
        if not self.flows:
            await self.flow(chance, CALLERS)
            await self.check()

    async def flow(self, chance: random.Random, count: int, fault: Any = None) -> None:
        """Callers send `count` commands, each again until it is answered, while `fault` happens and parts are supervised."""
        self.flows += 1
        client = await self.client()
        ids = [f"f{self.flows}-{n}" for n in range(count)]
        secret = f"secret-{self.flows}-{chance.randrange(10**9)}"
        self.secrets.append(secret)
        try:
            async with supervising(self):
                callers = (self._caller(client, chance, ids[start::CALLERS], secret) for start in range(CALLERS))
                await asyncio.gather(*callers, *([] if fault is None else [fault]))
        finally:
            await client.close()
        self.accepted |= set(ids)

    async def _caller(self, client: Client, chance: random.Random, ids: Sequence[str], secret: str) -> None:
        for command_id in ids:
            if chance.random() < 0.1:
                await self.timed(client, chance, 2)
            limited = chance.random() < 0.2
            holder = f"holder-{chance.randrange(20)}" if limited else f"unbounded-{chance.randrange(5)}"
            request = TakeToken(holder_id=holder, note=secret if chance.random() < 0.3 else None)
            by = holder if chance.random() < 0.15 else "boss"
            await self.until_answered(client, request, command_id, chance.choice(PROPERTIES), by=by)

    async def timed(self, client: Client, chance: random.Random, within: float, beside: float = 0) -> None:
        """Take a token that is due back within some seconds, by a clock that is so many seconds beside the right one."""
        holder = f"timed-{chance.randrange(10**12)}"
        back_at = datetime.now(UTC) + timedelta(seconds=beside + chance.uniform(0, within))
        request = TakeToken(holder_id=holder, back_at=back_at)
        await self.until_answered(client, request, f"take-{holder}", chance.choice(PROPERTIES))
        self.accepted.add(f"take-{holder}")
        self.timed_holders.add(holder)

    async def until_answered(
        self, client: Client, request: TakeToken, command_id: str, property_id: str, each: float = 1.5, by: str = "boss"
    ) -> None:
        """Send one command under its id until it is answered, as the house asks of every caller."""
        body = Door(self.settings.doors_dir).sign(request, Actor(actor=by), property_id, command_id=command_id)
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask(client, body, TakeToken, property_id, timeout=each)
            except Exception:  # noqa: BLE001 - whatever the outage looks like to the client, the id is sent again
                await asyncio.sleep(0.1)
                continue
            if answer.outcome in ("done", "refused"):
                return
            assert answer.error is not None
            assert answer.error["code"] in ("busy", "unknown"), answer.error
            await asyncio.sleep(0.1)
        raise TimeoutError(f"I8: {command_id} was not answered within {ANSWER_SECONDS} s")

    async def check(self) -> Evidence:
        """Drain, gather the evidence, and hold every invariant against it."""
        begun, limit_seconds = time.monotonic(), self.drain_seconds
        self.drain_seconds = DRAIN_SECONDS
        client = await self.client()
        try:
            async with supervising(self):
                await self._drained(client, begun + limit_seconds)
                seen = await self._evidence(client, time.monotonic() - begun, limit_seconds)
        finally:
            await client.close()
            forget_broken_lines()
        hold(seen)
        return seen

    async def _drained(self, client: Client, deadline: float) -> None:
        js = client.jetstream(timeout=5)
        toy, echo = self.store("toy"), self.store("echo")
        said = "nothing was looked at"
        try:
            while time.monotonic() < deadline:
                try:
                    with toy.reading() as connection:
                        # Before the facts are counted: a timer that fires in between is stored, and waits no more.
                        waiting = connection.execute(_TIMERS).scalar_one()
                    stored = await asyncio.to_thread(toy.max_notification_id) or 0
                    heads = {p: head.number for p, head in toy.heads().items()}
                    with echo.reading() as connection:
                        taken = {s.partition(":")[2]: n for s, (n, _) in echo.tracked(connection).items()}
                        waiting += connection.execute(_PARKED).scalar_one()
                    state = (await js.stream_info(stream_of("toy"))).state
                    last = await js.get_msg(stream_of("toy"), state.last_seq) if state.messages else None
                    published = int((last.headers or {})[POSITION_HEADER]) if last is not None else 0
                    if self.aged_out and not state.messages and state.last_seq:
                        published = stored
                except Exception as error:  # noqa: BLE001 - the broker or the database is still coming back
                    said = f"{type(error).__name__}: {error}"
                else:
                    if published == stored and taken == heads and not waiting:
                        return
                    said = f"stored {stored}, published {published}, heads {heads}, taken in {taken}, waiting {waiting}"
                await asyncio.sleep(0.1)
        finally:
            toy.close()
            echo.close()
        raise AssertionError(f"I8: not drained: {said}")

    async def _evidence(self, client: Client, seconds: float, limit: float) -> Evidence:
        toy, echo = self.store("toy"), self.store("echo")
        try:
            with toy.reading() as connection:
                tokens = [dict(row._mapping) for row in connection.execute(sa.select(TOKENS))]
            with echo.reading() as connection:
                noted = [dict(row._mapping) for row in connection.execute(sa.select(NOTED))]
            facts: list[list[StoredFact]] = [toy.after(0, 10_000_000), echo.after(0, 10_000_000)]
            heads = {"toy": toy.heads(), "echo": echo.heads()}
        finally:
            toy.close()
            echo.close()
        logs = {path.name: path.read_text(errors="replace") for path in self.directory.glob("*.log")}
        return Evidence(
            accepted=self.accepted, toy=facts[0], echo=facts[1], heads=heads, published=await published_of(client, "toy"),
            tokens=tokens, noted=noted, seconds_to_drain=seconds, drain_limit_seconds=limit, ends=self.ends,
            growth=self.growth(), logs=logs, secrets=self.secrets, aged_out=self.aged_out, timed=self.timed_holders,
            parked=self.parked,
        )  # fmt: skip


async def published_of(client: Client, service: str) -> list[Published]:
    """Every message of a service's stream; read from its beginning again where a server that just came back is silent."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        try:
            return await _published_of(client, service)
        except NatsError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


async def _published_of(client: Client, service: str) -> list[Published]:
    js = client.jetstream(timeout=5)
    state = (await js.stream_info(stream_of(service))).state
    found: list[Published] = []
    if not state.messages:
        return found
    subscription = await js.subscribe(events_of(service), ordered_consumer=True)
    for _ in range(state.messages):
        message = await subscription.next_msg(timeout=5)
        headers = message.headers or {}
        found.append(Published(message.subject, headers, message.data, int(headers[POSITION_HEADER])))
    await subscription.unsubscribe()
    return found
