"""What may be decided about a property."""

from datetime import UTC, date, datetime

import pytest
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
from pydantic import ValidationError

from services.registry.property import PROPERTY, Expansion, add, add_unit, adopt_calendar, set_reporting_line
from tests.given import Given

given = Given(PROPERTY)
NEW_YEAR = CalendarDay(on=date(2026, 1, 1), kind="holiday")
CHANGE = OffsetChange(at=datetime(1990, 1, 1, tzinfo=UTC), offset_seconds=28_800)
EXPANSION = Expansion((NEW_YEAR,), "holidays 1", 2026, 2026, (CHANGE,), "tzdata 1", 2046)
ASKED = AddProperty(property_id="north-court", name="North Court")
ADDED = PropertyAdded(
    property_id="north-court",
    name="North Court",
    language="zh-Hant",
    currency="CNY",
    calendar="CN",
    time_zone="Asia/Shanghai",
)
CALENDAR = CalendarAdopted(
    property_id="north-court",
    calendar="CN",
    first_on=date(2026, 1, 1),
    last_on=date(2026, 12, 31),
    days=(NEW_YEAR,),
    table="holidays 1",
)
ZONE = ZoneAdopted(
    property_id="north-court", time_zone="Asia/Shanghai", last_year=2046, changes=(CHANGE,), table="tzdata 1"
)


def test_a_property_comes_with_its_calendar_and_zone_written_out() -> None:
    given().when(lambda known: add(ASKED, known, EXPANSION)).then(ADDED, CALENDAR, ZONE)


def test_the_four_settings_are_independent() -> None:
    settings = {"language": "en-GB", "currency": "HKD", "calendar": "MO", "time_zone": "America/New_York"}
    asked = ASKED.model_copy(update=settings)
    added = given().when(lambda known: add(asked, known, EXPANSION)).facts[0]
    assert added == ADDED.model_copy(update=settings)


def test_adding_a_property_twice_adds_it_once() -> None:
    given(ADDED).when(lambda known: add(ASKED, known, EXPANSION)).then()


def test_a_propertys_settings_are_not_changed_by_adding_it_again() -> None:
    other = ASKED.model_copy(update={"currency": "HKD"})
    given(ADDED).when(lambda known: add(other, known, EXPANSION)).then_rejects("already_added")


def test_the_companys_own_name_is_reserved() -> None:
    company = ASKED.model_copy(update={"property_id": "company"})
    given().when(lambda known: add(company, known, EXPANSION)).then_rejects("reserved")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("property_id", "north.court"),
        ("property_id", "*"),
        ("property_id", ">"),
        ("currency", "yuan"),
        ("calendar", "china"),
        ("time_zone", "../etc/passwd"),
        ("language", "Chinese!"),
    ],
)
def test_a_setting_that_is_none_is_an_error_that_names_the_field(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=field):
        AddProperty.model_validate(ASKED.model_dump() | {field: value})


def test_a_new_release_of_the_holidays_is_adopted_as_a_new_fact() -> None:
    asked = AdoptCalendar(property_id="north-court", first_year=2026, last_year=2026)
    newer = Expansion((), "holidays 2", 2026, 2026, (CHANGE,), "tzdata 1", 2046)
    given(ADDED, CALENDAR).when(lambda known: adopt_calendar(asked, known, EXPANSION)).then()
    given(ADDED, CALENDAR).when(lambda known: adopt_calendar(asked, known, newer)).then(
        CALENDAR.model_copy(update={"days": (), "table": "holidays 2"})
    )


def test_the_wall_clock_follows_the_adopted_changes() -> None:
    summer = OffsetChange(at=datetime(2026, 3, 29, 1, tzinfo=UTC), offset_seconds=3_600)
    zone = ZONE.model_copy(update={"changes": (CHANGE.model_copy(update={"offset_seconds": 0}), summer)})
    assert zone.local(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)) == datetime(2026, 3, 29, 0, 59, 59)  # noqa: DTZ001
    assert zone.local(datetime(2026, 3, 29, 1, tzinfo=UTC)) == datetime(2026, 3, 29, 2)  # noqa: DTZ001


def test_a_unit_belongs_under_one_that_is_there() -> None:
    office = AddUnitOfOrganisation(property_id="north-court", unit_id="office", name="管理處", kind="office")
    cleaning = AddUnitOfOrganisation(property_id="north-court", unit_id="cleaning", name="清潔", parent_id="office")
    added = UnitOfOrganisationAdded(property_id="north-court", unit_id="office", name="管理處", kind="office")
    given(ADDED).when(lambda known: add_unit(office, known)).then(added)
    given(ADDED).when(lambda known: add_unit(cleaning, known)).then_rejects("unknown_unit")
    given(ADDED, added).when(lambda known: add_unit(office, known)).then()
    given(ADDED, added).when(lambda known: add_unit(cleaning, known)).then_one(
        UnitOfOrganisationAdded, parent_id="office", kind="department"
    )


def test_nothing_is_added_to_a_property_that_is_not_there() -> None:
    unit = AddUnitOfOrganisation(property_id="nowhere", unit_id="office", name="管理處")
    given().when(lambda known: add_unit(unit, known)).then_rejects("unknown_property")


def line(position: str, reports_to: str) -> SetReportingLine:
    return SetReportingLine(property_id="north-court", position=position, reports_to=reports_to)


def test_a_reporting_line_is_set_once_and_never_becomes_a_circle() -> None:
    to_director = ReportingLineSet(property_id="north-court", position="foreman", reports_to="director")
    to_manager = ReportingLineSet(property_id="north-court", position="director", reports_to="manager")
    given(ADDED).when(lambda known: set_reporting_line(line("foreman", "director"), known)).then(to_director)
    lines = given(ADDED, to_director, to_manager)
    lines.when(lambda known: set_reporting_line(line("foreman", "director"), known)).then()
    lines.when(lambda known: set_reporting_line(line("manager", "foreman"), known)).then_rejects("reporting_circle")
    lines.when(lambda known: set_reporting_line(line("manager", "manager"), known)).then_rejects("reporting_circle")
