"""Parts are killed at named points and at random, doubled, paused and asked to end."""

import asyncio
import random
import subprocess
import time

from tests.crash.faults.fault import Fault
from tests.crash.parts import PARTS
from tests.crash.system import System
from tests.kernel.toy import TakeToken


def at(part: str, point: str, most: int = 3) -> Fault:
    """A part that kills itself at a named point."""

    async def fault(system: System, chance: random.Random, soak: bool) -> None:
        system.restart(part, crash_at=f"{point}:{chance.randint(1, most if soak else 1)}")
        await _until_ended(system, system.processes[part], chance)

    return fault


async def any_part(system: System, chance: random.Random, soak: bool) -> None:
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        system.restart(chance.choice((*PARTS, "nats")))


async def two_relays(system: System, chance: random.Random, soak: bool) -> None:
    system.start("relay2")
    await asyncio.sleep(chance.uniform(1, 2))
    system.kill("relay2")


async def consumer_slow(system: System, chance: random.Random, soak: bool) -> None:
    """Echo stands still, in the soak for longer than the broker waits for an acknowledgement."""
    system.pause("echo")
    await asyncio.sleep(12 if soak else 3)
    system.resume("echo")


async def terminated(system: System, chance: random.Random, soak: bool) -> None:
    """SIGTERM to each part in turn, in the middle of its work: it ends with 0 within the 20 seconds that are promised."""
    for part in ("toy", "echo"):
        await asyncio.sleep(chance.uniform(0, 0.5))
        begun = time.monotonic()
        code = await asyncio.to_thread(system.stop, part)
        assert (code, time.monotonic() - begun < 20) == (0, True), (part, code)
        if system.processes[part].poll() is not None:
            system.start(part)


async def timer_killed(system: System, chance: random.Random, soak: bool) -> None:
    """Killed while a timer is being decided, its row read and nothing written."""
    system.restart("toy", crash_at=f"timer-due:{chance.randint(1, 3 if soak else 1)}")
    doomed = system.processes["toy"]
    client = await system.client()
    try:
        for _ in range(4):
            await system.timed(client, chance, 0.3)
    finally:
        await client.close()
    await _until_ended(system, doomed, chance)


async def lease_taker_killed(system: System, chance: random.Random, soak: bool) -> None:
    """The one that would take over is killed in the moment it does."""
    for part in chance.sample(PARTS, 3 if soak else 1):
        system.restart(part, crash_at="lease-take")
        await _until_ended(system, system.processes[part], chance)


async def retry_killed(system: System, chance: random.Random, soak: bool) -> None:
    """A handler fails on a fact, and echo is killed while it handles that fact again; the handler is mended, and it is taken in."""
    holder = f"unbounded-poisoned-{system.flows}"
    poison = system.directory / "poison"
    poison.write_text(holder)
    system.parked.add(holder)
    system.environment["echo"] = system.environment.get("echo", {}) | {"TOY_POISON": str(poison)}
    system.restart("echo", crash_at=f"parked-again:{chance.randint(1, 2 if soak else 1)}")
    doomed = system.processes["echo"]
    client = await system.client()
    try:
        for number in range(3):
            request = TakeToken(holder_id=holder)
            await system.until_answered(client, request, f"poisoned-{system.flows}-{number}", "north-court")
    finally:
        await client.close()
    await _until_ended(system, doomed, chance)
    poison.write_text("")


async def _until_ended(system: System, process: subprocess.Popen[bytes], chance: random.Random) -> None:
    """Until the crash point was reached, with work enough to reach it."""
    client = await system.client()
    deadline = time.monotonic() + 90
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline, "the crash point was not reached"
            await system.timed(client, chance, 1)
            await asyncio.sleep(0.2)
    finally:
        await client.close()
