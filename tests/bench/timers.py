"""Five thousand timers due at one instant, decided by the loop of a running service."""

import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from bailiwick_contracts.envelope import read_command

from services.kernel.doors import Door
from services.kernel.due import TIMERS
from services.kernel.timers import Timers
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place
from tests.bench.streams import until
from tests.bench.toys import TOY
from tests.kernel.toy import GiveTokenBack, TakeToken

COUNT, AT_ONCE = 5_000, 500


async def timers(place: Place) -> Figures:
    """Seconds from the instant they were due to the last decision, each decided once."""
    store = place.store(TOY)
    writer, door = place.writer(TOY, store), Door(place.directory / "doors")
    due_at = datetime.now(UTC) + timedelta(hours=1)
    for start in range(0, COUNT, AT_ONCE):
        asked = (
            TakeToken(holder_id=f"h-{number}", back_at=due_at, back=GiveTokenBack(holder_id=f"h-{number}"))
            for number in range(start, start + AT_ONCE)
        )
        writer.process([read_command(door.sign(one, BOSS, PLACE), TakeToken) for one in asked])
    before = store.max_notification_id() or 0
    loop = Timers("toy", store, writer, clock=lambda: due_at)
    writing = asyncio.create_task(writer.run())
    seconds = await until(lambda: loop.fired == COUNT, loop.run())
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    with store.reading() as connection:
        left = connection.execute(sa.select(sa.func.count()).select_from(TIMERS)).scalar()
    decided = (store.max_notification_id() or 0) - before
    if left or decided != COUNT:
        raise RuntimeError(f"{decided} of {COUNT} were decided, {left} are left")
    return {"5,000 timers due at once, seconds to the last": seconds}
