"""The relay: publishes the stored log in order. The stream's last message is the cursor, and its sequence is the fence."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from bailiwick_contracts.envelope import CONTENT_TYPE
from bailiwick_contracts.subjects import stream_of, subject_of
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import StreamState
from nats.js.errors import NotFoundError
from pydantic_core import from_json

from services.kernel import tracing
from services.kernel.crash import crash_point
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.store import Store, StoredFact

LOG = structlog.get_logger()
WINDOW = 500
POSITION_HEADER = "Bailiwick-Position"
ACK_SECONDS = 5.0
POLL_SECONDS = 0.5


class RestoredStoreError(Exception):
    """The stream ends with what the store does not have there: an older backup, or another installation. Nothing is published."""


class FencedError(Exception):
    """A publish was refused: another relay published meanwhile, the stream was rolled back, or it has no room. Its words may be logged."""


class Relay:
    """Publishes one service's log. Two relays may run: the expected sequence lets only one of them get through."""

    def __init__(
        self,
        client: Client,
        service: str,
        store: Store,
        poke: asyncio.Event,
        heal: Callable[[], Awaitable[object]],
        window: int = WINDOW,
    ) -> None:
        """`poke` is set by the writer after a commit; `heal` makes the stream where it is missing.

        `window` is how many facts are on the way before an answer is awaited.
        """
        self._window = window
        self._client, self._service, self._store, self._poke, self._heal = client, service, store, poke, heal
        self._stream = stream_of(service)
        self.published = 0
        """The position of the last fact known to be in the stream."""
        self.heals = 0
        self.turns = 0
        """Grows while the relay makes progress, or tries to."""

    def waits(self) -> bool:
        """While the broker is there it looks again and again, so it has to move."""
        return self._client.is_connected

    async def run(self) -> None:
        """Publish until cancelled. Raises RestoredStoreError, which only a person can resolve."""
        while True:
            go_on()
            self.turns += 1
            try:
                await self._follow()
            except (FencedError, TimeoutError, NotFoundError, ConnectionError, OSError) as error:
                said = str(error) if isinstance(error, FencedError) else told(error)
                LOG.warning("relay.again", service=self._service, error=said)
                await rest(random.uniform(0.1, 1.0))  # noqa: S311 - jitter between relays
                if isinstance(error, NotFoundError):
                    await self._make_stream()
            except RestoredStoreError:
                raise
            except Exception as error:  # noqa: BLE001 - the client and the database raise kinds of their own; all are retried
                LOG.warning("relay.again", service=self._service, error=told(error))
                await rest(random.uniform(0.5, 2.0))  # noqa: S311

    async def _make_stream(self) -> None:
        """A stream that is gone is made anew and refilled from the store."""
        try:
            await self._heal()
        except Exception as error:  # noqa: BLE001 - tried again as long as the stream is missing
            LOG.warning("relay.heal_failed", service=self._service, error=told(error))

    async def check(self) -> tuple[int, int]:
        """Position and sequence of the stream's last message.

        Raises:
            RestoredStoreError: the store has another fact there, or none.
        """
        tail, sequence = await self._tail()
        said = await asyncio.to_thread(stranger, self._store, self._stream, tail)
        if said is not None:
            raise RestoredStoreError(said)
        return tail.position, sequence

    async def _follow(self) -> None:
        position, sequence = await self.check()
        if position < self.published:
            self.heals += 1
            LOG.error("relay.heals", service=self._service, stream_at=position, was_at=self.published)
        self.published = position
        acks = Acks(self._client)
        await acks.open()
        try:
            await self._publish_all(acks, position, sequence)
        finally:
            await acks.close()

    async def _publish_all(self, acks: "Acks", position: int, sequence: int) -> None:
        following: asyncio.Task[list[StoredFact]] | None = None
        while True:
            go_on()
            self.turns += 1
            self._poke.clear()
            facts = await (following or self._read(position))
            following = None
            if facts:
                position = facts[-1].position
                spans = tracing.published((fact.raw, fact.type) for fact in facts)
                await self._publish(acks, facts, sequence)
                if len(facts) == self._window:
                    following = asyncio.create_task(self._read(position))
                await acks.expect(sequence, len(facts), self._stream)
                for span in spans:
                    span.end()
                sequence += len(facts)
                self.published = position
                continue
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._poke.wait()
            except TimeoutError:
                if (await self._state()).last_seq != sequence:
                    raise FencedError(f"{self._stream} moved without this relay") from None

    async def _state(self) -> StreamState:
        return (await self._client.jetstream(timeout=ACK_SECONDS).stream_info(self._stream)).state

    async def _tail(self) -> tuple["Tail", int]:
        state = await self._state()
        if state.messages == 0 and state.last_seq > 0:
            # Emptied, not wiped: every fact was published once. Who still misses one reads the feed.
            LOG.error("relay.stream_emptied", service=self._service, last_seq=state.last_seq)
            last = await asyncio.to_thread(self._store.max_notification_id)
            return Tail(last or 0), state.last_seq
        if state.messages == 0:
            return Tail(), 0
        tail = await last_fact(self._client.jetstream(timeout=ACK_SECONDS), self._stream, state)
        if tail.foreign:
            LOG.error("relay.foreign_messages", service=self._service, count=tail.foreign, last_seq=state.last_seq)
        return tail, state.last_seq

    async def _read(self, position: int) -> list[StoredFact]:
        return await asyncio.to_thread(self._store.after, position, self._window)

    async def _publish(self, acks: "Acks", facts: list[StoredFact], sequence: int) -> None:
        crash_point("before-publish")
        replies = acks.begin()
        for index, fact in enumerate(facts):
            await self._client.publish(
                subject_of(fact.type, fact.property or "", "event"),
                fact.raw,
                reply=f"{replies}{index}",
                headers={
                    "content-type": CONTENT_TYPE,
                    "Nats-Msg-Id": _id_of(fact.raw),
                    "Nats-Expected-Last-Sequence": str(sequence + index),
                    POSITION_HEADER: str(fact.position),
                },
            )
        crash_point("after-publish")


class Acks:
    """Where JetStream's answers to the facts of one window arrive; an answer to an earlier window is nobody's."""

    def __init__(self, client: Client) -> None:
        """Answers come over `client`; nothing is subscribed before `open`."""
        self._client, self._inbox = client, client.new_inbox()
        self._window = 0
        self._arrived: dict[int, bytes] = {}
        self._some = asyncio.Event()
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Listen, for as many windows as there will be."""
        self._subscription = await self._client.subscribe(f"{self._inbox}.*.*", cb=self._on_ack)

    async def close(self) -> None:
        """Listen no more."""
        if self._subscription is not None and self._client.is_connected:
            await self._subscription.unsubscribe()

    def begin(self) -> str:
        """Begin a window; the fact of index n is to be answered at what this answers, followed by n."""
        self._window += 1
        self._arrived = {}
        return f"{self._inbox}.{self._window}."

    async def _on_ack(self, message: Msg) -> None:
        window, _, index = message.subject[len(self._inbox) + 1 :].partition(".")
        if int(window) == self._window:
            self._arrived[int(index)] = message.data
            self._some.set()

    async def expect(self, sequence: int, count: int, stream: str) -> None:
        """Wait for the window's answers and check that it stands in the stream right after `sequence`.

        Raises:
            FencedError: it does not.
            TimeoutError: not every fact was answered in time.
        """
        async with asyncio.timeout(ACK_SECONDS):
            while len(self._arrived) < count:
                go_on()
                self._some.clear()
                await self._some.wait()
        for index in range(count):
            ack = from_json(self._arrived[index])
            if "error" in ack or ack.get("duplicate") or ack["seq"] != sequence + index + 1:
                raise FencedError(f"{stream} at {sequence + index}: {ack}")


class Tail(NamedTuple):
    """Where a stream ends."""

    position: int = 0
    """Of the last fact in it, 0 for none."""
    raw: bytes | None = None
    """That fact, where it lies there."""
    foreign: int = 0
    """How many messages behind it are no fact of ours."""


async def last_fact(js: JetStreamContext, stream: str, state: StreamState) -> Tail:
    """The last fact in a stream that holds messages.

    Where nobody has to say who he is, anybody can publish on our subjects, and a stream that denies deletion keeps it.
    """
    foreign = 0
    for sequence in range(state.last_seq, state.first_seq - 1, -1):
        try:
            message = await js.get_msg(stream, sequence)
        except NotFoundError:
            if sequence == state.last_seq:
                raise
            continue
        # What is not ASCII in a header comes as an object of the library's, and no position has more digits than these.
        position = str((message.headers or {}).get(POSITION_HEADER, ""))
        if position.isdecimal() and len(position) < 20:
            return Tail(int(position), message.data or b"", foreign)
        foreign += 1
    return Tail(foreign=foreign)


def stranger(store: Store, stream: str, tail: Tail) -> str | None:
    """Why what a stream ends with is not what the store has at that position, and what to do; None where it is."""
    if tail.raw is None or [tail.raw] == [
        f.raw for f in store.after(tail.position - 1, 1) if f.position == tail.position
    ]:
        return None
    with store.reading() as connection:
        ours = store.setting(connection, "log")
    theirs = _log_of(tail.raw)
    if theirs not in (None, ours):
        return (
            f"{stream} holds facts of the log {theirs}, this database has the log {ours}: another installation publishes to "
            "this NATS server, or the database was made anew. Give each installation a NATS server of its own, or restore the backup"
        )
    return (
        f"{stream} holds position {tail.position}, the store ends at {store.max_notification_id() or 0}: the database is older "
        "than what was published. Restore a newer backup; publishing now would give one position to two facts"
    )


def _log_of(raw: bytes) -> str | None:
    try:
        log = from_json(raw).get("log")
    except (ValueError, AttributeError):
        return None
    return log if isinstance(log, str) else None


def _id_of(raw: bytes) -> str:
    start = raw.index(b'"id":"') + 6
    return raw[start : start + 36].decode()
