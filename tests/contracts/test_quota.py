"""Counts and sums over a year or a month of one person."""

from datetime import date

import pytest
from bailiwick_contracts.money import Money
from bailiwick_contracts.quota import Amount, CountedDay, Counting, count_in_year, late_times, month_of, sum_of, year_of


def late(month: int, day: int, *kinds: str) -> CountedDay:
    return CountedDay.model_validate(
        {"day": date(2026, month, day), "kinds": kinds or ("late",), "fact_id": f"d{month}-{day}"}
    )


FOUR = (late(1, 5), late(2, 3, "early"), late(2, 9), late(3, 2))


def test_the_fourth_of_the_year_is_the_fourth_and_names_all_four_days() -> None:
    found = late_times(FOUR, date(2026, 3, 2), "late")
    assert (found.times, found.facts) == (4, ("d1-5", "d2-3", "d2-9", "d3-2"))


def test_what_came_after_the_incident_does_not_count() -> None:
    """T7: measured from the incident, not from today."""
    assert late_times(FOUR, date(2026, 2, 9), "late").times == 3


def test_late_and_early_share_a_count_unless_the_reading_says_otherwise() -> None:
    """T14."""
    assert late_times(FOUR, date(2026, 3, 2), "late", shared=False).times == 3
    assert late_times(FOUR, date(2026, 2, 3), "early", shared=False).times == 1


def test_late_and_early_on_one_day_are_two_and_the_late_one_comes_first() -> None:
    both = (late(1, 5), late(3, 2, "late", "early"))
    assert late_times(both, date(2026, 3, 2), "late").times == 2
    assert late_times(both, date(2026, 3, 2), "early").times == 3


def test_a_calendar_year_begins_anew() -> None:
    last_year = CountedDay(day=date(2025, 12, 31), kinds=("late",), fact_id="old")
    assert late_times((last_year, late(1, 1)), date(2026, 1, 1), "late").times == 1


def test_a_year_of_service_runs_from_the_day_of_entry() -> None:
    """T7: the other reading."""
    first, last = year_of(date(2026, 3, 2), anchor="service", entered_on=date(2020, 7, 15))
    assert (first, last) == (date(2025, 7, 15), date(2026, 7, 14))
    last_year = CountedDay(day=date(2025, 12, 31), kinds=("late",), fact_id="old")
    found = late_times(
        (last_year, late(1, 1)), date(2026, 1, 1), "late", anchor="service", entered_on=date(2020, 7, 15)
    )
    assert found.times == 2


def test_somebody_who_entered_on_29_february_has_a_year_too() -> None:
    assert year_of(date(2026, 3, 2), anchor="service", entered_on=date(2024, 2, 29)) == (
        date(2026, 3, 1),
        date(2027, 2, 28),
    )


def test_confirmations_of_the_year_are_counted_whenever_they_were_given() -> None:
    given = [Counting(day=date(2026, month, 1), fact_id=f"c{month}") for month in (5, 1, 3)]
    given.append(Counting(day=date(2025, 12, 31), fact_id="c0"))
    assert count_in_year(given, date(2026, 2, 1)).facts == ("c1", "c3", "c5")


def test_a_month_is_summed_with_its_facts() -> None:
    written = {"p2": "30.10", "p1": "20.05"}
    amounts = [Amount(amount=Money.model_validate({"amount": one}), fact_id=fact) for fact, one in written.items()]
    found = sum_of(amounts, "CNY")
    assert (str(found.total.amount), found.facts) == ("50.15", ("p1", "p2"))
    with pytest.raises(ValueError, match="do not add"):
        sum_of(amounts, "EUR")


def test_the_wage_month_is_that_of_the_day() -> None:
    assert month_of(date(2026, 3, 31)) == "2026-03"
