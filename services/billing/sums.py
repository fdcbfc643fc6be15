"""What rates and the ledger are summed from, by day, in whole cents that are added up and never read to be written."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.collection import movements_of
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.ledger import booking_of
from bailiwick_contracts.receipt import ReceiptBounced, ReceiptPosted, ReceiptRefunded

from services.kernel.service import Add, Change, View

METADATA = sa.MetaData()


def text(*names: str) -> list[sa.Column[Any]]:
    """Columns of text."""
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def key(*names: str) -> list[sa.Column[Any]]:
    """Columns of a primary key."""
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def whole_cents(*names: str) -> list[sa.Column[Any]]:
    """Columns of amounts, in whole cents."""
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


COLLECTED = sa.Table(
    "billing_collected",
    METADATA,
    *key("property_id", "month", "fee_class", "payer_class", "kind", "counted_on", "booked_on"),
    *whole_cents("cents"),
)
LEDGER = sa.Table(
    "billing_ledger", METADATA, *key("property_id", "currency", "account", "booked_on"), *whole_cents("debit", "credit")
)


def cents(amount: Decimal) -> int:
    """An amount as whole cents, as views keep it."""
    return int(amount.scaleb(2))


def amount(value: int) -> Decimal:
    """Cents as an amount."""
    return Decimal(value).scaleb(-2)


_OF_RECEIPTS = (ReceiptPosted, ReceiptRefunded, ReceiptBounced)


def fold_sums(event: Event[Any], _: bytes) -> Iterable[Change]:
    """What rates and the ledger are summed from, by day: whole cents, added up.

    Receivables, revenue, waivers and what receipts paid of them are the movements of charges; the ledger's own table holds
    only what receipts book beside them.
    """
    fact, place = event.data, event.property_id
    for one in movements_of(fact):
        key_ = _movement_key(place, one.month, one.fee_class, one.payer_class, one.kind, one.counted_on, one.booked_on)
        yield Add(COLLECTED, key_, {"cents": one.cents})
    if isinstance(fact, _OF_RECEIPTS):
        booking = booking_of(fact)
        for account, value in booking.postings if booking is not None else ():
            side = {"debit": max(0, cents(value)), "credit": max(0, -cents(value))}
            yield Add(LEDGER, _ledger_key(place, fact.receipt.currency, account, fact.booked_on), side)


@lru_cache(maxsize=8_192)
def _movement_key(
    place: str, month: str, fee_class: str, payer_class: str, kind: str, counted_on: date, booked_on: date
) -> dict[str, str]:
    return {
        "property_id": place,
        "month": month,
        "fee_class": fee_class,
        "payer_class": payer_class,
        "kind": kind,
        "counted_on": counted_on.isoformat(),
        "booked_on": booked_on.isoformat(),
    }


@lru_cache(maxsize=1_024)
def _ledger_key(place: str, currency: str, account: str, booked_on: date) -> dict[str, str]:
    return {"property_id": place, "currency": currency, "account": account, "booked_on": booked_on.isoformat()}


SUMS = View("billing_sums", 1, "billing", (COLLECTED, LEDGER), fold_sums)
