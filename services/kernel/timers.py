"""The loop that turns what is due into commands: one per instance of a service, asleep until the next timer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from services.kernel.due import Due, due_until, next_due
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.store import Store
from services.kernel.writer import Writer

LOG = structlog.get_logger()
PAGE = 500
POLL_SECONDS = 2.0
"""How long a timer may go unnoticed that another instance set and did not live to turn into a command."""
WAIT_SECONDS = (0.2, 1, 2, 5)


class Timers:
    """Submits what is due to the writer, a page at a time. Two may run: the row under the lock decides whose counts."""

    def __init__(
        self, service: str, store: Store, writer: Writer, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`clock` answers the current instant in UTC."""
        self._service, self._store, self._writer = service, store, writer
        self._clock = clock or (lambda: datetime.now(UTC))
        self.fired = 0
        self.turns = 0
        """Grows while the loop makes progress, or tries to."""

    def waits(self) -> bool:
        """It looks again and again, so it always has to move."""
        return True

    async def run(self) -> None:
        """Work until cancelled; while the database fails, look again later each time."""
        attempt = 0
        while True:
            go_on()
            self.turns += 1
            self._writer.timers_changed.clear()
            try:
                due, upcoming = await asyncio.to_thread(self._look)
                if due:
                    await self._fire(due)
            except Exception as error:  # noqa: BLE001 - the database may be away; nothing that is due is lost
                LOG.warning("timers.again", service=self._service, error=told(error))
                await rest(WAIT_SECONDS[min(attempt, len(WAIT_SECONDS) - 1)])
                attempt += 1
                continue
            attempt = 0
            if not due:
                await self._sleep(upcoming)

    def _look(self) -> tuple[list[Due], datetime | None]:
        with self._store.reading() as connection:
            upcoming = next_due(connection)
            now = self._clock()
            due = due_until(connection, now, PAGE) if upcoming is not None and upcoming <= now else []
            return due, upcoming

    async def _sleep(self, until: datetime | None) -> None:
        seconds = POLL_SECONDS if until is None else min(POLL_SECONDS, (until - self._clock()).total_seconds())
        try:
            async with asyncio.timeout(max(0.001, seconds)):
                await self._writer.timers_changed.wait()
        except TimeoutError:
            return

    async def _fire(self, due: list[Due]) -> None:
        results = await asyncio.gather(*(self._submit(one) for one in due))
        self.fired += sum(result is not None and not isinstance(result, Exception) for result in results)
        for error in results:
            if isinstance(error, Exception):
                raise error

    async def _submit(self, due: Due) -> Any:
        try:
            return await self._writer.submit(due)
        except Exception as error:  # noqa: BLE001 - the database is away or too much waits; the others are still awaited
            return error
