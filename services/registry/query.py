"""What the registry answers when asked: properties, people with their sealed fields closed, and the authority in force."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.matrix import in_force, policy_in_force
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import GetMatrix, GetProperty, GetStaff, ListProperties, ListStaff
from pydantic_core import from_json, to_jsonable_python

from services.kernel.decision import Rejected
from services.kernel.service import Reading
from services.registry import adoption, property, staff  # noqa: A004 - the noun's own name
from services.registry.adoption import ADOPTIONS
from services.registry.property import PROPERTY, settings_of
from services.registry.staff import STAFF
from services.registry.views import EXTERNAL, PERSONAL, POSITIONS, PROPERTIES, STATUS
from services.registry.views import STAFF as PEOPLE


def on_get_property(reading: Reading, command: Command[GetProperty]) -> Mapping[str, Any]:
    """Settings, units, reporting lines and what was adopted; of the long tables only what they cover."""
    asked = command.data
    known = reading.state(PROPERTY, property.stream(asked.property_id), until=asked.as_of)
    answer: dict[str, Any] = {
        "settings": settings_of(known, asked.property_id),
        "units": list(known.units.values()),
        "reporting_lines": dict(known.reports_to),
        "calendar": known.calendar.model_dump(exclude={"days"}) if known.calendar else None,
        "zone": known.zone,
    }
    return dict(to_jsonable_python(answer, exclude_none=True))


def on_list_properties(reading: Reading, command: Command[ListProperties]) -> Mapping[str, Any]:
    """A page of properties with their settings, by id; `after` is the last id, absent on the last page."""
    asked = command.data
    query = sa.select(PROPERTIES).order_by(PROPERTIES.c.property_id).limit(asked.limit + 1)
    if asked.after is not None:
        query = query.where(PROPERTIES.c.property_id > asked.after)
    rows = [dict(row._mapping) for row in reading.rows(query)]  # noqa: SLF001 - SQLAlchemy's public name for it
    page = rows[: asked.limit]
    return {"properties": page} | ({"after": page[-1]["property_id"]} if len(rows) > asked.limit else {})


def on_list_staff(reading: Reading, command: Command[ListStaff]) -> Mapping[str, Any]:
    """A page of people by id; `after` of the next page is the last id, absent on the last page."""
    asked = command.data
    query = sa.select(PEOPLE.c.staff_id).order_by(PEOPLE.c.staff_id).limit(asked.limit + 1)
    if asked.home_property is not None:
        _look_up(reading, asked.home_property)
        query = query.where(PEOPLE.c.home_property == asked.home_property)
    if command.property != COMPANY:
        query = query.where(_works_at(command.property))
    if asked.after is not None:
        query = query.where(PEOPLE.c.staff_id > asked.after)
    ids = [row.staff_id for row in reading.rows(query)]
    page = ids[: asked.limit]
    answer: dict[str, Any] = {"staff": _people(reading, page)}
    return answer | ({"after": page[-1]} if len(ids) > asked.limit else {})


def on_get_staff(reading: Reading, command: Command[GetStaff]) -> Mapping[str, Any]:
    """One person. As of an instant the answer is folded from the facts recorded by then, without sealed fields."""
    asked = command.data
    staff_id = asked.staff_id
    if staff_id is None and asked.external is not None:
        where = [EXTERNAL.c[name] == value for name, value in asked.external.model_dump().items()]
        staff_id = next((row.staff_id for row in reading.rows(sa.select(EXTERNAL.c.staff_id).where(*where))), None)
    if staff_id is not None and command.property != COMPANY:
        seen = sa.select(PEOPLE.c.staff_id).where(PEOPLE.c.staff_id == staff_id, _works_at(command.property))
        staff_id = staff_id if reading.rows(seen) else None
    if staff_id is None:
        given = asked.external.external_id if asked.staff_id is None and asked.external is not None else asked.staff_id
        raise Rejected("nobody is known under that id", code="unknown_staff", field="staff_id", value=given,
                       rule="an id or an external id", remedy="look it up with ListStaff")  # fmt: skip
    known = reading.state(STAFF, staff.stream(staff_id), until=asked.as_of)
    if asked.as_of is None:
        found = _people(reading, [staff_id])
        if found:
            return found[0]
    if known.state == "unknown":
        raise Rejected(f"there is no {staff_id}", code="unknown_staff", field="staff_id", value=staff_id,
                       rule="a person who was registered",
                       remedy="look it up with ListStaff, or ask as of a later instant")  # fmt: skip
    on = (asked.as_of or reading.now).date()
    return dict(
        to_jsonable_python(
            {
                "staff_id": staff_id,
                "state": known.state,
                "home_property": known.home_property,
                "hired_on": known.hired_on,
                "last_on": known.last_on,
                "into_staff_id": known.into_staff_id,
                "positions": known.positions_on(on),
                "external_ids": known.external_ids,
            },
            exclude_none=True,
        )
    )


def on_get_matrix(reading: Reading, command: Command[GetMatrix]) -> Mapping[str, Any]:
    """The matrix (of a version, or in force at an instant) and the legal policy of a property at that instant."""
    asked = command.data
    if asked.property_id != COMPANY:
        _look_up(reading, asked.property_id)
    adoptions = reading.state(ADOPTIONS, adoption.STREAM)
    at = asked.as_of or reading.now
    matrix = in_force(adoptions.matrices, at)
    if asked.version is not None:
        matrix = next((one for one in adoptions.matrices if one.version == asked.version), None)
        if matrix is None:
            raise Rejected(f"there is no matrix {asked.version}", code="unknown_version", field="version", value=asked.version,
                           rule="a version that was adopted", remedy="leave version away for the one in force")  # fmt: skip
    policy = policy_in_force(adoptions.policies, asked.property_id, at)
    return dict(to_jsonable_python({"matrix": matrix, "legal_policy": policy, "at": at}, exclude_none=True))


def _look_up(reading: Reading, property_id: str) -> None:
    """Raises Rejected for a property that is not there: of it nobody would be listed, and the company's policy would be answered."""
    settings_of(reading.state(PROPERTY, property.stream(property_id)), property_id)


def _works_at(property_id: str) -> sa.ColumnElement[bool]:
    """Whether a person belongs to a property, or holds or held a position there."""
    held = sa.select(POSITIONS.c.staff_id).where(POSITIONS.c.property_id == property_id)
    return sa.or_(PEOPLE.c.home_property == property_id, PEOPLE.c.staff_id.in_(held))


def _people(reading: Reading, ids: list[str]) -> list[dict[str, Any]]:
    query = sa.select(PEOPLE, STATUS.c.state, STATUS.c.last_on, STATUS.c.into_staff_id)
    query = query.join(STATUS, STATUS.c.staff_id == PEOPLE.c.staff_id).where(PEOPLE.c.staff_id.in_(ids))
    people = {row.staff_id: _shown(row) for row in reading.rows(query.order_by(PEOPLE.c.staff_id))}
    for row in reading.rows(sa.select(PERSONAL).where(PERSONAL.c.staff_id.in_(ids))):
        people[row.staff_id][row.field] = {"event_id": row.event_id, "path": row.field, "sealed": from_json(row.sealed)}
    for row in reading.rows(sa.select(EXTERNAL).where(EXTERNAL.c.staff_id.in_(ids))):
        people[row.staff_id].setdefault("external_ids", []).append(_shown(row, without={"staff_id"}))
    held = sa.select(POSITIONS).where(POSITIONS.c.staff_id.in_(ids))
    for row in _latest(reading.rows(held.order_by(POSITIONS.c.effective_on, POSITIONS.c.number)), reading.now.date()):
        people[row.staff_id].setdefault("positions", []).append(_shown(row, without={"staff_id", "number"}))
    return list(people.values())


def _latest(rows: Iterable[Any], on: date) -> Iterable[Any]:
    """Of each person and property the assignment that holds on a date; `rows` come oldest first."""
    return {(row.staff_id, row.property_id): row for row in rows if row.effective_on <= on}.values()


def _shown(row: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    values = {name: value for name, value in row._mapping.items() if value is not None and name not in without}  # noqa: SLF001
    return dict(to_jsonable_python(values))
