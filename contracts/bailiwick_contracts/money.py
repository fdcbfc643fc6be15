"""Money: a decimal amount with its ISO 4217 currency, exact, conserved when shared, never a float."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema

from bailiwick_contracts.message import Record, built

AMOUNT_PATTERN = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?$"
_amount = re.compile(AMOUNT_PATTERN)
CENT = Decimal("0.01")
_NOTHING, _LEAST, _MOST = Decimal("0.00"), Decimal(-(10**15)), Decimal(10**15)


def _read_amount(value: Any) -> Decimal:
    if type(value) is str:
        return _read_text(value)
    if isinstance(value, Decimal):
        value = format(value.copy_abs() if value.is_zero() else value, "f")
    if not isinstance(value, str):
        raise ValueError(f'an amount is a JSON string such as "120.00", never {type(value).__name__}: quote it')  # noqa: TRY004
    return _read_text(value)


@lru_cache(maxsize=16384)  # most amounts of a history were in it before: a charge, what is open of it, what it was paid
def _read_text(value: str) -> Decimal:
    if not _amount.fullmatch(value) or (value.startswith("-") and Decimal(value) == 0):
        raise ValueError('an amount has at most 15 digits and 2 decimals, no exponent, no sign on zero, e.g. "120.00"')
    return Decimal(value).quantize(CENT)


_read_amount.of_text = _read_text  # type: ignore[attr-defined] # what reads an amount that is written as one (`plain`)
_as_text = WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN})
Amount = Annotated[
    Decimal,
    PlainValidator(_read_amount),
    PlainSerializer(lambda amount: format(amount, ".2f"), return_type=str),
    _as_text,
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Money(Record):
    """An amount in a currency. Arithmetic across currencies raises ValueError."""

    # Read or reckoned, it has its two decimals, and is written as it is: of all fields this is written most.
    amount: Annotated[
        Decimal, PlainValidator(_read_amount), PlainSerializer(Decimal.__str__, return_type=str), _as_text
    ]
    currency: Currency = "CNY"

    def same(self, other: "Money") -> None:
        """Raise ValueError where the currencies differ."""
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add; convert one first")

    def __add__(self, other: "Money") -> "Money":
        self.same(other)
        return self.with_amount(self.amount + other.amount)

    def __sub__(self, other: "Money") -> "Money":
        self.same(other)
        return self.with_amount(self.amount - other.amount)

    def __lt__(self, other: "Money") -> bool:
        self.same(other)
        return self.amount < other.amount

    def __le__(self, other: "Money") -> bool:
        self.same(other)
        return self.amount <= other.amount

    def share(self, part: Fraction) -> "Money":
        """`part` of this money, rounded half up to the cent."""
        return reckoned(rounded(self.amount, part), self.currency)

    def with_amount(self, amount: Decimal) -> "Money":
        """An amount reckoned to the cent from this one, in its currency; one too large for an amount is refused as when read."""
        return reckoned(amount, self.currency)


def reckoned(amount: Decimal, currency: str) -> Money:
    """An amount that was reckoned to the cent; one too large is refused as when read. Raises ValueError."""
    if not _LEAST < amount < _MOST:
        return Money(amount=amount, currency=currency)
    return built(Money, {"amount": amount or _NOTHING, "currency": currency})


def rounded(amount: Decimal, part: Fraction) -> Decimal:
    """`amount` times an exact fraction, ROUND_HALF_UP at 0.01."""
    return parted(amount, part.numerator, part.denominator)


def parted(amount: Decimal, numerator: int, denominator: int) -> Decimal:
    """The same of a fraction that was not made one; `denominator` is positive."""
    return (amount * numerator / denominator).quantize(CENT, ROUND_HALF_UP)


def allocate(total: Money, weights: Sequence[Decimal]) -> list[Money]:
    """Split `total` by `weights` so that the parts sum to it to the cent.

    Each part is the rounded running total less what was given before, so a remainder lands where the exact running
    total crosses half a cent (cases C1–C3: 100.00 over three equal debts is 33.33 / 33.34 / 33.33).

    Raises:
        ValueError: no weight, a negative weight, or weights that sum to zero.
    """
    if not weights or any(weight < 0 for weight in weights) or sum(weights) == 0:
        raise ValueError("allocate needs weights that are not negative and do not sum to zero")
    whole = sum(map(Fraction, weights))
    parts: list[Money] = []
    given, reached = Decimal(0), Fraction(0)
    for weight in weights:
        reached += Fraction(weight)
        until = rounded(total.amount, reached / whole)
        parts.append(Money(amount=until - given, currency=total.currency))
        given = until
    return parts
