"""One batch of work inside the writer's transaction, and one command's part of it, which can be undone alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event, hash_of, read_event, render, schema_address
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.sealed import Keys, Sealed, open_field, sealed_fields

from services.kernel.decision import Noun
from services.kernel.due import TIMERS, Row, timer_row
from services.kernel.ids import uuid7
from services.kernel.sealing import KeyStore
from services.kernel.service import Add, Change, Put, Remove, Service
from services.kernel.store import Head, Store, StoredFact

S = TypeVar("S")
_CACHED_STREAMS = 20_000


@dataclass
class Stream:
    """What is remembered of one stream between batches: its version and the states folded from it."""

    version: int
    states: dict[str, tuple[Noun[Any], Any]] = field(default_factory=dict)
    events: list[Event[Any]] | None = None
    """Its facts, while a unit that read many streams at once works on it."""


@dataclass
class Memory:
    """What the writer remembers between batches; checked against the log at the start of each."""

    position: int = -1
    log: str = ""
    recorded_at: datetime | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)

    def trim(self) -> None:
        """Keep the cache bounded: the streams used longest ago go first."""
        for stream in list(self.streams)[: max(0, len(self.streams) - _CACHED_STREAMS)]:
            del self.streams[stream]


class Batch:
    """One transaction of the writer: facts, views, tracking and command ids of everything in it commit together."""

    def __init__(
        self, service: Service, store: Store, keys: KeyStore, memory: Memory, connection: sa.Connection, now: datetime
    ) -> None:
        """Start on an open transaction that holds the lock; `now` is the wall clock."""
        self.service, self.store, self.keys, self.memory, self.connection = service, store, keys, memory, connection
        position = store.head(connection, "*").number
        if position != memory.position:
            # Another instance wrote since: nothing that is remembered is sure.
            memory.streams.clear()
            memory.heads.clear()
            memory.position = position
            memory.log = store.setting(connection, "log") or ""
            last = store.setting(connection, "recorded_at")
            memory.recorded_at = datetime.fromisoformat(last) if last else None
        previous = memory.recorded_at
        self.now = now if previous is None or now > previous else previous
        self.pending: list[StoredFact] = []
        self.changes: dict[sa.Table, dict[tuple[Any, ...], Change]] = {}
        self.heads: dict[str, Head] = {}
        self.stored: list[StoredFact] = []
        self.tracking: dict[str, tuple[int, str]] = {}
        self.timers: dict[str, Row | None] = {}

    def head(self, property_id: str) -> Head:
        """Where the chain of a property stands, this batch included."""
        if property_id not in self.heads:
            if property_id not in self.memory.heads:
                self.memory.heads[property_id] = self.store.head(self.connection, property_id)
            self.heads[property_id] = self.memory.heads[property_id]
        return self.heads[property_id]

    def flush(self) -> None:
        """Send what is pending to the database, in one statement per table."""
        if self.pending:
            self.store.append(self.connection, self.pending)
            self.stored.extend(self.pending)
            self.pending = []
        for table, changes in self.changes.items():
            self.store.put(self.connection, table, [c.row for c in changes.values() if isinstance(c, Put)])
            self.store.remove(self.connection, table, [c.key for c in changes.values() if isinstance(c, Remove)])
            self.store.add(
                self.connection, table, [{**c.key, **c.amounts} for c in changes.values() if isinstance(c, Add)]
            )
        self.changes = {}

    def finish(self) -> None:
        """Everything that remains before the commit."""
        self.flush()
        if self.heads:
            self.store.set_heads(self.connection, self.heads)
        for source, (position, link) in self.tracking.items():
            self.store.track(self.connection, source, position, link)
        if self.stored:
            self.store.set_setting(self.connection, "recorded_at", self.now.isoformat())

    def committed(self) -> None:
        """Remember what the database now holds."""
        self.memory.heads.update(self.heads)
        self.memory.position += len(self.stored)
        self.memory.recorded_at = self.now
        self.memory.trim()


class WorkUnit:
    """What one handler sees (`services.kernel.service.Unit`). Its facts join the batch only when it succeeds."""

    def __init__(
        self,
        batch: Batch,
        *,
        property_id: str,
        command: Command[Any] | None = None,
        cause: Event[Any] | None = None,
    ) -> None:
        """Begin a unit of `batch`, for a command or because of a fact."""
        self._batch, self.property_id, self.command, self.cause = batch, property_id, command, cause
        self.keys: Keys = batch.keys
        self.now = batch.now
        self.events: list[Event[Any]] = []
        self._raws: list[StoredFact] = []
        self._changes: list[Change] = []
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._savepoint: sa.NestedTransaction | None = None
        self._flushed = 0
        self._loaded: list[Stream] = []

    # -- reading ----------------------------------------------------------------------------------------------------

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views, with what this unit appended already in them."""
        self._flush()
        return list(self._batch.connection.execute(statement))

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream, now or as of an instant or position."""
        if until is not None:
            return noun.fold(event for _, event in self._read(stream) if _within(event, _, until))
        remembered = self._stream(stream)
        if noun.name not in remembered.states:
            events = remembered.events
            if events is None:
                events = [event for _, event in self._read(stream)] if remembered.version else []
            self._set(remembered.states, noun.name, (noun, noun.fold(events)))
        state: S = remembered.states[noun.name][1]
        return state

    def load(self, streams: Iterable[str]) -> None:
        """Read many streams in one query."""
        missing = [stream for stream in dict.fromkeys(streams) if stream not in self._batch.memory.streams]
        if missing:
            self._flush()
            for stream, facts in self._batch.store.facts_of(self._batch.connection, missing).items():
                events = [read_event(fact.raw, fact.type) for fact in facts]
                self._loaded.append(Stream(version=len(events), events=events))
                self._set(self._batch.memory.streams, stream, self._loaded[-1])

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream, oldest first."""
        return [event for _, event in self._read(stream)]

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches."""
        tracked = {
            name: position
            for name, (position, _) in self._batch.store.tracked(self._batch.connection, f"{source}-%").items()
        }
        return tracked | {n: p for n, (p, _) in self._batch.tracking.items() if n.startswith(f"{source}-")}

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field."""
        return open_field(sealed, event_id=event_id, path=path, keys=self.keys)

    def _read(self, stream: str) -> list[tuple[int, Event[Any]]]:
        self._flush()
        facts = self._batch.store.facts_of(self._batch.connection, [stream])[stream]
        return [(fact.position, read_event(fact.raw, fact.type)) for fact in facts]

    def _stream(self, stream: str) -> Stream:
        streams = self._batch.memory.streams
        found = streams.pop(stream, None)
        if found is None:
            found = Stream(version=len(self._read(stream)))
        streams[stream] = found
        return found

    # -- appending --------------------------------------------------------------------------------------------------

    def append(
        self,
        stream: str,
        *facts: Fact,
        property_id: str | None = None,
        occurred_at: datetime | None = None,
        importrow: int | None = None,
    ) -> list[Event[Any]]:
        """Add facts to the end of a stream; see `services.kernel.service.Unit`."""
        owner = property_id or self.property_id
        remembered = self._stream(stream)
        added = []
        for fact in facts:
            if type(fact) not in self._batch.service.publishes:
                raise TypeError(f"{type(fact).__name__} is not among what {self._batch.service.name} publishes")
            event, stored = self._render(stream, remembered.version + 1, fact, owner, occurred_at, importrow)
            self._set(self._batch.heads, owner, Head(event.chainnumber, hash_of(stored.raw)))
            self._set(remembered.__dict__, "version", remembered.version + 1)
            if remembered.events is not None:
                self._set(remembered.__dict__, "events", [*remembered.events, event])
            for name, (noun, state) in list(remembered.states.items()):
                self._set(remembered.states, name, (noun, noun.evolve(state, event)))
            for view in self._batch.service.views:
                if view.source == self._batch.service.name:
                    self._changes.extend(view.fold(event, stored.raw))
            self._raws.append(stored)
            added.append(event)
        self.events.extend(added)
        return added

    def set_timer(self, timer_id: str, due_at: datetime, request: Request, *, property_id: str | None = None) -> None:
        """Have `request` decided once `due_at` is reached; see `services.kernel.service.Unit`."""
        if type(request) not in self._batch.service.timers:
            raise TypeError(f"{type(request).__name__} is not among the timers of {self._batch.service.name}")
        cause = self.events[-1] if self.events else self.cause
        row = timer_row(timer_id, due_at, request, property_id or self.property_id, self.command, cause)
        self._set(self._batch.timers, timer_id, row)
        self._changes.append(Put(TIMERS, row))

    def cancel_timer(self, timer_id: str) -> None:
        """Nothing is due under this id any more, if anything was."""
        self._set(self._batch.timers, timer_id, None)
        self._changes.append(Remove(TIMERS, {"timer_id": timer_id}))

    def change(self, changes: Iterable[Change]) -> None:
        """Write into local copies; for the kernel's intake only."""
        self._changes.extend(changes)

    def _render(
        self,
        stream: str,
        version: int,
        fact: Fact,
        owner: str,
        occurred_at: datetime | None,
        importrow: int | None,
    ) -> tuple[Event[Any], StoredFact]:
        event_id = uuid7()
        head = self._batch.head(owner)
        wire = type(fact).wire()
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": event_id,
            "type": wire,
            "source": f"/properties/{owner}/{self._batch.service.name}",
            "subject": stream,
            "time": occurred_at or self._claimed("occurredat") or self.now,
            "datacontenttype": "application/json",
            "dataschema": schema_address(wire),
            "sequence": f"{version:010d}",
            "decidedat": self._claimed("issuedat"),
            "recordedat": self.now,
            "effectiveon": self._claimed("effectiveon"),
            "log": self._batch.memory.log,
            "chainnumber": head.number + 1,
            "previoushash": head.hash,
            **self._provenance(),
            "importrow": importrow if importrow is not None else self._claimed("importrow"),
        }
        raw = render(attributes, self._batch.keys.seal(fact, event_id))
        event = Event.model_construct(None, **attributes, data=fact)
        if any(True for _ in sealed_fields(fact)):
            event = read_event(raw, wire)
        return event, StoredFact(0, stream, version, wire, raw, owner, head.number + 1)

    def _claimed(self, name: str) -> datetime | date | int | None:
        return getattr(self.command, name) if self.command is not None else None

    def _provenance(self) -> Mapping[str, Any]:
        command, cause = self.command, self.cause
        if command is not None:
            return {
                "actor": command.actor,
                "onbehalfof": command.onbehalfof,
                "delegation": command.delegation,
                "authmethod": command.authmethod,
                "channel": command.channel,
                "commandid": command.commandid,
                "commandtype": command.commandtype,
                "commanddigest": command.commanddigest,
                "door": command.door,
                "doorsignature": command.doorsignature,
                "causationid": command.causationid,
                "correlationid": command.correlationid or command.commandid,
                "importfile": command.importfile,
                "traceparent": command.traceparent,
            }
        assert cause is not None  # noqa: S101 - a unit belongs to a command or follows from a fact
        return {
            "actor": f"system-{self._batch.service.name}",
            "authmethod": "system",
            "channel": "system",
            "commandid": f"after-{cause.id}",
            "commandtype": cause.type,
            "commanddigest": hash_of(cause.id.encode()),
            "door": f"system-{self._batch.service.name}",
            "doorsignature": "system",
            "causationid": cause.id,
            "correlationid": cause.correlationid,
            "traceparent": cause.traceparent,
        }

    # -- all or nothing ---------------------------------------------------------------------------------------------

    def _set(self, target: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((target, key, target.get(key, _ABSENT)))
        target[key] = value

    def _flush(self) -> None:
        """Show this unit's own facts to its later reads; a savepoint keeps the neighbours' work apart."""
        if not self._raws and not self._changes:
            self._batch.flush()
            return
        if self._savepoint is None:
            self._batch.flush()
            self._savepoint = self._batch.connection.begin_nested()
        self._merge()
        self._batch.flush()

    def _merge(self) -> None:
        self._batch.pending.extend(self._raws)
        self._flushed += len(self._raws)
        self._raws = []
        for change in self._changes:
            values = change.row if isinstance(change, Put) else change.key
            key = tuple(values[column.name] for column in change.table.primary_key.columns)
            changes = self._batch.changes.setdefault(change.table, {})
            waiting = changes.get(key) if isinstance(change, Add) else None
            changes[key] = _sum(waiting, change) if isinstance(waiting, Add) and isinstance(change, Add) else change
        self._changes = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        for stream in self._loaded:
            stream.events = None
        if kind is None:
            self._merge()
            if self._savepoint is not None:
                self._savepoint.commit()
            return
        for target, key, value in reversed(self._undo):
            if value is _ABSENT:
                target.pop(key, None)
            else:
                target[key] = value
        if self._savepoint is not None:
            self._savepoint.rollback()
            self._batch.stored = self._batch.stored[: len(self._batch.stored) - self._flushed]


def _sum(one: Add, other: Add) -> Add:
    amounts = {name: one.amounts.get(name, 0) + amount for name, amount in other.amounts.items()}
    return Add(one.table, one.key, amounts)


_ABSENT = object()


class QueryReading:
    """What a query sees (`services.kernel.service.Reading`): one consistent state, nothing locked."""

    def __init__(self, service: Service, store: Store, keys: Keys, connection: sa.Connection) -> None:
        """Read on an open connection."""
        self._service, self._store, self._connection = service, store, connection
        self.keys = keys
        self.now = datetime.now(UTC)

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views."""
        return list(self._connection.execute(statement))

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream, now or as of an instant or position."""
        facts = self._store.facts_of(self._connection, [stream])[stream]
        events = ((fact.position, read_event(fact.raw, fact.type)) for fact in facts)
        return noun.fold(event for position, event in events if until is None or _within(event, position, until))

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream, oldest first."""
        return [read_event(f.raw, f.type) for f in self._store.facts_of(self._connection, [stream])[stream]]

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches."""
        return {n: position for n, (position, _) in self._store.tracked(self._connection, f"{source}-%").items()}

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field."""
        return open_field(sealed, event_id=event_id, path=path, keys=self.keys)


def _within(event: Event[Any], position: int, until: datetime | int) -> bool:
    return event.recordedat <= until if isinstance(until, datetime) else position <= until
