"""`bailiwick billing`: tariffs, charge runs, the match queue, closing, reports, the status on demand, dunning."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, ListUnits
from bailiwick_contracts.charge import (
    RUN_LIMIT,
    ChargeUnits,
    FinishChargeRun,
    GetChargeRun,
    ListCharges,
    PreviewCharges,
    StartChargeRun,
)
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
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.message import Request
from bailiwick_contracts.receipt import ConfirmMatch, DismissMatch, ExplainReceipt, ListMatches, ListReceipts
from pydantic import ValidationError

from services.cli.audit_desk import bar
from services.cli.imports import SETUP, File, Property
from services.cli.output import BAD_INPUT, OUT, REFUSED, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.ids import uuid7
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.desk import Desk, system

app = typer.Typer(no_args_is_help=True, help="Charges, receipts and what is said of them.")
Month = Annotated[str, typer.Option(help="Of the property's calendar, e.g. 2026-03.")]
By = Annotated[str, typer.Option("--by", help="Staff id of who asks; none for the set-up and imports.")]
Fonts = Annotated[
    Path, typer.Option("--fonts", envvar="BAILIWICK_FONTS_DIR", help="A directory with a font that has Chinese.")
]
Out = Annotated[Path, typer.Option("--out", help="The directory to write files into.")]
_NOTO = Path("/usr/share/fonts/opentype/noto")


def _actor(by: str) -> Actor:
    return Actor(actor=by) if by else SETUP


@contextmanager
def _checked(as_json: bool) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in found["loc"]) or "request"
        fail(f"{field}: {found['msg']}", BAD_INPUT, as_json, field=field, value=str(found["input"])[:80])


def _at_desk(work: Callable[[Desk], Awaitable[Any]], as_json: bool) -> Any:
    async def connected() -> Any:
        async with system(Settings()) as desk:
            await caught_up(desk.client, "billing", "registry")
            return await work(desk)

    with _checked(as_json):
        return run(connected(), as_json)


def _send(request: Callable[[], Request], by: str, place: str, as_json: bool, title: str) -> Answer:
    with _checked(as_json):
        made = request()

    async def work(desk: Desk) -> Answer:
        return settle(await desk.send(made, _actor(by), place), as_json)

    answer: Answer = _at_desk(work, as_json)
    shown = {"property": place, "outcome": answer.outcome, **(answer.result or {})}
    emit(shown | {"facts": [fact.id for fact in answer.facts]}, as_json, title)
    return answer


def _ask(request: Callable[[], Request], place: str, as_json: bool) -> dict[str, Any]:
    with _checked(as_json):
        made = request()

    async def work(desk: Desk) -> dict[str, Any]:
        return settle(await desk.query(made, SETUP, place), as_json).result or {}

    found: dict[str, Any] = _at_desk(work, as_json)
    return found


Since = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The date from which it holds.")]


@app.command()
def tariff(file: File, property_id: Property, since: Since, by: By = "", as_json: AsJson = False) -> None:
    """Adopt a tariff from a JSON file."""
    body = file.read_text(encoding="utf-8")
    text = f'{{"tariff": {body}, "effective_on": "{since:%Y-%m-%d}"}}'
    _send(lambda: AdoptTariff.parse(text.encode()), by, property_id, as_json, "tariff")


@app.command()
def terms(file: File, property_id: Property, since: Since, by: By = "", as_json: AsJson = False) -> None:
    """Adopt terms (collection definition, dunning stages, deadlines) from a JSON file."""
    body = file.read_text(encoding="utf-8")
    text = f'{{"terms": {body}, "effective_on": "{since:%Y-%m-%d}"}}'
    _send(lambda: AdoptTerms.parse(text.encode()), by, property_id, as_json, "terms")


async def _unit_ids(desk: Desk, place: str, as_json: bool) -> list[str]:
    found: list[str] = []
    async for page in _pages(desk, lambda after: ListUnits(after=after, limit=1000), place, as_json):
        found += [one["unit_id"] for one in page["units"]]
    return found


async def _pages(
    desk: Desk, request: Callable[[str | None], Request], place: str, as_json: bool
) -> AsyncIterator[dict[str, Any]]:
    after: str | None = None
    while True:
        page = settle(await desk.query(request(after), SETUP, place), as_json).result or {}
        yield page
        after = page.get("next")
        if after is None:
            return


@app.command("run")
def run_month(
    property_id: Property,
    month: Month,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; record nothing.")] = False,
    rerate: Annotated[bool, typer.Option(help="Reverse what would come out otherwise, and charge it anew.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Charge every unit for a month. Stopped at any moment it is simply run again: nothing is charged twice or missed."""

    async def work(desk: Desk) -> dict[str, Any]:
        ids = await _unit_ids(desk, property_id, as_json)
        return await (_previewed if dry_run else _charged)(desk, property_id, month, ids, rerate, by, as_json)

    shown = _at_desk(work, as_json)
    units = shown.pop("units_shown", [])
    emit(shown | ({"changes": units} if as_json and dry_run else {}), as_json, "dry run" if dry_run else "charge run")
    if dry_run and not as_json:
        rows = [
            {"unit": one["unit_id"], "charge": line["charge"]["charge_id"], "amount": line["charge"]["amount"],
             "why": line["arithmetic"]}
            for one in units for line in one["new"]
        ]  # fmt: skip
        rows += [{"unit": one["unit_id"], "charge": line["charge_id"], "amount": f"{line['was']} → {line['would_be']}",
                  "why": "comes out otherwise; --rerate"} for one in units for line in one["differing"]]  # fmt: skip
        emit_rows(rows[:50], ("unit", "charge", "amount", "why"), "what would change (the first 50)")


async def _previewed(
    desk: Desk, place: str, month: str, ids: list[str], _: bool, __: str, as_json: bool
) -> dict[str, Any]:
    total, charges, units = Decimal(0), 0, []
    with bar("units", as_json) as progress:
        for start in range(0, len(ids), RUN_LIMIT // 2):
            part = tuple(ids[start : start + RUN_LIMIT // 2])
            found = (
                settle(await desk.query(PreviewCharges(month=month, unit_ids=part), SETUP, place), as_json).result or {}
            )
            total, charges = total + Decimal(found["total"]), charges + found["charges"]
            units += found["units"]
            progress(start + len(part), len(ids))
    differing = sum(len(one["differing"]) for one in units)
    return {"property": place, "month": month, "units": len(ids), "new_charges": charges, "new_total": f"{total:.2f}",
            "differing": differing, "units_shown": units}  # fmt: skip


async def _charged(
    desk: Desk, place: str, month: str, ids: list[str], rerate: bool, by: str, as_json: bool
) -> dict[str, Any]:
    settle(await desk.send(StartChargeRun(month=month), _actor(by), place), as_json)
    made, differing, offset = 0, 0, Decimal(0)
    with bar("units", as_json) as progress:
        for start in range(0, len(ids), RUN_LIMIT):
            part = tuple(ids[start : start + RUN_LIMIT])
            request = ChargeUnits(month=month, unit_ids=part, rerate=rerate)
            found = settle(await desk.send(request, _actor(by), place), as_json).result or {}
            made, differing = made + found["charges"], differing + found["differing"]
            offset += Decimal(found["offset"])
            progress(start + len(part), len(ids))
    settle(await desk.send(FinishChargeRun(month=month), _actor(by), place), as_json)
    stands = settle(await desk.query(GetChargeRun(month=month), SETUP, place), as_json).result or {}
    return {"property": place, **stands, "made_now": made, "differing": differing, "offset": f"{offset:.2f}"}


@app.command()
def charges(
    property_id: Property,
    month: Month,
    unit: Annotated[str, typer.Option(help="One unit alone.")] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only what is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Charges of a month (the first 1,000), each with its arithmetic and what is open of it."""
    shown = _ask(
        lambda: ListCharges(month=month, unit_id=unit or None, open_only=open_only, limit=1000), property_id, as_json
    )
    if as_json:
        print_json(shown)
    else:
        emit_rows(
            shown["charges"], ("charge_id", "tariff_version", "arithmetic", "amount", "open"), f"charges of {month}"
        )


@app.command()
def matches(property_id: Property, as_json: AsJson = False) -> None:
    """The match queue: receipts that nobody could put to a unit for sure, with proposals, reason and confidence."""
    shown = _ask(lambda: ListMatches(limit=1000), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    rows = [
        {**one, "proposals": "; ".join(
            f"{p['unit_id']} ({p['reason']}, {100 * p['confidence']['numerator'] // p['confidence']['denominator']} %)"
            for p in one["proposals"])}
        for one in shown["matches"]
    ]  # fmt: skip
    emit_rows(rows, ("receipt_id", "received_on", "amount", "said", "proposals"), "match queue")


@app.command()
def confirm(
    receipt_id: Annotated[str, typer.Argument()],
    property_id: Property,
    unit: Annotated[str, typer.Option(help="The unit it belongs to; none of the proposals: leave it out.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say to which unit a receipt belongs, or that no proposal is right."""
    if unit:
        _send(lambda: ConfirmMatch(receipt_id=receipt_id, unit_id=unit), by, property_id, as_json, "match")
    else:
        _send(lambda: DismissMatch(receipt_id=receipt_id), by, property_id, as_json, "match")


@app.command()
def receipts(property_id: Property, as_json: AsJson = False) -> None:
    """Receipts (the first 1,000) and their totals: received = allocated + unapplied."""
    shown = _ask(lambda: ListReceipts(limit=1000), property_id, as_json)
    if as_json:
        print_json(shown)
    else:
        emit_rows(shown["receipts"], ("receipt_id", "unit_id", "received_on", "amount", "unapplied"), "receipts")
        emit(shown["totals"], as_json, "totals")


@app.command()
def explain(receipt_id: Annotated[str, typer.Argument()], property_id: Property, as_json: AsJson = False) -> None:
    """What a receipt paid, why, and what was open before and after."""
    shown = _ask(lambda: ExplainReceipt(receipt_id=receipt_id), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    for one in shown["allocations"]:
        OUT.print(f"{one['recorded_at']} {one['fact_id']}", highlight=False)
        for sentence in one["says"]:
            OUT.print(f"  {sentence}", highlight=False)


@app.command()
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
    shown = _ask(lambda: GetCollection(month=month, as_of=on), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    for place, figures in (shown.get("properties") or {property_id: shown.get("figures")}).items():
        rows = [dict(zip(MONTHLY_HEAD, row, strict=True)) for row in monthly_rows({"figures": figures})]
        about = f"{place} {month}: {figures['definition']}, cut-off {figures['cut_off_on']}, as of {figures['as_of']}"
        emit_rows(rows, MONTHLY_HEAD, f"{about}, {'frozen' if shown.get('frozen_by') else 'open'}")


@app.command()
def close(property_id: Property, month: Month, by: By = "", as_json: AsJson = False) -> None:
    """Close a month's collection: its figures are frozen."""
    _send(lambda: CloseMonth(month=month), by, property_id, as_json, "close")


@app.command()
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

    family, digest, missing = "", None, ""
    try:
        family, digest = fonts_in(fonts)
    except FontsMissingError as error:
        missing = str(error)
    name = report_id or f"{property_id}-{month}-{uuid7()[-8:]}"

    async def work(desk: Desk) -> dict[str, Any]:
        if not report_id:
            request = IssueCollectionReport(report_id=name, month=month, fonts_sha256=digest)
            settle(await desk.send(request, _actor(by), property_id), as_json)
        return settle(await desk.query(GetReport(report_id=name), SETUP, property_id), as_json).result or {}

    found = _at_desk(work, as_json)
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
    out.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (out / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}


@app.command()
def status(
    property_id: Property,
    demand: Annotated[str, typer.Option(help="Demand the status under this id (F4), as --by.")] = "",
    supply: Annotated[str, typer.Option(help="Answer the demand of this id.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Demand the collection status, answer a demand, or list demands with when each was asked and answered."""
    if demand:
        _send(lambda: RequestCollectionStatus(request_id=demand), by, property_id, as_json, "status")
    elif supply:
        _send(lambda: SupplyCollectionStatus(request_id=supply), by, property_id, as_json, "status")
    else:
        shown = _ask(ListStatusRequests, property_id, as_json)
        if as_json:
            print_json(shown)
        else:
            emit_rows(shown["requests"], ("request_id", "status", "asked_at", "due_at", "answered_at"), "demands")


@app.command()
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
            found = settle(await desk.send(request, _actor(by), property_id, command_id=uuid7()), as_json).result or {}
            sent, remaining, disputed = sent + found["sent"], found["remaining"], found["in_dispute"]
        notices: list[dict[str, Any]] = []
        async for page in _pages(desk, lambda after: ListNotices(batch_id=name, after=after), property_id, as_json):
            notices += page["notices"]
        shown = {"batch": name, "sent": sent, "letters": len(notices), "in_dispute": disputed, "fonts_sha256": digest}
        if notices:
            pdf = letters_pdf(notices, fonts, family)
            shown["files"] = _write(out, {f"notices-{name}.pdf": pdf})
            printed = RecordPrinting(batch_id=name, letters=len(notices), fonts_sha256=digest,
                                     pdf_sha256=hashlib.sha256(pdf).hexdigest())  # fmt: skip
            settle(await desk.send(printed, _actor(by), property_id), as_json)
        return shown

    emit(_at_desk(work, as_json), as_json, "dunning")


@app.command()
def ledger(property_id: Property, as_json: AsJson = False) -> None:
    """The trial balance: every account, and the sum per currency, which is always 0.00."""
    shown = _ask(GetLedger, property_id, as_json)
    if as_json:
        print_json(shown)
    else:
        emit_rows(shown["accounts"], ("currency", "account", "debit", "credit", "balance"), "trial balance")
        emit(shown["sums"], as_json, "sum per currency")
