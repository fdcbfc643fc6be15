"""Keeps an example of each message of billing, from a scene played on a store of its own: `python -m tests.billing.examples`."""

import sys
import tempfile
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, GetSettings, GetUnit, ListUnits, SetDispute
from bailiwick_contracts.charge import (
    GetChargeRun,
    ListCharges,
    PreviewCharges,
    ReverseCharges,
    StartChargeRun,
)
from bailiwick_contracts.collection import (
    CloseMonth,
    GetCollection,
    GetLedger,
    GetReport,
    IssueCollectionReport,
    LapseCollectionStatus,
    ListStatusRequests,
    RequestCollectionStatus,
    SupplyCollectionStatus,
)
from bailiwick_contracts.dunning import IssueNotices, ListNotices, RecordPrinting
from bailiwick_contracts.meter import ListReadings, RecordReadings, RegisterMeters, ReverseReading
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    ConfirmMatch,
    DismissMatch,
    ExplainReceipt,
    ListMatches,
    ListReceipts,
    RefundReceipt,
)
from bailiwick_contracts.statement import (
    GetStatement,
    ImportStatement,
    ImportStatementRows,
    OverrideStatement,
    PreviewStatementRows,
    StatementRow,
    row_key,
)
from bailiwick_contracts.waiver import DecideWaiver, ListWaivers, RequestWaiver

from tests.billing.office import ANN, DIRECTOR, MANAGER, NORTH, TERMS, Accounts, flat, line, local, tariff
from tests.contracts.examples import DOOR, keep_facts, keep_requests, keys_in

HASH = "ab" * 32


def play(directory: Path) -> Accounts:
    """Everything that billing can say, once."""
    accounts = Accounts(f"sqlite:///{directory / 'store.sqlite'}", directory, DOOR).set_up(tariffs=(), terms=None)
    metered = line("water", fee_class="water", basis="per_meter", price=None, meter_kind="water",
                   steps=[{"up_to": "20", "price": "2.30"}, {"price": "3.45"}])  # fmt: skip
    accounts.ask(AdoptTariff(tariff=tariff("2026-a", line(), metered), effective_on=date(2026, 1, 1)))
    accounts.ask(AdoptTerms(terms=TERMS, effective_on=date(2026, 1, 1)))
    accounts.units(flat("1-101", "88.50", references=("C-1001",)), flat("1-102"), flat("1-103", spells=()))
    _meters(accounts)
    accounts.run("2026-03", ("1-101", "1-102", "1-103"))
    accounts.ask(StartChargeRun(month="2026-04"), by=ANN)
    accounts.read(PreviewCharges(month="2026-04", unit_ids=("1-101",)))
    _receipts(accounts)
    _statement(accounts)
    _waivers(accounts)
    _collection(accounts)
    for query in (
        ListUnits(), GetUnit(unit_id="1-101"), GetSettings(), GetChargeRun(month="2026-03"), ListCharges(month="2026-03"),
        ListReceipts(), ListReadings(), ExplainReceipt(receipt_id="r-1"), ListWaivers(), ListStatusRequests(),
        GetCollection(month="2026-03"), GetLedger(), ListNotices(batch_id="letters-1"), GetReport(report_id="report-1"),
    ):  # fmt: skip
        accounts.read(query)
    accounts.sent.append(LapseCollectionStatus(request_id="status-2"))
    return accounts


def _meters(accounts: Accounts) -> None:
    meter = {"meter_id": "w-101", "unit_id": "1-101", "kind": "water", "installed_on": "2026-01-01"}
    accounts.ask(RegisterMeters.model_validate_json(_json({"meters": [meter]})))
    row = {"reading_id": "w-101-202603", "meter_id": "w-101", "read_on": "2026-03-01", "value": "24.5"}
    accounts.ask(RecordReadings.model_validate_json(_json({"rows": [row]})))
    accounts.ask(ReverseReading(meter_id="w-101", reading_id="w-101-202603", grounds="misread"))
    accounts.ask(
        RecordReadings.model_validate_json(_json({"rows": [row | {"reading_id": "w-101-202603b", "value": "23"}]}))
    )


def _json(value: object) -> str:
    import json  # noqa: PLC0415

    return json.dumps(value)


def _receipts(accounts: Accounts) -> None:
    accounts.receive("r-1", "100.00", fee="0.60")
    accounts.receive("r-2", "300.00", "1-102", allocate=False)
    charge = f"{NORTH}-1-102-202603-mgmt"
    accounts.ask(
        AllocateReceipt.model_validate(
            {"receipt_id": "r-2", "instructions": ({"charge_id": charge, "amount": "120.00"},)}
        )
    )
    accounts.ask(AllocateReceipts(receipt_ids=("r-2",)))
    accounts.ask(RefundReceipt(receipt_id="r-2", amount=Decimal("50.00"), grounds="overpaid"))
    accounts.receive("r-3", "10.00")
    accounts.ask(BounceReceipt(receipt_id="r-3", grounds="debit_returned"))


def _statement(accounts: Accounts) -> None:
    cells = [("2026-03-02", "12.00", "SAMPLE A"), ("2026-03-02", "13.00", "SAMPLE B")]
    rows = tuple(
        StatementRow.model_validate({"row": number, "key": row_key(one), "ordinal": 0, "on": date(2026, 3, 2), "direction": "in",
                                     "amount": one[1], "counterparty": one[2], "said": "management fee"})
        for number, one in enumerate(cells, start=2)
    )  # fmt: skip
    accounts.ask(
        ImportStatement.model_validate(
            {"statement_id": "st-1", "profile": "boc", "file_sha256": HASH, "rows": 2, "credits": 2, "debits": 0,
             "credit_total": "25.00", "debit_total": "0.00",
             "chain": {"state": "broken", "row": 3, "expected": "25.00", "found": "26.00"}}
        )
    )  # fmt: skip
    accounts.ask(OverrideStatement(statement_id="st-1", grounds="bank_confirmed"))
    accounts.read(PreviewStatementRows(statement_id="st-1", rows=rows))
    accounts.ask(ImportStatementRows(statement_id="st-1", rows=rows))
    shown = accounts.read(ListMatches())["matches"]
    accounts.ask(ConfirmMatch(receipt_id=shown[0]["receipt_id"], unit_id="1-101"))
    accounts.ask(DismissMatch(receipt_id=shown[1]["receipt_id"]))
    accounts.read(GetStatement(statement_id="st-1"))


def _waivers(accounts: Accounts) -> None:
    charge = f"{NORTH}-1-101-202603-mgmt"
    for number in (1, 2):
        request = {"waiver_id": f"w-{number}", "lines": ({"charge_id": charge, "amount": "10.00"},), "grounds": "leak"}
        accounts.ask(RequestWaiver.model_validate(request), by=DIRECTOR)
    accounts.ask(DecideWaiver(waiver_id="w-1", grant=True), by=DIRECTOR)
    accounts.ask(DecideWaiver(waiver_id="w-1", grant=True), by=MANAGER)
    accounts.ask(DecideWaiver(waiver_id="w-2", grant=False), by=MANAGER)
    accounts.ask(
        ReverseCharges(
            unit_id="1-102", month="2026-03", charge_ids=(f"{NORTH}-1-102-202603-mgmt",), grounds="wrong_area"
        )
    )


def _collection(accounts: Accounts) -> None:
    accounts.ask(RequestCollectionStatus(request_id="status-1"), by=DIRECTOR)
    accounts.ask(SupplyCollectionStatus(request_id="status-1"))
    accounts.ask(RequestCollectionStatus(request_id="status-2"), by=DIRECTOR)
    accounts.fire(accounts.now + timedelta(hours=25))
    accounts.ask(SetDispute(unit_id="1-102", disputed=True, grounds="leak"), by=DIRECTOR)
    accounts.now = local(date(2026, 4, 20))
    accounts.ask(IssueNotices(batch_id="letters-1", as_of=date(2026, 4, 20)), by=DIRECTOR)
    accounts.ask(RecordPrinting(batch_id="letters-1", letters=1, pdf_sha256=HASH, fonts_sha256=HASH), by=DIRECTOR)
    accounts.ask(CloseMonth(month="2026-03"))
    accounts.ask(IssueCollectionReport(report_id="report-1", month="2026-03", fonts_sha256=HASH))


def main() -> None:
    """Write what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        keys_in(directory)
        accounts = play(directory)
        kept = keep_facts(fact.raw for fact in accounts.store.chain(NORTH, 0, 10_000))
        kept += keep_requests(accounts.sent)
        accounts.close()
    sys.stdout.write("".join(f"{wire}\n" for wire in kept))


if __name__ == "__main__":
    main()
