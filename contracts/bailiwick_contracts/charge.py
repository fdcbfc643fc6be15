"""Charges: the run of a month, the lines it makes, and their reversal (紅沖); a charge is never edited (D8)."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Request
from bailiwick_contracts.money import Amount, Currency
from bailiwick_contracts.tariff import LineId, Month, Number, Standing, UnitId

RUN_LIMIT = 500
"""Units charged by one request."""


def bill_stream(property_id: str, unit_id: str, month: str) -> str:
    """The stream of what one unit owes for one month."""
    return f"bill-{property_id}-{unit_id}-{month[:4]}{month[5:]}"


def run_stream(property_id: str, month: str) -> str:
    """The stream of a month's charge run."""
    return f"run-{property_id}-{month}"


def charge_id(property_id: str, unit_id: str, month: str, line: str, revision: int = 0) -> str:
    """The id of a charge: it follows from property, unit, month and fee line, so a run started again makes no double."""
    again = f"-r{revision}" if revision else ""
    return f"{property_id}-{unit_id}-{month[:4]}{month[5:]}-{line}{again}"


class StartChargeRun(Request):
    """Start the charge run of a month (B2), or go on with it."""

    type: Literal["billing.start_charge_run.v1"] = "billing.start_charge_run.v1"
    month: Month


class ChargeRunStarted(Fact):
    """The charge run of a month began, under these tariff versions."""

    type: Literal["billing.charge_run_started.v1"] = "billing.charge_run_started.v1"
    month: Month
    booked_on: date
    tariff_versions: tuple[Identifier, ...]
    ruling: Ruling | None = None


class ChargeUnits(Request):
    """Charge some units for the month of a run that was started. What is charged already stays as it is.

    `result`: `units` and `charges` made now, their `total`, `differing`: standing charges that would come out otherwise now
    (with `rerate` they are reversed and charged anew), `offset`, what prepayments paid of them, and `passed`: how many units
    have nothing to be charged, or a meter that was not read, each with its reason recorded (`UnitsPassed`).
    """

    type: Literal["billing.charge_units.v1"] = "billing.charge_units.v1"
    month: Month
    unit_ids: Annotated[tuple[UnitId, ...], Field(min_length=1, max_length=RUN_LIMIT)]
    rerate: bool = False


class ChargeLine(Record):
    """One charge as it was made: version, quantity and arithmetic."""

    charge: Standing
    line_id: LineId
    tariff_version: Identifier
    quantity: Number
    first_on: date
    until_on: date
    """Excluded."""
    arithmetic: Label
    readings: tuple[Identifier, ...] = ()
    late_of: Standing | None = None
    """For a late fee: the charge that was paid late, with what its late payment has cost now."""


class ChargesAccrued(Fact):
    """A unit was charged for a month: one line a charge."""

    type: Literal["billing.charges_accrued.v1"] = "billing.charges_accrued.v1"
    unit_id: UnitId
    month: Month
    currency: Currency
    booked_on: date
    total: Amount
    lines: tuple[ChargeLine, ...]


class PassedUnit(Record):
    """A unit that a run passed over, in whole or for some meters, and why."""

    unit_id: UnitId
    reason: Literal["no_payer", "nothing_due", "no_reading"]
    """Nobody holds it in this month; no fee applies to it; meters of it were not read in this month."""
    meter_ids: tuple[Label, ...] | None = None
    """The meters that were not read, at most twenty."""


class UnitsPassed(Fact):
    """A run passed these units over: the recorded reason why they have no charge, or lack one, in this month."""

    type: Literal["billing.units_passed.v1"] = "billing.units_passed.v1"
    month: Month
    booked_on: date
    units: tuple[PassedUnit, ...]
    charged: tuple[UnitId, ...] = ()
    """Units that were passed over before and have everything now."""


class FinishChargeRun(Request):
    """Say that every unit of a run was charged; the fact holds the totals as they stand.

    Refused with the reason `units_not_charged`, how many and the first of them, while a unit of the property has neither a charge
    in the month nor a recorded reason.
    """

    type: Literal["billing.finish_charge_run.v1"] = "billing.finish_charge_run.v1"
    month: Month


class ChargeRunFinished(Fact):
    """The totals of a month's charges, reversals taken off."""

    type: Literal["billing.charge_run_finished.v1"] = "billing.charge_run_finished.v1"
    month: Month
    units: int
    charges: int
    total: Amount


class ReverseCharges(Request):
    """Reverse charges of one unit and month (B2); what was paid on them is unapplied again."""

    type: Literal["billing.reverse_charges.v1"] = "billing.reverse_charges.v1"
    unit_id: UnitId
    month: Month
    charge_ids: Annotated[tuple[Label, ...], Field(min_length=1, max_length=60)]
    grounds: Identifier


class ReversedLine(Record):
    """A charge with what was reversed of it: all that was not waived."""

    amount: Amount
    after: Standing


class ChargesReversed(Fact):
    """Charges were reversed; the tariff may charge the same month anew."""

    type: Literal["billing.charges_reversed.v1"] = "billing.charges_reversed.v1"
    unit_id: UnitId
    month: Month
    currency: Currency
    booked_on: date
    grounds: Identifier
    lines: tuple[ReversedLine, ...]
    ruling: Ruling | None = None


class PreviewCharges(Request):
    """What a run of these units would change now; nothing is recorded. `units`, each with `new` and `differing` lines."""

    type: Literal["billing.preview_charges.v1"] = "billing.preview_charges.v1"
    month: Month
    unit_ids: Annotated[tuple[UnitId, ...], Field(min_length=1, max_length=RUN_LIMIT)]


class GetChargeRun(Request):
    """How far a month's run is: `status`, `units`, `charges`, `total`, `by_fee_class`, `passed` and `missing`.

    `passed`: the first 200 units passed over, each with its reason, of `passed_count`; `missing`: how many are neither charged nor passed over.
    """

    type: Literal["billing.get_charge_run.v1"] = "billing.get_charge_run.v1"
    month: Month


class ListCharges(Request):
    """Charges of a property by id, in pages, with version, quantity, arithmetic and what is open of them."""

    type: Literal["billing.list_charges.v1"] = "billing.list_charges.v1"
    month: Month | None = None
    unit_id: UnitId | None = None
    open_only: bool = False
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
