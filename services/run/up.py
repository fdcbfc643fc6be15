"""`bailiwick up`: NATS and the services as children of a process that does nothing but start them again."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence

import structlog

from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.settings import Settings
from services.run.nats import EmbeddedNats, die_with_parent, free_port
from services.run.place import StartError, announced, taken

LOG = structlog.get_logger()
READY_SECONDS = 60
RESTART_SECONDS = (0.2, 1, 2, 5, 10)
SETTLED_SECONDS = 60
STOP_SECONDS = 16


class Child:
    """The process of the services. However it exits, it is started again, later each time, until it runs for a minute."""

    def __init__(self, settings: Settings, names: Sequence[str]) -> None:
        """Serve the named services on the data directory and the NATS of `settings`."""
        self._settings, self._names = settings, names
        self._process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.rebuilding_at = 0.0
        """When it last said that a view is being rebuilt, by the monotonic clock."""
        self.exits: list[int] = []
        """How it ended each time; `services.kernel.liveness.ExitCode` says what the codes mean."""

    async def run(self) -> None:
        """Run it until cancelled, then have it end."""
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(self._settings.data_dir.absolute()),
            "BAILIWICK_NATS_URL": self._settings.nats_url,
            "BAILIWICK_HTTP_PORT": str(self._settings.http_port),
            "BAILIWICK_LOG_LEVEL": os.environ.get("BAILIWICK_LOG_LEVEL", "WARNING"),
        }
        attempt = 0
        try:
            while True:
                go_on()
                begun = time.monotonic()
                wait = RESTART_SECONDS[min(attempt, len(RESTART_SECONDS) - 1)]
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        sys.executable, "-m", "services.cli.entry", "serve", *self._names,
                        env=environment, stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_parent, start_new_session=True,
                    )  # fmt: skip
                except OSError as error:  # the machine has no room for it now
                    LOG.error("services.start", error=told(error), restart_in_seconds=wait)
                else:
                    await self._read(self._process)
                    self.exits.append(await self._process.wait())
                    self.ready.clear()
                    if time.monotonic() - begun > SETTLED_SECONDS:
                        attempt, wait = 0, RESTART_SECONDS[0]
                    LOG.error("services.exited", code=self.exits[-1], restart_in_seconds=wait)
                await rest(wait)
                attempt += 1
        finally:
            await self._stop()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        async for line in process.stdout:
            if line == b"ready\n":
                self.ready.set()
            elif line == b"rebuilding\n":
                self.rebuilding_at = time.monotonic()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def up(settings: Settings, names: Sequence[str]) -> AsyncIterator[tuple[Settings, Child]]:
    """The whole system below `settings.data_dir`, for as long as the context is open.

    Raises:
        StartError: another one runs on the same data directory, or a part does not start.
    """
    with taken(settings.data_dir):
        nats = EmbeddedNats(settings.data_dir / "nats")
        settings = settings.model_copy(update={"nats_url": nats.url, "http_port": settings.http_port or free_port()})
        child = Child(settings, names)
        server, services = asyncio.create_task(nats.run()), asyncio.create_task(child.run())
        try:
            with announced(settings):  # so that it can be asked why it is not ready yet
                await _until_ready(child, server, services)
                yield settings, child
        finally:
            for task in (services, server):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _until_ready(child: Child, server: asyncio.Task[None], services: asyncio.Task[None]) -> None:
    """Wait until it is ready; the time that a view takes to be rebuilt does not count."""
    ready = asyncio.create_task(child.ready.wait())
    begun = time.monotonic()
    while not ready.done():
        left = max(begun, child.rebuilding_at) + READY_SECONDS - time.monotonic()
        if left <= 0:
            ready.cancel()
            raise StartError(
                f"not ready after {READY_SECONDS} s; the log names what does not start, and why"
                + (f"; the services ended with {child.exits}" if child.exits else "")
            )
        done, _ = await asyncio.wait({ready, server, services}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {ready}:
            task.result()
