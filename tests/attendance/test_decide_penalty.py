"""Penalties (A13–A15) in the office: decided, recommended, refused, counted under caps, and judged again to the same answer."""

from datetime import timedelta

import pytest
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.readjudicate import Summary, in_recorded_order, readjudicate
from bailiwick_contracts.registry import AdoptLegalPolicy
from bailiwick_contracts.sealed import SealingError, keys_from, open_field

from services.attendance.penalty import PENALTY
from tests.amounts import shows_amount
from tests.attendance.office import ANN, BEN, CAPPED, MONDAY, NORTH, SOUTH, Office

DAYS = [MONDAY + timedelta(days=offset) for offset in range(12)]


def findings(office: Office) -> tuple[list[object], Summary]:
    """The whole history judged again, from facts and keys alone."""
    chains = [
        [fact.raw for fact in store.chain(place, 0, 100_000)]
        for store in (office.registry_store, office.store)
        for place in store.heads()
    ]
    summary = Summary()
    return list(readjudicate(in_recorded_order(*chains), office.keys, summary=summary)), summary


@pytest.mark.parametrize(
    ("arrival", "outcome", "kind"),
    [("09:30:00", "done", "penalty_decided"), ("09:30:01", "done", "penalty_recommended")],
)
def test_lateness_of_30_minutes_is_decided_here_and_a_second_more_is_recommended(
    office: Office, arrival: str, outcome: str, kind: str
) -> None:
    office.came(arrival)
    assert office.penalise().outcome == outcome
    event = office.facts("penalty")[-1]
    assert kind in event.type
    if kind == "penalty_recommended":
        assert event.data.recommended_to == "property_manager"


def test_the_fourth_lateness_of_the_year_is_decided_under_a15_whatever_its_minutes(office: Office) -> None:
    for one in DAYS[:3]:
        office.came("09:05", day=one)
    office.came("10:00", day=DAYS[3])
    office.penalise(day=DAYS[3])
    event = office.last("penalty_decided")
    assert event.data.clause == "A15"
    named = {item.name: item.facts for item in event.data.ruling.asked.inputs}
    assert named["late_times_in_year"] == tuple(event.id for event in office.facts("day_derived"))


def test_an_absent_day_costs_the_unpaid_day_and_no_penalty_beside_it(office: Office) -> None:
    office.came(None, None)
    assert office.penalise(occurrence="absent", share=100).outcome == "done"
    computed = office.figures(office.last("penalty_decided")).computed
    assert computed is not None
    assert (str(computed.unpaid.amount), str(computed.penalty.amount)) == ("200.00", "0.00")


def test_one_occurrence_is_penalised_once(office: Office) -> None:
    """T6."""
    office.came("09:10")
    office.penalise("p1")
    assert office.penalise("p2").outcome == "refused"
    refused = office.last("penalty_refused").data
    assert (refused.reason, refused.standing) == ("already_penalised", (office.last("penalty_decided").id,))


def test_the_same_penalty_again_is_nothing_new_and_its_id_names_no_other(office: Office) -> None:
    office.came("09:10")
    office.came("09:10", day=DAYS[1])
    office.penalise("p1")
    before = len(office.facts())
    assert office.penalise("p1").outcome == "ignored"
    assert len(office.facts()) == before
    answer = office.penalise("p1", day=DAYS[1])
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "penalty_id_reused")


def test_twenty_callers_for_one_occurrence_have_one_winner(office: Office) -> None:
    office.came("09:10")
    outcomes = [office.penalise(f"p{caller}").outcome for caller in range(20)]
    assert outcomes == ["done"] + ["refused"] * 19


def test_the_monthly_cap_counts_penalties_of_every_property(office: Office) -> None:
    tight = LegalPolicy(version="tight", mode="cap", monthly_cap=Ratio(numerator=1, denominator=87))
    office.register(AdoptLegalPolicy(policy=tight, lead_seconds=1))
    office.now += timedelta(minutes=1)
    office.came("09:10")
    office.came("09:10", day=DAYS[1], at=SOUTH)
    office.penalise("p1", share=20)
    office.penalise("p2", share=20, day=DAYS[1], at=SOUTH, by="south-director")
    first, second = (office.figures(office.facts("penalty", at=place)[-1]).computed for place in (NORTH, SOUTH))
    assert first is not None
    assert second is not None
    assert second.month_penalties == first.penalty
    due = 4350 - second.month_unpaid.amount
    assert (first.penalty.amount + second.penalty.amount) * 87 <= due
    assert [clamp.kind for clamp in office.last("penalty").data.ruling.clamps if clamp.bound] == []
    bound = [clamp.kind for clamp in office.facts("penalty", at=SOUTH)[-1].data.ruling.clamps if clamp.bound]
    assert bound == ["monthly_cap"]


def test_a_new_month_begins_with_nothing_taken_and_carries_nothing_over(office: Office) -> None:
    office.came("09:10")
    office.penalise("p1", share=20)
    april = MONDAY.replace(month=4, day=1)
    office.came("09:10", day=april)
    office.penalise("p2", share=20, day=april)
    computed = office.figures(office.last("penalty_decided")).computed
    assert computed is not None
    assert computed.month_penalties.amount == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"who": "director-sample"}, "own_case"), ({"by": BEN}, "not_the_holder"), ({"by": "south-director"}, "outside_own_office"),
     ({"clause": "A99"}, "unknown_clause"), ({"clause": "A14"}, "clause_does_not_cover"), ({"occurrence": "early"}, "no_such_occurrence"),
     ({"day": DAYS[5]}, "day_not_derived")],
)  # fmt: skip
def test_what_may_not_be_penalised_is_refused_and_recorded(
    office: Office, changes: dict[str, object], reason: str
) -> None:
    office.came("09:10", who=str(changes.get("who", ANN)))
    assert office.penalise(**changes).outcome == "refused"  # type: ignore[arg-type]
    assert office.last("penalty_refused").data.reason == reason


def test_the_people_of_another_office_are_not_the_directors_to_penalise(office: Office) -> None:
    office.came("09:10")
    assert office.penalise(by="south-director", at=SOUTH).outcome == "refused"
    assert office.facts("penalty_refused", at=SOUTH)[-1].data.reason == "outside_own_office"


def test_somebody_of_unknown_grade_or_without_a_wage_is_not_penalised(office: Office) -> None:
    office.hire("gradeless-sample", grade=None)
    office.hire("wageless-sample", wage=None)
    for number, (who, reason) in enumerate((("gradeless-sample", "unknown_grade"), ("wageless-sample", "wage_unset"))):
        office.came("09:10", who=who)
        assert office.penalise(f"p{number}", who=who).outcome == "refused"
        assert office.last("penalty_refused").data.reason == reason


def test_without_an_adopted_legal_policy_nothing_is_deducted(bare_office: Office) -> None:
    """T12."""
    office = bare_office.set_up(policy=None)
    office.came("09:10")
    office.penalise()
    assert office.last("penalty_refused").data.reason == "legal_policy_unset"


def test_a_policy_that_is_adopted_later_holds_from_then_on(office: Office) -> None:
    office.came("09:10")
    office.came("09:10", day=DAYS[1])
    office.penalise("p1")
    office.register(AdoptLegalPolicy(policy=LegalPolicy(version="ban", mode="forbid_fines"), lead_seconds=60))
    office.now += timedelta(seconds=59)
    office.penalise("p2", day=DAYS[1], share=5)
    office.now += timedelta(seconds=1)
    office.came("09:10", day=DAYS[2])
    office.penalise("p3", day=DAYS[2])
    answered = [
        (event.data.ruling.legal_policy_version, event.data.ruling.outcome) for event in office.facts("penalty")
    ]
    assert answered == [("law-1", "granted"), ("law-1", "granted"), ("ban", "refused")]


def test_no_subscriber_without_the_payroll_key_reads_an_amount(office: Office) -> None:
    office.came("09:10")
    request = DecidePenalty(
        penalty_id="p1", staff_id=ANN, day=MONDAY, occurrence="late", grounds="Came late once more.",
        requested=Requested(amount=Money.model_validate({"amount": "33.21"})),
    )  # fmt: skip
    assert office.ask(request).outcome == "done"
    stored = b"".join(
        fact.raw for store in (office.store, office.registry_store) for fact in store.chain(NORTH, 0, 1000)
    )
    assert b"33.21" not in stored
    assert not shows_amount(stored, "4350")
    assert b"Came late" not in stored
    event = office.last("penalty_decided")
    with pytest.raises(SealingError, match="no key named payroll/north-court"):
        open_field(event.data.figures, event_id=event.id, path="figures", keys=keys_from({}))


def test_the_whole_history_judged_again_comes_to_the_same_answer(office: Office) -> None:
    for number, one in enumerate(DAYS[:5]):
        office.came("09:10" if number != 2 else "09:50", "16:45", day=one)
        office.penalise(f"late{number}", day=one, share=20 + number % 2)
        office.penalise(f"early{number}", day=one, occurrence="early", beyond_authority="cut", share=30)
    office.came(None, None, day=DAYS[7])
    office.penalise("absent", day=DAYS[7], occurrence="absent", share=100)
    office.came(None, day=DAYS[8])
    office.confirm("c1", day=DAYS[8])
    office.confirm("c2", day=DAYS[8])
    office.penalise("own", who="director-sample")
    found, summary = findings(office)
    assert found == []
    assert summary.judged >= 13 + 5


def test_every_prefix_of_a_penaltys_history_folds(office: Office) -> None:
    office.came("09:10")
    office.penalise()
    history = office.facts("penalty")
    for length in range(len(history) + 1):
        PENALTY.fold(history[:length])
    assert CAPPED.version == history[0].data.ruling.legal_policy_version
