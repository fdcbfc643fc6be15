"""The reactor: takes in another service's facts, in order, each exactly once, with what they lead to here."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any

import structlog
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.stored import read_stored
from bailiwick_contracts.subjects import feed_of, parse, stream_of
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic_core import to_json

from services.kernel.crash import crash_point
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.work import GapError, Intake
from services.kernel.writer import Writer

LOG = structlog.get_logger()
PULL = 500
PULL_SECONDS = 5
RETRY_SECONDS = (0.2, 1, 2, 5)
"""What fails here fails because the database or the source is away, and goes on soon after they are back."""


class Reactor:
    """Reads one source's stream through a durable, whatever is there at a time, and has the writer take it in."""

    def __init__(
        self,
        client: Client,
        consumer: str,
        source: str,
        writer: Writer,
        heal: Callable[[], Awaitable[object]],
        pull: int = PULL,
    ) -> None:
        """`consumer` is the service that takes in, `source` the one it takes from; `heal` makes a missing durable.

        `pull` is how many facts are asked for, and taken in, at a time.
        """
        self._pull_size, self._asked = pull, 0
        self._client, self._consumer, self._source, self._writer, self._heal = client, consumer, source, writer, heal
        self._arrived: asyncio.Queue[tuple[Msg, Event[Any] | None]] = asyncio.Queue()
        """Messages with the fact in each, read while the writer is at work on those before; None where there is none."""
        self.taken_in = 0
        self.turns = 0
        """Grows while the reactor makes progress, or tries to."""
        self.gaps = 0
        """Holes in the source's chain that were noticed."""
        self.diverged: dict[str, str] = {}
        """By property: how the source's chain is not the one that was taken in, and what to do."""
        self._resting = False

    def waits(self) -> bool:
        """While the broker is there it pulls again and again, so it has to move, except before it tries again what failed."""
        return self._client.is_connected and not self._resting

    async def run(self) -> None:
        """Take in until cancelled."""
        inbox = self._client.new_inbox()

        async def on_message(message: Msg) -> None:
            self._arrived.put_nowait((message, self._read(message)))

        subscription = await self._client.subscribe(inbox, cb=on_message)
        try:
            await self._reconcile()
            while True:
                go_on()
                self.turns += 1
                await self._ask(inbox)
                batch = [await self._next()]
                while len(batch) < self._pull_size and not self._arrived.empty():
                    batch.append(self._arrived.get_nowait())
                facts = [(message, event) for message, event in batch if not _says(message)]
                self._asked = max(0, self._asked - len(facts) - sum(_unanswered(message) for message, _ in batch))
                if facts:
                    await self._ask(inbox)
                    await self._take_in(facts)
                else:
                    await self._reconcile()
                    said = {_says(message): message for message, _ in batch}
                    if "503" in said:
                        await self._make_durable()
                    elif "409" in said:
                        await self._refused(said["409"])
        finally:
            await subscription.unsubscribe()

    async def _make_durable(self) -> None:
        """Nobody answered the pull: the stream or the durable may be gone, and is then made anew."""
        try:
            await self._heal()
        except Exception as error:  # noqa: BLE001 - tried again as long as nobody answers
            LOG.warning("reactor.heal_failed", consumer=self._consumer, error=told(error))
        await rest(0.5)

    async def _refused(self, message: Msg) -> None:
        """The pull is not answered, by a limit of the durable for one: asked again at once it would be refused as fast as it can be."""
        why = (message.headers or {}).get("Description")
        LOG.warning("reactor.refused", consumer=self._consumer, source=self._source, said=why)
        await rest(0.5)

    async def _reconcile(self) -> None:
        """Take in from the feed what the source holds and was never delivered here.

        The durable's acknowledgements cover everything before them, so a fact that was delivered to a process that died
        may never come again. It is looked for at the start and whenever nothing arrives.
        """
        try:
            taken = await read_taken_in(self._client, self._consumer)  # first, for no chain is taken in beyond its head
            heads = await read_heads(self._client, self._source)
        except Exception as error:  # noqa: BLE001 - the source may be down; it is asked again when nothing arrives
            LOG.info("reactor.reconcile", source=self._source, error=type(error).__name__)
            await rest(0.5)
            return
        reached = {name.partition(":")[2]: at for name, at in taken.items() if name.startswith(f"{self._source}-")}
        self._compare(heads, reached)
        for property_id, (head, _) in heads.items():
            have, _ = reached.get(property_id, (0, ""))
            while have < head:
                go_on()
                raws = await self._fetch(property_id, have, head + 1)
                if not raws:
                    break
                log = read_stored(raws[0]).log
                await self._until_taken(property_id, Intake(f"{log}:{property_id}", tuple(raws)))
                have += len(raws)

    def _compare(self, heads: dict[str, tuple[int, str]], reached: dict[str, tuple[int, str]]) -> None:
        """Notice a source whose database is older than what it published: what it stores now has numbers that are known here.

        Its relay notices by the stream, where that was not lost as well.
        """
        for property_id, (have, link) in reached.items():
            head, head_link = heads.get(property_id, (0, ""))
            if head > have:
                continue
            if (head, head_link) == (have, link):
                self.diverged.pop(property_id, None)
            elif property_id not in self.diverged:
                self.diverged[property_id] = (
                    f"{self._source}'s chain of {property_id} ends at {head} and is not the one taken in here up to {have}: "
                    f"its database is older than what it published. Restore a newer backup; bailiwick audit complete names the facts"
                )
                LOG.error("reactor.diverged", consumer=self._consumer, source=self._source, have=have, head=head)

    async def _ask(self, inbox: str) -> None:
        """Ask for more before half of what was asked for has yet to come, so that neither the server nor we wait."""
        if self._asked > self._pull_size // 2:
            return
        self._asked += self._pull_size
        request = to_json({"batch": self._pull_size, "expires": PULL_SECONDS * 1_000_000_000})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream_of(self._source)}.{self._consumer}"
        await self._client.publish(subject, request, reply=inbox)

    def _read(self, message: Msg) -> Event[Any] | None:
        if _says(message):
            return None
        try:
            return read_stored(message.data, parse(message.subject).wire)
        except ValueError as error:
            # What the source stored can be read; this came from elsewhere, and the chain shows whether a fact is missing.
            LOG.error("reactor.malformed", consumer=self._consumer, subject=message.subject, error=told(error))
            return None

    async def _next(self) -> tuple[Msg, Event[Any] | None]:
        while True:
            go_on()
            try:
                async with asyncio.timeout(PULL_SECONDS + 1):
                    return await self._arrived.get()
            except TimeoutError:
                return Msg(_client=self._client, headers={"Status": "503"}), None

    async def _take_in(self, messages: list[tuple[Msg, Event[Any] | None]]) -> None:
        facts = [(event, message.data) for message, event in messages if event is not None]
        facts.sort(key=lambda fact: (fact[0].log, fact[0].property_id, fact[0].chainnumber))
        for chain, members in groupby(facts, key=lambda fact: (fact[0].log, fact[0].property_id)):
            await self._until_taken(chain[1], _intake(f"{chain[0]}:{chain[1]}", list(members)))
        crash_point("before-ack")
        await messages[-1][0].ack()
        self.taken_in += len(facts)

    async def _until_taken(self, property_id: str, intake: Intake) -> None:
        attempt = 0
        while True:
            go_on()
            self.turns += 1
            try:
                result = await self._writer.submit(intake)
            except GapError as gap:
                self.gaps += 1
                LOG.warning("reactor.gap", consumer=self._consumer, source=gap.source, have=gap.have, got=gap.got)
                missing = await self._fetch(property_id, gap.have, gap.got)
                if missing:
                    await self._until_taken(property_id, Intake(intake.source, tuple(missing)))
                    continue
            except Exception as error:  # noqa: BLE001 - nothing is ever skipped: whatever fails is tried again, later each time
                LOG.error(
                    "reactor.again",
                    consumer=self._consumer,
                    source=intake.source,
                    error=told(error),
                )
            else:
                return result  # type: ignore[no-any-return]
            self._resting = True
            await rest(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            self._resting = False
            attempt += 1

    async def _fetch(self, property_id: str, after: int, before: int) -> list[bytes]:
        try:
            page = await read_feed(self._client, self._source, property_id, after)
        except (NatsError, TimeoutError, OSError) as error:
            # The source may stop between its heads and its feed; its facts are asked for again.
            LOG.warning("reactor.feed", source=self._source, error=told(error))
            return []
        return page[: before - after - 1]


def _intake(source: str, facts: list[tuple[Event[Any], bytes]]) -> Intake:
    return Intake(source, tuple(raw for _, raw in facts), events=tuple(event for event, _ in facts))


def _says(message: Msg) -> str | None:
    """What the server says of a pull, in a message that is no fact."""
    return message.headers.get("Status") if message.headers else None


def _unanswered(message: Msg) -> int:
    """How many of the facts asked for will not come, by what the server said of a pull: all, where it does not say."""
    return int((message.headers or {}).get("Nats-Pending-Messages", 1 << 30)) if _says(message) else 0


async def read_feed(client: Client, service: str, property_id: str, after: int, *, timeout: float = 5) -> list[bytes]:
    """Stored facts of one property's chain of a service after a number: as many as fit a message, in order, or none."""
    request = to_json({"property": property_id, "after": after})
    reply = await client.request(feed_of(service), request, timeout=timeout)
    return [line for line in reply.data.split(b"\n") if line]


async def read_heads(client: Client, service: str, *, timeout: float = 5) -> dict[str, tuple[int, str]]:
    """Every chain of a service: property to (last number, hash of the last fact)."""
    return await _read_positions(client, service, b'{"heads":true}', timeout)


async def read_taken_in(client: Client, service: str, *, timeout: float = 5) -> dict[str, tuple[int, str]]:
    """How far a service took in others: `<log>:<property>` to (number, hash of that fact)."""
    return await _read_positions(client, service, b'{"taken_in":true}', timeout)


async def _read_positions(client: Client, service: str, request: bytes, timeout: float) -> dict[str, tuple[int, str]]:
    reply = await client.request(feed_of(service), request, timeout=timeout)
    rows = [line.decode().split(" ") for line in reply.data.split(b"\n") if line]
    return {name: (int(number), link) for name, number, link in rows}


async def caught_up(client: Client, service: str, source: str, *, seconds: float = 30) -> bool:
    """Wait until a service took in everything that `source` holds now; False when it did not within `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    wanted = {(property_id, head) for property_id, (head, _) in (await read_heads(client, source)).items()}
    while True:
        taken = await read_taken_in(client, service)
        reached = {name.split(":")[1]: number for name, (number, _) in taken.items() if name.startswith(f"{source}-")}
        if all(reached.get(property_id, 0) >= number for property_id, number in wanted):
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await rest(0.05)
