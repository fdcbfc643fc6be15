"""What the registry answers from: one row per fact that holds, sealed fields only in their sealed form."""

from collections.abc import Iterable
from typing import Any, assert_never

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.registry import (
    AuthorityDelegated,
    AuthorityMatrixAdopted,
    CalendarAdopted,
    DelegationRevoked,
    DoorTrusted,
    LegalPolicyAdopted,
    PropertyAdded,
    RegistryChangeRefused,
    ReportingLineSet,
    UnitOfOrganisationAdded,
    ZoneAdopted,
)
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.staff import (
    BaseWageSet,
    DataSubjectErased,
    EmploymentEnded,
    ExternalId,
    ExternalIdMapped,
    FactRetracted,
    PersonErased,
    PositionAssigned,
    StaffCorrected,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)

from services.kernel.service import Change, Put, Remove, View
from services.registry.staff import StaffFact

_tables = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(f"registry_{name}", _tables, *columns)


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(name: str, *, index: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, index=index)


PROPERTIES = _table(
    "properties",
    _key("property_id"),
    _text("name"),
    _text("language"),
    _text("currency"),
    _text("calendar"),
    _text("time_zone"),
)
STAFF = _table("staff", _key("staff_id"), _text("home_property", index=True), sa.Column("hired_on", sa.Date))
STATUS = _table("status", _key("staff_id"), _text("state"), sa.Column("last_on", sa.Date), _text("into_staff_id"))
PERSONAL = _table("personal", _key("staff_id"), _key("field"), _text("event_id"), _text("sealed"))
"""`sealed` is the JSON of a `Personal`; it opens with `event_id` and `field` as its path."""
EXTERNAL = _table("external", _key("system"), _key("property_id"), _key("external_id"), _text("staff_id", index=True))
POSITIONS = _table(
    "positions", _key("event_id"), _text("staff_id", index=True), _text("property_id"), _text("position"), _text("grade"),
    _text("unit_id"), sa.Column("effective_on", sa.Date), sa.Column("number", sa.Integer),
)  # fmt: skip
"""One row per assignment; of those that have begun the latest holds, the higher chain number of two."""
PEOPLE = (STAFF, STATUS, PERSONAL, EXTERNAL, POSITIONS)

PUBLISHES = (
    PropertyAdded, CalendarAdopted, ZoneAdopted, UnitOfOrganisationAdded, ReportingLineSet,
    StaffRegistered, StaffCorrected, ExternalIdMapped, PositionAssigned, BaseWageSet, EmploymentEnded, StaffRehired,
    StaffMerged, PersonErased, DataSubjectErased, FactRetracted,
    AuthorityDelegated, DelegationRevoked, AuthorityMatrixAdopted, LegalPolicyAdopted, DoorTrusted, RegistryChangeRefused,
)  # fmt: skip
"""Every fact of this service."""


def fold_properties(event: Event[Any], _: bytes) -> Iterable[Change]:
    """Properties with their settings."""
    if isinstance(event.data, PropertyAdded):
        row = event.data.model_dump(include={column.name for column in PROPERTIES.columns})
        yield Put(PROPERTIES, row)


def fold_people(event: Event[Any], _: bytes) -> Iterable[Change]:
    """People, what they hold, and how other systems name them."""
    if isinstance(event.data, StaffFact):
        yield from _person(event, event.data)


def _person(event: Event[Any], fact: StaffFact) -> Iterable[Change]:
    match fact:
        case StaffRegistered():
            yield Put(
                STAFF, {"staff_id": fact.staff_id, "home_property": fact.home_property, "hired_on": fact.hired_on}
            )
            yield _status(fact.staff_id, "employed")
            yield from _personal(event, fact.staff_id, name=fact.name, phone=fact.phone)
        case StaffRehired():
            yield Put(
                STAFF, {"staff_id": fact.staff_id, "home_property": fact.home_property, "hired_on": fact.hired_on}
            )
            yield _status(fact.staff_id, "employed")
        case StaffCorrected():
            yield from _personal(event, fact.staff_id, name=fact.name, phone=fact.phone)
        case ExternalIdMapped():
            yield _external(fact.external, fact.staff_id)
        case PositionAssigned():
            row = fact.model_dump(exclude={"type"})
            yield Put(POSITIONS, row | {"event_id": event.id, "number": event.chainnumber})
        case EmploymentEnded():
            yield _status(fact.staff_id, "left", last_on=fact.last_on)
        case StaffMerged():
            yield _status(fact.staff_id, "merged", into_staff_id=fact.into_staff_id)
            yield from (_external(external, fact.into_staff_id) for external in fact.external_ids)
        case PersonErased():
            for staff_id in fact.staff_ids:
                yield from (Remove(PERSONAL, {"staff_id": staff_id, "field": field}) for field in ("name", "phone"))
            yield _status(fact.staff_id, "erased")
        case FactRetracted():
            if fact.fact_type == PositionAssigned.wire():
                yield Remove(POSITIONS, {"event_id": fact.fact_id})
            elif fact.external is not None:
                yield Remove(EXTERNAL, fact.external.model_dump())
        case BaseWageSet():
            """Wages stand in no view."""
        case _:
            assert_never(fact)


def _status(staff_id: str, state: str, *, last_on: Any = None, into_staff_id: str | None = None) -> Put:
    return Put(STATUS, {"staff_id": staff_id, "state": state, "last_on": last_on, "into_staff_id": into_staff_id})


def _external(external: ExternalId, staff_id: str) -> Put:
    return Put(EXTERNAL, external.model_dump() | {"staff_id": staff_id})


def _personal(event: Event[Any], staff_id: str, **fields: Personal | None) -> Iterable[Put]:
    for field, sealed in fields.items():
        if sealed is not None:
            row = {"staff_id": staff_id, "field": field, "event_id": event.id, "sealed": sealed.model_dump_json()}
            yield Put(PERSONAL, row)


VIEWS = (
    View("properties", 1, "registry", (PROPERTIES,), fold_properties),
    View("people", 1, "registry", PEOPLE, fold_people),
)
