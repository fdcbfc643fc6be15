"""The deduction pipeline: which caps bind, in which order, and that none is ever exceeded."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from bailiwick_contracts.deductions import (
    Requested,
    Step,
    UnpaidDay,
    authority_limit,
    day_base_wage,
    legal_limits,
    run_pipeline,
    unpaid_in_month,
    unpaid_of,
)
from bailiwick_contracts.lateness import DerivedDay, Occurrence
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.contracts.cases import yuan

FIFTH = Ratio(numerator=1, denominator=5)
PAID_DAYS = Ratio(numerator=87, denominator=4)


def law(minimum: str | None = None, **changes: object) -> LegalPolicy:
    known = {"version": "law", "mode": "cap", "cap_per_occurrence": FIFTH, "monthly_cap": FIFTH}
    floor = {"minimum_wage": yuan(minimum)} if minimum else {}
    return LegalPolicy.model_validate(known | floor | changes)


def steps_of(asked: Money, policy: LegalPolicy, most: Money | None = None, **month: Money) -> tuple[Step, ...]:
    own = (authority_limit("A13", most),) if most is not None else ()
    return run_pipeline(asked, (*own, *legal_limits(policy, **month)))


def test_c12_the_floor_binds_before_the_fifth_of_the_wage() -> None:
    """C12: wage 1,100, minimum wage 900, compensation asked 300, cap 20 % and floor: 200, not 220."""
    steps = steps_of(yuan("300.00"), month_wage=yuan("1100.00"), policy=law("900.00"))
    assert steps[-1].after == yuan("200.00")
    assert [(step.kind, str(step.after.amount), step.bound) for step in steps] == [
        ("legal_cap_per_occurrence", "220.00", True),
        ("monthly_cap", "220.00", False),
        ("minimum_wage_floor", "200.00", True),
    ]


def test_c13_the_fifth_of_the_wage_binds_before_the_floor() -> None:
    """C13: wage 2,500, minimum wage 1,800, cap 20 % and floor: 500."""
    steps = steps_of(yuan("2500.00"), month_wage=yuan("2500.00"), policy=law("1800.00"))
    assert steps[-1].after == yuan("500.00")
    assert not steps[-1].bound


@pytest.mark.parametrize(("asked", "after"), [("219.99", "219.99"), ("220.00", "220.00"), ("220.01", "220.00")])
def test_the_legal_cap_includes_its_boundary(asked: str, after: str) -> None:
    steps = steps_of(yuan(asked), month_wage=yuan("1100.00"), policy=law())
    assert steps[-1].after == yuan(after)


@pytest.mark.parametrize(
    ("before", "after"), [("69.99", "150.00"), ("70.00", "150.00"), ("70.01", "149.99"), ("300.00", "0.00")]
)
def test_what_was_taken_in_the_month_lessens_the_monthly_cap_and_nothing_is_carried_over(
    before: str, after: str
) -> None:
    steps = steps_of(
        yuan("150.00"), month_wage=yuan("1100.00"), policy=law(cap_per_occurrence=None), month_penalties=yuan(before)
    )
    assert steps[-1].after == yuan(after)


def test_the_floor_leaves_the_minimum_wage_after_unpaid_time_and_earlier_penalties() -> None:
    steps = steps_of(
        yuan("100.00"),
        month_wage=yuan("1100.00"),
        policy=law("900.00", cap_per_occurrence=None, monthly_cap=None),
        month_unpaid=yuan("100.00"),
        month_penalties=yuan("60.00"),
    )
    assert steps[-1].after == yuan("40.00")


def test_where_the_law_leaves_only_unpaid_time_the_penalty_is_nothing() -> None:
    steps = steps_of(yuan("50.00"), month_wage=yuan("1100.00"), policy=law(mode="no_work_no_pay_only"))
    assert (steps[0].kind, steps[0].bound, steps[-1].after) == ("legal_mode", True, yuan("0.00"))


def test_a_policy_may_cap_by_the_base_wage_of_a_day() -> None:
    policy = law(cap_per_occurrence_of="day_base_wage", monthly_cap=None)
    steps = steps_of(yuan("50.00"), month_wage=yuan("4350.00"), day_wage=yuan("200.00"), policy=policy)
    assert steps[-1].after == yuan("40.00")


def test_a_cap_of_the_months_wage_goes_by_what_is_due_after_unpaid_time() -> None:
    due = steps_of(yuan("300.00"), month_wage=yuan("1100.00"), policy=law(), month_unpaid=yuan("100.00"))
    base = steps_of(
        yuan("300.00"),
        month_wage=yuan("1100.00"),
        policy=law(cap_per_occurrence_of="month_base_wage", monthly_cap_of="month_base_wage"),
        month_unpaid=yuan("100.00"),
    )
    assert (due[-1].after, base[-1].after) == (yuan("200.00"), yuan("220.00"))


def test_c18_a_wage_of_4350_is_200_a_day() -> None:
    """C18: monthly wage 4,350, 21.75 paid days, 8 h: hourly 25.00."""
    day = day_base_wage(yuan("4350.00"), PAID_DAYS)
    assert (day, day.share(Fraction(1, 8))) == (yuan("200.00"), yuan("25.00"))


@pytest.mark.parametrize(("wage", "day"), [("1.08", "0.05"), ("1.09", "0.05"), ("0.97", "0.04"), ("0.98", "0.05")])
def test_the_wage_of_a_day_is_rounded_half_up_to_the_cent(wage: str, day: str) -> None:
    assert day_base_wage(yuan(wage), PAID_DAYS) == yuan(day)


def test_the_unpaid_time_of_a_day_is_shared_among_its_occurrences_to_the_cent() -> None:
    late = Occurrence(occurrence="late", kind="late", seconds=1000, unpaid_seconds=1000)
    early = Occurrence(occurrence="early", kind="early", seconds=2000, unpaid_seconds=2000)
    day = DerivedDay(status="present", occurrences=(late, early), scheduled_seconds=25_200, unpaid_seconds=3000)
    wage = yuan("183.91")
    whole = unpaid_in_month(
        [UnpaidDay(unpaid_seconds=3000, scheduled_seconds=25_200, fact_id="d")], yuan("4000.00"), wage
    )
    assert unpaid_of(late, day, wage) + unpaid_of(early, day, wage) == whole


def test_unpaid_time_is_never_more_than_the_wage() -> None:
    days = [UnpaidDay(unpaid_seconds=1, scheduled_seconds=1, fact_id=f"d{number}") for number in range(31)]
    assert unpaid_in_month(days, yuan("4350.00"), yuan("200.00")) == yuan("4350.00")


@pytest.mark.parametrize("given_", [{}, {"share": FIFTH, "amount": yuan("1.00")}, {"amount": yuan("-1.00")}])
def test_a_deduction_is_asked_for_as_a_share_or_an_amount_and_is_not_negative(given_: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Requested.model_validate(given_)


def test_currencies_never_mix() -> None:
    with pytest.raises(ValueError, match="do not add"):
        steps_of(
            yuan("1.00"), month_wage=Money.model_validate({"amount": "1.00", "currency": "EUR"}), policy=law("1.00")
        )


cents = st.integers(min_value=0, max_value=2_000_000).map(lambda n: Money(amount=Decimal(n) / 100))
shares = st.one_of(st.none(), st.fractions(min_value=0, max_value=1, max_denominator=1000).map(Ratio.of))


@given(
    asked=cents, wage=cents, minimum=st.one_of(st.none(), cents), unpaid=cents, taken=cents, most=cents,
    occurrence=shares, month=shares, mode=st.sampled_from(["cap", "no_work_no_pay_only", "forbid_fines"]),
)  # fmt: skip
def test_no_deduction_ever_exceeds_a_cap_and_the_floor_holds(
    asked: Money, wage: Money, minimum: Money | None, unpaid: Money, taken: Money, most: Money,
    occurrence: Ratio | None, month: Ratio | None, mode: str,
) -> None:  # fmt: skip
    unpaid = min(unpaid, wage)
    policy = LegalPolicy.model_validate(
        {
            "version": "law",
            "mode": mode,
            "cap_per_occurrence": occurrence,
            "monthly_cap": month,
            "minimum_wage": minimum,
        }
    )
    steps = steps_of(asked, month_wage=wage, policy=policy, most=most, month_unpaid=unpaid, month_penalties=taken)
    penalty, due = steps[-1].after.amount, wage.amount - unpaid.amount
    assert 0 <= penalty <= min(asked.amount, most.amount)
    if mode != "cap":
        assert penalty == 0
    if occurrence is not None:
        assert Fraction(penalty) <= Fraction(due) * occurrence.fraction
    if month is not None and penalty > 0:
        assert Fraction(penalty + taken.amount) <= Fraction(due) * month.fraction
    if minimum is not None and penalty > 0:
        assert due - taken.amount - penalty >= minimum.amount
    for before, after in pairwise(steps):
        assert before.after == after.before
        assert after.after <= after.before
