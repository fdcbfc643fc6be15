"""`bailiwick billing`: tariffs and terms, units in dispute; charges, receipts, waivers and collection in the modules beside this."""

from datetime import datetime
from typing import Annotated

import typer
from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, GetUnit, SetDispute

from services.cli import billing_charges, billing_collection, billing_receipts, billing_waivers
from services.cli.billing_desk import By, Grounds, ask, send
from services.cli.given import File, Property
from services.cli.output import AsJson, emit, emit_rows, print_json

app = typer.Typer(no_args_is_help=True)
Since = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The date from which it holds.")]


@app.command()
def tariff(file: File, property_id: Property, since: Since, by: By = "", as_json: AsJson = False) -> None:
    """Adopt a tariff from a JSON file."""
    body = file.read_text(encoding="utf-8")
    text = f'{{"tariff": {body}, "effective_on": "{since:%Y-%m-%d}"}}'
    send(lambda: AdoptTariff.parse(text.encode()), by, property_id, as_json, "tariff")


@app.command()
def terms(file: File, property_id: Property, since: Since, by: By = "", as_json: AsJson = False) -> None:
    """Adopt terms (collection definition, dunning stages, deadlines) from a JSON file."""
    body = file.read_text(encoding="utf-8")
    text = f'{{"terms": {body}, "effective_on": "{since:%Y-%m-%d}"}}'
    send(lambda: AdoptTerms.parse(text.encode()), by, property_id, as_json, "terms")


@app.command()
def dispute(
    unit_id: Annotated[str, typer.Argument()],
    property_id: Property,
    grounds: Grounds,
    settled: Annotated[bool, typer.Option("--settled", help="It is settled.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Mark a unit as in dispute, or as settled: a unit in dispute gets no arrears notice."""
    send(
        lambda: SetDispute(unit_id=unit_id, disputed=not settled, grounds=grounds), by, property_id, as_json, "dispute"
    )


@app.command()
def unit(unit_id: Annotated[str, typer.Argument()], property_id: Property, as_json: AsJson = False) -> None:
    """One unit's account: what it owes, and what it paid."""
    shown = ask(lambda: GetUnit(unit_id=unit_id), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    emit({**shown["unit"], "disputed": shown["disputed"]}, as_json, unit_id)
    emit_rows(shown["open"], ("charge_id", "fee_class", "due_on", "amount", "open"), "open")
    emit_rows(shown["receipts"], ("receipt_id", "received_on", "amount", "unapplied"), "receipts")


for noun in (billing_charges, billing_receipts, billing_waivers, billing_collection):
    noun.register(app)
