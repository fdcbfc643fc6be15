"""Money is exact, conserved when shared, and refuses everything that is not an amount (cases C1 to C3)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from bailiwick_contracts.money import Money, allocate, rounded
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


def cny(amount: str) -> Money:
    return Money(amount=amount)


def amounts(parts: list[Money]) -> list[str]:
    return [format(part.amount, ".2f") for part in parts]


def test_one_hundred_over_three_equal_debts_loses_no_cent() -> None:
    """Case C1."""
    assert amounts(allocate(cny("100.00"), [Decimal(500)] * 3)) == ["33.33", "33.34", "33.33"]


def test_two_hundred_over_three_equal_debts_loses_no_cent() -> None:
    """Case C2."""
    assert amounts(allocate(cny("200.00"), [Decimal(500)] * 3)) == ["66.67", "66.66", "66.67"]


def test_a_fee_is_shared_as_the_payment_is() -> None:
    """Case C3: 1,000.00 with a fee of 50.00 over 800.00 and 200.00 is 760.00 (+40.00) and 190.00 (+10.00)."""
    debts = [Decimal("800.00"), Decimal("200.00")]
    fees = allocate(cny("50.00"), debts)
    assert amounts(fees) == ["40.00", "10.00"]
    assert amounts([cny(str(debt)) - fee for debt, fee in zip(debts, fees, strict=True)]) == ["760.00", "190.00"]


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 0),
)
def test_shares_always_sum_to_what_was_shared(cents: int, weights: list[Decimal]) -> None:
    total = Money(amount=Decimal(cents).scaleb(-2))
    parts = allocate(total, weights)
    assert sum((part.amount for part in parts), Decimal(0)) == total.amount
    assert len(parts) == len(weights)
    whole = sum(map(Fraction, weights))
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(total.amount) * Fraction(weight) / whole
        assert abs(Fraction(part.amount) - exact) < Fraction(2, 100)


@pytest.mark.parametrize("weights", [[], [Decimal(0)], [Decimal(-1), Decimal(2)]])
def test_nothing_is_shared_by_weights_that_mean_nothing(weights: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(cny("1.00"), weights)


@pytest.mark.parametrize(
    ("amount", "part", "expected"),
    [("200.00", Fraction(1, 5), "40.00"), ("100.00", Fraction(1, 3), "33.33"), ("0.01", Fraction(1, 2), "0.01"),
     ("2.05", Fraction(1, 2), "1.03"), ("-2.05", Fraction(1, 2), "-1.03"), ("4350.00", Fraction(4, 87), "200.00")],
)  # fmt: skip
def test_a_share_is_rounded_half_up_at_the_cent(amount: str, part: Fraction, expected: str) -> None:
    assert cny(amount).share(part) == cny(expected)
    assert rounded(Decimal(amount), part) == Decimal(expected)


@pytest.mark.parametrize(
    "amount",
    ["1E+1000000", "1e2", "NaN", "Infinity", "-Infinity", "-0", "-0.00", "+1", "1.234", "01", ".5", "5.", "", " 7 ",
     "1,000.00", "１２", "9" * 16, "0x10", "1_000", "1\n", 7, 7.0, 0.30000000000000004, True, None, [], {"amount": "1"}],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_the_way_to_write_one(amount: object) -> None:
    with pytest.raises(ValidationError, match=r'(e\.g\.|such as) "120\.00"'):
        Money.model_validate({"amount": amount})


@pytest.mark.parametrize("body", ['{"amount": 120.00}', '{"amount": 1e2}', '{"amount": 120}', '{"amount": NaN}'])
def test_a_json_number_is_never_money(body: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate_json(body)


@pytest.mark.parametrize("currency", ["", "cny", "RMB ", "CN", "¥", "CNYX", "CNY\n"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount="1.00", currency=currency)


def test_money_keeps_its_two_decimals_on_the_wire() -> None:
    assert cny("120").model_dump_json() == '{"amount":"120.00","currency":"CNY"}'
    assert Money.model_validate_json(cny("120.5").model_dump_json()) == cny("120.50")


def test_two_currencies_neither_add_nor_compare() -> None:
    hkd = Money(amount="1.00", currency="HKD")
    for operation in (
        lambda: hkd + cny("1.00"),
        lambda: hkd - cny("1.00"),
        lambda: hkd < cny("1.00"),
        lambda: hkd <= cny("1.00"),
    ):
        with pytest.raises(ValueError, match="HKD and CNY"):
            operation()
    assert hkd <= Money(amount="1.00", currency="HKD")
    assert cny("0.99") < cny("1.00")
