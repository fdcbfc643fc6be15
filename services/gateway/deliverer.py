"""Sends events to webhooks: a task for each, so that one that hangs slows no other; the order of every stream is kept."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import CONTENT_TYPE
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.sealed import Personal, SealingError, open_field
from nats.aio.client import Client
from nats.errors import NoRespondersError
from pydantic_core import from_json
from standardwebhooks.webhooks import Webhook as Signer

from services.gateway.cursor import read, written
from services.gateway.delivery import BACK_OFF, WAITING_LIMIT, Deliveries, Waiting
from services.gateway.problem import ProblemError
from services.gateway.tail import Tail, Wanted
from services.gateway.target import Answered, Target
from services.gateway.views import WEBHOOK_SECRETS, WEBHOOK_STATES, WEBHOOKS
from services.kernel.failure import told
from services.kernel.feed import read_log
from services.kernel.going import go_on, rest
from services.kernel.sealing import KeyStore
from services.kernel.store import Store

LOG = structlog.get_logger()
AT_ONCE = 8
LOOK_SECONDS = 1.0
TIDY_SECONDS = 3600.0
Disable = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True)
class Endpoint:
    """A webhook as it stands in the gateway's views."""

    webhook_id: str
    url: str
    property_id: str
    types: tuple[str, ...]
    begins: str | None
    enabled: bool

    @property
    def wanted(self) -> Wanted:
        """What it is sent: of one property, or of all."""
        return Wanted(self.types, None if self.property_id == COMPANY else frozenset({self.property_id}))


class Deliverer:
    """One loop per webhook over its own deliveries."""

    def __init__(
        self, client: Client, store: Store, keys: KeyStore, deliveries: Deliveries, tail: Tail, target: Target, disable: Disable,
        kept: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        """`disable` records that a webhook failed for too long; `now` answers the instant that retries are counted from.

        `kept`: how long the log keeps what was delivered.
        """
        self._kept = kept
        self._client, self._store, self._keys, self._deliveries = client, store, keys, deliveries
        self._tail, self._target, self._disable, self._now = tail, target, disable, now
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pokes: dict[str, asyncio.Event] = {}
        self._enabled: dict[str, bool] = {}

    async def run(self) -> None:
        """Send until cancelled."""
        tidied = float("-inf")
        try:
            while True:
                go_on()
                try:
                    self._arrange()
                except Exception as error:  # noqa: BLE001 - what sends goes on, and the next look arranges it
                    LOG.warning("webhook.arrange", error=told(error))
                if time.monotonic() - tidied >= TIDY_SECONDS:
                    await self._tidy()
                    tidied = time.monotonic()
                await rest(LOOK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _tidy(self) -> None:
        try:
            await asyncio.to_thread(self._deliveries.forget, self._now() - self._kept)
        except Exception as error:  # noqa: BLE001 - nothing hangs on it, and the next hour tries again
            LOG.warning("webhook.tidy", error=told(error))

    def poke(self, webhook_id: str | None = None) -> None:
        """Look again now."""
        for name, event in self._pokes.items():
            if webhook_id in (None, name):
                event.set()

    def endpoints(self) -> dict[str, Endpoint]:
        """Every webhook by its id."""
        query = sa.select(WEBHOOKS, WEBHOOK_STATES.c.state).join(
            WEBHOOK_STATES, WEBHOOK_STATES.c.webhook_id == WEBHOOKS.c.webhook_id
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        return {
            r.webhook_id: Endpoint(
                r.webhook_id, r.url, r.property_id, tuple(from_json(r.types)), r.begins, r.state == "enabled"
            )
            for r in rows
        }

    def _arrange(self) -> None:
        """Begin a task for each webhook that is enabled, and end those of the others."""
        found = self.endpoints()
        for name, endpoint in found.items():
            if endpoint.enabled and self._enabled.get(name) is False:
                self._deliveries.start_anew(name, self._now())
            self._enabled[name] = endpoint.enabled
        for name in [name for name in self._tasks if name not in found or not found[name].enabled]:
            self._tasks.pop(name).cancel()
        for name in [name for name in self._enabled if name not in found]:
            self._deliveries.remove(name)
            self._enabled.pop(name)
        for name, endpoint in found.items():
            if endpoint.enabled and (name not in self._tasks or self._tasks[name].done()):
                self._pokes.setdefault(name, asyncio.Event())
                self._tasks[name] = asyncio.create_task(self._serve(endpoint))

    async def _serve(self, endpoint: Endpoint) -> None:
        attempt = 0
        while True:
            go_on()
            try:
                await self._begin(endpoint)
                while True:
                    go_on()
                    seen = self._tail.count
                    await self._take_in(endpoint)
                    busy = await self._round(endpoint)
                    attempt = 0
                    if not busy:
                        await self._rest(endpoint, seen)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - a webhook's loop goes on; what it owes stays in the table
                LOG.warning("webhook.again", webhook=endpoint.webhook_id, error=told(error))
                await rest(min(30, 2**attempt))
                attempt += 1

    def ended(self, name: str) -> None:
        """Know at once that a webhook sends no more: somebody may enable it before the next look."""
        self._enabled[name] = False

    async def _end(self, name: str, why: str) -> None:
        self.ended(name)
        await self._disable(name, why)

    async def _begin(self, endpoint: Endpoint) -> None:
        if await asyncio.to_thread(self._deliveries.place, endpoint.webhook_id) is None:
            begins = endpoint.begins or written(await self._ends())
            await asyncio.to_thread(self._deliveries.begin, endpoint.webhook_id, begins, self._now())

    async def _ends(self) -> dict[str, tuple[str, int]]:
        """Where each log ends now, or once its service answers: a place without it would begin with its whole history."""
        ends = dict(self._tail.heads)
        while not set(self._tail.services) <= set(ends):
            await rest(LOOK_SECONDS)
            ends = {**self._tail.heads, **ends}
        return ends

    async def _take_in(self, endpoint: Endpoint) -> None:
        """Move what is wanted from the feed into the table, as long as not too much waits there."""
        name = endpoint.webhook_id
        while await asyncio.to_thread(self._deliveries.waiting, name) < WAITING_LIMIT:
            place = await asyncio.to_thread(self._deliveries.place, name)
            assert place is not None  # noqa: S101 - `_begin` made it
            try:
                events, cursor, more = await self._tail.page(read(place.cursor), endpoint.wanted, 200)
            except ProblemError as problem:
                if problem.code == "cursor_unknown":
                    await self._end(name, f"its place in the feed does not exist: {problem.detail}")
                return
            if cursor != place.cursor:
                await asyncio.to_thread(self._deliveries.take_in, name, events, cursor, self._now())
            if not more:
                return

    async def _round(self, endpoint: Endpoint) -> bool:
        """Send what is due, the first of each stream; answers whether there may be more to do at once.

        While nothing gets through only one is tried, so that a receiver that is down is asked once and not a thousand times;
        every second time it is one that was never tried, so that an event that is never taken holds up no other stream.
        """
        name, now = endpoint.webhook_id, self._now()
        if self._enabled.get(name) is False:
            # It ended a moment ago; the next look takes this task away.
            return False
        place = await asyncio.to_thread(self._deliveries.place, name)
        if place is None or place.next_at > now:
            return False
        heads = await asyncio.to_thread(self._deliveries.heads, name)
        due = [one for one in heads if one.next_at <= now]
        if place.failing % 2:
            due.sort(key=lambda one: one.tries > 0)
        read = await self._readable(due, 1 if place.failing else AT_ONCE)
        if not read:
            return False
        due = [one for one, _ in read]
        results = await asyncio.gather(*(self._send(endpoint, one, raw) for one, raw in read))
        failed = not any(result.taken for result in results)
        await asyncio.to_thread(
            self._deliveries.round_ended, name, failed=failed, failing=place.failing, now=self._now()
        )
        gone = next((result for result in results if result.gone), None)
        exhausted = [
            one for one, result in zip(due, results, strict=True) if not result.taken and one.tries + 1 >= len(BACK_OFF)
        ]
        if gone is not None:
            await self._end(name, "the receiver answered 410 Gone")
        elif exhausted:
            await self._end(name, f"{exhausted[0].event_id} was tried {exhausted[0].tries + 1} times in vain")
        return not failed

    async def attempt(self, endpoint: Endpoint, one: Waiting, command_id: str) -> Answered:
        """Send one event now, because the request of this id asks for it."""
        return await self._send(endpoint, one, await self._stored(one), command_id)

    async def _send(self, endpoint: Endpoint, one: Waiting, raw: bytes, command_id: str | None = None) -> Answered:
        """Send one event, and write down how it went."""
        at, began = self._now(), time.monotonic()
        answered = await self._target.post(endpoint.url, raw, self._headers(endpoint.webhook_id, one.event_id, raw, at))
        await asyncio.to_thread(
            self._deliveries.tried, endpoint.webhook_id, one, at=at, milliseconds=round((time.monotonic() - began) * 1000),
            status=answered.status, error=answered.error, taken=answered.taken, command_id=command_id,
        )  # fmt: skip
        return answered

    async def _readable(self, due: list[Waiting], most: int) -> list[tuple[Waiting, bytes]]:
        """The first of what is due, with its bytes; what a service keeps that is away holds up no other's."""
        found: list[tuple[Waiting, bytes]] = []
        while due and len(found) < most:
            asked, due = due[: most - len(found)], due[most - len(found) :]
            read = await asyncio.gather(*(self._stored(one) for one in asked), return_exceptions=True)
            for one, raw in zip(asked, read, strict=True):
                if isinstance(raw, bytes):
                    found.append((one, raw))
                elif isinstance(raw, (NoRespondersError, TimeoutError)):
                    due = [other for other in due if other.service != one.service]
                else:
                    raise raw
        return found

    async def _stored(self, one: Waiting) -> bytes:
        _, _, facts = await read_log(self._client, one.service, one.position - 1)
        return next(raw for position, raw in facts if position == one.position)

    def _headers(self, webhook_id: str, event_id: str, raw: bytes, at: datetime) -> dict[str, str]:
        """What Standard Webhooks asks for: id, time, and a signature of each secret that holds."""
        signatures = [Signer(secret).sign(event_id, at, raw.decode()) for secret in self._secrets(webhook_id, at)]
        return {
            "content-type": CONTENT_TYPE,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
            "user-agent": "bailiwick-webhooks",
        }

    def _secrets(self, webhook_id: str, at: datetime) -> list[str]:
        """The secret of now, and the one before it while the receiver changes over."""
        query = sa.select(WEBHOOK_SECRETS).where(WEBHOOK_SECRETS.c.webhook_id == webhook_id)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(WEBHOOK_SECRETS.c.number.desc()).limit(2)).all()
        until = datetime.fromisoformat(rows[0].previous_until) if rows and rows[0].previous_until else None
        kept = rows if until is not None and until > at else rows[:1]
        found = []
        for row in kept:
            with contextlib.suppress(SealingError):
                sealed = Personal.model_validate_json(row.sealed)
                found.append(open_field(sealed, event_id=row.event_id, path="secret", keys=self._keys))
        return found

    async def _rest(self, endpoint: Endpoint, seen: int) -> None:
        """Until something is announced, or somebody says to look, or a moment has passed in which a retry may be due."""
        poke = self._pokes[endpoint.webhook_id]
        waiting = [asyncio.ensure_future(poke.wait()), asyncio.ensure_future(self._tail.wait(seen, LOOK_SECONDS))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=LOOK_SECONDS)
        finally:
            for one in waiting:
                one.cancel()
            poke.clear()
