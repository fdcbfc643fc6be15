"""Overtime: submitted and confirmed (A11), then comp leave decided here (A5) or pay that is only recommended (A6, C18)."""

from datetime import date, timedelta

import pytest
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.house_rules import OvertimeRates
from bailiwick_contracts.leave import DecideLeave, GetLeave, LeaveDay, RequestLeave
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.overtime import (
    ConfirmOvertime,
    GetOvertime,
    GrantCompLeave,
    OvertimeFigures,
    RecommendOvertimePay,
    SubmitOvertime,
    overtime_pay,
)
from bailiwick_contracts.sealed import open_record

from services.attendance.overtime import OVERTIME
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, MONDAY, Office, local

SATURDAY, HOLIDAY = MONDAY + timedelta(days=5), date(2026, 5, 1)
PAID_DAYS = Ratio(numerator=87, denominator=4)


@pytest.fixture
def ruled(office: Office) -> Office:
    office.adopt(RULES)
    return office


def submit(
    office: Office, overtime_id: str = "o1", day: date = MONDAY, by: str = DIRECTOR, end: str = "20:00"
) -> Answer:
    asked = SubmitOvertime(overtime_id=overtime_id, staff_id=ANN, day=day, starts_at=local("18:00", day),
                           ends_at=local(end, day), grounds="A burst pipe.")  # fmt: skip
    answer = office.ask(asked, by=by)
    office.now = max(office.now, asked.ends_at)
    return answer


def confirm(office: Office, overtime_id: str = "o1", seconds: int = 7_200, by: str = DIRECTOR) -> Answer:
    return office.ask(ConfirmOvertime(overtime_id=overtime_id, staff_id=ANN, worked_seconds=seconds), by=by)


@pytest.mark.parametrize(("kind", "amount"), [("workday", "37.50"), ("rest_day", "50.00"), ("holiday", "75.00")])
def test_an_hour_of_a_wage_of_4350_costs_25_times_the_rate_of_the_day(kind: str, amount: str) -> None:
    """C18."""
    wage = Money.model_validate({"amount": "4350.00"})
    figures = overtime_pay(wage, 3_600, kind, paid_days=PAID_DAYS, rates=OvertimeRates())  # type: ignore[arg-type]
    assert (str(figures.hourly.amount), str(figures.amount.amount)) == ("25.00", amount)


@pytest.mark.parametrize(
    ("day", "kind", "amount"), [(MONDAY, "workday", "75.00"), (SATURDAY, "rest_day", "100.00"), (HOLIDAY, "holiday", "150.00")]
)  # fmt: skip
def test_pay_is_recommended_by_the_kind_of_day_and_nobody_reads_it_without_the_key(
    ruled: Office, day: date, kind: str, amount: str
) -> None:
    assert submit(ruled, day=day).outcome == "done"
    assert ruled.last("overtime_submitted").data.submitted_to == "property_manager"
    assert confirm(ruled).outcome == "done"
    assert ruled.last("overtime_confirmed").data.day_kind == kind
    pay = RecommendOvertimePay(overtime_id="o1", staff_id=ANN)
    assert [ruled.ask(pay).outcome, ruled.ask(pay).outcome] == ["done", "ignored"]
    event = ruled.last("overtime_pay_recommended")
    figures = open_record(event.data.figures, OvertimeFigures, event_id=event.id, path="figures", keys=ruled.keys)
    assert (str(figures.amount.amount), event.data.recommended_to) == (amount, "hr")
    assert b"25.00" not in b"".join(fact.raw for fact in ruled.store.chain("north-court", 0, 1000))
    ruled.judged_again()


def test_comp_leave_becomes_a_balance_that_leave_uses_up(ruled: Office) -> None:
    submit(ruled, end="22:00")
    confirm(ruled, seconds=14_400)
    grant = GrantCompLeave(overtime_id="o1", staff_id=ANN)
    assert [ruled.ask(grant).outcome, ruled.ask(grant).outcome] == ["done", "ignored"]
    assert ruled.last("comp_leave_granted").data.days == Ratio(numerator=1, denominator=2)
    row = LeaveDay(day=MONDAY + timedelta(days=7), part="first_half")
    half = RequestLeave(leave_id="l1", staff_id=ANN, kind="comp", days=(row,), grounds="Sample.")
    assert ruled.ask(half, by=ANN).outcome == "done"
    assert ruled.ask(DecideLeave(leave_id="l1", staff_id=ANN, grounds="Sample.")).outcome == "done"
    assert ruled.read(GetLeave(staff_id=ANN, year=2026))["left"]["comp"] == "0"
    again = RequestLeave(leave_id="l2", staff_id=ANN, kind="comp", grounds="Sample.",
                         days=(LeaveDay(day=MONDAY + timedelta(days=9), part="first_half"),))  # fmt: skip
    assert ruled.ask(again, by=ANN).outcome == "refused"
    ruled.judged_again()


def test_overtime_is_compensated_once_by_leave_or_by_pay(ruled: Office) -> None:
    submit(ruled)
    assert ruled.ask(GrantCompLeave(overtime_id="o1", staff_id=ANN)).outcome == "rejected"
    confirm(ruled)
    ruled.ask(GrantCompLeave(overtime_id="o1", staff_id=ANN))
    answer = ruled.ask(RecommendOvertimePay(overtime_id="o1", staff_id=ANN))
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "not_compensable")


@pytest.mark.parametrize(("seconds", "outcome"), [(7_199, "done"), (7_200, "done"), (7_201, "rejected")])
def test_no_more_is_confirmed_than_was_submitted(ruled: Office, seconds: int, outcome: str) -> None:
    submit(ruled)
    assert confirm(ruled, seconds=seconds).outcome == outcome


@pytest.mark.parametrize(("early", "outcome"), [(1, "rejected"), (0, "done"), (-1, "done")])
def test_what_is_not_worked_yet_is_not_confirmed(ruled: Office, early: int, outcome: str) -> None:
    submit(ruled)
    ruled.now = local("20:00") - timedelta(seconds=early)
    answer = confirm(ruled)
    assert answer.outcome == outcome
    assert early <= 0 or (answer.error or {})["code"] == "overtime_not_over"


def test_an_hour_is_overtime_once_and_of_the_day_on_which_it_starts(ruled: Office) -> None:
    submit(ruled)
    assert (submit(ruled, "o2", end="19:00").error or {})["code"] == "overtime_overlaps"
    after = SubmitOvertime(overtime_id="o3", staff_id=ANN, day=MONDAY, starts_at=local("20:00"), ends_at=local("21:00"),
                           grounds="It burst again.")  # fmt: skip
    assert ruled.ask(after).outcome == "done"
    night = {"overtime_id": "o4", "starts_at": local("23:00"), "ends_at": local("01:00", MONDAY + timedelta(days=1))}
    wrong = after.model_copy(update={**night, "day": MONDAY + timedelta(days=1)})
    assert (ruled.ask(wrong).error or {})["code"] == "day_mismatch"
    assert ruled.ask(after.model_copy(update=night)).outcome == "done"


def test_the_four_answers_of_submitting_and_confirming(ruled: Office) -> None:
    assert [submit(ruled).outcome, submit(ruled).outcome] == ["done", "ignored"]
    assert (submit(ruled, day=SATURDAY).error or {})["code"] == "overtime_id_reused"
    assert submit(ruled, "o2", by=BEN).outcome == "refused"
    assert confirm(ruled, by=ANN).outcome == "refused"
    assert ruled.last("overtime_refused").data.reason == "own_case"
    assert [confirm(ruled).outcome, confirm(ruled).outcome, confirm(ruled, "o9").outcome] == [
        "done",
        "ignored",
        "rejected",
    ]
    assert ruled.read(GetOvertime(staff_id=ANN))["overtimes"]["o1"]["status"] == "confirmed"
    ruled.judged_again()
    history = [event for event in ruled.facts() if event.subject == f"overtime-{ANN}"]
    for length in range(len(history) + 1):
        OVERTIME.fold(history[:length])
