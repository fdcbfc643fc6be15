"""A penalty by itself: each decision in terms of facts alone."""

from typing import Any

from bailiwick_contracts.conduct import (
    DecidePenalty,
    ImportPenalty,
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
    WithdrawalRefused,
    WithdrawPenalty,
)
from bailiwick_contracts.envelope import Channel
from bailiwick_contracts.message import Fact
from bailiwick_contracts.penalty_case import StandingPenalty

from services.attendance.penalty import PENALTY, Penalty, decide, take_over, withdraw
from tests.contracts.cases import CAPPED, DAY, MATRIX, NOW, amount, asked, case, share, yuan
from tests.given import Given

given = Given(PENALTY)
request = DecidePenalty(
    penalty_id="p1", staff_id="s1", day=DAY, occurrence="late", requested=share(10), grounds="Came late."
)
withdrawal = WithdrawPenalty(penalty_id="p1", cause="error", grounds="The clock was wrong.")
old = ImportPenalty(penalty_id="p1", staff_id="s1", day=DAY, kind="late", amount=yuan("50.00"), origin="book 2025")


def decided(penalty: Penalty, changes: Any = None, **of_case: Any) -> list[Fact]:
    asked_for = request.model_copy(update=changes or {})
    return decide(asked_for, penalty, case(**of_case), MATRIX, CAPPED, property_id="north-court", now=NOW)


def withdrawn(penalty: Penalty, **who: Any) -> list[Fact]:
    return withdraw(withdrawal, penalty, asked(row_id="G4", verb="decide", **who), MATRIX, now=NOW)


def imported(penalty: Penalty, *, channel: Channel = "import") -> list[Fact]:
    return take_over(old, penalty, property_id="north-court", channel=channel)


(penalised,) = decided(Penalty())
(taken_over,) = imported(Penalty())


def test_a_lateness_is_penalised() -> None:
    fact = given().when(decided).then_one(PenaltyDecided, penalty_id="p1", kind="late", clause="A13")
    assert (fact.asked.month, fact.asked.requested_share) == ("2026-03", share(10).share)


def test_beyond_the_limit_it_is_recommended_to_the_next_in_line() -> None:
    given().when(lambda p: decided(p, seconds=1801)).then_one(PenaltyRecommended, recommended_to="property_manager")


def test_a_refusal_is_recorded_with_what_stood_against_it() -> None:
    standing = (StandingPenalty(clause="A13", fact_id="f9"),)
    fact = given().when(lambda p: decided(p, standing=standing)).then_one(PenaltyRefused, reason="already_penalised")
    assert (fact.standing, fact.day_fact_id, fact.ruling) == (("f9",), "today", None)


def test_the_same_penalty_again_is_nothing_new() -> None:
    given(penalised).when(decided).then()


def test_a_penaltys_id_names_no_other() -> None:
    given(penalised).when(lambda p: decided(p, {"occurrence": "early"})).then_rejects("penalty_id_reused")


def test_an_amount_asked_for_stands_in_the_sealed_figures_alone() -> None:
    asked_for = amount("30.00")
    fact = given().when(lambda p: decided(p, {"requested": asked_for}, requested=asked_for)).then_one(PenaltyDecided)
    assert fact.asked.requested_share is None
    assert "30.00" not in fact.ruling.model_dump_json()


def test_a_penalty_is_taken_back_by_a_fact_that_names_it() -> None:
    given(penalised).when(withdrawn).then_one(PenaltyReversed, reverses="f1", cause="error", staff_id="s1")


def test_who_may_not_take_it_back_is_refused() -> None:
    given(penalised).when(lambda p: withdrawn(p, actor_position="property_assistant")).then_one(
        WithdrawalRefused, reason="not_the_holder"
    )


def test_a_penalty_taken_back_stays_so_and_what_never_stood_cannot_be() -> None:
    (reversed_,) = withdrawn(given(penalised).state)
    given(penalised, reversed_).when(withdrawn).then()
    given().when(withdrawn).then_rejects("no_such_penalty")


def test_an_old_penalty_is_taken_over_from_a_file_once() -> None:
    given().when(imported).then_one(PenaltyImported, month="2026-03", origin="book 2025")
    given(taken_over).when(imported).then()
    given().when(lambda p: imported(p, channel="live")).then_rejects("import_only")


def test_an_old_penalty_can_be_taken_back_too() -> None:
    given(taken_over).when(withdrawn).then_one(PenaltyReversed, reverses="f1")
