"""Rulings on penalties: each limit of A13, A14 and A15 just under, on and just over, and what the readings change."""

from datetime import date
from decimal import Decimal

import pytest
from bailiwick_contracts.authority import Delegation, measures
from bailiwick_contracts.deductions import PenaltyFigures, Requested, Wage
from bailiwick_contracts.lateness import DerivedDay, Occurrence
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.penalty import Adjudication
from bailiwick_contracts.penalty_case import StandingPenalty
from bailiwick_contracts.quota import Amount, CountedDay
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.cases import CAPPED, DAY, MATRIX, amount, asked, case, judged, reading, share, taken, yuan


@pytest.mark.parametrize(
    ("seconds", "verdict", "reason"),
    [(1, "decided", "within_limits"), (1799, "decided", "within_limits"), (1800, "decided", "within_limits"),
     (1801, "recommended", "beyond_limit"), (1860, "recommended", "beyond_limit")],
)  # fmt: skip
def test_a13_lateness_of_30_minutes_is_within_and_a_second_more_goes_to_the_next_in_line(
    seconds: int, verdict: str, reason: str
) -> None:
    found = judged(case(seconds=seconds))
    assert (found.verdict, found.reason, found.clause) == (verdict, reason, "A13")


@pytest.mark.parametrize("kind", ["late", "early"])
def test_a13_covers_early_leave_as_it_covers_lateness(kind: str) -> None:
    assert judged(case(kind=kind, seconds=1800)).verdict == "decided"  # type: ignore[arg-type]
    assert judged(case(kind=kind, seconds=1801)).ruling.escalate_to == "property_manager"  # type: ignore[arg-type,union-attr]


@pytest.mark.parametrize(
    ("requested", "verdict", "penalty"),
    [(share(1999, 10_000), "decided", "39.98"), (share(20), "decided", "40.00"), (share(2001, 10_000), "recommended", "40.00"),
     (amount("39.99"), "decided", "39.99"), (amount("40.00"), "decided", "40.00"), (amount("40.01"), "recommended", "40.00")],
)  # fmt: skip
def test_a13_a_fifth_of_the_days_base_wage_is_within_and_anything_over_is_recommended(
    requested: object, verdict: str, penalty: str
) -> None:
    """T4: the base is the wage of the day, 200.00. A recommendation shows what one's own authority would have let through."""
    found = judged(case(requested=requested))
    assert (found.verdict, taken(found)) == (verdict, penalty)


def test_a_director_may_have_a_request_cut_to_his_authority_instead() -> None:
    found = judged(case(requested=share(30), beyond_authority="cut"))
    assert (found.verdict, taken(found)) == ("decided", "40.00")
    assert found.ruling is not None
    assert (found.ruling.clamps[0].kind, found.ruling.clamps[0].bound) == ("authority_cap", True)
    assert found.figures.requested.share == Ratio(numerator=3, denominator=10)


@pytest.mark.parametrize(
    ("before", "verdict", "clause"), [(2, "recommended", "A13"), (3, "decided", "A15"), (4, "decided", "A15")]
)
def test_a15_the_fourth_lateness_of_a_year_has_no_limit_of_minutes(before: int, verdict: str, clause: str) -> None:
    """T5: more than 30 minutes goes up, except from the fourth of the year on."""
    found = judged(case(seconds=2400, before=before))
    assert (found.verdict, found.clause) == (verdict, clause)


@pytest.mark.parametrize(("before", "verdict"), [(2, "refused"), (3, "decided")])
def test_a15_named_by_itself_needs_more_than_three(before: int, verdict: str) -> None:
    found = judged(case(before=before, clause="A15"))
    assert (found.verdict, found.reason) == (verdict, "below_limit" if verdict == "refused" else "within_limits")


@pytest.mark.parametrize(
    ("asked_share", "verdict"), [(share(1999, 10_000), "decided"), (share(20), "decided"), (share(21), "recommended")]
)
def test_a15_has_the_same_fifth(asked_share: object, verdict: str) -> None:
    assert judged(case(seconds=2400, before=3, requested=asked_share)).verdict == verdict


def test_t6_the_fourth_short_lateness_is_covered_twice_and_punished_once() -> None:
    found = judged(case(before=3))
    assert (found.clause, found.also_covered_by) == ("A13", ("A15",))
    again = judged(case(before=3, standing=(StandingPenalty(clause="A13", fact_id="p"),)))
    assert (again.verdict, again.reason) == ("refused", "already_penalised")


def test_t14_late_and_early_are_counted_together_or_apart() -> None:
    mixed = (
        CountedDay(day=date(2026, 1, 5), kinds=("early",), fact_id="a"),
        CountedDay(day=date(2026, 1, 6), kinds=("late", "early"), fact_id="b"),
        CountedDay(day=DAY, kinds=("late",), fact_id="today"),
    )
    assert judged(case(seconds=2400, late_days=mixed)).clause == "A15"
    apart = judged(case(seconds=2400, late_days=mixed), reading(late_and_early_share_count=False))
    assert (apart.verdict, apart.clause) == ("recommended", "A13")


@pytest.mark.parametrize(
    ("requested", "verdict"),
    [(share(99), "decided"), (share(100), "decided"), (share(101), "recommended"),
     (amount("199.99"), "decided"), (amount("200.00"), "decided"), (amount("200.01"), "recommended")],
)  # fmt: skip
def test_a14_the_unpaid_day_is_the_whole_of_what_absence_may_cost(requested: object, verdict: str) -> None:
    """T4: under the daily base the unpaid day already is the 100 %, so the penalty part is nothing."""
    found = judged(case("absent", requested=requested))
    assert (found.verdict, found.clause, taken(found)) == (verdict, "A14", "0.00")
    assert found.figures.computed is not None
    assert found.figures.computed.unpaid == yuan("200.00")


def test_a14_under_a_monthly_base_the_penalty_is_what_is_left_beside_the_unpaid_day() -> None:
    found = judged(case("absent", requested=amount("500.00")), reading(base_unit="month"))
    assert (found.verdict, taken(found)) == ("decided", "300.00")


def test_t5_a_company_may_count_long_lateness_as_absence() -> None:
    half = reading(late_beyond_limit="half_absence")
    within, over = (judged(case(seconds=3600, requested=amount(one)), half) for one in ("100.00", "100.01"))
    assert (within.verdict, within.clause, taken(within)) == ("decided", "A14", "75.00")
    assert (over.verdict, over.clause) == ("recommended", "A14")
    whole = judged(case(seconds=3600, requested=amount("200.00")), reading(late_beyond_limit="whole_absence"))
    assert (whole.verdict, taken(whole)) == ("decided", "175.00")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"actor_id": "s1"}, "own_case"), ({"subject_grade": None}, "unknown_grade"), ({"subject_grade": "chief"}, "unknown_grade"),
     ({"actor_position": "property_assistant"}, "not_the_holder"), ({"actor_property": "south-court"}, "outside_own_office")],
)  # fmt: skip
def test_who_may_not_decide_is_refused(changes: dict[str, object], reason: str) -> None:
    found = judged(case(asked=asked(**changes)))
    assert (found.verdict, found.reason) == ("refused", reason)


def test_t13_above_the_team_leaders_a_penalty_is_recommended() -> None:
    found = judged(case(asked=asked(subject_grade="supervisor")))
    assert (found.verdict, found.reason) == ("recommended", "above_grade_ceiling")
    assert judged(case(asked=asked(subject_grade="team_leader"))).verdict == "decided"


def test_without_a_legal_policy_nothing_is_deducted() -> None:
    """T12."""
    assert judged(case(), policy=None).reason == "legal_policy_unset"
    assert judged(case(), policy=LegalPolicy(version="gd", mode="forbid_fines")).reason == "fines_forbidden"
    assert judged(case(), matrix=None).reason == "matrix_unset"


def test_an_unknown_clause_is_refused_and_one_for_something_else_too() -> None:
    assert judged(case(clause="A99")).reason == "unknown_clause"
    assert judged(case(clause="A14")).reason == "clause_does_not_cover"


def test_where_only_unpaid_time_may_be_taken_the_penalty_is_nothing() -> None:
    found = judged(case(), policy=LegalPolicy(version="w", mode="no_work_no_pay_only"))
    assert (found.verdict, taken(found)) == ("decided", "0.00")


def test_prior_written_notice_is_asked_for_where_the_law_asks_for_it() -> None:
    policy = CAPPED.model_copy(update={"prior_written_notice": True})
    assert judged(case(), policy=policy).reason == "prior_written_notice_missing"
    assert judged(case(asked=asked(conditions=("prior_written_notice",))), policy=policy).verdict == "decided"


WAGE_OF_A_CENT = Wage(month=yuan("0.01"), fact_id="wage")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"derived": None}, "day_not_derived"), ({"derived": DerivedDay(status="open")}, "day_not_over"),
     ({"derived": DerivedDay(status="present")}, "no_such_occurrence"), ({"wage": None}, "wage_unset"),
     ({"wage": WAGE_OF_A_CENT, "requested": amount("5.00")}, "wage_unset"),
     ({"requested": Requested(amount=Money.model_validate({"amount": "5.00", "currency": "EUR"}))}, "currency_differs")],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    found = judged(case(**changes))  # type: ignore[arg-type]
    assert (found.verdict, found.reason, found.ruling) == ("refused", reason, None)


def test_earlier_penalties_of_the_month_count_against_the_monthly_cap() -> None:
    earlier = (Amount(amount=yuan("850.00"), fact_id="p1"),)
    found = judged(case(requested=share(20), month_penalties=earlier))
    computed = found.figures.computed
    assert computed is not None
    assert computed.month_unpaid == yuan("4.17")
    assert taken(found) == "19.16"
    assert found.ruling is not None
    assert [clamp.kind for clamp in found.ruling.clamps if clamp.bound] == ["monthly_cap"]


def test_a_ruling_names_the_facts_behind_every_input_and_no_amount() -> None:
    found = judged(
        case(
            before=3,
            seconds=2400,
            requested=amount("30.00"),
            month_penalties=(Amount(amount=yuan("1.00"), fact_id="p"),),
        )
    )
    assert found.ruling is not None
    named = {item.name: item.facts for item in found.ruling.asked.inputs}
    assert named == {
        "day": ("today",),
        "base_wage": ("wage",),
        "late_times_in_year": ("d0", "d1", "d2", "today"),
        "month_unpaid": ("today",),
        "month_penalties": ("p",),
    }
    assert "30.00" not in found.ruling.model_dump_json()
    assert found.ruling.asked.measured("share_of_base_wage") is None


@pytest.mark.parametrize("requested", [share(20), share(0), amount("0.00"), amount("30.00"), amount("99999.99")])
@pytest.mark.parametrize("minutes", [5, 40])
def test_what_comes_out_is_written_whole_and_read_again_as_itself(requested: Requested, minutes: int) -> None:
    earlier = (Amount(amount=yuan("850.00"), fact_id="p1"),)
    found = judged(case(before=3, seconds=60 * minutes, requested=requested, month_penalties=earlier))
    assert found.ruling is not None
    assert Adjudication.model_validate_json(found.model_dump_json()) == found
    assert PenaltyFigures.model_validate_json(found.figures.model_dump_json()) == found.figures


def test_a_delegate_has_no_more_than_was_lent() -> None:
    lent = Delegation(
        delegation_id="d", from_staff_id="director", to_staff_id="deputy", property_id="north-court",
        first_on=date(2026, 3, 1), last_on=date(2026, 3, 5), ceilings=measures({"share_of_base_wage": Ratio(numerator=1, denominator=10).fraction}),
    )  # fmt: skip
    deputy = asked(actor_id="deputy", on_behalf_of_id="director", delegation=lent)
    assert judged(case(asked=deputy, requested=share(10))).verdict == "decided"
    assert judged(case(asked=deputy, requested=share(11))).verdict == "recommended"
    cut = judged(case(asked=deputy, requested=share(20), beyond_authority="cut"))
    assert (cut.verdict, taken(cut)) == ("decided", "20.00")


def test_two_occurrences_of_one_day_are_penalised_each_by_itself() -> None:
    """C9: late and early both; the unpaid time of the day is taken once."""
    late = Occurrence(occurrence="late", kind="late", seconds=900, unpaid_seconds=900)
    early = Occurrence(occurrence="early", kind="early", seconds=900, unpaid_seconds=900)
    both = DerivedDay(
        status="present", occurrences=(late, early), shifts=1, scheduled_seconds=28_800, unpaid_seconds=1800
    )
    days = (CountedDay(day=DAY, kinds=("late", "early"), fact_id="today"),)
    found = [judged(case(occurrence=one, derived=both, late_days=days)) for one in ("late", "early")]
    assert [one.verdict for one in found] == ["decided", "decided"]
    unpaid = [one.figures.computed.unpaid for one in found if one.figures.computed]
    assert unpaid == [yuan("6.25"), yuan("6.25")]


@given(
    seconds=st.integers(1, 7200), before=st.integers(0, 6), numerator=st.integers(0, 300), cut=st.booleans(),
    wage=st.integers(1, 3_000_000), earlier=st.integers(0, 200_000), kind=st.sampled_from(["late", "early", "absent"]),
    base=st.sampled_from(["day", "month"]),
)  # fmt: skip
def test_no_decided_penalty_ever_exceeds_a_cap_in_force(
    seconds: int, before: int, numerator: int, cut: bool, wage: int, earlier: int, kind: str, base: str
) -> None:
    month = yuan(f"{wage // 100}.{wage % 100:02}")
    one = case(
        kind,  # type: ignore[arg-type]
        seconds,
        before=before,
        requested=share(numerator),
        beyond_authority="cut" if cut else "recommend",
        month_penalties=(Amount(amount=yuan(f"{earlier // 100}.{earlier % 100:02}"), fact_id="p"),),
    )
    assert one.wage is not None
    one = one.model_copy(update={"wage": one.wage.model_copy(update={"month": month})})
    matrix = MATRIX if base == "day" else reading(base_unit="month")
    found = judged(one, matrix)
    if found.verdict != "decided":
        return
    computed = found.figures.computed
    assert computed is not None
    assert CAPPED.minimum_wage is not None
    base_wage, penalty, unpaid = computed.base_wage.amount, computed.penalty.amount, computed.unpaid.amount
    cap = computed.base_wage.share(Ratio(numerator=1, denominator=5 if kind != "absent" else 1).fraction).amount
    counted_in = unpaid if kind == "absent" else Decimal(0)
    assert penalty <= max(cap - counted_in, Decimal(0))
    assert penalty <= base_wage
    due = month.amount - computed.month_unpaid.amount
    if penalty:
        assert (penalty + computed.month_penalties.amount) * 5 <= due
        assert due - computed.month_penalties.amount - penalty >= CAPPED.minimum_wage.amount
