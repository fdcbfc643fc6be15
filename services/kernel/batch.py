"""One transaction of the writer: what all units in it share, and what is remembered from one to the next."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.stored import read_folded
from eventsourcing.persistence import PersistenceError

from services.kernel.decision import Noun
from services.kernel.due import Row, given_up
from services.kernel.sealing import KeyStore
from services.kernel.service import Add, Change, Put, Remove, Service
from services.kernel.store import Head, Store, StoredFact
from services.kernel.versions import check_versions

_CACHED_STREAMS = 20_000


@dataclass
class Stream:
    """What is remembered of one stream between batches: its version and the states folded from it."""

    version: int
    states: dict[str, tuple[Noun[Any], Any]] = field(default_factory=dict)
    events: list[Event[Any]] | None = None
    """Its facts, while a unit that read many streams at once works on it."""
    owner: str | None = None
    """The property of its first fact, as far as that was looked up."""


@dataclass
class Memory:
    """What the writer remembers between batches; checked against the log at the start of each."""

    head: Head = field(default_factory=lambda: Head(-1))
    """Where the log stood, and the mark that changes when a view is rebuilt."""
    log: str = ""
    recorded_at: datetime | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)

    def trim(self) -> None:
        """Keep the cache bounded: the streams used longest ago go first."""
        while len(self.streams) > _CACHED_STREAMS:
            del self.streams[next(iter(self.streams))]


class Batch:
    """One transaction of the writer: facts, views, tracking and command ids of everything in it commit together."""

    def __init__(
        self,
        service: Service,
        store: Store,
        keys: KeyStore,
        memory: Memory,
        connection: sa.Connection,
        clock: Callable[[], datetime],
        command_ids: Sequence[str] = (),
    ) -> None:
        """Start on a transaction in which nothing was done: it takes the lock, then reads the wall clock."""
        self.service, self.store, self.keys, self.memory, self.connection = service, store, keys, memory, connection
        head, self.known = store.begin(connection, command_ids)
        if head != memory.head:
            # Another instance wrote since, or rebuilt a view: nothing that is remembered is sure.
            check_versions(service, connection)
            memory.streams.clear()
            memory.heads.clear()
            memory.head = head
            memory.log = store.setting(connection, "log") or ""
            last = store.setting(connection, "recorded_at")
            memory.recorded_at = datetime.fromisoformat(last) if last else None
        self.wall, previous = clock(), memory.recorded_at
        """What the clock says. Where it jumped ahead and was put right it lies behind `now`, which stands still until it is
        reached: what is to be tried again later is reckoned from here."""
        self.now = self.wall if previous is None or self.wall > previous else previous
        self.own_views = [view for view in service.views if view.source == service.name]
        self.stored: list[StoredFact] = []
        """Facts of the units that succeeded; they reach the database when the batch is finished."""
        self.changes: dict[sa.Table, dict[tuple[Any, ...], Change]] = {}
        self.broken: PersistenceError | None = None
        """A query that failed and took the transaction with it, as PostgreSQL has it."""
        self.heads: dict[str, Head] = {}
        self.tracking: dict[str, tuple[int, str]] = {}
        self._tracked: dict[str, dict[str, int]] = {}
        self.timers: dict[str, Row | None] = {}
        self._given_up: dict[str, Row] | None = None
        self.lanes: set[str] | None = None
        """Lanes in which something is parked, once facts are taken in."""

    def load(self, streams: Iterable[str]) -> list[Stream]:
        """Remember many streams with their facts, read in one query; answers those that were not remembered already."""
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self.memory.streams]
        loaded = []
        if missing:
            for stream, facts in self.store.facts_of(self.connection, missing).items():
                events = [read_folded(fact.raw, fact.type) for fact in facts]
                owner = facts[0].property if facts else None
                self.memory.streams[stream] = Stream(version=len(events), events=events, owner=owner)
                loaded.append(self.memory.streams[stream])
        return loaded

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches, this batch included; the database is asked once, for the lock is held."""
        if source not in self._tracked:
            tracked = self.store.tracked(self.connection, f"{source}-%")
            self._tracked[source] = {name: position for name, (position, _) in tracked.items()}
        return self._tracked[source] | {n: p for n, (p, _) in self.tracking.items() if n.startswith(f"{source}-")}

    def timer_given_up(self, timer_id: str) -> Row | None:
        """The row of a timer that is a dead letter now, this batch included; the database is asked once, for the lock is held."""
        if timer_id not in self.timers and self._given_up is None:
            self._given_up = given_up(self.connection, self.wall)
        row = self.timers[timer_id] if timer_id in self.timers else (self._given_up or {}).get(timer_id)
        return row if row is not None and row["raised"] else None

    def head(self, property_id: str) -> Head:
        """Where the chain of a property stands, this batch included."""
        if property_id not in self.heads:
            if property_id not in self.memory.heads:
                self.memory.heads[property_id] = self.store.head(self.connection, property_id)
            self.heads[property_id] = self.memory.heads[property_id]
        return self.heads[property_id]

    def write_views(self) -> None:
        """Send what changed in the views to the database, in one statement per table."""
        for table, changes in self.changes.items():
            self.store.put(self.connection, table, [c.row for c in changes.values() if isinstance(c, Put)])
            self.store.remove(self.connection, table, [c.key for c in changes.values() if isinstance(c, Remove)])
            self.store.add(
                self.connection, table, [{**c.key, **c.amounts} for c in changes.values() if isinstance(c, Add)]
            )
        self.changes = {}

    def finish(self, answers: Sequence[tuple[str, bytes, bytes]], *, alone: bool) -> None:
        """Everything that remains before the commit; `alone` where one piece of work is all there is.

        `answers` are kept: command id, digest of the body, answer.

        Raises:
            PersistenceError: a query of one unit broke the transaction for all; each is to be tried alone.
        """
        if self.broken is not None and not (alone and not self.stored and not self.changes):
            raise self.broken
        with self.store.together(self.connection):
            self.store.append(self.connection, self.stored)
            self.write_views()
            if self.heads:
                self.store.set_heads(self.connection, self.heads)
            if self.stored:
                self.store.set_setting(self.connection, "recorded_at", self.now.isoformat())
            self.store.keep_answers(self.connection, answers)
            for source, (position, link) in self.tracking.items():
                self.store.track(self.connection, source, position, link)

    def committed(self) -> None:
        """Remember what the database now holds."""
        self.memory.heads.update(self.heads)
        self.memory.head = replace(self.memory.head, number=self.memory.head.number + len(self.stored))
        self.memory.recorded_at = self.now
        self.memory.trim()
