"""The loop that handles again what a handler failed on, and hands on in order what waited behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from nats.errors import Error as NatsError

from services.kernel import parked
from services.kernel.due import microseconds
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.parked import Again, Row
from services.kernel.store import Store
from services.kernel.writer import Writer

LOG = structlog.get_logger()
PAGE = 200
POLL_SECONDS = 1.0
Feed = Callable[[str, str, int], Awaitable[list[bytes]]]
"""A source's facts of a property's chain after a number."""


class DeadLetters:
    """Tries parked facts again when their time comes, and hands on in order what waited behind them."""

    def __init__(
        self, service: str, store: Store, writer: Writer, feed: Feed, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`feed` reads the bytes of a fact again from its source."""
        self._service, self._store, self._writer, self._feed = service, store, writer, feed
        self._clock = clock or (lambda: datetime.now(UTC))
        self.turns = 0
        """Grows while the loop makes progress, or tries to."""

    def waits(self) -> bool:
        """It looks again and again, so it always has to move."""
        return True

    async def run(self) -> None:
        """Work until cancelled; a source or database that does not answer is asked again."""
        while True:
            go_on()
            self.turns += 1
            try:
                worked = await self.work()
            except Exception as error:  # noqa: BLE001 - whoever is away, what is parked stays parked
                LOG.warning("dead_letters.again", service=self._service, error=told(error))
                worked = False
            if not worked:
                await rest(POLL_SECONDS)

    async def work(self) -> bool:
        """Handle every row whose time came, with what waits behind each; False when there was none, or none went on.

        A source that does not answer holds up its own facts alone: it is not asked a second time in one turn.
        """
        done, away, known = 0, set[str](), -1
        while len(away) > known:  # a page of a source that is away hides what is due of others
            known = len(away)
            done += await self._page(await asyncio.to_thread(self._due, frozenset(away)), away)
        return done > 0

    async def _page(self, rows: list[Row], away: set[str]) -> int:
        """Handle these rows, and answer how many went on; a source that does not answer is added to those that are `away`."""
        done = 0
        for row in rows:
            self.turns += 1
            source = parked.service_of(row["source"])
            if source in away:
                continue
            following = await asyncio.to_thread(self._behind, row)
            try:
                raws = await self._raws([row, *following])
            except (NatsError, TimeoutError, OSError) as error:
                LOG.warning("dead_letters.away", service=self._service, source=source, error=told(error))
                away.add(source)
                continue
            works = [
                Again(one["source"], one["number"], raws[one["source"], one["number"]])
                for one in (row, *following)
                if (one["source"], one["number"]) in raws
            ]
            results = await asyncio.gather(*(self._writer.submit(work) for work in works))
            done += sum(result != "ignored" for result in results)
        return done

    def _due(self, away: frozenset[str]) -> list[Row]:
        with self._store.reading() as connection:
            return parked.due(connection, microseconds(self._clock()), PAGE, without=away)

    def _behind(self, row: Row) -> list[Row]:
        with self._store.reading() as connection:
            return parked.behind(connection, row["lane"], row["version"], PAGE)

    async def _raws(self, rows: list[Row]) -> dict[tuple[str, int], bytes]:
        """The facts' bytes from their source, as far as it gives them; a page holds more than one of them."""
        found: dict[tuple[str, int], bytes] = {}
        for row in rows:
            source, number = row["source"], row["number"]
            if (source, number) in found:
                continue
            page = await self._feed(parked.service_of(source), source.partition(":")[2], number - 1)
            if not page:
                LOG.warning("dead_letters.source", service=self._service, source=source, number=number)
                break
            found |= {(source, number + index): raw for index, raw in enumerate(page)}
        return found
