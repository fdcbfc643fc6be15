"""A process of its own that sends signed toy commands: `python -m tests.bench.load URL DOORS CALLERS EACH FIRST [SUBJECT]`.

The commands are signed before the clock starts, so what is measured is the system and the way to it. Each caller sends its
next command when the last one is answered. With a SUBJECT they go there and not to the service. Prints one JSON object: seconds, and
the milliseconds each command took.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.subjects import subject_of
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.kernel.doors import Door
from tests.kernel.toy import TakeToken

PLACE = "north-court"
WARM_UP = 50


async def _send(client: Client, subject: str, bodies: list[bytes], callers: int) -> tuple[float, list[float]]:
    """Have every body answered, `callers` of them on the way at a time."""
    inbox = client.new_inbox()
    begun, taken = [0.0] * len(bodies), [0.0] * len(bodies)
    waiting = iter(range(len(bodies)))
    left, done = len(bodies), asyncio.Event()

    async def send() -> None:
        index = next(waiting, None)
        if index is not None:
            begun[index] = time.perf_counter()
            await client.publish(subject, bodies[index], reply=f"{inbox}.{index}")

    async def on_answer(message: Msg) -> None:
        nonlocal left
        index = int(message.subject.rpartition(".")[2])
        taken[index] = (time.perf_counter() - begun[index]) * 1000
        if b'"outcome":"done"' not in message.data:
            raise RuntimeError(f"not done: {message.data[:300]!r}")
        left -= 1
        if left == 0:
            done.set()
        await send()

    subscription = await client.subscribe(f"{inbox}.*", cb=on_answer)
    first = time.perf_counter()
    for _ in range(callers):
        await send()
    await asyncio.wait_for(done.wait(), 120)
    seconds = time.perf_counter() - first
    await subscription.unsubscribe()
    return seconds, taken


async def _run(url: str, doors: Path, subject: str, callers: int, each: int, first: int) -> dict[str, object]:
    door, boss = Door(doors), Actor(actor="boss")
    bodies = [
        door.sign(TakeToken(holder_id=f"unbounded-{first + number}"), boss, PLACE)
        for number in range(WARM_UP + callers * each)
    ]
    client = Client()
    await client.connect(url)
    await _send(client, subject, bodies[:WARM_UP], min(callers, WARM_UP))
    used = time.process_time()
    seconds, taken = await _send(client, subject, bodies[WARM_UP:], callers)
    used = time.process_time() - used
    await client.close()
    return {"seconds": seconds, "taken": taken, "cpu": used}


if __name__ == "__main__":
    URL, DOORS, CALLERS, EACH, FIRST, *SUBJECT = sys.argv[1:]
    TO = SUBJECT[0] if SUBJECT else subject_of(TakeToken.wire(), PLACE, "command")
    print(json.dumps(asyncio.run(_run(URL, Path(DOORS), TO, int(CALLERS), int(EACH), int(FIRST)))))
