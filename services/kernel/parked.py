"""Facts of other services that a handler failed on, and the later facts of their streams that wait behind them.

A row points at its fact (chain and number) and holds nothing of it. It is written in the transaction that moves tracking past
the fact, so that nothing is ever skipped: every fact taken in was handled, or is parked here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event

from services.kernel.tables import BIG, METADATA

PARKED = sa.Table(
    "parked",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),  # <log>:<property>
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("lane", sa.Text, nullable=False),  # <log>/<stream>: what is handled in order
    sa.Column("version", sa.Integer, nullable=False),  # in the stream
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("fact_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("copied", sa.Boolean, nullable=False),  # whether the local copies took it in
    sa.Column("tries", sa.Integer, nullable=False),  # none for what only waits behind another
    sa.Column("next_us", BIG),  # when it is tried next; none behind another, and once it was given up
    sa.Column("reason", sa.Text),
    sa.Column("raised", sa.Boolean, nullable=False),  # whether it became a dead letter
    sa.Column("parked_us", BIG, nullable=False),
    sa.Index("parked_by_lane", "lane", "version"),
    sa.Index("parked_by_next", "next_us"),
    sa.Index("parked_by_fact", "fact_id"),
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Again:
    """A parked fact to be handled: its place, and its bytes as its source gave them again."""

    source: str
    number: int
    raw: bytes
    failure: str | None = None
    """Set where its transaction failed as a whole: then only that is recorded."""


def values(row: sa.Row[Any]) -> Row:
    """A row's columns by name."""
    return dict(row._mapping)  # noqa: SLF001 - the public name of a row's mapping


def lane_of(event: Event[Any]) -> str:
    """What is handled in order: a stream of one log."""
    return f"{event.log}/{event.subject}"


def service_of(source: str) -> str:
    """The service whose log a chain's name begins with."""
    return source.partition(":")[0].rpartition("-")[0]


def lanes(connection: sa.Connection) -> set[str]:
    """Every lane in which something is parked."""
    return {row.lane for row in connection.execute(sa.select(PARKED.c.lane).distinct())}


def row_of(connection: sa.Connection, source: str, number: int) -> Row | None:
    """One row."""
    return _one(connection, sa.select(PARKED).where(PARKED.c.source == source, PARKED.c.number == number))


def lane(name: str, *, after: int = 0) -> sa.Select[Any]:
    """The rows of a lane after a version, in order."""
    return sa.select(PARKED).where(PARKED.c.lane == name, PARKED.c.version > after).order_by(PARKED.c.version)


def first_of(connection: sa.Connection, name: str) -> Row | None:
    """The first row of a lane."""
    return _one(connection, lane(name).limit(1))


def due(connection: sa.Connection, now_us: int, limit: int, *, without: Iterable[str] = ()) -> list[Row]:
    """What is to be tried now, the longest due first; nothing of the services `without` which it is."""
    others = [PARKED.c.source.not_like(f"{service}-%") for service in without]
    query = sa.select(PARKED).where(PARKED.c.next_us <= now_us, *others).order_by(PARKED.c.next_us).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def behind(connection: sa.Connection, name: str, after: int, limit: int) -> list[Row]:
    """What waits behind a version of a lane, in order."""
    return [dict(row) for row in connection.execute(lane(name, after=after).limit(limit)).mappings()]


def _one(connection: sa.Connection, query: sa.Select[Any]) -> Row | None:
    found = connection.execute(query).mappings().first()
    return None if found is None else dict(found)
