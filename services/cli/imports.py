"""`bailiwick import`: files of other systems, row by row; what is wrong with a row is said, and the rest is taken."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from services.attendance.imports import (
    CalendarMapping,
    PunchMapping,
    RosterMapping,
    StaffMapping,
    read_mapping,
)
from services.cli import statements
from services.cli.given import File, Property, Report
from services.cli.output import BAD_INPUT, OUT, REFUSED, AsJson, emit, emit_rows, fail, print_json, run
from services.kernel.settings import Settings
from services.run.desk import Desk, system

M = TypeVar("M")
app = typer.Typer(no_args_is_help=True)
app.command("statement")(statements.statement)
app.command("units")(statements.units)
app.command("meters")(statements.meters)
app.command("readings")(statements.readings)
System = Annotated[str, typer.Option(help="The system whose ids the file uses.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Read and check the file, count what it comes to; record nothing.")
]
Shift = Annotated[
    str | None, typer.Option(help="Wall clock of the property, e.g. 10:00-17:00; 23:00-07:00 ends the next day.")
]
Workdays = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="A file with the column date; without it the property's calendar holds."
    ),
]
Mapping = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON file that says how the file names its columns.")
]
HiredOn = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="From which date they work here; without it, since the property's calendar begins."
    ),
]
Grades = Annotated[str, typer.Option(help="Levels of the file as grades, e.g. 1=staff,2=team_leader.")]


@app.command()
def punches(
    file: File,
    property_id: Property,
    shift: Shift = None,
    workdays: Workdays = None,
    staff: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file of the people, registered first where they are not."),
    ] = None,
    system_id: System = "device",
    grades: Grades = "",
    mapping: Mapping = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Punches of a device: columns staff_id, at, direction; times without offset are the property's wall clock.

    With --shift everybody of the property is rostered so on the working days first; the days are derived and counted.
    """
    from services.cli import taking_in

    asked = taking_in.Asked(property_id, system_id, dry_run, as_json, _shift(shift, as_json), workdays)
    named = _mapping(mapping, PunchMapping, as_json)
    ladder = _ladder(grades, as_json)

    async def work(desk: Desk) -> Report:
        wrong = []
        if staff is not None:
            people = await taking_in.staff(desk, asked, staff, None, ladder, StaffMapping())
            wrong = [row | {"field": f"{staff.name}: {row['field']}"} for row in people["bad_rows"]]
        found = await taking_in.punches(desk, asked, file, named, staff)
        return found | {"rejected": len(wrong) + found["rejected"], "bad_rows": [*wrong, *found["bad_rows"]]}

    _report(work, as_json)


@app.command()
def staff(
    file: File,
    property_id: Property,
    hired_on: HiredOn = None,
    system_id: System = "device",
    grades: Grades = "",
    workdays: Workdays = None,
    mapping: Mapping = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """People: columns staff_id, department, job_role, job_level, monthly_income. A level without a grade stays unknown (T8)."""
    from services.cli import taking_in

    asked = taking_in.Asked(property_id, system_id, dry_run, as_json, None, workdays)
    ladder, named = _ladder(grades, as_json), _mapping(mapping, StaffMapping, as_json)
    since: date | None = hired_on.date() if hired_on is not None else None
    _report(lambda desk: taking_in.staff(desk, asked, file, since, ladder, named), as_json)


@app.command()
def roster(
    file: File,
    property_id: Property,
    shift: Shift = None,
    system_id: System = "device",
    workdays: Workdays = None,
    mapping: Mapping = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Shifts: columns staff_id, date, start, end; or, with --shift, that shift for everybody on the days of the column date."""
    from services.cli import rostering, taking_in

    asked = taking_in.Asked(property_id, system_id, dry_run, as_json, _shift(shift, as_json), workdays)
    named = _mapping(mapping, RosterMapping, as_json)
    _report(lambda desk: rostering.roster(desk, asked, file, named), as_json)


@app.command()
def calendar(
    file: File, property_id: Property, mapping: Mapping = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """A property's own days over its calendar: columns date and kind (holiday, rest_day or working_day)."""
    from services.cli import rostering, taking_in

    asked = taking_in.Asked(property_id, "", dry_run, as_json, None, None)
    named = _mapping(mapping, CalendarMapping, as_json)
    _report(lambda desk: rostering.calendar(desk, asked, file, named), as_json)


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


def _shift(written: str | None, as_json: bool) -> tuple[time, time] | None:
    if written is None:
        return None
    try:
        starts, ends = (time.fromisoformat(part) for part in written.split("-"))
        if starts.tzinfo or ends.tzinfo:
            raise ValueError("it is the property's wall clock, whatever offset is written")
    except ValueError:
        fail(f"shift: {written!r} is no shift", BAD_INPUT, as_json, field="shift", value=written,
             rule="START-END as HH:MM-HH:MM", remedy="write e.g. 10:00-17:00")  # fmt: skip
    return starts, ends


def _ladder(grades: str, as_json: bool) -> dict[str, str]:
    try:
        return dict(pair.split("=", 1) for pair in grades.split(",") if pair)
    except ValueError:
        fail(f"grades: {grades!r} is no list of LEVEL=GRADE", BAD_INPUT, as_json, field="grades", value=grades,
             rule="LEVEL=GRADE, separated by commas", remedy="write e.g. 1=staff,2=team_leader")  # fmt: skip


def _mapping(path: Path | None, kind: type[M], as_json: bool) -> M:
    if path is None:
        return kind()
    try:
        return read_mapping(path.read_bytes(), kind)
    except ValueError as error:
        fail(f"mapping: {path} is no mapping", BAD_INPUT, as_json, field="mapping", value=str(path), rule=str(error),
             remedy='write e.g. {"staff_id": "工號", "at": "時間", "direction": "方向", "words": {"上班": "in"}}')  # fmt: skip
