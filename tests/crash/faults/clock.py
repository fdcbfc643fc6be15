"""The clock of the services jumps an hour ahead, an hour back, and is put right, with timers waiting."""

import asyncio
import random

from tests.crash.system import System

HOUR = 3_600


async def jumps(system: System, chance: random.Random, soak: bool) -> None:
    """Nothing is recorded before what was recorded already, and each timer fires once."""
    clock = system.directory / "clock"
    for part in ("toy", "echo"):
        system.environment[part] = system.environment.get(part, {}) | {"TOY_CLOCK": str(clock)}
        system.restart(part)
    client = await system.client()
    try:
        for beside in (HOUR, -HOUR, chance.uniform(-HOUR, HOUR), 0):
            await system.timed(client, chance, chance.choice((0.5, 2)))
            clock.write_text(str(beside))
            await asyncio.sleep(chance.uniform(0.2, 1))
            await system.timed(client, chance, 0.5)
    finally:
        clock.write_text("0")
        await client.close()
