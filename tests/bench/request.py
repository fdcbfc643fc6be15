"""Commands over the bus: alone, one at a time, and two hundred callers at once; the callers are another process."""

from services.run.embedded import embedded
from tests.bench.figures import Figures
from tests.bench.place import Place, child, spending
from tests.bench.toys import TOY

ALONE, CALLERS, EACH = 300, 200, 20


async def requests(place: Place) -> Figures:
    """Latencies and rates of signed commands against the embedded system, with its log published meanwhile."""
    async with embedded(place.settings, {"toy": lambda _: TOY}) as (settings, _):

        async def load(callers: int, each: int, first: int) -> dict[str, float | list[float]]:
            return await child("load", settings.nats_url, settings.doors_dir, callers, each, first)

        await load(1, 50, 0)
        alone = await load(1, ALONE, 100_000)
        taken = sorted(alone["taken"])  # type: ignore[arg-type]
        with spending() as spent:
            together = await load(CALLERS, EACH, 200_000)
    one, many = ALONE / alone["seconds"], CALLERS * EACH / together["seconds"]  # type: ignore[operator]
    return {
        "lone command to its answer, p50 ms": taken[ALONE // 2],
        "lone command to its answer, p99 ms": taken[int(ALONE * 0.99)],
        "one at a time, commands/s": one,
        "200 callers, commands/s": many,
        "200 callers / one at a time": many / one,
        "200 callers, cpu µs a command (signing and servers included)": spent.cpu / (CALLERS * EACH) * 1e6,
    }
