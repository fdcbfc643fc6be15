"""Writes installed tables out as dates: the holidays of a calendar, and the offset changes of a time zone."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import holidays
from bailiwick_contracts.registry import CalendarDay, OffsetChange

from services.kernel.decision import Rejected
from services.registry.property import Expansion

FIRST_YEAR: Final = 2010
"""The calendar of a new property begins here, so that imported history finds its holidays."""
ZONE_FIRST_YEAR: Final = 1990
ZONE_YEARS_AHEAD: Final = 20


def expand(
    calendar: str, time_zone: str, *, now: datetime, first_year: int = FIRST_YEAR, last_year: int = 0
) -> Expansion:
    """Both tables, up to the end of next year and of the twentieth year from now unless told.

    Raises:
        Rejected: the tables installed here do not know the calendar or the zone.
    """
    until = last_year or now.year + 1
    zone_until = now.year + ZONE_YEARS_AHEAD
    return Expansion(
        days=calendar_days(calendar, first_year, until),
        calendar_table=f"holidays {version('holidays')}",
        first_year=first_year,
        last_year=until,
        changes=offset_changes(time_zone, zone_until),
        zone_table=f"tzdata {version('tzdata')}",
        zone_last_year=zone_until,
    )


def calendar_days(calendar: str, first_year: int, last_year: int) -> tuple[CalendarDay, ...]:
    """Holidays, and weekend days worked instead, in order."""
    country, _, part = calendar.partition("-")
    years = range(first_year, last_year + 1)
    try:
        table = holidays.country_holidays(country, subdiv=part or None, years=years)
    except NotImplementedError:
        raise Rejected(f"no holidays are known for {calendar}", code="unknown_calendar", field="calendar", value=calendar,
                       rule="an ISO 3166 code that the holidays table knows, such as CN or GB-SCT",
                       remedy="give the code of the country, with its part only where the part has holidays of its own") from None  # fmt: skip
    worked = {on for on in getattr(table, "weekend_workdays", ()) if first_year <= on.year <= last_year}
    days = {on: CalendarDay(on=on, kind="working_day") for on in worked}
    days |= {on: CalendarDay(on=on, kind="holiday") for on in table if first_year <= on.year <= last_year}
    return tuple(days[on] for on in sorted(days))


def offset_changes(time_zone: str, last_year: int) -> tuple[OffsetChange, ...]:
    """Each instant, to the second, at which the zone's offset from UTC changes, from 1990 to the end of `last_year`."""
    entry = files("tzdata").joinpath("zoneinfo", *time_zone.split("/"))
    if not entry.is_file():
        raise _no_zone(time_zone)
    with entry.open("rb") as file:
        try:
            zone = ZoneInfo.from_file(file, key=time_zone)
        except ValueError:
            raise _no_zone(time_zone) from None
    at = datetime(ZONE_FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(last_year + 1, 1, 1, tzinfo=UTC)
    changes = [OffsetChange(at=at, offset_seconds=_offset(zone, at))]
    while at < end:
        following = at + timedelta(days=1)
        if _offset(zone, following) != changes[-1].offset_seconds:
            before, after = at, following
            while after - before > timedelta(seconds=1):
                middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
                if _offset(zone, middle) == changes[-1].offset_seconds:
                    before = middle
                else:
                    after = middle
            changes.append(OffsetChange(at=after, offset_seconds=_offset(zone, after)))
        at = following
    return tuple(changes)


def _no_zone(time_zone: str) -> Rejected:
    return Rejected(f"{time_zone} is no time zone", code="unknown_time_zone", field="time_zone", value=time_zone,
                    rule="a zone of the IANA database, such as Asia/Shanghai",
                    remedy="write the name of the zone as that database does; an offset is none")  # fmt: skip


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
