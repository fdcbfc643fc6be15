"""Collection rates: as of any day, frozen when closed, named by their definition; recovery apart (K3, C17, T11, F4)."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from bailiwick_contracts.billing import AdoptTariff
from bailiwick_contracts.charge import ReverseCharges
from bailiwick_contracts.collection import (
    CloseMonth,
    Figures,
    GetCollection,
    GetLedger,
    GetReport,
    IssueCollectionReport,
    ListStatusRequests,
    Movement,
    RequestCollectionStatus,
    SupplyCollectionStatus,
    collected,
    figures,
    movements_of,
)
from bailiwick_contracts.ledger import booking_of
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.waiver import DecideWaiver, RequestWaiver

from services.billing.paper import percent
from services.kernel.decision import Rejected
from tests.billing.office import ANN, DIRECTOR, MANAGER, NORTH, SOUTH, Accounts, flat, line, local, spell, tariff


def all_of(found: Figures, period: str = "of_month", fee: str = "all", payer: str = "all") -> Any:
    return next(one for one in getattr(found, period) if (one.fee_class, one.payer_class) == (fee, payer))


def now(accounts: Accounts, month: str = "2026-03", as_of: date | None = None) -> Figures:
    return Figures.model_validate(accounts.read(GetCollection(month=month, as_of=as_of))["figures"])


def rebuilt(accounts: Accounts, month: str, as_of: date) -> Figures:
    """The same from the events alone."""
    moved = [one for event in accounts.facts() for one in movements_of(event.data)]
    return figures(moved, month, definition="strict/1", grace_days=10, as_of=as_of)


def test_the_three_rates_of_the_worked_case_are_named_and_never_mixed() -> None:
    """C17: receivable 100,000, reversed 1,000, waived 3,000, cash 88,000, offset 2,000."""
    cents = {"charged": 10_000_000, "reversed": 100_000, "waived": 300_000, "cash": 8_800_000, "offset": 200_000}
    found = collected("all", "all", cents)
    rates = [
        percent(one.model_dump() if one else None) for one in (found.strict, found.naive, found.waiver_as_collected)
    ]
    assert rates == ["93.75", "88.00", "93.94"]


def test_nothing_due_is_no_rate_neither_nought_nor_a_hundred() -> None:
    found = collected("all", "all", {})
    assert (found.strict, percent(None)) == (None, "N/A")


@pytest.fixture
def worked(bare: Accounts) -> Accounts:
    """C17 as it happens: 100 units at 1,000.00."""
    accounts = bare.set_up(tariffs=((tariff("t1", line(basis="fixed", price="1000.00")), date(2020, 1, 1)),))
    ids = [f"1-{number:03d}" for number in range(1, 101)]
    accounts.units(*(flat(one) for one in ids))
    accounts.now = local(date(2026, 2, 20))
    for number in (0, 1):
        accounts.receive(f"early-{number}", "1000.00", ids[number])
    accounts.now = local(date(2026, 3, 1))
    accounts.run(unit_ids=ids)
    charge = f"{NORTH}-{{}}-202603-mgmt".format
    accounts.done(ReverseCharges(unit_id=ids[99], month="2026-03", charge_ids=(charge(ids[99]),), grounds="vacant"))
    lines = tuple({"charge_id": charge(one), "amount": "1000.00"} for one in ids[96:99])
    accounts.done(RequestWaiver.model_validate({"waiver_id": "w1", "lines": lines, "grounds": "leak"}), by=DIRECTOR)
    accounts.done(DecideWaiver(waiver_id="w1", grant=True), by=MANAGER)
    accounts.now = local(date(2026, 3, 15))
    for number in range(2, 90):
        accounts.receive(f"r-{number}", "1000.00", ids[number])
    return accounts


def test_the_worked_case_comes_out_of_the_accounts_and_of_the_events_alike(worked: Accounts) -> None:
    """C17."""
    found = now(worked)
    one = all_of(found)
    amounts = (one.receivable, one.reversed, one.waived, one.cash, one.offset)
    assert amounts == tuple(map(Decimal, ("100000.00", "1000.00", "3000.00", "88000.00", "2000.00")))
    assert one.strict is not None
    assert one.strict.fraction == Fraction(9375, 10000)
    assert found == rebuilt(worked, "2026-03", date(2026, 3, 15))
    assert (found.definition, found.cut_off_on) == ("strict/1", date(2026, 4, 10))


def test_what_a_rate_was_as_of_an_earlier_day_can_be_asked_for(worked: Accounts) -> None:
    before = now(worked, as_of=date(2026, 3, 14))
    assert (all_of(before).cash, all_of(before).offset) == (Decimal(0), Decimal("2000.00"))
    assert before == rebuilt(worked, "2026-03", date(2026, 3, 14))
    assert now(worked, as_of=date(2026, 2, 28)).of_month == ()


def test_a_month_closes_after_its_cut_off_and_later_payments_move_only_the_recovery(worked: Accounts) -> None:
    assert worked.ask(CloseMonth(month="2026-03"), by=ANN).outcome == "refused"
    assert worked.ask(CloseMonth(month="2026-03")).outcome == "refused"
    assert worked.last("billing_refused").data.reason == "month_not_over"
    worked.now = local(date(2026, 4, 10))
    worked.receive("r-90", "1000.00", "1-091")
    worked.now = local(date(2026, 4, 11))
    assert [worked.ask(CloseMonth(month="2026-03")).outcome for _ in range(2)] == ["done", "ignored"]
    frozen = now(worked)
    assert all_of(frozen).cash == Decimal("89000.00")
    worked.now = local(date(2026, 4, 20))
    worked.receive("r-91", "1000.00", "1-092")
    assert now(worked) == frozen
    assert all_of(now(worked, as_of=date(2026, 4, 20))).cash == Decimal("89000.00")
    april = now(worked, "2026-04").recovery
    assert (april.arrears, april.recovered, april.from_on) == (
        Decimal("5000.00"),
        Decimal("1000.00"),
        date(2026, 4, 10),
    )
    assert rebuilt(worked, "2026-04", date(2026, 4, 20)).recovery == april


def test_a_closed_month_is_charged_no_more(worked: Accounts) -> None:
    worked.now = local(date(2026, 4, 11))
    worked.done(CloseMonth(month="2026-03"))
    worked.units(flat("2-001"))
    assert worked.run("2026-03", ("2-001",)).outcome == "refused"


@pytest.mark.parametrize("sold", [False, True])
def test_what_came_in_time_is_collected_in_time_though_the_charge_is_rated_anew_later(
    accounts: Accounts, sold: bool
) -> None:
    """Paid on the 5th of March; in April the area is found to be 90 m², or the flat to have been sold on the 16th of March."""
    accounts.units(flat())
    accounts.run()
    accounts.now = local(date(2026, 3, 5))
    accounts.receive("r1", "250.00")
    accounts.now = local(date(2026, 4, 20))
    spells = (spell("developer", date(2020, 1, 1), date(2026, 3, 16)), spell("owner", date(2026, 3, 16)))
    accounts.units(flat(spells=spells) if sold else flat(area="90"))
    accounts.run(rerate=True)
    assert accounts.open() == {}
    total = accounts.read(GetCollection(month="2026-03"))["figures"]["of_month"][-1]
    paid = "250.00" if sold else "225.00"
    assert (total["cash"], total["offset"], total["strict"]) == (paid, "0.00", {"numerator": 1, "denominator": 1})


def test_quarter_and_year_count_what_came_in_by_their_own_cut_off(accounts: Accounts) -> None:
    accounts.units(
        flat(spells=(spell("developer", date(2020, 1, 1), date(2026, 2, 1)), spell("owner", date(2026, 2, 1))))
    )
    for month in (1, 2, 3):
        accounts.now = max(accounts.now, local(date(2026, 3, 1)))
        accounts.run(f"2026-0{month}")
    accounts.now = local(date(2026, 3, 20))
    accounts.receive("r1", "400.00")
    found = now(accounts)
    assert all_of(found, "of_month").cash == 0
    assert (all_of(found, "of_quarter").receivable, all_of(found, "of_quarter").cash) == (
        Decimal("750.00"),
        Decimal("400.00"),
    )
    assert all_of(found, "of_year", "management", "developer").cash == Decimal("250.00")
    assert all_of(now(accounts, "2026-01")).cash == 0
    assert found == rebuilt(accounts, "2026-03", date(2026, 3, 20))


def test_the_company_sees_every_property(worked: Accounts) -> None:
    worked.done(AdoptTariff(tariff=tariff(), effective_on=date(2020, 1, 1)), at=SOUTH)
    worked.units(flat("5-501"), at=SOUTH)
    worked.run(unit_ids=("5-501",), at=SOUTH)
    shown = worked.read(GetCollection(month="2026-03"), at=COMPANY)["properties"]
    assert set(shown) == {NORTH, SOUTH}


def test_a_report_names_definition_freeze_and_position_and_stays_what_it_is(worked: Accounts) -> None:
    issue = IssueCollectionReport(report_id="rep-1", month="2026-03", fonts_sha256="ab" * 32)
    assert worked.ask(issue, by=ANN).outcome == "refused"
    assert [worked.ask(issue).outcome for _ in range(2)] == ["done", "ignored"]
    assert worked.ask(IssueCollectionReport(report_id="rep-1", month="2026-02")).outcome == "rejected"
    first = worked.read(GetReport(report_id="rep-1"))
    assert (first["report"]["frozen_by"], first["position"]) == (
        None,
        worked.last("collection_report_issued").chainnumber,
    )
    worked.receive("late", "1000.00", "1-095")
    assert worked.read(GetReport(report_id="rep-1")) == first
    (aged,) = first["report"]["arrears"]
    assert (aged["up_to_30"], aged["units"]) == ("6000.00", 6)


def test_the_director_demands_the_status_and_an_overdue_answer_is_a_fact(worked: Accounts) -> None:
    demand = RequestCollectionStatus(request_id="s1")
    assert worked.ask(demand, by=ANN).outcome == "refused"
    assert [worked.ask(demand, by=DIRECTOR).outcome for _ in range(2)] == ["done", "ignored"]
    asked = worked.last("status_requested").data
    assert asked.due_at == asked.asked_at + timedelta(hours=24)
    worked.fire(asked.due_at)
    assert worked.last("status_overdue").data.asked_at == asked.asked_at
    worked.now += timedelta(minutes=5)
    assert worked.ask(SupplyCollectionStatus(request_id="s1"), by=ANN).outcome == "refused"
    assert [worked.ask(SupplyCollectionStatus(request_id="s1")).outcome for _ in range(2)] == ["done", "ignored"]
    supplied = worked.last("status_supplied").data
    assert (supplied.late, supplied.answered_at, supplied.figures.month) == (True, worked.now, "2026-03")
    assert [one["status"] for one in worked.read(ListStatusRequests())["requests"]] == ["late"]


def test_demands_are_listed_in_pages_the_latest_first(worked: Accounts) -> None:
    for name in ("s1", "s2", "s3"):
        worked.done(RequestCollectionStatus(request_id=name), by=DIRECTOR)
        worked.now += timedelta(minutes=name != "s2")
    first = worked.read(ListStatusRequests(limit=2))
    rest = worked.read(ListStatusRequests(limit=2, after=first["next"]))
    assert [one["request_id"] for page in (first, rest) for one in page["requests"]] == ["s2", "s3", "s1"]
    assert "next" not in rest
    assert first["requests"] + rest["requests"] == worked.read(ListStatusRequests())["requests"]
    with pytest.raises(Rejected, match="there is no s9"):
        worked.read(ListStatusRequests(after="s9"))


def test_a_status_answered_in_time_is_never_overdue(worked: Accounts) -> None:
    worked.done(RequestCollectionStatus(request_id="s1"), by=DIRECTOR)
    worked.done(SupplyCollectionStatus(request_id="s1"))
    assert worked.fire(worked.now + timedelta(days=3)) == []
    assert worked.facts("status_overdue") == []
    assert worked.ask(SupplyCollectionStatus(request_id="none")).outcome == "rejected"


def test_every_fact_that_moves_money_books_to_nought_and_so_does_the_ledger(worked: Accounts) -> None:
    booked = [booking_of(event.data) for event in worked.facts()]
    assert all(sum(one.amount for one in booking.postings) == 0 for booking in booked if booking)
    shown = worked.read(GetLedger())
    assert shown["sums"] == {"CNY": "0.00"}
    balances = {one["account"]: one["balance"] for one in shown["accounts"]}
    assert (balances["receivable:management"], balances["bank:bank"]) == ("6000.00", "90000.00")
    assert worked.read(GetLedger(as_of=date(2026, 3, 1)))["sums"] == {"CNY": "0.00"}


def test_the_same_movements_in_another_order_come_to_the_same_tables_row_by_row() -> None:
    one, other = (
        Movement("2026-03", "management", payer, "charged", date(2026, 3, 1), date(2026, 3, 1), 120_00)
        for payer in ("owner", "developer")
    )
    found, again = (
        figures(moved, "2026-03", definition="strict/1", grace_days=10, as_of=date(2026, 3, 31))
        for moved in ([one, other], [other, one])
    )
    assert found == again
