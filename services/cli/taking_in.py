"""What `bailiwick import` does with a file: read it, ask for what it says, and count what the days came to."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bailiwick_contracts.attendance import DeriveDays, ListDays, PublishRoster, PunchRow, RecordPunches, RosterDay
from bailiwick_contracts.lateness import Punch, derive_day
from bailiwick_contracts.lateness import Shift as Rostered
from bailiwick_contracts.message import Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.month import ListWorkingDays
from bailiwick_contracts.registry import GetProperty, GetStaff, ListStaff, OffsetChange
from bailiwick_contracts.staff import AssignPosition, ExternalId, RegisterStaff, SetBaseWage
from pydantic import ValidationError

from services.attendance.day import by_day
from services.attendance.figures import Figures, figures_of
from services.attendance.imports import (
    PunchMapping,
    ReadPerson,
    ReadPunch,
    StaffMapping,
    read_punches,
    read_staff,
    read_workdays,
)
from services.cli.audit_desk import bar
from services.cli.given import IMPORT, SETUP, Report
from services.cli.output import BAD_INPUT, fail, settle
from services.kernel.ids import uuid7
from services.kernel.reactor import caught_up
from services.row_reasons import words_of
from services.run.desk import Desk
from services.table import BadRow

ROWS = 1_000
GROUP = 500
FAR = timedelta(days=3)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """What every import is asked for."""

    property_id: str
    system_id: str
    dry_run: bool
    quiet: bool
    shift: tuple[time, time] | None
    workdays: Path | None


async def content_of(file: Path) -> bytes:
    """The bytes of a file."""
    return await asyncio.to_thread(file.read_bytes)


def summary(
    asked: Asked, rows: int, accepted: int, duplicates: int, bad: Sequence[BadRow | Mapping[str, Any]],
    days: int, figures: Figures,
) -> Report:  # fmt: skip
    """What an import reports."""
    shown = [bad_row if isinstance(bad_row, Mapping) else asdict(bad_row) for bad_row in bad]
    return {
        "rows": rows,
        "accepted": accepted,
        "rejected": len(bad),
        "duplicates": duplicates,
        "days": days,
        **figures.as_dict(),
        "dry_run": asked.dry_run,
        "bad_rows": sorted(shown, key=lambda row: int(row["row"])),
    }


# -- working days and what they came to ----------------------------------------------------------------------------------


async def days_of(desk: Desk, asked: Asked, first: date | None, last: date | None) -> list[date]:
    """The working days that are counted: of the file, or of the property's calendar between the first and last row."""
    if asked.workdays is not None:
        read = read_workdays(await content_of(asked.workdays))
        if read.bad:
            wrong = read.bad[0]
            fail(f"workdays: row {wrong.row} of {asked.workdays} is no date", BAD_INPUT, asked.quiet, field=wrong.field,
                 value=wrong.value, rule=wrong.rule, remedy=wrong.remedy)  # fmt: skip
        return sorted(set(read.rows))
    if first is None or last is None:
        return []
    await caught_up(desk.client, "attendance", "registry")
    answer = settle(
        await desk.query(ListWorkingDays(first_on=first, last_on=last), SETUP, asked.property_id), asked.quiet
    )
    return [date.fromisoformat(day) for day in (answer.result or {})["days"]]


async def counted(desk: Desk, asked: Asked, days: Sequence[date]) -> Figures:
    """What the derived days of the property came to, on these days."""
    found = Figures()
    if not days:
        return found
    wanted = {day.isoformat() for day in days}
    after: str | None = None
    while True:
        request = ListDays(first_on=min(days), last_on=max(days), after=after, limit=500)
        page = settle(await desk.query(request, SETUP, asked.property_id), asked.quiet).result or {}
        for row in page["days"]:
            if row["day"] in wanted:
                found.count(row["status"], row["late_seconds"], row["early_seconds"])
        after = page.get("next")
        if after is None:
            return found


def _would_come_to(
    asked: Asked, people: Iterable[str], rows: Iterable[ReadPunch], days: Sequence[date], zone: str
) -> Figures:
    """What a file alone would come to under the shift asked for: nothing is recorded, nothing known is looked at."""
    if asked.shift is None or not days:
        return Figures()
    shifts = {day: (shift_on(day, *asked.shift, zone),) for day in days}
    seen: defaultdict[str, list[Punch]] = defaultdict(list)
    for row in rows:
        seen[row.external_id].append(Punch(at=row.at, direction=row.direction, fact_id=f"row-{row.row}"))
    now = max(shift.ends_at for of_day in shifts.values() for shift in of_day) + FAR
    return figures_of(
        derive_day(shifts[day], assigned.get(day, ()), now=now)
        for person in sorted(set(people))
        for assigned in (by_day(seen.get(person, ()), shifts),)
        for day in days
    )


# -- punches -------------------------------------------------------------------------------------------------------------


async def punches(desk: Desk, asked: Asked, file: Path, mapping: PunchMapping, staff_file: Path | None) -> Report:
    """Roster where a shift is given, record every punch, derive the days and count them."""
    content = await content_of(file)
    zone = await zone_of(desk, asked.property_id)
    changes = tuple(OffsetChange.model_validate(change) for change in zone["changes"])
    read = await asyncio.to_thread(read_punches, content, changes, mapping)
    bad: list[BadRow | Mapping[str, Any]] = list(read.bad)
    total = len(read.rows) + len(read.bad)
    local = [row.at.astimezone(ZoneInfo(zone["time_zone"])).date() for row in read.rows]
    days = await days_of(desk, asked, min(local, default=None), max(local, default=None))
    if asked.dry_run:
        known = {one.external_id for one in read.rows}
        people = {one.external_id for one in read_staff(await content_of(staff_file)).rows} if staff_file else known
        keys = {(row.external_id, row.at, row.direction) for row in read.rows}
        would = await asyncio.to_thread(_would_come_to, asked, people, read.rows, days, zone["time_zone"])
        return summary(asked, total, len(keys), len(read.rows) - len(keys), bad, len(days), would)
    await caught_up(desk.client, "attendance", "registry")
    if asked.shift is not None and days:
        await publish(desk, asked, days, zone["time_zone"], file.name)
    accepted = duplicates = 0
    digest = hashlib.sha256(content).hexdigest()[:16]
    with bar("punches", asked.quiet) as progress:
        for start in range(0, len(read.rows), ROWS):
            part = read.rows[start : start + ROWS]
            done, known_already = await _record(desk, asked, file.name, digest, part, bad)
            accepted, duplicates = accepted + done, duplicates + known_already
            progress(start + len(part), len(read.rows))
    await derive(desk, asked, days)
    return summary(asked, total, accepted, duplicates, bad, len(days), await counted(desk, asked, days))


async def _record(
    desk: Desk, asked: Asked, name: str, digest: str, part: Sequence[ReadPunch], bad: list[Any]
) -> tuple[int, int]:
    rows = {
        f"{digest}-{one.row}": PunchRow(
            punch_id=f"{digest}-{one.row}",
            external_id=one.external_id,
            at=one.at,
            direction=one.direction,
            file_row=one.row,
        )
        for one in part
    }
    request = RecordPunches(system=asked.system_id, rows=tuple(rows.values()))
    answer = settle(await desk.send(request, IMPORT, asked.property_id, import_file=name[:128]), asked.quiet)
    for row in answer.rows:
        if row.outcome == "rejected":
            given = rows[row.row]
            value = given.at.isoformat() if row.reason == "clock_in_future" else given.external_id
            bad.append(why(given.file_row or 0, row.reason or "", str(value), asked.system_id))
    outcomes = [row.outcome for row in answer.rows]
    return outcomes.count("done"), outcomes.count("ignored")


_UNKNOWN_STAFF = "register the people with bailiwick import staff, or name their file with --staff, then import again"


def why(row: int, reason: str, value: str, system_id: str) -> Mapping[str, Any]:
    """A row that the service did not take, as a report names it."""
    field, rule, remedy = words_of(reason)
    if reason == "unknown_staff":
        rule, remedy = f"an id of {system_id} that is mapped to a person", _UNKNOWN_STAFF
    return {"row": row, "field": field, "value": value, "rule": rule, "remedy": remedy}


async def derive(desk: Desk, asked: Asked, days: Sequence[date]) -> None:
    """Derive what is over of these days."""
    remaining = int(bool(days))
    while remaining:
        request = DeriveDays(first_on=min(days), last_on=max(days))
        answer = settle(await desk.send(request, IMPORT, asked.property_id), asked.quiet)
        remaining = int((answer.result or {}).get("remaining", 0))


# -- people --------------------------------------------------------------------------------------------------------------


async def staff(
    desk: Desk, asked: Asked, file: Path, hired_on: date | None, ladder: Mapping[str, str], mapping: StaffMapping
) -> Report:
    """Register the people of a file who are not known under their ids."""
    read = read_staff(await content_of(file), mapping)
    bad: list[BadRow | Mapping[str, Any]] = list(read.bad)
    accepted = duplicates = 0
    place = await _property(desk, asked.property_id)
    # Without a day given people work here since the first of the property's calendar.
    since = hired_on or date.fromisoformat(place["calendar"]["first_on"])
    currency = place["settings"]["currency"]
    with bar("staff", asked.quiet) as progress:
        for number, person in enumerate(read.rows, 1):
            external = ExternalId(system=asked.system_id, property_id=asked.property_id, external_id=person.external_id)
            # A position that begins later is one too.
            found = await desk.query(GetStaff(external=external, as_of=_LAST), SETUP, "company")
            known = found.result if found.outcome == "done" else None
            if known is not None and not _left_halfway(known, asked.property_id):
                duplicates += 1
            elif asked.dry_run:
                accepted += 1
            else:
                try:
                    wage = Money(amount=person.monthly_income, currency=currency)
                    steps = _steps(person, external, since, ladder.get(person.job_level), wage, known)
                except ValidationError as error:
                    problem = error.errors(include_url=False)[0]
                    where = str(problem["loc"][0])
                    bad.append(BadRow(person.row, where, str(problem["input"]), problem["msg"], "correct the row"))
                else:
                    await _take(desk, steps, file.name[:128], person.row, asked.quiet)
                    accepted += 1
            progress(number, len(read.rows))
    days = await days_of(desk, asked, None, None)
    figures = await counted(desk, asked, days)
    return summary(asked, len(read.rows) + len(read.bad), accepted, duplicates, bad, len(days), figures)


def _left_halfway(known: Mapping[str, Any], property_id: str) -> bool:
    """Whether somebody was registered and nothing more, as by an import that was ended between two requests."""
    return known["state"] == "employed" and known["home_property"] == property_id and not known["positions"]


def _steps(
    person: ReadPerson, external: ExternalId, since: date, grade: str | None, wage: Money, known: Mapping[str, Any] | None
) -> list[tuple[Request, str | None]]:  # fmt: skip
    """What makes a person of a row, each with its command id where it may be asked twice; of who is `known`, what is left.

    The position comes last: who has one has everything. Raises ValidationError before anything is asked.
    """
    home, name = external.property_id, f"{external.system} {person.external_id}"
    staff_id = known["staff_id"] if known else uuid7()
    hired_on = date.fromisoformat(known["hired_on"]) if known else since
    register = RegisterStaff(
        staff_id=staff_id, name=name, home_property=home, hired_on=hired_on, external_ids=(external,)
    )
    once = f"import-wage-{hashlib.sha256(staff_id.encode()).hexdigest()[:32]}"
    pay = SetBaseWage(staff_id=staff_id, base_wage=wage, effective_on=hired_on)
    place = AssignPosition(
        staff_id=staff_id, property_id=home, position=person.job_role, grade=grade, effective_on=hired_on
    )
    return [*([] if known else [(register, None)]), (pay, once), (place, None)]


async def _take(desk: Desk, steps: Sequence[tuple[Request, str | None]], file: str, row: int, quiet: bool) -> None:
    for request, once in steps:
        answer = await desk.send(request, SETUP, "company", command_id=once, import_file=file, import_row=row)
        # A wage that was set before stays as it is, whatever the file says by now.
        if (answer.error or {}).get("code") != "command_id_reused":
            settle(answer, quiet)


# -- rosters and calendars -----------------------------------------------------------------------------------------------


async def publish(desk: Desk, asked: Asked, days: Sequence[date], zone: str, name: str) -> int:
    """The shift asked for, for everybody of the property on these days; answers how many person-days changed."""
    people = await people_of(desk, asked.property_id)
    if not people:
        fail(f"property: nobody has {asked.property_id} as home", BAD_INPUT, asked.quiet, field="property",
             value=asked.property_id, rule="a property with staff", remedy="bailiwick import staff first")  # fmt: skip
    assert asked.shift is not None  # noqa: S101 - whoever calls this has a shift
    starts, ends = asked.shift
    rows = [RosterDay(day=day, shifts=(shift_on(day, starts, ends, zone),)) for day in days]
    named = hashlib.sha256(f"{asked.property_id} {starts} {ends} {days}".encode()).hexdigest()[:16]
    changed = 0
    with bar("roster", asked.quiet) as progress:
        for group in range(0, len(people), GROUP):
            of = people[group : group + GROUP]
            step = max(1, ROWS // len(of))
            for start in range(0, len(rows), step):
                request = PublishRoster(
                    roster_id=f"{named}-{group}-{start}", staff_ids=tuple(of), days=tuple(rows[start : start + step])
                )
                answer = settle(
                    await desk.send(request, IMPORT, asked.property_id, import_file=name[:128]), asked.quiet
                )
                changed += int((answer.result or {}).get("person_days", 0))
                progress(start + step, len(rows))
    return changed


def shift_on(day: date, starts: time, ends: time, zone_name: str) -> Rostered:
    """A shift of a day by the wall clock; one that ends before it starts ends the next day."""
    zone = ZoneInfo(zone_name)
    last = day if ends > starts else day + timedelta(days=1)
    return Rostered(
        starts_at=datetime.combine(day, starts, zone).astimezone(UTC),
        ends_at=datetime.combine(last, ends, zone).astimezone(UTC),
        zone=zone_name,
    )


# -- the property --------------------------------------------------------------------------------------------------------


async def _property(desk: Desk, property_id: str) -> Mapping[str, Any]:
    try:
        request = GetProperty(property_id=property_id)
    except ValidationError as error:
        fail(f"property: {property_id!r}: {error.errors()[0]['msg']}", BAD_INPUT, field="property", value=property_id)
    found = (await desk.query(request, SETUP, "company")).result or {}
    if "zone" not in found:
        fail(f"property: {property_id} is not known", BAD_INPUT, field="property", value=property_id,
             rule="a property that was added", remedy=f"bailiwick property add {property_id}")  # fmt: skip
    return found


async def zone_of(desk: Desk, property_id: str) -> Mapping[str, Any]:
    """The property's adopted zone."""
    zone: Mapping[str, Any] = (await _property(desk, property_id))["zone"]
    return zone


async def people_of(desk: Desk, property_id: str) -> list[str]:
    """Everybody whose home is the property."""
    people: list[str] = []
    after: str | None = None
    while True:
        page = (await desk.query(ListStaff(home_property=property_id, after=after), SETUP, "company")).result or {}
        people += [person["staff_id"] for person in page.get("staff", ())]
        after = page.get("after")
        if after is None:
            return people
