"""The relay and the reactor, each beside what nats-py does alone with the same messages on the same server."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bailiwick_contracts.envelope import CONTENT_TYPE, read_command
from bailiwick_contracts.subjects import stream_of, subject_of
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from services.kernel.bus import provision
from services.kernel.doors import Door
from services.kernel.reactor import Reactor
from services.kernel.relay import Relay
from services.kernel.store import Store, StoredFact
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place
from tests.bench.toys import ECHO, TOY, TakeMany
from tests.servers import NatsServer

FACTS, WINDOW = 10_000, 500


def filled(place: Place, facts: int = FACTS) -> Store:
    """The toy's store with that many facts in it, through the writer."""
    store = place.store(TOY)
    writer, door = place.writer(TOY, store), Door(place.directory / "doors")
    for first in range(0, facts, 1_000):
        (answer,) = writer.process([read_command(door.sign(TakeMany(first=first, count=1_000), BOSS, PLACE), TakeMany)])
        if answer.outcome != "done":
            raise RuntimeError(f"not done: {answer}")
    return store


async def until(
    reached: Callable[[], bool], work: Coroutine[Any, Any, None], begins: Callable[[], bool] = lambda: True
) -> float:
    """Seconds from when it `begins` until something is reached by work that is then ended."""
    task, begun = asyncio.create_task(work), 0.0
    while not reached():
        begun = begun or (time.perf_counter() if begins() else 0.0)
        if task.done():
            task.result()
        await asyncio.sleep(0.002)
    taken = time.perf_counter() - begun
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return taken


async def _gathered(client: Client, facts: list[StoredFact]) -> float:
    """Seconds to publish the same bytes by nats-py's own publish, 500 awaited together."""
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="reference", subjects=["reference.>"]))
    begun = time.perf_counter()
    for start in range(0, len(facts), WINDOW):
        await asyncio.gather(
            *(
                js.publish(
                    f"reference.{subject_of(fact.type, PLACE, 'event')}",
                    fact.raw,
                    headers={"content-type": CONTENT_TYPE, "Nats-Msg-Id": f"r-{fact.position}"},
                )
                for fact in facts[start : start + WINDOW]
            )
        )
    return time.perf_counter() - begun


async def _fetched(client: Client, count: int) -> float:
    """Seconds to fetch and acknowledge the same messages, 500 at a time."""
    js = client.jetstream()
    config = ConsumerConfig(durable_name="bare", ack_policy=AckPolicy.EXPLICIT, max_ack_pending=5_000)
    await js.add_consumer(stream_of("toy"), config)
    subscription = await js.pull_subscribe_bind("bare", stream_of("toy"))
    begun, seen = time.perf_counter(), 0
    while seen < count:
        for message in await subscription.fetch(WINDOW, timeout=5):
            await message.ack()
            seen += 1
    await client.flush()
    return time.perf_counter() - begun


async def streams(place: Place) -> Figures:
    """Facts a second through the relay and through the reactor, and what that is of the bare client's."""
    store = await asyncio.to_thread(filled, place)
    facts = await asyncio.to_thread(store.after, 0, FACTS)
    with NatsServer(place.directory / "nats") as server:
        client = Client()
        await client.connect(server.url)

        async def heal() -> object:
            return await provision(client.jetstream(), "echo", ("toy",))

        await heal()
        gathered = await _gathered(client, facts)
        relay = Relay(client, "toy", store, asyncio.Event(), heal)
        relayed = await until(lambda: relay.published == FACTS, relay.run())
        fetched = await _fetched(client, FACTS)
        writer = place.writer(ECHO, place.store(ECHO))
        writing = asyncio.create_task(writer.run())
        reactor = Reactor(client, "echo", "toy", writer, heal)
        # Nobody answers for the feed here, which a reactor that starts asks first and then waits half a second for.
        reacted = await until(lambda: reactor.taken_in >= FACTS, reactor.run(), lambda: reactor.turns > 0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await client.close()
    return {
        "relay, facts/s": FACTS / relayed,
        "relay / gather(js.publish) of 500": gathered / relayed,
        "reactor, facts/s": FACTS / reacted,
        "reactor / fetch(500) + ack": fetched / reacted,
    }
