"""A unit's account as the facts of billing leave it. Billing's read models and audit fold by these functions alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.billing import DisputeSet, UnitRegistered
from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.receipt import (
    MatchConfirmed,
    PaymentAllocated,
    PaymentReleased,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptRefunded,
    ReceiptStanding,
)
from bailiwick_contracts.tariff import BilledUnit, Standing
from bailiwick_contracts.waiver import WaiverGranted

ZERO = Decimal(0)


def charges_after(fact: Any) -> Iterator[Standing]:
    """Each charge that a fact touches, as it stands afterwards; a later one of the same charge holds."""
    match fact:
        case ChargesAccrued():
            for line in fact.lines:
                yield line.charge
                if line.late_of is not None and line.late_of.late_until is not None:
                    yield line.late_of
        case ChargesReversed() | WaiverGranted() | PaymentAllocated() | PaymentReleased():
            for touched in fact.lines:
                yield touched.after
        case _:
            return


def receipt_after(fact: Any) -> ReceiptStanding | None:
    """The receipt that a fact touches, as it stands afterwards."""
    match fact:
        case (
            ReceiptPosted()
            | PaymentAllocated()
            | PaymentReleased()
            | ReceiptRefunded()
            | ReceiptBounced()
            | MatchConfirmed()
        ):
            return fact.receipt
        case _:
            return None


@dataclass
class Account:
    """The account of one unit of one property, fact by fact in the order of the chain."""

    property_id: str
    unit_id: str
    unit: BilledUnit | None = None
    disputed: bool = False
    charges: dict[str, Standing] = field(default_factory=dict)
    receipts: dict[str, ReceiptStanding] = field(default_factory=dict)

    def take(self, event: Event[Any]) -> bool:
        """Take in one fact of the property; says whether it touched this account."""
        fact = event.data
        if isinstance(fact, UnitRegistered) and fact.unit.unit_id == self.unit_id:
            self.unit = fact.unit
            return True
        if isinstance(fact, DisputeSet) and fact.unit_id == self.unit_id:
            self.disputed = fact.disputed
            return True
        touched = False
        for charge in charges_after(fact):
            if charge.unit_id == self.unit_id:
                self.charges[charge.charge_id] = charge
                touched = True
        receipt = receipt_after(fact)
        if receipt is not None and (receipt.unit_id == self.unit_id or receipt.receipt_id in self.receipts):
            touched = True
            if receipt.unit_id == self.unit_id:
                self.receipts[receipt.receipt_id] = receipt
            else:
                del self.receipts[receipt.receipt_id]
        return touched

    def shown(self) -> dict[str, Any]:
        """As `GetUnit` answers it: `unit`, `disputed`, `open` by due date, `receipts` by date; amounts with two places.

        Raises:
            LookupError: the unit was not registered yet.
        """
        if self.unit is None:
            raise LookupError(self.unit_id)
        still = sorted((one for one in self.charges.values() if one.open > 0), key=lambda c: (c.due_on, c.charge_id))
        came = sorted(self.receipts.values(), key=lambda one: (one.received_on, one.receipt_id))
        return {
            "unit": self.unit.model_dump(mode="json"),
            "disputed": self.disputed,
            "open": [_row(one, self.property_id) for one in still],
            "receipts": [_row(one, self.property_id) for one in came],
        }

    @property
    def owed(self) -> Decimal:
        """What is open of all charges."""
        return sum((one.open for one in self.charges.values()), ZERO)

    @property
    def unapplied(self) -> Decimal:
        """What was received and pays no charge yet."""
        return sum((one.unapplied for one in self.receipts.values()), ZERO)


def _row(record: Standing | ReceiptStanding, property_id: str) -> dict[str, Any]:
    return {"property_id": property_id} | {name: _shown(value) for name, value in record}


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return value.isoformat() if isinstance(value, date) else value
