"""The end of every service's log, followed live: what NATS announces, checked for holes, and read from the feed where one is."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from heapq import merge
from typing import Any

import structlog
from bailiwick_contracts.asyncapi import choices
from bailiwick_contracts.subjects import parse
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic_core import from_json

from services.gateway.cursor import Cursor, read, written
from services.gateway.problem import ProblemError
from services.kernel.feed import read_log
from services.kernel.going import go_on
from services.kernel.relay import POSITION_HEADER

LOG = structlog.get_logger()
KEPT = 10_000
"""Announcements that a slow listener may lag behind before it reads from the feed again."""
LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
"""After so long without anything wanted a listener hears that the line stands, whatever others are told meanwhile."""
EVERY_EVENT = "bailiwick.*.*.event.>"


@dataclass(frozen=True)
class Announced:
    """One stored fact with what decides who is told of it, and the cursor after it."""

    service: str
    log: str
    position: int
    raw: bytes
    id: str
    type: str
    property_id: str
    stream: str
    recorded_at: str
    cursor: str = ""

    @classmethod
    def of(cls, service: str, log: str, position: int, raw: bytes, cursor: str = "") -> "Announced":
        """Read what is needed from the stored bytes."""
        document: dict[str, Any] = from_json(raw)
        owner = document["source"].split("/")[2]
        return cls(service, log, position, raw, document["id"], document["type"], owner, document["subject"],
                   document["recordedat"], cursor)  # fmt: skip

    def frame(self, cursor: str) -> bytes:
        """The event as server-sent events have it."""
        return f"id: {cursor}\nevent: {self.type}\ndata: ".encode() + self.raw + b"\n\n"


@dataclass(frozen=True)
class Wanted:
    """Which events: types (`*`, `attendance.*`, or one), and properties (None: every one)."""

    types: tuple[str, ...] = ("*",)
    properties: frozenset[str] | None = None

    def fits(self, event: Announced) -> bool:
        """Whether it is one of them."""
        if self.properties is not None and event.property_id not in self.properties:
            return False
        return any(one in ("*", event.type, f"{event.service}.*") for one in self.types)


def chosen(types: Iterable[str]) -> tuple[str, ...]:
    """Types that events are chosen by. Raises ProblemError for one that no event has: nothing would ever come of it."""
    found = tuple(types)
    unknown = [one for one in found if one not in choices()]
    if unknown:
        near = get_close_matches(unknown[0], choices(), 1)
        rule = "`*`, `service.*`, or a wire name of the catalogue"
        hint = f"meant {near[0]}?" if near else "see /docs/events"
        problems = [{"field": "type", "value": unknown[0][:80], "rule": rule}]
        raise ProblemError("invalid", f"type: {unknown[0][:80]!r} is no event; {hint}", problems=problems, remedy=hint)
    return found


@dataclass(frozen=True)
class Batch:
    """Events that follow one another, and how server-sent events have them: made once for everybody who listens."""

    events: tuple[Announced, ...] = ()
    told: Callable[[str], str] = str
    """How a cursor is told to those who listen."""

    @cached_property
    def frames(self) -> bytes:
        """The events as server-sent events have them; a line that says nothing where there are none."""
        return b"".join(event.frame(self.told(event.cursor)) for event in self.events) or b":\n\n"


class Tail:
    """What every listener and every webhook reads from: the logs' ends in memory, everything before from the feed."""

    def __init__(self, client: Client, services: Iterable[str], hidden: Callable[[str], str] = str) -> None:
        """Follow these services' logs. `hidden`: a cursor as it is told to those who see some properties alone."""
        self._client, self._hidden = client, hidden
        self.services = tuple(services)
        self.heads: dict[str, tuple[str, int]] = {}
        self.announced: deque[Announced] = deque(maxlen=KEPT)
        self.count = 0
        """How many were announced in all; the last is `announced[-1]`."""
        self._shared: dict[tuple[int, Wanted], Batch] = {}
        self._changed: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()
        self._incoming: asyncio.Queue[tuple[str, int, bytes]] = asyncio.Queue()

    async def run(self) -> None:
        """Follow until cancelled."""

        async def on_event(message: Msg) -> None:
            position = (message.headers or {}).get(POSITION_HEADER, "")
            with contextlib.suppress(ValueError):
                self._incoming.put_nowait((parse(message.subject).service, int(position), message.data))

        subscription = await self._client.subscribe(EVERY_EVENT, cb=on_event)
        try:
            await self._look()
            while True:
                go_on()
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        service, position, raw = await self._incoming.get()
                except TimeoutError:
                    await self._look()
                    continue
                await self._announce(service, position, raw)
        finally:
            await subscription.unsubscribe()

    async def _look(self) -> None:
        """Ask each service where its log ends: at the start, and whenever nothing is announced."""
        for service in self.services:
            with contextlib.suppress(Exception):
                await self._catch_up(service)

    async def _announce(self, service: str, position: int, raw: bytes) -> None:
        log, last = self.heads.get(service, ("", 0))
        if service not in self.services or position <= last:
            return
        if not log or position != last + 1:
            try:
                await self._catch_up(service)
            except Exception as error:  # noqa: BLE001 - it is looked for again when nothing arrives
                LOG.info("tail.hole", service=service, error=type(error).__name__)
            return
        self._append(service, log, position, raw)

    async def _catch_up(self, service: str) -> None:
        log, last = self.heads.get(service, ("", -1))
        while True:
            go_on()
            name, head, facts = await read_log(self._client, service, max(0, last), timeout=3)
            if log not in ("", name):
                LOG.error("tail.another_log", service=service, was=log, now=name)
                last = head
            log = name
            if last < 0:
                # The first look: what lies before is history, and is read from the feed by whoever wants it.
                last = head
            self.heads[service] = (log, last)
            if head <= last or not facts:
                return
            for position, raw in facts:
                if position > last:
                    self._append(service, log, position, raw)
                    last = position

    def _append(self, service: str, log: str, position: int, raw: bytes) -> None:
        self.heads[service] = (log, position)
        self.announced.append(Announced.of(service, log, position, raw, written(self.heads)))
        self.count += 1
        self._shared.clear()
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def close(self) -> None:
        """Let everybody who follows come to an end, between two batches: the door closes, and each comes again from its last."""
        self._closing.set()
        self._wake()

    async def wait(self, seen: int, seconds: float) -> None:
        """Return once more was announced than `seen`, or after `seconds`."""
        if self.count > seen:
            return
        if self._changed is None or self._changed.done():
            self._changed = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._changed)

    async def page(
        self, cursor: Cursor, wanted: Wanted, limit: int, until: Cursor | None = None, *, stored: bool = False
    ) -> tuple[list[Announced], str, bool]:
        """At most `limit` events after a cursor that are wanted, the cursor behind them, and whether there may be more.

        Each log's order is kept; between the logs the earlier record comes first. `stored`: each service is asked, so that
        what it answered a caller is there, announced already or not.

        Raises:
            ProblemError: the cursor is of another log, or a service does not answer.
        """
        places = {service: cursor.get(service, ("", 0)) for service in self.services}
        found: list[Announced] = []
        for _ in range(20):
            batch, more = await self._batch(places, until, stored=stored)
            for event in batch:
                if len(found) >= limit:
                    return found, written(places), True
                places[event.service] = (event.log, event.position)
                if wanted.fits(event):
                    found.append(_placed(event, written(places)))
            if not more:
                return found, written(places), False
        return found, written(places), True

    async def _batch(
        self, places: dict[str, tuple[str, int]], until: Cursor | None, *, stored: bool
    ) -> tuple[list[Announced], bool]:
        """The next facts of each log up to where they can be merged in the order of their recording."""
        logs: list[list[Announced]] = []
        barrier: str | None = None
        for service in self.services:
            log, last = places[service]
            head = self.heads.get(service)
            end = (until or {}).get(service)
            enough = end or head
            if log and head is not None and head[0] != log:
                raise ProblemError("cursor_unknown", f"{service}: its log is another one than the cursor's")
            # A place ahead of what was announced is asked for: a log that was put back to an earlier day does not have it.
            if log and not stored and head and enough and enough[1] <= last <= head[1]:
                continue
            try:
                name, top, facts = await read_log(self._client, service, last, timeout=5)
            except Exception:  # noqa: BLE001 - whatever kept it from answering, the page would have a hole
                raise ProblemError("unavailable", f"{service} does not answer", headers={"Retry-After": "1"}) from None
            if log not in ("", name):
                raise ProblemError("cursor_unknown", f"{service}: its log is another one than the cursor's")
            if last > top:
                raise ProblemError("cursor_unknown", f"{service}: the cursor is ahead of its log")
            places[service] = (name, last)
            events = [Announced.of(service, name, p, raw) for p, raw in facts if end is None or p <= end[1]]
            if events:
                logs.append(events)
                if events[-1].position < (top if end is None else min(top, end[1])):
                    barrier = min(barrier or events[-1].recorded_at, events[-1].recorded_at)
        merged = _merged(logs)
        if barrier is None:
            return merged, False
        kept = [event for event in merged if event.recorded_at <= barrier]
        return kept or merged[:1], True

    async def follow(self, cursor: Cursor | None, wanted: Wanted) -> AsyncIterator[Batch]:
        """Everything wanted after a cursor (None: from now on), as it comes; nothing at all when nothing wanted came for a while.

        It ends when the door closes.
        """
        seen, after = self.count, written(self.heads)
        more = cursor is not None
        while more and not self._closing.is_set():
            events, place, more = await self.page(cursor or {}, wanted, 500, until=read(after))
            cursor = read(place)
            if events:
                yield Batch(tuple(events), self.told(wanted))
        ahead = {service: last for service, (_, last) in (cursor or {}).items()}
        told_at = time.monotonic()
        while not self._closing.is_set():
            if self.count == seen:
                await self.wait(seen, max(0.0, told_at + QUIET_SECONDS - time.monotonic()))
            if self._closing.is_set():
                return
            found = Batch()
            if self.count - seen > len(self.announced):
                # Fell too far behind: what was missed is read from the feed.
                async for found in self.follow(read(after), wanted):
                    yield found
                return
            if self.count > seen:
                found = self._since(seen, wanted)
                if ahead:
                    # Who read the feed may have come further than what is announced.
                    fresh = tuple(event for event in found.events if event.position > ahead.get(event.service, 0))
                    found = Batch(fresh, found.told)
                    ahead = {name: last for name, last in ahead.items() if last > self.heads.get(name, ("", 0))[1]}
                seen, after = self.count, self.announced[-1].cursor
            if found.events or time.monotonic() >= told_at + QUIET_SECONDS:
                yield found
                told_at = time.monotonic()

    def _since(self, seen: int, wanted: Wanted) -> Batch:
        """What was announced after the first `seen` and is wanted: looked through once for all who wait for the same."""
        found = self._shared.get((seen, wanted))
        if found is None:
            last = len(self.announced)
            fresh = (self.announced[index] for index in range(last - (self.count - seen), last))
            found = self._shared[seen, wanted] = Batch(
                tuple(event for event in fresh if wanted.fits(event)), self.told(wanted)
            )
        return found

    def told(self, wanted: Wanted) -> Callable[[str], str]:
        """How a cursor is told to whoever wants this."""
        return str if wanted.properties is None else self._hidden


def _placed(event: Announced, cursor: str) -> Announced:
    return replace(event, cursor=cursor)


def _merged(logs: list[list[Announced]]) -> list[Announced]:
    """Several logs as one, each in its own order: `recorded_at` never goes back within a log."""
    return list(merge(*logs, key=lambda event: (event.recorded_at, event.service)))
