"""SIGTERM and SIGINT: an orderly end with exit code 0, from the first moment on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from types import FrameType


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
