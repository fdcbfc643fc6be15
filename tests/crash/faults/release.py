"""Two releases side by side, and back to the older one: an old reader survives a new writer, and the other way round."""

import asyncio
import random

from nats.aio.client import Client

from tests.crash.system import System
from tests.kernel.toy import TakeToken

NEXT = {"TOY_RELEASE": "next"}


async def upgraded_and_back(system: System, chance: random.Random, soak: bool) -> None:
    """Toy is upgraded under an older echo; then both releases of toy run on one database; then the older one alone."""
    client = await system.client()
    try:
        system.environment["toy"] = system.environment.get("toy", {}) | NEXT
        system.restart("toy")
        await _taken(system, client, "by-next")
        assert await _marked(system), "the next release did not write"
        system.start("toy2")
        await _taken(system, client, "by-either")
        await asyncio.sleep(chance.uniform(0.5, 3 if soak else 1))
        system.kill("toy2")
        system.environment["toy"] = {k: v for k, v in system.environment["toy"].items() if k not in NEXT}
        system.restart("toy")
        await _taken(system, client, "by-last")
    finally:
        await client.close()


async def _taken(system: System, client: Client, name: str) -> None:
    for number in range(3):
        request = TakeToken(holder_id="unbounded-release")
        await system.until_answered(client, request, f"{name}-{system.flows}-{number}", "south-court")


async def _marked(system: System) -> bool:
    store = system.store("toy")
    try:
        stored = await asyncio.to_thread(store.after, 0, 10_000_000)
    finally:
        store.close()
    return any(fact.type == "toy.token_marked.v1" for fact in stored)
