"""What may be read of attendance: days, punches and penalties, in pages; sealed fields stay sealed."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.attendance import GetDay, ListDays, ListPunches, day_stream
from bailiwick_contracts.conduct import GetPenalty, ListPenalties, penalty_stream
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.message import COMPANY
from pydantic_core import from_json, to_jsonable_python

from services.attendance import asking
from services.attendance.day import DAY
from services.attendance.penalty import PENALTY
from services.attendance.views import DAYS, PENALTIES, PUNCHES, REVERSALS
from services.kernel.decision import Rejected
from services.kernel.service import Reading
from services.registry_copy import instant, micros


def get_day(reading: Reading, command: Command[GetDay]) -> Mapping[str, Any]:
    """`roster_fact`, `shifts`, `punches`, `confirmations`, `derived`, `derived_fact`, `revision` of one person's day."""
    request = command.data
    ids = asking.ids_of(reading, request.staff_id)
    of_ids = [reading.state(DAY, day_stream(one, request.day), until=request.as_of) for one in ids]
    day = next((one for one in of_ids if one.is_rostered), of_ids[0])
    shown: dict[str, Any] = to_jsonable_python(day)
    shown.pop("answered", None)
    return {"staff_id": request.staff_id, "day": request.day.isoformat(), **shown}


def list_days(reading: Reading, command: Command[ListDays]) -> Mapping[str, Any]:
    """`days`, and `next` where there are more."""
    request = command.data
    place = DAYS.c.day.cast(sa.Text) + " " + DAYS.c.staff_id
    query: sa.Select[Any] = sa.select(DAYS, place.label("place")).where(
        DAYS.c.day.between(request.first_on, request.last_on)
    )
    query = query if request.status is None else query.where(DAYS.c.status == request.status)
    query = _of_person(reading, query, DAYS.c.staff_id, request.staff_id)
    query = _of_property(query, DAYS.c.property_id, command.property)
    if request.after is not None:
        query = query.where(_later(request.after))
    return _page(reading, query.order_by(DAYS.c.day, DAYS.c.staff_id), "days", request.limit)


def _later(place: str) -> sa.ColumnElement[bool]:
    """What comes after a day of a person, in a shape that the index of days answers."""
    on, _, staff_id = place.partition(" ")
    try:
        day = date.fromisoformat(on)
    except ValueError:
        raise _no_page(place) from None
    return sa.and_(DAYS.c.day >= day, sa.or_(DAYS.c.day > day, DAYS.c.staff_id > staff_id))


def list_punches(reading: Reading, command: Command[ListPunches]) -> Mapping[str, Any]:
    """`punches`, and `next` where there are more."""
    request = command.data
    columns = (PUNCHES.c.staff_id, PUNCHES.c.at_us, PUNCHES.c.direction, PUNCHES.c.punch_id, PUNCHES.c.fact_id)
    query: sa.Select[Any] = sa.select(*columns).where(
        PUNCHES.c.at_us.between(micros(request.since), micros(request.until))
    )
    query = _of_person(reading, query, PUNCHES.c.staff_id, request.staff_id)
    query = _of_property(query, PUNCHES.c.property_id, command.property)
    if request.after is not None:
        at_us, _, fact_id = request.after.partition(" ")
        if not at_us.isdigit():
            raise _no_page(request.after)
        later = sa.and_(PUNCHES.c.at_us == int(at_us), PUNCHES.c.fact_id > fact_id)
        query = query.where(sa.or_(PUNCHES.c.at_us > int(at_us), later))
    rows = reading.rows(query.order_by(PUNCHES.c.at_us, PUNCHES.c.fact_id).limit(request.limit + 1))
    shown = [
        {
            "staff_id": row.staff_id,
            "at": to_jsonable_python(instant(row.at_us)),
            "direction": row.direction,
            "punch_id": row.punch_id,
            "fact_id": row.fact_id,
        }
        for row in rows[: request.limit]
    ]
    last = rows[request.limit - 1] if len(rows) > request.limit else None
    return {"punches": shown} | ({"next": f"{last.at_us} {last.fact_id}"} if last is not None else {})


def get_penalty(reading: Reading, command: Command[GetPenalty]) -> Mapping[str, Any]:
    """`status` and `facts`, oldest first, each with `id`, `type`, `recordedat` and `data`."""
    request = command.data
    stream = penalty_stream(request.penalty_id)
    penalty = reading.state(PENALTY, stream)
    if penalty.status == "none":
        raise Rejected(
            f"no penalty has the id {request.penalty_id}",
            code="no_such_penalty",
            field="penalty_id",
            value=request.penalty_id,
            rule="the id of a penalty that was asked for",
            remedy="look the penalty up with ListPenalties",
        )
    facts = [
        {
            "id": event.id,
            "type": event.type,
            "recordedat": to_jsonable_python(event.recordedat),
            "data": from_json(event.data.as_json()),
        }
        for event in reading.history(stream)
    ]
    return {"penalty_id": request.penalty_id, "status": penalty.status, "facts": facts}


def list_penalties(reading: Reading, command: Command[ListPenalties]) -> Mapping[str, Any]:
    """`penalties`, and `next` where there are more."""
    request = command.data
    status = sa.case((REVERSALS.c.penalty_id.is_not(None), "reversed"), else_=PENALTIES.c.status)
    columns = [column for column in PENALTIES.c if column.name not in ("figures", "status")]
    query: sa.Select[Any] = sa.select(
        *columns, status.label("status"), PENALTIES.c.penalty_id.label("place")
    ).outerjoin(REVERSALS, REVERSALS.c.penalty_id == PENALTIES.c.penalty_id)
    for column, value in ((PENALTIES.c.month, request.month), (status, request.status)):
        query = query if value is None else query.where(column == value)
    query = _of_person(reading, query, PENALTIES.c.staff_id, request.staff_id)
    query = _of_property(query, PENALTIES.c.property_id, command.property)
    if request.after is not None:
        query = query.where(PENALTIES.c.penalty_id > request.after)
    return _page(reading, query.order_by(PENALTIES.c.penalty_id), "penalties", request.limit)


def _of_person(reading: Reading, query: sa.Select[Any], column: sa.Column[Any], staff_id: str | None) -> sa.Select[Any]:
    """Of one person, under every id; of everybody where nobody is named."""
    return query if staff_id is None else query.where(column.in_(asking.ids_of(reading, staff_id)))


def _of_property(query: sa.Select[Any], column: sa.Column[Any], property_id: str) -> sa.Select[Any]:
    return query if property_id == COMPANY else query.where(column == property_id)


def _page(reading: Reading, query: sa.Select[Any], name: str, limit: int) -> dict[str, Any]:
    rows = reading.rows(query.limit(limit + 1))
    names = [str(name) for name in rows[0]._fields] if rows else []
    shown = to_jsonable_python([dict(zip(names, row, strict=True)) for row in rows])
    places = [one.pop("place") for one in shown]
    return {name: shown[:limit]} | ({"next": places[limit - 1]} if len(rows) > limit else {})


def _no_page(after: str) -> Rejected:
    return Rejected(
        "this page does not exist",
        code="unknown_page",
        field="after",
        value=after,
        rule="the `next` of the page before",
        remedy="leave `after` out to begin again",
    )
