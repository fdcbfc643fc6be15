"""What became of a sequence that somebody's hand was in: which members moved, went, came or were changed."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence


def moved_of(order: Sequence[int]) -> set[int]:
    """The positions to take out so that the rest ascends, as few as can be."""
    tails: list[int] = []
    at: list[int] = []
    back: list[int] = []
    for position, value in enumerate(order):
        length = bisect_left(tails, value)
        if length == len(tails):
            tails.append(value)
            at.append(position)
        else:
            tails[length], at[length] = value, position
        back.append(at[length - 1] if length else -1)
    kept: set[int] = set()
    position = at[-1] if at else -1
    while position >= 0:
        kept.add(position)
        position = back[position]
    return set(range(len(order))) - kept


def paired(
    missing: Sequence[int], strange: Sequence[int], kept: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    """A missing entry and a strange one between the same neighbours are one that was altered."""
    places, meants = [place for place, _ in kept], sorted(meant for _, meant in kept)
    gaps: dict[int, list[int]] = {}
    for place in strange:
        gaps.setdefault(bisect_left(places, place), []).append(place)
    for meant in missing:
        position = bisect_left(meants, meant)
        there = gaps.get(position)
        if there:
            yield "altered", meant, there.pop(0)
        else:
            yield "removed", meant, places[position] if position < len(places) else (places[-1] + 1 if places else 0)
    for rest in gaps.values():
        for place in rest:
            yield "inserted", -1, place
