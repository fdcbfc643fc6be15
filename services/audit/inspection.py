"""An auditor's own hands: reads the ledger and the services' feeds over the wire, and judges in the auditor's process.

Nothing here believes a service: chains are compared byte by byte, and rulings are given again from facts and keys alone.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from bailiwick_contracts.audit import HistoryOfDecision, HistoryOfPerson, ListChains, ReadLedger
from bailiwick_contracts.judges import Judges
from bailiwick_contracts.message import Request
from bailiwick_contracts.readjudicate import Summary, readjudicate
from bailiwick_contracts.sealed import Keys
from bailiwick_contracts.subjects import SERVICES
from pydantic_core import from_json

from services.audit.completeness import ChainReport, Difference, compare
from services.audit.log.comparison import Comparison, LogCopy, LogDifference
from services.audit.report import completeness_json, readjudication_json

T = TypeVar("T")
Query = Callable[[Request], Awaitable[Mapping[str, Any]]]
"""Asks audit, answers the `result`; raises what the caller wants raised for anything but `done`."""
Feed = Callable[[str, str, int], Awaitable[list[bytes]]]
"""(service, property, after number) to the next stored facts of that chain, none after the last."""
Heads = Callable[[str], Awaitable[Mapping[str, tuple[int, str]]]]
"""A service to its chains: property to (last number, hash)."""
Progress = Callable[[int, int], None]
"""Called with facts read so far and facts in all."""


async def history(query: Query, decision_id: str) -> dict[str, Any]:
    """The history of one decision; see `services.audit.history.of_decision`."""
    return dict(await query(HistoryOfDecision(decision_id=decision_id)))


async def person(query: Query, staff_id: str, *, pages: int | None = None, about: str | None = None) -> dict[str, Any]:
    """Everything the ledger holds about one person, oldest first, `pages` of a hundred at most.

    `about`: only facts whose name begins so, e.g. `penalty`.
    """
    entries: list[Any] = []
    after: str | None = None
    result: dict[str, Any] = {}
    read = 0
    while pages is None or read < pages:
        result = dict(await query(HistoryOfPerson(staff_id=staff_id, after=after, about=about)))
        entries.extend(result["facts"])
        read += 1
        after = result.get("next")
        if after is None:
            break
    return result | {"facts": entries}


async def rulings(
    query: Query,
    keys: Keys,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    property_id: str | None = None,
    under: str | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Re-adjudicate the whole ledger here, with the keys held here; see `services.audit.report.readjudication_json`.

    `processes` judge side by side; the history is copied to a temporary file for them.
    """
    total = sum(chain["number"] for chain in (await query(ListChains()))["chains"])
    summary = Summary()
    chosen: Any = {"since": since, "until": until, "property_id": property_id, "under": under}

    def judge(raws: Iterator[bytes]) -> dict[str, Any]:
        with Judges(processes) if processes > 1 else nullcontext() as judges:
            again = readjudicate if judges is None else judges.readjudicate
            return readjudication_json(again(raws, keys, summary=summary, **chosen), summary, **chosen)

    return await _in_thread(judge, _Pages(lambda after: _ledger_page(query, None, after), progress, total))


async def through(query: Query, work: Callable[[Iterator[bytes]], T], *, progress: Progress | None = None) -> T:
    """Do some work over the whole ledger, in the order recorded, in a thread of this process."""
    total = sum(chain["number"] for chain in (await query(ListChains()))["chains"])
    pages = _Pages(lambda after: _ledger_page(query, None, after), progress, total)
    return await asyncio.to_thread(work, pages.blocking(asyncio.get_running_loop()))


async def complete(
    query: Query,
    feed: Feed,
    heads: Heads,
    *,
    property_id: str | None = None,
    progress: Progress | None = None,
    logs: Mapping[str, LogCopy] | None = None,
) -> dict[str, Any]:
    """Compare every chain of every service's store with the ledger, and with the logs; see `completeness_json` of the report.

    `logs`: property to its transparency log, of which each stored fact's entry is then compared too.
    """
    ledger = await _chains(query, property_id)
    stores = {
        (service, owner): head
        for service in SERVICES
        for owner, head in (await heads(service)).items()
        if property_id in (None, owner)
    }
    total = sum(number for number, _ in ledger.values())
    reports, done = [], 0
    against_log: dict[str, tuple[int, int, tuple[LogDifference, ...]]] = {}
    for service, owner, chain in await _pairs(feed, ledger, stores):
        sides = _Sides(query, feed, service, owner, chain, ledger.get(chain), stores.get((service, owner)))
        if logs and owner in logs:
            sides.log = logs[owner].compared(chain)
        report = await sides.compared(_shifted(progress, done, total))
        if sides.log is not None:
            against_log[chain] = (sides.log.agreeing, sides.log.behind, sides.log.finish())
        late_ledger = (await _chains(query, owner)).get(chain)
        late_store = (await heads(service)).get(owner) if service in SERVICES else None
        reports.append(sides.with_forged_tail(report, late_store, late_ledger))
        done += report.ledger_reaches
    return completeness_json(reports, against_log)


def _shifted(progress: Progress | None, base: int, total: int) -> Callable[[int], None]:
    def show(read: int) -> None:
        if progress is not None:
            progress(base + read, total)

    return show


async def _chains(query: Query, property_id: str | None) -> dict[str, tuple[int, str]]:
    listed = (await query(ListChains()))["chains"]
    return {c["chain"]: (c["number"], c["hash"]) for c in listed if property_id in (None, c["property"])}


async def _pairs(
    feed: Feed, ledger: Mapping[str, Any], stores: Mapping[tuple[str, str], Any]
) -> list[tuple[str, str, str]]:
    """Each (service, property, chain) to compare; a chain whose store is gone is compared with nothing."""
    pairs = []
    for service, owner in stores:
        first = await feed(service, owner, 0)
        try:
            log = str(from_json(first[0])["log"])
        except (IndexError, ValueError, KeyError, TypeError):
            log = next(
                (
                    chain.split("/")[1]
                    for chain in ledger
                    if chain.startswith(f"{service}/") and chain.endswith(f"/{owner}")
                ),
                "",
            )
        pairs.append((service, owner, f"{service}/{log}/{owner}"))
    known = {chain for _, _, chain in pairs}
    for chain in ledger:
        if chain not in known:
            service, _, owner = chain.split("/")
            pairs.append((service, owner, chain))
    return sorted(pairs)


@dataclass
class _Sides:
    """The two copies of one chain, each read up to where it stood when the comparison began."""

    query: Query
    feed: Feed
    service: str
    owner: str
    chain: str
    ledger_head: tuple[int, str] | None
    store_head: tuple[int, str] | None
    log: Comparison | None = None
    _page: list[bytes] = field(default_factory=list)
    """The last page: a fact that stands beyond its place comes again with the next."""
    beyond: dict[str, list[tuple[int, str, str]]] = field(default_factory=lambda: {"store": [], "ledger": []})

    async def compared(self, progress: Callable[[int], None]) -> ChainReport:
        store = _Pages(self._feed_page if self.store_head else _nothing)
        ledger = _Pages(lambda after: _ledger_page(self.query, self.chain, after), lambda read, _: progress(read))
        loop = asyncio.get_running_loop()
        reaches = max(self.store_head or (0, ""), self.ledger_head or (0, ""))[0]
        stored = store.blocking(loop) if self.log is None else self.log.passing(store.blocking(loop))
        return await asyncio.to_thread(
            compare,
            self.chain,
            self._until(stored, reaches, "store"),
            self._until(ledger.blocking(loop), self.ledger_head[0] if self.ledger_head else 0, "ledger"),
            head=self.store_head,
            ledger_head=self.ledger_head,
        )

    async def _feed_page(self, after: str | None) -> tuple[list[bytes], str | None]:
        begin = int(after or 0)
        raws = await self.feed(self.service, self.owner, begin)
        reached = _last_number(raws, begin)
        if reached is None and begin < max(self.store_head or (0, ""), self.ledger_head or (0, ""))[0]:
            reached = begin + len(raws)
        fresh, self._page = [raw for raw in raws if raw not in self._page], raws
        return fresh, str(reached) if raws and reached is not None else None

    def _until(self, raws: Iterable[bytes], reaches: int, side: str) -> Iterator[bytes]:
        """Facts beyond where the copy stood are kept aside: they came meanwhile, or were never chained."""
        for raw in raws:
            try:
                document = from_json(raw)
                number = int(document["chainnumber"])
            except (ValueError, KeyError, TypeError):
                yield raw
                continue
            if number > reaches:
                self.beyond[side].append((number, str(document.get("id", "")), str(document.get("type", ""))))
            else:
                yield raw

    def with_forged_tail(
        self, report: ChainReport, store_head: tuple[int, str] | None, ledger_head: tuple[int, str] | None
    ) -> ChainReport:
        """What lies beyond even the later heads was never taken in by any intake: it was put there."""
        heads = {"store": store_head, "ledger": ledger_head}
        forged = [
            Difference("inserted", "store" if side == "store" else "ledger", number, event_id, wire)
            for side, facts in self.beyond.items()
            for number, event_id, wire in facts
            if number > (heads[side] or (0, ""))[0]
        ]
        return ChainReport(
            report.chain, report.agreeing, report.store_reaches, report.ledger_reaches,
            (*report.differences, *forged), report.not_named,
        )  # fmt: skip


async def _nothing(_: str | None) -> tuple[list[bytes], str | None]:
    return [], None


async def _ledger_page(query: Query, chain: str | None, after: str | None) -> tuple[list[bytes], str | None]:
    result = await query(ReadLedger(chain=chain, after=after))
    return [base64.b64decode(raw) for raw in result["raws"]], result.get("next")


def _last_number(raws: list[bytes], after: int) -> int | None:
    """Where to go on behind a page, though its last facts may be unreadable; None where none of it says a number that follows."""
    said = [_number_of(raw) for raw in raws]
    follow = [number for number in said if number is not None and after < number <= after + 100_000]
    unreadable = next((behind for behind, number in enumerate(reversed(said)) if number is not None), 0)
    return max(follow) + unreadable if follow else None


def _number_of(raw: bytes) -> int | None:
    try:
        return int(from_json(raw)["chainnumber"])
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class _Pages:
    """Pages fetched in the event loop, read as one iterator in a thread."""

    fetch: Callable[[str | None], Awaitable[tuple[list[bytes], str | None]]]
    progress: Progress | None = None
    total: int = 0

    def blocking(self, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """The facts in order; while those of a page are looked at, the next page is on its way."""
        read = 0
        coming: Future[tuple[list[bytes], str | None]] | None = self._asked(None, loop)
        try:
            while coming is not None:
                raws, after = coming.result()
                coming = self._asked(after, loop) if after is not None else None
                yield from raws
                read += len(raws)
                if self.progress is not None:
                    self.progress(read, self.total)
        finally:
            if coming is not None:
                coming.cancel()

    def _asked(self, after: str | None, loop: asyncio.AbstractEventLoop) -> Future[tuple[list[bytes], str | None]]:
        return asyncio.run_coroutine_threadsafe(_awaited(self.fetch(after)), loop)


async def _awaited(result: Awaitable[tuple[list[bytes], str | None]]) -> tuple[list[bytes], str | None]:
    return await result


async def _in_thread(judge: Callable[[Iterator[bytes]], dict[str, Any]], pages: _Pages) -> dict[str, Any]:
    return await asyncio.to_thread(judge, pages.blocking(asyncio.get_running_loop()))
