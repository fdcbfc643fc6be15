"""The property: its four settings, its adopted calendar and time zone, its units and reporting lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import COMPANY, Fact
from bailiwick_contracts.registry import (
    AddProperty,
    AddUnitOfOrganisation,
    AdoptCalendar,
    CalendarAdopted,
    CalendarDay,
    OffsetChange,
    PropertyAdded,
    ReportingLineSet,
    SetReportingLine,
    UnitOfOrganisationAdded,
    ZoneAdopted,
)

from services.kernel.decision import Noun, Rejected

PropertyFact = PropertyAdded | CalendarAdopted | ZoneAdopted | UnitOfOrganisationAdded | ReportingLineSet


@dataclass(frozen=True)
class Property:
    """What is remembered of a property."""

    settings: PropertyAdded | None = None
    calendar: CalendarAdopted | None = None
    zone: ZoneAdopted | None = None
    units: Mapping[str, UnitOfOrganisationAdded] = field(default_factory=dict)
    reports_to: Mapping[str, str] = field(default_factory=dict)
    """Position to the position above it."""


@dataclass(frozen=True)
class Expansion:
    """Tables written out as dates, and where they came from; gathered before the decision."""

    days: tuple[CalendarDay, ...]
    calendar_table: str
    first_year: int
    last_year: int
    changes: tuple[OffsetChange, ...]
    zone_table: str
    zone_last_year: int


def stream(property_id: str) -> str:
    """The stream of a property."""
    return f"property-{property_id}"


def settings_of(known: Property, property_id: str) -> PropertyAdded:
    """A property's settings. Raises Rejected for one that nobody added."""
    if known.settings is None:
        raise Rejected(
            f"there is no property {property_id}", code="unknown_property", field="property_id", value=property_id,
            rule="a property that was added", remedy="add it first",
        )  # fmt: skip
    return known.settings


def add(request: AddProperty, known: Property, expansion: Expansion) -> list[Fact]:
    """Take a property in, its calendar and zone written out as dates from the start.

    The same settings again change nothing; other settings for a known id are rejected, for facts rest on them.
    """
    if request.property_id == COMPANY:
        raise Rejected(
            f"{COMPANY} is what belongs to no single property", code="reserved", field="property_id", value=COMPANY,
            rule="not a reserved id", remedy="choose another id",
        )  # fmt: skip
    added = PropertyAdded.model_validate(request.model_dump(exclude={"type"}))
    if known.settings == added:
        return []
    if known.settings is not None:
        raise Rejected(
            f"{request.property_id} is there with other settings", code="already_added", field="property_id",
            value=request.property_id, rule="one property per id",
            remedy="add it under another id; facts rest on the settings that are there",
        )  # fmt: skip
    zone = ZoneAdopted(
        property_id=request.property_id,
        time_zone=request.time_zone,
        last_year=expansion.zone_last_year,
        changes=expansion.changes,
        table=expansion.zone_table,
    )
    return [added, _calendar(request.property_id, request.calendar, expansion), zone]


def adopt_calendar(request: AdoptCalendar, known: Property, expansion: Expansion) -> list[Fact]:
    """Write the property's calendar out anew; the same dates again change nothing."""
    adopted = _calendar(request.property_id, settings_of(known, request.property_id).calendar, expansion)
    return [] if known.calendar == adopted else [adopted]


def _calendar(property_id: str, code: str, expansion: Expansion) -> CalendarAdopted:
    return CalendarAdopted.model_validate(
        {
            "property_id": property_id,
            "calendar": code,
            "first_on": f"{expansion.first_year}-01-01",
            "last_on": f"{expansion.last_year}-12-31",
            "days": expansion.days,
            "table": expansion.calendar_table,
        }
    )


def add_unit(request: AddUnitOfOrganisation, known: Property) -> list[Fact]:
    """Add a department or team under the office or under a unit that is there."""
    settings_of(known, request.property_id)
    added = UnitOfOrganisationAdded.model_validate(request.model_dump(exclude={"type"}))
    present = known.units.get(request.unit_id)
    if present == added:
        return []
    if present is not None:
        raise Rejected(
            f"{request.unit_id} is there already", code="already_added", field="unit_id", value=request.unit_id,
            rule="one unit per id", remedy="add it under another id",
        )  # fmt: skip
    if request.parent_id is not None and request.parent_id not in known.units:
        raise Rejected(
            f"{request.parent_id} is no unit of {request.property_id}", code="unknown_unit", field="parent_id",
            value=request.parent_id, rule="a unit that was added", remedy="add the parent first",
        )  # fmt: skip
    return [added]


def set_reporting_line(request: SetReportingLine, known: Property) -> list[Fact]:
    """Say which position stands above another. Nobody stands above himself, at whatever distance."""
    settings_of(known, request.property_id)
    if known.reports_to.get(request.position) == request.reports_to:
        return []
    above: str | None = request.reports_to
    while above is not None:
        if above == request.position:
            raise Rejected(
                f"{request.position} would report to itself", code="reporting_circle", field="reports_to",
                value=request.reports_to, rule="a line that ends", remedy="set the position above it first",
            )  # fmt: skip
        above = known.reports_to.get(above)
    return [ReportingLineSet(property_id=request.property_id, position=request.position, reports_to=request.reports_to)]


def evolve(known: Property, event: Event[Any]) -> Property:
    """The property after one more fact."""
    fact: PropertyFact = event.data
    match fact:
        case PropertyAdded():
            return replace(known, settings=fact)
        case CalendarAdopted():
            return replace(known, calendar=fact)
        case ZoneAdopted():
            return replace(known, zone=fact)
        case UnitOfOrganisationAdded():
            return replace(known, units={**known.units, fact.unit_id: fact})
        case ReportingLineSet():
            return replace(known, reports_to={**known.reports_to, fact.position: fact.reports_to})
        case _:
            assert_never(fact)


PROPERTY: Noun[Property] = Noun("property", Property(), evolve)
