"""`bailiwick billing waive`, `decide`, `waivers`: asked for by the director, decided by whoever stands above (B4)."""

from typing import Annotated

import typer
from bailiwick_contracts.waiver import DecideWaiver, ListWaivers, RequestWaiver

from services.cli.billing_desk import Grounds, ask, parts_of, send
from services.cli.given import Property
from services.cli.output import AsJson, emit_rows, print_json

Waiver = Annotated[str, typer.Argument(help="The waiver's id.")]
Who = Annotated[str, typer.Option("--by", help="Staff id of who asks or decides.")]


def waive(
    waiver_id: Waiver,
    property_id: Property,
    charge: Annotated[list[str], typer.Option("--charge", help="CHARGE=AMOUNT, as often as needed.")],
    grounds: Grounds,
    by: Who,
    as_json: AsJson = False,
) -> None:
    """Ask for a waiver: it is forwarded to whoever may grant it, with the ruling, or refused."""
    request = {"waiver_id": waiver_id, "lines": parts_of(charge), "grounds": grounds}
    send(lambda: RequestWaiver.model_validate(request), by, property_id, as_json, "waiver")


def decide(
    waiver_id: Waiver,
    property_id: Property,
    by: Who,
    grant: Annotated[bool, typer.Option("--grant/--decline", help="Grant or decline it.")],
    as_json: AsJson = False,
) -> None:
    """Grant or decline a waiver that was forwarded; the ruling stands in the fact."""
    send(lambda: DecideWaiver(waiver_id=waiver_id, grant=grant), by, property_id, as_json, "waiver")


def waivers(
    property_id: Property,
    status: Annotated[str, typer.Option(help="forwarded, granted, declined or refused alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """Waivers (the first 1,000) with what became of each."""
    named = {"status": status} if status else {}
    shown = ask(lambda: ListWaivers.model_validate({"limit": 1000, **named}), property_id, as_json)
    if as_json:
        print_json(shown)
    else:
        emit_rows(shown["waivers"], ("waiver_id", "status", "requested_by", "total", "fact_id"), "waivers")


def register(app: typer.Typer) -> None:
    """Add these to `bailiwick billing`."""
    for command in (waive, decide, waivers):
        app.command(command.__name__)(command)
