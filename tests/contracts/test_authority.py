"""Rulings: each limit just under, on and just over; persons, grades, delegations and the law."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from bailiwick_contracts.authority import DECIDING, Asked, Delegation, Measured, Ruling, measures, rule
from bailiwick_contracts.manual import MANUAL_VERSION, manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, MatrixRow, Ratio, Verb, in_force, policy_in_force
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.registry import LegalPolicyAdopted
from pydantic import ValidationError

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
TODAY = date(2026, 3, 2)
MATRIX = manual_matrix()
POLICY = LegalPolicy(version="national-1", mode="cap", cap_per_occurrence=Ratio(numerator=1, denominator=5))


def asked(row_id: str, verb: Verb, /, **more: Any) -> Asked:
    """The director asks about a cleaner of the own office, unless told otherwise."""
    usual = {
        "row_id": row_id,
        "verb": verb,
        "actor_id": "director",
        "actor_position": "office_director",
        "actor_property": "north-court",
        "reports_to": "property_manager",
        "decided_on": TODAY,
        "property_id": "north-court",
        "subject_id": "cleaner",
        "subject_grade": "staff",
    }
    return Asked.model_validate(usual | more)


def ruled(
    row_id: str,
    verb: Verb,
    /,
    *,
    matrix: AuthorityMatrix | None = MATRIX,
    policy: LegalPolicy | None = POLICY,
    **more: Any,
) -> Ruling:
    return rule(matrix, asked(row_id, verb, **more), selected_at=NOW, legal_policy=policy)


def late(minutes: Fraction | int, share: Fraction = Fraction(1, 5), /, **more: Any) -> Ruling:
    return ruled("A13", "penalise", measures=measures({"late_minutes": minutes, "share_of_base_wage": share}), **more)


def often_late(times: int, /, **more: Any) -> Ruling:
    return ruled(
        "A15",
        "penalise",
        measures=measures({"late_times_in_year": times, "share_of_base_wage": Fraction(1, 5)}),
        **more,
    )


def said(ruling: Ruling) -> tuple[str, str]:
    return ruling.outcome, ruling.reason


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(1, "granted"), (1799, "granted"), (1800, "granted"), (1801, "escalated"), (1860, "escalated")],
)
def test_a13_holds_up_to_thirty_minutes_and_no_second_longer(seconds: int, outcome: str) -> None:
    ruling = late(Fraction(seconds, 60))
    assert ruling.outcome == outcome
    assert ruling.escalate_to == (None if outcome == "granted" else "property_manager")


def test_a13_needs_a_lateness_at_all() -> None:
    assert said(late(0)) == ("refused", "below_limit")


@pytest.mark.parametrize(
    ("share", "outcome"),
    [(Fraction(199, 1000), "granted"), (Fraction(1, 5), "granted"), (Fraction(201, 1000), "recommend_only")],
)
def test_a13_holds_up_to_a_fifth_of_the_base_wage(share: Fraction, outcome: str) -> None:
    ruling = late(10, share)
    assert ruling.outcome == outcome
    assert ruling.limit == (None if outcome == "granted" else MATRIX.rows_of("A13")[0].limits[1])


def test_of_two_limits_passed_the_graver_decides() -> None:
    assert said(late(31, Fraction(1, 2))) == ("escalated", "beyond_limit")


@pytest.mark.parametrize(
    ("share", "outcome"),
    [(Fraction(99, 100), "granted"), (Fraction(1), "granted"), (Fraction(101, 100), "recommend_only")],
)
def test_a14_takes_the_whole_base_wage_of_an_absence_and_no_more(share: Fraction, outcome: str) -> None:
    assert ruled("A14", "penalise", measures=measures({"share_of_base_wage": share})).outcome == outcome


@pytest.mark.parametrize(("times", "outcome"), [(2, "refused"), (3, "refused"), (4, "granted"), (5, "granted")])
def test_a15_begins_with_the_fourth_lateness_of_the_year_whatever_its_minutes(times: int, outcome: str) -> None:
    assert often_late(times).outcome == outcome


@pytest.mark.parametrize(("times", "outcome"), [(2, "granted"), (3, "granted"), (4, "escalated")])
def test_a10_confirms_three_missed_punches_a_year_and_passes_the_fourth_on(times: int, outcome: str) -> None:
    ruling = ruled("A10", "confirm", measures=measures({"times_per_year": times}), conditions=("arrival_established",))
    assert ruling.outcome == outcome


def test_a10_needs_the_arrival_established_first() -> None:
    ruling = ruled("A10", "confirm", measures=measures({"times_per_year": 1}))
    assert (*said(ruling), ruling.condition) == ("refused", "condition_unmet", "arrival_established")


@pytest.mark.parametrize(
    ("days", "outcome"), [(Fraction(1, 2), "granted"), (Fraction(1), "granted"), (Fraction(3, 2), "escalated")]
)
def test_a12_approves_one_day_of_leave_and_passes_more_on(days: Fraction, outcome: str) -> None:
    assert ruled("A12", "approve", measures=measures({"days": days})).outcome == outcome


@pytest.mark.parametrize(
    ("amount", "said_of_it"),
    [
        ("199.99", ("recommend_only", "only_opens_a_request")),
        ("200.00", ("recommend_only", "only_opens_a_request")),
        ("200.01", ("refused", "beyond_limit")),
    ],
)
def test_a4_recommends_a_pay_change_of_two_hundred_at_most(amount: str, said_of_it: tuple[str, str]) -> None:
    yuan = Money.model_validate({"amount": amount})
    ruling = ruled("A4", "recommend", measures=measures({"amount": yuan}), conditions=("raise_or_consented_cut",))
    assert said(ruling) == said_of_it


@pytest.mark.parametrize(
    ("amount", "outcome"),
    [
        ("499.99", "refused"),
        ("500.00", "recommend_only"),
        ("3000.00", "recommend_only"),
        ("3000.01", "escalated"),
    ],
)
def test_g3_recommends_contracts_from_five_hundred_to_three_thousand(amount: str, outcome: str) -> None:
    yuan = Money.model_validate({"amount": amount})
    assert ruled("G3", "recommend", measures=measures({"amount": yuan}), kind="cleaning").outcome == outcome


def test_the_kinds_of_contract_that_g2_names_stay_with_co_approval() -> None:
    ruling = ruled(
        "G3", "recommend", measures=measures({"amount": Money.model_validate({"amount": "800"})}), kind="lift"
    )
    assert (*said(ruling), ruling.see) == ("refused", "another_row_covers_it", "G2")


def test_small_contracts_are_decided_in_the_office_only_where_the_company_says_so() -> None:
    small = measures({"amount": Money.model_validate({"amount": "499.99"})})
    liberal = manual_matrix("liberal", Readings(contract_below_range="decide"))
    assert ruled("G3", "decide", measures=small).outcome == "recommend_only"
    assert ruled("G3", "decide", measures=small, conditions=("inside_budget",), matrix=liberal).outcome == "granted"


def test_another_currency_than_the_limits_is_refused() -> None:
    dollars = measures({"amount": Money.model_validate({"amount": "10.00", "currency": "HKD"})})
    ruling = ruled("A4", "recommend", measures=dollars, conditions=("raise_or_consented_cut",))
    assert said(ruling) == ("refused", "currency_differs")


def test_a_limit_nobody_measured_is_never_taken_as_kept() -> None:
    ruling = ruled("A13", "penalise", measures=measures({"share_of_base_wage": Fraction(1, 5)}))
    assert said(ruling) == ("refused", "measure_not_given")


@pytest.mark.parametrize("row", [row for row in MATRIX.rows if row.verb in DECIDING], ids=lambda row: row.row_id)
def test_nobody_decides_on_himself_nor_on_his_own_request(row: MatrixRow) -> None:
    """Case C11: the issuer is never the recipient."""
    themself: dict[str, Any] = {"actor_position": row.holders[0], "actor_id": "director"}
    assert said(ruled(row.row_id, row.verb, **themself, subject_id="director")) == ("refused", "own_case")
    assert said(ruled(row.row_id, row.verb, **themself, requested_by_id="director")) == ("refused", "own_case")


LENT = Delegation(
    delegation_id="d1",
    from_staff_id="director",
    to_staff_id="assistant",
    property_id="north-court",
    first_on=date(2026, 3, 1),
    last_on=date(2026, 3, 7),
)


def lent(
    minutes: int = 10, delegation: Delegation | None = LENT, share: Fraction = Fraction(1, 5), **more: Any
) -> Ruling:
    return late(minutes, share, actor_id="assistant", on_behalf_of_id="director", delegation=delegation, **more)


def test_a_delegate_decides_within_the_directors_limits() -> None:
    assert lent().outcome == "granted"
    assert lent(31).outcome == "escalated"


@pytest.mark.parametrize("subject", ["assistant", "director"])
def test_a_delegate_punishes_neither_himself_nor_whom_he_stands_for(subject: str) -> None:
    assert said(lent(subject_id=subject)) == ("refused", "own_case")


@pytest.mark.parametrize(
    ("on", "outcome"),
    [
        (date(2026, 2, 28), "refused"),
        (date(2026, 3, 1), "granted"),
        (date(2026, 3, 7), "granted"),
        (date(2026, 3, 8), "refused"),
    ],
)
def test_a_delegation_holds_from_its_first_to_its_last_day(on: date, outcome: str) -> None:
    assert lent(decided_on=on).outcome == outcome


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_at": NOW}, "delegation_not_in_force"),
        ({"row_ids": ("A12",)}, "row_not_delegated"),
        ({"property_id": "south-court"}, "row_not_delegated"),
        ({"to_staff_id": "foreman"}, "no_delegation"),
        ({"from_staff_id": "manager"}, "no_delegation"),
    ],
)
def test_a_delegation_lends_only_what_it_says(changes: dict[str, Any], reason: str) -> None:
    assert said(lent(delegation=LENT.model_copy(update=changes))) == ("refused", reason)


def test_acting_for_another_without_a_delegation_is_refused() -> None:
    assert said(lent(delegation=None)) == ("refused", "no_delegation")


def test_a_ceiling_narrows_what_is_lent_and_never_widens_it() -> None:
    tenth = LENT.model_copy(
        update={"ceilings": (Measured(measure="share_of_base_wage", value=Ratio(numerator=1, denominator=10)),)}
    )
    whole = LENT.model_copy(update={"ceilings": (Measured(measure="share_of_base_wage", value=Ratio(numerator=1)),)})
    assert lent(delegation=tenth, share=Fraction(1, 10)).outcome == "granted"
    assert lent(delegation=tenth, share=Fraction(11, 100)).outcome == "recommend_only"
    assert lent(delegation=whole, share=Fraction(1, 2)).outcome == "recommend_only"


@pytest.mark.parametrize("grade", [None, "grand_duke"])
def test_an_unknown_grade_is_refused_and_the_next_in_line_is_named(grade: str | None) -> None:
    ruling = late(10, subject_grade=grade)
    assert (*said(ruling), ruling.escalate_to) == ("refused", "unknown_grade", "property_manager")


def test_an_unknown_grade_passes_where_the_company_reads_it_so_and_no_ceiling_applies() -> None:
    lenient = manual_matrix("lenient", Readings(unknown_grade="refuse_under_a_ceiling"))
    more: dict[str, Any] = {"measures": measures({"days": 1}), "subject_grade": None, "matrix": lenient}
    assert ruled("A12", "approve", **more).outcome == "granted"
    assert late(10, subject_grade=None, matrix=lenient).reason == "unknown_grade"


def test_unknown_clauses_verbs_and_an_unset_matrix_grant_nothing() -> None:
    assert said(ruled("A99", "penalise")) == ("refused", "unknown_clause")
    assert said(ruled("A13", "approve")) == ("refused", "verb_not_granted")
    assert said(ruled("A13", "penalise", matrix=None)) == ("refused", "matrix_unset")


def test_dismissal_is_recommended_and_never_executed() -> None:
    ruling = ruled("A2", "decide")
    assert (*said(ruling), ruling.escalate_to) == ("recommend_only", "only_opens_a_request", "property_manager")


def test_above_team_leader_the_director_only_recommends() -> None:
    assert said(ruled("A1", "decide", subject_grade="team_leader")) == ("granted", "within_limits")
    ruling = ruled("A1", "decide", subject_grade="supervisor")
    assert (*said(ruling), ruling.escalate_to) == ("recommend_only", "above_grade_ceiling", "property_manager")


def test_penalties_keep_to_the_narrower_scope_unless_read_otherwise() -> None:
    assert said(late(10, subject_grade="supervisor")) == ("recommend_only", "above_grade_ceiling")
    wide = manual_matrix("wide", Readings(narrower_scope_holds=False))
    assert late(10, subject_grade="supervisor", matrix=wide).outcome == "granted"


def test_another_offices_employee_is_out_of_reach() -> None:
    assert said(late(10, actor_property="south-court")) == ("refused", "outside_own_office")
    assert said(late(10, subject_property="south-court")) == ("refused", "outside_own_office")
    assert said(late(10, actor_property="company")) == ("granted", "within_limits")


def test_who_does_not_hold_the_position_is_told_who_does() -> None:
    ruling = late(10, actor_position="property_assistant")
    assert (*said(ruling), ruling.escalate_to) == ("refused", "not_the_holder", "office_director")


def test_without_a_legal_policy_no_deduction_is_decided() -> None:
    assert said(late(10, policy=None)) == ("refused", "legal_policy_unset")


def test_where_fines_are_forbidden_none_is_decided() -> None:
    forbidding = LegalPolicy(version="guangdong-1", mode="forbid_fines")
    assert said(late(10, policy=forbidding)) == ("refused", "fines_forbidden")


def test_where_the_law_wants_written_notice_first_a_penalty_needs_it() -> None:
    strict = POLICY.model_copy(update={"prior_written_notice": True})
    assert said(late(10, policy=strict)) == ("refused", "prior_written_notice_missing")
    assert late(10, policy=strict, conditions=("prior_written_notice",)).outcome == "granted"


def test_a_policy_unset_does_not_stop_what_takes_nothing_from_a_wage() -> None:
    assert ruled("A12", "approve", measures=measures({"days": 1}), policy=None).outcome == "granted"


@pytest.mark.parametrize("reading", ["half_absence", "whole_absence"])
def test_long_lateness_counts_as_absence_where_the_company_reads_it_so(reading: Any) -> None:
    ruling = late(31, matrix=manual_matrix("t5", Readings(late_beyond_limit=reading)))
    assert (*said(ruling), ruling.see) == ("refused", "counts_as_absence", "A14")


def test_minutes_are_cut_off_before_comparing_only_where_read_so() -> None:
    truncating = manual_matrix("whole", Readings(late_minutes_compared="truncated"))
    assert late(Fraction(1859, 60), matrix=truncating).outcome == "granted"
    assert late(Fraction(1860, 60), matrix=truncating).outcome == "escalated"


def test_without_a_recorded_reporting_line_the_manager_is_next() -> None:
    assert ruled("A16", "demand", actor_position="hr", reports_to=None).escalate_to == "office_director"
    assert ruled("F1", "apply", reports_to=None).escalate_to == "property_manager"
    assert ruled("F1", "apply", reports_to="senior_officer").escalate_to == "senior_officer"


def test_a_ruling_names_its_versions_and_keeps_confidential_values_out() -> None:
    shares = measures({"late_minutes": 10, "share_of_base_wage": Fraction(1, 7)}, confidential=("share_of_base_wage",))
    ruling = ruled("A13", "penalise", measures=shares)
    assert ruling.outcome == "granted"
    assert (ruling.matrix_version, ruling.legal_policy_version, ruling.selected_at) == (
        MANUAL_VERSION,
        "national-1",
        NOW,
    )
    assert ruling.asked.measured("share_of_base_wage") is None
    assert ruling.asked.measured("late_minutes") == Ratio(numerator=10)
    assert Ruling.model_validate_json(ruling.model_dump_json(exclude_none=True)) == ruling


def adopted(version: str, begins: timedelta, place: str = "company") -> LegalPolicyAdopted:
    return LegalPolicyAdopted(
        version=version, for_property=place, holds_from=NOW + begins, lead_seconds=1, policy=POLICY
    )


def test_the_version_in_force_is_the_latest_to_have_begun() -> None:
    old, new = adopted("old", timedelta()), adopted("new", timedelta(hours=1))
    assert in_force([new, old], NOW - timedelta(seconds=1)) is None
    assert in_force([new, old], NOW) == old
    assert in_force([old, new], NOW + timedelta(minutes=59)) == old
    assert in_force([old, new], NOW + timedelta(hours=1)) == new


def test_of_two_versions_that_begin_together_the_later_recorded_holds() -> None:
    assert in_force([adopted("a", timedelta()), adopted("b", timedelta())], NOW) == adopted("b", timedelta())


def test_a_propertys_own_policy_goes_before_the_companys() -> None:
    both = [adopted("own", timedelta(), "north-court"), adopted("all", timedelta(hours=1))]
    later = NOW + timedelta(hours=2)
    own, everywhere = policy_in_force(both, "north-court", later), policy_in_force(both, "south-court", later)
    assert (own and own.version, everywhere and everywhere.version) == ("own", "all")


def test_a_matrix_with_a_row_twice_or_a_ceiling_off_the_ladder_is_no_matrix() -> None:
    with pytest.raises(ValidationError, match="stand twice"):
        AuthorityMatrix(version="x", rows=(MATRIX.rows[0], MATRIX.rows[0]), grades=MATRIX.grades)
    with pytest.raises(ValidationError, match="add them to the ladder"):
        AuthorityMatrix(version="x", rows=(MATRIX.rows[0],))
