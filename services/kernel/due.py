"""The due table: what a service wants to be asked at an instant, kept in its own store beside the facts it follows from."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Request

from services.kernel.failure import retry_seconds
from services.kernel.ids import uuid7
from services.kernel.tables import BIG, METADATA

TIMERS = sa.Table(
    "timers",
    METADATA,
    sa.Column("timer_id", sa.Text, primary_key=True),
    sa.Column("due_us", BIG, nullable=False),  # microseconds since 1970 in UTC
    sa.Column("next_us", BIG),  # when it is tried next; none once it was given up
    sa.Column("setting", sa.Text, nullable=False),  # tells two settings of one timer to one instant apart
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("wire", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("set_by", sa.Text),  # the fact that set it
    sa.Column("correlation", sa.Text),
    sa.Column("traceparent", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),  # why the last try failed
    sa.Column("raised", sa.Boolean, nullable=False),  # whether it became a dead letter
    sa.Index("timers_by_next", "next_us"),
)
Row = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """An instant as the due table holds it. Raises ValueError for a naive time."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()}: an instant needs its offset from UTC")
    return (instant - _EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """The instant of a column of the due table, in UTC."""
    return _EPOCH + us * _MICROSECOND


@dataclass(frozen=True)
class Due:
    """A timer as it was read when it was due; the row decides under the lock whether it still is."""

    timer_id: str
    due_us: int
    setting: str
    failure: str | None = None
    """Set where its transaction failed as a whole: then only that is recorded."""

    @property
    def commandid(self) -> str:
        """The id of the command it turns into: it follows from the timer, the instant and the setting."""
        return _command_id(self.timer_id, self.due_us, self.setting)


def command_id_of(row: Row) -> str:
    """The id of the command that a row turns into."""
    return _command_id(row["timer_id"], row["due_us"], row["setting"])


def _command_id(timer_id: str, due_us: int, setting: str) -> str:
    seed = f"{timer_id}\n{due_us}\n{setting}"
    return f"timer-{hashlib.sha256(seed.encode()).hexdigest()[:40]}"


def timer_row(
    timer_id: str,
    due_at: datetime,
    request: Request,
    property_id: str,
    command: Command[Any] | None,
    cause: Event[Any] | None,
) -> Row:
    """One row of the due table; `cause` is the fact that set it. Raises ValueError for an unusable id or a naive instant."""
    if not 0 < len(timer_id) <= 200:
        raise ValueError(f"timer_id {timer_id[:60]!r}: 1 to 200 characters")
    due_us = microseconds(due_at)
    correlation = cause.correlationid if cause is not None else None
    if command is not None:
        correlation = command.correlationid or command.commandid
    follows = command if command is not None else cause
    return {
        "timer_id": timer_id,
        "due_us": due_us,
        "next_us": due_us,
        "setting": uuid7(),
        "property_id": property_id,
        "wire": type(request).wire(),
        "body": request.model_dump_json(exclude_none=True).encode(),
        "set_by": cause.id if cause is not None else command.causationid if command is not None else None,
        "correlation": correlation,
        "traceparent": follows.traceparent if follows is not None else None,
        "tries": 0,
        "reason": None,
        "raised": False,
    }


def rows_of(connection: sa.Connection, timer_ids: Iterable[str]) -> dict[str, Row]:
    """The rows of these timers, as far as they are set."""
    ids = list(timer_ids)
    found: dict[str, Row] = {}
    for start in range(0, len(ids), 500):
        query = sa.select(TIMERS).where(TIMERS.c.timer_id.in_(ids[start : start + 500]))
        found |= {row.timer_id: dict(row._mapping) for row in connection.execute(query)}  # noqa: SLF001 - the public name of a row's mapping
    return found


def due_until(connection: sa.Connection, until: datetime, limit: int) -> list[Due]:
    """What is to be tried by an instant, the longest due first."""
    query = (
        sa.select(TIMERS.c.timer_id, TIMERS.c.due_us, TIMERS.c.setting)
        .where(TIMERS.c.next_us <= microseconds(until))
        .order_by(TIMERS.c.next_us, TIMERS.c.timer_id)
    )
    return [Due(row.timer_id, row.due_us, row.setting) for row in connection.execute(query.limit(limit))]


def given_up(connection: sa.Connection, now: datetime) -> dict[str, Row]:
    """The rows that became dead letters, whether they wait for a person or are tried again; `now` is the wall clock's.

    Read by the index: after its last try a row is due no more, and one that is tried again is due within its longest wait.
    """
    until = microseconds(now + timedelta(seconds=max(retry_seconds(), default=0)))
    near = sa.or_(TIMERS.c.next_us.is_(None), TIMERS.c.next_us <= until)
    found = connection.execute(sa.select(TIMERS).where(near, TIMERS.c.raised)).mappings()
    return {row["timer_id"]: dict(row) for row in found}


def next_due(connection: sa.Connection) -> datetime | None:
    """When the next timer is to be tried; None where nothing waits."""
    us: int | None = connection.execute(sa.select(sa.func.min(TIMERS.c.next_us))).scalar()
    return None if us is None else instant(us)
