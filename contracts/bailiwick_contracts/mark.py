"""A fact with its place, and which facts count for a ruling: those that stood before it, as far as its service knew them."""

from bisect import insort_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from bailiwick_contracts.authority import CopyPosition
from bailiwick_contracts.envelope import Event, placed


class Mark(NamedTuple):
    """A fact with its place, and what is remembered of it."""

    chain: str
    number: int
    at: datetime
    fact_id: str
    value: Any


Sees = Callable[[Mark], bool]
"""Whether a fact counts for a ruling. Where one does, so does every fact of its chain with neither a higher number nor a later instant."""
Stood = tuple[Mark, Any]
"""What stood after a fact, with the fact's place."""


def copied(positions: Iterable[CopyPosition]) -> Sees:
    """What a copy of another service's chains held at the positions that a ruling names."""
    reached = {position.chain: position.number for position in positions}
    return lambda mark: mark.number <= reached.get(mark.chain, 0)


def before(event: Event[Any]) -> Sees:
    """What stood in the same log before a fact: earlier in its chain, and in other chains whatever was recorded earlier.

    Facts of another chain recorded in the same instant count when the ruling names them.
    """
    chain, number, at = chain_of(event), event.chainnumber, event.recordedat

    def sees(mark: Mark) -> bool:
        if mark.chain == chain:
            return mark.number < number
        return mark.at < at or (mark.at == at and mark.fact_id in _named(event))

    return sees


def recorded_by(at: datetime) -> Sees:
    """Whatever had been recorded at an instant, anywhere."""
    return lambda mark: mark.at <= at


def _named(event: Event[Any]) -> frozenset[str]:
    said = event.data.__dict__
    ruling = said.get("ruling")
    named = {fact for item in ruling.asked.inputs for fact in item.facts} if ruling is not None else set()
    derived = said.get("derived")
    return frozenset(named | set(derived.basis if derived is not None else ()))


def chain_of(event: Event[Any]) -> str:
    """`<log>:<property>`, as positions name a chain."""
    return _chain(event.log, event.source)


@lru_cache(maxsize=4096)
def _chain(log: str, source: str) -> str:
    return f"{log}:{placed(source)[0]}"


def last(marks: Sequence[Mark], sees: Sees) -> Mark | None:
    """The latest of the facts that count."""
    if len(marks) == 1:  # as nearly always
        return marks[0] if sees(marks[0]) else None
    found: Mark | None = None
    for mark in marks:
        if sees(mark) and (found is None or (mark.at, mark.number) >= (found.at, found.number)):
            found = mark
    return found


def stand(stood: list[Stood], mark: Mark, value: Any) -> None:
    """Add what stood after a fact, in the order of `latest`: as nearly always at the end."""
    if stood and _place(stood[-1]) > (mark.at, mark.number):
        insort_right(stood, (mark, value), key=_place)
    else:
        stood.append((mark, value))


def latest(stood: Sequence[Stood], sees: Sees) -> Stood | None:
    """What stood last of what counts: as `last`, of what `stand` keeps in order, without a look at what stood before it."""
    return next((known for known in reversed(stood) if sees(known[0])), None)


def _place(known: Stood) -> tuple[datetime, int]:
    return known[0].at, known[0].number
