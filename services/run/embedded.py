"""Services in this process, each started again when it fails; and the embedded run, with NATS as a child."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import structlog

from services.kernel.app import Runtime
from services.kernel.bus import DriftError
from services.kernel.failure import told, words_of
from services.kernel.going import go_on, rest
from services.kernel.health import Health, not_started
from services.kernel.liveness import Watch
from services.kernel.relay import RestoredStoreError
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.settings import Settings
from services.run.nats import EmbeddedNats, free_port
from services.run.place import StartError, announced, taken

LOG = structlog.get_logger()
READY_SECONDS = 30
RESTART_SECONDS = (0.5, 1, 2, 5, 10)
SETTLED_SECONDS = 60
"""Whoever ran so long is started again at once when it fails, not after the longest wait."""
ServiceFactory = Callable[[KeyStore], Service]


class Supervisor:
    """Runs services in this process; one that fails is started again, later each time."""

    def __init__(self, settings: Settings, factories: Mapping[str, ServiceFactory], watch: Watch | None = None) -> None:
        """`factories` makes each service from the keys of the installation; `watch` may end this process."""
        self._settings, self._factories, self._watch = settings, factories, watch
        self.runtimes: dict[str, Runtime] = {}
        self.failures: dict[str, str] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._watch is not None:
                group.create_task(self._watch.run())
            for name, factory in self._factories.items():
                group.create_task(self._keep(name, factory))

    async def _keep(self, name: str, factory: ServiceFactory) -> None:
        attempt = 0
        while True:
            go_on()
            begun = time.monotonic()
            try:
                keys = KeyStore(self._settings.keys_dir)
                self.runtimes[name] = runtime = Runtime(factory(keys), self._settings, keys, self._watch)
                runtime.ended_before = self.failures.get(name)
                # Each is made, which holds up the loop, before the first one connects: its patience ended meanwhile.
                await asyncio.sleep(0)
                # In a task of its own: a part that fails leaves its group's task told to end (Python 3.11), and this one goes on.
                await asyncio.create_task(runtime.run())
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is named and started again
                causes = list(_causes(error))
                self.failures[name] = "; ".join(f"{type(cause).__name__}: {words_of(cause)}" for cause in causes)
                lasting = any(isinstance(cause, DriftError | RestoredStoreError) for cause in causes)
                # What stands against a start names settings and numbers; the words of anything else may be a handler's.
                said = self.failures[name][:500] if lasting else "; ".join(told(cause) for cause in causes)
                LOG.error("service.exited", service=name, error=said, needs_a_person=lasting)
            self.restarts += 1
            if time.monotonic() - begun > SETTLED_SECONDS:
                attempt = 0
            await rest(RESTART_SECONDS[min(attempt, len(RESTART_SECONDS) - 1)])
            attempt += 1

    def healths(self) -> list[Health]:
        """How each service is: as it was last looked at, or why it does not start."""
        return [self._health(name) for name in self._factories]

    def _health(self, name: str) -> Health:
        runtime, failure = self.runtimes.get(name), self.failures.get(name)
        if runtime is None or (failure is not None and not runtime.ready.is_set()):
            return not_started(name, failure)
        return runtime.health()

    def _waiting(self) -> list[str]:
        return [n for n in self._factories if n not in self.runtimes or not self.runtimes[n].ready.is_set()]

    async def wait_ready(self) -> None:
        """Return once every service takes commands. Raises StartError after 30 seconds in which no view was rebuilt."""
        try:
            async with asyncio.timeout(READY_SECONDS) as limit:
                # A service that failed comes back as a new runtime, so they are looked up again each time.
                while self._waiting():
                    await asyncio.sleep(0.02)
                    if any(runtime.rebuilding and runtime.rebuilding.busy for runtime in self.runtimes.values()):
                        limit.reschedule(asyncio.get_running_loop().time() + READY_SECONDS)
        except TimeoutError:
            waiting = {name: self.failures.get(name, "still starting") for name in self._waiting()}
            raise StartError(f"not ready after {READY_SECONDS} s: {waiting}") from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What failed, also where it was in a group of a group."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _causes(one)


@contextlib.asynccontextmanager
async def embedded(
    settings: Settings, factories: Mapping[str, ServiceFactory]
) -> AsyncIterator[tuple[Settings, Supervisor]]:
    """Everything running below `settings.data_dir`, for as long as the context is open.

    Raises:
        StartError: another one runs on the same data directory, or a part does not start.
    """
    with taken(settings.data_dir):
        nats = EmbeddedNats(settings.data_dir / "nats")
        settings = settings.model_copy(update={"nats_url": nats.url, "http_port": settings.http_port or free_port()})
        supervisor = Supervisor(settings, factories)
        server = asyncio.create_task(nats.run())
        services = asyncio.create_task(supervisor.run())
        try:
            await supervisor.wait_ready()
            with announced(settings):
                yield settings, supervisor
        finally:
            for task in (services, server):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
