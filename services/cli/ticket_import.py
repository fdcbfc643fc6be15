"""`bailiwick import tickets`: another system's log, XES or CSV, taken over with its own times and in its own order."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

from bailiwick_contracts.envelope import RowAnswer
from bailiwick_contracts.registry import AddProperty, GetProperty, GetStaff, ListProperties, ListStaff, OffsetChange
from bailiwick_contracts.staff import ExternalIdAsked
from bailiwick_contracts.ticket_import import ImportTickets, LogCase
from bailiwick_contracts.ticket_query import GetLogFigures

from services.cli.audit_desk import bar
from services.cli.given import IMPORT, SETUP, Report
from services.cli.output import BAD_INPUT, fail, settle
from services.kernel.reactor import caught_up
from services.run.desk import Desk
from services.table import BadRow
from services.tickets.log_file import (
    CSV_MAPPING,
    LogMapping,
    UnreadableError,
    handlers_in,
    is_xes,
    mapping_of,
    read_log,
)

ENTRIES, BYTES, AT_ONCE = 1_000, 150_000, 3
"""Of one request, under the 256 KiB of a message; and requests on their way at once."""


async def import_tickets(
    desk: Desk, path: Path, property_id: str | None, system_id: str | None, mapping_file: Path | None, *,
    dry_run: bool, quiet: bool,
) -> Report:  # fmt: skip
    """Take a log over and report: its figures as our own facts have them, and every row that could not be taken."""
    place = await _property(desk, path, property_id, quiet, dry_run=dry_run)
    system = system_id or _slug(path, 64)
    with path.open("rb") as file:
        try:
            head = await asyncio.to_thread(file.read, 64)
            file.seek(0)
            mapping = _mapping(mapping_file, xes=is_xes(head))
            zone = await _zone(desk, place) if not dry_run or property_id else ()
            handlers = {} if dry_run else await _handlers(desk, file, mapping, place, system)
            bad: list[BadRow] = []
            cases = _taken(read_log(file, mapping, system, zone, handlers), bad)
            if dry_run:
                found = list(cases)
                entries = sum(len(case.entries) for case in found)
                return {"tickets": len(found), "events": entries, "rejected": len(bad), "dry_run": True,
                        "bad_rows": [asdict(row) for row in bad]}  # fmt: skip
            await caught_up(desk.client, "tickets", "registry")
            counts = await _send(desk, cases, place, system, path.name[:128], quiet)
        except UnreadableError as error:
            fail(f"file: {error}", BAD_INPUT, quiet, field="file", value=str(path), rule="an XES log, plain or gzip, or a CSV",
                 remedy="see services/tickets/README.md for the mapping of a CSV")  # fmt: skip
    figures = (
        settle(await desk.query(GetLogFigures(system=system, variants_limit=0), IMPORT, place), quiet).result or {}
    )
    bad.sort(key=lambda row: row.row)
    return {
        **{name: figures.get(name) for name in
           ("tickets", "events", "closed", "open", "reopened", "median_hours_to_resolve")},
        "rejected": len(bad),
        "new_tickets": counts["tickets"],
        "new_events": counts["events"],
        "property": place,
        "system": system,
        "bad_rows": [asdict(row) for row in bad],
    }  # fmt: skip


def _slug(path: Path, limit: int) -> str:
    name = path.name.lower()
    for ending in (".gz", ".xes", ".csv"):
        name = name.removesuffix(ending)
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:limit] or "log"


def _mapping(file: Path | None, *, xes: bool) -> LogMapping:
    if file is not None:
        return mapping_of(file.read_bytes())
    return LogMapping() if xes else CSV_MAPPING


def _taken(read: Iterator[LogCase | BadRow], bad: list[BadRow]) -> Iterator[LogCase]:
    for one in read:
        if isinstance(one, BadRow):
            bad.append(one)
        else:
            yield one


async def _property(desk: Desk, path: Path, named: str | None, quiet: bool, *, dry_run: bool) -> str:
    """The property that is named; or the only one there is; or, in an empty installation, one called like the file."""
    if named is not None or dry_run:
        return named or ""
    known = (settle(await desk.query(ListProperties(), SETUP, "company"), quiet).result or {}).get("properties", [])
    ids = [one["property_id"] for one in known]
    if len(ids) > 1:
        fail(f"property: the tickets may belong to {', '.join(ids)}", BAD_INPUT, quiet, field="property", value="",
             rule="one property", remedy="name it with --property")  # fmt: skip
    if not ids:
        ids = [_slug(path, 32)]
        settle(await desk.send(AddProperty(property_id=ids[0], name=ids[0]), SETUP, ids[0]), quiet)
    return str(ids[0])


async def _zone(desk: Desk, property_id: str) -> Sequence[OffsetChange]:
    found = (await desk.query(GetProperty(property_id=property_id), SETUP, "company")).result or {}
    if "zone" not in found:
        fail(f"property: {property_id} is not known", BAD_INPUT, field="property", value=property_id,
             rule="a property that was added", remedy=f"bailiwick property add {property_id}")  # fmt: skip
    return tuple(OffsetChange.model_validate(change) for change in found["zone"]["changes"])


async def _handlers(
    desk: Desk, file: IO[bytes], mapping: LogMapping, property_id: str, system: str
) -> Mapping[str, str]:
    """Our ids of the people a log names, as far as the registry maps them."""
    found: dict[str, str] = {}
    if not ((await desk.query(ListStaff(limit=1), SETUP, "company")).result or {}).get("staff"):
        return found
    for name in sorted(await asyncio.to_thread(handlers_in, file, mapping)):
        if name and len(name) <= 128:
            external = ExternalIdAsked(system=system, property_id=property_id, external_id=name)
            answer = await desk.query(GetStaff(external=external), SETUP, "company")
            if answer.outcome == "done" and answer.result:
                found[name] = answer.result["staff_id"]
    return found


def _parts(cases: Iterator[LogCase]) -> Iterator[tuple[LogCase, ...]]:
    """Cases in as many as go into one request; one that alone is too long is cut, and goes on in the next."""
    part: list[LogCase] = []
    entries = size = 0
    for case in cases:
        for start in range(0, max(len(case.entries), 1), ENTRIES):
            piece = case.model_copy(update={"entries": case.entries[start : start + ENTRIES]})
            weight = 200 + sum(160 + 4 * len(entry.activity) for entry in piece.entries) + 4 * len(piece.external_id)
            if part and (entries + len(piece.entries) > ENTRIES or size + weight > BYTES):
                yield tuple(part)
                part, entries, size = [], 0, 0
            part.append(piece)
            entries += len(piece.entries)
            size += weight
    if part:
        yield tuple(part)


async def _send(
    desk: Desk, cases: Iterator[LogCase], property_id: str, system: str, file: str, quiet: bool
) -> Counter[str]:
    """Send part by part, a few at once: parts of one case one after the other, for its entries keep their order."""
    counts: Counter[str] = Counter()
    waiting: set[asyncio.Task[tuple[RowAnswer, ...]]] = set()

    async def one(part: tuple[LogCase, ...]) -> tuple[RowAnswer, ...]:
        request = ImportTickets(system=system, cases=part)
        answer = settle(await desk.send(request, IMPORT, property_id, import_file=file), quiet)
        counts["events"] += int((answer.result or {}).get("entries", 0))
        counts["tickets"] += int((answer.result or {}).get("tickets", 0))
        return answer.rows

    with bar("tickets", quiet) as progress:
        sent, last = 0, ""
        async for part in _read_beside(_parts(cases)):
            if part[0].external_id == last and waiting:
                await asyncio.wait(waiting)
            if len(waiting) >= AT_ONCE:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            waiting.add(asyncio.create_task(one(part)))
            sent, last = sent + len(part), part[-1].external_id
            progress(sent, sent)
        for rows in await asyncio.gather(*waiting):
            counts["answered"] += len(rows)
    return counts


async def _read_beside(parts: Iterator[tuple[LogCase, ...]]) -> AsyncIterator[tuple[LogCase, ...]]:
    """Read the file in a thread of its own, so that answers are heard meanwhile."""
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part
