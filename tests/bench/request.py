"""Commands over the bus: alone, one at a time, and two hundred callers at once; the callers are another process.

Beside them what the machine gives: a bare NATS request under the same load, and one standard piece of work of the processor.
"""

import json
import statistics
import time

from nats.aio.msg import Msg

from services.kernel.bus import connect
from services.run.embedded import embedded
from tests.bench.figures import Figures
from tests.bench.place import Place, child, spending
from tests.bench.toys import TOY

ALONE, CALLERS, EACH = 300, 200, 20
ECHO = "bench.echo"
_DOCUMENT = json.dumps({f"name-{number}": [number, str(number), None, number / 7] for number in range(88)})


async def requests(place: Place) -> Figures:
    """Latencies and rates of signed commands against the embedded system, with its log published meanwhile."""
    async with embedded(place.settings, {"toy": lambda _: TOY}) as (settings, _):

        async def load(callers: int, each: int, first: int, *subject: str) -> dict[str, float | list[float]]:
            return await child("load", settings.nats_url, settings.doors_dir, callers, each, first, *subject)

        async def echo(message: Msg) -> None:
            await message.respond(b'{"outcome":"done"}')

        client = await connect(settings.nats_url, "echo")
        await client.subscribe(ECHO, cb=echo)
        bare = await load(1, ALONE, 0, ECHO)
        await load(1, 50, 0)
        alone = await load(1, ALONE, 100_000)
        taken = sorted(alone["taken"])  # type: ignore[arg-type]
        bare_together = await load(CALLERS, EACH, 0, ECHO)
        with spending() as spent:
            together = await load(CALLERS, EACH, 200_000)
        await client.close()
    one, many = ALONE / alone["seconds"], CALLERS * EACH / together["seconds"]  # type: ignore[operator]
    bare_p50 = statistics.median(bare["taken"])  # type: ignore[arg-type]
    return {
        "this machine: 4 kB of JSON read by the standard library, µs": _reading_json(),
        "this machine: a bare NATS request, p50 ms": bare_p50,
        "lone command to its answer, p50 ms": taken[ALONE // 2],
        "lone command to its answer, p99 ms": taken[int(ALONE * 0.99)],
        "lone command, p50 / a bare NATS request": taken[ALONE // 2] / bare_p50,
        "one at a time, commands/s": one,
        "200 callers, commands/s": many,
        "200 callers / one at a time": many / one,
        "200 callers, commands / bare NATS requests": many * bare_together["seconds"] / (CALLERS * EACH),  # type: ignore[operator]
        "200 callers, cpu µs a command (signing and servers included)": spent.cpu / (CALLERS * EACH) * 1e6,
    }


def _reading_json(rounds: int = 200) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        json.loads(_DOCUMENT)
        taken.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(taken)
