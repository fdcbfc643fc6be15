"""A unit's account from the ledger is, at every instant there ever was, what billing answered then."""

from datetime import timedelta
from typing import Any

import pytest
from bailiwick_contracts.billing import GetUnit, SetDispute
from bailiwick_contracts.charge import ReverseCharges
from bailiwick_contracts.receipt import BounceReceipt, ConfirmMatch, RefundReceipt
from bailiwick_contracts.waiver import DecideWaiver, RequestWaiver

from services.audit.account import AccountError, account_of
from services.kernel.decision import Rejected
from tests.billing.conftest import accounts, bare
from tests.billing.office import DIRECTOR, MANAGER, NORTH, SOUTH, Accounts, flat

__all__ = ["accounts", "bare"]
UNITS = ("1-101", "1-102")


def lived(accounts: Accounts) -> list[tuple[Any, dict[str, Any]]]:
    """A few months of two units; the answers of billing after each step, with the instant."""
    seen: list[tuple[Any, dict[str, Any]]] = []

    def step(*work: Any) -> None:
        for one in work:
            one()
        answers = {}
        for unit_id in UNITS:
            try:
                answers[unit_id] = accounts.read(GetUnit(unit_id=unit_id))
            except Rejected:
                answers[unit_id] = None
        seen.append((accounts.now, answers))
        accounts.now += timedelta(days=1)

    charge = f"{NORTH}-1-101-202603-mgmt"
    step(lambda: accounts.units(flat("1-101")))
    step(lambda: accounts.units(flat("1-102", "40")), lambda: accounts.units(flat("1-101"), at=SOUTH))
    step(lambda: accounts.run("2026-03", UNITS))
    step(lambda: accounts.receive("r-1", "100.00"))
    step(lambda: accounts.receive("r-2", "400.00"), lambda: accounts.receive("r-3", "30.00", None))
    step(lambda: accounts.ask(ConfirmMatch(receipt_id="r-3", unit_id="1-102")))
    step(lambda: accounts.ask(SetDispute(unit_id="1-101", disputed=True, grounds="noise")))
    step(lambda: accounts.ask(BounceReceipt(receipt_id="r-1", grounds="returned")))
    waiver = {"waiver_id": "w1", "lines": ({"charge_id": charge, "amount": "20.00"},), "grounds": "water_damage"}
    step(lambda: accounts.ask(RequestWaiver.model_validate(waiver), by=DIRECTOR))
    step(lambda: accounts.ask(DecideWaiver(waiver_id="w1", grant=True), by=MANAGER))
    refund = {"receipt_id": "r-2", "amount": "10.00", "grounds": "overpaid"}
    step(lambda: accounts.ask(RefundReceipt.model_validate(refund)))
    step(lambda: accounts.run("2026-04", UNITS))
    reversal = {
        "unit_id": "1-102",
        "month": "2026-04",
        "charge_ids": (f"{NORTH}-1-102-202604-mgmt",),
        "grounds": "wrong_area",
    }
    step(lambda: accounts.ask(ReverseCharges.model_validate(reversal)))
    step(lambda: accounts.ask(SetDispute(unit_id="1-101", disputed=False, grounds="settled")))
    return seen


def raws(accounts: Accounts) -> list[bytes]:
    found = [fact for place in (NORTH, SOUTH) for fact in accounts.store.chain(place, 0, 100_000)]
    return [fact.raw for fact in sorted(found, key=lambda fact: fact.position)]


def test_the_account_is_what_billing_answered_at_each_instant(accounts: Accounts) -> None:
    seen = lived(accounts)
    ledger = raws(accounts)
    changed = dict.fromkeys(UNITS, 0)
    for number, (instant, answers) in enumerate(seen):
        for unit_id, answered in answers.items():
            if answered is None:
                with pytest.raises(AccountError, match="registers the unit"):
                    account_of(ledger, unit_id, instant, NORTH)
                continue
            told = account_of(ledger, unit_id, instant, NORTH)
            assert {name: told[name] for name in answered} == answered, (instant, unit_id)
            changed[unit_id] += number > 0 and answered != seen[number - 1][1][unit_id]
    assert changed["1-101"] >= 7
    assert changed["1-102"] >= 4
    for unit_id in UNITS:
        now, answered = account_of(ledger, unit_id, None, NORTH), accounts.read(GetUnit(unit_id=unit_id))
        assert {name: now[name] for name in answered} == answered
        assert now["owed"] == f"{sum(accounts.open(unit_id).values()):.2f}"
        assert [fact["id"] for fact in now["facts"]] == list(dict.fromkeys(fact["id"] for fact in now["facts"]))


def test_an_account_before_its_first_fact_or_of_two_properties_is_said_to_be_so(accounts: Accounts) -> None:
    accounts.units(flat("1-101"))
    accounts.units(flat("1-101"), at=SOUTH)
    with pytest.raises(AccountError, match="name the property"):
        account_of(raws(accounts), "1-101")
    assert account_of(raws(accounts), "1-101", None, SOUTH)["property"] == SOUTH
    with pytest.raises(AccountError, match="registers the unit"):
        account_of(raws(accounts), "1-101", accounts.now - timedelta(days=1), NORTH)
    with pytest.raises(AccountError, match="registers the unit"):
        account_of(raws(accounts), "9-999")
