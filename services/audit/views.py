"""The ledger: every fact of every service with its bytes, who is named in it, and where each chain stands."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, hash_of
from bailiwick_contracts.subjects import SERVICES
from bailiwick_contracts.transparency import CheckpointIssued
from pydantic_core import from_json

from services.audit.log.leaf import people_of
from services.kernel.service import Change, Put, View

_tables = sa.MetaData()
LEDGER = sa.Table(
    "ledger",
    _tables,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("log", sa.Text, nullable=False),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("chainnumber", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("commandid", sa.Text, nullable=False),
    sa.Column("correlationid", sa.Text, nullable=False),
    sa.Column("causationid", sa.Text),
    sa.Column("recordedat", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Index("ledger_by_chain", "service", "log", "property_id", "chainnumber"),
    sa.Index("ledger_by_time", "recordedat", "service", "log", "property_id", "chainnumber"),
    sa.Index("ledger_by_command", "commandid"),
    sa.Index("ledger_by_cause", "causationid"),
)
"""One row per fact. `recordedat` is UTC with microseconds, so that it orders as text."""
MENTIONS = sa.Table(
    "mentions",
    _tables,
    sa.Column("staff_id", sa.Text, primary_key=True),
    sa.Column("recordedat", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("fields", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Which facts name which person, and in which fields, separated by spaces. What is kept of one person lies together."""
CHAINS = sa.Table(
    "chains",
    _tables,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("recordedat", sa.Text, nullable=False),
)
"""Where each chain stood when its last fact was taken in, kept apart from the facts."""
CHECKPOINTS = sa.Table(
    "checkpoints",
    _tables,
    sa.Column("property_id", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("recordedat", sa.Text, nullable=False),
)
"""Every checkpoint put on record: what a property's log can never have been otherwise."""


def instant_text(instant: datetime) -> str:
    """An instant as the ledger orders it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def chain_name(service: str, log: str, property_id: str) -> str:
    """How reports name a chain."""
    return f"{service}/{log}/{property_id}"


def fold(event: Event[Any], raw: bytes) -> Iterable[Change]:
    """One fact into the ledger, whatever service it is of and whether its type is known or not."""
    recorded_at, link = instant_text(event.recordedat), hash_of(raw)
    yield Put(
        LEDGER,
        {
            "event_id": event.id,
            "service": event.service,
            "log": event.log,
            "property_id": event.property_id,
            "chainnumber": event.chainnumber,
            "type": event.type,
            "stream": event.subject,
            "sequence": event.version,
            "commandid": event.commandid,
            "correlationid": event.correlationid,
            "causationid": event.causationid,
            "recordedat": recorded_at,
            "hash": link,
            "raw": raw,
        },
    )
    yield Put(
        CHAINS,
        {
            "service": event.service,
            "log": event.log,
            "property_id": event.property_id,
            "number": event.chainnumber,
            "hash": link,
            "recordedat": recorded_at,
        },
    )
    named: dict[str, list[str]] = {}
    for path, person in people_of(from_json(raw)):
        named.setdefault(person, []).append(path)
    for staff_id, fields in named.items():
        yield Put(
            MENTIONS,
            {
                "staff_id": staff_id,
                "recordedat": recorded_at,
                "event_id": event.id,
                "property_id": event.property_id,
                "type": event.type,
                "fields": " ".join(dict.fromkeys(fields)),
            },
        )


def fold_checkpoint(event: Event[Any], _: bytes) -> Iterable[Change]:
    """What the log of a property was signed to be."""
    if isinstance(event.data, CheckpointIssued):
        fact = event.data
        yield Put(
            CHECKPOINTS,
            {
                "property_id": event.property_id,
                "size": fact.size,
                "origin": fact.origin,
                "root": fact.root,
                "note": fact.note,
                "recordedat": instant_text(event.recordedat),
            },
        )


VIEWS = (
    *(View(f"ledger-{service}", 3, service, (LEDGER, MENTIONS, CHAINS), fold) for service in SERVICES),
    View("checkpoints", 2, "audit", (CHECKPOINTS,), fold_checkpoint),
)
