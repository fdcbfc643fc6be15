"""A month of attendance (A7): supplied, confirmed, disputed, closed; until it is confirmed nothing is deducted for its days."""

from datetime import date, timedelta

import pytest
from bailiwick_contracts.attendance import DeriveDays
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.month import (
    CloseMonth,
    ConfirmAttendance,
    DisputeAttendance,
    DisputedDay,
    GetMonth,
    SupplyAttendance,
)

from services.attendance.month import MONTH
from tests.attendance.office import ANN, BEN, DIRECTOR, HR, MANAGER, MONDAY, Office, local, punch

MARCH, APRIL = "2026-03", "2026-04"
AFTER = date(2026, 4, 1)


@pytest.fixture
def strict(bare_office: Office) -> Office:
    """An office under the matrix as shipped: an unconfirmed month blocks deductions."""
    office = bare_office.set_up(matrix=manual_matrix())
    office.staff_the_company()
    return office


def supply(office: Office, month: str = MARCH, by: str = HR) -> str:
    return office.ask(SupplyAttendance(month=month), by=by).outcome


def confirm(office: Office, sheet: int = 1, by: str = DIRECTOR, month: str = MARCH) -> str:
    return office.ask(ConfirmAttendance(month=month, sheet=sheet), by=by).outcome


def over(office: Office, day: date = AFTER) -> Office:
    office.now = max(office.now, local("09:00", day))
    return office


def test_nothing_is_deducted_for_a_day_of_a_month_that_is_not_confirmed(strict: Office) -> None:
    strict.came("09:10")
    assert strict.penalise("p1").outcome == "refused"
    assert strict.last("penalty_refused").data.reason == "month_unconfirmed"
    over(strict)
    assert (supply(strict), strict.penalise("p2").outcome, confirm(strict)) == ("done", "refused", "done")
    assert strict.penalise("p3").outcome == "done"
    named = {item.name: item.facts for item in strict.last("penalty_decided").data.ruling.asked.inputs}
    assert named["month_confirmation"] == (strict.last("attendance_confirmed").id,)
    assert strict.judged_again().judged >= 5


def test_the_matrix_first_shipped_lets_a_month_stand_unconfirmed(office: Office) -> None:
    office.came("09:10")
    assert office.penalise().outcome == "done"


def test_a_confirmation_of_one_month_frees_no_day_of_another(strict: Office) -> None:
    strict.came("09:10")
    strict.came("09:10", day=date(2026, 4, 1))
    over(strict, date(2026, 4, 2))
    assert (supply(strict), confirm(strict)) == ("done", "done")
    assert strict.penalise("p1", day=date(2026, 4, 1)).outcome == "refused"
    assert strict.penalise("p2").outcome == "done"


@pytest.mark.parametrize(("day", "outcome"), [(date(2026, 3, 31), "refused"), (date(2026, 4, 1), "done")])
def test_a_month_is_supplied_once_it_is_over(strict: Office, day: date, outcome: str) -> None:
    strict.came("09:10")
    over(strict, day)
    assert supply(strict) == outcome


def test_a_sheet_counts_person_days_and_holds_no_day_that_is_open(strict: Office) -> None:
    strict.came("09:10")
    strict.came("08:50", who=BEN)
    strict.roster(MONDAY + timedelta(days=1), who=(ANN, BEN))
    over(strict)
    assert supply(strict) == "refused"
    assert strict.last("month_refused").data.reason == "days_open"
    strict.ask(DeriveDays(first_on=MONDAY, last_on=AFTER))
    assert supply(strict) == "done"
    counts = strict.last("attendance_supplied").data.counts
    assert (counts.people, counts.days, counts.present, counts.absent, counts.late) == (2, 4, 2, 2, 1)


def test_what_is_supplied_or_confirmed_again_is_nothing_new(strict: Office) -> None:
    strict.came("09:10")
    over(strict)
    assert [supply(strict), supply(strict), confirm(strict), confirm(strict)] == ["done", "ignored", "done", "ignored"]


@pytest.mark.parametrize(
    ("by", "reason"), [(BEN, "not_the_holder"), (DIRECTOR, "not_the_holder"), (MANAGER, "not_the_holder")]
)
def test_only_hr_supplies_and_closes(strict: Office, by: str, reason: str) -> None:
    strict.came("09:10")
    over(strict)
    assert supply(strict, by=by) == "refused"
    assert strict.ask(CloseMonth(month=MARCH), by=by).outcome == "refused"
    assert {event.data.reason for event in strict.facts("month_refused")} == {reason}
    strict.judged_again()


@pytest.mark.parametrize("by", ["south-director", BEN, HR])
def test_only_the_offices_own_director_confirms(strict: Office, by: str) -> None:
    strict.came("09:10")
    over(strict)
    supply(strict)
    assert confirm(strict, by=by) == "refused"
    assert strict.last("month_refused").data.reason in ("not_the_holder", "outside_own_office")


def test_a_disputed_sheet_is_confirmed_only_once_hr_supplied_another(strict: Office) -> None:
    strict.came("09:10")
    over(strict)
    supply(strict)
    dispute = DisputeAttendance(month=MARCH, days=(DisputedDay(staff_id=ANN, day=MONDAY),), grounds="She was on time.")
    assert [strict.ask(dispute).outcome, strict.ask(dispute).outcome] == ["done", "ignored"]
    assert confirm(strict) == "refused"
    assert strict.last("month_refused").data.reason == "sheet_disputed"
    strict.punches(punch("late-arrival", ANN, "in", local("08:59")))
    assert supply(strict) == "done"
    assert confirm(strict, sheet=1) == "refused"
    assert strict.last("month_refused").data.reason == "sheet_superseded"
    assert confirm(strict, sheet=2) == "done"
    strict.judged_again()


def test_a_month_nobody_supplied_is_not_confirmed(strict: Office) -> None:
    assert confirm(strict) == "refused"
    assert strict.last("month_refused").data.reason == "no_sheet"


def test_a_punch_that_comes_after_the_confirmation_derives_the_day_anew_and_flags_the_month(strict: Office) -> None:
    strict.came("09:10")
    over(strict)
    supply(strict)
    confirm(strict)
    strict.punches(punch("late-arrival", ANN, "in", local("08:59")))
    flagged = strict.last("confirmed_day_changed").data
    assert (flagged.staff_id, flagged.day, flagged.counts_in, flagged.month_closed) == (ANN, MONDAY, MARCH, False)
    assert flagged.confirmation == strict.last("attendance_confirmed").id
    assert len(strict.facts("attendance_confirmed")) == 1
    assert strict.read(GetMonth(month=MARCH))["changed_after"] == [f"{ANN} {MONDAY}"]


def test_a_month_is_closed_once_confirmed_and_what_is_decided_later_counts_in_the_next_with_a_note(
    strict: Office,
) -> None:
    strict.came("09:10")
    over(strict)
    supply(strict)
    assert strict.ask(CloseMonth(month=MARCH), by=HR).outcome == "refused"
    assert strict.last("month_refused").data.reason == "month_unconfirmed"
    confirm(strict)
    assert [strict.ask(CloseMonth(month=MARCH), by=HR).outcome for _ in range(2)] == ["done", "ignored"]
    assert strict.penalise("p1", share=20).outcome == "done"
    asked = strict.last("penalty_decided").data.asked
    assert (asked.month, asked.late_for) == (APRIL, MARCH)
    strict.punches(punch("late-arrival", ANN, "in", local("09:05")))
    assert strict.last("confirmed_day_changed").data.counts_in == APRIL
    strict.judged_again()


def test_every_prefix_of_a_month_folds(strict: Office) -> None:
    strict.came("09:10")
    over(strict)
    supply(strict)
    confirm(strict)
    strict.ask(CloseMonth(month=MARCH), by=HR)
    strict.punches(punch("late-arrival", ANN, "in", local("08:59")))
    history = [event for event in strict.facts() if event.subject.startswith("month-")]
    assert len(history) == 4
    for length in range(len(history) + 1):
        MONTH.fold(history[:length])
