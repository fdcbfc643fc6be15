"""Connections to the databases with the settings that promise what a commit says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

LOCK_SECONDS = 10
"""How long a writer waits for the lock, and anyone for a connection."""
FROZEN_SECONDS = 30
"""A transaction in which nobody says anything for so long is ended by PostgreSQL: its process is frozen or cut off, and others
wait for its locks. SQLite has no such limit: a process that is frozen in a transaction keeps the lock until it is killed."""
IDLE_SECONDS = 1
"""A connection that was not used for so long is tried before it is used again; it may have died meanwhile."""


def sqlite_engine(url: str, begin: str) -> sa.Engine:
    """SQLite in WAL mode, synced at every commit; `begin` is IMMEDIATE for writers, DEFERRED for readers."""
    engine = sa.create_engine(
        url, hide_parameters=True, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


def postgresql_engine(url: str, schema: str | None, size: int, isolation: Any = "READ COMMITTED") -> sa.Engine:
    """PostgreSQL with time limits on locks and statements, synced at every commit; `schema` holds the tables."""
    options = (
        f"-c lock_timeout={LOCK_SECONDS}s -c statement_timeout=60s -c synchronous_commit=on "
        f"-c idle_in_transaction_session_timeout={FROZEN_SECONDS}s"
    )
    if schema is not None:
        options += f" -c search_path={schema}"
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        isolation_level=isolation,
        pool_size=size,
        max_overflow=0,
        pool_timeout=LOCK_SECONDS,
        connect_args={"options": options, "connect_timeout": 3},
    )

    @sa.event.listens_for(engine, "checkin")
    def on_checkin(_: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("used_at", 0) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise sa.exc.DisconnectionError(str(error)) from error

    return engine


@contextmanager
def plainly(connection: sa.Connection) -> Iterator[None]:
    """What a cursor of the driver's own raises, as SQLAlchemy says it where the database is away; a lost connection is given up."""
    driver = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        if getattr(connection.connection.dbapi_connection, "closed", False):
            connection.invalidate()
        if isinstance(error, driver.OperationalError):
            raise sa.exc.OperationalError(None, None, error) from error
        if isinstance(error, driver.InterfaceError):
            raise sa.exc.InterfaceError(None, None, error) from error
        raise
