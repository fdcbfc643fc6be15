"""Services as a process of their own: one task each under a supervisor, ended cleanly by SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping

from services.kernel.settings import Settings
from services.run.embedded import ServiceFactory, Supervisor


def stop_event() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve(settings: Settings, factories: Mapping[str, ServiceFactory], *, announce: bool = True) -> None:
    """Run services against the NATS of the settings until a signal ends it."""
    stop = stop_event()
    supervisor = Supervisor(settings, factories)
    running = asyncio.create_task(supervisor.run())
    waiting = asyncio.create_task(stop.wait())
    ready = asyncio.create_task(supervisor.wait_ready())
    await asyncio.wait({ready, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if announce and ready.done() and not ready.exception():
        print("ready", flush=True)  # noqa: T201 - the line that process managers and tests wait for
    await waiting
    for task in (ready, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
