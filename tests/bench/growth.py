"""What a log of a million facts does to every rate: the same work on a store of 10,000 and of 1,000,000."""

import statistics
import time
from collections.abc import Callable, Iterator

from bailiwick_contracts.envelope import read_command, read_event

from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.store import LOG_POSITION, Head, Store, StoredFact
from services.kernel.work import Intake
from services.kernel.writer import Writer
from tests.bench.figures import Figures
from tests.bench.place import BOSS, PLACE, Place
from tests.bench.streams import filled
from tests.bench.toys import ECHO, TOY, TakeMany
from tests.kernel.toy import HOLDER, TakeToken

FEW, MANY, PAGE, TIMES = 10_000, 1_000_000, 10_000, 5


class _Bench:
    """The toy's store, a writer on it, and an echo that takes in from it."""

    def __init__(self, place: Place) -> None:
        self.store: Store = filled(place, FEW)
        self.writer: Writer = place.writer(TOY, self.store)
        self.echoed: Store = place.store(ECHO)
        self.echo: Writer = place.writer(ECHO, self.echoed)
        self.door, self.keys = Door(place.directory / "doors"), KeyStore(place.directory / "keys")
        self._numbers: Iterator[int] = iter(range(10_000_000, 100_000_000))
        self._taken = 0
        for _ in range(100):
            request = TakeToken(holder_id="unbounded-state")
            self.writer.process([read_command(self.door.sign(request, BOSS, PLACE), TakeToken)])

    def grow(self, until: int) -> None:
        """Facts like those that are there in both logs, written straight into them, each in a stream of its own."""
        self.intake()
        for store in (self.store, self.echoed):
            with store.reading() as connection:
                position, chain = store.head(connection, LOG_POSITION).number, store.head(connection, PLACE)
            pattern, number = store.after(position - 1, 1)[0], chain.number
            while position < until:
                facts = []
                for _ in range(min(PAGE, until - position)):
                    position, number = position + 1, number + 1
                    facts.append(StoredFact(position, f"grown-{position}", 1, pattern.type, pattern.raw, PLACE, number))
                with store.transaction() as connection:
                    store.append(connection, facts)
                    store.set_heads(connection, {PLACE: Head(number, chain.hash)})
            with store.transaction() as connection:
                connection.exec_driver_sql("ANALYZE facts")  # as autovacuum does within a minute

    def bulk(self) -> int:
        """Bulk commands of 1,000 facts with their view rows."""
        for _ in range(4):
            first = next(self._numbers) * 1_000
            request = TakeMany(first=first, count=1_000)
            self.writer.process([read_command(self.door.sign(request, BOSS, PLACE), TakeMany)])
        return 4_000

    def alone(self) -> int:
        """Commands one to a transaction."""
        for _ in range(200):
            request = TakeToken(holder_id=f"unbounded-{next(self._numbers)}")
            self.writer.process([read_command(self.door.sign(request, BOSS, PLACE), TakeToken)])
        return 200

    def intake(self) -> int:
        """Taking in another service's facts, 500 at a time, with a reaction and a copy each."""
        facts = self.store.chain(PLACE, self._taken, 1_000)
        log = read_event(facts[0].raw).log
        for start in range(0, len(facts), 500):
            (failed,) = self.echo.process([Intake(f"{log}:{PLACE}", tuple(f.raw for f in facts[start : start + 500]))])
            if failed is not None:
                raise failed
        self._taken += len(facts)
        return len(facts)

    def read(self) -> int:
        """The end of the log in pages of 500, as the relay reads it."""
        last = self.store.max_notification_id() or 0
        return sum(len(self.store.after(last - 5_000 + start, 500)) for start in range(0, 5_000, 500))

    def state(self) -> int:
        """The state of one stream of 100 facts, from the store."""
        for _ in range(20):
            with self.store.reading() as connection:
                QueryReading(TOY, self.store, self.keys, connection).state(HOLDER, "holder-unbounded-state")
        return 2_000

    def works(self) -> dict[str, Callable[[], int]]:
        """Each kind of work; every one answers how many facts it was about."""
        return {
            "bulk command": self.bulk,
            "command alone": self.alone,
            "taking in": self.intake,
            "reading the log": self.read,
            "state of 100 facts": self.state,
        }


def _rate(work: Callable[[], int]) -> float:
    begun = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - begun)


def growth(place: Place) -> Figures:
    """Each rate on stores of 10,000 and of 1,000,000 facts in turn, and what the long logs leave of it."""
    with place.another("many") as beside:
        few, many = _Bench(place), _Bench(beside)
        many.grow(MANY)
        figures: Figures = {}
        for name, work in few.works().items():
            pairs = [(_rate(work), _rate(many.works()[name])) for _ in range(TIMES)]
            figures[f"{name} at 10,000, facts/s"] = statistics.median(one for one, _ in pairs)
            figures[f"{name} at 1,000,000 / at 10,000"] = statistics.median(other / one for one, other in pairs)
    return figures
