"""One simulated history: the real writer, relay and reactor on a fake broker, a store that fails, and a clock that jumps.

Everything follows from the seed. Parts crash at any await; commits come to nothing, or happen and are reported as failed.
"""

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, Answer, Command, read_command
from bailiwick_contracts.subjects import feed_of, stream_of
from eventsourcing.persistence import OperationalError

from services.kernel.app import Runtime
from services.kernel.bus import provision
from services.kernel.doors import Door
from services.kernel.reactor import Reactor
from services.kernel.relay import POSITION_HEADER, Relay
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests.crash.invariants import (
    Evidence,
    Published,
    i1_what_was_answered_is_stored_once,
    i2_the_stream_is_the_store,
    i3_each_fact_is_taken_in_once_and_in_order,
    i4_what_is_replayed_is_what_is_shown,
    i5_nobody_has_more_than_the_rule_allows,
    i6_nobody_decides_on_their_own_request,
    i7_every_chain_verifies_to_its_head,
    i11_no_property_sees_another,
)
from tests.kernel.toy import ECHO, NOTED, TOKENS, TOY, TakeToken
from tests.sim.broker import FakeClient, FakeServer, Weather
from tests.sim.loop import SimLoop

PROPERTIES = ("north-court", "south-court")
COMMANDS = 8
DRAIN_SECONDS = 900
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SIMULATED = (
    i1_what_was_answered_is_stored_once,
    i2_the_stream_is_the_store,
    i3_each_fact_is_taken_in_once_and_in_order,
    i4_what_is_replayed_is_what_is_shown,
    i5_nobody_has_more_than_the_rule_allows,
    i6_nobody_decides_on_their_own_request,
    i7_every_chain_verifies_to_its_head,
    i11_no_property_sees_another,
)


class FailingStore(Store):
    """A store whose commits come to nothing, or happen and are reported as failed, as the dice say."""

    chance: random.Random | None = None
    fails = 0.0

    @contextlib.contextmanager
    def transaction(self, *, locked: bool = True) -> Iterator[Any]:
        """As the store's, with the faults of a connection around the commit."""
        dice = self.chance.random() if self.chance is not None else 1.0
        with super().transaction(locked=locked) as connection:
            yield connection
            if dice < self.fails / 2:
                raise OperationalError("the connection broke before the commit")
        if dice < self.fails:
            raise OperationalError("the connection broke after the commit")


@dataclass
class Plan:
    """What happens in a history."""

    seed: int
    drop: float = 0.02
    duplicate: float = 0.02
    reorder: float = 0.02
    commits_fail: float = 0.1
    crashes: int = 2
    tail_losses: int = 1
    wipes: int = 0
    cuts: int = 1
    two_relays: bool = False
    two_writers: bool = False


@dataclass
class World:
    """Servers, stores and parts of one history."""

    plan: Plan
    directory: Path
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)
        random.seed(self.plan.seed)
        self.weather = Weather(self.chance, self.plan.drop, self.plan.duplicate, self.plan.reorder)
        self.server = FakeServer(self.weather)
        self.keys = KeyStore(self.directory / "keys")
        self.door = Door(self.directory / "doors")
        self.stores = {
            "toy": FailingStore(f"sqlite:///{self.directory / 'toy.sqlite'}", views=[TOKENS]),
            "echo": FailingStore(f"sqlite:///{self.directory / 'echo.sqlite'}", views=[NOTED]),
        }
        for store in self.stores.values():
            _without_disk(store)
        self.running: dict[str, tuple[list[asyncio.Task[None]], list[FakeClient], Writer | None]] = {}
        self.accepted: set[str] = set()
        self.answers: list[Answer] = []

    def _clock(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())

    def start(self, part: str) -> None:
        """Start a part anew, as a process would: nothing of what it remembered is left."""
        client = self.server.client()
        poke = asyncio.Event()
        if part.startswith("toy"):
            writer = self._writer(TOY)
            self.running[part] = ([asyncio.ensure_future(writer.run())], [client], writer)
            self.server.responders[feed_of("toy")] = self._feed("toy")
        elif part.startswith("relay"):
            relay = Relay(client, "toy", self.stores["toy"], poke, self._heal(client, "toy", ()))  # type: ignore[arg-type]
            self.running[part] = ([asyncio.ensure_future(relay.run())], [client], None)
        else:
            writer = self._writer(ECHO)
            reactor = Reactor(client, "echo", "toy", writer, self._heal(client, "echo", ("toy",)))  # type: ignore[arg-type]
            tasks = [asyncio.ensure_future(writer.run()), asyncio.ensure_future(reactor.run())]
            self.running[part] = (tasks, [client], writer)
            self.server.responders[feed_of("echo")] = self._feed("echo")

    def _writer(self, service: Service) -> Writer:
        """Whose start fails because the database does is started again, as a supervisor would."""
        while True:
            with contextlib.suppress(OperationalError):
                return Writer(service, self.stores[service.name], self.keys, clock=self._clock)

    def _feed(self, service: str) -> Callable[[bytes], bytes]:
        runtime: Any = SimpleNamespace(store=self.stores[service])
        return lambda body: Runtime._feed(runtime, body)

    def _heal(self, client: FakeClient, service: str, consumes: tuple[str, ...]) -> Any:
        return lambda: provision(client.jetstream(timeout=5), service, consumes)

    async def crash(self, part: str) -> None:
        """End a part wherever it stands, and start it again."""
        tasks, clients, writer = self.running.pop(part)
        for client in clients:
            client.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if writer is not None:
            writer.close()
        self.start(part)

    def command(self, number: int) -> Command[Any]:
        """One command; a few holders, so that they meet."""
        limited = self.chance.random() < 0.3
        holder = f"holder-{self.chance.randrange(2)}" if limited else f"unbounded-{self.chance.randrange(3)}"
        signed = self.door.sign(
            TakeToken(holder_id=holder), Actor(actor="boss"), self.chance.choice(PROPERTIES), command_id=f"c{number}"
        )
        return read_command(signed, TakeToken)

    async def caller(self, number: int) -> None:
        """Send a command again and again under its id until it is answered."""
        command = self.command(number)
        await asyncio.sleep(self.chance.uniform(0, 3))
        while True:
            names = [name for name in self.running if name.startswith("toy")]
            writer = self.running[self.chance.choice(names)][2] if names else None
            if writer is not None:
                with contextlib.suppress(Exception):
                    answer = await asyncio.wait_for(writer.submit(command), 2)
                    if answer.outcome != "rejected":
                        self.accepted.add(command.commandid)
                        self.answers.append(answer)
                        return
            await asyncio.sleep(0.2)

    async def disaster(self) -> None:
        """Everything of the plan that happens at an instant."""
        plan = self.plan
        what: list[str] = (
            ["crash"] * plan.crashes + ["tail"] * plan.tail_losses + ["wipe"] * plan.wipes + ["cut"] * plan.cuts
        )
        self.chance.shuffle(what)
        for one in what:
            await asyncio.sleep(self.chance.uniform(0, 2))
            for _ in range(self.chance.randrange(40)):
                await asyncio.sleep(0)
            if one == "crash":
                await self.crash(self.chance.choice(sorted(self.running)))
            elif one == "tail":
                self.server.lose_tail(stream_of("toy"), self.chance.randint(1, 6))
            elif one == "wipe":
                self.server.wipe()
            else:
                _, clients, _ = self.running[self.chance.choice([n for n in sorted(self.running) if n != "toy"])]
                clients[0].cut_off = True
                asyncio.get_running_loop().call_later(
                    self.chance.uniform(0.5, 8), setattr, clients[0], "cut_off", False
                )

    async def live(self) -> None:
        """The whole history: parts, callers and disasters; then calm, and everything drains."""
        client = self.server.client()
        self.weather.drop, drop = 0.0, self.weather.drop
        await provision(client.jetstream(timeout=5), "toy", ())
        await provision(client.jetstream(timeout=5), "echo", ("toy",))
        for part in ("toy", "relay", "echo", *(["relay2"] * self.plan.two_relays), *(["toy2"] * self.plan.two_writers)):
            self.start(part)
        self.weather.drop = drop
        for store in self.stores.values():
            store.chance, store.fails = self.chance, self.plan.commits_fail
        callers = asyncio.gather(*(self.caller(number) for number in range(COMMANDS)))
        await self.disaster()
        await asyncio.sleep(self.chance.uniform(0, 5))
        self.weather.calm()
        for store in self.stores.values():
            store.fails = 0.0
        await asyncio.wait_for(callers, DRAIN_SECONDS)
        await self._drained()

    async def _drained(self) -> None:
        for _ in range(DRAIN_SECONDS * 2):
            toy, echo = self.stores["toy"], self.stores["echo"]
            heads = {p: head.number for p, head in toy.heads().items()}
            with echo.reading() as connection:
                taken = {s.partition(":")[2]: n for s, (n, _) in echo.tracked(connection).items()}
            stream = self.server.streams.get(stream_of("toy"))
            last = stream.messages[-1] if stream is not None and stream.messages else None
            published = int(last.headers[POSITION_HEADER]) if last is not None else 0
            if taken == heads and published == (toy.max_notification_id() or 0):
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"I8: not drained after {DRAIN_SECONDS} simulated seconds")

    def evidence(self) -> Evidence:
        """What the history left."""
        toy, echo = self.stores["toy"], self.stores["echo"]
        with toy.reading() as connection:
            tokens = [dict(row._mapping) for row in connection.execute(sa.select(TOKENS))]
        with echo.reading() as connection:
            noted = [dict(row._mapping) for row in connection.execute(sa.select(NOTED))]
        stream = self.server.streams.get(stream_of("toy"))
        published = [
            Published(m.subject, m.headers, m.data, int(m.headers[POSITION_HEADER]))
            for m in (stream.messages if stream is not None else ())
        ]
        return Evidence(
            accepted=self.accepted, toy=toy.after(0, 100_000), echo=echo.after(0, 100_000),
            heads={"toy": toy.heads(), "echo": echo.heads()}, published=published, tokens=tokens, noted=noted,
        )  # fmt: skip

    async def end(self) -> None:
        """Stop every part."""
        for tasks, clients, writer in self.running.values():
            for client in clients:
                client.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if writer is not None:
                writer.close()
        for store in self.stores.values():
            store.close()


def _without_disk(store: Store) -> None:
    """Nothing is synced: a simulation crashes parts, never the machine."""
    for engine in (store._writing, store._reading):
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        engine.dispose()


def simulate(plan: Plan) -> Evidence:
    """Live through a plan and hold the invariants. Raises AssertionError with the plan."""
    loop = SimLoop()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as directory:
        world: World | None = None
        try:
            world = World(plan, Path(directory))
            loop.run_until_complete(world.live())
            seen = world.evidence()
            for invariant in SIMULATED:
                invariant(seen)
        except BaseException as error:
            error.add_note(f"{plan}")
            raise
        else:
            return seen
        finally:
            if world is not None:
                loop.run_until_complete(world.end())
            loop.close()
