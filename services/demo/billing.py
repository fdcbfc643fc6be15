"""The demonstration's accounts: a month is charged; the director asks for a waiver, cannot grant it, and demands the status."""

from collections.abc import Iterator
from datetime import date

from bailiwick_contracts.billing import AdoptTariff, RegisterUnits
from bailiwick_contracts.charge import ChargeUnits, StartChargeRun
from bailiwick_contracts.collection import RequestCollectionStatus
from bailiwick_contracts.message import Request
from bailiwick_contracts.receipt import PostReceipts
from bailiwick_contracts.tariff import BilledUnit, Tariff
from bailiwick_contracts.waiver import DecideWaiver, RequestWaiver

from services.demo.tickets import DIRECTOR, PLACE, Step

MONTH = "2026-03"
_UNITS = ("3-1502", "3-1503")


def prepared() -> Iterator[Request]:
    """A tariff, two units, a month charged, one payment: what the set-up does before anybody decides."""
    fee = {"line_id": "mgmt", "fee_class": "management", "basis": "per_area", "price": "2.80"}
    yield AdoptTariff(
        tariff=Tariff.model_validate({"version": "demo-1", "lines": (fee,)}), effective_on=date(2026, 1, 1)
    )
    spell = {"payer_class": "owner", "first_on": date(2024, 1, 1)}
    yield RegisterUnits(
        units=tuple(
            BilledUnit.model_validate({"unit_id": one, "label": f"{one}室", "area": "88.50", "spells": (spell,)})
            for one in _UNITS
        )
    )
    yield StartChargeRun(month=MONTH)
    yield ChargeUnits(month=MONTH, unit_ids=_UNITS)
    row = {"receipt_id": "demo-receipt", "received_on": date(2026, 3, 5), "amount": "247.80", "unit_id": _UNITS[0]}
    yield PostReceipts.model_validate({"rows": (row,)})


def scene() -> Iterator[Step]:
    """Each step in its order."""
    line = {"charge_id": f"{PLACE}-{_UNITS[1]}-202603-mgmt", "amount": "50.00"}
    ask = RequestWaiver.model_validate({"waiver_id": "demo-waiver", "lines": (line,), "grounds": "leak"})
    yield Step("a waiver of 50.00 is asked for", "B4", DIRECTOR, ask, "waiver_forwarded")
    grant = DecideWaiver(waiver_id="demo-waiver", grant=True)
    yield Step("the director grants it himself", "B4", DIRECTOR, grant, "waiver_refused")
    demand = RequestCollectionStatus(request_id="demo-status")
    yield Step("the director demands the collection status", "F4", DIRECTOR, demand, "collection_status_requested")
