"""`bailiwick payroll`: a month's file for payroll, CSV or XLSX, the same bytes as of the same date whoever makes it."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Event, read_event
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.payroll import GetPayroll
from bailiwick_contracts.payroll_sheet import COLUMNS, Line, payroll_csv, payroll_digest, payroll_lines, payroll_rows
from bailiwick_contracts.registry import GetProperty
from bailiwick_contracts.sealed import SealingError

from services.cli.given import SETUP, Property
from services.cli.output import BAD_INPUT, AsJson, emit, fail, run, settle
from services.kernel.reactor import caught_up
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.run.desk import Desk, system

AMOUNTS = tuple(COLUMNS.index(name) for name in ("unpaid", "penalty", "recommended"))
EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - the date that every workbook says it was made on, so that its bytes are its content's


def payroll(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write: a name that ends in .csv or .xlsx.")],
    property_id: Property,
    month: Annotated[str, typer.Option(help="The month, e.g. 2026-03.")],
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"], help="As it was known then, in UTC; by default now."),
    ] = None,
    keys: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Where the payroll key lies.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a month's deductions, each with its clause, ruling and clamps. Needs the property's payroll key."""
    if file.suffix not in (".csv", ".xlsx"):
        fail(f"file: {file} is neither .csv nor .xlsx", BAD_INPUT, as_json, field="file", value=str(file),
             rule="a name that ends in .csv or .xlsx", remedy="name it so")  # fmt: skip
    until = as_of.replace(tzinfo=UTC) if as_of is not None else None
    lines = run(_lines(property_id, month, until, keys, as_json), as_json)
    content = payroll_csv(lines) if file.suffix == ".csv" else workbook(lines, f"{property_id} {month}")
    try:
        file.write_bytes(content)
    except OSError as error:
        fail(f"{file}: {error.strerror}", BAD_INPUT, as_json, field="file", value=str(file),
             rule="a file that can be written", remedy="name one in a directory that is there")  # fmt: skip
    result = {"file": str(file), "lines": len(lines), "people": len({line.staff_id for line in lines}),
              "csv_digest": payroll_digest(lines)}  # fmt: skip
    emit(result, as_json, "payroll")


async def _lines(property_id: str, month: str, as_of: datetime | None, keys: Path | None, quiet: bool) -> list[Line]:
    settings = Settings()
    async with system(settings) as desk:
        # Of one that is not there the file would be empty, and look like a month without a deduction.
        settle(await desk.query(GetProperty(property_id=property_id), SETUP, COMPANY), quiet)
        await caught_up(desk.client, "attendance", "registry")
        events, until = await facts_of(desk, property_id, month, as_of, quiet)
    ours = [event for event in events if event.service == "attendance"]
    registry = [event for event in events if event.service == "registry"]
    try:
        return payroll_lines(
            ours, registry, property_id=property_id, month=month, as_of=until, keys=KeyStore(keys or settings.keys_dir)
        )
    except SealingError as error:
        fail(str(error), BAD_INPUT, quiet, field="keys", value=str(keys or settings.keys_dir),
             rule=f"the key payroll/{property_id}", remedy="ask HR for it and name its directory with --keys")  # fmt: skip


async def facts_of(
    desk: Desk, property_id: str, month: str, as_of: datetime | None, quiet: bool
) -> tuple[list[Event[Any]], datetime]:
    """Every fact that a month's file is made of, and the instant as of which they were known."""
    events: list[Event[Any]] = []
    after, until = 0, as_of
    while True:
        request = GetPayroll(month=month, as_of=until, after=after)
        page = settle(await desk.query(request, SETUP, property_id), quiet).result or {}
        until = until or datetime.fromisoformat(page["as_of"])
        events += [read_event(raw.encode()) for raw in page["facts"]]
        if "next" not in page:
            return events, until
        after = page["next"]


def workbook(lines: list[Line], title: str) -> bytes:
    """The file as XLSX: text stays text, amounts are numbers, and nothing in it says when or by whom it was made."""
    import xlsxwriter

    made = io.BytesIO()
    book = xlsxwriter.Workbook(
        made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": title, "created": EPOCH})
    sheet = book.add_worksheet("payroll")
    bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "0.00"})
    for column, name in enumerate(COLUMNS):
        sheet.write_string(0, column, name, bold)
    for row, (line, cells) in enumerate(zip(lines, payroll_rows(lines), strict=True), 1):
        for column, cell in enumerate(cells):
            if column in AMOUNTS:
                sheet.write_number(row, column, float(str(line[column])), money)
            else:
                sheet.write_string(row, column, cell)
    sheet.freeze_panes(1, 1)
    book.close()
    return made.getvalue()
