"""What is to be delivered to which webhook, what was tried, and when it is tried next: tables of the gateway's own, not facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.gateway.tail import Announced
from services.kernel.engine import postgresql_engine, sqlite_engine

BACK_OFF = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1_800, 3_600, *(7_200,) * 5, *(21_600,) * 4, *(43_200,) * 4)
)
"""Waits between the tries: seconds at first, half a day at last, four days in all."""
SILENCE = timedelta(minutes=10)
"""The longest wait of a webhook at which nothing got through: what is new may be taken where one event never is."""
WAITING_LIMIT = 1_000
"""Events that wait at one webhook before more are read from the feed."""
_tables = sa.MetaData()
DELIVERIES = sa.Table(
    "deliveries",
    _tables,
    sa.Column("webhook_id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Text, nullable=False),
    sa.Index("deliveries_waiting", "webhook_id", "state", "number"),
)
"""`state`: `waiting` or `delivered`. `number` counts per webhook in the order of the feed."""
ATTEMPTS = sa.Table(
    "attempts",
    _tables,
    sa.Column("webhook_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
)
PROGRESS = sa.Table(
    "progress",
    _tables,
    sa.Column("webhook_id", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("failing", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Text, nullable=False),
)
"""Per webhook: how far the feed was read, how many rounds failed in a row, and when the next may begin."""

RESENT = sa.Table(
    "resent",
    _tables,
    sa.Column("command_id", sa.Text, primary_key=True),
    sa.Column("webhook_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("resent_deliveries", "webhook_id", "event_id"),
)
"""What was sent again because somebody asked for it, by the id that the caller's key makes: asked again, it is answered alike."""


@dataclass(frozen=True)
class Resent:
    """A delivery that somebody had sent again, and how that went."""

    webhook_id: str
    event_id: str
    taken: bool
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Waiting:
    """One event that a webhook has still to be sent."""

    service: str
    log: str
    position: int
    event_id: str
    stream: str
    tries: int
    next_at: datetime


@dataclass(frozen=True)
class Place:
    """Where a webhook stands."""

    cursor: str
    number: int
    failing: int
    next_at: datetime


def text(at: datetime) -> str:
    """An instant so that it orders as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Deliveries:
    """The tables, in a database file or a PostgreSQL schema of their own."""

    def __init__(self, url: str) -> None:
        """Open or create them."""
        sqlite = url.startswith("sqlite")
        self._engine = sqlite_engine(url, "IMMEDIATE") if sqlite else postgresql_engine(url, "gateway_deliveries", 4)
        with self._engine.begin() as connection:
            if not sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(4218)"))
                connection.execute(sa.schema.CreateSchema("gateway_deliveries", if_not_exists=True))
            _tables.create_all(connection)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def place(self, webhook_id: str) -> Place | None:
        """Where a webhook stands; None for one that was never sent anything."""
        with self._engine.begin() as connection:
            row = connection.execute(sa.select(PROGRESS).where(PROGRESS.c.webhook_id == webhook_id)).first()
        return None if row is None else Place(row.cursor, row.number, row.failing, datetime.fromisoformat(row.next_at))

    def begin(self, webhook_id: str, cursor: str, now: datetime) -> None:
        """Have a webhook begin at a place of the feed."""
        row = {"webhook_id": webhook_id, "cursor": cursor, "number": 0, "failing": 0, "next_at": text(now)}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(PROGRESS).values(row))

    def take_in(self, webhook_id: str, events: Sequence[Announced], cursor: str, now: datetime) -> None:
        """Remember what is to be sent, and how far the feed was read, both or neither."""
        place = self.place(webhook_id)
        assert place is not None  # noqa: S101 - `begin` came before
        rows = [
            {"webhook_id": webhook_id, "service": event.service, "log": event.log, "position": event.position,
             "event_id": event.id, "type": event.type, "stream": event.stream, "number": place.number + index,
             "state": "waiting", "tries": 0, "next_at": text(now)}
            for index, event in enumerate(events, 1)
        ]  # fmt: skip
        moved = sa.update(PROGRESS).where(PROGRESS.c.webhook_id == webhook_id)
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sa.insert(DELIVERIES), rows)
            connection.execute(moved.values(cursor=cursor, number=place.number + len(rows)))

    def waiting(self, webhook_id: str) -> int:
        """How many events wait."""
        query = sa.select(sa.func.count()).select_from(DELIVERIES)
        with self._engine.begin() as connection:
            return connection.execute(query.where(*_waiting(webhook_id))).scalar() or 0

    def heads(self, webhook_id: str) -> list[Waiting]:
        """The first that waits of each stream, in the order of the feed: only these may be sent now."""
        first = (
            sa.select(sa.func.min(DELIVERIES.c.number).label("number"))
            .where(*_waiting(webhook_id))
            .group_by(DELIVERIES.c.service, DELIVERIES.c.log, DELIVERIES.c.stream)
        )
        query = sa.select(DELIVERIES).where(*_waiting(webhook_id), DELIVERIES.c.number.in_(first))
        with self._engine.begin() as connection:
            rows = connection.execute(query.order_by(DELIVERIES.c.number)).all()
        return [
            Waiting(r.service, r.log, r.position, r.event_id, r.stream, r.tries, datetime.fromisoformat(r.next_at))
            for r in rows
        ]

    def tried(
        self,
        webhook_id: str,
        one: Waiting,
        *,
        at: datetime,
        milliseconds: int,
        status: int | None,
        error: str,
        taken: bool,
        command_id: str | None = None,
    ) -> None:
        """Write down an attempt and what follows from it: delivered, or the next try. `command_id`: who asked for it, if anybody did."""
        later = at + BACK_OFF[min(one.tries, len(BACK_OFF) - 1)]
        update = sa.update(DELIVERIES).where(
            DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.event_id == one.event_id
        )
        values: dict[str, Any] = {"tries": one.tries + 1}
        values |= {"state": "delivered"} if taken else {"next_at": text(later)}
        with self._engine.begin() as connection:
            count = sa.select(sa.func.coalesce(sa.func.max(ATTEMPTS.c.attempt), 0)).where(
                ATTEMPTS.c.webhook_id == webhook_id, ATTEMPTS.c.event_id == one.event_id
            )
            number = (connection.execute(count).scalar() or 0) + 1
            row = {"webhook_id": webhook_id, "event_id": one.event_id, "attempt": number, "at": text(at)}
            connection.execute(
                sa.insert(ATTEMPTS), [row | {"milliseconds": milliseconds, "status": status, "error": error or None}]
            )
            connection.execute(update.values(values))
            if command_id is not None:
                asked = {"command_id": command_id, "webhook_id": webhook_id, "event_id": one.event_id, "at": text(at)}
                answer = {"taken": taken, "status": status, "error": error or None}
                connection.execute(sa.insert(RESENT).values(asked | answer))

    def resent(self, command_id: str) -> Resent | None:
        """What was sent again under a caller's key; None for a key that is new."""
        with self._engine.begin() as connection:
            r = connection.execute(sa.select(RESENT).where(RESENT.c.command_id == command_id)).first()
        return None if r is None else Resent(r.webhook_id, r.event_id, r.taken, r.status, r.error)

    def round_ended(self, webhook_id: str, *, failed: bool, failing: int, now: datetime) -> None:
        """Begin the next round at once, or later when nothing got through."""
        later = now + min(BACK_OFF[min(failing, len(BACK_OFF) - 1)], SILENCE) if failed else now
        values = {"failing": failing + 1 if failed else 0, "next_at": text(later)}
        with self._engine.begin() as connection:
            connection.execute(sa.update(PROGRESS).where(PROGRESS.c.webhook_id == webhook_id).values(values))
            if not failed and failing:
                # It answers again: what was put off for its silence is sent now. What failed more often failed for itself.
                silent = (*_waiting(webhook_id), DELIVERIES.c.tries <= failing)
                connection.execute(sa.update(DELIVERIES).where(*silent).values(next_at=text(now)))

    def start_anew(self, webhook_id: str, now: datetime) -> None:
        """Forget the failures, for a webhook that was enabled again."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(PROGRESS).where(PROGRESS.c.webhook_id == webhook_id).values(failing=0, next_at=text(now))
            )
            connection.execute(sa.update(DELIVERIES).where(*_waiting(webhook_id)).values(tries=0, next_at=text(now)))

    def find(self, webhook_id: str, event_id: str) -> Waiting | None:
        """One delivery, whatever became of it."""
        query = sa.select(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.event_id == event_id)
        with self._engine.begin() as connection:
            r = connection.execute(query).first()
        if r is None:
            return None
        return Waiting(r.service, r.log, r.position, r.event_id, r.stream, r.tries, datetime.fromisoformat(r.next_at))

    def before(self, webhook_id: str, one: Waiting) -> str | None:
        """The event of the same stream that has to arrive first; None where all before it arrived."""
        same = [DELIVERIES.c[name] == getattr(one, name) for name in ("service", "log", "stream")]
        query = sa.select(DELIVERIES.c.event_id).where(
            *_waiting(webhook_id), *same, DELIVERIES.c.position < one.position
        )
        with self._engine.begin() as connection:
            found: str | None = connection.execute(query.order_by(DELIVERIES.c.position).limit(1)).scalar()
        return found

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook that ended."""
        with self._engine.begin() as connection:
            for table in (DELIVERIES, ATTEMPTS, RESENT, PROGRESS):
                connection.execute(sa.delete(table).where(table.c.webhook_id == webhook_id))

    def forget(self, before: datetime) -> int:
        """Let go of what was delivered and was last due before an instant, with its attempts; answers how many deliveries."""
        old = (DELIVERIES.c.state == "delivered", DELIVERIES.c.next_at < text(before))
        with self._engine.begin() as connection:
            gone = connection.execute(sa.delete(DELIVERIES).where(*old)).rowcount
            for table in (ATTEMPTS, RESENT) if gone else ():
                kept = sa.select(sa.literal(1)).where(
                    DELIVERIES.c.webhook_id == table.c.webhook_id, DELIVERIES.c.event_id == table.c.event_id
                )
                connection.execute(sa.delete(table).where(table.c.at < text(before), ~kept.exists()))
        return gone

    def log(self, webhook_id: str, after: int, limit: int, state: str | None) -> list[dict[str, Any]]:
        """The deliveries in the order of the feed after a number, each with its attempts."""
        query = sa.select(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.number > after)
        if state is not None:
            query = query.where(DELIVERIES.c.state == state)
        with self._engine.begin() as connection:
            rows = [row._asdict() for row in connection.execute(query.order_by(DELIVERIES.c.number).limit(limit))]
            ids = [row["event_id"] for row in rows]
            tries = sa.select(ATTEMPTS).where(ATTEMPTS.c.webhook_id == webhook_id, ATTEMPTS.c.event_id.in_(ids))
            attempts = [row._asdict() for row in connection.execute(tries.order_by(ATTEMPTS.c.attempt))]
        kept = ("number", "event_id", "type", "stream", "state", "tries", "next_at")
        return [
            {name: row[name] for name in kept}
            | {"attempts": [_shown(one) for one in attempts if one["event_id"] == row["event_id"]]}
            for row in rows
        ]


def _waiting(webhook_id: str) -> Iterable[sa.ColumnElement[bool]]:
    return (DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.state == "waiting")


def _shown(attempt: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in attempt.items() if name not in ("webhook_id", "event_id") and value is not None
    }
