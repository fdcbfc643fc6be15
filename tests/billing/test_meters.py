"""Meters: what was read, what it measured; rollover, replacement, estimates; a correction is a reversal."""

from datetime import date
from decimal import Decimal

import pytest
from bailiwick_contracts.billing import AdoptTariff
from bailiwick_contracts.envelope import Answer, RowAnswer
from bailiwick_contracts.meter import (
    ListReadings,
    Meter,
    ReadingRow,
    RecordReadings,
    RegisterMeters,
    ReverseReading,
    measure,
)

from tests.billing.office import ANN, NORTH, Accounts, flat, line, tariff

METER = {
    "meter_id": "w1",
    "unit_id": "1-101",
    "kind": "water",
    "digits": 4,
    "usage_limit": "500",
    "installed_on": "2026-01-01",
}


def reading(value: str, day: int, reading_id: str = "", month: int = 3, **more: str) -> ReadingRow:
    name = reading_id or f"r{month}-{day}-{value}".replace(".", "_")
    return ReadingRow.model_validate(
        {"reading_id": name, "meter_id": "w1", "read_on": date(2026, month, day), "value": value, **more}
    )


def record(accounts: Accounts, *rows: ReadingRow) -> list[RowAnswer]:
    return list(accounts.ask(RecordReadings(rows=rows)).rows)


@pytest.fixture
def metered(accounts: Accounts) -> Accounts:
    accounts.units(flat())
    water = line("water", fee_class="water", basis="per_meter", price="2.00", meter_kind="water")
    accounts.done(AdoptTariff(tariff=tariff("t2", line(), water), effective_on=date(2026, 3, 1)))
    accounts.done(RegisterMeters.model_validate({"meters": (METER,)}))
    return accounts


@pytest.mark.parametrize(
    ("last", "value", "kind", "taken", "quantity"),
    [("10", "15.5", "reading", "reading", "5.5"), ("10", "10", "reading", "reading", "0"), ("9990", "5", "reading", "rollover", "15"),
     ("9000", "5", "rollover", None, "implausible"), ("5000", "4000", "reading", None, "below_last"), ("10", "9", "estimate", None, "below_last"),
     ("10", "10000", "reading", None, "beyond_counter"), ("10", "600", "reading", None, "implausible"),
     ("10", "12", "estimate", "estimate", "2"), ("10", "12", "replacement", "replacement", "2"), ("9990", "9", "replacement", None, "below_last")],
)  # fmt: skip
def test_a_meter_measures_the_difference_or_says_why_not(
    last: str, value: str, kind: str, taken: str | None, quantity: str
) -> None:
    meter = Meter.model_validate(METER)
    found = measure(meter, Decimal(last), Decimal(value), kind)  # type: ignore[arg-type]
    if taken is None:
        assert found.reason == quantity
    else:
        assert (found.kind, found.quantity, found.reason) == (taken, Decimal(quantity), None)


def test_without_a_usage_limit_a_rollover_must_be_said() -> None:
    meter = Meter.model_validate({**METER, "usage_limit": None})
    assert measure(meter, Decimal(9990), Decimal(5), "reading").reason == "below_last"
    assert measure(meter, Decimal(9990), Decimal(5), "rollover").quantity == Decimal(15)


def test_a_month_is_charged_by_what_was_measured_in_it(metered: Accounts) -> None:
    assert [one.outcome for one in record(metered, reading("20", 1), reading("30.5", 31))] == ["done", "done"]
    metered.run()
    water = metered.last("charges_accrued").data.lines[1]
    assert (water.charge.amount, water.quantity, len(water.readings)) == (Decimal("61.00"), Decimal("30.5"), 2)


def test_every_bad_row_is_named_and_the_rest_is_taken(metered: Accounts) -> None:
    rows = [reading("20", 1), reading("20", 1, "again"), reading("21", 1, "same-day"), reading("30", 3), reading("25", 4),
            reading("26", 2, "earlier"), reading("99999", 5), reading("900", 6), reading("31", 7, kind="replacement"),
            ReadingRow.model_validate({"reading_id": "x", "meter_id": "none", "read_on": date(2026, 3, 9), "value": "1"})]  # fmt: skip
    answers = record(metered, *rows)
    assert [(one.outcome, one.reason) for one in answers] == [
        ("done", None), ("ignored", None), ("rejected", "day_already_read"), ("done", None), ("rejected", "below_last"),
        ("rejected", "before_last"), ("rejected", "beyond_counter"), ("rejected", "implausible"), ("rejected", "start_missing"),
        ("rejected", "unknown_meter"),
    ]  # fmt: skip


def test_a_replaced_meter_goes_on_from_what_the_new_one_shows(metered: Accounts) -> None:
    record(metered, reading("120", 5, kind="replacement", start="3"), reading("10", 20))
    quantities = [(one["kind"], one["quantity"]) for one in metered.read(ListReadings())["readings"]]
    assert quantities == [("reading", "7"), ("replacement", "120")]


def test_a_wrong_reading_is_reversed_and_its_charge_rated_anew(metered: Accounts) -> None:
    record(metered, reading("50", 10, "wrong"))
    metered.run()
    back = ReverseReading(meter_id="w1", reading_id="wrong", grounds="misread")
    assert metered.ask(back, by=ANN).outcome == "refused"
    assert [metered.ask(back).outcome for _ in range(2)] == ["done", "ignored"]
    assert record(metered, reading("50", 10, "wrong"))[0].reason == "reading_was_reversed"
    assert record(metered, reading("40", 10, "right"))[0].outcome == "done"
    assert (metered.run().result or {})["differing"] == 1
    metered.run(rerate=True)
    assert metered.open()[f"{NORTH}-1-101-202603-water-r1"] == Decimal("80.00")


def test_only_the_latest_reading_is_taken_back(metered: Accounts) -> None:
    record(metered, reading("10", 1, "a"), reading("20", 2, "b"))
    answer = metered.ask(ReverseReading(meter_id="w1", reading_id="a", grounds="misread"))
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "not_the_latest")


def test_a_meter_is_registered_once_and_for_a_known_unit(metered: Accounts) -> None:
    def ask(**more: object) -> Answer:
        return metered.ask(RegisterMeters.model_validate({"meters": ({**METER, **more},)}))

    assert ask().rows[0].outcome == "ignored"
    assert ask(meter_id="w2", unit_id="9-999").rows[0].reason == "unknown_unit"
    assert metered.ask(RegisterMeters.model_validate({"meters": (METER,)}), by=ANN).outcome == "refused"
