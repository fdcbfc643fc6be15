"""Answers a query as of an instant: the service's views folded anew from what was recorded by then, beside the ones in use.

What was recorded is never changed, so the same instant gives the same answer for ever. Own facts are those of the property and
of the company, which is all that a query of the property may see; the company's see every fact. Copies of other services hold
what those services had recorded by the instant. `reading.now` is the instant. Decision 29 says why it is folded and not kept.
"""

import asyncio
import heapq
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import Answer, Command, Event
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.sealed import Keys, Sealed
from bailiwick_contracts.stored import read_stored

from services.kernel import parked
from services.kernel.decision import Noun, Rejected
from services.kernel.intake import readable
from services.kernel.reading import QueryReading, plain
from services.kernel.rebuild import Feed, Tables, collect, forgone, write_changes
from services.kernel.rebuilding import AsyncFeed, waited_for
from services.kernel.scope import ScopedReading
from services.kernel.service import Change, Service, View
from services.kernel.settings import sqlite_url
from services.kernel.store import Store
from services.kernel.work import BusyError

LOG = structlog.get_logger()
FACTS_LIMIT = 200_000
"""Facts that are folded for one moment, at most."""
KEPT = 8
"""Moments that are kept for the pages that follow, the least recently asked for going first."""
WAITING_LIMIT = 4
"""Moments that may be asked for at once; each is folded after the one before."""
PAGE = 500
S = TypeVar("S")


class _StoppedError(Exception):
    """The service stops."""


class Moment:
    """The views of a service as they stood at an instant, in a database of their own."""

    def __init__(self, service: Service, at: datetime) -> None:
        """Nothing is folded yet."""
        self._directory = tempfile.TemporaryDirectory(prefix="bailiwick-moment-")
        tables = [table for view in service.views for table in view.tables]
        self.at = at
        self.store = Store(sqlite_url(Path(self._directory.name) / "moment.sqlite"), views=tables)
        self.reached: dict[str, int] = {}
        """How far each copied chain reached: `<log>:<property>` to the chain number."""
        self.facts = 0

    def close(self) -> None:
        """It is not needed any more."""
        self.store.close()
        self._directory.cleanup()


class Moments:
    """The moments that were asked for of late, each folded once however many pages of it are read."""

    def __init__(self, service: Service, store: Store, keys: Keys, feed: AsyncFeed) -> None:
        """`feed` gives the facts of other services."""
        self._service, self._store, self._keys, self._feed = service, store, keys, feed
        self._kept: OrderedDict[tuple[str, datetime], Moment] = OrderedDict()
        self._folding: dict[tuple[str, datetime], asyncio.Task[Moment]] = {}
        self._one = asyncio.Lock()
        self._stop = threading.Event()
        self._users = 0

    async def answer(self, command: Command[Any], at: datetime) -> Answer:
        """What the query would have been answered at the instant.

        Raises:
            Rejected: the instant lies ahead, the query is about now alone, or more was recorded by then than is folded.
            BusyError: other moments are being folded, or another service does not give its facts.
        """
        if at > datetime.now(UTC):
            raise Rejected("the instant lies ahead", code="as_of_ahead", field="as_of", value=at.isoformat(),
                           rule="what was recorded by an instant that has passed", remedy="leave as_of out to look at now")  # fmt: skip
        if type(command.data) in self._service.now_only:
            raise Rejected(f"{command.commandtype} is about now alone", code="as_of_impossible", field="as_of", value=at.isoformat(),
                           rule="what it answers from is not folded from recorded facts alone, or is to be judged by who asks now",
                           remedy="leave as_of out; what is answered names the instant of each fact")  # fmt: skip
        self._users += 1
        try:
            moment = await self._moment((command.property, at))
            return await asyncio.to_thread(self._ask, moment, command)
        finally:
            self._users -= 1
            self._trim()

    def _ask(self, moment: Moment, command: Command[Any]) -> Answer:
        with self._store.reading() as connection, moment.store.reading() as then:
            reading = MomentReading(QueryReading(self._service, self._store, self._keys, connection), moment, then)
            scoped = ScopedReading(reading, command.property)
            result = self._service.queries[type(command.data)](scoped, command)
        return Answer(commandid=command.commandid, outcome="done", result=plain(dict(result)), record=scoped.record())

    async def _moment(self, name: tuple[str, datetime]) -> Moment:
        found = self._kept.get(name)
        if found is not None:
            self._kept.move_to_end(name)
            return found
        if name not in self._folding:
            if len(self._folding) >= WAITING_LIMIT:
                raise BusyError("other moments are being looked up; send this one again in a second")
            task = self._folding[name] = asyncio.create_task(self._folded(*name))
            task.add_done_callback(lambda _: self._folding.pop(name, None))
        # A caller that goes away does not end what the next one may be waiting for.
        return await asyncio.shield(self._folding[name])

    async def _folded(self, property_id: str, at: datetime) -> Moment:
        async with self._one:
            feed = waited_for(self._feed, asyncio.get_running_loop())
            moment = Moment(self._service, at)
            began = time.monotonic()
            try:
                await asyncio.to_thread(self._fold, moment, property_id, feed)
            except BaseException:
                moment.close()
                raise
            LOG.info("moment.folded", service=self._service.name, property=property_id, facts=moment.facts,
                     seconds=round(time.monotonic() - began, 2))  # fmt: skip
            self._kept[property_id, at] = moment
            return moment

    def _trim(self) -> None:
        """Let go of the oldest, while nobody reads."""
        while self._users == 0 and len(self._kept) > KEPT:
            self._kept.popitem(last=False)[1].close()

    def close(self) -> None:
        """Stop folding, and let go of everything."""
        self._stop.set()
        for moment in self._kept.values():
            moment.close()
        self._kept.clear()

    # -- folding ----------------------------------------------------------------------------------------------------

    def _fold(self, moment: Moment, property_id: str, feed: Feed) -> None:
        views = self._service.views
        own = [view for view in views if view.source == self._service.name]
        sources = {view.source for view in views} - {self._service.name}
        with moment.store.transaction() as then:
            if own:
                self._take(moment, then, own, self._own(moment.at, property_id))
            for chain in self._chains(sources):
                copying = [view for view in views if view.source == parked.service_of(chain)]
                self._take(moment, then, copying, self._copied(moment, chain, feed))

    def _take(
        self, moment: Moment, then: sa.Connection, views: Sequence[View], facts: Iterable[tuple[Event[Any], bytes]]
    ) -> None:
        tables: Tables = {}
        waiting, began = 0, time.monotonic()
        for event, raw in facts:
            for view in views:
                for change in self._changes(view, event, raw):
                    collect(tables, change.table, change)
            moment.facts, waiting = moment.facts + 1, waiting + 1
            if moment.facts > FACTS_LIMIT:
                raise Rejected(f"more than {FACTS_LIMIT} facts were recorded by then", code="as_of_too_much", field="as_of",
                               value=moment.at.isoformat(), rule=f"at most {FACTS_LIMIT} facts are folded for one answer",
                               remedy="ask about one record, or walk the facts: GET /v1/events")  # fmt: skip
            if waiting == PAGE:
                write_changes(moment.store, then, tables)
                if self._stop.is_set():
                    raise _StoppedError
                # Whoever asks about now is answered in between.
                time.sleep(min(0.05, (time.monotonic() - began) / 4))
                tables, waiting, began = {}, 0, time.monotonic()
        write_changes(moment.store, then, tables)

    def _changes(self, view: View, event: Event[Any], raw: bytes) -> list[Change]:
        try:
            return list(view.fold(event, raw))
        except Exception:
            with self._store.reading() as connection:
                if forgone(self._store, connection, event):
                    return []
            raise

    def _own(self, at: datetime, property_id: str) -> Iterator[tuple[Event[Any], bytes]]:
        """The service's own facts recorded by the instant, in the order of its log."""
        if property_id == COMPANY:
            positions = self._log(at)
        else:
            chains = (self._chain(one, at) for one in (property_id, COMPANY))
            positions = heapq.merge(*chains, key=lambda one: one[0])
        for _, event, raw in positions:
            yield event, raw

    def _log(self, at: datetime) -> Iterator[tuple[int, Event[Any], bytes]]:
        last = 0
        while page := self._store.after(last, PAGE):
            for fact in page:
                event = read_stored(fact.raw, fact.type)
                if event.recordedat > at:
                    return
                yield fact.position, event, fact.raw
            last = page[-1].position

    def _chain(self, property_id: str, at: datetime) -> Iterator[tuple[int, Event[Any], bytes]]:
        last = 0
        while page := self._store.chain(property_id, last, PAGE):
            for fact in page:
                event = read_stored(fact.raw, fact.type)
                if event.recordedat > at:
                    return
                yield fact.position, event, fact.raw
            last = page[-1].number or last

    def _chains(self, sources: set[str]) -> list[str]:
        """The chains of other services that were taken in, in the order of their names."""
        with self._store.reading() as connection:
            tracked = self._store.tracked(connection)
        return sorted(chain for chain in tracked if parked.service_of(chain) in sources)

    def _copied(self, moment: Moment, chain: str, feed: Feed) -> Iterator[tuple[Event[Any], bytes]]:
        """What another service had recorded by the instant, as far as it was taken in by now."""
        with self._store.reading() as connection:
            until, _ = self._store.tracked(connection, chain)[chain]
        have = 0
        while have < until:
            try:
                page = feed(parked.service_of(chain), chain.partition(":")[2], have)
            except Exception as error:
                raise BusyError(
                    f"{parked.service_of(chain)} does not give its facts ({type(error).__name__}); send this one again in a second"
                ) from error
            if not page:
                raise BusyError(f"{parked.service_of(chain)} gives nothing after number {have} of {chain}")
            for raw in page[: until - have]:
                event, unread = readable(raw)
                if event.recordedat > moment.at:
                    return
                have += 1
                moment.reached[chain] = have
                if unread is None:
                    yield event, raw


class MomentReading:
    """What a query sees as of an instant (`services.kernel.service.Reading`): nothing that was recorded later."""

    def __init__(self, present: QueryReading, moment: Moment, then: sa.Connection) -> None:
        """Rows come from the moment's own database, facts from the service's, `present`."""
        self._present, self._moment, self._then = present, moment, then
        self.keys = present.keys
        self.now = moment.at

    @property
    def present(self) -> QueryReading:
        """What is there now."""
        return self._present

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views as they stood."""
        return list(self._then.execute(statement))

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream by the instant, or by an earlier one or a position."""
        if isinstance(until, int):
            events = self._present.history(stream, until=until)
            return noun.fold(event for event in events if event.recordedat <= self.now)
        return self._present.state(noun, stream, until=self.now if until is None else min(until, self.now))

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream recorded by the instant, oldest first."""
        return [event for event in self._present.history(stream) if event.recordedat <= self.now]

    def positions(self, source: str) -> dict[str, int]:
        """How far the copy of `source` reached."""
        return {chain: number for chain, number in self._moment.reached.items() if parked.service_of(chain) == source}

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field, as long as its key is there today."""
        return self._present.open(sealed, event_id, path)
