"""How a running service is: what waits, since when, and what is wrong. Ready to take commands is apart from being healthy."""

import asyncio
import contextlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.subjects import events_of, stream_of
from eventsourcing.persistence import OperationalError
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from services.kernel.bus import drift
from services.kernel.dead_letter_requests import standing
from services.kernel.due import TIMERS, microseconds
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.lease import Lease
from services.kernel.liveness import Watch
from services.kernel.parked import PARKED
from services.kernel.relay import last_fact
from services.kernel.service import Service
from services.kernel.store import Store

LOG = structlog.get_logger()
OLD_SECONDS = 60.0
"""A fact that waits longer to be published or taken in is a problem."""
OVERDUE_SECONDS = 60.0


@dataclass(frozen=True)
class Lag:
    """What waits on one way, and how old the oldest of it is."""

    waiting: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class Health:
    """A service at one instant."""

    service: str
    ready: bool
    """It takes commands: started, connected, and its store answers."""
    connected: bool
    stored: int = 0
    published: int = 0
    unpublished: Lag = Lag()
    untaken: dict[str, Lag] = field(default_factory=dict)
    """By source: what lies in its stream and was not taken in."""
    dead_letters: int = 0
    """Facts and timers that were given up."""
    parked: int = 0
    """Facts that wait to be handled again, or behind one that does."""
    timers_overdue: int = 0
    gaps: int = 0
    """Holes in a source's chain that were found and read from its feed, since the start."""
    heals: int = 0
    """How often the stream was found behind what was published, since the start."""
    drift: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong, each with its remedy; none is healthy."""

    def document(self) -> dict[str, Any]:
        """As it is answered."""
        return {"healthy": not self.problems, **asdict(self)}


def not_started(service: str, failure: str | None) -> Health:
    """Of a service that does not run yet, or not again, with why it ended where it did."""
    said = f"it does not start, and is started again and again: {failure}" if failure else "it is still starting"
    return Health(service, ready=False, connected=False, problems=(said,))


class Writer(Protocol):
    """What is asked of the writer: why it could not store."""

    failed: str | None


class Checkup:
    """Looks at one service again and again. Drift that stays ends the process with code 72: a new one refuses to run on it."""

    def __init__(
        self,
        service: Service,
        store: Store,
        writer: Writer,
        client: Client,
        watch: Watch,
        lease: Lease,
        ready: asyncio.Event,
        replicas: int,
        seconds: float,
    ) -> None:
        """Look every `seconds`; `ready` is set once commands are taken."""
        self._service, self._store, self._writer = service, store, writer
        self._client, self._watch, self._lease = client, watch, lease
        self._replicas, self._seconds = replicas, seconds
        self.turns = 0
        self._looking = False
        self._ready = ready
        self.last = not_started(service.name, None)

    def waits(self) -> bool:
        """Between two looks it rests, for longer perhaps than anything may stand still."""
        return self._looking

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            go_on()
            self.turns += 1
            self._looking = True
            await self.look()
            self._looking = False
            await rest(self._seconds)

    async def look(self) -> Health:
        """Look once; what cannot be looked at is a problem too."""
        found: dict[str, Any] = {}
        problems: list[str] = []
        name, connected = self._service.name, self._client.is_connected
        try:
            found |= await asyncio.to_thread(self._stored)
            trouble = self._lease.trouble() or await asyncio.to_thread(self._unstored)
            store_answers = trouble is None
            if trouble is not None:
                problems.append(
                    f"the database cannot be written ({trouble}): see that its disk has room and nobody holds its lock"
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the store does not answer
            store_answers = False
            problems.append(f"the database does not answer ({type(error).__name__}): see that it runs and is reachable")
        if connected:
            try:
                found |= await self._streams(found.get("stored"))
            except Exception as error:  # noqa: BLE001 - a broker without quorum, a stream being made anew
                problems.append(
                    f"JetStream does not answer ({type(error).__name__}): see that it has a majority and room on its disk"
                )
        else:
            problems.append("NATS is away: commands are not received; it is reconnected to as soon as it answers")
        self._watch.bad(f"{name} drift", bool(found.get("drift")))
        problems += _judged(found)
        self.last = Health(
            name, ready=self._ready.is_set() and connected and store_answers, connected=connected,
            problems=tuple(problems), **found,
        )  # fmt: skip
        if problems:
            LOG.warning("health.problems", service=name, problems=problems)
        return self.last

    def _unstored(self) -> str | None:
        """Why the writer stored nothing when it last tried, where that holds still: on PostgreSQL the lease has no part in its lock."""
        if self._writer.failed is None:
            return None
        try:
            with self._store.transaction():
                self._writer.failed = None
        except OperationalError as error:
            return told(error)
        return None

    def _stored(self) -> dict[str, Any]:
        now = microseconds(datetime.now(UTC))
        late = now - int(OVERDUE_SECONDS * 1_000_000)
        with self._store.reading() as connection:
            overdue = sa.select(sa.func.count()).select_from(TIMERS).where(TIMERS.c.next_us < late)
            parked = sa.select(sa.func.count()).select_from(PARKED)
            return {
                "stored": self._store.max_notification_id() or 0,
                "timers_overdue": connection.execute(overdue).scalar() or 0,
                "parked": connection.execute(parked).scalar() or 0,
                "dead_letters": standing(connection),
            }

    async def _streams(self, stored: int | None) -> dict[str, Any]:
        """What the broker says, held against what is `stored`: none where the store does not answer."""
        js = self._client.jetstream(timeout=3)
        name = self._service.name
        state = (await js.stream_info(stream_of(name))).state
        published = stored or 0
        if state.messages:
            published = (await last_fact(js, stream_of(name), state)).position
        elif not state.last_seq:
            published = 0
        untaken = {}
        for source in self._service.consumes:
            info = await js.consumer_info(stream_of(source), name)
            waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
            oldest = 0.0
            if waiting and info.ack_floor is not None:
                oldest = await _age_from(js, source, info.ack_floor.stream_seq + 1)
            untaken[source] = Lag(waiting, oldest)
        differs = tuple(await drift(js, name, self._service.consumes, replicas=self._replicas))
        found: dict[str, Any] = {"published": published, "untaken": untaken, "drift": differs}
        if stored is None:
            return found
        if published > stored:
            # A fact may have been stored and published since the store was looked at: it is behind if it still is.
            stored = await asyncio.to_thread(self._store.max_notification_id) or 0
        age = await asyncio.to_thread(self._age_after, published) if published < stored else 0.0
        return found | {"stored": stored, "unpublished": Lag(max(0, stored - published), age)}

    def _age_after(self, position: int) -> float:
        facts = self._store.after(position, 1)
        return _seconds_since(read_event(facts[0].raw).recordedat) if facts else 0.0


async def _age_from(js: JetStreamContext, source: str, sequence: int) -> float:
    """How old the first message of a source's stream from a sequence on is: those before may have aged out. What is no fact has no age."""
    with contextlib.suppress(NotFoundError, ValueError):
        message = await js.get_msg(stream_of(source), sequence, subject=events_of(source), next=True)
        return _seconds_since(read_event(message.data or b"").recordedat)
    return 0.0


def _judged(found: dict[str, Any]) -> list[str]:
    problems = [
        f"{difference}: put the settings back; it restarts and refuses to run until then"
        for difference in found.get("drift", ())
    ]
    if "stored" in found and found.get("published", 0) > found["stored"]:
        problems.append("the database is older than what was published: restore a newer backup")
    unpublished = found.get("unpublished", Lag())
    if unpublished.oldest_seconds > OLD_SECONDS:
        problems.append(
            f"{unpublished.waiting} facts are not published, the oldest for {unpublished.oldest_seconds:.0f} s: see the relay's log"
        )
    for source, lag in found.get("untaken", {}).items():
        if lag.oldest_seconds > OLD_SECONDS:
            problems.append(
                f"{lag.waiting} facts of {source} are not taken in, the oldest for {lag.oldest_seconds:.0f} s: see the log"
            )
    if found.get("dead_letters"):
        problems.append(f"{found['dead_letters']} dead letters: bailiwick dead-letters list")
    if found.get("timers_overdue"):
        problems.append(f"{found['timers_overdue']} timers are overdue: see the log")
    return problems


def _seconds_since(instant: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - instant).total_seconds())


def encoded(health: Health) -> bytes:
    """As it travels."""
    return json.dumps(health.document()).encode()
