"""`bailiwick billing run`, `charges`, `reverse`, `take-back`: the charge run of a month, its charges, their reversal (紅沖)."""

from decimal import Decimal
from typing import Annotated, Any

import typer
from bailiwick_contracts.billing import ListUnits
from bailiwick_contracts.charge import (
    RUN_LIMIT,
    ChargeUnits,
    FinishChargeRun,
    GetChargeRun,
    ListCharges,
    PreviewCharges,
    ReverseCharges,
    StartChargeRun,
)
from bailiwick_contracts.meter import ReverseReading

from services.cli.audit_desk import bar
from services.cli.billing_desk import By, Grounds, Month, actor_of, ask, at_desk, pages, send
from services.cli.given import SETUP, Property
from services.cli.output import AsJson, emit, emit_rows, print_json, settle
from services.run.desk import Desk


async def _unit_ids(desk: Desk, place: str, as_json: bool) -> list[str]:
    found: list[str] = []
    async for page in pages(desk, lambda after: ListUnits(after=after, limit=1000), place, as_json):
        found += [one["unit_id"] for one in page["units"]]
    return found


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

    shown = at_desk(work, as_json)
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
    settle(await desk.send(StartChargeRun(month=month), actor_of(by), place), as_json)
    made, differing, offset = 0, 0, Decimal(0)
    with bar("units", as_json) as progress:
        for start in range(0, len(ids), RUN_LIMIT):
            part = tuple(ids[start : start + RUN_LIMIT])
            request = ChargeUnits(month=month, unit_ids=part, rerate=rerate)
            found = settle(await desk.send(request, actor_of(by), place), as_json).result or {}
            made, differing = made + found["charges"], differing + found["differing"]
            offset += Decimal(found["offset"])
            progress(start + len(part), len(ids))
    settle(await desk.send(FinishChargeRun(month=month), actor_of(by), place), as_json)
    stands = settle(await desk.query(GetChargeRun(month=month), SETUP, place), as_json).result or {}
    return {"property": place, **stands, "made_now": made, "differing": differing, "offset": f"{offset:.2f}"}


def charges(
    property_id: Property,
    month: Month,
    unit: Annotated[str, typer.Option(help="One unit alone.")] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only what is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Charges of a month (the first 1,000), each with its arithmetic and what is open of it."""
    shown = ask(
        lambda: ListCharges(month=month, unit_id=unit or None, open_only=open_only, limit=1000), property_id, as_json
    )
    if as_json:
        print_json(shown)
    else:
        emit_rows(
            shown["charges"], ("charge_id", "tariff_version", "arithmetic", "amount", "open"), f"charges of {month}"
        )


def reverse(
    charge_ids: Annotated[list[str], typer.Argument(help="Charges of one unit and month.")],
    property_id: Property,
    unit: Annotated[str, typer.Option(help="Whose charges they are.")],
    month: Month,
    grounds: Grounds,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Reverse charges (紅沖): what was paid on them is unapplied again; `run --rerate` charges the month anew."""
    send(
        lambda: ReverseCharges(unit_id=unit, month=month, charge_ids=tuple(charge_ids), grounds=grounds),
        by, property_id, as_json, "reversal",
    )  # fmt: skip


def take_back(
    meter_id: Annotated[str, typer.Argument()],
    reading_id: Annotated[str, typer.Argument()],
    property_id: Property,
    grounds: Grounds,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Take the latest reading of a meter back; the right one is then imported, and `run --rerate` charges anew."""
    send(
        lambda: ReverseReading(meter_id=meter_id, reading_id=reading_id, grounds=grounds),
        by,
        property_id,
        as_json,
        "reading",
    )


def register(app: typer.Typer) -> None:
    """Add these to `bailiwick billing`."""
    for name, command in (("run", run_month), ("charges", charges), ("reverse", reverse), ("take-back", take_back)):
        app.command(name)(command)
