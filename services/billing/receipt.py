"""The receipt: money that came in once, and all that became of it; no cent is applied twice (D8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import built
from bailiwick_contracts.money import rounded
from bailiwick_contracts.receipt import (
    AllocationLine,
    MatchConfirmed,
    MatchDismissed,
    Mode,
    Part,
    PaymentAllocated,
    PaymentReleased,
    Proposal,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptRefunded,
    ReceiptStanding,
    allocation_lines,
    with_fee,
)
from bailiwick_contracts.tariff import Standing

from services.kernel.decision import Noun, Rejected

ZERO = Decimal(0)


@dataclass(frozen=True)
class Receipt:
    """A receipt as it stands, and what it pays by charge and kind."""

    standing: ReceiptStanding | None = None
    property_id: str = ""
    payer: str | None = None
    proposals: tuple[Proposal, ...] = ()
    dismissed: bool = False
    paid: tuple[AllocationLine, ...] = ()

    @property
    def known(self) -> ReceiptStanding:
        """What stands; asked for only of a receipt that was posted."""
        assert self.standing is not None  # noqa: S101 - `existing` rejected the others
        return self.standing


def existing(receipt: Receipt, receipt_id: str, property_id: str) -> ReceiptStanding:
    """What stands of a receipt.

    Raises:
        Rejected: nobody posted it at this property.
    """
    if receipt.standing is None or receipt.property_id != property_id:
        raise Rejected(
            f"{receipt_id} is not a receipt of {property_id}",
            code="no_such_receipt",
            field="receipt_id",
            value=receipt_id,
            rule="a receipt that was posted",
            remedy="look it up with ListReceipts",
        )
    return receipt.standing


def allocate(
    standing: ReceiptStanding, parts: Sequence[Part], mode: Mode, booked_on: date, ruling: Ruling | None = None
) -> list[PaymentAllocated]:
    """Apply parts of what is unapplied; the channel's fee follows the parts (C3)."""
    spent = sum((part.amount for part in parts), ZERO)
    if spent <= 0:
        return []
    before = standing.unapplied
    given = standing.amount - standing.refunded - before
    fee = _fee_of(standing, given + spent) - _fee_of(standing, given) if standing.fee else ZERO
    lines = allocation_lines(with_fee(parts, fee), standing.received_on)
    after = built(ReceiptStanding, {**standing.__dict__, "unapplied": before - spent})
    said = {
        "type": "billing.payment_allocated.v1",
        "receipt": after,
        "mode": mode,
        "available": before,
        "booked_on": booked_on,
        "lines": lines,
        "ruling": ruling,
    }
    return [built(PaymentAllocated, said)]


def _fee_of(standing: ReceiptStanding, applied: Decimal) -> Decimal:
    """The channel's fee of the first `applied` of a receipt."""
    return rounded(standing.fee, Fraction(applied) / Fraction(standing.amount))


def release(
    receipt: Receipt, standing: ReceiptStanding, charges: Mapping[str, Standing], reason: str, booked_on: date,
    only: frozenset[str] | None = None,
) -> list[PaymentReleased]:  # fmt: skip
    """Take back what a receipt pays, of all charges or of `only` some; the charges are open again by as much.

    Args:
        receipt: the receipt.
        standing: as it stands in this very decision.
        charges: each charge it pays, as it stands.
        reason: why.
        booked_on: the property's date.
        only: ids of charges.
    """
    lines = []
    current = dict(charges)
    for line in receipt.paid:
        key = line.after.charge_id
        if only is not None and key not in only:
            continue
        charge = current[key]
        current[key] = charge.model_copy(update={"open": charge.open + line.amount})
        lines.append(line.model_copy(update={"after": current[key]}))
    if not lines:
        return []
    freed = sum((line.amount for line in lines), ZERO)
    after = standing.model_copy(update={"unapplied": standing.unapplied + freed})
    fact = PaymentReleased.model_validate(
        {"receipt": after, "reason": reason, "booked_on": booked_on, "lines": tuple(lines)}
    )
    return [fact]


def refund(
    standing: ReceiptStanding, amount: Decimal, grounds: str, booked_on: date, ruling: Ruling | None
) -> list[ReceiptRefunded]:
    """Pay back some of what is unapplied."""
    after = standing.model_copy(
        update={"unapplied": standing.unapplied - amount, "refunded": standing.refunded + amount}
    )
    return [ReceiptRefunded(receipt=after, amount=amount, booked_on=booked_on, grounds=grounds, ruling=ruling)]


def bounce(standing: ReceiptStanding, grounds: str, booked_on: date, ruling: Ruling | None) -> list[ReceiptBounced]:
    """Nothing of a receipt counts any more; what it paid was released before."""
    after = standing.model_copy(update={"unapplied": ZERO, "bounced": True})
    return [ReceiptBounced(receipt=after, booked_on=booked_on, grounds=grounds, ruling=ruling)]


def confirm(receipt: Receipt, unit_id: str, ruling: Ruling | None) -> list[MatchConfirmed]:
    """Say whose a receipt is; the same again is nothing new."""
    standing = receipt.known
    if standing.unit_id == unit_id:
        return []
    if standing.unit_id is not None:
        raise Rejected(
            f"{standing.receipt_id} belongs to unit {standing.unit_id} already",
            code="receipt_is_matched",
            field="unit_id",
            value=unit_id,
            rule="a receipt belongs to one unit",
            remedy="refund or allocate it as instructed",
        )
    proposed = next((one for one in receipt.proposals if one.unit_id == unit_id), None)
    after = standing.model_copy(update={"unit_id": unit_id})
    return [MatchConfirmed(receipt=after, payer=receipt.payer, proposed=proposed, ruling=ruling)]


def evolve(receipt: Receipt, event: Event[Any]) -> Receipt:
    """Remember what stands and what it pays."""
    fact = event.data
    match fact:
        case ReceiptPosted():
            return Receipt(fact.receipt, event.property_id, fact.payer, fact.proposals)
        case PaymentAllocated():
            return replace(receipt, standing=fact.receipt, paid=(*receipt.paid, *fact.lines))
        case PaymentReleased():
            gone = [(line.after.charge_id, line.kind, line.counted_on, line.amount) for line in fact.lines]
            kept = []
            for line in receipt.paid:
                key = (line.after.charge_id, line.kind, line.counted_on, line.amount)
                if key in gone:
                    gone.remove(key)
                else:
                    kept.append(line)
            return replace(receipt, standing=fact.receipt, paid=tuple(kept))
        case ReceiptRefunded() | ReceiptBounced() | MatchConfirmed():
            return replace(receipt, standing=fact.receipt)
        case MatchDismissed():
            return replace(receipt, dismissed=True)
        case _:
            return receipt


RECEIPT = Noun("receipt", Receipt(), evolve)


@dataclass
class Debts:
    """The open charges of some units while a bulk request pays them: each payment sees what the one before left."""

    by_id: dict[str, Standing] = field(default_factory=dict)
    of_unit: dict[str, list[str]] = field(default_factory=dict)

    def add(self, charge: Standing) -> None:
        """Take in a charge, or what became of it."""
        if charge.charge_id not in self.by_id:
            self.of_unit.setdefault(charge.unit_id, []).append(charge.charge_id)
        self.by_id[charge.charge_id] = charge

    def of(self, unit_id: str | None) -> list[Standing]:
        """What is open of a unit."""
        found = (self.by_id[key] for key in self.of_unit.get(unit_id or "", ()))
        return [charge for charge in found if charge.open > 0]

    def settle(self, facts: Sequence[PaymentAllocated | PaymentReleased]) -> None:
        """Remember what payments left."""
        for fact in facts:
            for line in fact.lines:
                self.add(line.after)
