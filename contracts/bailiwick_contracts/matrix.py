"""The authority matrix and the legal policy: who may decide what, within which limits, as data in versions."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from bailiwick_contracts.message import COMPANY, Identifier, Label, PropertyId, Record, Text, built
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings

Verb = Literal[
    "decide", "approve", "co_approve", "confirm", "recommend", "submit", "apply", "appraise", "inspect", "demand", "use",
    "request", "penalise", "report",
]  # fmt: skip

Measure = Literal[
    "late_minutes", "late_times_in_year", "share_of_base_wage", "days", "times_per_year", "amount", "signatures",
    "headcount",
]  # fmt: skip
"""What a limit measures. `late_minutes` covers early leave too; `share_of_base_wage` is of the base in `Readings.base_unit`."""
Beyond = Literal["recommend", "escalate", "refuse"]
"""What becomes of a request that passes a limit: a recommendation to, or a case for, the next in line; or nothing."""
REPORTING_LINE = "reporting_line"
"""As the next in line: whoever the actor reports to."""


class Ratio(Record):
    """An exact number, as two integers; never a float."""

    numerator: int
    denominator: Annotated[int, Field(ge=1)] = 1

    @classmethod
    def of(cls, value: Fraction | int) -> "Ratio":
        """The exact form of a fraction or an integer."""
        return built(cls, {"numerator": value.numerator, "denominator": value.denominator})

    @property
    def fraction(self) -> Fraction:
        """The number, to calculate with."""
        return _fraction(self.numerator, self.denominator)


@lru_cache(maxsize=4096)
def _fraction(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


@lru_cache(maxsize=4096)
def quotient(numerator: int, denominator: int = 1) -> Ratio:
    """The exact form of a quotient, in lowest terms; `denominator` is not 0."""
    return Ratio.of(Fraction(numerator, denominator))


Quantity = Ratio | Money
T = TypeVar("T")
V = TypeVar("V")


class Bound(Record):
    """One end of a limit. 以上, 以下 and 以內 include the number, 超 excludes it (民法典 §1259)."""

    value: Quantity
    inclusive: bool = True


class Limit(Record):
    """The range of a measure inside which a row grants."""

    measure: Measure
    lower: Bound | None = None
    upper: Bound | None = None
    below: Beyond = "refuse"
    above: Beyond = "recommend"
    counts: Literal["penalty", "unpaid_and_penalty"] | None = None
    """For a share of a wage: whether unpaid time counts into it (T4: an absent day's unpaid wage does)."""
    see: Identifier | None = None
    """The row to turn to on the far side of the limit."""


class Condition(Record):
    """What must be shown before a row grants, by a code that the caller finds true or not."""

    code: Identifier
    unmet: Beyond = "refuse"
    see: Identifier | None = None


class Scope(Record):
    """Over whom or what a row holds."""

    of: Literal["employee", "office", "company"] = "office"
    """`employee`: the subject is a person with a grade; `office`: a matter of the office; `company`: no office at all."""
    own_office: bool = True
    departments: tuple[Label, ...] = ()
    """Empty: every department."""
    grade_ceiling: Identifier | None = None
    """The highest grade of the ladder that is included; none: all."""
    meets: tuple[Identifier, ...] = ()
    """Rows over the same matter whose scope narrows this one while `Readings.narrower_scope_holds` (T13)."""
    excluded_kinds: tuple[Label, ...] = ()
    """Kinds of matter that belong to another row (T3)."""
    beyond: Beyond = "recommend"


class MatrixRow(Record):
    """One power: the document's own sentence, and its reading as data."""

    row_id: Identifier
    verb: Verb
    sentence: Text
    """Verbatim, in the document's own language."""
    holders: tuple[Label, ...]
    """Positions."""
    scope: Scope = Scope()
    limits: tuple[Limit, ...] = ()
    conditions: tuple[Condition, ...] = ()
    deducts: bool = False
    """It takes from a wage: nothing may be decided without a legal policy."""
    next_in_line: Label = REPORTING_LINE
    source: Label = "job-manual"

    @property
    def by_measure(self) -> Mapping[Measure, Limit]:
        """The limit of each measure that the row names, of several the first."""
        return _by_measure(self.limits)


class Grade(Record):
    """A step of the grade ladder; a higher rank stands above."""

    grade: Identifier
    rank: int
    title: Label


class Position(Record):
    """A post that people hold."""

    position: Label
    title: Label


class AuthorityMatrix(Record):
    """Every power of the company, in one version. A row is named by its id and verb together."""

    version: Identifier
    rows: tuple[MatrixRow, ...]
    grades: tuple[Grade, ...] = ()
    positions: tuple[Position, ...] = ()
    readings: Readings = Readings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [(row.row_id, row.verb) for row in self.rows]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"rows: {sorted(doubled)} stand twice; a row id and verb name one row")
        known = {grade.grade for grade in self.grades}
        loose = {row.scope.grade_ceiling for row in self.rows if row.scope.grade_ceiling} - known
        if loose:
            raise ValueError(f"grade_ceiling: {sorted(loose)} are not in `grades`; add them to the ladder")
        return self

    def rows_of(self, row_id: str) -> tuple[MatrixRow, ...]:
        """The rows of one clause, one per verb; empty for a clause it does not know."""
        return _by_clause(self.rows).get(row_id, {}).get(None, ())

    def row(self, row_id: str, verb: str | None = None) -> MatrixRow | None:
        """The row of a clause, of the given verb where it has several."""
        found = _by_clause(self.rows).get(row_id, {}).get(verb)
        return found[0] if found else None

    def rank(self, grade: str | None) -> int | None:
        """The rank of a grade, or None for one that the ladder does not name."""
        return _ranks(self.grades).get(grade)

    def ceiling(self, row: MatrixRow) -> int | None:
        """The highest rank in the scope of one of its rows, narrowed by the rows it meets (T13)."""
        return _ceilings(self)[row.row_id, row.verb]


_ASKED_LATELY = 256


def _kept(make: Callable[[T], V]) -> Callable[[T], V]:
    """`make`, asked once of each part of a version; a part is known by its identity, for to hash one is to read it all."""
    known: dict[int, tuple[T, V]] = {}

    def asked(part: T) -> V:
        found = known.get(id(part))
        if found is None:
            if len(known) >= _ASKED_LATELY:
                known.clear()
            found = known[id(part)] = part, make(part)  # which holds the part, so that no other takes its identity
        return found[1]

    return asked


@_kept
def _by_clause(rows: tuple[MatrixRow, ...]) -> dict[str, dict[str | None, tuple[MatrixRow, ...]]]:
    """The rows of each clause, all of them and those of each verb."""
    found: dict[str, dict[str | None, tuple[MatrixRow, ...]]] = {}
    for row in rows:
        of_clause = found.setdefault(row.row_id, {})
        for verb in (None, row.verb):
            of_clause[verb] = (*of_clause.get(verb, ()), row)
    return found


@_kept
def _by_measure(limits: tuple[Limit, ...]) -> dict[Measure, Limit]:
    return {limit.measure: limit for limit in reversed(limits)}


@_kept
def _ranks(grades: tuple[Grade, ...]) -> dict[str | None, int]:
    return {step.grade: step.rank for step in reversed(grades)}


@_kept
def _ceilings(matrix: AuthorityMatrix) -> dict[tuple[str, str], int | None]:
    """The highest rank in the scope of each row; a row is named by its id and verb."""
    ranks = _ranks(matrix.grades)
    found: dict[tuple[str, str], int | None] = {}
    for row in matrix.rows:
        scopes = [row.scope]
        if matrix.readings.narrower_scope_holds:
            scopes += [other.scope for row_id in row.scope.meets for other in matrix.rows_of(row_id)]
        reached = [ranks[scope.grade_ceiling] for scope in scopes if scope.grade_ceiling in ranks]
        found[row.row_id, row.verb] = min(reached, default=None)
    return found


class LegalPolicy(Record):
    """What the law of a property's place allows of deductions, as the company's lawyer confirmed it (T12)."""

    version: Identifier
    mode: Literal["cap", "forbid_fines", "no_work_no_pay_only"]
    """`forbid_fines`: no penalty may be decided; `no_work_no_pay_only`: unpaid time is taken, the penalty part is nil."""
    cap_per_occurrence: Ratio | None = None
    cap_per_occurrence_of: Literal["month_wage", "month_base_wage", "day_base_wage"] = "month_wage"
    monthly_cap: Ratio | None = None
    """Of all penalties of one wage month together."""
    monthly_cap_of: Literal["month_wage", "month_base_wage"] = "month_wage"
    minimum_wage: Money | None = None
    """Per month; what remains of the wage is never less."""
    prior_written_notice: bool = False
    """A penalty needs the condition `prior_written_notice`: reason and amount were given in writing before."""
    sources: tuple[Text, ...] = ()


class Adoption(Protocol):
    """A version as adopted: it holds from an instant, which lies its lead time after it was recorded."""

    @property
    def holds_from(self) -> datetime:
        """From when, inclusive."""


class PolicyAdoption(Adoption, Protocol):
    """A legal policy as adopted for one property, or for the company."""

    @property
    def for_property(self) -> PropertyId:
        """The property, or `company`."""


A = TypeVar("A", bound=Adoption)
P = TypeVar("P", bound=PolicyAdoption)


def in_force(adoptions: Iterable[A], at: datetime) -> A | None:
    """The adoption that holds at an instant: the latest to begin; of two that begin together, the one recorded later."""
    found: A | None = None
    for adoption in adoptions:
        if adoption.holds_from <= at and (found is None or adoption.holds_from >= found.holds_from):
            found = adoption
    return found


def policy_in_force(adoptions: Iterable[P], property_id: PropertyId, at: datetime) -> P | None:
    """The legal policy of a property at an instant: its own where one holds, or else the company's."""
    known = tuple(adoptions)
    own = in_force((adoption for adoption in known if adoption.for_property == property_id), at)
    return own or in_force((adoption for adoption in known if adoption.for_property == COMPANY), at)
