"""A process that cannot make progress ends itself, with a code that says why: the watch over the loop, its parts and its connections.

The watch is a thread, for a loop that no longer turns runs no task. What it finds ends the process at once (`os._exit`): what
was answered is stored, so nothing is lost, and whoever supervises starts a new one.
"""

import asyncio
import faulthandler
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Client

LOG = structlog.get_logger()
BEAT_SECONDS = 0.5
STOP_SECONDS = 15
"""How long an orderly stop may take before the process is ended all the same, within the 20 seconds that are promised."""

LEFT_SECONDS = 2
"""How long a process whose parts have all stopped waits for its threads: what is left are queries that nobody waits for any more."""

TELL_SECONDS = 3


class ExitCode(IntEnum):
    """What a process of ours says by how it ends. 0 is a stop that was asked for."""

    CLOSED = 70
    """The client closed its connection to NATS for good, which it does after an error that the server sent."""
    STUCK = 71
    """The loop stood still, or a part that had work did not move; every stack is written to stderr."""
    UNHEALTHY = 72
    """The connection did not come back though the server takes new ones, or a stream or durable stayed missing."""
    AUTHORISATION = 73
    """NATS turned the credentials down, at the start or later."""


class Part(Protocol):
    """What runs side by side in a service: the writer, the relay, a reactor, the timers, the dead letters."""

    turns: int
    """Grows with each step it takes, or tries to take."""

    def waits(self) -> bool:
        """Whether it has work now, so that it must move."""

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass
class Watched:
    """A part, with the last step that was seen, and when."""

    part: Part
    since: float = field(default_factory=time.monotonic)
    mark: int = -1


@dataclass
class Line:
    """One connection: whether it ever stood, and since when it does not."""

    client: Client
    urls: str
    stood: bool = False
    down_since: float = field(default_factory=time.monotonic)


class Watch:
    """Watches one process. Parts and connections are added and removed while it runs."""

    def __init__(self, seconds: float = 60, leave: Callable[[int], None] = os._exit) -> None:
        """`seconds` without progress end the process through `leave`."""
        self.seconds, self._leave = seconds, leave
        self._beat = time.monotonic()
        self._ending: float | None = None
        self._parts: dict[str, Watched] = {}
        self._lines: dict[str, Line] = {}
        self._bad: dict[str, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    async def run(self) -> None:
        """Keep the heart beating until cancelled; the thread ends with it."""
        self._beat = time.monotonic()
        self._thread.start()
        try:
            while True:
                self._beat = time.monotonic()
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            if self._ending is None:
                self._stopped.set()

    def part(self, name: str, part: Part) -> None:
        """Watch a part: while it waits to do something, it must move within the time that is allowed."""
        self._parts[name] = Watched(part)

    def line(self, name: str, client: Client, urls: str) -> None:
        """Watch a connection to one of the comma-separated `urls`."""
        self._lines[name] = Line(client, urls)

    def forget(self, prefix: str) -> None:
        """Watch no longer what bears this name, or begins with it and a blank."""
        for watched in (self._parts, self._lines, self._bad):
            for name in [n for n in watched if n == prefix or n.startswith(f"{prefix} ")]:
                watched.pop(name, None)

    def bad(self, name: str, is_bad: bool) -> None:
        """Say that something only a new process may mend is wrong, or no longer; bad for too long ends the process."""
        if is_bad:
            self._bad.setdefault(name, time.monotonic())
        else:
            self._bad.pop(name, None)

    def beats(self) -> bool:
        """Whether the loop turned within the last seconds."""
        return time.monotonic() - self._beat < min(self.seconds, 5 * BEAT_SECONDS + 2)

    def ending(self) -> None:
        """An orderly stop began; it is cut short when it takes too long."""
        self._ending = time.monotonic() + STOP_SECONDS
        if not self._thread.is_alive():
            self._thread.start()

    def ended(self) -> None:
        """Every part has stopped and the stores are closed; a thread that still reads is not waited for much longer."""
        if self._ending is not None:
            self._ending = min(self._ending, time.monotonic() + LEFT_SECONDS)

    def _run(self) -> None:
        while not self._stopped.wait(min(BEAT_SECONDS, self.seconds / 4)):
            now = time.monotonic()
            if self._ending is not None:
                if now > self._ending:
                    LOG.warning("watch.stop_cut")
                    self._leave(0)
                continue
            for name, code in (*self._stuck(now), *self._lost(now), *self._ill(now)):
                self._end(name, code)

    def _stuck(self, now: float) -> list[tuple[str, ExitCode]]:
        found = [("loop", ExitCode.STUCK)] if now - self._beat > self.seconds else []
        for name, watched in list(self._parts.items()):
            mark = watched.part.turns
            if mark != watched.mark or not watched.part.waits():
                watched.mark, watched.since = mark, now
            elif now - watched.since > self.seconds:
                found.append((name, ExitCode.STUCK))
        return found

    def _lost(self, now: float) -> list[tuple[str, ExitCode]]:
        found = []
        for name, line in list(self._lines.items()):
            if line.client.is_connected:
                line.stood, line.down_since = True, now
                continue
            refused = "authori" in str(line.client.last_error).lower()
            if line.stood and line.client.is_closed:
                found.append((name, ExitCode.AUTHORISATION if refused else ExitCode.CLOSED))
            elif now - line.down_since > self.seconds:
                if refused:
                    found.append((name, ExitCode.AUTHORISATION))
                elif line.stood and _answers(line.urls):
                    found.append((name, ExitCode.UNHEALTHY))
                else:
                    line.down_since = now - self.seconds / 2
        return found

    def _ill(self, now: float) -> list[tuple[str, ExitCode]]:
        return [(n, ExitCode.UNHEALTHY) for n, since in list(self._bad.items()) if now - since > self.seconds]

    def _end(self, name: str, code: ExitCode) -> None:
        # Told by a thread of its own: whoever is stuck may hold the lock of the log, or nobody may read our stderr.
        teller = threading.Thread(target=_tell, args=(name, code), daemon=True)
        teller.start()
        teller.join(TELL_SECONDS)
        self._leave(int(code))


def _tell(name: str, code: ExitCode) -> None:
    if code is ExitCode.STUCK:
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
    LOG.error("watch.ends_process", what=name, code=int(code), reason=code.name.lower())


def _answers(urls: str) -> bool:
    """Whether a server greets a new connection, so that an old one should stand too."""
    for url in urls.split(","):
        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 4222), timeout=1) as probe:
                if probe.recv(4) == b"INFO":
                    return True
        except OSError:
            continue
    return False
