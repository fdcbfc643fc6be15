"""Waivers (B4): the director asks and can never grant; the manager decides; the ruling is part of the fact."""

from decimal import Decimal

import pytest
from bailiwick_contracts.charge import ReverseCharges
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.receipt import BounceReceipt
from bailiwick_contracts.registry import DelegateAuthority
from bailiwick_contracts.waiver import DecideWaiver, ListWaivers, RequestWaiver
from pydantic import ValidationError

from tests.billing.office import ANN, CASHIER, DIRECTOR, MANAGER, NORTH, Accounts, flat

CHARGE = f"{NORTH}-1-101-202603-mgmt"


def ask(accounts: Accounts, amount: str = "100.00", waiver_id: str = "w1", by: str = DIRECTOR) -> Answer:
    request = RequestWaiver.model_validate(
        {"waiver_id": waiver_id, "lines": ({"charge_id": CHARGE, "amount": amount},), "grounds": "water_damage"}
    )
    return accounts.ask(request, by=by)


def decide(accounts: Accounts, by: str = MANAGER, waiver_id: str = "w1", *, grant: bool = True) -> Answer:
    return accounts.ask(DecideWaiver(waiver_id=waiver_id, grant=grant), by=by)


@pytest.fixture
def owing(accounts: Accounts) -> Accounts:
    accounts.units(flat())
    accounts.run()
    return accounts


def test_the_director_asks_and_the_manager_grants_under_the_clause(owing: Accounts) -> None:
    assert ask(owing).outcome == "done"
    forwarded = owing.last("waiver_forwarded")
    assert (forwarded.data.ruling.reason, forwarded.data.ruling.escalate_to) == (
        "only_opens_a_request",
        "property_manager",
    )
    assert owing.open() == {CHARGE: Decimal("250.00")}
    assert decide(owing).outcome == "done"
    granted = owing.last("waiver_granted").data
    assert (granted.ruling.outcome, granted.ruling.row_id, granted.request_fact_id) == ("granted", "B4", forwarded.id)
    assert owing.open() == {CHARGE: Decimal("150.00")}
    assert [one["status"] for one in owing.read(ListWaivers())["waivers"]] == ["granted"]


@pytest.mark.parametrize("by", [DIRECTOR, CASHIER, ANN])
def test_nobody_but_the_manager_grants_it_and_the_refusal_is_recorded(owing: Accounts, by: str) -> None:
    ask(owing)
    assert decide(owing, by).outcome == "refused"
    refused = owing.last("waiver_refused").data
    assert refused.ruling.row_id == "B4"
    assert refused.reason in ("not_the_holder", "own_case")
    assert owing.open() == {CHARGE: Decimal("250.00")}


def test_the_manager_who_asked_in_the_directors_name_does_not_grant_it(owing: Accounts) -> None:
    today = owing.today
    owing.register(
        DelegateAuthority(delegation_id="d1", from_staff_id=DIRECTOR, to_staff_id=MANAGER, property_id=NORTH,
                          first_on=today, last_on=today)
    )  # fmt: skip
    lines = ({"charge_id": CHARGE, "amount": Decimal("10.00")},)
    asked = RequestWaiver.model_validate({"waiver_id": "w1", "grounds": "leak", "lines": lines})
    assert owing.ask(asked, by=MANAGER, on_behalf_of=DIRECTOR, delegation="d1").outcome == "done"
    assert decide(owing).outcome == "refused"
    assert owing.last("waiver_refused").data.reason == "own_case"


def test_only_the_director_asks(owing: Accounts) -> None:
    assert ask(owing, by=ANN).outcome == "refused"
    assert owing.last("waiver_refused").data.reason == "not_the_holder"


def test_a_declined_waiver_changes_nothing_and_stays_declined(owing: Accounts) -> None:
    ask(owing)
    assert decide(owing, grant=False).outcome == "done"
    assert decide(owing, grant=False).outcome == "ignored"
    assert (decide(owing).error or {})["code"] == "waiver_decided"
    assert owing.open() == {CHARGE: Decimal("250.00")}


def test_the_same_again_is_nothing_new_and_an_id_names_one_waiver(owing: Accounts) -> None:
    ask(owing)
    assert ask(owing).outcome == "ignored"
    assert (ask(owing, "1.00").error or {})["code"] == "waiver_id_reused"
    decide(owing)
    assert decide(owing).outcome == "ignored"
    assert decide(owing, waiver_id="none").outcome == "rejected"


def test_no_more_is_waived_than_is_open_even_when_it_was_paid_meanwhile(owing: Accounts) -> None:
    assert ask(owing, "250.01").outcome == "refused"
    assert owing.last("waiver_refused").data.reason == "beyond_open"
    ask(owing, "200.00", "w2")
    owing.receive("r1", "100.00")
    assert decide(owing, waiver_id="w2").outcome == "refused"
    assert owing.last("waiver_refused").data.reason == "beyond_open"


def test_two_waivers_at_once_for_one_debt_have_one_winner(owing: Accounts) -> None:
    ask(owing, "200.00", "w1")
    ask(owing, "200.00", "w2")
    assert [decide(owing, waiver_id=one).outcome for one in ("w1", "w2")] == ["done", "refused"]
    assert owing.open() == {CHARGE: Decimal("50.00")}


def test_the_set_up_grants_nothing(owing: Accounts) -> None:
    ask(owing)
    assert owing.ask(DecideWaiver(waiver_id="w1", grant=True), live=False).outcome == "rejected"


def test_a_waived_charge_is_reversed_for_what_was_not_waived(owing: Accounts) -> None:
    ask(owing)
    decide(owing)
    owing.receive("r1", "150.00")
    owing.ask(ReverseCharges(unit_id="1-101", month="2026-03", charge_ids=(CHARGE,), grounds="wrong"))
    assert owing.last("charges_reversed").data.lines[0].amount == Decimal("150.00")
    assert owing.totals()["unapplied"] == Decimal("150.00")


def test_a_bounce_after_a_waiver_opens_only_what_was_paid(owing: Accounts) -> None:
    ask(owing)
    decide(owing)
    owing.receive("r1", "150.00")
    owing.ask(BounceReceipt(receipt_id="r1", grounds="returned"))
    assert owing.open() == {CHARGE: Decimal("150.00")}


def test_a_charge_stands_once_in_a_waiver() -> None:
    one = {"charge_id": CHARGE, "amount": "1.00"}
    with pytest.raises(ValidationError, match="once"):
        RequestWaiver.model_validate({"waiver_id": "w", "lines": (one, one), "grounds": "x"})
