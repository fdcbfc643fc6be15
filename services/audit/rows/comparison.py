"""Are a service's rows beside its facts (timers, parked facts, tracking) what the facts say? Reads its store and writes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, hash_of
from bailiwick_contracts.stored import read_stored

from services.audit.rows.due import due_findings, due_rows
from services.audit.rows.finding import Compared, RowFinding
from services.audit.rows.letters import Letter, letters_of
from services.audit.rows.parked import Place, parked_findings
from services.audit.rows.taken import tracking_findings
from services.kernel.dead_letter import letter_stream
from services.kernel.due import command_id_of, microseconds
from services.kernel.intake import readable
from services.kernel.parked import PARKED, service_of
from services.kernel.service import Asked, Put, Service
from services.kernel.store import Store
from services.kernel.tables import COMMANDS, FACTS

TABLES = ("timers", "parked", "tracking")
LAST_FACTS = 500
"""How many of the service's last facts are asked how far their copies reached."""
Feed = Callable[[str, str, int], Sequence[bytes]]
"""A source's facts of a property's chain after a number."""
Heads = Callable[[str], Mapping[str, tuple[int, str]]]
"""Every chain of a source: property to (number, hash of the last fact)."""


class RowComparison:
    """One comparison, on one consistent state of the store."""

    def __init__(
        self, service: Service, store: Store, feed: Feed, heads: Heads, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`feed` and `heads` answer for the sources; `clock` answers the current instant in UTC."""
        self._service, self._store, self._feed, self._heads = service, store, feed, heads
        self._clock = clock or (lambda: datetime.now(UTC))
        self._facts = 0

    def compare(self) -> Compared:
        """Read everything, then name each row that does not hold.

        Raises:
            PersistenceError: the database failed.
            Exception: whatever `feed` and `heads` raise where a source does not answer.
        """
        with self._store.reading() as connection:
            return self._compared(connection)

    def _compared(self, connection: sa.Connection) -> Compared:
        timers = due_rows(connection)
        parked = list(connection.execute(sa.select(PARKED)))
        tracked = self._store.tracked(connection)
        now = self._latest(connection)
        letters = letters_of(event for _, facts in self._streams(connection, letter_stream("")) for event in facts)
        taken = self._taken(tracked, parked)
        asked, facts = self._asked(connection, taken, parked, letters)
        decided = self._decided(connection, [command_id_of(row._mapping) for row in timers.values()])  # noqa: SLF001 - the public name of a row's mapping
        handled = self._handled(connection, {row.fact_id for row in parked}) | {row.set_by for row in timers.values()}
        found: list[RowFinding] = [
            *due_findings(timers, asked, facts, letters.values(), decided, now=now),
            *parked_findings(parked, taken, letters.values(), handled, self._uncopied(parked, taken),
                             self._begun(parked), now_us=microseconds(now)),
            *self._tracking(connection, tracked, parked),
        ]  # fmt: skip
        return Compared(TABLES, self._facts, len(timers) + len(parked) + len(tracked), tuple(found))

    def _latest(self, connection: sa.Connection) -> datetime:
        """The latest instant that the service knew: its clock may have run ahead, and been put right since."""
        last = connection.execute(sa.select(FACTS.c.raw).order_by(FACTS.c.position.desc()).limit(1)).scalar()
        now = self._clock()
        return now if last is None else max(now, read_stored(bytes(last)).recordedat)

    # -- what the service holds --------------------------------------------------------------------------------------

    def _streams(self, connection: sa.Connection, prefix: str) -> Iterator[tuple[str, list[Event[Any]]]]:
        """The service's own streams whose names begin so, with their facts in order."""
        query = (
            sa.select(FACTS.c.stream, FACTS.c.type, FACTS.c.raw)
            .where(FACTS.c.stream.startswith(prefix, autoescape=True))
            .order_by(FACTS.c.stream, FACTS.c.version)
        )
        rows = connection.execute(query, execution_options={"yield_per": 1_000})
        for stream, of_stream in groupby(rows, key=lambda row: row.stream):
            facts = [read_stored(bytes(row.raw), row.type) for row in of_stream]
            self._facts += len(facts)
            if stream.startswith(prefix):
                yield stream, facts

    def _asked(
        self, connection: sa.Connection, taken: Mapping[Place, Event[Any]], parked: Sequence[Any],
        letters: Mapping[str, Letter],
    ) -> tuple[dict[str, Asked], dict[str, Event[Any]]]:  # fmt: skip
        """Every timer that facts ask for, and the facts that set them by id."""
        waiting = {row.fact_id for row in parked} | {name for name, one in letters.items() if one.dropped}
        reacted = sorted(
            (
                event
                for event in taken.values()
                if type(event.data) in self._service.reactions and event.id not in waiting
            ),
            key=lambda event: (event.subject, event.version),
        )
        others = [(stream, list(facts)) for stream, facts in groupby(reacted, key=lambda event: event.subject)]
        asked: dict[str, Asked] = {}
        setting: dict[str, Event[Any]] = {}
        for prefix, asks in self._service.asks.items():
            of_others = ((stream, facts) for stream, facts in others if stream.startswith(prefix))
            for streams in (self._streams(connection, prefix), of_others):
                for _, facts in streams:
                    for one in asks(facts):
                        asked[one.timer_id] = one
                        setting |= {event.id: event for event in facts if event.id in one.set_by}
        return asked, setting

    def _decided(self, connection: sa.Connection, command_ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(command_ids), 500):
            query = sa.select(COMMANDS.c.command_id).where(COMMANDS.c.command_id.in_(command_ids[start : start + 500]))
            found.update(connection.execute(query).scalars())
        return found

    def _handled(self, connection: sa.Connection, fact_ids: set[str]) -> set[str]:
        """Of facts taken in, those of which a fact of the service's own says that it follows from them."""
        if not fact_ids:
            return set()
        query = sa.select(FACTS.c.raw, FACTS.c.type).where(~FACTS.c.stream.startswith(letter_stream("")))
        rows = connection.execute(query, execution_options={"yield_per": 1_000})
        marked = (bytes(row.raw) for row in rows if b'"after-' in row.raw)
        return {read_stored(raw).commandid.removeprefix("after-") for raw in marked} & fact_ids

    # -- what the sources hold ---------------------------------------------------------------------------------------

    def _taken(self, tracked: Mapping[str, tuple[int, str | None]], parked: Sequence[Any]) -> dict[Place, Event[Any]]:
        """The facts that were taken in and matter here: those that are reacted to, and all from the first parked one on."""
        wanted: dict[Place, Event[Any]] = {}
        reacts = {kind.wire().partition(".")[0] for kind in self._service.reactions}
        for source, (position, _) in tracked.items():
            if service_of(source) not in self._service.consumes:
                continue
            first = min((row.number for row in parked if row.source == source), default=None)
            start = 0 if service_of(source) in reacts else first - 1 if first is not None else position
            for event, _ in self._read(source, max(0, start), position):
                if type(event.data) in self._service.reactions or (first is not None and event.chainnumber >= first):
                    wanted[source, event.chainnumber] = event
        return wanted

    def _read(self, source: str, after: int, until: int) -> Iterator[tuple[Event[Any], bytes]]:
        while after < until:
            page = self._feed(service_of(source), source.partition(":")[2], after)
            if not page:
                return
            for raw in page[: until - after]:
                self._facts += 1
                yield readable(raw)[0], raw
            after += len(page)

    def _uncopied(self, parked: Sequence[Any], taken: Mapping[Place, Event[Any]]) -> set[Place]:
        found = set()
        for row in parked:
            event = taken.get((row.source, row.number))
            if event is not None and not self._folds(event, row):
                found.add((row.source, row.number))
        return found

    def _begun(self, parked: Sequence[Any]) -> dict[str, int]:
        """When the first fact of each source was recorded, in microseconds since 1970: nothing was parked before it."""
        firsts = ((source, self._read(source, 0, 1)) for source in {row.source for row in parked})
        return {source: microseconds(event.recordedat) for source, facts in firsts for event, _ in facts}

    def _folds(self, event: Event[Any], row: Any) -> bool:
        for _, raw in self._read(row.source, row.number - 1, row.number):
            try:
                for view in self._service.views:
                    if view.source == event.service:
                        list(view.fold(event, raw))
            except Exception:  # noqa: BLE001 - whatever a fold fails on, the copies lack
                return False
        return True

    # -- how far it was taken in -------------------------------------------------------------------------------------

    def _tracking(
        self, connection: sa.Connection, tracked: Mapping[str, tuple[int, str | None]], parked: Sequence[Any]
    ) -> list[RowFinding]:
        there: dict[str, tuple[str, int, str] | None] = {}
        for source, (position, _) in tracked.items():
            if service_of(source) in self._service.consumes:
                last = [(event.log, event.chainnumber, hash_of(raw))
                        for event, raw in self._read(source, position - 1, position)]  # fmt: skip
                there[source] = last[0] if last and last[0][1] == position else None
        beyond = self._ruled(connection)
        for row in parked:
            if service_of(row.source) in self._service.consumes:
                beyond[row.source] = max(row.number, beyond.get(row.source, 0))
        for service in self._service.consumes:
            for property_id, (head, _) in self._heads(service).items():
                self._look_beyond(connection, service, property_id, head, tracked, beyond)
        return tracking_findings(tracked, there, self._service.consumes, beyond)

    def _look_beyond(
        self, connection: sa.Connection, service: str, property_id: str, head: int,
        tracked: Mapping[str, tuple[int, str | None]], beyond: dict[str, int],
    ) -> None:  # fmt: skip
        """Note the furthest of the next facts that the local copies hold already."""
        names = [name for name in tracked if service_of(name) == service and name.partition(":")[2] == property_id]
        position = max((tracked[name][0] for name in names), default=0)
        if position >= head:
            return
        for raw in self._feed(service, property_id, position):
            event, _ = readable(raw)
            if self._is_copied(connection, event, raw):
                source = f"{event.log}:{property_id}"
                beyond[source] = max(event.chainnumber, beyond.get(source, 0))

    def _is_copied(self, connection: sa.Connection, event: Event[Any], raw: bytes) -> bool:
        """Whether a row of the copies names this very fact."""
        for view in self._service.views:
            for change in view.fold(event, raw) if view.source == event.service else ():
                if isinstance(change, Put) and event.id in change.row.values():
                    keys = [column.name for column in change.table.primary_key.columns]
                    there = sa.select(change.table).where(*(change.table.c[name] == change.row[name] for name in keys))
                    row = connection.execute(there).first()
                    if row is not None and event.id in row:
                        return True
        return False

    def _ruled(self, connection: sa.Connection) -> dict[str, int]:
        """How far the copies reached, by what the last rulings say of themselves."""
        found: dict[str, int] = {}
        query = sa.select(FACTS.c.raw, FACTS.c.type).order_by(FACTS.c.position.desc()).limit(LAST_FACTS)
        for row in connection.execute(query):
            event = read_stored(bytes(row.raw), row.type)
            for reached in getattr(getattr(event.data, "ruling", None), "positions", ()):
                if service_of(reached.chain) in self._service.consumes:
                    found[reached.chain] = max(reached.number, found.get(reached.chain, 0))
        return found
