"""SIGTERM and SIGINT: an orderly end with exit code 0, from the first moment on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine
    from types import FrameType
    from typing import Any


def end_at_once() -> None:
    """Until the loop runs, there is nothing to put in order: a signal ends the process with 0."""

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what signal.signal asks for
        os._exit(0)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def stop_event() -> asyncio.Event:
    """Set by SIGTERM or SIGINT, once the loop runs."""
    import asyncio  # noqa: PLC0415 - takes its time, and a signal may come before

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run something until it ends or a signal ends it, whatever it waits for; what it opened is closed. Raises what it raises."""
    import asyncio  # noqa: PLC0415 - as above
    import contextlib  # noqa: PLC0415

    stopping = asyncio.ensure_future(stop_event().wait())
    working = asyncio.ensure_future(work)
    await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        working.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
