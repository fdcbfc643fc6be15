"""`bailiwick billing rate`, `close`, `report`, `status`, `dunning`, `ledger`: what is said of collection (K3, F4)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.collection import (
    CloseMonth,
    GetCollection,
    GetLedger,
    GetReport,
    IssueCollectionReport,
    ListStatusRequests,
    RequestCollectionStatus,
    SupplyCollectionStatus,
)
from bailiwick_contracts.dunning import IssueNotices, ListNotices, RecordPrinting

from services.cli.billing_desk import By, Month, actor_of, ask, at_desk, pages, send
from services.cli.given import SETUP, Property
from services.cli.output import BAD_INPUT, REFUSED, AsJson, directory, emit, emit_rows, fail, print_json, settle
from services.kernel.ids import uuid7
from services.run.desk import Desk

Fonts = Annotated[
    Path, typer.Option("--fonts", envvar="BAILIWICK_FONTS_DIR", help="A directory with a font that has Chinese.")
]
Out = Annotated[Path, typer.Option("--out", help="The directory to write files into.")]
_NOTO = Path("/usr/share/fonts/opentype/noto")


def rate(
    property_id: Property,
    month: Month,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="As booked by the end of that day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The collection rate: month, quarter and year to date, by fee class and payer class; `company` for every property."""
    from services.billing.paper import MONTHLY_HEAD, monthly_rows

    on = as_of.date() if as_of is not None else None
    shown = ask(lambda: GetCollection(month=month, as_of=on), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    for place, figures in (shown.get("properties") or {property_id: shown.get("figures")}).items():
        rows = [dict(zip(MONTHLY_HEAD, row, strict=True)) for row in monthly_rows({"figures": figures})]
        about = f"{place} {month}: {figures['definition']}, cut-off {figures['cut_off_on']}, as of {figures['as_of']}"
        emit_rows(rows, MONTHLY_HEAD, f"{about}, {'frozen' if shown.get('frozen_by') else 'open'}")


def close(property_id: Property, month: Month, by: By = "", as_json: AsJson = False) -> None:
    """Close a month's collection: its figures are frozen."""
    send(lambda: CloseMonth(month=month), by, property_id, as_json, "close")


def report(
    property_id: Property,
    month: Month,
    out: Out = Path(),
    report_id: Annotated[
        str, typer.Option("--id", help="An issued report, made again to the byte; none: issue a new one.")
    ] = "",
    fonts: Fonts = _NOTO,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Issue the collection report of a month, or make an issued one again: two CSV tables, XLSX, PDF."""
    from services.billing.paper import FontsMissingError, fonts_in

    directory(out, as_json)
    family, digest, missing = "", None, ""
    try:
        family, digest = fonts_in(fonts)
    except FontsMissingError as error:
        missing = str(error)
    name = report_id or f"{property_id}-{month}-{uuid7()[-8:]}"

    async def work(desk: Desk) -> dict[str, Any]:
        if not report_id:
            request = IssueCollectionReport(report_id=name, month=month, fonts_sha256=digest)
            settle(await desk.send(request, actor_of(by), property_id), as_json)
        return settle(await desk.query(GetReport(report_id=name), SETUP, property_id), as_json).result or {}

    found = at_desk(work, as_json)
    written = _write_report(found, property_id, out, fonts, family)
    emit(
        {"report_id": name, "fact_id": found["fact_id"], "position": found["position"], "files": written},
        as_json,
        "report",
    )
    if missing:
        fail(f"the PDF was not made: {missing}", REFUSED, as_json)


def _write_report(found: Mapping[str, Any], place: str, out: Path, fonts: Path, family: str) -> dict[str, str]:
    from services.billing.paper import (
        ANALYSIS_HEAD,
        MONTHLY_HEAD,
        analysis_rows,
        csv_bytes,
        monthly_rows,
        report_pdf,
        xlsx_bytes,
    )

    base = f"collection-{place}-{found['report']['month']}"
    made = {
        f"{base}-monthly.csv": csv_bytes(MONTHLY_HEAD, monthly_rows(found["report"])),
        f"{base}-analysis.csv": csv_bytes(ANALYSIS_HEAD, analysis_rows(found["report"])),
        f"{base}.xlsx": xlsx_bytes(found, place),
    }
    if family:
        made[f"{base}.pdf"] = report_pdf(found, place, fonts, family)
    return _write(out, made)


def _write(out: Path, made: Mapping[str, bytes]) -> dict[str, str]:
    for name, content in made.items():
        (out / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}


def status(
    property_id: Property,
    demand: Annotated[str, typer.Option(help="Demand the status under this id (F4), as --by.")] = "",
    supply: Annotated[str, typer.Option(help="Answer the demand of this id.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Demand the collection status, answer a demand, or list demands with when each was asked and answered."""
    if demand:
        send(lambda: RequestCollectionStatus(request_id=demand), by, property_id, as_json, "status")
    elif supply:
        send(lambda: SupplyCollectionStatus(request_id=supply), by, property_id, as_json, "status")
    else:

        async def work(desk: Desk) -> dict[str, Any]:
            found = pages(desk, lambda after: ListStatusRequests(after=after), property_id, as_json)
            return {"requests": [one async for page in found for one in page["requests"]]}

        shown = at_desk(work, as_json)
        if as_json:
            print_json(shown)
        else:
            emit_rows(shown["requests"], ("request_id", "status", "asked_at", "due_at", "answered_at"), "demands")


def dunning(
    property_id: Property,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The date of the letters; today.")
    ] = None,
    out: Out = Path(),
    batch: Annotated[str, typer.Option(help="A batch sent before, whose letters are made again.")] = "",
    fonts: Fonts = _NOTO,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Send arrears notices that are due and print their letters; never to a unit in dispute."""
    from services.billing.paper import FontsMissingError, fonts_in, letters_pdf

    directory(out, as_json)
    try:
        family, digest = fonts_in(fonts)
    except FontsMissingError as error:
        fail(str(error), BAD_INPUT, as_json, field="fonts", value=str(fonts), rule="a directory with a font that has Chinese",
             remedy="apt-get install fonts-noto-cjk, or name another directory with --fonts")  # fmt: skip
    on: date = (as_of or datetime.now(UTC)).date()
    name = batch or f"{property_id}-{on:%Y%m%d}-{uuid7()[-6:]}"

    async def work(desk: Desk) -> dict[str, Any]:
        sent = disputed = 0
        remaining = 0 if batch else 1
        while remaining:
            request = IssueNotices(batch_id=name, as_of=on)
            found = (
                settle(await desk.send(request, actor_of(by), property_id, command_id=uuid7()), as_json).result or {}
            )
            sent, remaining, disputed = sent + found["sent"], found["remaining"], found["in_dispute"]
        notices: list[dict[str, Any]] = []
        async for page in pages(desk, lambda after: ListNotices(batch_id=name, after=after), property_id, as_json):
            notices += page["notices"]
        shown = {"batch": name, "sent": sent, "letters": len(notices), "in_dispute": disputed, "fonts_sha256": digest}
        if notices:
            pdf = letters_pdf(notices, fonts, family)
            shown["files"] = _write(out, {f"notices-{name}.pdf": pdf})
            printed = RecordPrinting(batch_id=name, letters=len(notices), fonts_sha256=digest,
                                     pdf_sha256=hashlib.sha256(pdf).hexdigest())  # fmt: skip
            settle(await desk.send(printed, actor_of(by), property_id), as_json)
        return shown

    emit(at_desk(work, as_json), as_json, "dunning")


def ledger(property_id: Property, as_json: AsJson = False) -> None:
    """The trial balance: every account, and the sum per currency, which is always 0.00."""
    shown = ask(GetLedger, property_id, as_json)
    if as_json:
        print_json(shown)
    else:
        emit_rows(shown["accounts"], ("currency", "account", "debit", "credit", "balance"), "trial balance")
        emit(shown["sums"], as_json, "sum per currency")


def register(app: typer.Typer) -> None:
    """Add these to `bailiwick billing`."""
    for command in (rate, close, report, status, dunning, ledger):
        app.command(command.__name__)(command)
