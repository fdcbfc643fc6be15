"""Billing: tariffs, terms and units, and what all of this service's messages share. Each noun's messages stand in its own module."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts import (  # noqa: F401 - the messages of the other nouns register with these
    charge,
    collection,
    dunning,
    meter,
    receipt,
    statement,
    waiver,
)
from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.tariff import BilledUnit, Tariff, UnitId

UNITS_LIMIT = 400
"""Units of one request; so many stay under the 256 KiB of a message."""
PageSize = Annotated[int, Field(ge=1, le=1000)]


class Definition(Record):
    """How a collection rate is defined, by name and version, so that two rates are never mixed (C17)."""

    name: Literal["strict", "naive", "waiver_as_collected"] = "strict"
    """`strict`: cash and offset over what is due net of reversals and waivers; the other two are named to be told apart."""
    version: Identifier = "1"
    grace_days: Annotated[int, Field(ge=0, le=60)] = 10
    """The cut-off is so many days after the last one of the period (T11)."""


class DunningStage(Record):
    """A letter that is sent once a charge is so many days overdue."""

    stage: Annotated[int, Field(ge=1, le=9)]
    overdue_days: Annotated[int, Field(ge=1, le=3650)]
    title: Label
    body: Text
    """What the letter says; `{unit}`, `{total}` and `{due_on}` are filled in."""


class Terms(Record):
    """The settings of a property's billing that are no price, in one version."""

    version: Identifier
    definition: Definition = Definition()
    dunning: Annotated[tuple[DunningStage, ...], Field(max_length=9)] = ()
    status_hours: Annotated[int, Field(ge=1, le=720)] = 24
    """Within how many hours Finance answers a demand for the collection status (F4)."""
    auto_match: Ratio = Ratio(numerator=95, denominator=100)
    """From which confidence a receipt is put to a unit without a person's word."""


class AdoptTariff(Request):
    """Adopt a tariff of a property from a date on (B1). The same version again is nothing new."""

    type: Literal["billing.adopt_tariff.v1"] = "billing.adopt_tariff.v1"
    tariff: Annotated[Tariff, whole(Tariff)]
    effective_on: date


class TariffAdopted(Fact):
    """A tariff holds from a date; charges name its version."""

    type: Literal["billing.tariff_adopted.v1"] = "billing.tariff_adopted.v1"
    tariff: Tariff
    effective_on: date
    ruling: Ruling | None = None
    """None where the installation was set up, before anybody held a position."""


class AdoptTerms(Request):
    """Adopt the terms of a property from a date on (B1): collection definition, dunning stages, deadlines."""

    type: Literal["billing.adopt_terms.v1"] = "billing.adopt_terms.v1"
    terms: Annotated[Terms, whole(Terms)]
    effective_on: date


class TermsAdopted(Fact):
    """Terms hold from a date."""

    type: Literal["billing.terms_adopted.v1"] = "billing.terms_adopted.v1"
    terms: Terms
    effective_on: date
    ruling: Ruling | None = None


class RegisterUnits(Request):
    """Tell billing of units with their areas and payers, or change them (D6); each row is answered by its `unit_id`.

    `done`; `ignored`: nothing changed.
    """

    type: Literal["billing.register_units.v1"] = "billing.register_units.v1"
    units: Annotated[tuple[Annotated[BilledUnit, whole(BilledUnit)], ...], Field(min_length=1, max_length=UNITS_LIMIT)]


class UnitRegistered(Fact):
    """A unit as billing knows it from now on; the latest one holds."""

    type: Literal["billing.unit_registered.v1"] = "billing.unit_registered.v1"
    unit: BilledUnit
    ruling: Ruling | None = None


class SetDispute(Request):
    """Mark that a unit's charges are in dispute, or no longer (B6): a unit in dispute gets no arrears notice."""

    type: Literal["billing.set_dispute.v1"] = "billing.set_dispute.v1"
    unit_id: UnitId
    disputed: bool
    grounds: Identifier
    """A code of the office's list; no free text about a person."""


class DisputeSet(Fact):
    """A unit's charges are in dispute, or no longer."""

    type: Literal["billing.dispute_set.v1"] = "billing.dispute_set.v1"
    unit_id: UnitId
    disputed: bool
    grounds: Identifier
    ruling: Ruling | None = None


class BillingRefused(Refusal):
    """A request that policy turned down, with the ruling where authority was wanting.

    Reasons beside those of `rule`: `no_tariff`, `month_closed`, `month_not_over`, `run_not_started`, `statement_held`,
    `beyond_unapplied`, `receipt_bounced`, `receipt_is_allocated`, `charge_settled`, `beyond_open`, `units_not_charged`.
    """

    type: Literal["billing.billing_refused.v1"] = "billing.billing_refused.v1"
    asked_for: Label
    """The wire name of the request."""
    subject: Label | None = None
    """What it was about: a month, a charge, a receipt, a statement."""
    count: int | None = None
    """For `units_not_charged`: how many units are missing."""
    first: tuple[Label, ...] | None = None
    """The first twenty of them."""
    ruling: Ruling | None = None


class ListUnits(Request):
    """The units of a property by id, in pages: `units` with `unit_id`, `label`, `open`, `unapplied`, `disputed`."""

    type: Literal["billing.list_units.v1"] = "billing.list_units.v1"
    after: Label | None = None
    limit: PageSize = 500


class GetUnit(Request):
    """One unit: its `unit`, open `charges`, `receipts`, and the facts of its account, oldest first."""

    type: Literal["billing.get_unit.v1"] = "billing.get_unit.v1"
    unit_id: UnitId


class GetSettings(Request):
    """The tariffs and terms of a property, as adopted."""

    type: Literal["billing.get_settings.v1"] = "billing.get_settings.v1"


def settings_stream(property_id: str) -> str:
    """The stream of a property's tariffs and terms."""
    return f"settings-{property_id}"


def unit_stream(property_id: str, unit_id: str) -> str:
    """The stream of one unit: its registration, disputes and notices."""
    return f"unit-{property_id}-{unit_id}"
