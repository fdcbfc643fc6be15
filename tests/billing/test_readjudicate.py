"""Billing judged again from its events: every ruling, every allocation; a changed amount is found."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from bailiwick_contracts.readjudicate import Summary, in_recorded_order, readjudicate
from bailiwick_contracts.receipt import AllocateReceipt, BounceReceipt

from tests.billing.examples import play
from tests.billing.office import NORTH, Accounts, flat, local


def _raws(accounts: Accounts) -> Iterator[bytes]:
    stores = (accounts.registry_store, accounts.store)
    chains = [[fact.raw for fact in store.chain(place, 0, 1_000_000)] for store in stores for place in store.heads()]
    return in_recorded_order(*chains)


def test_everything_that_billing_can_say_is_judged_the_same_again(tmp_path: Path) -> None:

    accounts = play(tmp_path)
    summary = Summary()
    found = list(readjudicate(_raws(accounts), accounts.keys, summary=summary))
    accounts.close()
    assert found == []
    assert summary.agrees
    assert summary.judged - sum(summary.skipped.values()) > 25


@pytest.fixture
def paid(accounts: Accounts) -> Accounts:
    accounts.units(flat("1-101"), flat("1-102"))
    accounts.run("2026-03", ("1-101", "1-102"))
    accounts.run("2026-04", ("1-101", "1-102"))
    accounts.receive("r1", "300.00")
    accounts.receive("r2", "90.00", allocate=False)
    named = tuple({"charge_id": f"{NORTH}-1-102-20260{month}-mgmt"} for month in (3, 4))
    accounts.done(AllocateReceipt.model_validate({"receipt_id": "r2", "instructions": named}))
    accounts.done(BounceReceipt(receipt_id="r1", grounds="returned"))
    accounts.receive("r3", "600.00")
    accounts.now = local(date(2026, 5, 1))
    accounts.run("2026-05", ("1-101", "1-102"))
    return accounts


def test_allocations_by_age_in_proportion_and_by_offset_come_out_again(paid: Accounts) -> None:
    summary = Summary()
    assert list(readjudicate(_raws(paid), paid.keys, summary=summary)) == []
    assert len(paid.facts("payment_allocated")) == 4


def test_an_allocation_that_was_altered_is_named(paid: Accounts) -> None:
    def altered() -> Iterator[bytes]:
        for raw in _raws(paid):
            document = json.loads(raw)
            if document["type"] == "billing.payment_allocated.v1" and document["data"]["available"] == "600.00":
                document["data"]["lines"][0]["amount"] = "249.00"
                yield json.dumps(document).encode()
            else:
                yield raw

    found = list(readjudicate(altered(), paid.keys))
    assert [(one.field, one.was, one.would_be) for one in found] == [("lines.0.amount", "249.00", "250.00")]


def test_a_waiver_that_names_another_request_is_found(tmp_path: Path) -> None:

    accounts = play(tmp_path)

    def altered() -> Iterator[bytes]:
        for raw in _raws(accounts):
            document = json.loads(raw)
            if document["type"] == "billing.waiver_granted.v1":
                document["data"]["ruling"]["outcome"] = "refused"
                yield json.dumps(document).encode()
            else:
                yield raw

    found = list(readjudicate(altered(), accounts.keys))
    accounts.close()
    assert {one.field for one in found} == {"ruling.outcome"}
