"""Receipts: money that came in, and what it pays: oldest first, in proportion, or as instructed (D8, C1–C3)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Request, built
from bailiwick_contracts.money import Amount, Currency, Money, allocate
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.tariff import ShortId, Standing, UnitId

RECEIPTS_LIMIT = 500
Mode = Literal["oldest_first", "proportional", "instructed"]
ZERO = Decimal(0)


def receipt_stream(receipt_id: str) -> str:
    """The stream of one receipt."""
    return f"receipt-{receipt_id}"


class ReceiptStanding(Record):
    """A receipt as it stands after a fact."""

    receipt_id: ShortId
    unit_id: UnitId | None = None
    """Whose account holds what is not applied; none: nobody knows yet."""
    received_on: date
    method: Label
    currency: Currency
    amount: Amount
    """Gross: what the payer paid."""
    fee: Amount = ZERO
    """What the channel kept of it."""
    refunded: Amount = ZERO
    unapplied: Amount
    bounced: bool = False


class Proposal(Record):
    """To which unit a receipt may belong, why, and how sure that is."""

    unit_id: UnitId
    reason: Literal["reference", "room", "known_payer", "amount"]
    confidence: Ratio


class Source(Record):
    """The row of a statement that a receipt was read from."""

    statement_id: ShortId
    row: int


class ReceiptPosted(Fact):
    """Money came in; nothing of it is applied yet."""

    type: Literal["billing.receipt_posted.v1"] = "billing.receipt_posted.v1"
    receipt: ReceiptStanding
    booked_on: date
    payer: Identifier | None = None
    """A keyed hash of how the payer is named, so that a payer once known is known again."""
    source: Source | None = None
    proposals: tuple[Proposal, ...] = ()
    """For a person to confirm, the surest first."""
    said: Personal | None = None
    """What the statement says of the payer, where a person has to look."""
    ruling: Ruling | None = None


class AllocationLine(Record):
    """What one charge was paid: cash, or the offset of what was paid before the charge was made (預存沖抵)."""

    amount: Amount
    fee: Amount = ZERO
    """Its share of the channel's fee."""
    kind: Literal["cash", "offset"]
    counted_on: date
    """The day that a cut-off is compared with: when it was received, or when the charge was made if that is later."""
    after: Standing


class PaymentAllocated(Fact):
    """A receipt paid charges, in the order of `lines`; `open` of each is what remains."""

    type: Literal["billing.payment_allocated.v1"] = "billing.payment_allocated.v1"
    receipt: ReceiptStanding
    mode: Mode
    available: Amount
    """What was unapplied before."""
    booked_on: date
    lines: tuple[AllocationLine, ...]
    ruling: Ruling | None = None


class PaymentReleased(Fact):
    """What a receipt had paid is unapplied again, because a charge was reversed or the receipt bounced."""

    type: Literal["billing.payment_released.v1"] = "billing.payment_released.v1"
    receipt: ReceiptStanding
    reason: Literal["charge_reversed", "receipt_bounced", "instructed"]
    booked_on: date
    lines: tuple[AllocationLine, ...]


class ReceiptRefunded(Fact):
    """Part of what was unapplied went back to the payer."""

    type: Literal["billing.receipt_refunded.v1"] = "billing.receipt_refunded.v1"
    receipt: ReceiptStanding
    amount: Amount
    booked_on: date
    grounds: Identifier
    ruling: Ruling | None = None


class ReceiptBounced(Fact):
    """A receipt never arrived: a debit was returned or a cheque not honoured. Nothing of it counts."""

    type: Literal["billing.receipt_bounced.v1"] = "billing.receipt_bounced.v1"
    receipt: ReceiptStanding
    booked_on: date
    grounds: Identifier
    ruling: Ruling | None = None


class MatchConfirmed(Fact):
    """A person said to which unit a receipt belongs."""

    type: Literal["billing.match_confirmed.v1"] = "billing.match_confirmed.v1"
    receipt: ReceiptStanding
    payer: Identifier | None = None
    proposed: Proposal | None = None
    """The proposal that was followed, if one was."""
    ruling: Ruling | None = None


class MatchDismissed(Fact):
    """A person said that a receipt belongs to none of the units proposed; it stays unapplied."""

    type: Literal["billing.match_dismissed.v1"] = "billing.match_dismissed.v1"
    receipt: ReceiptStanding
    ruling: Ruling | None = None


class ReceiptRow(Record):
    """A receipt as the cashier or a debit return file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    receipt_id: ShortId
    received_on: date
    amount: Annotated[Amount, Field(gt=0)]
    fee: Annotated[Amount, Field(ge=0)] = ZERO
    method: Label = "bank"
    unit_id: UnitId | None = None


class PostReceipts(Request):
    """Post receipts (B3), and allocate those of a known unit oldest first. Each row is answered by its `receipt_id`.

    `done`; `ignored`: posted before; `rejected` with the reason `unknown_unit`, `receipt_id_reused`,
    `received_in_future` or `fee_beyond_amount`.
    """

    type: Literal["billing.post_receipts.v1"] = "billing.post_receipts.v1"
    rows: Annotated[tuple[ReceiptRow, ...], Field(min_length=1, max_length=RECEIPTS_LIMIT)]
    allocate: bool = True


class AllocateReceipts(Request):
    """Allocate what is unapplied of these receipts, oldest debt of their unit first (B3)."""

    type: Literal["billing.allocate_receipts.v1"] = "billing.allocate_receipts.v1"
    receipt_ids: Annotated[tuple[ShortId, ...], Field(min_length=1, max_length=RECEIPTS_LIMIT)]


class Instruction(Record):
    """A charge that a payer named, and how much of the payment is for it; none: its share in proportion to what is open."""

    charge_id: Label
    amount: Amount | None = None


class AllocateReceipt(Request):
    """Allocate one receipt as instructed (B3): these charges, each its amount, or all of them in proportion (C1–C3)."""

    type: Literal["billing.allocate_receipt.v1"] = "billing.allocate_receipt.v1"
    receipt_id: ShortId
    instructions: Annotated[tuple[Annotated[Instruction, whole(Instruction)], ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({one.charge_id for one in self.instructions}) < len(self.instructions):
            raise ValueError("instructions: each charge stands once; add its amounts up")
        if len({one.amount is None for one in self.instructions}) > 1:
            raise ValueError(
                "instructions: either every charge has its amount, or none has and all share in proportion"
            )
        return self


class RefundReceipt(Request):
    """Pay back (B3) some of what is unapplied of a receipt."""

    type: Literal["billing.refund_receipt.v1"] = "billing.refund_receipt.v1"
    receipt_id: ShortId
    amount: Annotated[Amount, Field(gt=0)]
    grounds: Identifier


class BounceReceipt(Request):
    """Say that a receipt never arrived (B3); what it paid is open again."""

    type: Literal["billing.bounce_receipt.v1"] = "billing.bounce_receipt.v1"
    receipt_id: ShortId
    grounds: Identifier


class ConfirmMatch(Request):
    """Say to which unit a receipt belongs (B3); it is then allocated oldest first."""

    type: Literal["billing.confirm_match.v1"] = "billing.confirm_match.v1"
    receipt_id: ShortId
    unit_id: UnitId


class DismissMatch(Request):
    """Say that the proposals for a receipt are wrong (B3); it stays unapplied."""

    type: Literal["billing.dismiss_match.v1"] = "billing.dismiss_match.v1"
    receipt_id: ShortId


class ListReceipts(Request):
    """Receipts of a property by id, in pages, and `totals`: received, allocated, unapplied, refunded."""

    type: Literal["billing.list_receipts.v1"] = "billing.list_receipts.v1"
    unit_id: UnitId | None = None
    unapplied_only: bool = False
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class ListMatches(Request):
    """The match queue: receipts without a unit, each with its proposals, by id, in pages."""

    type: Literal["billing.list_matches.v1"] = "billing.list_matches.v1"
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class ExplainReceipt(Request):
    """Each allocation of a receipt in words, with the fact it stands in."""

    type: Literal["billing.explain_receipt.v1"] = "billing.explain_receipt.v1"
    receipt_id: ShortId


class Part(NamedTuple):
    """How much of a payment one charge takes."""

    charge: Standing
    amount: Decimal
    fee: Decimal = ZERO


def age(charge: Standing) -> tuple[date, str, str]:
    """The order of debts: by due date, then month, then id."""
    return (charge.due_on, charge.month, charge.charge_id)


def oldest_first(available: Decimal, charges: Sequence[Standing]) -> list[Part]:
    """Pay debts by age, each in full before the next; the last may be paid in part, and what is left stays unapplied."""
    parts = []
    for charge in sorted(charges, key=age):
        amount = min(available, charge.open)
        if amount <= 0:
            if available <= 0:
                break
            continue
        parts.append(Part(charge, amount))
        available -= amount
    return parts


def in_proportion(available: Decimal, charges: Sequence[Standing]) -> list[Part]:
    """Split a payment over debts by what is open of each, conserved to the cent (C1, C2); never more than is open."""
    owed = sum((charge.open for charge in charges), ZERO)
    if owed <= 0:
        return []
    total = min(available, owed)
    shares = allocate(Money(amount=total), [charge.open for charge in charges])
    return [Part(charge, share.amount) for charge, share in zip(charges, shares, strict=True) if share.amount > 0]


def with_fee(parts: Sequence[Part], fee: Decimal) -> list[Part]:
    """Give each part its share of the channel's fee, by amount (C3: 1,000.00 with 50.00 is 760.00 + 40.00, 190.00 + 10.00)."""
    if not parts or fee <= 0:
        return list(parts)
    shares = allocate(Money(amount=fee), [part.amount for part in parts])
    return [part._replace(fee=share.amount) for part, share in zip(parts, shares, strict=True)]


def allocation_lines(parts: Sequence[Part], received_on: date) -> tuple[AllocationLine, ...]:
    """The lines of an allocation. What was received before a charge was made is an offset, counted on the day it was made."""
    lines = []
    for charge, amount, fee in parts:
        is_offset = charge.accrued_on > received_on
        lines.append(
            # Built from what was checked already: a month has hundreds of thousands of these.
            built(
                AllocationLine,
                {
                    "amount": amount,
                    "fee": fee,
                    "kind": "offset" if is_offset else "cash",
                    "counted_on": charge.accrued_on if is_offset else received_on,
                    "after": with_open(charge, charge.open - amount),
                },
            )
        )
    return tuple(lines)


def with_open(charge: Standing, amount: Decimal) -> Standing:
    """A charge of which this much is open."""
    return built(Standing, {**charge.__dict__, "open": amount})


def explain(fact: PaymentAllocated | PaymentReleased) -> list[str]:
    """An allocation in words, a sentence a line."""
    receipt, said = fact.receipt, []
    verb = "paid" if isinstance(fact, PaymentAllocated) else "no longer pays"
    for line in fact.lines:
        charge = line.after
        before = charge.open + line.amount if isinstance(fact, PaymentAllocated) else charge.open - line.amount
        fee = f", of which {line.fee} stayed with the channel" if line.fee else ""
        said.append(
            f"receipt {receipt.receipt_id} of {receipt.received_on} {verb} {line.amount} ({line.kind}{fee}) of charge "
            f"{charge.charge_id}, {charge.fee_class} {charge.month} due {charge.due_on}: {before} open before, "
            f"{charge.open} after"
        )
    how = {
        "oldest_first": "by the age of the debts",
        "proportional": "in proportion to what was open",
        "instructed": "as the payer instructed",
    }
    if isinstance(fact, PaymentAllocated):
        said.append(f"{fact.available} was available, {how[fact.mode]}; {receipt.unapplied} stays unapplied")
    else:
        said.append(f"because of {fact.reason}; {receipt.unapplied} is unapplied now")
    return said
