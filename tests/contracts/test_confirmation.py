"""Rulings on forgotten punches (A10), and the boundary of leave (A12) that the same rows hold."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from bailiwick_contracts.authority import Measured, measures, rule
from bailiwick_contracts.confirmation import ArrivalEvidence, ConfirmationCase, adjudicate_confirmation
from bailiwick_contracts.lateness import DerivedDay
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.quota import Counting

from tests.contracts.cases import DAY, MATRIX, NOW, asked, reading

CAMERA = ArrivalEvidence(kind="camera", reference="gate 3, 4 March, 08:51")
NO_PUNCH_IN = DerivedDay(status="incomplete", shifts=1, scheduled_seconds=28_800, missing_in=(0,))


def confirmed(times: int, year: int = 2026) -> tuple[Counting, ...]:
    return tuple(Counting(day=date(year, 1, 5 + number), fact_id=f"c{number}") for number in range(times))


def case(**changes: Any) -> ConfirmationCase:
    known: dict[str, Any] = {
        "asked": asked(row_id="A10", verb="confirm"),
        "day": DAY,
        "direction": "in",
        "derived": NO_PUNCH_IN,
        "day_fact_id": "today",
        "evidence": (CAMERA,),
    }
    return ConfirmationCase(**(known | changes))


def answered(one: ConfirmationCase) -> tuple[str, str]:
    found = adjudicate_confirmation(one, MATRIX, selected_at=NOW)
    return found.verdict, found.reason


@pytest.mark.parametrize(
    ("before", "reason"), [(1, "within_limits"), (2, "within_limits"), (3, "quota_exceeded"), (4, "quota_exceeded")]
)
def test_a10_three_forgotten_punches_a_year_are_confirmed_and_the_fourth_is_not(before: int, reason: str) -> None:
    assert answered(case(confirmed=confirmed(before)))[1] == reason


def test_a10_the_fourth_goes_to_the_next_in_line_and_names_the_three() -> None:
    found = adjudicate_confirmation(case(confirmed=confirmed(3)), MATRIX, selected_at=NOW)
    assert found.ruling is not None
    assert (found.ruling.outcome, found.ruling.escalate_to) == ("escalated", "property_manager")
    assert found.ruling.asked.inputs[-1].facts == ("c0", "c1", "c2")


def test_a_new_year_brings_a_new_quota() -> None:
    assert answered(case(confirmed=confirmed(3, year=2025)))[0] == "confirmed"


def test_a_year_of_service_may_be_the_quotas_year() -> None:
    """T7: the other reading."""
    one = case(confirmed=confirmed(3, year=2025), entered_on=date(2020, 1, 1))
    served = case(confirmed=confirmed(3), entered_on=date(2020, 1, 6))
    by_service = reading(year_anchor="service")
    assert adjudicate_confirmation(one, by_service, selected_at=NOW).verdict == "confirmed"
    assert adjudicate_confirmation(served, by_service, selected_at=NOW).verdict == "confirmed"


@pytest.mark.parametrize("evidence", [(), (ArrivalEvidence(kind="witness", reference="s1"),)])
def test_arrival_is_established_first_and_not_by_the_persons_own_word(evidence: tuple[ArrivalEvidence, ...]) -> None:
    assert answered(case(evidence=evidence)) == ("refused", "arrival_not_established")


def test_nobody_confirms_a_punch_of_his_own() -> None:
    assert answered(case(asked=asked(row_id="A10", verb="confirm", actor_id="s1"))) == ("refused", "own_case")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"derived": None}, "day_not_derived"), ({"shift": 1}, "no_such_shift"), ({"standing": "c"}, "already_confirmed"),
     ({"direction": "out"}, "punch_present"),
     ({"direction": "out", "derived": DerivedDay(status="open", shifts=1)}, "day_not_over")],
)  # fmt: skip
def test_what_there_is_nothing_to_confirm_about_is_refused_with_its_reason(
    changes: dict[str, object], reason: str
) -> None:
    assert answered(case(**changes)) == ("refused", reason)


@pytest.mark.parametrize(
    ("days", "outcome"),
    [(Fraction(1, 2), "granted"), (Fraction(1), "granted"), (Fraction(3, 2), "escalated"), (Fraction(2), "escalated")],
)
def test_a12_leave_of_one_day_is_within_and_more_is_not(days: Fraction, outcome: str) -> None:
    one = asked(row_id="A12", verb="approve", measures=measures({"days": days}))
    assert rule(MATRIX, one, selected_at=NOW).outcome == outcome


def test_a12_is_just_over_by_the_smallest_part_of_a_day() -> None:
    second = Measured(measure="days", value=Ratio(numerator=86_401, denominator=86_400))
    found = rule(MATRIX, asked(row_id="A12", verb="approve", measures=(second,)), selected_at=NOW)
    assert (found.outcome, found.escalate_to) == ("escalated", "property_manager")
