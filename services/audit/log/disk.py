"""Files put on the disk for good in threads of their own, while the next ones are made."""

import contextlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_POOL = ThreadPoolExecutor(4, thread_name_prefix="tlog-disk")
OPEN_LIMIT = 64
"""Files waiting to be synced, so that their number stays below what a process may hold open."""


class Disk:
    """What one log has written and the disk has yet to hold."""

    def __init__(self) -> None:
        self._waiting: deque[Future[None]] = deque()

    def settle(self, descriptor: int, part: Path | None = None, place: Path | None = None) -> None:
        """Sync and close a file, then rename it from `part` to `place`. Raises what an earlier file failed of."""
        self._waiting.append(_POOL.submit(_settled, descriptor, part, place))
        if len(self._waiting) > OPEN_LIMIT:
            self._waiting.popleft().result()

    def wait(self) -> None:
        """Return once everything lies where it belongs. Raises OSError for the first file that does not."""
        failed: OSError | None = None
        while self._waiting:
            try:
                self._waiting.popleft().result()
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def forget(self) -> None:
        """Let what an abandoned build left waiting end, whatever became of it."""
        with contextlib.suppress(OSError):
            self.wait()


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _settled(descriptor: int, part: Path | None, place: Path | None) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if part is not None and place is not None:
        part.replace(place)
