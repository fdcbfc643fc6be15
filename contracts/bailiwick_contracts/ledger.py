"""The ledger: what each fact of billing books, as debits and credits that sum to zero per currency."""

from decimal import Decimal
from typing import Any, NamedTuple

from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed
from bailiwick_contracts.receipt import (
    PaymentAllocated,
    PaymentReleased,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptRefunded,
)
from bailiwick_contracts.waiver import WaiverGranted

UNAPPLIED = "unapplied"
"""A liability: money received that pays no charge yet, prepayments (預存) and what is not matched."""


class Posting(NamedTuple):
    """One side of a booking; a credit is negative."""

    account: str
    amount: Decimal


class Booking(NamedTuple):
    """Everything a fact books, on its day. The postings sum to zero."""

    currency: str
    postings: tuple[Posting, ...]


def booking_of(fact: Any) -> Booking | None:
    """What a fact books; None for one that moves no money.

    Accounts: `receivable:<fee class>`, `revenue:<fee class>`, `waived:<fee class>`, `bank:<method>`, `channel_fee`, `unapplied`.
    """
    match fact:
        case ChargesAccrued():
            charged = [(line.charge.fee_class, line.charge.amount) for line in fact.lines]
            return _booking(fact.currency, [("receivable", "revenue", fee, amount) for fee, amount in charged])
        case ChargesReversed():
            taken = [(line.after.fee_class, line.amount) for line in fact.lines]
            return _booking(fact.currency, [("revenue", "receivable", fee, amount) for fee, amount in taken])
        case WaiverGranted():
            waived = [(line.after.fee_class, line.amount) for line in fact.lines]
            return _booking(fact.currency, [("waived", "receivable", fee, amount) for fee, amount in waived])
        case ReceiptPosted():
            receipt = fact.receipt
            kept = Posting("channel_fee", receipt.fee)
            bank = Posting(f"bank:{receipt.method}", receipt.amount - receipt.fee)
            return Booking(receipt.currency, _summed([bank, kept, Posting(UNAPPLIED, -receipt.amount)]))
        case ReceiptRefunded():
            receipt = fact.receipt
            return Booking(
                receipt.currency,
                (Posting(UNAPPLIED, fact.amount), Posting(f"bank:{receipt.method}", -fact.amount)),
            )
        case ReceiptBounced():
            receipt = fact.receipt
            gone = receipt.amount - receipt.refunded
            bank = Posting(f"bank:{receipt.method}", -(gone - receipt.fee))
            return Booking(
                receipt.currency, _summed([Posting(UNAPPLIED, gone), bank, Posting("channel_fee", -receipt.fee)])
            )
        case PaymentAllocated() | PaymentReleased():
            sign = 1 if isinstance(fact, PaymentAllocated) else -1
            postings = []
            for line in fact.lines:
                postings.append(Posting(UNAPPLIED, sign * line.amount))
                postings.append(Posting(f"receivable:{line.after.fee_class}", -sign * line.amount))
            return Booking(fact.receipt.currency, _summed(postings))
        case _:
            return None


SIDES: dict[str, tuple[str, str]] = {
    "charged": ("receivable", "revenue"),
    "reversed": ("revenue", "receivable"),
    "waived": ("waived", "receivable"),
    "cash": (UNAPPLIED, "receivable"),
    "offset": (UNAPPLIED, "receivable"),
}
"""For each kind of movement of a charge, the account that is debited and the one that is credited."""


def account_of(name: str, fee_class: str) -> str:
    """An account of a fee class; what is unapplied is of none."""
    return name if name == UNAPPLIED else f"{name}:{fee_class}"


def _booking(currency: str, moves: list[tuple[str, str, str, Decimal]]) -> Booking:
    postings = []
    for debit, credit, fee_class, amount in moves:
        postings += [Posting(f"{debit}:{fee_class}", amount), Posting(f"{credit}:{fee_class}", -amount)]
    return Booking(currency, _summed(postings))


def _summed(postings: list[Posting]) -> tuple[Posting, ...]:
    sums: dict[str, Decimal] = {}
    for posting in postings:
        sums[posting.account] = sums.get(posting.account, Decimal(0)) + posting.amount
    return tuple(Posting(account, amount) for account, amount in sums.items() if amount)
