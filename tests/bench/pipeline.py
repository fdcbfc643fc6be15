"""Command, stored with chain and view, published, recorded by a second service in another process: sustained, and alone."""

import asyncio
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from nats.aio.client import Client
from nats.aio.msg import Msg

from services.kernel.app import Runtime
from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.embedded import embedded
from services.run.logs import configure
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place, spending
from tests.bench.toys import ECHO, TOY, TakeMany
from tests.kernel.toy import TakeToken

ROWS, COMMANDS, COMMANDS_OF_ONE, ALONE = 100, 120, 6, 60


@contextlib.asynccontextmanager
async def _second(settings: Settings) -> AsyncIterator[None]:
    """The echo service as a process of its own."""
    given = {"data_dir": str(settings.data_dir), "nats_url": settings.nats_url, "batch_limit": settings.batch_limit}
    if settings.database_url is not None:
        given["database_url"] = settings.database_url.get_secret_value()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.pipeline", json.dumps(given), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 30)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _sustained(client: Client, door: Door, first: int, commands: int) -> float:
    """Facts a second from the first command to the last fact recorded by the second service."""
    requests = [TakeMany(first=first + number * ROWS, count=ROWS) for number in range(commands)]
    bodies = [door.sign(request, BOSS, PLACE) for request in requests]
    begun = time.perf_counter()
    for answer in await asyncio.gather(*(ask(client, body, TakeMany, PLACE, timeout=120) for body in bodies)):
        if answer.outcome != "done":
            raise RuntimeError(f"not done: {answer}")
    if not await caught_up(client, "echo", "toy", seconds=120):
        raise RuntimeError("the second service did not catch up")
    return commands * ROWS / (time.perf_counter() - begun)


async def _alone(client: Client, door: Door) -> list[float]:
    """Milliseconds from a command sent to its fact recorded by the second service, by what that one published of it."""
    recorded: dict[str, asyncio.Future[float]] = defaultdict(asyncio.get_running_loop().create_future)

    async def on_recorded(message: Msg) -> None:
        followed = json.loads(message.data)["causationid"]
        recorded[followed].set_result(time.perf_counter())

    subscription = await client.subscribe(f"bailiwick.{PLACE}.echo.event.>", cb=on_recorded)
    taken = []
    for number in range(ALONE + 10):
        body = door.sign(TakeToken(holder_id=f"unbounded-{number}"), BOSS, PLACE)
        begun = time.perf_counter()
        (fact,) = (await ask(client, body, TakeToken, PLACE)).facts
        taken.append((await asyncio.wait_for(recorded[fact.id], 10) - begun) * 1000)
    await subscription.unsubscribe()
    return sorted(taken[10:])


async def _measured(place: Place, batch_limit: int, commands: int, *, alone: bool) -> Figures:
    given = place.settings.model_copy(update={"batch_limit": batch_limit})
    async with embedded(given, {"toy": lambda _: TOY}) as (settings, _), _second(settings):
        client = await connect(settings.nats_url, "bench")
        door = Door(settings.doors_dir)
        await _sustained(client, door, 0, max(1, commands // 10))
        with spending() as spent:
            rate = await _sustained(client, door, 1_000_000, commands)
        found = {"events/s": rate, "cpu": spent.cpu / (commands * ROWS) * 1e6}
        if alone:
            taken = await _alone(client, door)
            found["p50"] = taken[len(taken) // 2]
        await client.close()
    return found


async def pipeline(place: Place) -> Figures:
    """Bulk commands of a hundred facts over the bus, in full batches and with everything held to one message."""
    full = await _measured(place, 500, COMMANDS, alone=True)
    with place.another("held") as held:
        single = await _measured(held, 1, COMMANDS_OF_ONE, alone=False)
    return {
        "end to end, events/s": full["events/s"],
        "end to end, cpu µs an event (servers included)": full["cpu"],
        "end to end held to one message, events/s": single["events/s"],
        "end to end / held to one message": full["events/s"] / single["events/s"],
        "lone command to recorded by a second service, p50 ms": full["p50"],
    }


async def _serve(given: str) -> None:
    runtime = Runtime(ECHO, Settings(**json.loads(given)))
    running = asyncio.create_task(runtime.run())
    await runtime.ready.wait()
    print("ready", flush=True)
    await running


if __name__ == "__main__":
    configure("ERROR")
    asyncio.run(_serve(sys.argv[1]))
