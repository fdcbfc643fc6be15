"""One command's part of the writer's transaction, which can be undone alone."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import (
    MESSAGE_LIMIT_BYTES,
    Command,
    Event,
    hash_of,
    render,
    schema_address,
    trusted_event,
)
from bailiwick_contracts.message import COMPANY, Fact, Request
from bailiwick_contracts.sealed import KeyErasedError, Keys, Sealed, may_seal, open_field, sealed_fields
from bailiwick_contracts.stored import read_folded, read_stored
from eventsourcing.persistence import OperationalError, ProgrammingError
from opentelemetry.trace import Span
from sqlalchemy.sql.visitors import iterate

from services.kernel import tracing
from services.kernel.batch import Batch, Stream
from services.kernel.change import added, key_of
from services.kernel.dead_letter import letter_stream
from services.kernel.decision import Noun, Rejected
from services.kernel.due import TIMERS, Row, command_id_of, timer_row
from services.kernel.ids import uuid7
from services.kernel.reading import within
from services.kernel.service import Add, Change, Put, Remove
from services.kernel.store import Head, StoredFact
from services.kernel.visible import is_of, owner_of, people_named

S = TypeVar("S")
_UNREAD: Row = {}
"""Of a timer that the batch knew nothing of."""
FACT_LIMIT_BYTES = 2 * MESSAGE_LIMIT_BYTES - 16 * 1024
"""NATS is set to take 512 KiB with headers. A larger fact could be stored and never published, and nothing after it either."""


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
        self.now, self.wall = batch.now, batch.wall
        self.events: list[Event[Any]] = []
        self._ended: list[Event[Any]] = []
        self._raws: list[StoredFact] = []
        self._changes: list[Change] = []
        self._streams_before: list[tuple[Stream, int, dict[str, tuple[Noun[Any], Any]], int]] = []
        self._heads_before: dict[str, Head] = {}
        self._timers_before: dict[str, Row | None] = {}
        self._touched: set[int] = set()
        self._savepoint: sa.NestedTransaction | None = None
        self._loaded: list[Stream] = []
        self._claims: dict[str, Any] | None = None
        self._span: Span | None = None
        caused_by = command or cause
        self._traceparent = caused_by.traceparent if caused_by is not None else None
        self._from_outside = command is not None and command.precondition is not None and property_id != COMPANY

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def present(self) -> Self:
        """A unit decides now."""
        return self

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views, with what this unit appended already in them."""
        self._write_views(statement)
        try:
            return list(self._batch.connection.execute(statement).all())
        except sa.exc.DBAPIError as error:
            if self._savepoint is None and self._batch.connection.dialect.name != "sqlite":
                lost = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
                self._batch.broken = OperationalError(str(error)) if lost else ProgrammingError(str(error))
            raise

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream, now or as of an instant or position."""
        if self._from_outside and self.is_hidden(stream):
            return noun.initial
        if until is not None:
            return noun.fold(event for position, event in self._read(stream) if within(event, position, until))
        remembered = self._batch.memory.streams.get(stream)
        if remembered is None:
            events = self.history(stream)
            remembered = self._batch.memory.streams[stream] = Stream(len(events))
        else:
            known = remembered.states.get(noun.name)
            if known is not None:
                return known[1]  # type: ignore[no-any-return]
            events = remembered.events if remembered.events is not None else self.history(stream)
        state = noun.fold(events)
        remembered.states[noun.name] = (noun, state)
        return state

    def load(self, streams: Iterable[str]) -> None:
        """Read many streams in one query."""
        self._loaded.extend(self._batch.load(streams))

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream, oldest first."""
        if self._from_outside and self.is_hidden(stream):
            return []
        return [event for _, event in self._read(stream)]

    def is_hidden(self, stream: str) -> bool:
        """Whether a stream is another property's: to who asks for this one it is as if there were none."""
        owner = owner_of(self._batch, stream)
        if owner in (None, self.property_id, COMPANY):
            return False
        return self.command is None or not is_of(stream, people_named(self.command.data.model_dump()))

    def is_aside(self, stream: str) -> bool:
        """Whether a stream is none of the property's that is asked for, nor of anybody whom the command names.

        What became of such a record, and whether there is one, is told only to whose command would change it.
        """
        if self.command is None or not self._from_outside or owner_of(self._batch, stream) == self.property_id:
            return False
        return not is_of(stream, people_named(self.command.data.model_dump()))

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches."""
        return self._batch.positions(source)

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field."""
        return open_field(sealed, event_id=event_id, path=path, keys=self.keys)

    def _read(self, stream: str) -> list[tuple[int, Event[Any]]]:
        facts = self._batch.store.facts_of(self._batch.connection, [stream])[stream]
        if stream in self._batch.memory.streams:
            facts += [fact for fact in (*self._batch.stored, *self._raws) if fact.stream == stream]
        return [(fact.position, read_folded(fact.raw, fact.type)) for fact in facts]

    def _stream(self, stream: str) -> Stream:
        streams = self._batch.memory.streams
        found = streams.pop(stream, None)
        if found is None:
            found = Stream(self._batch.store.version_of(self._batch.connection, stream))
        streams[stream] = found
        if id(found) not in self._touched:
            self._touched.add(id(found))
            self._streams_before.append((found, found.version, dict(found.states), len(found.events or ())))
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
        if not facts:
            return []
        owner = property_id or self.property_id
        remembered = self._stream(stream)
        added = []
        for fact in facts:
            if type(fact) not in self._batch.service.publishes:
                raise TypeError(f"{type(fact).__name__} is not among what {self._batch.service.name} publishes")
            event, stored = self._render(stream, remembered.version + 1, fact, owner, occurred_at, importrow)
            if len(stored.raw) > FACT_LIMIT_BYTES:
                raise Rejected(
                    f"{type(fact).wire()} has {len(stored.raw)} bytes", code="too_large", field="body", value=f"{len(stored.raw)} bytes",
                    rule=f"a fact has at most {FACT_LIMIT_BYTES} bytes, as the bus takes them", remedy="send it in smaller parts",
                )  # fmt: skip
            self._heads_before.setdefault(owner, self._batch.head(owner))
            self._batch.heads[owner] = Head(event.chainnumber, hash_of(stored.raw))
            if remembered.version == 0:
                remembered.owner = owner
            remembered.version += 1
            if remembered.events is not None:
                remembered.events.append(event)
            for name, (noun, state) in remembered.states.items():
                remembered.states[name] = (noun, noun.evolve(state, event))
            for view in self._batch.own_views:
                self._changes.extend(view.fold(event, stored.raw))
            self._raws.append(stored)
            added.append(event)
        self.events.extend(added)
        return added

    @property
    def decided(self) -> list[Event[Any]]:
        """What the handler appended: `events` without the ends of dead letters, which its timers led to."""
        return [event for event in self.events if event not in self._ended] if self._ended else self.events

    def set_timer(self, timer_id: str, due_at: datetime, request: Request, *, property_id: str | None = None) -> None:
        """Have `request` decided once `due_at` is reached; see `services.kernel.service.Unit`."""
        if type(request) not in self._batch.service.timers:
            raise TypeError(f"{type(request).__name__} is not among the timers of {self._batch.service.name}")
        cause = self.decided[-1] if self.decided else self.cause
        row = timer_row(timer_id, due_at, request, property_id or self.property_id, self.command, cause)
        self._end_letter(timer_id)
        self._note_timer(timer_id, row)
        self._changes.append(Put(TIMERS, row))

    def cancel_timer(self, timer_id: str) -> None:
        """Nothing is due under this id any more, if anything was."""
        self._end_letter(timer_id)
        self.drop_timer(timer_id)

    def drop_timer(self, timer_id: str) -> None:
        """The same, where its dead letter was dropped and says so itself."""
        self._note_timer(timer_id, None)
        self._changes.append(Remove(TIMERS, {"timer_id": timer_id}))

    def _end_letter(self, timer_id: str) -> None:
        """Record that the timer's dead letter is at an end, where it is one."""
        row = self._batch.timer_given_up(timer_id)
        if row is not None:
            letter_id, messages = command_id_of(row), of_service(self._batch.service.name)
            is_tried = self.command is not None and self.command.commandid == letter_id
            ended = (messages.resolved if is_tried else messages.lapsed)(letter_id=letter_id)
            self.append(letter_stream(letter_id), ended, property_id=row["property_id"])
            self._ended.append(self.events[-1])

    def _note_timer(self, timer_id: str, row: Row | None) -> None:
        self._timers_before.setdefault(timer_id, self._batch.timers.get(timer_id, _UNREAD))
        self._batch.timers[timer_id] = row

    def forget_lanes(self) -> None:
        """Something parked was taken out: who takes facts in looks anew at what is parked."""
        self._batch.lanes = None

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
        claims = self._claims
        if claims is None:
            claims = self._claims = self._provenance()
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": event_id,
            "type": wire,
            "source": f"/properties/{owner}/{self._batch.service.name}",
            "subject": stream,
            "time": None,
            "datacontenttype": "application/json",
            "dataschema": schema_address(wire),
            "sequence": f"{version:010d}",
            "decidedat": None,
            "recordedat": self.now,
            "effectiveon": None,
            "log": self._batch.memory.log,
            "chainnumber": head.number + 1,
            "previoushash": head.hash,
            **claims,
        }
        if occurred_at is not None:
            attributes["time"] = occurred_at
        if importrow is not None:
            attributes["importrow"] = importrow
        try:
            sealed = self._batch.keys.seal(fact, event_id)
        except KeyErasedError as error:
            raise Rejected(str(error), code="is_erased", field="body", value=type(fact).wire(),
                           rule="nothing personal is recorded about somebody who was erased",
                           remedy="use another id, or leave the personal fields out") from None  # fmt: skip
        raw = render(attributes, sealed)
        event = trusted_event(attributes, fact)
        if may_seal(type(fact)) and any(True for _ in sealed_fields(fact)):
            event = read_stored(raw, wire)
        position = self._batch.memory.head.number + len(self._batch.stored) + len(self._raws) + 1
        return event, StoredFact(position, stream, version, wire, raw, owner, head.number + 1)

    def _provenance(self) -> dict[str, Any]:
        """What every fact of this unit says of how it came to be."""
        command, cause = self.command, self.cause
        if command is not None:
            return {
                "time": command.occurredat or self.now,
                "decidedat": command.issuedat,
                "effectiveon": command.effectiveon,
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
                "traceparent": self._traceparent,
                "importrow": command.importrow,
            }
        assert cause is not None  # noqa: S101 - a unit belongs to a command or follows from a fact
        return {
            "time": self.now,
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
            "traceparent": self._traceparent,
            "importrow": None,
        }

    # -- all or nothing ---------------------------------------------------------------------------------------------

    def _write_views(self, statement: sa.Select[Any]) -> None:
        """Show what changed to a query on the tables it names; a savepoint keeps the neighbours' work apart."""
        changed = {change.table for change in self._changes}
        if not (changed or self._batch.changes) or not _mentions(statement, changed | self._batch.changes.keys()):
            return
        if changed and self._savepoint is None:
            self._batch.write_views()
            self._savepoint = self._batch.connection.begin_nested()
        self._merge_changes()
        self._batch.write_views()

    def _merge_changes(self) -> None:
        for change in self._changes:
            values = change.row if isinstance(change, Put) else change.key
            key = tuple([values[name] for name in key_of(change.table)])
            changes = self._batch.changes.setdefault(change.table, {})
            changes[key] = added(changes.get(key), change) if isinstance(change, Add) else change
        self._changes = []

    def __enter__(self) -> Self:
        caused_by = self.command or self.cause
        if caused_by is not None:
            self._span = tracing.handling(self._batch.service.name, caused_by)
            self._traceparent = tracing.traceparent_of(self._span, caused_by.traceparent)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        tracing.end(self._span, kind, {"bailiwick.facts": len(self.events)})
        for stream in self._loaded:
            stream.events = None
        if kind is None:
            self._batch.stored.extend(self._raws)
            self._merge_changes()
            if self._savepoint is not None:
                self._savepoint.commit()
            return
        for stream, version, states, count in self._streams_before:
            stream.version, stream.states = version, states
            if stream.events is not None:
                del stream.events[count:]
        self._batch.heads.update(self._heads_before)
        for timer_id, row in self._timers_before.items():
            if row is _UNREAD:
                del self._batch.timers[timer_id]
            else:
                self._batch.timers[timer_id] = row
        if self._savepoint is not None:
            self._batch.changes = {}  # since the savepoint they are this unit's alone, and may be what the database refused
            self._savepoint.rollback()


def _mentions(statement: sa.Select[Any], tables: set[sa.Table]) -> bool:
    """Whether a query reads one of these tables, or is written in a way that does not show it."""
    return any(
        part in tables if isinstance(part, sa.Table) else isinstance(part, sa.TextClause) for part in iterate(statement)
    )
