"""Reading the ledger: statements over its tables, and pages of stored bytes with a cursor to go on from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, read_event
from bailiwick_contracts.message import COMPANY

from services.audit.views import CHAINS, LEDGER, MENTIONS, chain_name
from services.kernel.decision import Rejected
from services.kernel.service import Reading

PAGE_ROWS = 500
PAGE_BYTES = 150 * 1024
"""So that a page in base64 with its envelope stays below the 256 KiB of a message."""
_ORDER = (LEDGER.c.recordedat, LEDGER.c.service, LEDGER.c.log, LEDGER.c.property_id, LEDGER.c.chainnumber)


@dataclass(frozen=True)
class Page:
    """Stored bytes in order, and the cursor of the page behind it; no cursor after the last."""

    raws: tuple[bytes, ...]
    next: str | None


def in_order(reading: Reading, after: str | None, *, rows: int = PAGE_ROWS, size: int | None = PAGE_BYTES) -> Page:
    """A page of every chain together, in the order the facts were recorded; within a chain in its order."""
    query = sa.select(LEDGER.c.raw, *_ORDER).order_by(*_ORDER).limit(rows + 1)
    if after is not None:
        recorded_at, service, log, property_id, number = _parts(after, 5)
        query = query.where(
            sa.tuple_(*_ORDER) > sa.tuple_(*map(sa.literal, (recorded_at, service, log, property_id, int(number))))
        )
    return _page(
        reading.rows(query), rows, size, lambda row: "|".join(str(getattr(row, column.name)) for column in _ORDER)
    )


def of_chain(
    reading: Reading, chain: str, after: str | None, *, rows: int = PAGE_ROWS, size: int | None = PAGE_BYTES
) -> Page:
    """A page of one chain in the order of its numbers."""
    service, log, property_id = _parts(chain, 3, "/")
    query = (
        sa.select(LEDGER.c.raw, LEDGER.c.chainnumber, LEDGER.c.event_id)
        .where(LEDGER.c.service == service, LEDGER.c.log == log, LEDGER.c.property_id == property_id)
        .order_by(LEDGER.c.chainnumber, LEDGER.c.event_id)
        .limit(rows + 1)
    )
    if after is not None:
        number, event_id = _parts(after, 2)
        query = query.where(
            sa.tuple_(LEDGER.c.chainnumber, LEDGER.c.event_id)
            > sa.tuple_(sa.literal(int(number)), sa.literal(event_id))
        )
    return _page(reading.rows(query), rows, size, lambda row: f"{row.chainnumber}|{row.event_id}")


def every_raw(reading: Reading) -> Iterator[bytes]:
    """The whole ledger in order, read in pages."""
    after: str | None = None
    while True:
        page = in_order(reading, after, rows=5_000, size=None)
        yield from page.raws
        if page.next is None:
            return
        after = page.next


def every_raw_of(reading: Reading, chain: str) -> Iterator[bytes]:
    """One chain in order, read in pages."""
    after: str | None = None
    while True:
        page = of_chain(reading, chain, after, rows=5_000, size=None)
        yield from page.raws
        if page.next is None:
            return
        after = page.next


def chains(reading: Reading, property_id: str | None = None) -> dict[str, tuple[int, str]]:
    """Every chain with the number and hash that the ledger remembers of its last fact."""
    query = sa.select(CHAINS).order_by(CHAINS.c.service, CHAINS.c.property_id, CHAINS.c.log)
    if property_id is not None:
        query = query.where(CHAINS.c.property_id == property_id)
    return {chain_name(row.service, row.log, row.property_id): (row.number, row.hash) for row in reading.rows(query)}


def of_property(reading: Reading, property_id: str) -> dict[str, tuple[int, str]]:
    """The chains of a property. Raises Rejected where there is none: of one that is not there every chain would be complete."""
    found = chains(reading, property_id)
    if not found and property_id != COMPANY:
        raise Rejected(f"the ledger holds no fact of {property_id}", code="unknown_property", field="property_id", value=property_id,
                       rule="a property with a chain of facts", remedy="correct it, or wait until its first fact is taken in")  # fmt: skip
    return found


def fact(reading: Reading, event_id: str) -> Event[Any] | None:
    """One fact, or None when the ledger holds none of that id."""
    found = reading.rows(sa.select(LEDGER.c.raw, LEDGER.c.type).where(LEDGER.c.event_id == event_id))
    return _event(found[0]) if found else None


def facts(reading: Reading, event_ids: list[str]) -> dict[str, Event[Any]]:
    """Several facts by id; those that the ledger does not hold are left out."""
    found: dict[str, Event[Any]] = {}
    for start in range(0, len(event_ids), 500):
        part = event_ids[start : start + 500]
        for row in reading.rows(sa.select(LEDGER.c.raw, LEDGER.c.type).where(LEDGER.c.event_id.in_(part))):
            event = _event(row)
            found[event.id] = event
    return found


def of_command(reading: Reading, command_id: str) -> list[Event[Any]]:
    """Every fact that one command led to, in order."""
    return _events(
        reading, sa.select(LEDGER.c.raw, LEDGER.c.type).where(LEDGER.c.commandid == command_id).order_by(*_ORDER)
    )


def ruled(events: list[Event[Any]]) -> Event[Any] | None:
    """The first of several facts that holds a ruling; the first of all where none does."""
    found = (event for event in events if getattr(event.data, "ruling", None) is not None)
    return next(found, events[0] if events else None)


def caused_by(reading: Reading, event_ids: list[str]) -> list[Event[Any]]:
    """Every fact that names one of these as its cause, in order."""
    return _events(
        reading, sa.select(LEDGER.c.raw, LEDGER.c.type).where(LEDGER.c.causationid.in_(event_ids)).order_by(*_ORDER)
    )


def of_types(reading: Reading, wires: tuple[str, ...]) -> list[Event[Any]]:
    """Every fact of the given types, in order."""
    return _events(reading, sa.select(LEDGER.c.raw, LEDGER.c.type).where(LEDGER.c.type.in_(wires)).order_by(*_ORDER))


def of_person(
    reading: Reading, staff_id: str, after: str | None, limit: int, about: str | None = None
) -> tuple[list[tuple[Event[Any], str]], str | None]:
    """The facts that name a person with the fields that do, and the cursor of the next page.

    `about` is the beginning of the names of the facts wanted, whatever service tells them: `penalty` for `penalty_decided`.
    """
    order = (MENTIONS.c.recordedat, MENTIONS.c.event_id)
    query = (
        sa.select(MENTIONS.c.recordedat, MENTIONS.c.event_id, MENTIONS.c.fields, LEDGER.c.raw, LEDGER.c.type)
        .join(LEDGER, LEDGER.c.event_id == MENTIONS.c.event_id)
        .where(MENTIONS.c.staff_id == staff_id)
        .order_by(*order)
        .limit(limit + 1)
    )
    if about is not None:
        query = query.where(MENTIONS.c.type.like("%." + about.replace("_", r"\_") + "%", escape="\\"))
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, _parts(after, 2))))
    rows = reading.rows(query)
    more = f"{rows[limit - 1].recordedat}|{rows[limit - 1].event_id}" if len(rows) > limit else None
    return [(_event(row), row.fields) for row in rows[:limit]], more


def _events(reading: Reading, query: sa.Select[Any]) -> list[Event[Any]]:
    return [_event(row) for row in reading.rows(query)]


def _event(row: sa.Row[Any]) -> Event[Any]:
    """The fact of a row. Raises Rejected where its bytes are none any more: the asker is not at fault, and is told who finds out."""
    try:
        return read_event(bytes(row.raw), row.type)
    except ValueError:
        raise Rejected(f"a fact {row.type} that this rests on cannot be read in the ledger", code="ledger_altered",
                       field="ledger", value=row.type, rule="the bytes that were stored",
                       remedy="bailiwick audit complete names what was altered") from None  # fmt: skip


def _page(rows: list[sa.Row[Any]], limit: int, size: int | None, cursor: Callable[[sa.Row[Any]], str]) -> Page:
    taken: list[bytes] = []
    total = 0
    for row in rows[:limit]:
        total += len(row.raw)
        if taken and size is not None and total > size:
            break
        taken.append(bytes(row.raw))
    return Page(tuple(taken), cursor(rows[len(taken) - 1]) if len(taken) < len(rows) else None)


def _parts(text: str, count: int, separator: str = "|") -> list[str]:
    parts = text.split(separator)
    if len(parts) != count:
        raise Rejected(f"{text!r} is no place in the ledger", code="unknown_place", field="after", value=text,
                       rule="a `next` or a chain that audit gave", remedy="ask for the chains, or begin again without `after`")  # fmt: skip
    return parts
