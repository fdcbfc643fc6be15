"""A stream that was lost with everything in it, filled again from the store; whoever had taken it in does nothing twice."""

import asyncio
import time

from bailiwick_contracts.subjects import stream_of

from services.kernel.app import Runtime
from services.kernel.bus import connect
from services.kernel.reactor import caught_up
from tests.bench.figures import Figures
from tests.bench.place import Place
from tests.bench.streams import filled
from tests.bench.toys import ECHO, TOY
from tests.servers import NatsServer

FACTS = 100_000


async def _until(reached: object, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("this took too long")
        await asyncio.sleep(0.01)


async def refill(place: Place) -> Figures:
    """Facts a second from the wiped broker's first answer to the last fact back in the stream."""
    await asyncio.to_thread(filled, place, FACTS)
    place.close()
    with NatsServer(place.directory / "nats") as server:
        settings = place.settings.model_copy(update={"nats_url": server.url})
        runtimes = [Runtime(TOY, settings), Runtime(ECHO, settings)]
        running = [asyncio.create_task(runtime.run()) for runtime in runtimes]
        await asyncio.gather(*(runtime.ready.wait() for runtime in runtimes))
        client = await connect(server.url, "bench")
        begun = time.perf_counter()
        if not await caught_up(client, "echo", "toy", seconds=400):
            raise RuntimeError("the second service did not catch up")
        first = FACTS / (time.perf_counter() - begun)
        before = runtimes[1].store.max_notification_id()
        await asyncio.to_thread(server.wipe)
        begun = time.perf_counter()
        relay = runtimes[0].relay
        assert relay is not None
        healed = relay.heals
        await _until(lambda: relay.heals > healed or relay.published < FACTS)
        await _until(lambda: relay.published == FACTS)
        seconds = time.perf_counter() - begun
        state = (await client.jetstream().stream_info(stream_of("toy"))).state
        await asyncio.sleep(2)
        after = runtimes[1].store.max_notification_id()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await client.close()
    if state.messages != FACTS:
        raise RuntimeError(f"{state.messages} of {FACTS} facts are in the stream")
    return {
        "first taking in of 100,000 facts, facts/s": first,
        "wiped stream of 100,000 facts refilled, facts/s": FACTS / seconds,
        "second effects of the refill": float((after or 0) - (before or 0)),
    }
