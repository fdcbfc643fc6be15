"""Statements taken in: rows told apart, the chain held, receipts matched or kept, the match queue (C16)."""

from datetime import date
from decimal import Decimal

import pytest
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.receipt import ConfirmMatch, DismissMatch, ListMatches
from bailiwick_contracts.statement import (
    GetStatement,
    ImportStatement,
    ImportStatementRows,
    OverrideStatement,
    PreviewStatementRows,
    StatementRowsTaken,
)

from services.billing.entry import Entry
from services.billing.layout import chain_of, numbered
from services.billing.match import directory, normal, propose
from tests.billing.office import ANN, NORTH, SOUTH, Accounts, flat


def entry(
    row: int, said: str, amount: str = "250.00", balance: str | None = None, day: int = 2, who: str = "SAMPLE A"
) -> Entry:
    return Entry(
        row=row, on=date(2026, 3, day), direction="in", amount=Decimal(amount), content=(who, said), counterparty=who, said=said,
        balance=None if balance is None else Decimal(balance),
    )  # fmt: skip


def take(accounts: Accounts, name: str, *entries: Entry, at: str = NORTH, by: str = "cashier-sample") -> Answer:
    rows = numbered(entries, "boc")
    total = sum((one.amount for one in entries), Decimal(0))
    chain = chain_of(rows).model_dump(mode="json", exclude_none=True)
    announced = ImportStatement.model_validate(
        {"statement_id": name, "profile": "boc", "file_sha256": "0" * 64, "rows": len(rows), "credits": len(rows), "debits": 0,
         "credit_total": total, "debit_total": "0.00", "chain": chain}
    )  # fmt: skip
    accounts.ask(announced, at=at, by=by)
    answer = accounts.ask(ImportStatementRows(statement_id=name, rows=rows), at=at, by=by)
    assert isinstance(answer, Answer)
    return answer


@pytest.fixture
def owing(accounts: Accounts) -> Accounts:
    accounts.units(
        flat("3-1502", label="3栋1502", references=("C-77001",)),
        flat("3-1503", label="3栋1503", area="120"),
        flat("1-101"),
    )
    accounts.run(unit_ids=("3-1502", "3-1503", "1-101"))
    return accounts


def test_a_receipt_that_names_its_room_is_matched_and_paid(owing: Accounts) -> None:
    answer = take(owing, "st-1", entry(2, "3栋1502 管理费"))
    assert answer.result == {"matched": 1, "unapplied": "0.00", "duplicates": 0}
    assert owing.open("3-1502") == {}
    assert owing.last("receipt_posted").data.proposals[0].reason == "room"


def test_what_is_not_matched_waits_as_unapplied_and_the_sums_hold(owing: Accounts) -> None:
    answer = take(owing, "st-1", entry(2, "3栋1502"), entry(3, "管理费", "9.00"), entry(4, "3-1502 / 3-1503", "10.00"))
    assert answer.result == {"matched": 1, "unapplied": "19.00", "duplicates": 0}
    totals = owing.totals()
    assert totals["received"] == totals["allocated"] + totals["unapplied"] == Decimal("269.00")
    shown = {one["amount"]: one for one in owing.read(ListMatches())["matches"]}
    assert [(p["unit_id"], p["confidence"]["numerator"]) for p in shown["10.00"]["proposals"]] == [
        ("3-1502", 50),
        ("3-1503", 50),
    ]
    assert (shown["9.00"]["proposals"], shown["9.00"]["said"]) == ([], "SAMPLE A · 管理费")


def test_the_name_of_a_payer_is_in_no_stored_byte(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "管理费", "9.00", who="VERY RARE NAME"), entry(3, "3-1502", who="VERY RARE NAME"))
    assert not [fact for fact in owing.store.chain(NORTH, 0, 1000) if b"VERY RARE NAME" in fact.raw]


def test_the_same_file_again_changes_nothing(owing: Accounts) -> None:
    rows = (entry(2, "3栋1502"), entry(3, "x", "9.00"))
    take(owing, "st-1", *rows)
    before = len(owing.facts())
    answer = take(owing, "st-1", *rows)
    assert [one.outcome for one in answer.rows] == ["ignored", "ignored"]
    assert len(owing.facts()) == before


def test_identical_rows_of_one_file_are_two_payments(owing: Accounts) -> None:
    answer = take(owing, "st-1", entry(2, "x", "9.00"), entry(3, "x", "9.00"))
    assert (answer.result or {})["unapplied"] == "18.00"


def test_an_overlapping_file_brings_only_what_is_new(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "x", "9.00"), entry(3, "x", "9.00"), entry(4, "old", "1.00", day=1))
    answer = take(
        owing, "st-2", entry(2, "x", "9.00"), entry(3, "x", "9.00"), entry(4, "x", "9.00"), entry(5, "new", "2.00")
    )
    assert answer.result == {"matched": 0, "unapplied": "11.00", "duplicates": 2}
    assert owing.totals()["received"] == Decimal("30.00")
    taken = owing.last("statement_rows_taken").data
    assert isinstance(taken, StatementRowsTaken)
    assert [one.duplicate_of for one in taken.rows] == ["st-1", "st-1", None, None]


def test_equal_rows_with_other_balances_are_other_payments(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "x", "9.00", "109.00"))
    answer = take(owing, "st-2", entry(2, "x", "9.00", "118.00"), entry(3, "x", "9.00", "127.00"))
    assert (answer.result or {})["duplicates"] == 0
    again = take(
        owing, "st-3", entry(2, "x", "9.00", "109.00"), entry(3, "x", "9.00", "118.00"), entry(4, "x", "9.00", "127.00")
    )
    assert (again.result or {})["duplicates"] == 3


def test_rows_split_over_several_requests_are_told_apart_all_the_same(owing: Accounts) -> None:
    rows = numbered([entry(number, "x", "9.00") for number in range(2, 6)], "boc")
    take(owing, "st-1", entry(2, "x", "9.00"), entry(3, "x", "9.00"))
    announced = {"statement_id": "st-2", "profile": "boc", "file_sha256": "0" * 64, "rows": 4, "credits": 4, "debits": 0,
                 "credit_total": "36.00", "debit_total": "0.00", "chain": {"state": "unavailable"}}  # fmt: skip
    owing.ask(ImportStatement.model_validate(announced))
    found = [owing.ask(ImportStatementRows(statement_id="st-2", rows=(one,))).result or {} for one in rows]
    assert [one["duplicates"] for one in found] == [1, 1, 0, 0]


def test_another_propertys_rows_are_no_duplicates(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "x", "9.00"))
    assert (take(owing, "st-9", entry(2, "x", "9.00"), at=SOUTH).result or {})["duplicates"] == 0
    assert take(owing, "st-1", entry(2, "x", "9.00"), at=SOUTH).outcome == "rejected"


def test_a_broken_chain_is_held_until_a_person_overrides_it(owing: Accounts) -> None:
    rows = (entry(2, "3栋1502", "250.00", "250.00"), entry(3, "y", "9.00", "300.00"))
    assert take(owing, "st-1", *rows).outcome == "refused"
    assert owing.last("billing_refused").data.reason == "statement_held"
    imported = owing.last("statement_imported").data
    assert (imported.held, imported.chain.row, imported.chain.found) == (True, 3, Decimal("300.00"))
    assert owing.totals()["received"] == 0
    override = OverrideStatement(statement_id="st-1", grounds="bank_confirmed")
    assert owing.ask(override, by=ANN).outcome == "refused"
    assert owing.ask(override).outcome == "done"
    assert owing.ask(override).outcome == "ignored"
    assert take(owing, "st-1", *rows).outcome == "done"
    assert owing.read(GetStatement(statement_id="st-1"))["unapplied_total"] == "9.00"


def test_a_preview_says_what_would_happen_and_records_nothing(owing: Accounts) -> None:
    rows = numbered((entry(2, "3栋1502"), entry(3, "x", "9.00")), "boc")
    before = len(owing.facts())
    expected = {"matched": 1, "unapplied": "9.00", "duplicates": 0}
    assert owing.read(PreviewStatementRows(statement_id="st-1", rows=rows)) == expected
    assert len(owing.facts()) == before
    assert (take(owing, "st-1", entry(2, "3栋1502"), entry(3, "x", "9.00"))).result == expected


def test_a_person_confirms_a_match_and_the_payer_is_known_from_then_on(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "fee", "100.00", who="SAMPLE Z"))
    (waiting,) = owing.read(ListMatches())["matches"]
    confirm = ConfirmMatch(receipt_id=waiting["receipt_id"], unit_id="3-1503")
    assert owing.ask(confirm, by=ANN).outcome == "refused"
    assert owing.ask(confirm).outcome == "done"
    assert owing.ask(confirm).outcome == "ignored"
    assert owing.ask(ConfirmMatch(receipt_id=waiting["receipt_id"], unit_id="1-101")).outcome == "rejected"
    assert owing.read(ListMatches())["matches"] == []
    assert owing.open("3-1503") == {f"{NORTH}-3-1503-202603-mgmt": Decimal("200.00")}
    answer = take(owing, "st-2", entry(2, "fee", "200.00", day=3, who="SAMPLE Z"))
    assert (answer.result or {})["matched"] == 1
    assert owing.open("3-1503") == {}


def test_a_dismissed_match_stays_unapplied(owing: Accounts) -> None:
    take(owing, "st-1", entry(2, "fee", "300.00"))
    (waiting,) = owing.read(ListMatches())["matches"]
    assert [one["reason"] for one in waiting["proposals"]] == ["amount"]
    dismiss = DismissMatch(receipt_id=waiting["receipt_id"])
    assert owing.ask(dismiss, by=ANN).outcome == "refused"
    assert [owing.ask(dismiss).outcome for _ in range(2)] == ["done", "ignored"]
    assert (owing.read(ListMatches())["matches"], owing.totals()["unapplied"]) == ([], Decimal("300.00"))


KNOWN = directory(
    [
        flat("3-1502", label="3栋1502室", references=("C-77001",)),
        flat("13-1502", label="13座1502"),
        flat("88", label="88"),
    ]
)


@pytest.mark.parametrize(
    ("said", "unit", "reason"),
    [("3栋1502", "3-1502", "room"), ("3 座 1502 室 三月管理费", "3-1502", "room"), ("房号3-1502", "3-1502", "room"),
     ("３－１５０２", "3-1502", "room"), ("13座1502", "13-1502", "room"), ("合同c-77001", "3-1502", "reference"), ("3#1502", "3-1502", "room")],
)  # fmt: skip
def test_a_room_is_known_however_it_is_written(said: str, unit: str, reason: str) -> None:
    (found,) = propose(said, None, Decimal(1), KNOWN)
    assert (found.unit_id, found.reason, found.confidence.numerator >= 95) == (unit, reason, True)


def test_a_room_inside_a_longer_number_is_for_a_person_to_confirm() -> None:
    (found,) = propose("2026-3-1502", None, Decimal(1), KNOWN)
    assert (found.unit_id, found.confidence.numerator) == ("3-1502", 80)
    assert [one.confidence.numerator for one in propose("3-1502/13-1502", None, Decimal(1), KNOWN)] == [50, 50]


@pytest.mark.parametrize("said", ["88", "1502", "2026-03", "13-150", "33-1502", ""])
def test_a_number_that_names_no_room_matches_nothing(said: str) -> None:
    assert propose(said, None, Decimal(1), KNOWN) == ()


def test_one_spelling_of_rooms() -> None:
    assert {normal(one) for one in ("3栋1502", "3-1502", "3 棟 1502室", "3座1502号")} == {"3-1502"}
