"""What rates and the ledger are summed from, by day, in whole cents that are added up and never read to be written."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.collection import movements_of
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.ledger import booking_of

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


def fold_sums(event: Event[Any], _: bytes) -> Iterable[Change]:
    """What rates and the ledger are summed from, by day: whole cents, added up."""
    fact, place = event.data, event.property_id
    moved: dict[tuple[str, ...], int] = {}
    for one in movements_of(fact):
        of: tuple[str, ...] = (
            one.month,
            one.fee_class,
            one.payer_class,
            one.kind,
            one.counted_on.isoformat(),
            one.booked_on.isoformat(),
        )
        moved[of] = moved.get(of, 0) + one.cents
    names = ("month", "fee_class", "payer_class", "kind", "counted_on", "booked_on")
    for of, sum_ in moved.items():
        yield Add(COLLECTED, {"property_id": place, **dict(zip(names, of, strict=True))}, {"cents": sum_})
    booking = booking_of(fact)
    if booking is not None:
        booked_on = fact.booked_on.isoformat()
        for account, value in booking.postings:
            side = {"debit": max(0, cents(value)), "credit": max(0, -cents(value))}
            key_ = {"property_id": place, "currency": booking.currency, "account": account, "booked_on": booked_on}
            yield Add(LEDGER, key_, side)


SUMS = View("billing_sums", 1, "billing", (COLLECTED, LEDGER), fold_sums)
