"""The embedded run: NATS as a child, every service in this process, each restarted when it exits."""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO

import structlog

from services.kernel.app import Runtime
from services.kernel.bus import DriftError
from services.kernel.relay import RestoredStoreError
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.settings import Settings
from services.run.nats import EmbeddedNats

LOG = structlog.get_logger()
READY_SECONDS = 30
RESTART_SECONDS = (0.5, 1, 2, 5, 10)
ServiceFactory = Callable[[KeyStore], Service]


class StartError(Exception):
    """The system did not become ready; the message says which part, and why."""


class Supervisor:
    """Runs services in this process; one that fails is started again, later each time."""

    def __init__(self, settings: Settings, factories: Mapping[str, ServiceFactory]) -> None:
        """`factories` makes each service from the keys of the installation."""
        self._settings, self._factories = settings, factories
        self.runtimes: dict[str, Runtime] = {}
        self.failures: dict[str, str] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, factory in self._factories.items():
                group.create_task(self._keep(name, factory))

    async def _keep(self, name: str, factory: ServiceFactory) -> None:
        attempt = 0
        while True:
            try:
                keys = KeyStore(self._settings.keys_dir)
                self.runtimes[name] = runtime = Runtime(factory(keys), self._settings, keys)
                await runtime.run()
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is named and started again
                causes = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
                self.failures[name] = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
                lasting = any(isinstance(cause, DriftError | RestoredStoreError) for cause in causes)
                LOG.error("service.exited", service=name, error=self.failures[name][:500], needs_a_person=lasting)
            self.restarts += 1
            await asyncio.sleep(RESTART_SECONDS[min(attempt, len(RESTART_SECONDS) - 1)])
            attempt += 1

    def _waiting(self) -> list[str]:
        return [n for n in self._factories if n not in self.runtimes or not self.runtimes[n].ready.is_set()]

    async def wait_ready(self) -> None:
        """Return once every service takes commands. Raises StartError after 30 seconds."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                # A service that failed comes back as a new runtime, so they are looked up again each time.
                while self._waiting():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            waiting = {name: self.failures.get(name, "still starting") for name in self._waiting()}
            raise StartError(f"not ready after {READY_SECONDS} s: {waiting}") from None


@contextlib.asynccontextmanager
async def embedded(
    settings: Settings, factories: Mapping[str, ServiceFactory]
) -> AsyncIterator[tuple[Settings, Supervisor]]:
    """Everything running below `settings.data_dir`, for as long as the context is open.

    Raises:
        StartError: another one runs on the same data directory, or a part does not start.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = _take_lock(settings.data_dir)
    nats = EmbeddedNats(settings.data_dir / "nats")
    settings = settings.model_copy(update={"nats_url": nats.url})
    supervisor = Supervisor(settings, factories)
    server = asyncio.create_task(nats.run())
    services = asyncio.create_task(supervisor.run())
    try:
        await supervisor.wait_ready()
        note = settings.data_dir / "running.json"
        note.write_text(json.dumps({"nats_url": nats.url, "pid": os.getpid()}))
        yield settings, supervisor
    finally:
        (settings.data_dir / "running.json").unlink(missing_ok=True)
        for task in (services, server):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        lock.close()


def _take_lock(directory: Path) -> IO[str]:
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StartError(f"a system runs on {directory} already; stop it, or name another BAILIWICK_DATA_DIR") from None
    return lock


def running_at(directory: Path) -> str | None:
    """The NATS URL of the system that runs on a data directory, or None."""
    note = directory / "running.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads(note.read_text())
        os.kill(found["pid"], 0)
        return str(found["nats_url"])
    return None
