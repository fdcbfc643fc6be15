"""Receipts: oldest debt first or as instructed, cents conserved, nothing applied twice, everything explained (C1–C3)."""

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.charge import ReverseCharges
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    ExplainReceipt,
    PostReceipts,
    ReceiptRow,
    RefundReceipt,
)

from tests.billing.office import ANN, CASHIER, NORTH, Accounts, flat, line, local, spell, tariff

A, B, C = (f"{NORTH}-1-101-202603-{name}" for name in ("a", "b", "c"))


def instruct(receipt_id: str, **amounts: str | None) -> AllocateReceipt:
    named = [{"charge_id": f"{NORTH}-1-101-202603-{name}", "amount": amount} for name, amount in amounts.items()]
    shown = tuple({key: value for key, value in one.items() if value is not None} for one in named)
    return AllocateReceipt.model_validate({"receipt_id": receipt_id, "instructions": shown})


def charged(accounts: Accounts, *prices: str) -> None:
    """One unit with charges a, b, c… of these amounts in March."""
    from bailiwick_contracts.billing import AdoptTariff  # noqa: PLC0415

    lines = [line(name, basis="fixed", price=price) for name, price in zip("abc", prices, strict=False)]
    accounts.done(AdoptTariff(tariff=tariff("fixed", *lines), effective_on=date(2026, 3, 1)))
    accounts.units(flat())
    accounts.run()


@pytest.fixture
def three(accounts: Accounts) -> Accounts:
    """Three equal debts of 500.00."""
    charged(accounts, "500.00", "500.00", "500.00")
    return accounts


@pytest.mark.parametrize(
    ("amount", "parts"),
    [("100.00", ["33.33", "33.34", "33.33"]), ("200.00", ["66.67", "66.66", "66.67"])],
)
def test_a_payment_for_three_equal_debts_is_split_and_the_cents_are_conserved(
    three: Accounts, amount: str, parts: list[str]
) -> None:
    """C1, C2."""
    three.receive("r1", amount, allocate=False)
    assert three.ask(instruct("r1", a=None, b=None, c=None)).outcome == "done"
    paid = three.last("payment_allocated").data
    assert [str(one.amount) for one in paid.lines] == parts
    assert (paid.mode, paid.receipt.unapplied) == ("proportional", Decimal(0))


def test_the_channels_fee_is_shared_by_what_each_debt_takes(accounts: Accounts) -> None:
    """C3: one payment of 1,000.00 with a fee of 50.00 over 800.00 and 200.00."""
    charged(accounts, "800.00", "200.00")
    accounts.receive("r1", "1000.00", fee="50.00")
    shown = [(one.amount - one.fee, one.fee) for one in accounts.last("payment_allocated").data.lines]
    assert shown == [(Decimal("760.00"), Decimal("40.00")), (Decimal("190.00"), Decimal("10.00"))]


def test_a_fee_over_several_allocations_is_conserved(accounts: Accounts) -> None:
    charged(accounts, "33.33", "33.33", "33.34")
    accounts.receive("r1", "100.00", allocate=False, fee="1.00")
    for name, amount in (("a", "33.33"), ("b", "33.33"), ("c", "33.34")):
        assert accounts.ask(instruct("r1", **{name: amount})).outcome == "done"
    fees = [one.fee for event in accounts.facts("payment_allocated") for one in event.data.lines]
    assert sum(fees) == Decimal("1.00")


def test_the_oldest_debt_is_paid_first_and_the_rest_stays_as_a_prepayment(accounts: Accounts) -> None:
    accounts.units(flat())
    accounts.run("2026-03")
    accounts.run("2026-04")
    accounts.receive("r1", "300.00")
    assert accounts.open() == {f"{NORTH}-1-101-202604-mgmt": Decimal("200.00")}
    accounts.receive("r2", "500.00")
    assert accounts.totals() == {
        "received": Decimal("800.00"), "allocated": Decimal("500.00"), "unapplied": Decimal("300.00"),
        "refunded": Decimal("0.00"),
    }  # fmt: skip
    accounts.now = local(date(2026, 5, 1))
    answer = accounts.run("2026-05")
    assert (answer.result or {})["offset"] == "250.00"
    paid = accounts.last("payment_allocated").data
    assert [(one.kind, one.counted_on, one.after.open) for one in paid.lines] == [
        ("offset", date(2026, 5, 1), Decimal("0.00"))
    ]
    assert accounts.totals()["unapplied"] == Decimal("50.00")


def test_the_same_receipt_again_is_nothing_new_and_its_id_names_no_other(three: Accounts) -> None:
    assert three.receive("r1", "100.00").outcome == "done"
    assert three.receive("r1", "100.00").rows[0].outcome == "ignored"
    again = three.receive("r1", "200.00").rows[0]
    assert (again.outcome, again.reason) == ("rejected", "receipt_id_reused")
    assert three.receive("r2", "1.00", "9-999").rows[0].reason == "unknown_unit"
    assert three.receive("r3", "1.00", fee="1.00").rows[0].reason == "fee_beyond_amount"
    assert three.receive("r4", "1.00", on=three.today + timedelta(days=1)).rows[0].reason == "received_in_future"
    assert three.totals()["received"] == Decimal("100.00")


def test_only_finance_posts_receipts(three: Accounts) -> None:
    row = ReceiptRow.model_validate({"receipt_id": "r1", "received_on": date(2026, 3, 2), "amount": "5.00"})
    assert three.ask(PostReceipts(rows=(row,)), by=ANN).outcome == "refused"
    assert three.last("billing_refused").data.ruling.row_id == "B3"


def test_an_instruction_never_pays_more_than_is_open_or_there_is(three: Accounts) -> None:
    three.receive("r1", "600.00", allocate=False)
    for amounts, reason in (({"a": "500.01"}, "beyond_open"), ({"a": "400.00", "b": "300.00"}, "beyond_unapplied")):
        assert three.ask(instruct("r1", **amounts)).outcome == "refused"
        assert three.last("billing_refused").data.reason == reason
    assert three.ask(instruct("r1", a="500.00", b="100.00")).outcome == "done"
    assert three.ask(instruct("none", a="1.00")).outcome == "rejected"
    assert three.ask(AllocateReceipts(receipt_ids=("r1",))).rows[0].outcome == "ignored"
    assert three.open() == {B: Decimal("400.00"), C: Decimal("500.00")}


def test_what_is_unapplied_is_paid_back_and_never_more(three: Accounts) -> None:
    three.receive("r1", "1600.00")
    assert three.ask(RefundReceipt(receipt_id="r1", amount=Decimal("100.01"), grounds="overpaid")).outcome == "refused"
    assert three.ask(RefundReceipt(receipt_id="r1", amount=Decimal("100.00"), grounds="overpaid")).outcome == "done"
    assert three.totals() == {
        "received": Decimal("1500.00"), "allocated": Decimal("1500.00"), "unapplied": Decimal(0), "refunded": Decimal("100.00"),
    }  # fmt: skip
    assert three.ask(BounceReceipt(receipt_id="r1", grounds="returned")).outcome == "refused"


def test_a_bounced_debit_opens_its_debts_again(three: Accounts) -> None:
    three.receive("r1", "700.00")
    bounce = BounceReceipt(receipt_id="r1", grounds="debit_returned")
    assert three.ask(bounce, by=ANN).outcome == "refused"
    assert three.ask(bounce).outcome == "done"
    assert three.ask(bounce).outcome == "ignored"
    assert three.open() == {A: Decimal("500.00"), B: Decimal("500.00"), C: Decimal("500.00")}
    assert set(three.totals().values()) == {Decimal("0.00")}
    assert three.ask(instruct("r1", a="1.00")).outcome == "refused"


def test_a_reversed_charge_sets_its_payment_free(three: Accounts) -> None:
    three.receive("r1", "700.00")
    three.ask(ReverseCharges(unit_id="1-101", month="2026-03", charge_ids=(B,), grounds="wrong"))
    assert three.totals() == {
        "received": Decimal("700.00"), "allocated": Decimal("500.00"), "unapplied": Decimal("200.00"), "refunded": Decimal(0),
    }  # fmt: skip
    three.ask(AllocateReceipts(receipt_ids=("r1",)))
    assert three.open() == {C: Decimal("300.00")}


def test_every_allocation_explains_itself(three: Accounts) -> None:
    three.receive("r1", "700.00")
    (one,) = three.read(ExplainReceipt(receipt_id="r1"))["allocations"]
    assert one["says"] == [
        f"receipt r1 of 2026-03-01 paid 500.00 (cash) of charge {A}, management 2026-03 due 2026-03-10: 500.00 open before, 0.00 after",
        f"receipt r1 of 2026-03-01 paid 200.00 (cash) of charge {B}, management 2026-03 due 2026-03-10: 500.00 open before, 300.00 after",
        "700.00 was available, by the age of the debts; 0.00 stays unapplied",
    ]  # fmt: skip


def test_a_unit_that_changes_hands_inside_a_month_is_shared_by_days(accounts: Accounts) -> None:
    """C14's arithmetic on a sale: what the developer and the owner owe makes the month to the cent."""
    sold = date(2026, 3, 14)
    accounts.units(flat(spells=(spell("developer", date(2020, 1, 1), sold), spell("owner", sold)), area="33.33"))
    accounts.run()
    lines = accounts.last("charges_accrued").data.lines
    assert [(one.charge.payer_class, one.charge.amount) for one in lines] == [
        ("developer", Decimal("34.94")), ("owner", Decimal("48.39")),
    ]  # fmt: skip
    assert sum(one.charge.amount for one in lines) == Decimal("83.33")


@pytest.fixture
def postgres(postgres_url: str, tmp_path: Path) -> Iterator[Accounts]:
    made = Accounts(postgres_url, tmp_path).set_up()
    yield made
    made.close()


@pytest.mark.timeout(120)
def test_twenty_receipts_at_once_for_one_debt_never_pay_it_twice(postgres: Accounts) -> None:
    """Two instances of the service on one PostgreSQL database, twenty callers at the same moment."""
    postgres.units(flat())
    postgres.run()
    store, other = postgres.second()
    gate = threading.Barrier(20)
    answers: list[Any] = []
    locks = {id(postgres.billing): threading.Lock(), id(other): threading.Lock()}

    def pay(number: int) -> None:
        writer = postgres.billing if number % 2 else other
        row = ReceiptRow.model_validate(
            {"receipt_id": f"r{number}", "received_on": date(2026, 3, 1), "amount": "200.00", "unit_id": "1-101"}
        )
        command = postgres.sign(PostReceipts(rows=(row,)), Actor(actor=CASHIER), NORTH)
        gate.wait()
        with locks[id(writer)]:
            answers.extend(writer.process([command]))

    threads = [threading.Thread(target=pay, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    store.close()
    assert [answer.rows[0].outcome for answer in answers] == ["done"] * 20
    assert postgres.open() == {}
    assert postgres.totals() == {
        "received": Decimal("4000.00"), "allocated": Decimal("250.00"), "unapplied": Decimal("3750.00"), "refunded": Decimal(0),
    }  # fmt: skip
    paid = [one.amount for event in postgres.facts("payment_allocated") for one in event.data.lines]
    assert sum(paid) == Decimal("250.00")


def test_what_a_command_did_it_does_once(three: Accounts) -> None:
    row = ReceiptRow.model_validate(
        {"receipt_id": "r1", "received_on": date(2026, 3, 2), "amount": "5.00", "unit_id": "1-101"}
    )
    first = three.ask(PostReceipts(rows=(row,)), command_id="c1")
    before = len(three.facts())
    three.now += timedelta(minutes=1)
    assert three.ask(PostReceipts(rows=(row,)), command_id="c1") == first
    assert len(three.facts()) == before
