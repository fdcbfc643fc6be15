"""A place in the feed: how far each service's log was read. It holds for ever: logs have no holes and are never renumbered.

A JetStream sequence would not do: a stream that was wiped and filled again counts anew.
"""

import re
from collections.abc import Mapping

from services.gateway.problem import ProblemError

_part = re.compile(r"^([a-z]+)-([a-z0-9]+)\.([0-9]{1,15})$")
Cursor = Mapping[str, tuple[str, int]]
"""Service to the name of its log and the position read last."""


def written(cursor: Cursor) -> str:
    """The text of a cursor, e.g. `attendance-1f0c.120~registry-9ab2.45`."""
    return "~".join(f"{log}.{position}" for _, (log, position) in sorted(cursor.items()) if log) or "start"


def read(text: str) -> dict[str, tuple[str, int]]:
    """The cursor that a text is. Raises ProblemError."""
    if text == "start":
        return {}
    found: dict[str, tuple[str, int]] = {}
    for part in text.split("~"):
        match = _part.fullmatch(part)
        if match is None or len(text) > 2000:
            raise ProblemError("cursor_unknown", "after: a cursor as it was answered")
        found[match.group(1)] = (f"{match.group(1)}-{match.group(2)}", int(match.group(3)))
    return found
