"""Authority: what is asked, and `rule`, the one function that answers with a ruling under a matrix and a legal policy."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from bailiwick_contracts.matrix import (
    REPORTING_LINE,
    AuthorityMatrix,
    Beyond,
    Bound,
    LegalPolicy,
    Limit,
    MatrixRow,
    Measure,
    Quantity,
    Ratio,
    Verb,
    quotient,
)
from bailiwick_contracts.message import COMPANY, Identifier, Instant, Label, PropertyId, Record, built
from bailiwick_contracts.money import Money

DECIDING: frozenset[Verb] = frozenset({"decide", "approve", "co_approve", "confirm", "penalise"})
"""The verbs that change something by themselves."""
OPENING: frozenset[Verb] = frozenset({"recommend", "submit", "apply", "request"})
"""The verbs that open a request which someone above closes."""
_NEVER_ON_ONESELF: frozenset[Verb] = DECIDING | {"recommend", "appraise"}
Outcome = Literal["granted", "recommend_only", "escalated", "refused"]
ClampKind = Literal["authority_cap", "legal_mode", "legal_cap_per_occurrence", "monthly_cap", "minimum_wage_floor"]


class Measured(Record):
    """How much was asked of a measure. Where a wage follows from it, it is confidential: a public ruling leaves it out."""

    measure: Measure
    value: Quantity | None = None
    confidential: bool = False


class Delegation(Record):
    """Authority lent for a time. Limits of the delegator's rows hold; `ceilings` may narrow them, never widen."""

    delegation_id: Identifier
    from_staff_id: Identifier
    to_staff_id: Identifier
    property_id: PropertyId
    row_ids: tuple[Identifier, ...] = ()
    """Empty: every row of the delegator."""
    first_on: date
    last_on: date
    """Inclusive, in the property's zone."""
    ceilings: tuple[Measured, ...] = ()
    revoked_at: Instant | None = None


class Input(Record):
    """Where something a ruling rests on came from: the ids of the facts."""

    name: Label
    facts: tuple[Identifier, ...]


class Asked(Record):
    """All that a ruling rests on beside the matrix and the policy. Merged people are named by the id that remains."""

    row_id: Identifier
    verb: Verb
    actor_id: Identifier
    actor_position: Label | None = None
    """Of the principal where the actor decides under a delegation."""
    actor_property: PropertyId | None = None
    """The office of that position."""
    reports_to: Label | None = None
    """The position above it by the reporting line."""
    on_behalf_of_id: Identifier | None = None
    delegation: Delegation | None = None
    decided_on: date
    """In the property's zone; a delegation must hold on it."""
    property_id: PropertyId
    subject_id: Identifier | None = None
    subject_property: PropertyId | None = None
    """The office that the subject works for, where it is another one than that which is asked."""
    subject_grade: Label | None = None
    subject_department: Label | None = None
    requested_by_id: Identifier | None = None
    """Who opened the request that is decided on."""
    kind: Label | None = None
    conditions: tuple[Identifier, ...] = ()
    """Codes of the conditions found true."""
    measures: tuple[Measured, ...] = ()
    inputs: tuple[Input, ...] = ()

    def measured(self, measure: Measure) -> Quantity | None:
        """How much was asked of a measure, or None."""
        for item in self.measures:
            if item.measure == measure:
                return item.value
        return None

    def disclosed(self) -> "Asked":
        """The same without confidential values, as a ruling publishes it."""
        if not any(item.confidential for item in self.measures):
            return self
        shown = tuple(item.model_copy(update={"value": None}) if item.confidential else item for item in self.measures)
        return self.model_copy(update={"measures": shown})


class Clamp(Record):
    """One step of the deduction pipeline; its amounts stand in the confidential record of the same fact."""

    step: Annotated[int, Field(ge=1)]
    kind: ClampKind
    rule: Label
    """The row id, or the legal policy's version, that the step applies."""
    bound: bool
    """Whether the step cut something off."""


class CopyPosition(Record):
    """How far the local copy of a chain reached when a ruling was given."""

    chain: Label
    number: int


@lru_cache(maxsize=4096)
def clamp(step: int, kind: ClampKind, rule_id: str, *, bound: bool) -> Clamp:
    """A step of checked values, the same record each time: there are a handful of them."""
    return built(Clamp, {"step": step, "kind": kind, "rule": rule_id, "bound": bound})


class Ruling(Record):
    """The answer to `Asked`. `granted` lets it stand, the other three change nothing for the subject."""

    outcome: Outcome
    reason: Identifier
    """`within_limits`, or the code of what stood against it; `rule` lists them."""
    row_id: Identifier
    matrix_version: Identifier
    """With `row_id` it names the clause: the sentence stands in that version's row."""
    legal_policy_version: Identifier | None = None
    selected_at: Instant
    """The instant that selected the versions."""
    asked: Asked
    limit: Limit | None = None
    """The limit that was passed."""
    condition: Identifier | None = None
    """The condition that was not met."""
    escalate_to: Label | None = None
    """The position next in line."""
    see: Identifier | None = None
    """Another row that covers it."""
    clamps: tuple[Clamp, ...] = ()
    positions: tuple[CopyPosition, ...] = ()


def measures(
    asked: Mapping[Measure, Fraction | int | Money], *, confidential: Iterable[Measure] = ()
) -> tuple[Measured, ...]:
    """What is asked, from plain numbers; the measures named in `confidential` stay out of the published ruling."""
    secret = set(confidential)
    return tuple(
        Measured(
            measure=name, value=value if isinstance(value, Money) else Ratio.of(value), confidential=name in secret
        )
        for name, value in asked.items()
    )


def rule(
    matrix: AuthorityMatrix | None,
    asked: Asked,
    *,
    selected_at: datetime,
    legal_policy: LegalPolicy | None = None,
    clamps: tuple[Clamp, ...] = (),
    positions: tuple[CopyPosition, ...] = (),
) -> Ruling:
    """Whether the actor may do what is asked, under the versions in force at `selected_at`.

    The first thing that stands against it decides, in this order, and of several limits the gravest. Reasons:

    - refused: `matrix_unset`, `unknown_clause`, `verb_not_granted`, `own_case`, `no_delegation`, `delegation_not_in_force`,
      `row_not_delegated`, `not_the_holder` (escalate_to: the holder), `unknown_grade` (T8), `legal_policy_unset` and
      `fines_forbidden` (T12), `prior_written_notice_missing`, `outside_own_office`, `measure_not_given`,
      `currency_differs`, `counts_as_absence` (T5), `below_limit`, `beyond_limit`, `condition_unmet`;
    - recommend_only: `only_opens_a_request` for a row that recommends, submits, applies or requests (somebody above
      closes it), `above_grade_ceiling`, `other_department`, `another_row_covers_it`, `below_limit`, `beyond_limit`;
    - escalated: `beyond_limit`, `below_limit`, `condition_unmet`;
    - granted: `within_limits`.

    `outside_own_office`: of the row, or of the person it is about, who works for another office (A1, A12–A15, G4).
    A matrix or policy that is None is one that nobody adopted: nothing is granted.
    """
    found = weigh(matrix, asked, selected_at=selected_at, legal_policy=legal_policy)
    return ruled(
        found, matrix, asked, selected_at=selected_at, legal_policy=legal_policy, clamps=clamps, positions=positions
    )


def ruled(
    found: "Weighed",
    matrix: AuthorityMatrix | None,
    asked: Asked,
    *,
    selected_at: datetime,
    legal_policy: LegalPolicy | None = None,
    clamps: tuple[Clamp, ...] = (),
    positions: tuple[CopyPosition, ...] = (),
) -> Ruling:
    """The ruling that `weigh` came to on the same, in words for good."""
    next_in_line = _next_in_line(matrix, asked) if matrix is not None and found.outcome != "granted" else None
    return built(
        Ruling,
        {
            "outcome": found.outcome,
            "reason": found.reason,
            "row_id": asked.row_id,
            "matrix_version": matrix.version if matrix else "unset",
            "legal_policy_version": legal_policy.version if legal_policy else None,
            "selected_at": selected_at,
            "asked": asked.disclosed(),
            "limit": found.limit,
            "condition": found.condition,
            "escalate_to": found.to or next_in_line,
            "see": found.see,
            "clamps": clamps,
            "positions": positions,
        },
    )


class Weighed(NamedTuple):
    """What `rule` finds, before it is put in a ruling: outcome and reason, and what stood against it."""

    outcome: Outcome
    reason: str
    limit: Limit | None = None
    condition: str | None = None
    see: str | None = None
    to: str | None = None


_BEYOND: Mapping[Beyond, Outcome] = {"recommend": "recommend_only", "escalate": "escalated", "refuse": "refused"}
GRAVITY: Mapping[Outcome, int] = {"granted": 0, "recommend_only": 1, "escalated": 2, "refused": 3}
"""How much stands against what was asked."""


def weigh(
    matrix: AuthorityMatrix | None, asked: Asked, *, selected_at: datetime, legal_policy: LegalPolicy | None = None
) -> Weighed:
    """What `rule` comes to, for whoever compares several rows before one of them rules."""
    if matrix is None:
        return Weighed("refused", "matrix_unset")
    row = matrix.row(asked.row_id, asked.verb)
    if row is None:
        rows = matrix.rows_of(asked.row_id)
        if not rows:
            return Weighed("refused", "unknown_clause")
        opens = asked.verb in DECIDING and all(other.verb in OPENING for other in rows)
        return Weighed("recommend_only", "only_opens_a_request") if opens else Weighed("refused", "verb_not_granted")
    rank = matrix.rank(asked.subject_grade) if row.scope.of == "employee" else None
    found = _about_persons(row, asked, selected_at) or _about_grade(matrix, row, rank)
    found = (
        found or (_about_law(asked, legal_policy) if row.deducts else None) or _about_scope(matrix, row, asked, rank)
    )
    if found:
        return found
    against = [*_about_conditions(row, asked), *_about_limits(matrix, row, asked)]
    if against:
        return max(against, key=lambda one: GRAVITY[one.outcome])
    if row.verb in OPENING:
        return Weighed("recommend_only", "only_opens_a_request")
    return Weighed("granted", "within_limits")


def _about_persons(row: MatrixRow, asked: Asked, at: datetime) -> Weighed | None:
    actor, principal = asked.actor_id, asked.on_behalf_of_id
    if asked.verb in _NEVER_ON_ONESELF:
        for concerned in (asked.subject_id, asked.requested_by_id):
            if concerned is not None and concerned in (actor, principal):
                return Weighed("refused", "own_case")
    if principal is not None:
        lent = asked.delegation
        if lent is None or (lent.from_staff_id, lent.to_staff_id) != (principal, actor):
            return Weighed("refused", "no_delegation")
        revoked = lent.revoked_at is not None and lent.revoked_at <= at
        if revoked or not lent.first_on <= asked.decided_on <= lent.last_on:
            return Weighed("refused", "delegation_not_in_force")
        if lent.property_id != asked.property_id or (lent.row_ids and row.row_id not in lent.row_ids):
            return Weighed("refused", "row_not_delegated")
    holders = row.holders
    if asked.actor_position not in holders:
        return Weighed("refused", "not_the_holder", to=holders[0] if holders else None)
    return None


def _about_grade(matrix: AuthorityMatrix, row: MatrixRow, rank: int | None) -> Weighed | None:
    if rank is not None or row.scope.of != "employee":
        return None
    if matrix.readings.unknown_grade == "refuse" or matrix.ceiling(row) is not None:
        return Weighed("refused", "unknown_grade")
    return None


def _about_law(asked: Asked, policy: LegalPolicy | None) -> Weighed | None:
    if policy is None:
        return Weighed("refused", "legal_policy_unset")
    if policy.mode == "forbid_fines":
        return Weighed("refused", "fines_forbidden")
    if policy.prior_written_notice and "prior_written_notice" not in asked.conditions:
        return Weighed("refused", "prior_written_notice_missing", condition="prior_written_notice")
    return None


def _about_scope(matrix: AuthorityMatrix, row: MatrixRow, asked: Asked, rank: int | None) -> Weighed | None:
    scope = row.scope
    of, departments = scope.of, scope.departments
    # A position at the company is one at each of its properties.
    is_elsewhere = asked.actor_property not in (asked.property_id, COMPANY)
    if scope.own_office and of != "company" and (is_elsewhere or (of == "employee" and asked.subject_property)):
        return Weighed("refused", "outside_own_office")
    if asked.kind is not None and asked.kind in scope.excluded_kinds:
        return Weighed(_BEYOND[scope.beyond], "another_row_covers_it", see=next(iter(scope.meets), None))
    if departments and asked.subject_department not in departments:
        return Weighed(_BEYOND[scope.beyond], "other_department")
    ceiling = matrix.ceiling(row) if rank is not None else None
    if ceiling is not None and rank is not None and rank > ceiling:
        return Weighed(_BEYOND[scope.beyond], "above_grade_ceiling")
    return None


def _about_conditions(row: MatrixRow, asked: Asked) -> Iterable[Weighed]:
    for condition in row.conditions:
        if condition.code not in asked.conditions:
            yield Weighed(_BEYOND[condition.unmet], "condition_unmet", condition=condition.code, see=condition.see)


def _about_limits(matrix: AuthorityMatrix, row: MatrixRow, asked: Asked) -> Iterable[Weighed]:
    limits = row.limits
    if asked.on_behalf_of_id is not None and asked.delegation is not None:
        limits += tuple(
            Limit(measure=item.measure, upper=Bound(value=item.value))
            for item in asked.delegation.ceilings
            if item.value is not None and item.measure in row.by_measure
        )
    for limit in limits:
        measure, lower, upper = limit.measure, limit.lower, limit.upper
        value = asked.measured(measure)
        if value is None:
            yield Weighed("refused", "measure_not_given", limit)
            continue
        if (
            measure == "late_minutes"
            and matrix.readings.late_minutes_compared == "truncated"
            and isinstance(value, Ratio)
        ):
            value = quotient(value.numerator // value.denominator)
        if upper is not None:
            order = _compared(value, upper)
            if order is None:
                yield Weighed("refused", "currency_differs", limit)
            elif order > 0 or (order == 0 and not upper.inclusive):
                yield _above(matrix, limit)
        if lower is not None:
            order = _compared(value, lower)
            if order is None:
                yield Weighed("refused", "currency_differs", limit)
            elif order < 0 or (order == 0 and not lower.inclusive):
                yield Weighed(_BEYOND[limit.below], "below_limit", limit, see=limit.see)


def _above(matrix: AuthorityMatrix, limit: Limit) -> Weighed:
    if limit.measure == "late_minutes" and matrix.readings.late_beyond_limit != "escalate":
        return Weighed("refused", "counts_as_absence", limit, see="A14")
    return Weighed(_BEYOND[limit.above], "beyond_limit", limit, see=limit.see)


def _compared(value: Quantity, bound: Bound) -> int | None:
    """-1, 0 or 1 as `value` lies under, on or over the bound; None where the two do not compare."""
    other = bound.value
    if isinstance(value, Ratio) and isinstance(other, Ratio):
        left, right = value.numerator * other.denominator, other.numerator * value.denominator
        return (left > right) - (left < right)
    if isinstance(value, Money) and isinstance(other, Money) and value.currency == other.currency:
        return (value.amount > other.amount) - (value.amount < other.amount)
    return None


def _next_in_line(matrix: AuthorityMatrix, asked: Asked) -> str:
    row = matrix.row(asked.row_id, asked.verb) or matrix.row(asked.row_id)
    if row is not None and row.next_in_line != REPORTING_LINE:
        return row.next_in_line
    return asked.reports_to or matrix.readings.superior_without_reporting_line
