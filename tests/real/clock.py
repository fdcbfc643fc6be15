"""A clock that a test moves under a running process: seconds beside the right time, in the file that `TOY_CLOCK` names."""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

_FILE = Path(os.environ.get("TOY_CLOCK", "/nonexistent"))


class Moved(datetime):
    """The time of a process whose clock is wrong."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """The right time and what the file adds to it."""
        try:
            beside = float(_FILE.read_text())
        except (OSError, ValueError):
            beside = 0.0
        return super().now(tz) + timedelta(seconds=beside)
