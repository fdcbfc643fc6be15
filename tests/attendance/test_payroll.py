"""Hand-over to payroll: every deduction with its clause, ruling and clamps; the same bytes as of the same instant."""

import csv
import io
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from bailiwick_contracts.conduct import WithdrawPenalty
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.leave import DecideLeave, LeaveDay, RequestLeave
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.month import CloseMonth, ConfirmAttendance, SupplyAttendance
from bailiwick_contracts.payroll import GetPayroll, HandOverPayroll
from bailiwick_contracts.payroll_sheet import COLUMNS, Line, payroll_csv, payroll_digest, payroll_lines
from bailiwick_contracts.readjudicate import in_recorded_order

from services.cli.payroll import workbook
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, HR, MONDAY, NORTH, Office, local, punch
from tests.judged import judged

MARCH, APRIL = "2026-03", "2026-04"
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def closed(bare_office: Office) -> Office:
    """March, in which Ann was late on Monday and absent on Tuesday, and Ben had a day of unpaid leave; closed."""
    office = bare_office.set_up(matrix=manual_matrix())
    office.staff_the_company()
    office.adopt(RULES)
    office.came("09:20")
    office.came(None, None, day=TUESDAY)
    row = LeaveDay(day=TUESDAY)
    office.ask(RequestLeave(leave_id="l1", staff_id=BEN, kind="personal", days=(row,), grounds="Sample."), by=BEN)
    office.ask(DecideLeave(leave_id="l1", staff_id=BEN, grounds="Sample."))
    office.now = local("09:00", date(2026, 4, 1))
    office.ask(SupplyAttendance(month=MARCH), by=HR)
    office.ask(ConfirmAttendance(month=MARCH))
    assert office.penalise("p1", share=20).outcome == "done"
    assert office.ask(CloseMonth(month=MARCH), by=HR).outcome == "done"
    office.now += timedelta(hours=1)
    return office


def lines(office: Office, month: str = MARCH, as_of: datetime | None = None) -> list[Line]:
    """The lines as a command would make them: from the facts that the query answers, page by page."""
    raws: list[str] = []
    after, until = 0, as_of or office.now
    while True:
        page = office.read(GetPayroll(month=month, as_of=until, after=after))
        raws += page["facts"]
        if "next" not in page:
            break
        after = page["next"]
    events = [read_event(raw.encode()) for raw in raws]
    ours, registry = ([e for e in events if e.service == name] for name in ("attendance", "registry"))
    return payroll_lines(ours, registry, property_id=NORTH, month=month, as_of=until, keys=office.keys)


def test_the_file_holds_each_deduction_with_clause_ruling_and_clamps(closed: Office) -> None:
    shown = {(line.staff_id, line.kind): line for line in lines(closed)}
    penalty = shown[ANN, "penalty"]
    assert (penalty.clause, penalty.penalty, penalty.requested) == ("A13", Decimal("40.00"), "1/5")
    assert "granted under manual-2 and law-1" in penalty.ruling
    assert penalty.clamps.startswith("1. authority_cap (A13); 2. legal_cap_per_occurrence (law-1)")
    unpaid = [line.unpaid for line in lines(closed) if line.kind == "unpaid_time"]
    assert unpaid == [Decimal("8.33"), Decimal("200.00")]
    assert shown[BEN, "unpaid_leave"].unpaid == Decimal("200.00")


def test_a_month_is_handed_over_once_closed_and_the_fact_names_the_file(closed: Office) -> None:
    request = HandOverPayroll(month=MARCH)
    assert closed.ask(request, by=DIRECTOR).outcome == "refused"
    assert [closed.ask(request, by=HR).outcome, closed.ask(request, by=HR).outcome] == ["done", "ignored"]
    handed = closed.last("payroll_handed_over").data
    assert (handed.revision, handed.lines, handed.people) == (1, 4, 2)
    assert handed.digest == payroll_digest(lines(closed, as_of=handed.as_of))
    assert closed.ask(HandOverPayroll(month=APRIL), by=HR).outcome == "refused"
    assert closed.last("month_refused").data.reason == "month_not_closed"
    closed.judged_again()


def test_whoever_judges_again_makes_the_file_anew_and_finds_one_that_was_not_what_the_facts_say(closed: Office) -> None:
    assert closed.ask(HandOverPayroll(month=MARCH), by=HR).outcome == "done"
    digest = closed.last("payroll_handed_over").data.digest
    chains = [
        [fact.raw.replace(digest.encode(), b"0" * 64) for fact in store.chain(place, 0, 100_000)]
        for store in (closed.registry_store, closed.store)
        for place in store.heads()
    ]
    findings, _ = judged(in_recorded_order(*chains), closed.keys)
    assert [(one.field, one.would_be) for one in findings] == [("digest", digest)]


def test_what_comes_to_light_later_stands_in_the_next_month_with_a_note_and_march_stays_as_it_was(
    closed: Office,
) -> None:
    before = payroll_csv(lines(closed))
    at = closed.now
    closed.now += timedelta(hours=1)
    closed.punches(punch("found", ANN, "in", local("09:10")))
    waived = WithdrawPenalty(penalty_id="p1", cause="waiver", evidence=("memo-7",), grounds="Sample.")
    assert closed.ask(waived).outcome == "done"
    assert payroll_csv(lines(closed)) == before
    april = {line.kind: line for line in lines(closed, APRIL)}
    assert april["penalty_reversed"].penalty == Decimal("-40.00")
    assert april["unpaid_time"].unpaid == Decimal("4.17") - Decimal("8.33")
    assert {line.late_for for line in april.values()} == {MARCH}
    assert all("closed" in line.note for line in april.values())
    assert lines(closed, APRIL, as_of=at) == []


def test_as_of_an_earlier_instant_the_file_is_what_was_known_then(closed: Office) -> None:
    early = local("10:00", MONDAY + timedelta(days=3))
    assert {line.kind for line in lines(closed, as_of=early)} == {"unpaid_time", "unpaid_leave"}


def test_the_same_lines_are_the_same_bytes_in_both_forms(closed: Office) -> None:
    made = lines(closed)
    assert workbook(made, "north 2026-03") == workbook(lines(closed), "north 2026-03")
    rows = list(csv.reader(io.StringIO(payroll_csv(made).decode("utf-8-sig"))))
    assert rows[0] == list(COLUMNS)
    assert len(rows) == 5
    with zipfile.ZipFile(io.BytesIO(workbook(made, "north 2026-03"))) as book:
        assert b"2000-01-01" in book.read("docProps/core.xml")
        assert {item.date_time[0] for item in book.infolist()} == {1980}


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1", "-1+2", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula_and_an_amount_that_is_taken_back_stays_a_number(cell: str) -> None:
    line = Line("s1", "penalty", MONDAY, MARCH, note=cell, penalty=Decimal("-40.00"))
    (_, row) = list(csv.reader(io.StringIO(payroll_csv([line]).decode("utf-8-sig"))))
    assert row[COLUMNS.index("note")] == f"'{cell}"
    assert row[COLUMNS.index("penalty")] == "-40.00"


def test_no_wage_or_amount_is_in_what_the_query_answers(closed: Office) -> None:
    answered = "".join(closed.read(GetPayroll(month=MARCH))["facts"])
    assert "4350.00" not in answered
    assert "40.00" not in answered
