"""`bailiwick import`: files of other systems, row by row; what is wrong with a row is said, and the rest is taken."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from bailiwick_contracts.attendance import PublishRoster, PunchRow, RecordPunches, RosterDay
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.money import Money
from bailiwick_contracts.registry import GetProperty, GetStaff, ListStaff, OffsetChange
from bailiwick_contracts.staff import AssignPosition, ExternalId, RegisterStaff, SetBaseWage
from pydantic import ValidationError

from services.attendance.imports import ReadPerson, read_punches, read_staff, read_workdays
from services.cli.audit_desk import bar
from services.cli.output import BAD_INPUT, OUT, REFUSED, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.desk import Desk, system
from services.table import BadRow

T = TypeVar("T")
IMPORT = Actor(actor="system-import", authmethod="file", channel="import")
SETUP = Actor(actor="system-setup", authmethod="file", channel="import")
ROWS = 1_000
app = typer.Typer(no_args_is_help=True, help="Take in files of other systems.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Property = Annotated[str, typer.Option("--property", help="The property it belongs to.")]
System = Annotated[str, typer.Option(help="The system whose ids the file uses.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check the file; record nothing.")]
Report = dict[str, Any]


@app.command()
def punches(
    file: File, property_id: Property, system_id: System = "device", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Punches of a device: columns staff_id, at, direction; times without offset are the property's wall clock."""
    _report(lambda desk: _punches(desk, file, property_id, system_id, dry_run=dry_run, quiet=as_json), as_json)


@app.command()
def staff(
    file: File,
    property_id: Property,
    hired_on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="From which date they work here.")],
    system_id: System = "device",
    grades: Annotated[str, typer.Option(help="Levels of the file as grades, e.g. 1=staff,2=team_leader.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """People: columns staff_id, department, job_role, job_level, monthly_income. A level without a grade stays unknown (T8)."""
    try:
        ladder = dict(pair.split("=", 1) for pair in grades.split(",") if pair)
    except ValueError:
        fail(f"grades: {grades!r} is no list of LEVEL=GRADE", BAD_INPUT, as_json, field="grades", value=grades,
             rule="LEVEL=GRADE, separated by commas", remedy="write e.g. 1=staff,2=team_leader")  # fmt: skip
    _report(
        lambda desk: _staff(
            desk, file, property_id, system_id, hired_on.date(), ladder, dry_run=dry_run, quiet=as_json
        ),
        as_json,
    )


@app.command()
def roster(
    file: File,
    property_id: Property,
    shift: Annotated[
        str, typer.Option(help="Wall clock of the property, e.g. 10:00-17:00; 23:00-07:00 ends the next day.")
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The same shift for everybody of a property on the working days of a file with the column date."""
    try:
        starts, ends = (time.fromisoformat(part) for part in shift.split("-"))
    except ValueError:
        fail(f"shift: {shift!r} is no shift", BAD_INPUT, as_json, field="shift", value=shift,
             rule="START-END as HH:MM-HH:MM", remedy="write e.g. 10:00-17:00")  # fmt: skip
    _report(lambda desk: _roster(desk, file, property_id, starts, ends, dry_run=dry_run, quiet=as_json), as_json)


@app.command()
def tickets(
    file: File,
    property_id: Annotated[
        str | None, typer.Option("--property", help="The property; needless where there is only one.")
    ] = None,
    system_id: Annotated[str | None, typer.Option(help="The system that kept it; by default the file's name.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON: how the log names things.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Tickets of another system: an XES log, plain or gzip, or a CSV; entries keep their times and order, oddities included."""
    from services.cli.ticket_import import import_tickets

    _report(
        lambda desk: import_tickets(desk, file, property_id, system_id, mapping, dry_run=dry_run, quiet=as_json),
        as_json,
    )


def _report(work: Callable[[Desk], Awaitable[Report]], as_json: bool) -> None:
    async def connected() -> Report:
        async with system(Settings()) as desk:
            return await work(desk)

    report = run(connected(), as_json)
    if as_json:
        print_json(report)
    else:
        emit({name: value for name, value in report.items() if name != "bad_rows"}, as_json, "import")
        if report["bad_rows"]:
            emit_rows(report["bad_rows"], ("row", "field", "value", "rule", "remedy"), "rows that were not taken")
            OUT.print("correct these rows and import the file again: what was taken is known and stays as it is")
    if report["rejected"]:
        raise typer.Exit(REFUSED)


def _summary(
    rows: int, accepted: int, duplicates: int, bad: Sequence[BadRow | Mapping[str, Any]], *, dry_run: bool
) -> Report:
    shown = [bad_row if isinstance(bad_row, Mapping) else asdict(bad_row) for bad_row in bad]
    return {
        "rows": rows,
        "accepted": accepted,
        "duplicates": duplicates,
        "rejected": len(bad),
        "dry_run": dry_run,
        "bad_rows": sorted(shown, key=lambda row: int(row["row"])),
    }


async def _punches(desk: Desk, file: Path, property_id: str, system_id: str, *, dry_run: bool, quiet: bool) -> Report:
    content = await asyncio.to_thread(file.read_bytes)
    zone = await _zone(desk, property_id)
    changes = tuple(OffsetChange.model_validate(change) for change in zone["changes"])
    read = read_punches(content, changes)
    bad: list[BadRow | Mapping[str, Any]] = list(read.bad)
    total = len(read.rows) + len(read.bad)
    if dry_run:
        return _summary(total, len(read.rows), 0, bad, dry_run=True)
    await caught_up(desk.client, "attendance", "registry")
    digest = hashlib.sha256(content).hexdigest()
    accepted = duplicates = 0
    with bar("punches", quiet) as progress:
        for start in range(0, len(read.rows), ROWS):
            part = read.rows[start : start + ROWS]
            rows = {
                f"{digest[:16]}-{one.row}": PunchRow(
                    punch_id=f"{digest[:16]}-{one.row}",
                    external_id=one.external_id,
                    at=one.at,
                    direction=one.direction,
                    file_row=one.row,
                )
                for one in part
            }
            request = RecordPunches(system=system_id, rows=tuple(rows.values()))
            answer = settle(await desk.send(request, IMPORT, property_id, import_file=file.name[:128]), quiet)
            for row in answer.rows:
                accepted += row.outcome == "done"
                duplicates += row.outcome == "ignored"
                if row.outcome == "rejected":
                    given = rows[row.row]
                    value = given.at.isoformat() if row.reason == "clock_in_future" else given.external_id
                    bad.append(_why(given.file_row or 0, row.reason or "", str(value), system_id))
            progress(start + len(part), len(read.rows))
    return _summary(total, accepted, duplicates, bad, dry_run=False)


_REASONS = {
    "unknown_staff": (
        "staff_id",
        "an id of {system} that is mapped to a person",
        "register the person or map the id, then import again",
    ),
    "person_erased": ("staff_id", "a person who was not erased", "nothing is recorded about an erased person"),
    "clock_in_future": ("at", "at most 5 minutes ahead of our clock", "set the device's clock and export again"),
    "punch_id_reused": ("punch_id", "one id, one punch", "export the file anew"),
}


def _why(row: int, reason: str, value: str, system_id: str) -> Mapping[str, Any]:
    field, rule, remedy = _REASONS.get(reason, ("row", reason, "see the rule"))
    return {"row": row, "field": field, "value": value, "rule": rule.format(system=system_id), "remedy": remedy}


async def _staff(
    desk: Desk,
    file: Path,
    property_id: str,
    system_id: str,
    hired_on: date,
    ladder: Mapping[str, str],
    *,
    dry_run: bool,
    quiet: bool,
) -> Report:
    read = read_staff(await asyncio.to_thread(file.read_bytes))
    bad: list[BadRow | Mapping[str, Any]] = list(read.bad)
    accepted = duplicates = 0
    if dry_run:
        return _summary(len(read.rows) + len(bad), len(read.rows), 0, bad, dry_run=True)
    with bar("staff", quiet) as progress:
        for number, person in enumerate(read.rows, 1):
            external = ExternalId(system=system_id, property_id=property_id, external_id=person.external_id)
            known = await desk.query(GetStaff(external=external), SETUP, "company")
            if known.outcome == "done":
                duplicates += 1
            else:
                try:
                    await _register(
                        desk, person, external, hired_on, ladder.get(person.job_level), file.name[:128], quiet
                    )
                    accepted += 1
                except ValidationError as error:
                    problem = error.errors(include_url=False)[0]
                    bad.append(
                        BadRow(
                            person.row, str(problem["loc"][0]), str(problem["input"]), problem["msg"], "correct the row"
                        )
                    )
            progress(number, len(read.rows))
    return _summary(len(read.rows) + len(read.bad), accepted, duplicates, bad, dry_run=False)


async def _register(
    desk: Desk, person: ReadPerson, external: ExternalId, hired_on: date, grade: str | None, file: str, quiet: bool
) -> None:
    home = external.property_id
    name = f"{external.system} {person.external_id}"
    request = RegisterStaff(name=name, home_property=home, hired_on=hired_on, external_ids=(external,))
    answer = settle(await desk.send(request, SETUP, "company", import_file=file, import_row=person.row), quiet)
    staff_id = (answer.facts[0].data or {})["staff_id"]
    position = AssignPosition(
        staff_id=staff_id, property_id=home, position=person.job_role, grade=grade, effective_on=hired_on
    )
    settle(await desk.send(position, SETUP, "company", import_file=file, import_row=person.row), quiet)
    wage = SetBaseWage(staff_id=staff_id, base_wage=Money(amount=person.monthly_income), effective_on=hired_on)
    settle(await desk.send(wage, SETUP, "company", import_file=file, import_row=person.row), quiet)


async def _roster(
    desk: Desk, file: Path, property_id: str, starts: time, ends: time, *, dry_run: bool, quiet: bool
) -> Report:
    content = await asyncio.to_thread(file.read_bytes)
    read = read_workdays(content)
    zone_name = (await _zone(desk, property_id))["time_zone"]
    people = await _people(desk, property_id)
    if not people:
        fail(f"property: nobody has {property_id} as home", BAD_INPUT, quiet, field="property", value=property_id,
             rule="a property with staff", remedy="bailiwick import staff first")  # fmt: skip
    days = [RosterDay(day=day, shifts=(_shift(day, starts, ends, zone_name),)) for day in read.rows]
    if not dry_run:
        await caught_up(desk.client, "attendance", "registry")
        step = max(1, ROWS // min(len(people), 500))
        roster_id = hashlib.sha256(content + f"{starts}{ends}".encode()).hexdigest()[:16]
        with bar("roster", quiet) as progress:
            for group in range(0, len(people), 500):
                for start in range(0, len(days), step):
                    request = PublishRoster(
                        roster_id=f"{roster_id}-{group}-{start}",
                        staff_ids=tuple(people[group : group + 500]),
                        days=tuple(days[start : start + step]),
                    )
                    settle(await desk.send(request, IMPORT, property_id, import_file=file.name[:128]), quiet)
                    progress(start + step, len(days))
    return _summary(len(read.rows) + len(read.bad), len(read.rows), 0, read.bad, dry_run=dry_run) | {
        "people": len(people)
    }


def _shift(day: date, starts: time, ends: time, zone_name: str) -> Shift:
    zone = ZoneInfo(zone_name)
    last = day if ends > starts else day + timedelta(days=1)
    return Shift(
        starts_at=datetime.combine(day, starts, zone).astimezone(UTC),
        ends_at=datetime.combine(last, ends, zone).astimezone(UTC),
        zone=zone_name,
    )


async def _zone(desk: Desk, property_id: str) -> Mapping[str, Any]:
    try:
        request = GetProperty(property_id=property_id)
    except ValidationError as error:
        fail(f"property: {property_id!r}: {error.errors()[0]['msg']}", BAD_INPUT, field="property", value=property_id)
    found = (await desk.query(request, SETUP, "company")).result or {}
    if "zone" not in found:
        fail(f"property: {property_id} is not known", BAD_INPUT, field="property", value=property_id,
             rule="a property that was added", remedy=f"bailiwick property add {property_id}")  # fmt: skip
    zone: Mapping[str, Any] = found["zone"]
    return zone


async def _people(desk: Desk, property_id: str) -> list[str]:
    people: list[str] = []
    after: str | None = None
    while True:
        page = (await desk.query(ListStaff(home_property=property_id, after=after), SETUP, "company")).result or {}
        people += [person["staff_id"] for person in page.get("staff", ())]
        after = page.get("after")
        if after is None:
            return people
