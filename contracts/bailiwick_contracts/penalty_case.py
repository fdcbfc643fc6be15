"""What a penalty rests on (A13, A14, A15), and what of it is the same under every clause."""

from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from bailiwick_contracts.authority import Asked, Input, Measured
from bailiwick_contracts.deductions import (
    Requested,
    StepLimit,
    UnpaidDay,
    Wage,
    day_base_wage,
    legal_limits,
    nothing,
    unpaid_in_month,
    unpaid_of,
)
from bailiwick_contracts.lateness import DerivedDay, Occurrence
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Measure, Ratio, quotient
from bailiwick_contracts.message import Identifier, Record, built
from bailiwick_contracts.money import Money
from bailiwick_contracts.notice import CONDITION as NOTICE
from bailiwick_contracts.notice import StandingNotice, notices_covering
from bailiwick_contracts.quota import Amount, Counted, CountedDay, Summed, late_times, sum_of

BeyondAuthority = Literal["recommend", "cut"]
"""What becomes of an amount over the authority's cap: the case goes to the next in line, or is decided at the cap."""
LATE_TIMES: Measure = "late_times_in_year"
_HALF = Fraction(1, 2)


class StandingPenalty(Record):
    """A penalty that stands on an occurrence already."""

    clause: Identifier
    fact_id: Identifier


class PenaltyCase(Record):
    """All that a penalty rests on beside the matrix and the policy; each part names the facts it came from."""

    asked: Asked
    """Who asks, about whom, when; its row, measures and inputs are filled in here."""
    clause: Identifier | None = None
    """The clause that the director names; None leaves the choice to T6."""
    requested: Requested
    beyond_authority: BeyondAuthority = "recommend"
    day: date
    occurrence: Identifier
    derived: DerivedDay | None = None
    day_fact_id: Identifier | None = None
    late_days: tuple[CountedDay, ...] = ()
    """The person's days with a lateness or early leave, of at least the two years up to the day that `counted_up_to` has."""
    entered_on: date | None = None
    standing: tuple[StandingPenalty, ...] = ()
    """Penalties that stand on the same occurrence."""
    wage: Wage | None = None
    paid_days: Ratio = Ratio(numerator=87, denominator=4)
    """Of a month, as the property has it set."""
    month_days: tuple[UnpaidDay, ...] = ()
    """The days of the wage month with unpaid time, this one included, and those of unpaid leave."""
    month_penalties: tuple[Amount, ...] = ()
    month_confirmation: Identifier | None = None
    """The fact that confirmed the attendance of the day's month (A7)."""
    notices: tuple[StandingNotice, ...] = ()
    """Written notices that the person was given about the occurrence."""


class Taken(NamedTuple):
    """What is asked for under one way of counting."""

    base: Money
    """The wage that shares are taken of."""
    share: Fraction
    """Of that wage."""
    penalty: Money
    """Less unpaid time where the clause counts it in."""
    unpaid: Money | None = None
    """What the clause counts in."""


class Common(NamedTuple):
    """What is the same under every clause."""

    day_wage: Money
    unpaid: Money
    month_unpaid: Money
    month_penalties: Money
    plain: Taken
    """What is asked for under a clause that counts no unpaid time in."""
    legal: tuple[StepLimit, ...]
    """What the law lets through."""
    measured: tuple[Measured, ...]
    """Of the occurrence: how many minutes, and which time in the year."""
    conditions: tuple[str, ...]
    inputs: tuple[Input, ...]
    other_inputs: tuple[Input, ...]
    """The same for a clause that does not ask which time in the year it is."""


def common_of(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None, law: LegalPolicy) -> Common:
    """What every clause goes by, of a case with a wage and a derived day, on the occurrence `found`."""
    assert case.wage is not None and case.derived is not None  # noqa: S101, PT018 - the caller answers for both
    month, derived = case.wage.month, case.derived
    day_wage = day_base_wage(month, case.paid_days)
    month_unpaid = unpaid_in_month(case.month_days, month, day_wage)
    penalties = sum_of(case.month_penalties, month.currency)
    counted = _late_times(case, found, matrix)
    covering = notices_covering(case.notices, case.requested) if case.notices else ()
    minutes = measured("late_minutes", found.seconds, 60)
    conditions, inputs = case.asked.conditions, _inputs(case, counted, penalties, covering)
    return Common(
        day_wage,
        unpaid_of(found, derived, day_wage),
        month_unpaid,
        penalties.total,
        _asked_of(case, month if _by_month(matrix) else day_wage),
        legal_limits(
            law, month_wage=month, day_wage=day_wage, month_unpaid=month_unpaid, month_penalties=penalties.total
        ),
        (minutes, measured(LATE_TIMES, counted.times)) if counted else (minutes,),
        (*conditions, NOTICE) if covering else conditions,
        inputs,
        tuple([one for one in inputs if one.name != LATE_TIMES]),
    )


def base_wage(case: PenaltyCase, matrix: AuthorityMatrix | None) -> Money:
    """The wage that shares are taken of, of a case with a wage, where no clause halves it."""
    assert case.wage is not None  # noqa: S101 - the caller answers for it
    return case.wage.month if _by_month(matrix) else day_base_wage(case.wage.month, case.paid_days)


@lru_cache(maxsize=4096)
def measured(measure: Measure, numerator: int, denominator: int = 1, *, confidential: bool = False) -> Measured:
    """How much was asked of a measure, as a quotient of checked numbers; the same record each time."""
    value = quotient(numerator, denominator)
    return built(Measured, {"measure": measure, "value": value, "confidential": confidential})


def _asked_of(case: PenaltyCase, base: Money, unpaid: Money | None = None) -> Taken:
    share, given = case.requested.share, case.requested.amount
    if share is not None:
        part = share.fraction
        return Taken(base, part, less(base.share(part), unpaid), unpaid)
    assert given is not None  # noqa: S101 - `Requested` has one of both
    return Taken(base, Fraction(given.amount) / Fraction(base.amount), less(given, unpaid), unpaid)


def with_unpaid(case: PenaltyCase, found: Occurrence, common: Common, matrix: AuthorityMatrix | None) -> Taken:
    """What is asked for where unpaid time counts in: a share no less than what the time not worked comes to."""
    assert case.derived is not None  # noqa: S101 - the caller answers for it
    base, part = common.plain.base, Fraction(1)
    if found.kind != "absent" and matrix is not None and matrix.readings.late_beyond_limit == "half_absence":
        base, part = base.share(_HALF), _HALF
    absent = Fraction(found.unpaid_seconds, case.derived.scheduled_seconds or 1) / part
    if _by_month(matrix):
        absent /= case.paid_days.fraction
    taken = _asked_of(case, base, common.unpaid)
    return taken._replace(share=max(taken.share, absent))


def counted_up_to(matrix: AuthorityMatrix | None, day: date, decided_on: date) -> date:
    """The day up to which late arrivals and early leaves count towards the ordinal of one on `day` (T7)."""
    return decided_on if matrix is not None and matrix.readings.offence_window_from != "incident" else day


def _late_times(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None) -> Counted | None:
    if found.kind == "absent" or matrix is None or case.derived is None:
        return None
    readings = matrix.readings
    of_kind = [other.occurrence for other in case.derived.occurrences if other.kind == found.kind]
    return late_times(
        case.late_days,
        counted_up_to(matrix, case.day, case.asked.decided_on),
        found.kind,
        of_kind.index(found.occurrence),
        shared=readings.late_and_early_share_count,
        anchor=readings.year_anchor,
        entered_on=case.entered_on,
    )


def _inputs(
    case: PenaltyCase, counted: Counted | None, penalties: Summed, covering: tuple[str, ...]
) -> tuple[Input, ...]:
    day, confirmation = case.day_fact_id, case.month_confirmation
    named = (
        ("day", (day,) if day else ()),
        ("base_wage", (case.wage.fact_id,) if case.wage else ()),
        (LATE_TIMES, counted.facts if counted else ()),
        ("month_unpaid", tuple(dict.fromkeys([one.fact_id for one in case.month_days]))),
        ("month_penalties", penalties.facts),
        ("month_confirmation", (confirmation,) if confirmation else ()),
        ("notice", covering),
    )
    found = [built(Input, {"name": name, "facts": facts}) for name, facts in named if facts]
    return (*case.asked.inputs, *found)


def _by_month(matrix: AuthorityMatrix | None) -> bool:
    return matrix is not None and matrix.readings.base_unit == "month"


def less(money: Money, taken: Money | None) -> Money:
    """What is left of an amount, at least nothing, where something is taken of it at all."""
    if taken is None:
        return money
    return money - taken if taken < money else nothing(money)
