"""The charge run of a month: every unit once, whatever stops it, with version, quantity and arithmetic (D8)."""

import json
from datetime import date
from decimal import Decimal

import pytest
from bailiwick_contracts.billing import AdoptTariff
from bailiwick_contracts.charge import (
    ChargeUnits,
    FinishChargeRun,
    GetChargeRun,
    ListCharges,
    PreviewCharges,
    ReverseCharges,
    StartChargeRun,
)
from bailiwick_contracts.meter import RecordReadings, RegisterMeters
from bailiwick_contracts.receipt import AllocateReceipt

from tests.billing.office import ANN, NORTH, Accounts, flat, line, local, tariff


def test_a_unit_is_charged_its_area_and_the_charge_names_version_quantity_and_arithmetic(accounts: Accounts) -> None:
    accounts.units(flat(area="88.50"))
    answer = accounts.run()
    assert answer.result == {"units": 1, "charges": 1, "total": "221.25", "differing": 0, "offset": "0.00", "passed": 0}
    (made,) = accounts.last("charges_accrued").data.lines
    assert (made.tariff_version, made.quantity, made.arithmetic) == ("t1", Decimal("88.50"), "88.50 m² × 2.50 = 221.25")
    assert made.charge.charge_id == f"{NORTH}-1-101-202603-mgmt"
    (row,) = accounts.read(ListCharges(month="2026-03"))["charges"]
    assert (row["amount"], row["open"], row["arithmetic"]) == ("221.25", "221.25", "88.50 m² × 2.50 = 221.25")


def test_a_run_started_again_makes_no_double_and_misses_nobody(accounts: Accounts) -> None:
    accounts.units(flat("1-101"), flat("1-102"), flat("1-103"))
    accounts.ask(StartChargeRun(month="2026-03"))
    accounts.ask(ChargeUnits(month="2026-03", unit_ids=("1-101", "1-102")))
    answer = accounts.run(unit_ids=("1-101", "1-102", "1-103"))
    assert (answer.result or {})["units"] == 1
    assert accounts.read(GetChargeRun(month="2026-03")) == {
        "month": "2026-03", "status": "finished", "units": 3, "charges": 3, "total": "750.00",
        "by_fee_class": {"management": "750.00"}, "passed": [], "passed_count": 0, "missing": 0,
    }  # fmt: skip
    assert accounts.run(unit_ids=("1-101", "1-102", "1-103")).outcome == "ignored"


def test_a_run_is_finished_only_when_every_unit_was_charged_or_passed_over_for_a_reason(accounts: Accounts) -> None:
    accounts.units(*(flat(f"1-{number}") for number in range(101, 126)))
    assert accounts.run().outcome == "done"
    refused = accounts.last("billing_refused").data
    assert (refused.reason, refused.asked_for, refused.subject) == (
        "units_not_charged", "billing.finish_charge_run.v1", "2026-03",
    )  # fmt: skip
    assert (refused.count, refused.first[:2], len(refused.first)) == (24, ("1-102", "1-103"), 20)
    assert accounts.read(GetChargeRun(month="2026-03"))["missing"] == 24
    assert accounts.facts("charge_run_finished") == []
    accounts.run(unit_ids=[f"1-{number}" for number in range(101, 126)])
    assert accounts.last("charge_run_finished").data.units == 25
    accounts.units(flat("1-126"))
    assert accounts.ask(FinishChargeRun(month="2026-03")).outcome == "refused"


def test_a_unit_that_nobody_holds_or_whose_meter_was_not_read_is_passed_over_with_the_reason(bare: Accounts) -> None:
    water = line("water", fee_class="water", basis="per_meter", price="3.00", meter_kind="water")
    accounts = bare.set_up(tariffs=((tariff("t1", line(unit_kinds=("flat",)), water), date(2020, 1, 1)),))
    accounts.units(flat("1-101"), flat("1-102", spells=()), flat("1-103", kind="store"), flat("1-104"))
    meters = [{"meter_id": f"w-{unit}", "unit_id": unit, "kind": kind, "installed_on": "2026-01-01"}
              for unit, kind in (("1-101", "water"), ("1-102", "water"), ("1-104", "gas"))]  # fmt: skip
    accounts.done(RegisterMeters.model_validate_json(json.dumps({"meters": meters})))
    units = ("1-101", "1-102", "1-103", "1-104")
    assert (accounts.run(unit_ids=units).result or {})["passed"] == 3
    passed = [(one.unit_id, one.reason, one.meter_ids) for one in accounts.last("units_passed").data.units]
    assert passed == [
        ("1-101", "no_reading", ("w-1-101",)), ("1-102", "no_payer", None), ("1-103", "nothing_due", None),
    ]  # fmt: skip
    assert accounts.last("charge_run_finished").data.units == 2
    assert accounts.run(unit_ids=units).outcome == "ignored"
    reading = {"reading_id": "r1", "meter_id": "w-1-101", "read_on": "2026-03-01", "value": "10"}
    accounts.done(RecordReadings.model_validate_json(json.dumps({"rows": [reading]})))
    assert (accounts.run(unit_ids=units).result or {})["passed"] == 2
    assert accounts.last("units_passed").data.charged == ("1-101",)
    assert [one["unit_id"] for one in accounts.read(GetChargeRun(month="2026-03"))["passed"]] == ["1-102", "1-103"]


def test_a_run_that_nobody_started_is_refused_and_recorded(accounts: Accounts) -> None:
    accounts.units(flat())
    assert accounts.ask(ChargeUnits(month="2026-03", unit_ids=("1-101",))).outcome == "refused"
    assert accounts.last("billing_refused").data.reason == "run_not_started"


def test_a_run_without_the_authority_is_refused_with_its_ruling(accounts: Accounts) -> None:
    assert accounts.ask(StartChargeRun(month="2026-03"), by=ANN).outcome == "refused"
    refused = accounts.last("billing_refused").data
    assert (refused.reason, refused.ruling.row_id, refused.asked_for) == (
        "not_the_holder", "B2", "billing.start_charge_run.v1",
    )  # fmt: skip


def test_a_run_before_any_tariff_is_refused(bare: Accounts) -> None:
    accounts = bare.set_up(tariffs=())
    assert accounts.ask(StartChargeRun(month="2026-03")).outcome == "refused"
    assert accounts.last("billing_refused").data.reason == "no_tariff"


def test_an_unknown_unit_is_rejected_and_nobody_is_charged(accounts: Accounts) -> None:
    accounts.units(flat())
    answer = accounts.run(unit_ids=("1-101", "9-999"))
    assert (answer.outcome, (answer.error or {})["value"]) == ("rejected", "9-999")
    assert accounts.facts("charges_accrued") == []


def test_a_dry_run_shows_what_would_change_and_records_nothing(accounts: Accounts) -> None:
    accounts.units(flat("1-101"), flat("1-102"))
    accounts.run(unit_ids=("1-101",))
    before = len(accounts.facts())
    shown = accounts.read(PreviewCharges(month="2026-03", unit_ids=("1-101", "1-102")))
    assert (shown["charges"], shown["total"]) == (1, "250.00")
    assert [one["unit_id"] for one in shown["units"]] == ["1-102"]
    accounts.units(flat("1-101", "120"))
    (changed, _) = accounts.read(PreviewCharges(month="2026-03", unit_ids=("1-101", "1-102")))["units"]
    assert changed["differing"] == [{"charge_id": f"{NORTH}-1-101-202603-mgmt", "was": "250.00", "would_be": "300.00"}]
    assert len(accounts.facts()) == before + 1


def test_a_charge_that_comes_out_otherwise_stays_until_it_is_rated_anew_by_reversal(accounts: Accounts) -> None:
    accounts.units(flat())
    accounts.run()
    accounts.receive("r1", "250.00")
    accounts.units(flat(area="120"))
    assert (accounts.run().result or {})["differing"] == 1
    answer = accounts.run(rerate=True)
    assert answer.result == {
        "units": 1,
        "charges": 1,
        "total": "300.00",
        "differing": 1,
        "offset": "250.00",
        "passed": 0,
    }
    assert accounts.open() == {f"{NORTH}-1-101-202603-mgmt-r1": Decimal("50.00")}
    kinds = [event.type.split(".")[1] for event in accounts.facts()][-5:]
    assert kinds == [
        "payment_released",
        "charges_reversed",
        "charges_accrued",
        "payment_allocated",
        "charge_run_finished",
    ]
    assert accounts.run(rerate=True).outcome == "ignored"


def test_a_reversed_charge_is_not_charged_again_unless_it_is_rated_anew(accounts: Accounts) -> None:
    accounts.units(flat())
    accounts.run()
    charge = f"{NORTH}-1-101-202603-mgmt"
    request = ReverseCharges(unit_id="1-101", month="2026-03", charge_ids=(charge,), grounds="wrong_area")
    assert accounts.ask(request).outcome == "done"
    assert accounts.ask(request).outcome == "ignored"
    assert accounts.open() == {}
    assert accounts.run().outcome == "ignored"
    assert accounts.run(rerate=True).outcome == "done"
    assert list(accounts.open()) == [f"{charge}-r1"]


def test_only_a_charge_of_that_unit_and_month_can_be_reversed(accounts: Accounts) -> None:
    accounts.units(flat())
    accounts.run()
    request = ReverseCharges(unit_id="1-101", month="2026-04", charge_ids=("nothing",), grounds="wrong_area")
    answer = accounts.ask(request)
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "no_such_charge")
    assert accounts.ask(request, by=ANN).outcome == "refused"


def charging_lateness(bare: Accounts, *, grace_days: int = 0, at_most: int = 1) -> Accounts:
    """A unit that owes 250.00 a month, and 1/1000 of it a day late, up to one part in `at_most` of it."""
    late = {"rate_per_day": {"numerator": 1, "denominator": 1000}, "grace_days": grace_days,
            "cap": {"numerator": 1, "denominator": at_most}}  # fmt: skip
    accounts = bare.set_up(tariffs=((tariff("t1", line(), late_fee=late), date(2020, 1, 1)),))
    accounts.units(flat())
    return accounts


def test_a_late_fee_goes_with_the_charge_it_was_for_and_no_day_costs_twice(bare: Accounts) -> None:
    """100 m² were 90: the fee for 18 days of 250.00 goes, the 3.00 paid on it pay of 225.00, and 222.00 were late."""
    accounts = charging_lateness(bare)
    accounts.run("2026-02")
    accounts.run("2026-03")
    fee = f"{NORTH}-1-101-202603-late-202602-mgmt"
    accounts.receive("r1", "3.00", allocate=False)
    instructed = {"receipt_id": "r1", "instructions": ({"charge_id": fee, "amount": "3.00"},)}
    accounts.done(AllocateReceipt.model_validate(instructed))
    accounts.units(flat(area="90"))
    accounts.run("2026-02", rerate=True)
    assert fee not in accounts.open()
    assert accounts.totals()["unapplied"] == Decimal("0.00")
    accounts.run("2026-03", rerate=True)
    fees = [
        one["amount"] for one in accounts.read(ListCharges(month="2026-03"))["charges"] if one["line_id"] == "late_fee"
    ]
    assert (fees, accounts.last_finished()) == (["4.50", "4.00"], Decimal("229.00"))


def test_a_run_made_ahead_of_its_month_charges_no_lateness_of_days_to_come(bare: Accounts) -> None:
    """April is charged on the 20th of March and March paid that day: late since the 11th, so for 9 days and not for 21."""
    accounts = charging_lateness(bare)
    accounts.run("2026-03")
    accounts.now = local(date(2026, 3, 20))
    accounts.run("2026-04")
    fee = accounts.last("charges_accrued").data.lines[-1]
    assert (fee.arithmetic, fee.charge.due_on) == ("250.00 × 1/1000 × 9 days = 2.25", date(2026, 4, 1))
    accounts.receive("r1", "250.00")
    accounts.now = local(date(2026, 5, 1))
    accounts.run("2026-05")
    assert not [one for one in accounts.last("charges_accrued").data.lines if "202603" in one.charge.charge_id]


def test_a_late_payment_costs_by_the_day_after_the_grace_and_never_beyond_the_cap(bare: Accounts) -> None:
    accounts = charging_lateness(bare, grace_days=5, at_most=20)
    accounts.run("2026-03")
    accounts.now = local(date(2026, 4, 1))
    accounts.run("2026-04")
    first = accounts.last("charges_accrued").data.lines[-1]
    assert (first.charge.fee_class, first.charge.amount) == ("late_fee", Decimal("4.00"))
    assert first.arithmetic == "250.00 × 1/1000 × 16 days = 4.00"
    accounts.now = local(date(2026, 5, 1))
    accounts.run("2026-05")
    fees = [one.charge.amount for one in accounts.last("charges_accrued").data.lines if one.line_id == "late_fee"]
    assert sorted(fees) == [Decimal("3.75"), Decimal("7.50")]
    accounts.now = local(date(2026, 6, 1))
    accounts.run("2026-06")
    march = [one for one in accounts.last("charges_accrued").data.lines if "202603" in one.charge.charge_id]
    assert [(one.charge.amount, one.arithmetic) for one in march] == [
        (Decimal("1.00"), "250.00 × 1/1000 × 31 days = 7.75, capped at 1.00")
    ]
    assert accounts.run("2026-06").outcome == "ignored"


def test_who_asks_last_for_a_finished_run_finds_it_finished(accounts: Accounts) -> None:
    accounts.units(flat())
    accounts.run()
    assert accounts.ask(FinishChargeRun(month="2026-03")).outcome == "ignored"
    assert accounts.ask(FinishChargeRun(month="2026-02")).outcome == "rejected"


@pytest.mark.parametrize("version", ["t1"])
def test_a_tariff_version_never_changes(accounts: Accounts, version: str) -> None:
    again = AdoptTariff(tariff=tariff(version), effective_on=date(2020, 1, 1))
    assert accounts.ask(again).outcome == "ignored"
    other = AdoptTariff(tariff=tariff(version, line(price="3.00")), effective_on=date(2020, 1, 1))
    assert (accounts.ask(other).error or {})["code"] == "version_reused"
    assert accounts.ask(other, by=ANN).outcome == "refused"
