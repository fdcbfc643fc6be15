"""Leave (A12): up to a day is approved here, more goes on, alone or with what adjoins it; a day of leave is no absence."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from bailiwick_contracts.attendance import GetDay
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.house_rules import OverriddenDay, OverrideCalendar
from bailiwick_contracts.leave import (
    CancelLeave,
    DecideLeave,
    GetLeave,
    LeaveDay,
    RequestLeave,
    SetLeaveBalance,
)
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.registry import DelegateAuthority
from bailiwick_contracts.staff import MergeStaff

from services.attendance.leave import LEAVE
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, HR, MANAGER, MONDAY, NORTH, Office, local

DAYS = [MONDAY + timedelta(days=offset) for offset in range(14)]
FRIDAY, NEXT_MONDAY = DAYS[4], DAYS[7]


@pytest.fixture
def staffed(office: Office) -> Office:
    office.staff_the_company()
    office.adopt(RULES)
    return office


def request(
    office: Office, leave_id: str, *days: date, part: str = "whole", kind: str = "sick", who: str = ANN, by: str = ""
) -> Answer:
    rows = tuple(LeaveDay.model_validate({"day": day, "part": part}) for day in days)
    asked = RequestLeave(leave_id=leave_id, staff_id=who, kind=kind, days=rows, grounds="Sample.")
    return office.ask(asked, by=by or who)


def decide(office: Office, leave_id: str, *, by: str = DIRECTOR, decision: str = "approve", who: str = ANN) -> Answer:
    asked = {"leave_id": leave_id, "staff_id": who, "decision": decision, "grounds": "Sample."}
    return office.ask(DecideLeave.model_validate(asked), by=by)


def last(office: Office) -> str:
    kinds = ("leave_approved", "leave_forwarded", "leave_declined", "leave_refused", "leave_cancelled")
    found = [event for event in office.facts("attendance.leave_") if any(kind in event.type for kind in kinds)]
    return found[-1].type.split(".")[1]


@pytest.mark.parametrize(
    ("parts", "fact"),
    [(["first_half"], "leave_approved"), (["whole"], "leave_approved"), (["whole", "first_half"], "leave_forwarded"),
     (["whole", "whole"], "leave_forwarded")],
)  # fmt: skip
def test_half_a_day_and_a_day_are_approved_here_and_half_a_day_more_goes_to_the_manager(
    staffed: Office, parts: Sequence[str], fact: str
) -> None:
    rows = tuple(LeaveDay.model_validate({"day": DAYS[n], "part": part}) for n, part in enumerate(parts))
    staffed.ask(RequestLeave(leave_id="l1", staff_id=ANN, kind="sick", days=rows, grounds="Sample."), by=ANN)
    assert decide(staffed, "l1").outcome == "done"
    assert last(staffed) == fact
    if fact == "leave_forwarded":
        assert staffed.last("leave_forwarded").data.forwarded_to == "property_manager"
    staffed.judged_again()


@pytest.mark.parametrize(
    ("first", "second", "fact"),
    [(FRIDAY, NEXT_MONDAY, "leave_forwarded"), (DAYS[0], DAYS[1], "leave_forwarded"), (DAYS[0], DAYS[2], "leave_approved"),
     (NEXT_MONDAY, FRIDAY, "leave_forwarded")],
)  # fmt: skip
def test_requests_that_adjoin_over_days_of_rest_count_as_one(
    staffed: Office, first: date, second: date, fact: str
) -> None:
    request(staffed, "l1", first)
    request(staffed, "l2", second)
    decide(staffed, "l1")
    decide(staffed, "l2")
    assert last(staffed) == fact
    staffed.judged_again()


def test_two_halves_that_adjoin_are_one_day_and_a_third_is_too_much(staffed: Office) -> None:
    request(staffed, "l1", DAYS[0], part="second_half")
    request(staffed, "l2", DAYS[1], part="first_half")
    assert decide(staffed, "l1").outcome == "done"
    assert last(staffed) == "leave_approved"
    request(staffed, "l3", DAYS[2], part="first_half")
    decide(staffed, "l3")
    assert last(staffed) == "leave_forwarded"
    assert len(staffed.last("leave_forwarded").data.adjoining) == 2
    staffed.judged_again()


def test_a_make_up_working_day_between_two_leaves_keeps_them_apart(staffed: Office) -> None:
    day = OverriddenDay(on=DAYS[5], kind="working_day")
    assert staffed.ask(OverrideCalendar(days=(day,), why="made up")).outcome == "done"
    request(staffed, "l1", FRIDAY)
    request(staffed, "l2", NEXT_MONDAY)
    decide(staffed, "l1")
    decide(staffed, "l2")
    assert last(staffed) == "leave_approved"
    staffed.judged_again()


def test_a_rostered_day_of_rest_joins_what_lies_around_it(staffed: Office) -> None:
    staffed.roster(DAYS[1], shifts=lambda _: ())
    request(staffed, "l1", DAYS[0])
    request(staffed, "l2", DAYS[2])
    decide(staffed, "l1")
    assert last(staffed) == "leave_forwarded"
    staffed.judged_again()


def test_leave_asked_for_under_an_id_that_was_merged_adjoins_all_the_same(staffed: Office) -> None:
    request(staffed, "l1", DAYS[0], who=BEN)
    decide(staffed, "l1", who=BEN)
    staffed.register(MergeStaff(staff_id=BEN, into_staff_id=ANN))
    request(staffed, "l2", DAYS[1])
    decide(staffed, "l2")
    assert last(staffed) == "leave_forwarded"
    staffed.judged_again()


def test_the_manager_approves_what_was_forwarded(staffed: Office) -> None:
    request(staffed, "l1", DAYS[0], DAYS[1])
    assert [decide(staffed, "l1").outcome, decide(staffed, "l1").outcome] == ["done", "ignored"]
    assert decide(staffed, "l1", by=MANAGER).outcome == "done"
    assert last(staffed) == "leave_approved"
    assert staffed.last("leave_approved").data.ruling.row_id == "S2"
    staffed.judged_again()


def test_nobody_approves_leave_of_their_own_and_only_the_director_approves(staffed: Office) -> None:
    request(staffed, "l1", DAYS[0], who=DIRECTOR)
    assert decide(staffed, "l1", who=DIRECTOR).outcome == "refused"
    assert staffed.last("leave_refused").data.reason == "own_case"
    request(staffed, "l2", DAYS[0])
    assert decide(staffed, "l2", by=BEN).outcome == "refused"
    assert decide(staffed, "l2", by="south-director").outcome == "refused"
    staffed.judged_again()


def test_declined_leave_is_not_decided_again_and_approved_leave_is_nothing_new(staffed: Office) -> None:
    request(staffed, "l1", DAYS[0])
    assert [decide(staffed, "l1", decision="decline").outcome for _ in range(2)] == ["done", "ignored"]
    assert decide(staffed, "l1").outcome == "rejected"
    request(staffed, "l2", DAYS[2])
    assert [decide(staffed, "l2").outcome for _ in range(2)] == ["done", "ignored"]
    assert decide(staffed, "l9").outcome == "rejected"
    staffed.judged_again()


def test_the_same_request_again_is_nothing_new_and_no_half_day_has_two_leaves(staffed: Office) -> None:
    assert [request(staffed, "l1", DAYS[0], part="first_half").outcome for _ in range(2)] == ["done", "ignored"]
    assert (request(staffed, "l1", DAYS[1]).error or {})["code"] == "leave_id_reused"
    assert (request(staffed, "l2", DAYS[0]).error or {})["code"] == "leave_overlaps"
    assert request(staffed, "l3", DAYS[0], part="second_half").outcome == "done"
    assert (request(staffed, "l4", DAYS[3], kind="sabbatical").error or {})["code"] == "unknown_leave_kind"


def test_a_day_of_leave_is_no_absence_and_cancelled_it_is_one_again(staffed: Office) -> None:
    staffed.came(None, None)
    request(staffed, "l1", MONDAY)
    decide(staffed, "l1")
    derived = staffed.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]
    assert (derived["status"], derived["leave_seconds"], derived["unpaid_seconds"]) == ("rest", 28_800, 0)
    cancel = CancelLeave(leave_id="l1", staff_id=ANN, grounds="Entered in error.")
    assert [staffed.ask(cancel).outcome, staffed.ask(cancel).outcome] == ["done", "ignored"]
    assert staffed.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]["status"] == "absent"
    staffed.judged_again()


@pytest.mark.parametrize(
    ("kind", "part", "until", "penalty", "unpaid"),
    [("annual", "whole", DAYS[7], "19.31", "4.02"), ("personal", "first_half", DAYS[7], "19.31", "52.30"),
     ("personal", "whole", DAYS[7], "0.00", "100.57"), ("personal", "whole", date(2026, 4, 1), "19.31", "4.02")],
)  # fmt: skip
def test_a_penalty_leaves_the_minimum_wage_after_unpaid_leave_of_its_month_too(
    staffed: Office, kind: str, part: str, until: date, penalty: str, unpaid: str
) -> None:
    """Of 2,100.00 with a minimum of 2,000.00 a day costs 96.55: with one unpaid there is no room for a fine (C12, T12)."""
    staffed.hire("low-sample", wage="2100.00")
    request(staffed, "l1", until, part=part, kind=kind, who="low-sample")
    decide(staffed, "l1", who="low-sample")
    staffed.came("09:20", who="low-sample")
    assert staffed.penalise(who="low-sample", share=20).outcome == "done"
    computed = staffed.figures(staffed.last("penalty_decided")).computed
    assert computed is not None
    assert (str(computed.penalty.amount), str(computed.month_unpaid.amount)) == (penalty, unpaid)
    cancelled = CancelLeave(leave_id="l1", staff_id="low-sample", grounds="Sample.")
    assert staffed.ask(cancelled, by="low-sample").outcome == "done"
    staffed.judged_again()


@pytest.mark.parametrize("merged", [False, True])
def test_leave_that_somebody_asked_for_in_the_directors_name_or_under_another_id_of_his_is_not_his_to_approve(
    staffed: Office, merged: bool
) -> None:
    staffed.register(
        DelegateAuthority(delegation_id="d1", from_staff_id=DIRECTOR, to_staff_id=BEN, property_id=NORTH,
                          first_on=MONDAY, last_on=MONDAY)
    )  # fmt: skip
    staffed.now = local("09:00")
    asked = RequestLeave(leave_id="l1", staff_id=ANN, kind="sick", days=(LeaveDay(day=FRIDAY),), grounds="Sample.")
    staffed.ask(asked, by=BEN, **({} if merged else {"on_behalf_of": DIRECTOR, "delegation": "d1"}))
    if merged:
        staffed.register(MergeStaff(staff_id=BEN, into_staff_id=DIRECTOR))
    assert decide(staffed, "l1").outcome == "refused"
    assert staffed.last("leave_refused").data.reason == "own_case"
    staffed.judged_again()


def test_a_morning_of_leave_moves_the_beginning_of_duty_to_the_middle_of_the_shift(staffed: Office) -> None:
    staffed.came("13:10")
    request(staffed, "l1", MONDAY, part="first_half")
    decide(staffed, "l1")
    derived = staffed.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]
    assert [(one["kind"], one["seconds"]) for one in derived["occurrences"]] == [("late", 600)]
    assert (derived["leave_seconds"], derived["unpaid_seconds"]) == (14_400, 600)
    staffed.judged_again()


def test_people_cancel_their_own_leave_before_it_begins_and_ask_the_director_afterwards(staffed: Office) -> None:
    staffed.now = local("08:00", DAYS[1])
    request(staffed, "l1", DAYS[2])
    decide(staffed, "l1")
    own = CancelLeave(leave_id="l1", staff_id=ANN, grounds="Well again.")
    assert staffed.ask(own, by=BEN).outcome == "refused"
    assert staffed.ask(own, by=ANN).outcome == "done"
    request(staffed, "l2", DAYS[1])
    decide(staffed, "l2")
    late = CancelLeave(leave_id="l2", staff_id=ANN, grounds="Well again.")
    assert staffed.ask(late, by=ANN).outcome == "refused"
    assert staffed.ask(late).outcome == "done"
    staffed.judged_again()


@pytest.mark.parametrize(("taken", "outcome"), [(4, "done"), (5, "done"), (6, "refused")])
def test_a_balance_is_used_up_to_the_last_day_and_no_further(staffed: Office, taken: int, outcome: str) -> None:
    outcomes = []
    for number, day in enumerate([*DAYS[:5], NEXT_MONDAY][:taken]):
        outcomes.append(request(staffed, f"l{number}", day, kind="annual").outcome)
        decide(staffed, f"l{number}", by=MANAGER)
    assert outcomes[-1] == outcome
    if outcome == "refused":
        assert staffed.last("leave_refused").data.balance == Ratio(numerator=0)
    left = staffed.read(GetLeave(staff_id=ANN, year=2026))["left"]["annual"]
    assert left == str(max(0, 5 - taken))


def test_hr_sets_a_balance_of_a_persons_own_and_nobody_else_does(staffed: Office) -> None:
    more = SetLeaveBalance(staff_id=ANN, kind="annual", year=2026, days=Ratio(numerator=10), why="ten years")
    assert [staffed.ask(more, by=HR).outcome for _ in range(2)] == ["done", "ignored"]
    assert staffed.read(GetLeave(staff_id=ANN, year=2026))["left"]["annual"] == "10"
    other = more.model_copy(update={"days": Ratio(numerator=30)})
    assert staffed.ask(other, by=DIRECTOR).outcome == "refused"
    staffed.judged_again()


def test_every_prefix_of_a_persons_leave_folds(staffed: Office) -> None:
    test_the_manager_approves_what_was_forwarded(staffed)
    history = [event for event in staffed.facts() if event.subject == f"leave-{ANN}"]
    for length in range(len(history) + 1):
        LEAVE.fold(history[:length])
