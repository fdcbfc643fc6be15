"""What `bailiwick import` does with a file of shifts, and with one of a property's own working days."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bailiwick_contracts.attendance import PublishRoster, RosterDay
from bailiwick_contracts.house_rules import OverriddenDay, OverrideCalendar
from bailiwick_contracts.registry import GetStaff
from bailiwick_contracts.staff import ExternalId
from pydantic import ValidationError

from services.attendance.figures import Figures
from services.attendance.imports import (
    CalendarMapping,
    ReadShift,
    RosterMapping,
    read_calendar,
    read_roster,
    read_workdays,
)
from services.cli.audit_desk import bar
from services.cli.given import IMPORT, SETUP, Report
from services.cli.output import BAD_INPUT, fail, settle
from services.cli.taking_in import (
    Asked,
    content_of,
    counted,
    derive,
    people_of,
    publish,
    shift_on,
    summary,
    why,
    zone_of,
)
from services.kernel.reactor import caught_up
from services.run.desk import Desk
from services.table import BadRow, header_of


async def roster(desk: Desk, asked: Asked, file: Path, mapping: RosterMapping) -> Report:
    """Publish a file's shifts: of each person, or one shift for everybody on its days."""
    content = await content_of(file)
    zone = (await zone_of(desk, asked.property_id))["time_zone"]
    if {mapping.staff_id, mapping.date} <= header_of(content):
        return await _roster_of_people(desk, asked, content, file.name, mapping, zone)
    if asked.shift is None:
        fail("shift: the file has days but no shifts", BAD_INPUT, asked.quiet, field="shift", value=None,
             rule=f"--shift, or the columns {mapping.staff_id}, {mapping.date}, {mapping.start}, {mapping.end}",
             remedy="add --shift 10:00-17:00")  # fmt: skip
    read = read_workdays(content, mapping.date)
    days = sorted(set(read.rows))
    accepted, duplicates = len(days), len(read.rows) - len(days)
    changed = 0
    if not asked.dry_run:
        await caught_up(desk.client, "attendance", "registry")
        changed = await publish(desk, asked, days, zone, file.name)
        if not changed:
            accepted, duplicates = 0, len(read.rows)
        await derive(desk, asked, days)
    figures = await counted(desk, asked, days)
    report = summary(asked, len(read.rows) + len(read.bad), accepted, duplicates, read.bad, len(days), figures)
    return report | {"people": len(await people_of(desk, asked.property_id)), "person_days": changed}


async def _roster_of_people(
    desk: Desk, asked: Asked, content: bytes, name: str, mapping: RosterMapping, zone: str
) -> Report:
    read = read_roster(content, mapping)
    bad: list[BadRow | Mapping[str, Any]] = list(read.bad)
    by_person: defaultdict[str, defaultdict[date, list[ReadShift]]] = defaultdict(lambda: defaultdict(list))
    for row in read.rows:
        by_person[row.external_id][row.day].append(row)
    accepted = duplicates = 0
    await caught_up(desk.client, "attendance", "registry")
    with bar("roster", asked.quiet) as progress:
        for number, (external_id, of_days) in enumerate(sorted(by_person.items()), 1):
            external = ExternalId(system=asked.system_id, property_id=asked.property_id, external_id=external_id)
            known = await desk.query(GetStaff(external=external), SETUP, "company")
            rows = [row for of_day in of_days.values() for row in of_day]
            if known.outcome != "done":
                bad += [why(row.row, "unknown_staff", external_id, asked.system_id) for row in rows]
                continue
            days, wrong = _roster_days(of_days, zone)
            bad += wrong
            good = len(rows) - len(wrong)
            if asked.dry_run or not days:
                accepted += good
                continue
            named = hashlib.sha256(f"{external_id} {days}".encode()).hexdigest()[:24]
            request = PublishRoster(roster_id=named, staff_ids=((known.result or {})["staff_id"],), days=tuple(days))
            answer = settle(await desk.send(request, IMPORT, asked.property_id, import_file=name[:128]), asked.quiet)
            accepted, duplicates = (
                (accepted + good, duplicates) if answer.outcome == "done" else (accepted, duplicates + good)
            )
            progress(number, len(by_person))
    days_named = sorted({row.day for row in read.rows})
    if not asked.dry_run:
        await derive(desk, asked, days_named)
    figures = await counted(desk, asked, days_named)
    return summary(asked, len(read.rows) + len(read.bad), accepted, duplicates, bad, len(days_named), figures)


def _roster_days(of_days: Mapping[date, Sequence[ReadShift]], zone: str) -> tuple[list[RosterDay], list[BadRow]]:
    days: list[RosterDay] = []
    wrong: list[BadRow] = []
    for day, rows in sorted(of_days.items()):
        shifts = sorted(
            (shift_on(day, row.start, row.end, zone) for row in rows if row.start is not None and row.end is not None),
            key=lambda shift: shift.starts_at,
        )
        try:
            days.append(RosterDay(day=day, shifts=tuple(shifts)))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            wrong += [BadRow(row.row, "start", f"{row.start}-{row.end}", problem, "correct the shifts") for row in rows]
    return days, wrong


async def calendar(desk: Desk, asked: Asked, file: Path, mapping: CalendarMapping) -> Report:
    """Take a property's own working days over its calendar."""
    read = read_calendar(await content_of(file), mapping)
    rows = dict(read.rows)
    accepted, duplicates = len(rows), len(read.rows) - len(rows)
    if not asked.dry_run and rows:
        await caught_up(desk.client, "attendance", "registry")
        days = tuple(OverriddenDay.model_validate({"on": on, "kind": kind}) for on, kind in sorted(rows.items()))
        request = OverrideCalendar(days=days, why=file.name[:128])
        answer = settle(await desk.send(request, IMPORT, asked.property_id, import_file=file.name[:128]), asked.quiet)
        if answer.outcome == "ignored":
            accepted, duplicates = 0, len(read.rows)
    return summary(asked, len(read.rows) + len(read.bad), accepted, duplicates, read.bad, len(rows), Figures())
