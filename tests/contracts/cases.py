"""Penalties to be ruled on, as tests write them: an office director, one of the staff, a wage of 4,350 (200.00 a day)."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from bailiwick_contracts.authority import Asked
from bailiwick_contracts.deductions import PenaltyFigures, Requested, UnpaidDay, Wage
from bailiwick_contracts.lateness import DerivedDay, Occurrence, OccurrenceKind
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio
from bailiwick_contracts.money import Money
from bailiwick_contracts.penalty import Adjudication, adjudicate_penalty
from bailiwick_contracts.penalty_case import PenaltyCase
from bailiwick_contracts.quota import CountedDay
from bailiwick_contracts.readings import Readings

NOW = datetime(2026, 3, 5, 2, tzinfo=UTC)
DAY = date(2026, 3, 4)
MATRIX = manual_matrix("manual-unblocked", Readings())
CAPPED = LegalPolicy(
    version="law-1",
    mode="cap",
    cap_per_occurrence=Ratio(numerator=1, denominator=5),
    monthly_cap=Ratio(numerator=1, denominator=5),
    minimum_wage=Money.model_validate({"amount": "2000.00"}),
)


def yuan(amount: str) -> Money:
    return Money.model_validate({"amount": amount})


def share(numerator: int, denominator: int = 100) -> Requested:
    return Requested(share=Ratio.of(Fraction(numerator, denominator)))


def amount(written: str) -> Requested:
    return Requested(amount=yuan(written))


def reading(**changes: Any) -> AuthorityMatrix:
    return manual_matrix("other-readings", Readings(**changes))


def asked(**changes: Any) -> Asked:
    known: dict[str, Any] = {
        "row_id": "A13",
        "verb": "penalise",
        "actor_id": "director",
        "actor_position": "office_director",
        "actor_property": "north-court",
        "decided_on": date(2026, 3, 5),
        "property_id": "north-court",
        "subject_id": "s1",
        "subject_grade": "staff",
    }
    return Asked(**(known | changes))


def day(kind: OccurrenceKind, seconds: int) -> DerivedDay:
    """A shift of eight hours with one occurrence."""
    whole = 28_800 if kind == "absent" else seconds
    found = Occurrence(occurrence=kind, kind=kind, seconds=whole, unpaid_seconds=whole)
    return DerivedDay(
        status="absent" if kind == "absent" else "present",
        occurrences=(found,) if whole else (),
        shifts=1,
        scheduled_seconds=28_800,
        unpaid_seconds=whole,
        basis=("roster", "punch"),
    )


def late_before(times: int) -> tuple[CountedDay, ...]:
    return tuple(
        CountedDay(day=date(2026, 1, 5 + number), kinds=("late",), fact_id=f"d{number}") for number in range(times)
    )


def case(kind: OccurrenceKind = "late", seconds: int = 600, *, before: int = 0, **changes: Any) -> PenaltyCase:
    derived = day(kind, seconds)
    today = (CountedDay(day=DAY, kinds=(kind,), fact_id="today"),) if kind != "absent" else ()
    unpaid = (UnpaidDay(unpaid_seconds=derived.unpaid_seconds, scheduled_seconds=28_800, fact_id="today"),)
    known: dict[str, Any] = {
        "asked": asked(),
        "requested": share(10),
        "day": DAY,
        "occurrence": kind,
        "derived": derived,
        "day_fact_id": "today",
        "late_days": (*late_before(before), *today),
        "wage": Wage(month=yuan("4350.00"), fact_id="wage"),
        "month_days": unpaid,
    }
    return PenaltyCase(**(known | changes))


def judged(
    one: PenaltyCase, matrix: AuthorityMatrix | None = MATRIX, policy: LegalPolicy | None = CAPPED
) -> Adjudication:
    return adjudicate_penalty(one, matrix, policy, selected_at=NOW)


def taken(found: Adjudication) -> str:
    """The penalty that was decided."""
    figures: PenaltyFigures = found.figures
    assert figures.computed is not None
    return str(figures.computed.penalty.amount)
