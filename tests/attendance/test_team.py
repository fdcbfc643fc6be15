"""The director's team: A1 decided up to the team leaders, dismissal (A2) and pay (A4) only recommended, temps by headcount (A3)."""

from datetime import date, timedelta
from typing import Any

import pytest
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.house_rules import Headcount
from bailiwick_contracts.money import Money
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.staff import AssignPosition
from bailiwick_contracts.swap import RosteredPart, SwapShifts
from bailiwick_contracts.team import (
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    GetTeam,
    PayChangeFigures,
    RecommendDismissal,
    RecommendPayChange,
    months_before,
)
from bailiwick_contracts.temporary import EndTemp, GetTemporary, HireTemp

from services.attendance.team import TEAM
from services.attendance.temporary import TEMPORARY
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, MONDAY, NORTH, SOUTH, Office, local, shift

LEADER, HEAD = "leader-sample", "head-sample"
DAYS = [MONDAY + timedelta(days=offset) for offset in range(30)]


@pytest.fixture
def staffed(office: Office) -> Office:
    office.staff_the_company()
    office.hire(LEADER, grade="team_leader", position="cleaning_foreman")
    office.hire(HEAD, grade="supervisor", position="clubhouse_supervisor")
    office.adopt(RULES)
    return office


def requests(who: str, suffix: str = "") -> list[Any]:
    return [
        DecideReward(matter_id=f"reward{suffix}", staff_id=who, reward="praise", grounds="Sample."),
        DecideTransfer(
            matter_id=f"transfer{suffix}", staff_id=who, position="guard", effective_on=DAYS[9], grounds="Sample."
        ),
        AppointToTeam(
            matter_id=f"appoint{suffix}", staff_id=who, position="guard", effective_on=DAYS[9], grounds="Sample."
        ),
    ]


@pytest.mark.parametrize(("who", "outcome"), [(ANN, "decided"), (LEADER, "decided"), (HEAD, "recommended")])
def test_a1_is_decided_up_to_the_team_leaders_and_recommended_above(staffed: Office, who: str, outcome: str) -> None:
    for request in requests(who):
        assert [staffed.ask(request).outcome, staffed.ask(request).outcome] == ["done", "ignored"]
    assert {status for _, status in staffed.read(GetTeam(staff_id=who))["matters"].values()} == {outcome}
    if outcome == "recommended":
        assert {event.data.recommended_to for event in staffed.facts("team_matter_recommended")} == {"property_manager"}
    staffed.judged_again()


def test_nobody_rewards_himself_and_only_the_offices_director_does(staffed: Office) -> None:
    for number, (who, by, reason) in enumerate(
        [(DIRECTOR, DIRECTOR, "own_case"), (ANN, BEN, "not_the_holder"), (ANN, "south-director", "outside_own_office")]
    ):
        for request in requests(who, str(number)):
            assert staffed.ask(request, by=by).outcome == "refused"
            assert staffed.last("team_matter_refused").data.reason == reason
    staffed.judged_again()


def test_a_director_decides_about_the_people_of_his_own_office_alone(staffed: Office) -> None:
    """Ann works in the north: the south's director asks at his own office, and still may not, until she works there too."""
    for request in requests(ANN):
        assert staffed.ask(request, by="south-director", at=SOUTH).outcome == "refused"
    refused = staffed.facts("team_matter_refused", at=SOUTH)
    assert {event.data.reason for event in refused} == {"outside_own_office"}
    assert {event.data.ruling.asked.subject_property for event in refused} == {NORTH}
    staffed.register(
        AssignPosition(staff_id=ANN, property_id=SOUTH, position="guard", grade="staff", effective_on=date(2020, 1, 1))
    )
    for request in requests(ANN, "2"):
        assert staffed.ask(request, by="south-director", at=SOUTH).outcome == "done"
    assert staffed.facts("reward_decided", at=SOUTH)[-1].data.ruling.asked.subject_property is None
    staffed.judged_again()


def test_an_amount_of_a_bonus_is_sealed_and_nothing_else_has_one(staffed: Office) -> None:
    bonus = DecideReward(
        matter_id="r1", staff_id=ANN, reward="bonus", amount=Money.model_validate({"amount": "333.21"}), grounds="S."
    )
    assert staffed.ask(bonus).outcome == "done"
    assert b"333.21" not in b"".join(fact.raw for fact in staffed.store.chain("north-court", 0, 1000))
    praise = bonus.model_copy(update={"reward": "praise", "matter_id": "r2"})
    assert staffed.ask(praise).outcome == "rejected"


def test_a_dismissal_is_only_ever_recommended(staffed: Office) -> None:
    request = RecommendDismissal(matter_id="d1", staff_id=ANN, grounds="Sample.")
    assert [staffed.ask(request).outcome, staffed.ask(request).outcome] == ["done", "ignored"]
    recommended = staffed.last("dismissal_recommended").data
    assert (recommended.recommended_to, recommended.ruling.outcome) == ("property_manager", "recommend_only")
    above = request.model_copy(update={"matter_id": "d2", "staff_id": HEAD})
    assert staffed.ask(above).outcome == "done"
    assert staffed.last("dismissal_recommended").data.ruling.reason == "above_grade_ceiling"
    assert staffed.ask(request.model_copy(update={"matter_id": "d3"}), by=BEN).outcome == "refused"
    staffed.judged_again()


def change(office: Office, matter_id: str, amount: str, *, direction: str = "raise", **more: Any) -> Answer:
    by = more.pop("by", DIRECTOR)
    asked = {"matter_id": matter_id, "staff_id": ANN, "direction": direction, "grounds": "Sample.",
             "amount": {"amount": amount}}  # fmt: skip
    return office.ask(RecommendPayChange.model_validate_json(_json(asked | more)), by=by)


def _json(asked: dict[str, Any]) -> str:
    import json  # noqa: PLC0415

    return json.dumps(asked, default=str)


def figures(office: Office) -> PayChangeFigures:
    event = office.last("pay_change_recommended")
    return open_record(event.data.figures, PayChangeFigures, event_id=event.id, path="figures", keys=office.keys)


@pytest.mark.parametrize(("amount", "outcome"), [("199.99", "done"), ("200.00", "done"), ("200.01", "refused")])
def test_200_may_be_recommended_and_a_cent_more_may_not(staffed: Office, amount: str, outcome: str) -> None:
    """A4, T15."""
    assert change(staffed, "p1", amount).outcome == outcome
    if outcome == "refused":
        assert staffed.last("team_matter_refused").data.reason == "beyond_limit"
    assert amount.encode() not in b"".join(fact.raw for fact in staffed.store.chain("north-court", 0, 1000))
    staffed.judged_again()


def test_what_is_split_is_shown_as_the_sum_of_twelve_months(staffed: Office) -> None:
    for number in range(3):
        assert change(staffed, f"p{number}", "150.00").outcome == "done"
    assert (str(figures(staffed).sum_in_months.amount), figures(staffed).shown_months) == ("450.00", 12)
    staffed.now = local("09:00", date(2027, 2, 28))
    change(staffed, "p8", "10.00")
    assert str(figures(staffed).sum_in_months.amount) == "460.00"
    staffed.now = local("09:00", date(2027, 3, 1))
    change(staffed, "p9", "10.00")
    assert str(figures(staffed).sum_in_months.amount) == "20.00"
    staffed.judged_again()


def test_a_cut_needs_the_persons_consent(staffed: Office) -> None:
    """T9."""
    assert change(staffed, "p1", "100.00", direction="cut").outcome == "refused"
    assert staffed.last("team_matter_refused").data.ruling.condition == "raise_or_consented_cut"
    assert change(staffed, "p2", "100.00", direction="cut", consent="file 4").outcome == "done"
    assert change(staffed, "p2", "100.00", direction="cut", consent="file 4").outcome == "ignored"
    assert change(staffed, "p3", "0.00").outcome == "rejected"
    assert change(staffed, "p4", "1.00", by=BEN).outcome == "refused"
    staffed.judged_again()


def test_months_are_counted_back_to_the_same_day_or_the_last_of_the_month() -> None:
    assert months_before(date(2026, 3, 31), 1) == date(2026, 2, 28)
    assert months_before(date(2026, 1, 15), 12) == date(2025, 1, 15)
    assert months_before(date(2024, 2, 29), 12) == date(2023, 2, 28)


def hire(
    office: Office, hire_id: str, first: int = 0, last: int = 9, *, position: str = "cleaner", by: str = DIRECTOR
) -> Answer:
    request = HireTemp(hire_id=hire_id, position=position, first_on=DAYS[first], last_on=DAYS[last], why="leaves")
    return office.ask(request, by=by)


def test_the_last_post_of_the_headcount_is_filled_and_the_next_is_refused(staffed: Office) -> None:
    assert [hire(staffed, f"h{number}").outcome for number in range(3)] == ["done", "done", "refused"]
    refused = staffed.last("hire_refused").data
    assert (refused.reason, refused.held, refused.approved, refused.ruling.see) == ("quota_exceeded", 2, 2, "P2")
    assert hire(staffed, "h9", position="gardener").outcome == "refused"
    assert hire(staffed, "h3", 10, 12).outcome == "done"
    staffed.judged_again()


def test_a_post_is_free_again_from_the_day_after_it_ends(staffed: Office) -> None:
    hire(staffed, "h1")
    hire(staffed, "h2")
    ended = EndTemp(hire_id="h1", last_on=DAYS[4])
    assert staffed.ask(ended, by=BEN).outcome == "refused"
    assert [staffed.ask(ended).outcome, staffed.ask(ended).outcome] == ["done", "ignored"]
    assert hire(staffed, "h3", 4, 9).outcome == "refused"
    assert hire(staffed, "h4", 5, 9).outcome == "done"
    assert staffed.read(GetTemporary())["hires"]["h1"]["last_on"] == DAYS[4].isoformat()
    staffed.judged_again()


def test_the_headcount_is_the_adopted_rules_and_grows_with_them(staffed: Office) -> None:
    for number in range(3):
        hire(staffed, f"h{number}")
    more = RULES.model_copy(update={"version": "house-2", "headcount": (Headcount(position="cleaner", approved=3),)})
    staffed.adopt(more)
    assert hire(staffed, "h3").outcome == "done"
    assert (hire(staffed, "h3").outcome, hire(staffed, "h3", 1).outcome) == ("ignored", "rejected")
    staffed.judged_again()


def test_two_people_swap_and_each_works_the_others_shift(staffed: Office) -> None:
    """A5, D4d."""
    staffed.roster(DAYS[0], who=(ANN,))
    staffed.roster(DAYS[1], who=(BEN,), shifts=lambda day: (shift("14:00", "22:00", day),))
    first, second = RosteredPart(staff_id=ANN, day=DAYS[0]), RosteredPart(staff_id=BEN, day=DAYS[1])
    request = SwapShifts(roster_id="swap-1", first=first, second=second)
    assert staffed.ask(request, by=BEN).outcome == "refused"
    request = request.model_copy(update={"roster_id": "swap-2"})
    assert [staffed.ask(request).outcome, staffed.ask(request).outcome] == ["done", "ignored"]
    parts = {(e.data.staff_id, e.data.day): e.data.shifts for e in staffed.facts("shift_rostered")}
    assert parts[ANN, DAYS[0]] == parts[BEN, DAYS[1]] == ()
    assert parts[ANN, DAYS[1]] == (shift("14:00", "22:00", DAYS[1]),)
    assert parts[BEN, DAYS[0]] == (shift(day=DAYS[0]),)
    again = request.model_copy(update={"roster_id": "swap-3"})
    assert staffed.ask(again).outcome == "rejected"
    staffed.judged_again()


def test_who_works_on_the_others_day_already_cannot_take_it_over(staffed: Office) -> None:
    staffed.roster(DAYS[0], DAYS[1], who=(ANN,))
    staffed.roster(DAYS[1], who=(BEN,))
    first, second = RosteredPart(staff_id=ANN, day=DAYS[0]), RosteredPart(staff_id=BEN, day=DAYS[1])
    assert staffed.ask(SwapShifts(roster_id="swap-1", first=first, second=second)).outcome == "rejected"
    same = SwapShifts(roster_id="swap-2", first=RosteredPart(staff_id=ANN, day=DAYS[1]), second=second)
    assert staffed.ask(same).outcome == "done"


def test_every_prefix_of_a_team_folds(staffed: Office) -> None:
    test_a_cut_needs_the_persons_consent(staffed)
    test_a_post_is_free_again_from_the_day_after_it_ends(staffed)
    for noun, subject in ((TEAM, f"team-{ANN}"), (TEMPORARY, "temporary-north-court")):
        history = [event for event in staffed.facts() if event.subject == subject]
        assert history
        for length in range(len(history) + 1):
            noun.fold(history[:length])
