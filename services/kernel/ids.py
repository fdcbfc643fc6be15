"""Ids that order by time: UUIDv7 (RFC 9562), so that keys of the stores stay close together."""

import os
import time
from collections import deque

_DRAWN = 512
_spare: deque[bytes] = deque()
"""Random bytes for ids to come. Each system call hands the interpreter to another thread, who keeps it for up to 5 ms."""
os.register_at_fork(after_in_child=_spare.clear)


def uuid7() -> str:
    """A new UUIDv7 in its canonical text form."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(_random(), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _random() -> bytes:
    try:
        return _spare.pop()
    except IndexError:
        drawn = os.urandom(10 * _DRAWN)
        _spare.extend(drawn[start : start + 10] for start in range(0, len(drawn), 10))
        return os.urandom(10)
