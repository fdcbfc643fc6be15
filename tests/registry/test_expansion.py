"""Calendars and zones written out as dates."""

from datetime import UTC, date, datetime

import pytest

from services.kernel.decision import Rejected
from services.registry.expansion import calendar_days, expand, offset_changes


def test_a_holiday_and_the_weekend_day_worked_for_it_are_both_written_out() -> None:
    days = {day.on: day.kind for day in calendar_days("CN", 2015, 2015)}
    assert days[date(2015, 1, 2)] == "holiday"
    assert days[date(2015, 1, 4)] == "working_day"
    assert {on.year for on in days} == {2015}
    assert list(days) == sorted(days)


def test_a_zone_without_summer_time_has_one_offset_since_its_last_change() -> None:
    changes = offset_changes("Asia/Shanghai", 2046)
    assert changes[-1].offset_seconds == 28_800
    assert changes[-1].at < datetime(1992, 1, 1, tzinfo=UTC)


def test_a_zone_with_summer_time_changes_to_the_second() -> None:
    changes = {change.at: change.offset_seconds for change in offset_changes("Europe/London", 2026)}
    assert changes[datetime(2026, 3, 29, 1, tzinfo=UTC)] == 3_600
    assert changes[datetime(2026, 10, 25, 1, tzinfo=UTC)] == 0


@pytest.mark.parametrize("zone", ["Asia/Atlantis", "Asia", "zone.tab", "zone1970"])
def test_a_zone_that_is_none_is_rejected(zone: str) -> None:
    with pytest.raises(Rejected) as turned:
        offset_changes(zone, 2026)
    assert turned.value.field == "time_zone"


@pytest.mark.parametrize("calendar", ["XX", "CN-ZZZ"])
def test_a_calendar_nobody_knows_is_rejected(calendar: str) -> None:
    with pytest.raises(Rejected) as turned:
        calendar_days(calendar, 2026, 2026)
    assert turned.value.field == "calendar"


def test_a_new_property_is_covered_from_2010_to_the_end_of_next_year() -> None:
    made = expand("CN", "Asia/Shanghai", now=datetime(2026, 3, 2, tzinfo=UTC))
    assert (made.first_year, made.last_year, made.zone_last_year) == (2010, 2027, 2046)
    assert made.days[0].on.year == 2010
