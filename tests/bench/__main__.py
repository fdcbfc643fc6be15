"""`make bench`: the kernel on real servers, each figure beside a reference of the same run. Nothing fails on a number."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bailiwick_contracts.envelope import Actor
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.embedded import embedded
from services.run.logs import configure
from tests import servers
from tests.kernel.toy import ECHO, TOY, TakeToken

BOSS = Actor(actor="boss")
RUNS, LONE, CALLERS, EACH = 3, 200, 200, 10


async def _lone(one: Callable[[], Awaitable[object]]) -> list[float]:
    taken = []
    for _ in range(LONE):
        begun = time.perf_counter()
        await one()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)


async def _rate(callers: int, each: int, one: Callable[[], Awaitable[object]]) -> float:
    async def caller() -> None:
        for _ in range(each):
            await one()

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return callers * each / (time.perf_counter() - begun)


async def _measure(database_url: str | None, directory: Path) -> dict[str, float]:
    given = Settings(data_dir=directory, database_url=database_url)
    async with embedded(given, {"toy": lambda _: TOY, "echo": lambda _: ECHO}) as (settings, _):
        client = await connect(settings.nats_url, "bench")
        door = Door(settings.doors_dir)
        number = iter(range(10_000_000))

        async def command() -> object:
            request = TakeToken(holder_id=f"unbounded-{next(number)}")
            return await ask(client, door.sign(request, BOSS, "north-court"), TakeToken, "north-court")

        bare = await _echo(client)
        await _lone(command)
        lone = await _lone(command)
        reference = await _lone(bare)
        one_by_one = await _rate(1, LONE, command)
        together = await _rate(CALLERS, EACH, command)
        begun = time.perf_counter()
        sustained = CALLERS * EACH
        await _rate(CALLERS, EACH, command)
        await caught_up(client, "echo", "toy")
        taken_in = sustained / (time.perf_counter() - begun)
        await client.close()
    return {
        "lone command p50 ms": lone[LONE // 2],
        "lone command p99 ms": lone[int(LONE * 0.99)],
        "lone p50 / bare NATS request p50": lone[LONE // 2] / reference[LONE // 2],
        "one at a time, commands/s": one_by_one,
        f"{CALLERS} callers, commands/s": together,
        f"{CALLERS} callers / one at a time": together / one_by_one,
        "command to taken in by a second service, events/s": taken_in,
    }


async def _echo(client: Client) -> Callable[[], Awaitable[object]]:
    async def answer(message: Msg) -> None:
        await message.respond(message.data)

    await client.subscribe("bench.echo", cb=answer)
    return lambda: client.request("bench.echo", b"x" * 600)


def main() -> None:
    """Print medians of several runs on each database."""
    configure("ERROR")
    with tempfile.TemporaryDirectory() as directory, servers.postgres() as server:
        for name in ("sqlite", "postgresql"):
            runs = []
            for number in range(RUNS):
                place = Path(directory) / f"{name}-{number}"
                if name == "sqlite":
                    runs.append(asyncio.run(_measure(None, place)))
                else:
                    with servers.database(server) as url:
                        runs.append(asyncio.run(_measure(url, place)))
            print(f"{name} (median of {RUNS})")
            for measure in runs[0]:
                values = [run[measure] for run in runs]
                print(f"  {measure:<52} {statistics.median(values):10.1f}   {min(values):.1f}..{max(values):.1f}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
