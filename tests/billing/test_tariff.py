"""The arithmetic of tariffs: areas, steps, days, versions (C14)."""

from datetime import date
from decimal import Decimal

import pytest
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.tariff import (
    Dated,
    LateFee,
    Tariff,
    TariffLine,
    Usage,
    late_fee,
    next_month,
    price_month,
    price_steps,
)
from pydantic import ValidationError

from tests.billing.office import flat, line, spell, tariff


def dated(*lines: dict[str, object], since: date = date(2010, 1, 1), version: str = "t1") -> Dated:
    return Dated(tariff=tariff(version, *lines), effective_on=since, fact_id="f1")


def test_thirteen_days_of_february_cost_thirteen_twenty_eighths_of_the_month() -> None:
    """C14: moved in on 2011-02-01, out on 2011-02-14, which is excluded."""
    unit = flat(spells=(spell("owner", date(2011, 2, 1), date(2011, 2, 14)),))
    (found,) = price_month(unit, "2011-02", [dated(line(basis="per_unit", price="280.00"))])
    assert (found.amount, found.arithmetic) == (Decimal("130.00"), "1 unit × 280.00 × 13/28 = 130.00")
    assert (found.first_on, found.until_on) == (date(2011, 2, 1), date(2011, 2, 14))


@pytest.mark.parametrize(
    ("month", "first", "until", "amount"),
    [("2024-02", date(2024, 2, 29), None, "10.00"), ("2026-03", date(2026, 3, 31), None, "9.35"),
     ("2026-03", date(2026, 2, 1), date(2026, 3, 1), None), ("2026-12", date(2026, 12, 1), date(2027, 1, 1), "290.00")],
)  # fmt: skip
def test_days_are_counted_in_every_month(month: str, first: date, until: date | None, amount: str | None) -> None:
    unit = flat(spells=(spell("owner", first, until),))
    found = [one.amount for one in price_month(unit, month, [dated(line(basis="per_unit", price="290.00"))])]
    assert found == ([] if amount is None else [Decimal(amount)])


def test_a_unit_that_nobody_holds_owes_nothing() -> None:
    assert price_month(flat(spells=()), "2026-03", [dated()]) == ()


def test_a_fixed_fee_is_not_cut_by_days_unless_the_tariff_says_so() -> None:
    unit = flat(since=date(2026, 3, 20))
    (found,) = price_month(unit, "2026-03", [dated(line(basis="fixed", price="30.00", prorated=False))])
    assert found.amount == Decimal("30.00")


def test_a_tariff_that_changes_inside_a_month_prices_each_days_own_version() -> None:
    both = [dated(line(price="3.10")), dated(line(price="6.20"), since=date(2026, 3, 16), version="t2")]
    found = price_month(flat(), "2026-03", both)
    assert [(one.tariff_version, one.amount, one.part) for one in found] == [
        ("t1", Decimal("150.00"), 0), ("t2", Decimal("320.00"), 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "said"),
    [(date(2026, 1, 1), ["300.00 × 15/31 = 145.16", "320.00 × 16/31 = 165.16"]), (date(2026, 3, 16), ["320.00 = 320.00"]),
     (date(2026, 3, 6), ["300.00 × 10/26 = 115.38", "320.00 × 16/26 = 196.92"])],
)  # fmt: skip
def test_a_fee_that_is_not_prorated_is_owed_once_though_the_tariff_changes_inside_the_month(
    since: date, said: list[str]
) -> None:
    """300.00 up to the 15th of March and 320.00 after, for a unit held from some day of it: never 620.00."""
    park = line("park", fee_class="parking", basis="fixed", price="300.00", prorated=False)
    both = [dated(park), dated(park | {"price": "320.00"}, since=date(2026, 3, 16), version="t2")]
    found = price_month(flat(since=since), "2026-03", both)
    assert [one.arithmetic for one in found] == [f"1 fixed × {one}" for one in said]


def test_bays_and_kinds_decide_which_lines_a_unit_pays() -> None:
    lines = (
        line("parking", fee_class="parking", basis="per_bay", price="80.00"),
        line("rent", fee_class="rent", basis="per_unit", price="900.00", unit_kinds=["shop"]),
    )
    assert [one.line_id for one in price_month(flat(bays=2), "2026-03", [dated(*lines)])] == ["parking"]
    shop = price_month(flat(bays=2, kind="shop"), "2026-03", [dated(*lines)])
    assert [(one.line_id, one.amount) for one in shop] == [("parking", Decimal("160.00")), ("rent", Decimal("900.00"))]


WATER = TariffLine.model_validate(
    line("water", fee_class="water", basis="per_meter", price=None, meter_kind="water",
         steps=[{"up_to": "10", "price": "2.00"}, {"up_to": "20", "price": "3.005"}, {"price": "4.00"}])
)  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("0", "0.00"),
        ("9.99", "19.98"),
        ("10", "20.00"),
        ("10.01", "20.03"),
        ("20", "50.05"),
        ("20.001", "50.05"),
        ("25", "70.05"),
    ],
)
def test_each_step_prices_its_own_part_and_the_bound_belongs_to_the_step_below(quantity: str, amount: str) -> None:
    assert price_steps(Decimal(quantity), WATER)[0] == Decimal(amount)


def test_readings_are_charged_in_the_month_they_were_taken_to_whoever_held_the_unit() -> None:
    unit = flat(spells=(spell("developer", date(2020, 1, 1), date(2026, 3, 10)), spell("owner", date(2026, 3, 10))))
    known = {"meter_id": "w", "meter_kind": "water", "unit_id": "1-101", "quantity": Decimal(4)}
    days = {"r9": date(2026, 3, 9), "r10": date(2026, 3, 10), "april": date(2026, 4, 1)}
    read = [Usage.model_validate({**known, "reading_id": name, "read_on": on}) for name, on in days.items()]
    metered = Dated(tariff=Tariff(version="t", lines=(WATER,)), effective_on=date(2020, 1, 1), fact_id="f")
    found = price_month(unit, "2026-03", [metered], read)
    assert [(one.payer_class, one.amount, one.readings) for one in found] == [
        ("developer", Decimal("8.00"), ("r9",)), ("owner", Decimal("8.00"), ("r10",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"price": None}, {"steps": [{"price": "1"}]}, {"meter_kind": "water"}, {"basis": "per_meter"}, {"price": "1e3"},
     {"price": "-1"}, {"price": 2.5}],
)  # fmt: skip
def test_a_line_that_says_two_things_or_none_is_no_line(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TariffLine.model_validate(
            {"line_id": "x", "fee_class": "other", "basis": "per_unit", "price": "1.00"} | changes
        )


@pytest.mark.parametrize(
    ("until", "charged", "amount"),
    [(date(2026, 3, 15), "0", "0.00"), (date(2026, 3, 16), "0", "0.00"), (date(2026, 3, 17), "0", "0.50"), (date(2026, 4, 16), "0", "15.50"),
     (date(2027, 4, 16), "0", "100.00"), (date(2026, 3, 27), "98.00", "2.00"), (date(2026, 3, 27), "100.00", "0.00")],
)  # fmt: skip
def test_a_late_fee_begins_after_the_grace_and_ends_at_the_cap(until: date, charged: str, amount: str) -> None:
    rule = LateFee(
        rate_per_day=Ratio(numerator=1, denominator=2000), grace_days=5, cap=Ratio(numerator=1, denominator=10)
    )
    found, _, _ = late_fee(
        rule, principal=Decimal("1000.00"), open_amount=Decimal("1000.00"), due_on=date(2026, 3, 10),
        charged=Decimal(charged), charged_until=None, until=until,
    )  # fmt: skip
    assert found == Decimal(amount)


def test_months_follow_over_the_year() -> None:
    assert (next_month("2026-12"), next_month("2026-01", -1), next_month("2026-01", 25)) == (
        "2027-01",
        "2025-12",
        "2028-02",
    )
