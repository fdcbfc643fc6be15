"""The state of one stream of 1,000 stored facts, beside an aggregate of `eventsourcing` as it comes, on the same database."""

import time
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from bailiwick_contracts.envelope import read_command
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place
from tests.bench.toys import TOY
from tests.kernel.toy import HOLDER, TakeToken

FACTS, TIMES = 1_000, 10


class Holder(Aggregate):
    """The toy's holder, as the library's documentation writes one."""

    def __init__(self, holder_id: str) -> None:
        self.holder_id, self.count = holder_id, 0

    @event("Taken")
    def take(self, holder_id: str, count: int, actor: str, command_id: str) -> None:
        """One more."""
        self.count = count


def _library(place: Place) -> Application[UUID]:
    """The library with its own recorder of this database."""
    if place.database_url is None:
        given = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(place.directory / "library.sqlite")}
        return Application(env=given)
    url = sa.make_url(place.database_url)
    return Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": url.database or "",
            "POSTGRES_HOST": str(url.query.get("host", url.host or "")),
            "POSTGRES_PORT": str(url.query.get("port", url.port or 5432)),
            "POSTGRES_USER": url.username or "",
            "POSTGRES_PASSWORD": url.password or "none",
        }
    )


def fold(place: Place) -> Figures:
    """Facts a second from the store to the state, and against the library's repository, each in turn."""
    store = place.store(TOY)
    writer, door, keys = place.writer(TOY, store), Door(place.directory / "doors"), KeyStore(place.directory / "keys")
    commands = [read_command(door.sign(TakeToken(holder_id="unbounded"), BOSS, PLACE), TakeToken) for _ in range(FACTS)]
    for start in range(0, FACTS, 500):
        writer.process(commands[start : start + 500])
    library, holder = _library(place), Holder("ann")
    for number in range(FACTS - 1):
        holder.take("ann", number + 1, "boss", f"command-{number}")
    library.save(holder)
    ours = theirs = 0.0
    for _ in range(TIMES):
        begun = time.perf_counter()
        with store.reading() as connection:
            if QueryReading(TOY, store, keys, connection).state(HOLDER, "holder-unbounded").count != FACTS:
                raise RuntimeError("a fact is missing")
        between = time.perf_counter()
        found: Any = library.repository.get(holder.id)
        if found.count != FACTS - 1:
            raise RuntimeError("the library lost something")
        theirs += time.perf_counter() - between
        ours += between - begun
    library.close()
    return {
        "fold, facts/s": FACTS * TIMES / ours,
        "fold of 1,000 stored facts / eventsourcing as shipped": theirs / ours,
    }
