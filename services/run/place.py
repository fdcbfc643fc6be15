"""The data directory of a system: who runs on it, and where that one is reached."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from services.kernel.settings import Settings


class StartError(Exception):
    """The system did not become ready; the message says which part, and why."""


@contextlib.contextmanager
def taken(directory: Path) -> Iterator[None]:
    """Hold a data directory for as long as the context is open.

    Raises:
        StartError: another system runs on it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"a system runs on {directory} already; stop it, or name another BAILIWICK_DATA_DIR"
            ) from None
        yield


@contextlib.contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Let commands find the running system for as long as the context is open."""
    note = settings.data_dir / "running.json"
    note.write_text(json.dumps({"nats_url": settings.nats_url, "http_url": settings.http_url, "pid": os.getpid()}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def running_at(directory: Path) -> str | None:
    """The NATS URL of the system that runs on a data directory, or None."""
    note = directory / "running.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads(note.read_text())
        return str(found["nats_url"]) if _is_held(directory) else None
    return None


def _is_held(directory: Path) -> bool:
    """Whether a process holds the directory: one that was killed leaves its note, and its number may be another's by now."""
    with (directory / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
