"""The ruling on a penalty (A13, A14, A15): one pure function, asked by the decision and again by every re-adjudication."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Literal, NamedTuple

from bailiwick_contracts.authority import GRAVITY, Asked, CopyPosition, Ruling, Weighed, ruled, weigh
from bailiwick_contracts.deductions import (
    Computed,
    PenaltyFigures,
    StepLimit,
    authority_limit,
    run_pipeline,
)
from bailiwick_contracts.lateness import Occurrence, OccurrenceKind
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Limit, Ratio
from bailiwick_contracts.message import Identifier, Record, built, made
from bailiwick_contracts.penalty_case import (
    LATE_TIMES,
    Common,
    PenaltyCase,
    Taken,
    base_wage,
    common_of,
    less,
    measured,
    with_unpaid,
)

CLAUSES: Mapping[OccurrenceKind, tuple[str, ...]] = {
    "late": ("A13", "A15"),
    "early": ("A13", "A15"),
    "absent": ("A14",),
}
"""The rows that cover each kind of occurrence."""
ABSENCE = "A14"
Verdict = Literal["decided", "recommended", "refused"]
_OUTCOMES: Mapping[str, Verdict] = {
    "granted": "decided",
    "recommend_only": "recommended",
    "escalated": "recommended",
    "refused": "refused",
}
_remaining = attrgetter("remaining")
_FALLBACK_POLICY = LegalPolicy(version="unset", mode="forbid_fines")


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


class _Option(NamedTuple):
    """What one clause makes of it."""

    asked: Asked
    found: Weighed
    taken: Taken
    limits: tuple[StepLimit, ...]

    @property
    def gravity(self) -> int:
        """How much stands against it."""
        return GRAVITY[self.found.outcome]

    @property
    def remaining(self) -> Decimal:
        """What remains of the penalty after every cap."""
        return min([self.taken.penalty.amount, *[limit.most.amount for limit in self.limits]])


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
    found = case.derived.occurrence(case.occurrence) if case.derived is not None else None
    fallback = case.clause or (CLAUSES[found.kind][0] if found else "A13")
    reason = _impossible(case, found, matrix, policy)
    if reason is not None:
        figures = made(PenaltyFigures, requested=case.requested)
        return made(Adjudication, verdict="refused", reason=reason, clause=fallback, figures=figures)
    assert found is not None  # noqa: S101 - `_impossible` answers for a missing occurrence
    common = common_of(case, found, matrix, policy or _FALLBACK_POLICY)
    options = [
        _option(case, found, common, row_id, matrix, policy, selected_at) for row_id in _candidates(case, found, matrix)
    ]
    mildest = min([option.gravity for option in options])
    equal = [option for option in options if option.gravity == mildest]
    # Among the clauses that go equally far, the one under which most remains; of equal ones the first.
    chosen = max(equal, key=_remaining) if len(equal) > 1 else equal[0]
    computed = _computed(case, common, chosen)
    ruling = ruled(
        chosen.found,
        matrix,
        chosen.asked,
        selected_at=selected_at,
        legal_policy=policy,
        clamps=computed.clamps,
        positions=positions,
    )
    covered = [option.asked.row_id for option in options if option.found.outcome == "granted" and option is not chosen]
    return built(
        Adjudication,
        {
            "verdict": _OUTCOMES[ruling.outcome],
            "reason": ruling.reason,
            "clause": ruling.row_id,
            "ruling": ruling,
            "also_covered_by": tuple(covered),
            "figures": built(PenaltyFigures, {"requested": case.requested, "computed": computed}),
        },
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
    if case.standing and (once or any(standing.clause == case.clause for standing in case.standing)):
        return "already_penalised"
    wage, amount = case.wage, case.requested.amount
    if wage is None or wage.month.amount <= 0:
        return "wage_unset"
    if amount is not None and base_wage(case, matrix).amount <= 0:
        return "wage_unset"  # of a wage that rounds to nothing, an amount is no share
    amounts = [amount, policy.minimum_wage if policy else None, *[item.amount for item in case.month_penalties]]
    if {one.currency for one in amounts if one is not None} - {wage.month.currency}:
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
    row = matrix.row("A13", "penalise") if matrix else None
    limit = row.by_measure.get("late_minutes") if row else None
    upper = limit.upper.value if limit and limit.upper else None
    return isinstance(upper, Ratio) and Fraction(found.seconds, 60) > upper.fraction


def _share_limit(case: PenaltyCase, limit: Limit | None) -> Fraction | None:
    """The largest share that a row grants with its limit, narrowed by what a delegation lends."""
    found = [limit.upper.value] if limit and limit.upper else []
    asked = case.asked
    if asked.on_behalf_of_id is not None and asked.delegation is not None:
        found += [
            m.value for m in asked.delegation.ceilings if m.measure == "share_of_base_wage" and m.value is not None
        ]
    return min([share.fraction for share in found if isinstance(share, Ratio)], default=None)


def _option(
    case: PenaltyCase,
    found: Occurrence,
    common: Common,
    row_id: str,
    matrix: AuthorityMatrix | None,
    policy: LegalPolicy | None,
    selected_at: datetime,
) -> _Option:
    row = matrix.row(row_id, "penalise") if matrix else None
    named = row.by_measure if row else {}
    limit = named.get("share_of_base_wage")
    counts_unpaid = limit is not None and limit.counts == "unpaid_and_penalty"
    taken = with_unpaid(case, found, common, matrix) if counts_unpaid else common.plain
    share, most = taken.share, _share_limit(case, limit)
    limits = common.legal
    if most is not None:
        limits = (authority_limit(row_id, less(taken.base.share(most), taken.unpaid)), *limits)
        if case.beyond_authority == "cut":
            share = min(share, most)
    by_amount = case.requested.amount is not None
    of_wage = measured("share_of_base_wage", share.numerator, share.denominator, confidential=by_amount)
    measures = (*common.measured, of_wage)
    asked = built(
        Asked,
        {
            **case.asked.__dict__,
            "row_id": row_id,
            "verb": "penalise",
            "conditions": common.conditions,
            "measures": tuple([one for one in measures if row is None or one.measure in named]),
            "inputs": common.inputs if LATE_TIMES in named else common.other_inputs,
        },
    )
    return _Option(asked, weigh(matrix, asked, selected_at=selected_at, legal_policy=policy), taken, limits)


def _computed(case: PenaltyCase, common: Common, option: _Option) -> Computed:
    """Every amount of the deduction under one clause."""
    assert case.wage is not None  # noqa: S101 - `_impossible` answers for it
    steps = run_pipeline(option.taken.penalty, option.limits)
    return built(
        Computed,
        {
            "month_base_wage": case.wage.month,
            "day_base_wage": common.day_wage,
            "base_wage": option.taken.base,
            "unpaid": common.unpaid,
            "month_unpaid": common.month_unpaid,
            "month_penalties": common.month_penalties,
            "asked_penalty": option.taken.penalty,
            "steps": steps,
            "penalty": steps[-1].after if steps else option.taken.penalty,
        },
    )
