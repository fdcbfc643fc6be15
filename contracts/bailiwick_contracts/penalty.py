"""The ruling on a penalty (A13, A14, A15): one pure function, asked by the decision and again by every re-adjudication."""

from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Literal, NamedTuple

from bailiwick_contracts.authority import Asked, CopyPosition, Input, Measured, Ruling, Weighed, ruled, weigh
from bailiwick_contracts.deductions import (
    Cap,
    Computed,
    PenaltyFigures,
    Requested,
    UnpaidDay,
    Wage,
    day_base_wage,
    nothing,
    run_pipeline,
    unpaid_in_month,
    unpaid_of,
)
from bailiwick_contracts.lateness import DerivedDay, Occurrence, OccurrenceKind
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Limit, MatrixRow, Measure, Ratio
from bailiwick_contracts.message import Identifier, Record, built, made
from bailiwick_contracts.money import Money
from bailiwick_contracts.notice import CONDITION as NOTICE
from bailiwick_contracts.notice import StandingNotice, notices_covering
from bailiwick_contracts.quota import Amount, Counted, CountedDay, late_times, sum_of

CLAUSES: Mapping[OccurrenceKind, tuple[str, ...]] = {
    "late": ("A13", "A15"),
    "early": ("A13", "A15"),
    "absent": ("A14",),
}
"""The rows that cover each kind of occurrence."""
ABSENCE = "A14"
Verdict = Literal["decided", "recommended", "refused"]
BeyondAuthority = Literal["recommend", "cut"]
"""What becomes of an amount over the authority's cap: the case goes to the next in line, or is decided at the cap."""
_OUTCOMES: Mapping[str, Verdict] = {
    "granted": "decided",
    "recommend_only": "recommended",
    "escalated": "recommended",
    "refused": "refused",
}
_GRAVITY = ("granted", "recommend_only", "escalated", "refused")
_LATE_TIMES: Measure = "late_times_in_year"
_WHOLE, _HALF = Fraction(1), Fraction(1, 2)
_FALLBACK_POLICY = LegalPolicy(version="unset", mode="forbid_fines")


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
    """The person's days with a lateness or early leave, of at least the two years up to this day."""
    entered_on: date | None = None
    standing: tuple[StandingPenalty, ...] = ()
    """Penalties that stand on the same occurrence."""
    wage: Wage | None = None
    paid_days: Ratio = Ratio(numerator=87, denominator=4)
    """Of a month, as the property has it set."""
    month_days: tuple[UnpaidDay, ...] = ()
    """The days of the wage month with unpaid time, this one included."""
    month_penalties: tuple[Amount, ...] = ()
    month_confirmation: Identifier | None = None
    """The fact that confirmed the attendance of the day's month (A7)."""
    notices: tuple[StandingNotice, ...] = ()
    """Written notices that the person was given about the occurrence."""


class Adjudication(Record):
    """The answer to a penalty that was asked for."""

    verdict: Verdict
    reason: Identifier
    """`within_limits`, or what stands against it: a reason of `rule`, or one of those `adjudicate_penalty` lists."""
    clause: Identifier
    ruling: Ruling | None = None
    also_covered_by: tuple[Identifier, ...] = ()
    """Other clauses that would have granted it: one occurrence, one penalty, the larger (T6)."""
    figures: PenaltyFigures


class _Common(NamedTuple):
    """What is the same under every clause."""

    day_wage: Money
    unpaid: Money
    month_unpaid: Money
    month_penalties: Money
    measured: tuple[Measured, ...]
    """Of the occurrence: how many minutes, and which time in the year."""
    conditions: tuple[str, ...]
    inputs: tuple[Input, ...]


class _Option(NamedTuple):
    """What one clause makes of it."""

    asked: Asked
    found: Weighed
    base: Money
    """The wage that shares are taken of."""
    penalty: Money
    """What was asked for, less unpaid time where the clause counts it in."""
    cap: Cap | None


def adjudicate_penalty(
    case: PenaltyCase,
    matrix: AuthorityMatrix | None,
    policy: LegalPolicy | None,
    *,
    selected_at: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> Adjudication:
    """Whether a penalty may be decided, under which clause, and what of it remains after every cap.

    Refused before any clause is asked: `day_not_derived`, `day_not_over`, `no_such_occurrence`, `month_unconfirmed` (A7, where
    the matrix's readings say so), `already_penalised` (T6), `wage_unset`, `currency_differs`, `clause_does_not_cover`.
    Otherwise the reasons are those of `rule`.

    Args:
        case: what is asked, and the derived inputs.
        matrix: the matrix in force at `selected_at`; None refuses.
        policy: the legal policy in force at `selected_at`; None refuses (T12).
        selected_at: the instant that selected both.
        positions: how far the copies of the registry reached.
    """
    figures = made(PenaltyFigures, requested=case.requested)
    found = case.derived.occurrence(case.occurrence) if case.derived is not None else None
    fallback = case.clause or (CLAUSES[found.kind][0] if found else "A13")
    reason = _impossible(case, found, matrix, policy)
    if reason is not None:
        return made(Adjudication, verdict="refused", reason=reason, clause=fallback, figures=figures)
    assert found is not None  # noqa: S101 - `_impossible` answers for a missing occurrence
    common = _common(case, found, matrix)
    options = [
        _option(case, found, common, row_id, matrix, policy, selected_at) for row_id in _candidates(case, found, matrix)
    ]
    mildest = min(_GRAVITY.index(option.found.outcome) for option in options)
    law = policy or _FALLBACK_POLICY
    # What remains is worked out only where it can decide: among the clauses that go equally far.
    reckoned = [
        (_reckoned(case, common, option, law), option)
        for option in options
        if _GRAVITY.index(option.found.outcome) == mildest
    ]
    computed, chosen = min(reckoned, key=lambda one: -one[0].penalty.amount)
    ruling = ruled(
        chosen.found,
        matrix,
        chosen.asked,
        selected_at=selected_at,
        legal_policy=policy,
        clamps=computed.clamps,
        positions=positions,
    )
    return made(
        Adjudication,
        verdict=_OUTCOMES[ruling.outcome],
        reason=ruling.reason,
        clause=ruling.row_id,
        ruling=ruling,
        also_covered_by=tuple(
            option.asked.row_id for option in options if option.found.outcome == "granted" and option is not chosen
        ),
        figures=made(PenaltyFigures, requested=case.requested, computed=computed),
    )


def _impossible(
    case: PenaltyCase, found: Occurrence | None, matrix: AuthorityMatrix | None, policy: LegalPolicy | None
) -> str | None:
    if case.derived is None:
        return "day_not_derived"
    if found is None:
        return "day_not_over" if case.derived.status == "open" else "no_such_occurrence"
    blocks = matrix is not None and matrix.readings.unconfirmed_month == "blocks_deductions"
    if blocks and case.month_confirmation is None:
        return "month_unconfirmed"
    once = matrix is None or matrix.readings.one_occurrence_one_penalty
    if any(once or standing.clause == case.clause for standing in case.standing):
        return "already_penalised"
    if case.wage is None or case.wage.month.amount <= 0:
        return "wage_unset"
    amounts = [
        case.requested.amount,
        policy.minimum_wage if policy else None,
        *(item.amount for item in case.month_penalties),
    ]
    if any(amount is not None and amount.currency != case.wage.month.currency for amount in amounts):
        return "currency_differs"
    known = matrix is not None and case.clause is not None and matrix.rows_of(case.clause)
    if known and case.clause not in (*CLAUSES[found.kind], ABSENCE if _counts_as_absence(matrix) else None):
        return "clause_does_not_cover"
    return None


def _counts_as_absence(matrix: AuthorityMatrix | None) -> bool:
    return matrix is not None and matrix.readings.late_beyond_limit != "escalate"


def _candidates(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None) -> tuple[str, ...]:
    if case.clause is not None:
        return (case.clause,)
    absence = (
        (ABSENCE,) if found.kind != "absent" and _counts_as_absence(matrix) and _over_minutes(found, matrix) else ()
    )
    return (*CLAUSES[found.kind], *absence)


def _over_minutes(found: Occurrence, matrix: AuthorityMatrix | None) -> bool:
    limit = _limit(matrix.row("A13", "penalise") if matrix else None, "late_minutes")
    upper = limit.upper.value if limit and limit.upper else None
    return isinstance(upper, Ratio) and Fraction(found.seconds, 60) > upper.fraction


def _limit(row: MatrixRow | None, measure: Measure) -> Limit | None:
    return next((limit for limit in row.limits if limit.measure == measure), None) if row else None


def _share_limit(case: PenaltyCase, row: MatrixRow | None) -> Fraction | None:
    """The largest share that the row grants, narrowed by what a delegation lends."""
    limit = _limit(row, "share_of_base_wage")
    shares = [limit.upper.value] if limit and limit.upper else []
    if case.asked.on_behalf_of_id is not None and case.asked.delegation is not None:
        shares += [
            m.value for m in case.asked.delegation.ceilings if m.measure == "share_of_base_wage" and m.value is not None
        ]
    return min((share.fraction for share in shares if isinstance(share, Ratio)), default=None)


def _common(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None) -> _Common:
    assert case.wage is not None and case.derived is not None  # noqa: S101, PT018 - `_impossible` answers for both
    month = case.wage.month
    day_wage = day_base_wage(month, case.paid_days)
    counted = _late_times(case, found, matrix)
    covering = notices_covering(case.notices, case.requested)
    times = made(Measured, measure=_LATE_TIMES, value=Ratio.of(counted.times)) if counted else None
    return _Common(
        day_wage,
        unpaid_of(found, case.derived, day_wage),
        unpaid_in_month(case.month_days, month, day_wage),
        sum_of(case.month_penalties, month.currency).total,
        (
            made(Measured, measure="late_minutes", value=Ratio.of(Fraction(found.seconds, 60))),
            *((times,) if times else ()),
        ),
        (*case.asked.conditions, *((NOTICE,) if covering else ())),
        _inputs(case, counted, covering),
    )


def _option(
    case: PenaltyCase,
    found: Occurrence,
    common: _Common,
    row_id: str,
    matrix: AuthorityMatrix | None,
    policy: LegalPolicy | None,
    selected_at: datetime,
) -> _Option:
    row = matrix.row(row_id, "penalise") if matrix else None
    limit = _limit(row, "share_of_base_wage")
    with_unpaid = limit is not None and limit.counts == "unpaid_and_penalty"
    most = _share_limit(case, row)
    base, part = _base(case, found, common, matrix, with_unpaid=with_unpaid)
    taken = common.unpaid if with_unpaid else nothing(base)
    given, of_base = case.requested.amount, case.requested.share
    penalty = _less(given or base.share(of_base.fraction if of_base is not None else Fraction(0)), taken)
    cap = made(Cap, rule=row_id, limit=_less(base.share(most), taken)) if most is not None else None
    share = of_base.fraction if of_base is not None else Fraction(given.amount if given else 0) / Fraction(base.amount)
    if with_unpaid:
        share = max(share, _absent_share(case, found, matrix, part))
    if case.beyond_authority == "cut" and most is not None:
        share = min(share, most)
    measured = (
        *common.measured,
        made(Measured, measure="share_of_base_wage", value=Ratio.of(share), confidential=given is not None),
    )
    named = {limit.measure for limit in row.limits} if row else set()
    asked = built(
        Asked,
        {
            **case.asked.__dict__,
            "row_id": row_id,
            "verb": "penalise",
            "conditions": common.conditions,
            "measures": tuple(m for m in measured if not row or m.measure in named),
            "inputs": tuple(one for one in common.inputs if one.name != _LATE_TIMES or _LATE_TIMES in named),
        },
    )
    return _Option(asked, weigh(matrix, asked, selected_at=selected_at, legal_policy=policy), base, penalty, cap)


def _late_times(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None) -> Counted | None:
    if found.kind == "absent" or matrix is None or case.derived is None:
        return None
    readings = matrix.readings
    of_kind = [other.occurrence for other in case.derived.occurrences if other.kind == found.kind]
    return late_times(
        case.late_days,
        case.day if readings.offence_window_from == "incident" else case.asked.decided_on,
        found.kind,
        of_kind.index(found.occurrence),
        shared=readings.late_and_early_share_count,
        anchor=readings.year_anchor,
        entered_on=case.entered_on,
    )


def _inputs(case: PenaltyCase, counted: Counted | None, covering: tuple[str, ...]) -> tuple[Input, ...]:
    named = {
        "day": (case.day_fact_id,) if case.day_fact_id else (),
        "base_wage": (case.wage.fact_id,) if case.wage else (),
        _LATE_TIMES: counted.facts if counted else (),
        "month_unpaid": tuple(day.fact_id for day in case.month_days),
        "month_penalties": tuple(sorted(item.fact_id for item in case.month_penalties)),
        "month_confirmation": (case.month_confirmation,) if case.month_confirmation else (),
        "notice": covering,
    }
    return (*case.asked.inputs, *(made(Input, name=name, facts=facts) for name, facts in named.items() if facts))


def _by_month(matrix: AuthorityMatrix | None) -> bool:
    return matrix is not None and matrix.readings.base_unit == "month"


def _base(
    case: PenaltyCase, found: Occurrence, common: _Common, matrix: AuthorityMatrix | None, *, with_unpaid: bool
) -> tuple[Money, Fraction]:
    """The wage that shares are taken of, and which part of the day's or the month's it is."""
    assert case.wage is not None  # noqa: S101 - `_impossible` answers for it
    whole = case.wage.month if _by_month(matrix) else common.day_wage
    half = (
        with_unpaid
        and found.kind != "absent"
        and matrix is not None
        and matrix.readings.late_beyond_limit == "half_absence"
    )
    return (whole.share(_HALF), _HALF) if half else (whole, _WHOLE)


def _absent_share(case: PenaltyCase, found: Occurrence, matrix: AuthorityMatrix | None, part: Fraction) -> Fraction:
    """The share of the base wage that the time not worked comes to."""
    assert case.derived is not None  # noqa: S101 - `_impossible` answers for it
    share = Fraction(found.unpaid_seconds, case.derived.scheduled_seconds or 1) / part
    return share / case.paid_days.fraction if _by_month(matrix) else share


def _reckoned(case: PenaltyCase, common: _Common, option: _Option, policy: LegalPolicy) -> Computed:
    """Every amount of the deduction under one clause."""
    assert case.wage is not None  # noqa: S101 - `_impossible` answers for it
    steps = run_pipeline(
        option.penalty,
        month_wage=case.wage.month,
        policy=policy,
        day_wage=common.day_wage,
        authority=option.cap,
        month_unpaid=common.month_unpaid,
        month_penalties=common.month_penalties,
    )
    return made(
        Computed,
        month_base_wage=case.wage.month,
        day_base_wage=common.day_wage,
        base_wage=option.base,
        unpaid=common.unpaid,
        month_unpaid=common.month_unpaid,
        month_penalties=common.month_penalties,
        asked_penalty=option.penalty,
        steps=steps,
        penalty=steps[-1].after if steps else option.penalty,
    )


def _less(money: Money, taken: Money) -> Money:
    return money - taken if taken < money else nothing(money)
