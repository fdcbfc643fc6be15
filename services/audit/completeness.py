"""Is the ledger what the services stored? Two copies of one chain, compared fact by fact, and each difference named."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal

from bailiwick_contracts.envelope import FIRST_HASH, hash_of
from pydantic_core import from_json

Side = Literal["store", "ledger", "both", "unknown"]
Kind = Literal["deleted", "altered", "inserted", "reordered", "truncated", "unreadable", "behind"]
WINDOW = 32
"""How far ahead the fact that belongs here is looked for before chain numbers alone decide what is missing."""
SPAN_LIMIT = 1_000
"""How many neighbouring differences are named one by one; what follows is counted."""


@dataclass(frozen=True)
class Difference:
    """One fact that is not where, or what, its chain says. `side` is the copy that is wrong."""

    kind: Kind
    side: Side
    number: int
    event_id: str = ""
    type: str = ""

    def as_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


@dataclass(frozen=True)
class ChainReport:
    """What became of one chain: how many facts agree, how far each copy reaches, and every difference."""

    chain: str
    """`<service>/<log>/<property>`."""
    agreeing: int
    store_reaches: int
    ledger_reaches: int
    differences: tuple[Difference, ...] = ()
    not_named: int = 0
    """Differences beyond the first thousand."""

    @property
    def holds(self) -> bool:
        """Whether nothing was deleted, altered, inserted, moved or cut off. A ledger that lags still holds."""
        return all(difference.kind == "behind" for difference in self.differences)


@dataclass(frozen=True)
class _Link:
    raw: bytes
    number: int
    id: str
    type: str
    previous: str
    hash: str = field(compare=False)


def _link(raw: bytes, fallback: int) -> _Link:
    try:
        document = from_json(raw)
        return _Link(
            raw,
            int(document["chainnumber"]),
            str(document["id"]),
            str(document["type"]),
            str(document["previoushash"]),
            hash_of(raw),
        )
    except (ValueError, KeyError, TypeError):
        return _Link(raw, fallback, "", "unreadable", "", hash_of(raw))


class _Reader:
    """One copy of a chain, with a window of look-ahead."""

    def __init__(self, raws: Iterable[bytes]) -> None:
        self._raws = iter(raws)
        self._read = 0
        self._ahead: list[_Link] = []
        self.reaches = 0

    def peek(self) -> _Link | None:
        self._fill(1)
        return self._ahead[0] if self._ahead else None

    def ahead(self, raw: bytes) -> int | None:
        """How many facts from here the same bytes lie, within the window."""
        self._fill(WINDOW)
        return next((index for index, link in enumerate(self._ahead) if link.raw == raw), None)

    def _fill(self, wanted: int) -> None:
        for raw in islice(self._raws, max(0, wanted - len(self._ahead))):
            self._read += 1
            self._ahead.append(_link(raw, self._read))

    def take(self) -> _Link:
        taken = self._ahead.pop(0)
        self.reaches = max(self.reaches, taken.number if taken.type != "unreadable" else 0)
        return taken


def compare(
    chain: str,
    store: Iterable[bytes],
    ledger: Iterable[bytes],
    *,
    head: tuple[int, str] | None = None,
    ledger_head: tuple[int, str] | None = None,
) -> ChainReport:
    """Compare the service's own copy of a chain with the ledger's, each in its stored order.

    Args:
        chain: its name in the report.
        store: the stored bytes as the service's store holds them.
        ledger: the stored bytes as the ledger holds them.
        head: number and hash that the store's own head names, which a cut-off tail does not reach.
        ledger_head: number and hash of the last fact that the ledger remembers having taken in.
    """
    left, right = _Reader(store), _Reader(ledger)
    comparison = _Comparison()
    while (mine := left.peek()) is not None and (theirs := right.peek()) is not None:
        if mine.raw == theirs.raw:
            comparison.same(left.take())
            right.take()
            continue
        step = _step(mine, theirs, left.ahead(theirs.raw), right.ahead(mine.raw))
        if step == "both":
            comparison.altered(left.take(), right.take())
        elif step == "store":
            comparison.only_store(left.take())
        else:
            comparison.only_ledger(right.take())
    while left.peek() is not None:
        comparison.only_store(left.take())
    while right.peek() is not None:
        comparison.only_ledger(right.take())
    found = comparison.finish(head, ledger_head, left.reaches, right.reaches)
    reaches = (left.reaches, right.reaches)
    return ChainReport(chain, comparison.agreeing, *reaches, tuple(found[:SPAN_LIMIT]), max(0, len(found) - SPAN_LIMIT))


def _step(
    mine: _Link, theirs: _Link, in_store: int | None, in_ledger: int | None
) -> Literal["store", "ledger", "both"]:
    """Which copy's next fact has no counterpart here; `both` when they are two versions of the same one."""
    if in_store is not None and in_ledger is not None:
        return "ledger" if in_store > in_ledger else "store"
    if in_store is not None or in_ledger is not None:
        return "store" if in_ledger is None else "ledger"
    if mine.id == theirs.id or ("" in (mine.id, theirs.id) and mine.number == theirs.number):
        return "both"
    return "ledger" if theirs.number <= mine.number else "store"


class _Comparison:
    """The differences found so far, and which copy each neighbour in the chain vouches for."""

    def __init__(self) -> None:
        self.agreeing = 0
        self.expected = 1
        self._previous = FIRST_HASH
        self._named_before: dict[int, str] = {}
        """Chain number to the hash that its successor names, where both copies agree on the successor."""
        self._altered: list[tuple[_Link, _Link]] = []
        self._store: dict[str, _Link] = {}
        self._ledger: dict[str, _Link] = {}
        self._found: list[Difference] = []
        self._agreed_last: _Link | None = None

    def same(self, link: _Link) -> None:
        self.agreeing += 1
        if link.type == "unreadable":
            self._found.append(Difference("unreadable", "both", link.number))
        elif link.number != self.expected and self._contiguous(link):
            self._found.append(Difference("deleted", "both", self.expected))
        elif link.number == self.expected and link.previous != self._previous and self._last_agreed(link.number - 1):
            self._found.append(Difference("altered", "both", link.number - 1, *self._name(link.number - 1)))
        self._named_before[link.number - 1] = link.previous
        self._agreed_last = link
        self._move_on(link)

    def _contiguous(self, link: _Link) -> bool:
        """No difference between the copies explains why numbers are missing before this fact."""
        between = range(self.expected, link.number)
        known = {other.number for other in (*self._store.values(), *self._ledger.values())}
        return link.number > self.expected and not any(number in known for number in between)

    def _last_agreed(self, number: int) -> bool:
        return self._agreed_last is not None and self._agreed_last.number == number

    def _name(self, number: int) -> tuple[str, str]:
        last = self._agreed_last
        return (last.id, last.type) if last is not None and last.number == number else ("", "")

    def _move_on(self, link: _Link) -> None:
        if link.type != "unreadable":
            self.expected = link.number + 1
        else:
            self.expected += 1
        self._previous = link.hash

    def altered(self, mine: _Link, theirs: _Link) -> None:
        self._altered.append((mine, theirs))
        self._agreed_last = None
        self.expected += 1

    def only_store(self, link: _Link) -> None:
        self._either(link, self._store, self._ledger)

    def only_ledger(self, link: _Link) -> None:
        self._either(link, self._ledger, self._store)

    def _either(self, link: _Link, mine: dict[str, _Link], others: dict[str, _Link]) -> None:
        self._agreed_last = None
        side: Side = "store" if mine is self._store else "ledger"
        was_passed = link.number < self.expected
        if link.number == self.expected:
            self.expected += 1
        key = link.id or f"#{link.hash}"
        if (other := others.pop(key, None)) is None:
            if was_passed or key in mine:
                self._found.append(Difference("inserted", side, link.number, link.id, link.type))
            else:
                mine[key] = link
        elif other.raw == link.raw:
            self._found.append(Difference("reordered", side, link.number, link.id, link.type))
        else:
            self._altered.append((link, other) if mine is self._store else (other, link))

    def finish(
        self, head: tuple[int, str] | None, ledger_head: tuple[int, str] | None, store_reaches: int, ledger_reaches: int
    ) -> list[Difference]:
        for reached in (head, ledger_head):
            if reached is not None:
                self._named_before.setdefault(*reached)
        self._judge_last(named_both=head is not None and head == ledger_head)
        for mine, theirs in sorted(self._altered, key=lambda pair: -pair[1].number):
            named = theirs if theirs.id else mine
            genuine = self._named_before.get(named.number)
            side: Side = "store" if genuine == theirs.hash else "ledger" if genuine == mine.hash else "unknown"
            if side != "unknown":
                self._named_before.setdefault(named.number - 1, (theirs if side == "store" else mine).previous)
            self._found.append(Difference("altered", side, named.number, named.id, named.type))
        chained = {link.previous for link in (*self._store.values(), *self._ledger.values())} | set(
            self._named_before.values()
        )
        for link in self._ledger.values():
            self._found.append(self._missing_from_store(link, chained, store_reaches))
        for link in self._store.values():
            self._found.append(self._missing_from_ledger(link, chained, ledger_reaches, ledger_head))
        self._cut_off(head, store_reaches, ledger_head, ledger_reaches)
        return sorted(self._found, key=lambda difference: (difference.number, difference.kind, difference.side))

    def _missing_from_store(self, link: _Link, chained: set[str], reaches: int) -> Difference:
        if link.number > reaches:
            return Difference("truncated", "store", link.number, link.id, link.type)
        kind: Kind = "deleted" if link.hash in chained else "inserted"
        return Difference(kind, "store" if kind == "deleted" else "ledger", link.number, link.id, link.type)

    def _missing_from_ledger(
        self, link: _Link, chained: set[str], reaches: int, ledger_head: tuple[int, str] | None
    ) -> Difference:
        if link.number > reaches and (ledger_head is None or link.number > ledger_head[0]):
            return Difference("behind", "ledger", link.number, link.id, link.type)
        kind: Kind = "truncated" if link.number > reaches else "deleted" if link.hash in chained else "inserted"
        return Difference(kind, "store" if kind == "inserted" else "ledger", link.number, link.id, link.type)

    def _judge_last(self, *, named_both: bool) -> None:
        """The last fact has no successor to vouch for it: the heads do, where both name the same."""
        last = self._agreed_last
        if last is not None and named_both and self._named_before.get(last.number, last.hash) != last.hash:
            self._found.append(Difference("altered", "both", last.number, last.id, last.type))

    def _cut_off(
        self, head: tuple[int, str] | None, store_reaches: int, ledger_head: tuple[int, str] | None, ledger_reaches: int
    ) -> None:
        """A head names facts that no copy holds any more."""
        gone: dict[int, list[Side]] = {}
        for named, reaches, side in ((head, store_reaches, "store"), (ledger_head, ledger_reaches, "ledger")):
            for number in range(reaches + 1, named[0] + 1 if named is not None else 0):
                gone.setdefault(number, []).append(side)  # type: ignore[arg-type]
        known = {difference.number for difference in self._found}
        self._found.extend(
            Difference("truncated", "both" if len(sides) > 1 else sides[0], number)
            for number, sides in gone.items()
            if number not in known
        )


def facts_named(reports: Iterable[ChainReport]) -> Iterator[tuple[str, Difference]]:
    """Every difference of every chain, with its chain."""
    for report in reports:
        for difference in report.differences:
            yield report.chain, difference
