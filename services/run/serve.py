"""Services as a process of their own: one task each under a supervisor and a watch, ended cleanly by SIGTERM."""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from services.kernel.liveness import Watch
from services.kernel.settings import Settings
from services.kernel.telemetry import Numbers
from services.run.embedded import ServiceFactory, Supervisor
from services.run.observe import observe
from services.run.place import StartError
from services.run.signals import stop_event

LOG = structlog.get_logger()
REBUILDING_SECONDS = 5


async def serve(settings: Settings, factories: Mapping[str, ServiceFactory], *, announce: bool = True) -> None:
    """Run services against the NATS of the settings until a signal ends it, whatever state they and the broker are in.

    Raises:
        SettingError: with these settings none of them can connect.
        OSError: the port for health and metrics cannot be had; `observe.check` says so first.
    """
    for name in factories:
        settings.nats_options(name)  # what no new start mends is said at once
        settings.store_url(name)
    stop = stop_event()
    watch = Watch(settings.progress_seconds)
    supervisor = Supervisor(settings, factories, watch)
    door = None
    if settings.health_port is not None:
        numbers = Numbers(lambda: list(supervisor.runtimes.values()), supervisor.healths)
        door = observe(settings.health_port, numbers, supervisor.healths, watch.beats)
        LOG.warning("observe.listens", url=f"http://127.0.0.1:{door.server_port}/health/ready")
    running = asyncio.create_task(supervisor.run())
    ready = asyncio.create_task(_announce(supervisor) if announce else supervisor.wait_ready())
    await stop.wait()
    watch.ending()
    if door is not None:
        await asyncio.to_thread(door.shutdown)
    for task in (ready, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
    watch.ended()


async def _announce(supervisor: Supervisor) -> None:
    telling = asyncio.create_task(_tell_rebuilding(supervisor))
    try:
        await _ready(supervisor)
    finally:
        telling.cancel()


async def _tell_rebuilding(supervisor: Supervisor) -> None:
    """Say that it takes longer for a reason, to whoever waits for it to be ready."""
    while True:
        await asyncio.sleep(REBUILDING_SECONDS)
        if any(runtime.rebuilding and runtime.rebuilding.busy for runtime in supervisor.runtimes.values()):
            print("rebuilding", flush=True)  # noqa: T201 - see `_ready`


async def _ready(supervisor: Supervisor) -> None:
    while True:
        try:
            await supervisor.wait_ready()
        except StartError as error:
            LOG.error("serve.waiting", error=str(error))
            continue
        print("ready", flush=True)  # noqa: T201 - the line that process managers and tests wait for
        return
