"""A penalty taken back (G4), and old penalties taken over from elsewhere."""

import pytest
from bailiwick_contracts.conduct import GetPenalty, ImportPenalty, ListPenalties, WithdrawPenalty
from bailiwick_contracts.money import Money

from tests.attendance.office import ANN, BEN, MONDAY, Office

WITHDRAWAL = WithdrawPenalty(penalty_id="p1", cause="waiver", evidence=("lift-log-7",), grounds="The lift stood still.")
OLD = ImportPenalty(
    penalty_id="old-1",
    staff_id=ANN,
    day=MONDAY,
    kind="late",
    amount=Money.model_validate({"amount": "850.00"}),
    origin="book 2025",
)


def test_a_penalty_taken_back_names_what_it_reverses_and_counts_no_more(office: Office) -> None:
    office.came("09:10")
    office.penalise("p1", share=20)
    decided = office.last("penalty_decided")
    assert office.ask(WITHDRAWAL).outcome == "done"
    assert office.last("penalty_reversed").data.reverses == decided.id
    assert office.read(GetPenalty(penalty_id="p1"))["status"] == "reversed"
    assert office.penalise("p2", share=20).outcome == "done"
    computed = office.figures(office.last("penalty_decided")).computed
    assert computed is not None
    assert computed.month_penalties.amount == 0


def test_taken_back_twice_is_nothing_new(office: Office) -> None:
    office.came("09:10")
    office.penalise()
    office.ask(WITHDRAWAL)
    assert office.ask(WITHDRAWAL).outcome == "ignored"


@pytest.mark.parametrize(
    ("actor", "reason"), [(BEN, "not_the_holder"), (ANN, "own_case"), ("south-director", "outside_own_office")]
)
def test_who_may_not_take_it_back_is_refused_and_recorded(office: Office, actor: str, reason: str) -> None:
    office.came("09:10")
    office.penalise()
    assert office.ask(WITHDRAWAL, by=actor).outcome == "refused"
    assert office.last("withdrawal_refused").data.reason == reason
    assert office.read(ListPenalties(status="decided"))["penalties"][0]["penalty_id"] == "p1"


def test_what_does_not_stand_cannot_be_taken_back(office: Office) -> None:
    answer = office.ask(WITHDRAWAL)
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "no_such_penalty")


def test_an_old_penalty_counts_under_caps_and_quotas_and_has_no_ruling(office: Office) -> None:
    assert office.ask(OLD, by="importer-sample", channel="import").outcome == "done"
    for offset in range(3):
        office.came("09:10", day=MONDAY.replace(day=3 + offset))
    assert office.penalise("p1", day=MONDAY.replace(day=5), clause="A15", share=20).outcome == "done"
    event = office.last("penalty_decided")
    computed = office.figures(event).computed
    assert computed is not None
    assert str(computed.month_penalties.amount) == "850.00"
    assert event.data.ruling.asked.measured("late_times_in_year").numerator == 4
    assert [clamp.kind for clamp in event.data.ruling.clamps if clamp.bound] == ["monthly_cap"]


def test_an_old_penalty_again_is_nothing_new_and_never_comes_by_hand(office: Office) -> None:
    office.ask(OLD, by="importer-sample", channel="import")
    assert office.ask(OLD, by="importer-sample", channel="import").outcome == "ignored"
    answer = office.ask(OLD.model_copy(update={"penalty_id": "old-2"}))
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "import_only")


def test_no_second_penalty_falls_on_what_was_penalised_before_the_import(office: Office) -> None:
    office.came("09:10")
    office.ask(OLD, by="importer-sample", channel="import")
    assert office.penalise().outcome == "refused"
    assert office.last("penalty_refused").data.reason == "already_penalised"
