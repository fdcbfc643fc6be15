"""The event store: one log per service on SQLite or PostgreSQL, in which everything that must agree shares a transaction.

It is a `ProcessRecorder` of the eventsourcing library and passes that library's own persistence cases
(`tests/kernel/test_store.py`). Beside the library's interface it keeps the chain heads, the command ids, the tracking of
what was taken in from other services, and the views.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from bailiwick_contracts.envelope import FIRST_HASH
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from services.kernel.engine import plainly, postgresql_engine, sqlite_engine
from services.kernel.sql import Sql
from services.kernel.statement import Statements, by_itself, cursor_of
from services.kernel.tables import COMMANDS, FACTS, HEADS, METADATA, SETTINGS, TRACKING

_LAST = 2**31 - 1
LOG_POSITION = "*"
"""The row of `heads` that counts positions of the whole log, so that none is ever used twice."""


@dataclass(frozen=True)
class Head:
    """Where a chain stands."""

    number: int = 0
    hash: str = FIRST_HASH


class StoredFact(NamedTuple):
    """One row of the log."""

    position: int
    stream: str
    version: int
    type: str
    raw: bytes
    property: str | None = None
    number: int | None = None


class Store(ProcessRecorder):
    """The log of one service, with its views, in a database file or a PostgreSQL schema of its own."""

    def __init__(self, url: str, *, schema: str | None = None, views: Iterable[sa.Table] = ()) -> None:
        """Open or create the store.

        Args:
            url: a SQLAlchemy URL, `sqlite:////path/file` or `postgresql+psycopg://…`.
            schema: the PostgreSQL schema that holds the tables.
            views: tables of the service's views, created beside the log.
        """
        self.sqlite = self._sqlite = url.startswith("sqlite")
        self._writing = sqlite_engine(url, "IMMEDIATE") if self._sqlite else postgresql_engine(url, schema, 3)
        self._reading = (
            sqlite_engine(url, "DEFERRED") if self._sqlite else postgresql_engine(url, schema, 8, "REPEATABLE READ")
        )
        self._thread_lock = threading.RLock()
        self._statements = Statements(self._writing.dialect)
        self._sql = Sql(self._statements)
        self._driver: Any = self._writing.dialect.dbapi
        self._create(schema, tuple(views))

    def _create(self, schema: str | None, views: Sequence[sa.Table]) -> None:
        with self._writing.begin() as connection:
            if not self._sqlite:
                # Two instances may start at once, and PostgreSQL does not serialise CREATE … IF NOT EXISTS.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(4217)"))
                if schema is not None:
                    connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            METADATA.create_all(connection)
            for table in views:
                table.create(connection, checkfirst=True)

    def close(self) -> None:
        """Give every connection back."""
        self._writing.dispose()
        self._reading.dispose()

    @contextmanager
    def transaction(self, *, locked: bool = True) -> Iterator[sa.Connection]:
        """A transaction that holds the writers' lock from its first statement; other writers wait.

        `locked`: on PostgreSQL, take the lock now; else the first thing done is to be `begin`, which takes it.
        """
        with self._thread_lock, self.beside() as connection:
            if locked:
                with self.together(connection):
                    self._lock(connection)
            yield connection

    def _lock(self, connection: sa.Connection) -> None:
        if not self._sqlite:
            cursor_of(connection).execute("LOCK TABLE facts IN EXCLUSIVE MODE")

    @contextmanager
    def beside(self) -> Iterator[sa.Connection]:
        """A transaction that writes what no writer of the log does; only on SQLite do they wait for each other."""
        try:
            with self._writing.begin() as connection, plainly(connection):
                yield connection
        except (sa.exc.IntegrityError, self._driver.IntegrityError) as error:
            raise IntegrityError(str(getattr(error, "orig", error))) from error
        except (
            sa.exc.OperationalError,
            sa.exc.InterfaceError,
            self._driver.OperationalError,
            self._driver.InterfaceError,
        ) as error:
            raise OperationalError(str(getattr(error, "orig", error))) from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state, beside whoever writes."""
        with self._reading.connect() as connection, plainly(connection):
            connection.begin()
            yield connection

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """A cursor for one statement, which sees one consistent state by itself: no transaction is begun and ended for it."""
        with self._reading.connect() as connection, plainly(connection):
            cursor = cursor_of(connection)
            if self._sqlite:
                yield cursor
                return
            with by_itself(cursor):
                yield cursor

    # -- the library's interface ------------------------------------------------------------------------------------

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Append events, and the tracking of what they follow from, in one transaction.

        Raises:
            IntegrityError: a version is taken, or the tracking is not ahead of what is recorded.
        """
        if not self._sqlite and tracking is None and stored_events:
            return self._append_alone(stored_events)
        with self._thread_lock, self.beside() as connection, self.together(connection):
            self._lock(connection)
            first = self.head(connection, LOG_POSITION).number + 1
            facts = [
                StoredFact(position, str(event.originator_id), event.originator_version, event.topic, event.state)
                for position, event in enumerate(stored_events, first)
            ]
            self.append(connection, facts)
            if tracking is not None:
                self.track(connection, tracking.application_name, tracking.notification_id)
            if not self._sqlite:
                connection.connection.commit()  # in the same piece as what it commits
        return [fact.position for fact in facts]

    def _append_alone(self, events: Sequence[StoredEvent]) -> Sequence[int]:
        """Events that nothing else is to be committed with: one statement, and no transaction to begin and end around it."""
        columns = [
            [str(event.originator_id) for event in events],
            [event.originator_version for event in events],
            [event.topic for event in events],
            [event.state for event in events],
        ]
        with self.beside() as connection, by_itself(cursor_of(connection)) as cursor:
            count = len(events)
            (last,) = cursor.execute(self._sql.append, (LOG_POSITION, count, FIRST_HASH, count, *columns)).fetchone()
        return list(range(last - count + 1, last + 1))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream."""
        most = limit if limit is not None or not self._sqlite else -1
        bounds = (str(originator_id), -1 if gt is None else gt, _LAST if lte is None else lte, most)
        with self._asking() as cursor:
            rows = cursor.execute(self._sql.backwards if desc else self._sql.between, bounds).fetchall()
        return [StoredEvent(originator_id, version, wire, bytes(raw)) for version, wire, raw in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events of the whole log by position."""
        query = sa.select(FACTS).order_by(FACTS.c.position).limit(limit)
        if start is not None:
            query = query.where(FACTS.c.position >= start if inclusive_of_start else FACTS.c.position > start)
        if stop is not None:
            query = query.where(FACTS.c.position <= stop)
        if topics:
            query = query.where(FACTS.c.type.in_(topics))
        with self.reading() as connection:
            return [
                Notification(row.stream, row.version, row.type, bytes(row.raw), id=row.position)
                for row in connection.execute(query)
            ]

    def max_notification_id(self) -> int | None:
        """The last position, or None for an empty log."""
        with self.reading() as connection:
            found: int | None = connection.execute(sa.select(sa.func.max(FACTS.c.position))).scalar()
            return found

    def subscribe(
        self,
        gt: int | None = None,  # noqa: ARG002
        topics: Sequence[str] = (),  # noqa: ARG002
    ) -> Subscription[ApplicationRecorder]:
        """Not offered: the relay reads the log itself, woken by the writer (decision 0002)."""
        raise RuntimeError("this store is read with select_notifications; its relay is woken after each commit")

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record how far another log was taken in. Raises IntegrityError when that is not ahead of what is recorded."""
        with self.transaction() as connection:
            self.track(connection, tracking.application_name, tracking.notification_id)

    def max_tracking_id(self, application_name: str) -> int | None:
        """How far another log was taken in."""
        with self.reading() as connection:
            found: int | None = connection.execute(
                sa.select(TRACKING.c.position).where(TRACKING.c.source == application_name)
            ).scalar()
            return found

    # -- inside a transaction ---------------------------------------------------------------------------------------

    def append(self, connection: sa.Connection, facts: Sequence[StoredFact]) -> None:
        """Add facts to the end of the log, in one statement, and move its last position on.

        Positions are counted under the lock (`head` of `LOG_POSITION`), so they have no holes and follow the order of
        commits.
        """
        if facts:
            self._statements.rows(FACTS).insert(cursor_of(connection), facts)
            cursor_of(connection).execute(self._sql.advance, (LOG_POSITION, facts[-1].position, FIRST_HASH))

    def head(self, connection: sa.Connection, property_id: str) -> Head:
        """Where the chain of a property stands."""
        row = cursor_of(connection).execute(self._sql.head, (property_id,)).fetchone()
        return Head() if row is None else Head(*row)

    def set_heads(self, connection: sa.Connection, heads: Mapping[str, Head]) -> None:
        """Move chain heads on."""
        self.put(connection, HEADS, [{"property": p, "number": h.number, "hash": h.hash} for p, h in heads.items()])

    def mark(self, connection: sa.Connection, mark: str) -> None:
        """Change the mark beside the log's last position, by which writers see that they are to look again."""
        number = self.head(connection, LOG_POSITION).number
        self.put(connection, HEADS, [{"property": LOG_POSITION, "number": number, "hash": mark}])

    def track(self, connection: sa.Connection, source: str, position: int, link: str | None = None) -> None:
        """Record that `source` was taken in up to `position`, only ever forward. Raises IntegrityError otherwise."""
        if cursor_of(connection).execute(self._sql.track, (source, position, link)).fetchone() is None:
            raise IntegrityError(f"{source} was taken in beyond {position} already")

    def tracked(self, connection: sa.Connection, like: str = "%") -> dict[str, tuple[int, str | None]]:
        """Source to (position, hash of the fact there), of every source whose name is `like` that pattern."""
        rows = cursor_of(connection).execute(self._sql.tracked, (like,))
        return {source: (position, link) for source, position, link in rows}

    def put(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those of the same primary key; no key may occur twice."""
        if rows:
            self._statements.rows(table).put(cursor_of(connection), rows)

    def add(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add to the whole numbers of rows; those that are not there begin at nothing. No key may occur twice."""
        if rows:
            self._statements.rows(table).add(cursor_of(connection), rows)

    def remove(self, connection: sa.Connection, table: sa.Table, keys: Sequence[Mapping[str, Any]]) -> None:
        """Delete rows by primary key."""
        if keys:
            self._statements.rows(table).remove(cursor_of(connection), keys)

    def keep_answers(self, connection: sa.Connection, answers: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Keep (command id, digest, answer) for ever. Raises IntegrityError when an id was decided already."""
        if answers:
            self._statements.rows(COMMANDS).insert(cursor_of(connection), answers)

    @contextmanager
    def together(self, connection: sa.Connection) -> Iterator[None]:
        """What is written meanwhile goes to PostgreSQL in one piece, not one answer awaited after another."""
        if self._sqlite:
            yield
        else:
            driver: Any = connection.connection.dbapi_connection
            with driver.pipeline():
                yield

    def _begun(self, connection: sa.Connection) -> bool:
        """Whether the database knows of the transaction; PostgreSQL is told with its first statement."""
        driver: Any = connection.connection.dbapi_connection
        return self._sqlite or driver.pgconn.transaction_status != 0

    def begin(
        self, connection: sa.Connection, command_ids: Sequence[str]
    ) -> tuple[Head, dict[str, tuple[bytes, bytes]]]:
        """The lock; then the head of the log, and command id to (digest of its body, its answer), of those that were decided."""
        with self.together(connection):
            self._lock(connection)
            position = cursor_of(connection).execute(self._sql.head, (LOG_POSITION,))
            rows: Any = ()
            if command_ids:
                rows = cursor_of(connection).execute(self._sql.answered, (self._statements.listed(command_ids),))
        found = position.fetchone()
        return Head(*found) if found else Head(), {command_id: (digest, answer) for command_id, digest, answer in rows}

    def version_of(self, connection: sa.Connection, stream: str) -> int:
        """The version of the last fact of a stream; 0 where there is none."""
        (found,) = cursor_of(connection).execute(self._sql.version, (stream,)).fetchone()
        return found or 0

    def owner_of(self, connection: sa.Connection, stream: str) -> str | None:
        """The property whose chain holds the first fact of a stream; None where there is none."""
        row = cursor_of(connection).execute(self._sql.owner, (stream,)).fetchone()
        return None if row is None else row[0]

    def history(self, connection: sa.Connection, stream: str) -> list[tuple[int, str, bytes]]:
        """The position, type and bytes of every fact of one stream, in order."""
        with nullcontext() if self._begun(connection) else self.together(connection):
            cursor = cursor_of(connection).execute(self._sql.history, (stream,))
        found: list[tuple[int, str, bytes]] = cursor.fetchall()
        return found

    def facts_of(self, connection: sa.Connection, streams: Sequence[str]) -> dict[str, list[StoredFact]]:
        """Every fact of the given streams, in order, by stream."""
        found: dict[str, list[StoredFact]] = {stream: [] for stream in streams}
        with nullcontext() if self._begun(connection) else self.together(connection):
            if len(streams) == 1:
                rows = cursor_of(connection).execute(self._sql.stream, (streams[0],))
            else:
                rows = cursor_of(connection).execute(self._sql.streams, (self._statements.listed(streams),))
        facts = map(StoredFact._make, rows.fetchall())
        if len(streams) == 1:
            return {streams[0]: list(facts)}
        for fact in facts:
            found[fact.stream].append(fact)
        return found

    # -- plain reads ------------------------------------------------------------------------------------------------

    def after(self, position: int, limit: int) -> list[StoredFact]:
        """The log after a position."""
        with self._asking() as cursor:
            return list(map(StoredFact._make, cursor.execute(self._sql.after, (position, limit)).fetchall()))

    def chain(self, property_id: str, after: int, limit: int) -> list[StoredFact]:
        """One property's chain after a number."""
        with self._asking() as cursor:
            return list(map(StoredFact._make, cursor.execute(self._sql.chain, (property_id, after, limit)).fetchall()))

    def heads(self) -> dict[str, Head]:
        """Every chain with where it stands."""
        with self.reading() as connection:
            return {
                row.property: Head(row.number, row.hash)
                for row in connection.execute(sa.select(HEADS))
                if row.property != LOG_POSITION
            }

    def setting(self, connection: sa.Connection, name: str) -> str | None:
        """A fact about this store itself, such as its log's name."""
        found: str | None = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar()
        return found

    def set_setting(self, connection: sa.Connection, name: str, value: str) -> None:
        """Keep something about this store itself."""
        self.put(connection, SETTINGS, [{"name": name, "value": value}])
