"""Do the stores hold what a log committed to? Each stored fact against its entry, and each entry against the stored facts."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic_core import from_json

from services.audit.log.files import Fetch, Salts, checkpoint_of, entries_of
from services.audit.log.leaf import commitment, read_leaf
from services.audit.log.tree import WIDTH

Kind = Literal["altered", "lost", "omitted", "unsalted"]
NAMED_LIMIT = 1_000


@dataclass(frozen=True)
class LogDifference:
    """One fact in which a store and the log differ.

    `altered`: the stored bytes are not those that the entry commits to; `lost`: the log has it, the store does not; `omitted`:
    the store has it, the log was built past it without it; `unsalted`: the salt is not held, so nothing can be said.
    """

    kind: Kind
    chain: str
    number: int
    entry: int = -1
    event_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


@dataclass(frozen=True)
class _Entry:
    index: int
    event_id: str
    commitment: str
    salt: bytes | None


@dataclass
class LogCopy:
    """A log's entries by chain, ready to be compared with stored facts."""

    chains: dict[str, dict[int, _Entry]] = field(default_factory=dict)

    @classmethod
    def read(cls, fetch: Fetch, salts: Salts, progress: Callable[[int, int], None] | None = None) -> "LogCopy":
        """Read every entry. Raises TileMissingError, LeafError and NoteError: verify the log first."""
        made = cls()
        checkpoint = checkpoint_of(fetch)
        size = 0 if checkpoint is None else checkpoint.size
        for start in range(0, size, WIDTH):
            width = min(WIDTH, size - start)
            held = salts.several(start, width)
            for place, entry in enumerate(entries_of(fetch, start // WIDTH, width)):
                told = read_leaf(entry)
                chain = made.chains.setdefault(told["chain"], {})
                chain[told["number"]] = _Entry(start + place, told["id"], told["commitment"], held[place])
            if progress is not None:
                progress(start + width, size)
        return made

    def compared(self, chain: str) -> "Comparison":
        """A comparison of one chain, to be fed every stored fact of it in order."""
        return Comparison(chain, self.chains.get(chain, {}))


class Comparison:
    """One chain of a store against the log."""

    def __init__(self, chain: str, entries: dict[int, _Entry]) -> None:
        """`entries` are the log's, by chain number."""
        self._chain, self._entries = chain, entries
        self._reach = max(entries, default=0)
        self._seen: set[int] = set()
        self._found: list[LogDifference] = []
        self.agreeing = 0
        self.behind = 0
        """Stored facts that the log has yet to take in: no fault."""

    def passing(self, raws: Iterable[bytes]) -> Iterator[bytes]:
        """Pass stored facts on, each compared."""
        for raw in raws:
            self.take(raw)
            yield raw

    def take(self, raw: bytes) -> None:
        """Compare one stored fact."""
        try:
            document = from_json(raw)
            number, event_id = int(document["chainnumber"]), str(document["id"])
        except (ValueError, KeyError, TypeError):
            return
        entry = self._entries.get(number)
        if entry is None:
            if number < self._reach:
                self._note("omitted", number, event_id=event_id)
            else:
                self.behind += 1
            return
        self._seen.add(number)
        if entry.salt is None:
            self._note("unsalted", number, entry.index, entry.event_id)
        elif commitment(entry.salt, raw) != entry.commitment:
            self._note("altered", number, entry.index, entry.event_id)
        else:
            self.agreeing += 1

    def finish(self) -> tuple[LogDifference, ...]:
        """Every difference; what the log has and no stored fact answered to is lost."""
        for number in sorted(self._entries.keys() - self._seen):
            entry = self._entries[number]
            self._note("lost", number, entry.index, entry.event_id)
        return tuple(sorted(self._found, key=lambda one: (one.number, one.kind))[:NAMED_LIMIT])

    def _note(self, kind: Kind, number: int, entry: int = -1, event_id: str = "") -> None:
        self._found.append(LogDifference(kind, self._chain, number, entry, event_id))
