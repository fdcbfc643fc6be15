"""Money is conserved through any sequence of charge, receipt, split, refund, bounce, reversal, waiver and prepayment."""

import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.charge import ReverseCharges
from bailiwick_contracts.collection import CloseMonth, Figures, GetCollection, GetLedger, figures, movements_of
from bailiwick_contracts.ledger import booking_of
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    PaymentAllocated,
    ReceiptPosted,
    RefundReceipt,
    oldest_first,
)
from bailiwick_contracts.tariff import Standing, next_month
from bailiwick_contracts.waiver import DecideWaiver, RequestWaiver
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.billing.app import SERVICE
from services.billing.query import receipt_totals
from services.kernel.reading import QueryReading
from tests.billing.office import DIRECTOR, MANAGER, NORTH, Accounts, flat, line, local, tariff

UNITS = ("1-101", "1-102")
CENTS = st.integers(min_value=1, max_value=90_000).map(lambda value: f"{Decimal(value).scaleb(-2):.2f}")
LATE = {
    "rate_per_day": {"numerator": 3, "denominator": 1000},
    "grace_days": 0,
    "cap": {"numerator": 1, "denominator": 3},
}


class Office(RuleBasedStateMachine):
    """A small office in which anything may happen in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        directory = Path(self._folder.name)
        tariffs = (
            (tariff("t1", line(price="2.37"), line("lift", fee_class="other", basis="fixed", price="33.33"), late_fee=LATE),
             date(2020, 1, 1)),
        )  # fmt: skip
        self.accounts = Accounts(f"sqlite:///{directory / 'store.sqlite'}", directory).set_up(tariffs=tariffs)
        self.month = "2026-02"
        self.receipts: list[str] = []
        self.waivers = 0
        self.frozen: dict[str, Mapping[str, Any]] = {}

    def teardown(self) -> None:
        self.accounts.close()
        self._folder.cleanup()

    @initialize()
    def open_the_office(self) -> None:
        self.accounts.units(flat("1-101", "88.51"), flat("1-102", "41.07"))

    def _charge(self, pick: int) -> Standing | None:
        found = [one for event in self.accounts.facts("charges_accrued") for one in event.data.lines]
        return found[pick % len(found)].charge if found else None

    @rule()
    def charge_the_next_month(self) -> None:
        self.month = next_month(self.month)
        self.accounts.now = max(self.accounts.now, local(date(int(self.month[:4]), int(self.month[5:]), 1)))
        self.accounts.run(self.month, UNITS)

    @rule(amount=CENTS, unit=st.sampled_from([*UNITS, None]), allocate=st.booleans(), fee=st.booleans())
    def receive(self, amount: str, unit: str | None, allocate: bool, fee: bool) -> None:
        name = f"r{len(self.receipts)}"
        kept: dict[str, Any] = {"fee": "0.01"} if fee and amount != "0.01" else {}
        assert self.accounts.receive(name, amount, unit, allocate=allocate, **kept).outcome == "done"
        self.receipts.append(name)

    @precondition(lambda self: self.receipts)
    @rule(
        pick=st.integers(0, 99), first=st.integers(0, 99), second=st.integers(0, 99), amount=st.one_of(st.none(), CENTS)
    )
    def split_as_instructed(self, pick: int, first: int, second: int, amount: str | None) -> None:
        named = {one.charge_id for one in (self._charge(first), self._charge(second)) if one is not None}
        if named:
            instructions = tuple({"charge_id": one} | ({"amount": amount} if amount else {}) for one in sorted(named))
            request = {"receipt_id": self.receipts[pick % len(self.receipts)], "instructions": instructions}
            self.accounts.ask(AllocateReceipt.model_validate(request))

    @precondition(lambda self: self.receipts)
    @rule(pick=st.integers(0, 99))
    def allocate_oldest_first(self, pick: int) -> None:
        self.accounts.ask(AllocateReceipts(receipt_ids=(self.receipts[pick % len(self.receipts)],)))

    @precondition(lambda self: self.receipts)
    @rule(pick=st.integers(0, 99), amount=CENTS)
    def refund(self, pick: int, amount: str) -> None:
        receipt_id = self.receipts[pick % len(self.receipts)]
        self.accounts.ask(RefundReceipt(receipt_id=receipt_id, amount=Decimal(amount), grounds="overpaid"))

    @precondition(lambda self: self.receipts)
    @rule(pick=st.integers(0, 99))
    def bounce(self, pick: int) -> None:
        self.accounts.ask(BounceReceipt(receipt_id=self.receipts[pick % len(self.receipts)], grounds="returned"))

    @rule(pick=st.integers(0, 99))
    def reverse(self, pick: int) -> None:
        charge = self._charge(pick)
        if charge is not None:
            request = {
                "unit_id": charge.unit_id,
                "month": charge.month,
                "charge_ids": (charge.charge_id,),
                "grounds": "wrong",
            }
            self.accounts.ask(ReverseCharges.model_validate(request))

    @rule(area=st.sampled_from(["88.51", "90.00", "10.01"]))
    def rate_anew(self, area: str) -> None:
        self.accounts.units(flat("1-101", area))
        self.accounts.run(self.month, UNITS, rerate=True)

    @rule(pick=st.integers(0, 99), amount=CENTS, grant=st.booleans())
    def waive(self, pick: int, amount: str, grant: bool) -> None:
        charge = self._charge(pick)
        if charge is not None:
            self.waivers += 1
            name = f"w{self.waivers}"
            lines = ({"charge_id": charge.charge_id, "amount": amount},)
            request = {"waiver_id": name, "lines": lines, "grounds": "leak"}
            if self.accounts.ask(RequestWaiver.model_validate(request), by=DIRECTOR).outcome == "done":
                self.accounts.ask(DecideWaiver(waiver_id=name, grant=grant), by=MANAGER)

    @rule()
    def close_a_month(self) -> None:
        last = next_month(self.month, -2)
        if self.accounts.ask(CloseMonth(month=last)).outcome == "done":
            self.frozen[last] = self.accounts.read(GetCollection(month=last))

    @rule(days=st.integers(1, 9))
    def let_days_pass(self, days: int) -> None:
        self.accounts.now += timedelta(days=days)

    @invariant()
    def what_was_received_is_allocated_or_unapplied(self) -> None:
        with self.accounts.store.reading() as connection:
            reading = QueryReading(SERVICE, self.accounts.store, self.accounts.keys, connection)
            totals = {name: Decimal(value) for name, value in receipt_totals(reading, NORTH).items()}
        assert totals["received"] == totals["allocated"] + totals["unapplied"]
        assert all(value >= 0 for value in totals.values())

    @invariant()
    def the_ledger_sums_to_nought_and_agrees_with_every_fact(self) -> None:
        shown = self.accounts.read(GetLedger())
        assert set(shown["sums"].values()) <= {"0.00"}
        again: dict[str, Decimal] = {}
        for event in self.accounts.facts():
            booking = booking_of(event.data)
            if booking is not None:
                assert sum(one.amount for one in booking.postings) == 0
                for one in booking.postings:
                    again[one.account] = again.get(one.account, Decimal(0)) + one.amount
        assert {one["account"]: Decimal(one["balance"]) for one in shown["accounts"]} == again

    @invariant()
    def what_is_open_is_what_was_charged_less_all_that_settled_it(self) -> None:
        owed: dict[str, Decimal] = {}
        for event in self.accounts.facts():
            for one in movements_of(event.data):
                sign = 1 if one.kind == "charged" else -1
                owed[one.month] = owed.get(one.month, Decimal(0)) + sign * Decimal(one.cents).scaleb(-2)
        opened: dict[str, Decimal] = {}
        for unit in UNITS:
            for charge_id, amount in self.accounts.open(unit).items():
                assert amount > 0
                month = charge_id.removeprefix(f"{NORTH}-{unit}-")[:6]
                key = f"{month[:4]}-{month[4:]}"
                opened[key] = opened.get(key, Decimal(0)) + amount
        assert {month: amount for month, amount in owed.items() if amount} == opened

    @invariant()
    def no_frozen_month_ever_changes_and_rates_agree_with_the_events(self) -> None:
        for month, shown in self.frozen.items():
            assert self.accounts.read(GetCollection(month=month)) == shown
        if self.month > "2026-02":
            on = self.accounts.today
            moved = [one for event in self.accounts.facts() for one in movements_of(event.data)]
            again = figures(moved, self.month, definition="strict/1", grace_days=10, as_of=on)
            read = self.accounts.read(GetCollection(month=self.month, as_of=on))
            assert Figures.model_validate(read["figures"]) == again

    @invariant()
    def every_allocation_by_age_comes_out_again(self) -> None:
        posted = {
            e.data.receipt.receipt_id
            for e in self.accounts.facts("receipt_posted")
            if isinstance(e.data, ReceiptPosted)
        }
        for event in self.accounts.facts("payment_allocated"):
            paid = event.data
            assert isinstance(paid, PaymentAllocated)
            assert paid.receipt.receipt_id in posted
            assert paid.available - sum(one.amount for one in paid.lines) == paid.receipt.unapplied
            if paid.mode == "oldest_first":
                before = [one.after.model_copy(update={"open": one.after.open + one.amount}) for one in paid.lines]
                again = oldest_first(paid.available, before)
                assert [(one.charge.charge_id, one.amount) for one in again] == [
                    (one.after.charge_id, one.amount) for one in paid.lines
                ]


TestConservation = Office.TestCase
TestConservation.settings = settings(
    max_examples=6, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestConservation = pytest.mark.timeout(300)(TestConservation)


@pytest.mark.long
@pytest.mark.timeout(3_000)
def test_money_is_conserved_through_long_histories() -> None:
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    run_state_machine_as_test(
        Office,
        settings=settings(
            max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
