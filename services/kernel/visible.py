"""Whose a stream is, for a command from outside: another property's is to it as if there were none."""

from collections.abc import Iterable
from typing import Any

from services.kernel.batch import Batch


def owner_of(batch: Batch, stream: str) -> str | None:
    """The property whose chain holds the first fact of a stream, what this batch appended included; None for no stream."""
    remembered = batch.memory.streams.get(stream)
    if remembered is None:
        return batch.store.owner_of(batch.connection, stream)
    if remembered.version == 0:
        return None
    if remembered.owner is None:
        remembered.owner = batch.store.owner_of(batch.connection, stream)
    return remembered.owner


def is_of(stream: str, people: Iterable[str]) -> bool:
    """Whether a stream is kept of one of these people: wherever it was begun, it is theirs.

    Whoever asks was let in to them at the door.
    """
    return any(f"-{one}-" in f"-{stream}-" for one in people)


def people_named(data: Any) -> set[str]:
    """Whom a request names, wherever it does."""
    named: set[str] = set()
    waiting = [data]
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, dict):
            for name, value in inside.items():
                if name.endswith("staff_id") and isinstance(value, str):
                    named.add(value)
                elif name.endswith("staff_ids") and isinstance(value, list | tuple):
                    named.update(value)
                else:
                    waiting.append(value)
        elif isinstance(inside, list | tuple):
            waiting.extend(inside)
    return named
