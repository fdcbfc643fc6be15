"""Keeps a running service's views current: what the code folds differently than the store's rows is rebuilt at the start."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.lease import Lease
from services.kernel.rebuild import Feed, Rebuild, RebuildError, together
from services.kernel.service import Service, View
from services.kernel.store import Store
from services.kernel.versions import to_rebuild

LOG = structlog.get_logger()
T = TypeVar("T")
LOOK_SECONDS = 30.0
AGAIN_SECONDS = 2.0
FEED_SECONDS = 5.0
AsyncFeed = Callable[[str, str, int], Awaitable[list[bytes]]]


def waited_for(feed: AsyncFeed, loop: asyncio.AbstractEventLoop) -> Feed:
    """A feed that a thread beside the loop waits for, at most 5 seconds."""

    def read(service: str, property_id: str, after: int) -> list[bytes]:
        asked = asyncio.run_coroutine_threadsafe(_read(feed, service, property_id, after), loop)
        return asked.result(FEED_SECONDS)

    return read


async def _read(feed: AsyncFeed, service: str, property_id: str, after: int) -> list[bytes]:
    return await feed(service, property_id, after)


async def aside(work: Callable[[], T], stop: threading.Event) -> T:
    """What a rebuild comes to on a thread beside the loop; cancelled, it is stopped between two pages, and waited for."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    finally:
        stop.set()
        await asyncio.gather(working, return_exceptions=True)


class Rebuilding:
    """The part of a running service that rebuilds; only one of its instances does at a time."""

    def __init__(self, service: Service, store: Store, feed: AsyncFeed) -> None:
        """`feed` gives the facts of other services."""
        self._service, self._store, self._feed = service, store, feed
        self.turns = 0
        """Grows while views are looked at or folded."""
        self.busy = False
        self.progress = (0, 0)
        """Facts folded, and facts there are, of the rebuild in progress or of the last one."""

    def waits(self) -> bool:
        """Whether a view is being rebuilt."""
        return self.busy

    async def run(self) -> None:
        """Look again from time to time, until cancelled: a mended dead letter may have marked a view."""
        while True:
            go_on()
            await rest(LOOK_SECONDS)
            try:
                await self.until_current()
            except Exception as error:  # noqa: BLE001 - the database may be away; it is looked at again
                LOG.warning("rebuild.again", service=self._service.name, error=told(error))

    async def until_current(self) -> None:
        """Return once every view is of the code's version, by this instance's work or another's."""
        if not await asyncio.to_thread(self._outdated):
            return
        lease = Lease(self._store, "rebuild")
        beating = asyncio.create_task(lease.run())
        self.busy = True
        try:
            while outdated := await asyncio.to_thread(self._outdated):
                go_on()
                if not lease.taken.is_set():
                    await rest(0.2)
                    continue
                try:
                    await self._rebuild(together(self._service, outdated[0].name))
                except RebuildError as error:
                    LOG.error("rebuild.failed", service=self._service.name, error=str(error)[:300])
                    await rest(AGAIN_SECONDS)
        finally:
            self.busy = False
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    def _outdated(self) -> list[View]:
        self.turns += 1
        with self._store.reading() as connection:
            return to_rebuild(self._service, connection)

    async def _rebuild(self, views: list[View]) -> None:
        stop = threading.Event()
        feed = waited_for(self._feed, asyncio.get_running_loop())
        made = Rebuild(self._service, self._store, views, feed, progress=self._moved, stop=stop, tries=None)
        done = await aside(made.run, stop)
        LOG.warning(
            "rebuild.done",
            service=self._service.name,
            views=done.views,
            facts=done.facts,
            seconds=round(done.seconds, 1),
        )

    def _moved(self, done: int, total: int) -> None:
        self.turns += 1
        self.progress = (done, total)
