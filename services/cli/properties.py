"""`bailiwick property`: take a property into the system."""

from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.registry import AddProperty, ListProperties
from pydantic import ValidationError

from services.cli.output import AsJson, emit, emit_rows, invalid, print_json, run, settle
from services.kernel.settings import Settings
from services.run.desk import system

app = typer.Typer(no_args_is_help=True)
SETUP = Actor(actor="system-setup", authmethod="system", channel="system")
"""Acts for whoever installs the system, before anybody holds a position."""


@app.command()
def add(
    property_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and hyphens.")],
    name: Annotated[str | None, typer.Option(help="Shown to people; by default the id.")] = None,
    language: Annotated[str, typer.Option(help="BCP 47 tag.")] = "zh-Hant",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "CNY",
    calendar: Annotated[str, typer.Option(help="ISO 3166 country whose holidays hold.")] = "CN",
    zone: Annotated[str, typer.Option(help="IANA time zone.")] = "Asia/Shanghai",
    as_json: AsJson = False,
) -> None:
    """Add a property. Language, currency, calendar and time zone are four settings; none follows from another."""
    try:
        request = AddProperty(
            property_id=property_id, name=name or property_id, language=language, currency=currency, calendar=calendar,
            time_zone=zone,
        )  # fmt: skip
    except ValidationError as error:
        invalid(error, as_json)
    run(_add(request, as_json), as_json)


async def _add(request: AddProperty, as_json: bool) -> None:
    async with system(Settings()) as desk:
        answer = settle(await desk.send(request, SETUP, request.property_id), as_json)
    facts = [{"id": fact.id, "type": fact.type, "chainnumber": fact.chainnumber} for fact in answer.facts]
    emit({"property": request.property_id, "outcome": answer.outcome, "facts": facts}, as_json, "property")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every property with its settings."""
    run(_list(as_json), as_json)


async def _list(as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    async with system(Settings()) as desk:
        page: dict[str, Any] = {"after": None}
        while "after" in page:
            asked = ListProperties(after=page["after"])
            page = settle(await desk.query(asked, SETUP, "company"), as_json).result or {}
            rows += page.get("properties", [])
    if as_json:
        print_json({"properties": rows})
    else:
        emit_rows(rows, ("property_id", "name", "language", "currency", "calendar", "time_zone"), "properties")
