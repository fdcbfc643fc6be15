"""A history shared out among several judges: it is kept once, in a file, and each reads of it what it must.

Of what is about one person, ticket or property's books alone, which most of a history is, each judge reads its own. Where what is
about another person stands it remembers, and reads it once a ruling asks for it.
"""

from collections.abc import Sequence
from functools import partial
from typing import IO, NamedTuple

from bailiwick_contracts.finding import Finding
from bailiwick_contracts.readjudicate import Bench, Chosen, Summary
from bailiwick_contracts.sealed import Keys
from bailiwick_contracts.unread import Place, whose


class Batch(NamedTuple):
    """Facts that follow one another in the file, as every judge is told of them."""

    at: int
    lengths: list[int]
    alone: list[str | None]
    """What each is about alone."""


class History:
    """The facts of a history, one after another in a file that is empty."""

    def __init__(self, file: IO[bytes]) -> None:
        """`file` is written from its beginning."""
        self._file, self._end = file, 0

    def add(self, raws: Sequence[bytes]) -> Batch:
        """Write further facts. Raises OSError where there is no room."""
        batch = Batch(self._end, [*map(len, raws)], [*map(whose, raws)])
        self._file.write(b"".join(raws))
        self._file.flush()
        self._end += sum(batch.lengths)
        return batch


class Share:
    """One judge's part of a history."""

    def __init__(self, file: IO[bytes], keys: Keys, chosen: Chosen) -> None:
        """`file` is read where somebody else writes it (`History`), so it is to be without a buffer."""
        self._fetch = partial(_fetched, file)
        self.summary = Summary()
        self._bench = Bench(keys, chosen, self.summary, self._fetch)

    def take(self, batch: Batch) -> Sequence[Finding]:
        """Judge what can be judged once these facts are known."""
        found: list[Finding] = []
        facts, bench, start = self._fetch(Place(batch.at, sum(batch.lengths))), self._bench, 0
        for length, alone in zip(batch.lengths, batch.alone, strict=True):
            if alone is None or bench.holds(alone):
                found += bench.read(facts[start : start + length], alone)
            else:
                bench.leave(alone, Place(batch.at + start, length))
            start += length
        return found

    def finish(self) -> Sequence[Finding]:
        """Judge what is left."""
        return self._bench.finish()


def _fetched(file: IO[bytes], place: Place) -> bytes:
    file.seek(place.at)
    return file.read(place.length)
