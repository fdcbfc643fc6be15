"""The four tests of each command of billing: done, refused, ignored when repeated, lost race; a command without a case fails."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, RegisterUnits, SetDispute
from bailiwick_contracts.charge import ChargeUnits, FinishChargeRun, ReverseCharges, StartChargeRun
from bailiwick_contracts.collection import (
    CloseMonth,
    IssueCollectionReport,
    RequestCollectionStatus,
    SupplyCollectionStatus,
)
from bailiwick_contracts.dunning import IssueNotices, RecordPrinting
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.message import Refusal, Request
from bailiwick_contracts.meter import RecordReadings, RegisterMeters, ReverseReading
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    ConfirmMatch,
    DismissMatch,
    PostReceipts,
    RefundReceipt,
)
from bailiwick_contracts.statement import ImportStatement, ImportStatementRows, OverrideStatement, StatementRow, row_key
from bailiwick_contracts.waiver import DecideWaiver, RequestWaiver

from services.billing.app import SERVICE
from tests.billing.office import ANN, CASHIER, DIRECTOR, MANAGER, NORTH, TERMS, Accounts, flat, line, local, tariff

CHARGE, HASH = f"{NORTH}-1-101-202603-mgmt", "ab" * 32


def parsed(kind: type[Request], **fields: Any) -> Request:
    """A request as it comes over the wire."""
    return kind.model_validate_json(json.dumps(fields, default=str))


def units(accounts: Accounts) -> None:
    accounts.units(flat())


def started(accounts: Accounts) -> None:
    units(accounts)
    accounts.done(StartChargeRun(month="2026-03"))


def charged(accounts: Accounts) -> None:
    started(accounts)
    accounts.done(ChargeUnits(month="2026-03", unit_ids=("1-101",)))


def held(accounts: Accounts) -> None:
    charged(accounts)
    accounts.receive("r1", "300.00", allocate=False)


def paid(accounts: Accounts) -> None:
    charged(accounts)
    accounts.receive("r1", "300.00")


def unknown(accounts: Accounts) -> None:
    charged(accounts)
    accounts.receive("r1", "300.00", None)


METER = {"meter_id": "w1", "unit_id": "1-101", "kind": "water", "installed_on": "2026-01-01"}
READING = {"reading_id": "rd1", "meter_id": "w1", "read_on": "2026-03-01", "value": "9"}


def metered(accounts: Accounts) -> None:
    units(accounts)
    accounts.done(parsed(RegisterMeters, meters=[METER]))


def was_read(accounts: Accounts) -> None:
    metered(accounts)
    accounts.done(parsed(RecordReadings, rows=[READING]))


STATEMENT: dict[str, Any] = {
    "statement_id": "st1", "profile": "boc", "file_sha256": HASH, "rows": 1, "credits": 1, "debits": 0, "credit_total": "5.00",
    "debit_total": "0.00", "chain": {"state": "closed"},
}  # fmt: skip
BROKEN = STATEMENT | {"chain": {"state": "broken", "row": 2, "expected": "5.00", "found": "6.00"}}
ROW = StatementRow.model_validate(
    {"row": 2, "key": row_key(("a",)), "ordinal": 0, "on": date(2026, 3, 2), "direction": "in", "amount": "5.00", "said": "1-101"}
)  # fmt: skip


def announced(accounts: Accounts) -> None:
    charged(accounts)
    accounts.done(parsed(ImportStatement, **STATEMENT))


def broken(accounts: Accounts) -> None:
    charged(accounts)
    accounts.done(parsed(ImportStatement, **BROKEN))


WAIVER = {"waiver_id": "v1", "lines": ({"charge_id": CHARGE, "amount": "10.00"},), "grounds": "leak"}


def asked_for(accounts: Accounts) -> None:
    charged(accounts)
    accounts.done(parsed(RequestWaiver, **WAIVER), by=DIRECTOR)


def late(accounts: Accounts) -> None:
    charged(accounts)
    accounts.now = local(date(2026, 5, 1))


def noticed(accounts: Accounts) -> None:
    late(accounts)
    accounts.done(NOTICE, by=DIRECTOR)


def demanded(accounts: Accounts) -> None:
    charged(accounts)
    accounts.done(RequestCollectionStatus(request_id="s1"), by=DIRECTOR)


NOTICE = IssueNotices(batch_id="b1", as_of=date(2026, 5, 1))
RECEIPT = {"receipt_id": "r1", "received_on": "2026-03-01", "amount": "300.00", "unit_id": "1-101"}


@dataclass(frozen=True)
class Case:
    """One command: what was before, what is asked and by whom, who may not, and what a second one like it is answered."""

    given: Callable[[Accounts], None]
    request: Request
    by: str = CASHIER
    barred: str = ANN
    second: str = "ignored"
    """The answer to the same request under another id, after the first or beside it."""


def nothing(_: Accounts) -> None:
    """Nothing was before."""


CASES: dict[type[Request], Case] = {
    AdoptTariff: Case(nothing, AdoptTariff(tariff=tariff("t9", line(price="3.00")), effective_on=date(2026, 4, 1))),
    AdoptTerms: Case(
        nothing, AdoptTerms(terms=TERMS.model_copy(update={"version": "x"}), effective_on=date(2026, 4, 1))
    ),
    RegisterUnits: Case(nothing, RegisterUnits(units=(flat(),))),
    SetDispute: Case(units, SetDispute(unit_id="1-101", disputed=True, grounds="leak"), by=DIRECTOR),
    RegisterMeters: Case(units, parsed(RegisterMeters, meters=[METER])),
    RecordReadings: Case(metered, parsed(RecordReadings, rows=[READING])),
    ReverseReading: Case(was_read, ReverseReading(meter_id="w1", reading_id="rd1", grounds="misread")),
    StartChargeRun: Case(units, StartChargeRun(month="2026-03")),
    ChargeUnits: Case(started, ChargeUnits(month="2026-03", unit_ids=("1-101",))),
    FinishChargeRun: Case(charged, FinishChargeRun(month="2026-03")),
    ReverseCharges: Case(
        paid, ReverseCharges(unit_id="1-101", month="2026-03", charge_ids=(CHARGE,), grounds="wrong_area")
    ),
    PostReceipts: Case(charged, parsed(PostReceipts, rows=[RECEIPT])),
    AllocateReceipts: Case(held, AllocateReceipts(receipt_ids=("r1",))),
    AllocateReceipt: Case(
        held,
        parsed(AllocateReceipt, receipt_id="r1", instructions=[{"charge_id": CHARGE, "amount": "250.00"}]),
        second="refused",
    ),
    RefundReceipt: Case(
        paid, RefundReceipt(receipt_id="r1", amount=Decimal("50.00"), grounds="overpaid"), second="refused"
    ),
    BounceReceipt: Case(paid, BounceReceipt(receipt_id="r1", grounds="returned")),
    ConfirmMatch: Case(unknown, ConfirmMatch(receipt_id="r1", unit_id="1-101")),
    DismissMatch: Case(unknown, DismissMatch(receipt_id="r1")),
    ImportStatement: Case(charged, parsed(ImportStatement, **STATEMENT)),
    ImportStatementRows: Case(announced, ImportStatementRows(statement_id="st1", rows=(ROW,))),
    OverrideStatement: Case(broken, OverrideStatement(statement_id="st1", grounds="bank_confirmed")),
    RequestWaiver: Case(charged, parsed(RequestWaiver, **WAIVER), by=DIRECTOR),
    DecideWaiver: Case(asked_for, DecideWaiver(waiver_id="v1", grant=True), by=MANAGER, barred=DIRECTOR),
    IssueNotices: Case(late, NOTICE, by=DIRECTOR, barred="south-director"),
    RecordPrinting: Case(
        noticed,
        RecordPrinting(batch_id="b1", letters=1, pdf_sha256=HASH, fonts_sha256=HASH),
        by=DIRECTOR,
        barred="south-director",
    ),
    CloseMonth: Case(late, CloseMonth(month="2026-03")),
    IssueCollectionReport: Case(late, IssueCollectionReport(report_id="p1", month="2026-03", fonts_sha256=HASH)),
    RequestCollectionStatus: Case(charged, RequestCollectionStatus(request_id="s1"), by=DIRECTOR),
    SupplyCollectionStatus: Case(demanded, SupplyCollectionStatus(request_id="s1")),
}
UNGATED = {ChargeUnits: "run_not_started"}
"""Commands that anybody may send once somebody with authority began; they are refused before that."""
EACH = pytest.mark.parametrize("kind", SERVICE.commands, ids=lambda kind: kind.__name__)


def test_every_command_has_its_case() -> None:
    assert set(CASES) == set(SERVICE.commands)


def heard(answer: Answer) -> str:
    """`ignored` also where each row of a bulk request was."""
    rows = {row.outcome for row in answer.rows}
    return "ignored" if rows == {"ignored"} and answer.outcome != "refused" else answer.outcome


@EACH
def test_it_is_done_once_and_ignored_when_repeated(accounts: Accounts, kind: type[Request]) -> None:
    case = CASES[kind]
    case.given(accounts)
    before = len(accounts.facts())
    first = accounts.ask(case.request, by=case.by, command_id="first")
    assert heard(first) == "done", first
    stored = accounts.facts()
    assert len(stored) > before
    assert not any(isinstance(event.data, Refusal) for event in stored[before:])
    accounts.now += timedelta(seconds=1)
    assert accounts.ask(case.request, by=case.by, command_id="first") == first
    assert len(accounts.facts()) == len(stored)
    assert heard(accounts.ask(case.request, by=case.by)) == case.second
    added = accounts.facts()[len(stored) :]
    assert [isinstance(event.data, Refusal) for event in added] == ([True] if case.second == "refused" else [])


@EACH
def test_who_may_not_is_refused_and_the_refusal_is_a_fact(accounts: Accounts, kind: type[Request]) -> None:
    case = CASES[kind]
    (units if kind in UNGATED else case.given)(accounts)
    before = len(accounts.facts())
    assert accounts.ask(case.request, by=case.barred).outcome == "refused"
    (refused,) = accounts.facts()[before:]
    assert isinstance(refused.data, Refusal)
    if kind in UNGATED:
        assert refused.data.reason == UNGATED[kind]
    else:
        assert refused.data.ruling.row_id, refused  # type: ignore[attr-defined]


@pytest.fixture
def two(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Accounts, Any]]:
    """Accounts on PostgreSQL, and a second instance of billing on the same database."""
    with ExitStack() as stack:
        accounts = Accounts(postgres_url, tmp_path).set_up()
        stack.callback(accounts.close)
        store, writer = accounts.second()
        stack.callback(store.close)
        stack.callback(writer.close)
        yield accounts, writer


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("billing-races")
@EACH
def test_of_two_writers_at_once_the_second_decides_again_on_what_the_first_stored(
    two: tuple[Accounts, Any], kind: type[Request]
) -> None:
    """Both remember the stream as it was before either wrote; one wins, and the other's answer rests on the winner's facts."""
    accounts, other = two
    case = CASES[kind]
    case.given(accounts)
    for writer in (accounts.billing, other):
        (refusal,) = (
            writer.process([accounts.sign(case.request, Actor(actor="nobody"), NORTH)])
            if kind not in UNGATED
            else (None,)
        )
        assert refusal is None or refusal.outcome == "refused", refusal
    before = len(accounts.facts())
    commands = [accounts.sign(case.request, Actor(actor=case.by), NORTH) for _ in range(2)]
    gate = threading.Barrier(2)
    answers: list[Any] = [None, None]

    def ask(index: int, writer: Any) -> None:
        gate.wait()
        (answers[index],) = writer.process([commands[index]])

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate((accounts.billing, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(heard(answer) for answer in answers) == sorted(("done", case.second))
    refusals = [event for event in accounts.facts()[before:] if isinstance(event.data, Refusal)]
    assert len(refusals) == (1 if case.second == "refused" else 0)
    totals = accounts.totals()
    assert totals["received"] == totals["allocated"] + totals["unapplied"]
    owed = accounts.open() if case.given is not nothing else {}
    assert all(amount >= 0 for amount in (*totals.values(), *owed.values()))
