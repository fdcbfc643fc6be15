"""The deduction pipeline: what may be taken from a wage, step by step, each step recorded with what it cut off.

A deduction is first split into unpaid time (no work, no pay) and penalty; only the penalty is capped. The penalty then
passes the authority's cap, the legal cap per occurrence, the monthly cumulative cap and the minimum-wage floor, in this
order. What a step cuts off is gone: nothing is carried over to another month.

Amounts asked for and the authority's cap are rounded half up to the cent; legal caps are rounded down, since a cap that
is rounded up would be exceeded.
"""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from bailiwick_contracts.authority import Clamp, ClampKind, clamp
from bailiwick_contracts.lateness import DerivedDay, Occurrence
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.message import Identifier, Record, built
from bailiwick_contracts.money import CENT, Money, parted, reckoned

_NOTHING = Decimal("0.00")


class Requested(Record):
    """What is asked for: a share of the base wage that the clause takes from, or an amount; exactly one of them.

    Under A14 it is the whole deduction, unpaid time included (T4); under A13 and A15 it is the penalty alone.
    """

    share: Ratio | None = None
    amount: Money | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.share is None) == (self.amount is None):
            raise ValueError("requested: give either share or amount, not both")
        if self.share is not None and self.share.fraction < 0:
            raise ValueError("share: a deduction is not negative")
        if self.amount is not None and self.amount.amount < 0:
            raise ValueError("amount: a deduction is not negative")
        return self


class Wage(Record):
    """The base wage of a month, with the fact that set it."""

    month: Money
    fact_id: Identifier


class UnpaidDay(Record):
    """Unpaid time of one day of a wage month, with the derivation, or the approval of leave, that it comes from."""

    unpaid_seconds: Annotated[int, Field(ge=0)]
    scheduled_seconds: Annotated[int, Field(ge=0)]
    fact_id: Identifier


class Step(Record):
    """One step of the pipeline with its amounts."""

    kind: ClampKind
    rule: Identifier
    before: Money
    limit: Money
    """The most that the step lets through."""
    after: Money

    @property
    def bound(self) -> bool:
        """Whether the step cut something off."""
        return self.after.amount < self.before.amount


class Computed(Record):
    """Every amount of one deduction."""

    month_base_wage: Money
    day_base_wage: Money
    base_wage: Money
    """The base that shares are taken of: of the day, the half day or the month."""
    unpaid: Money
    """Of this occurrence."""
    month_unpaid: Money
    """Of all days of the wage month derived so far, this one included."""
    month_penalties: Money
    """That stand in the wage month before this one."""
    asked_penalty: Money
    """What was asked for, less unpaid time where the clause counts it in."""
    steps: tuple[Step, ...]
    penalty: Money

    @property
    def clamps(self) -> tuple[Clamp, ...]:
        """The steps as a ruling publishes them, without amounts."""
        steps = enumerate(self.steps, 1)
        return tuple([clamp(number, step.kind, step.rule, bound=step.bound) for number, step in steps])


class PenaltyFigures(Record):
    """The confidential part of a penalty: what was asked, and every amount where there was something to compute."""

    requested: Requested
    computed: Computed | None = None


def _money(amount: Decimal, like: Money) -> Money:
    return reckoned(max(amount, _NOTHING), like.currency)


def _at_most(amount: Decimal, share: Ratio) -> Decimal:
    """A share rounded down to the cent: what a cap lets through."""
    return max((amount * share.numerator / share.denominator).quantize(CENT, ROUND_FLOOR), _NOTHING)


def nothing(like: Money) -> Money:
    """Zero in the same currency."""
    return _money(_NOTHING, like)


def day_base_wage(month_wage: Money, paid_days: Ratio) -> Money:
    """The base wage of one day: the month's divided by its paid days (21.75), half up to the cent (T4, C18)."""
    return month_wage.with_amount(parted(month_wage.amount, paid_days.denominator, paid_days.numerator))


def unpaid_of(occurrence: Occurrence, day: DerivedDay, day_wage: Money) -> Money:
    """The wage of the time not worked because of one occurrence.

    The day's unpaid amount is spread over its occurrences in order, so that they sum to it to the cent and no second is
    taken twice.
    """
    before, named = 0, occurrence.occurrence
    for other in day.occurrences:
        if other.occurrence == named:
            break
        before += other.unpaid_seconds
    wage, whole = day_wage.amount, day.scheduled_seconds or 1
    until = parted(wage, before + occurrence.unpaid_seconds, whole)
    return _money(until - parted(wage, before, whole) if before else until, day_wage)


def unpaid_in_month(days: Iterable[UnpaidDay], month_wage: Money, day_wage: Money) -> Money:
    """The wage of all unpaid time of a month; never more than the month's wage."""
    wage = day_wage.amount
    total = sum([parted(wage, d.unpaid_seconds, d.scheduled_seconds or 1) for d in days], _NOTHING)
    return _money(min(total, month_wage.amount), month_wage)


class StepLimit(NamedTuple):
    """The most that one step of the pipeline lets through."""

    kind: ClampKind
    rule: str
    most: Money


def authority_limit(row_id: str, most: Money) -> StepLimit:
    """What the row of the matrix lets through."""
    return StepLimit("authority_cap", row_id, most if most.amount >= 0 else nothing(most))


def legal_limits(
    policy: LegalPolicy,
    *,
    month_wage: Money,
    day_wage: Money | None = None,
    month_unpaid: Money | None = None,
    month_penalties: Money | None = None,
) -> tuple[StepLimit, ...]:
    """What the law lets through of any penalty in a wage month, in the order of the steps; a cap left open is no step.

    `month_wage` of the policy's caps is the base wage of the month less its unpaid time. The floor leaves the minimum wage
    after unpaid time, earlier penalties of the month and this one.

    Args:
        policy: the legal policy in force.
        month_wage: the base wage of the month in which it is taken.
        day_wage: the base wage of a day, for a policy that caps by it; the month's where none is given.
        month_unpaid: unpaid time of the month, this occurrence included.
        month_penalties: penalties that stand in the month already, whatever the property.

    Raises:
        ValueError: amounts of different currencies.
    """
    least = policy.minimum_wage
    for other in (day_wage, month_unpaid, month_penalties, least):
        if other is not None:
            month_wage.same(other)
    wage = month_wage.amount
    taken = month_penalties.amount if month_penalties is not None else _NOTHING
    due = wage - (month_unpaid.amount if month_unpaid is not None else _NOTHING)
    bases = {"month_wage": due, "month_base_wage": wage, "day_base_wage": (day_wage or month_wage).amount}
    per_occurrence, per_month, law = policy.cap_per_occurrence, policy.monthly_cap, policy.version
    limits: list[StepLimit] = []
    if policy.mode != "cap":
        limits.append(StepLimit("legal_mode", law, nothing(month_wage)))
    if per_occurrence is not None:
        cap = _at_most(bases[policy.cap_per_occurrence_of], per_occurrence)
        limits.append(StepLimit("legal_cap_per_occurrence", law, _money(cap, month_wage)))
    if per_month is not None:
        room = _at_most(bases[policy.monthly_cap_of], per_month) - taken
        limits.append(StepLimit("monthly_cap", law, _money(room, month_wage)))
    if least is not None:
        limits.append(StepLimit("minimum_wage_floor", law, _money(due - taken - least.amount, month_wage)))
    return tuple(limits)


def run_pipeline(asked: Money, limits: Iterable[StepLimit]) -> tuple[Step, ...]:
    """The steps that a penalty, or a compensation for loss, passes; the last one's `after` is what may be taken.

    Cases C12 and C13: of a wage of 1,100 with a minimum wage of 900, a cap of 20 % and 300 asked for, 200 may be taken;
    of 2,500 with 1,800, 500.

    Args:
        asked: the penalty asked for.
        limits: what the matrix row lets through, where one caps the amount, and then what the law does.

    Raises:
        ValueError: amounts of different currencies.
    """
    steps: list[Step] = []
    current = asked
    for kind, rule_id, most in limits:
        after = min(current, most)
        steps.append(built(Step, {"kind": kind, "rule": rule_id, "before": current, "limit": most, "after": after}))
        current = after
    return tuple(steps)
