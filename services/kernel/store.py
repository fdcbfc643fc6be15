"""The event store: one log per service on SQLite or PostgreSQL, in which everything that must agree shares a transaction.

It is a `ProcessRecorder` of the eventsourcing library and passes that library's own persistence cases
(`tests/kernel/test_store.py`). Beside the library's interface it keeps the chain heads, the command ids, the tracking of
what was taken in from other services, and the views.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
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
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.kernel.engine import postgresql_engine, sqlite_engine

METADATA = sa.MetaData()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FACTS = sa.Table(
    "facts",
    METADATA,
    sa.Column("position", BIG, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("property", sa.Text),
    sa.Column("number", sa.Integer),
    sa.Index("facts_by_stream", "stream", "version", unique=True),
    sa.Index("facts_by_chain", "property", "number", unique=True),
)
HEADS = sa.Table(
    "heads",
    METADATA,
    sa.Column("property", sa.Text, primary_key=True),
    sa.Column("number", BIG, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
TRACKING = sa.Table(
    "tracking",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("position", BIG, nullable=False),
    sa.Column("hash", sa.Text),
)
COMMANDS = sa.Table(
    "commands",
    METADATA,
    sa.Column("command_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)
SETTINGS = sa.Table(
    "settings", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
LOG_POSITION = "*"
"""The row of `heads` that counts positions of the whole log, so that none is ever used twice."""


@dataclass(frozen=True)
class Head:
    """Where a chain stands."""

    number: int = 0
    hash: str = FIRST_HASH


@dataclass(frozen=True)
class StoredFact:
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
        self._sqlite = url.startswith("sqlite")
        self._insert: Any = sqlite_insert if self._sqlite else postgresql_insert
        self._writing = sqlite_engine(url, "IMMEDIATE") if self._sqlite else postgresql_engine(url, schema, 3)
        self._reading = sqlite_engine(url, "DEFERRED") if self._sqlite else postgresql_engine(url, schema, 8)
        self._thread_lock = threading.RLock()
        self._create(schema, tuple(views))
        self._selects = _Selects()

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
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction that holds the writers' lock from its first statement; other writers wait."""
        with self._thread_lock:
            try:
                with self._writing.begin() as connection:
                    if not self._sqlite:
                        connection.execute(sa.text("LOCK TABLE facts IN EXCLUSIVE MODE"))
                    yield connection
            except sa.exc.IntegrityError as error:
                raise IntegrityError(str(error.orig)) from error
            except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
                raise OperationalError(str(error.orig)) from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state, beside whoever writes."""
        with self._reading.connect() as connection:
            if not self._sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    # -- the library's interface ------------------------------------------------------------------------------------

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Append events, and the tracking of what they follow from, in one transaction.

        Raises:
            IntegrityError: a version is taken, or the tracking is not ahead of what is recorded.
        """
        with self.transaction() as connection:
            positions = self.append(
                connection,
                [
                    StoredFact(0, str(event.originator_id), event.originator_version, event.topic, event.state)
                    for event in stored_events
                ],
            )
            if tracking is not None:
                self.track(connection, tracking.application_name, tracking.notification_id)
        return positions

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
        query = sa.select(FACTS).where(FACTS.c.stream == str(originator_id))
        if gt is not None:
            query = query.where(FACTS.c.version > gt)
        if lte is not None:
            query = query.where(FACTS.c.version <= lte)
        query = query.order_by(FACTS.c.version.desc() if desc else FACTS.c.version).limit(limit)
        with self.reading() as connection:
            return [
                StoredEvent(originator_id, row.version, row.type, bytes(row.raw)) for row in connection.execute(query)
            ]

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

    def append(self, connection: sa.Connection, facts: Sequence[StoredFact]) -> list[int]:
        """Add facts to the end of the log, in one statement; answers their positions.

        Positions are counted under the lock, so they have no holes and follow the order of commits.
        """
        if not facts:
            return []
        first = self.head(connection, LOG_POSITION).number + 1
        positions = list(range(first, first + len(facts)))
        rows = [
            {
                "position": position,
                "stream": fact.stream,
                "version": fact.version,
                "type": fact.type,
                "raw": fact.raw,
                "property": fact.property,
                "number": fact.number,
            }
            for position, fact in zip(positions, facts, strict=True)
        ]
        connection.execute(self._selects.insert_fact, rows)
        self.set_heads(connection, {LOG_POSITION: Head(positions[-1])})
        return positions

    def head(self, connection: sa.Connection, property_id: str) -> Head:
        """Where the chain of a property stands."""
        row = connection.execute(self._selects.head, {"of": property_id}).first()
        return Head() if row is None else Head(row.number, row.hash)

    def set_heads(self, connection: sa.Connection, heads: Mapping[str, Head]) -> None:
        """Move chain heads on."""
        self.put(connection, HEADS, [{"property": p, "number": h.number, "hash": h.hash} for p, h in heads.items()])

    def track(self, connection: sa.Connection, source: str, position: int, link: str | None = None) -> None:
        """Record that `source` was taken in up to `position`, only ever forward. Raises IntegrityError otherwise."""
        statement = self._insert(TRACKING).values(source=source, position=position, hash=link)
        statement = statement.on_conflict_do_update(
            index_elements=[TRACKING.c.source],
            set_={"position": position, "hash": link},
            where=TRACKING.c.position < position,
        ).returning(TRACKING.c.position)
        if connection.execute(statement).first() is None:
            raise IntegrityError(f"{source} was taken in beyond {position} already")

    def tracked(self, connection: sa.Connection, like: str = "%") -> dict[str, tuple[int, str | None]]:
        """Source to (position, hash of the fact there), of every source whose name is `like` that pattern."""
        query = sa.select(TRACKING).where(TRACKING.c.source.like(like))
        return {row.source: (row.position, row.hash) for row in connection.execute(query)}

    def put(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those of the same primary key."""
        if rows:
            connection.execute(self._selects.upsert(self._insert, table), [dict(row) for row in rows])

    def add(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add to the whole numbers of rows; those that are not there begin at nothing."""
        if rows:
            connection.execute(self._selects.sum(self._insert, table), [dict(row) for row in rows])

    def remove(self, connection: sa.Connection, table: sa.Table, keys: Sequence[Mapping[str, Any]]) -> None:
        """Delete rows by primary key."""
        if keys:
            columns = table.primary_key.columns
            statement = sa.delete(table).where(*[column == sa.bindparam(f"k_{column.name}") for column in columns])
            connection.execute(statement, [{f"k_{name}": value for name, value in key.items()} for key in keys])

    def facts_of(
        self, connection: sa.Connection, streams: Sequence[str], *, until_position: int | None = None
    ) -> dict[str, list[StoredFact]]:
        """Every fact of the given streams, in order, by stream."""
        found: dict[str, list[StoredFact]] = {stream: [] for stream in streams}
        for start in range(0, len(streams), 500):
            part = list(streams[start : start + 500])
            if len(part) == 1:
                result = connection.execute(self._selects.stream, {"of": part[0]})
            else:
                result = connection.execute(self._selects.streams, {"of": part})
            for row in result:
                if until_position is None or row.position <= until_position:
                    found[row.stream].append(
                        StoredFact(
                            row.position, row.stream, row.version, row.type, bytes(row.raw), row.property, row.number
                        )
                    )
        return found

    # -- plain reads ------------------------------------------------------------------------------------------------

    def after(self, position: int, limit: int) -> list[StoredFact]:
        """The log after a position."""
        with self.reading() as connection:
            return [
                _fact(row) for row in connection.execute(self._selects.after, {"position": position, "most": limit})
            ]

    def chain(self, property_id: str, after: int, limit: int) -> list[StoredFact]:
        """One property's chain after a number."""
        query = sa.select(FACTS).where(FACTS.c.property == property_id, FACTS.c.number > after).order_by(FACTS.c.number)
        with self.reading() as connection:
            return [_fact(row) for row in connection.execute(query.limit(limit))]

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


class _Selects:
    """Statements built once: building them costs more than running them."""

    def __init__(self) -> None:
        self.insert_fact = sa.insert(FACTS)
        self.head = sa.select(HEADS.c.number, HEADS.c.hash).where(HEADS.c.property == sa.bindparam("of"))
        self.after = (
            sa.select(FACTS)
            .where(FACTS.c.position > sa.bindparam("position"))
            .order_by(FACTS.c.position)
            .limit(sa.bindparam("most"))
        )
        self.stream = sa.select(FACTS).where(FACTS.c.stream == sa.bindparam("of")).order_by(FACTS.c.version)
        self.streams = (
            sa.select(FACTS)
            .where(FACTS.c.stream.in_(sa.bindparam("of", expanding=True)))
            .order_by(FACTS.c.stream, FACTS.c.version)
        )
        self._upserts: dict[sa.Table, Any] = {}
        self._sums: dict[sa.Table, Any] = {}

    def upsert(self, insert: Any, table: sa.Table) -> Any:
        if table not in self._upserts:
            statement = insert(table)
            others = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
            keys = list(table.primary_key.columns)
            self._upserts[table] = (
                statement.on_conflict_do_update(index_elements=keys, set_=others)
                if others
                else statement.on_conflict_do_nothing(index_elements=keys)
            )
        return self._upserts[table]

    def sum(self, insert: Any, table: sa.Table) -> Any:
        if table not in self._sums:
            statement = insert(table)
            sums = {c.name: c + statement.excluded[c.name] for c in table.columns if not c.primary_key}
            keys = list(table.primary_key.columns)
            self._sums[table] = statement.on_conflict_do_update(index_elements=keys, set_=sums)
        return self._sums[table]


def _fact(row: Any) -> StoredFact:
    return StoredFact(row.position, row.stream, row.version, row.type, bytes(row.raw), row.property, row.number)
