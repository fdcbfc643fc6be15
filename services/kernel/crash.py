"""Named points at which a test may have this process killed, to prove what survives it.

Writer: `intake`, `before-commit`, `after-commit`. Relay: `before-publish`, `after-publish`. Reactor: `before-ack`. What waits:
`timer-due` and `parked-again` (inside the transaction, the row read, nothing decided yet), `lease-take` (silent long enough,
not taken yet), `rebuild-page` (a page folded beside), `rebuild-swap` (all folded, lock held, nothing exchanged), `rebuild-swapped`.
"""

import os
import signal

_AT = os.environ.get("BAILIWICK_CRASH_AT", "")
_point, _, _count = _AT.partition(":")
_left = int(_count or 1)


def crash_point(name: str) -> None:
    """Kill this process the hard way where `BAILIWICK_CRASH_AT` is `name` or `name:<n-th time>`."""
    global _left  # noqa: PLW0603
    if name != _point:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
