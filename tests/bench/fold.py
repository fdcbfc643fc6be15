"""The state of one stream of 1,000 stored facts, beside an aggregate of `eventsourcing` as it comes, on SQLite."""

import time
from typing import Any
from uuid import UUID

from bailiwick_contracts.envelope import read_command
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.unit import QueryReading
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place
from tests.bench.toys import TOY
from tests.kernel.toy import HOLDER, TakeToken

FACTS, TIMES = 1_000, 5


class Holder(Aggregate):
    """The toy's holder, as the library's documentation writes one."""

    def __init__(self, holder_id: str) -> None:
        self.holder_id, self.count = holder_id, 0

    @event("Taken")
    def take(self, holder_id: str, count: int, actor: str, command_id: str) -> None:
        """One more."""
        self.count = count


def _library(place: Place) -> float:
    application: Application[UUID] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(place.directory / "library.sqlite")}
    )
    holder = Holder("ann")
    for number in range(FACTS - 1):
        holder.take("ann", number + 1, "boss", f"command-{number}")
    application.save(holder)
    begun = time.perf_counter()
    for _ in range(TIMES):
        found: Any = application.repository.get(holder.id)
        if found.count != FACTS - 1:
            raise RuntimeError("the library lost something")
    taken = time.perf_counter() - begun
    application.close()
    return taken


def fold(place: Place) -> Figures:
    """Facts a second from the store to the state, and against the library's repository."""
    store = place.store(TOY)
    writer, door, keys = place.writer(TOY, store), Door(place.directory / "doors"), KeyStore(place.directory / "keys")
    commands = [read_command(door.sign(TakeToken(holder_id="unbounded"), BOSS, PLACE), TakeToken) for _ in range(FACTS)]
    for start in range(0, FACTS, 500):
        writer.process(commands[start : start + 500])
    begun = time.perf_counter()
    for _ in range(TIMES):
        with store.reading() as connection:
            if QueryReading(TOY, store, keys, connection).state(HOLDER, "holder-unbounded").count != FACTS:
                raise RuntimeError("a fact is missing")
    taken = time.perf_counter() - begun
    return {
        "fold, facts/s": FACTS * TIMES / taken,
        "fold of 1,000 stored facts / eventsourcing as shipped": _library(place) / taken,
    }
