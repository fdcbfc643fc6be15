"""One fact of another service, taken in: the local copies first, then what it leads to here; what fails is parked.

The copies take a fact in even where its reaction fails: a ruling names how far its copies reach, and that must be true.
What a handler fails on is tried again later, alone, while facts of other streams go on (decision 0005).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import Event, Unknown
from bailiwick_contracts.stored import read_stored

from services.kernel import parked
from services.kernel.batch import Batch
from services.kernel.crash import crash_point
from services.kernel.dead_letter import letter_stream
from services.kernel.due import microseconds
from services.kernel.failure import OF_THE_MACHINE, reason_of, retry_seconds, told_of
from services.kernel.parked import PARKED, Again, Row
from services.kernel.service import Put, Remove, Service, View
from services.kernel.tracing import about
from services.kernel.unit import WorkUnit
from services.kernel.versions import outdate

LOG = structlog.get_logger()


def readable(raw: bytes) -> tuple[Event[Any], str | None]:
    """A stored fact, and why its data cannot be read where that is so. Raises ValueError where not even the envelope can."""
    try:
        return read_stored(raw), None
    except ValueError as error:
        return Event[Unknown].model_validate_json(raw), reason_of(error)


def take_in(service: Service, batch: Batch, source: str, raw: bytes, event: Event[Any], failure: str | None) -> None:
    """Copy a fact and react to it, or park it: behind what its stream waits for, or because a handler failed on it."""
    if batch.lanes is None:
        batch.write_views()
        batch.lanes = parked.lanes(batch.connection)
    lane = parked.lane_of(event)
    waits = lane in batch.lanes
    if failure is None and not waits:
        try:
            with WorkUnit(batch, property_id=event.property_id, cause=event) as unit:
                unit.change(change for view in _copies(service, event) for change in view.fold(event, raw))
                handler = service.reactions.get(type(event.data))
                if handler is not None:
                    handler(unit, event)
            return
        except OF_THE_MACHINE:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one handler holds up its stream and no other
            failure = reason_of(error)
    copied = failure is None or not isinstance(event.data, Unknown)
    if copied:
        try:
            with WorkUnit(batch, property_id=event.property_id, cause=event) as unit:
                unit.change(change for view in _copies(service, event) for change in view.fold(event, raw))
                unit.rows(sa.select(sa.text("1")))  # writes them now, so that a row the database refuses fails here
        except OF_THE_MACHINE:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            copied, failure = False, reason_of(error)
    _park(batch, source, event, lane, None if waits else failure, copied=copied)


def _copies(service: Service, event: Event[Any]) -> Iterator[View]:
    return (view for view in service.views if view.source == event.service)


def _park(batch: Batch, source: str, event: Event[Any], lane: str, reason: str | None, *, copied: bool) -> None:
    row = {
        "source": source,
        "number": event.chainnumber,
        "lane": lane,
        "version": event.version,
        "property_id": event.property_id,
        "fact_id": event.id,
        "type": event.type,
        "copied": copied,
        "tries": 0 if reason is None else 1,
        "next_us": None if reason is None else microseconds(batch.wall + timedelta(seconds=retry_seconds()[0])),
        "reason": reason,
        "raised": False,
        "parked_us": microseconds(batch.now),
    }
    with WorkUnit(batch, property_id=event.property_id, cause=event) as unit:
        unit.change([Put(PARKED, row)])
    assert batch.lanes is not None  # noqa: S101 - read before anything is parked
    batch.lanes.add(lane)
    if reason is not None:
        LOG.error(
            "fact.failed",
            service=batch.service.name,
            source=source,
            number=event.chainnumber,
            reason=told_of(reason),
            **about(event),
        )


def again(service: Service, batch: Batch, work: Again) -> str:
    """Handle a parked fact, where it is the first of its lane: `done`, `failed`, or `ignored` when it is not to be handled."""
    batch.write_views()
    row = parked.row_of(batch.connection, work.source, work.number)
    if row is None or row["next_us"] is None or row["next_us"] > microseconds(batch.wall):
        return "ignored"
    first = parked.first_of(batch.connection, row["lane"])
    if first is None or first["number"] != work.number or first["source"] != work.source:
        return "ignored"
    crash_point("parked-again")
    event, unread = readable(work.raw)
    reason = work.failure or unread
    if event.id != row["fact_id"]:
        reason = f"the source gave fact {event.id} at this number, not {row['fact_id']}: its log was exchanged"
    if reason is None:
        try:
            with WorkUnit(batch, property_id=event.property_id, cause=event) as unit:
                if not row["copied"]:
                    copies = list(_copies(service, event))
                    unit.change(change for view in copies for change in view.fold(event, work.raw))
                    unit.change(outdate(view.name) for view in copies)
                handler = service.reactions.get(type(event.data))
                if handler is not None:
                    handler(unit, event)
                if row["raised"]:
                    messages = of_service(service.name)
                    unit.append(letter_stream(event.id), messages.resolved(letter_id=event.id))
                release(unit, row)
        except OF_THE_MACHINE:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            reason = reason_of(error)
        else:
            return "done"
    _failed(service, batch, row, event, reason)
    return "failed"


def release(unit: WorkUnit, row: Row) -> None:
    """Take a row out, and have the next of its lane handled."""
    unit.forget_lanes()
    unit.change([Remove(PARKED, {"source": row["source"], "number": row["number"]})])
    following = unit.rows(parked.lane(row["lane"], after=row["version"]).limit(1))
    unit.change(Put(PARKED, {**one._mapping, "next_us": microseconds(unit.wall)}) for one in following)  # noqa: SLF001 - the public name of a row's mapping


def _failed(service: Service, batch: Batch, row: Row, event: Event[Any], reason: str) -> None:
    tries = row["tries"] + 1
    last = tries > len(retry_seconds())
    again_at = None if last else microseconds(batch.wall + timedelta(seconds=retry_seconds()[tries - 1]))
    changed = {**row, "tries": tries, "next_us": again_at, "reason": reason, "raised": row["raised"] or last}
    with WorkUnit(batch, property_id=row["property_id"], cause=event) as unit:
        unit.change([Put(PARKED, changed)])
        if last:
            raised = of_service(service.name).raised(
                letter_id=row["fact_id"],
                kind="fact",
                subject_type=row["type"],
                stream=row["lane"].partition("/")[2],
                source=row["source"],
                number=row["number"],
                tries=tries,
                reason=told_of(reason),
            )
            unit.append(letter_stream(row["fact_id"]), raised)
    LOG.error(
        "fact.failed", service=service.name, source=row["source"], number=row["number"], tries=tries, given_up=last,
        reason=told_of(reason), **about(event),
    )  # fmt: skip
