"""Working time and terms: the published cases, and every boundary of calendar and clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from bailiwick_contracts.deadline import Basis, EscalationStep, Terms, is_met, reckon, reckon_both, shipped_policy
from bailiwick_contracts.registry import OffsetChange
from bailiwick_contracts.working_time import DayCounted, Span, WorkingCalendar, WorkingSpan
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry.expansion import calendar_days, offset_changes

TEN_TO_SIX = (WorkingSpan(weekdays=(1, 2, 3, 4, 5), starts="10:00", ends="18:00"),)
IN_UTC = (OffsetChange(at=datetime(1990, 1, 1, tzinfo=UTC), offset_seconds=0),)
SHANGHAI, LONDON = offset_changes("Asia/Shanghai", 2030), offset_changes("Europe/London", 2030)
CHINA = {day.on: day.kind for day in calendar_days("CN", 2025, 2026)}
BASIS = Basis(policy_version="p", policy_fact="f1", zone_fact="f2", calendar_fact="f3")
HOUR = 3_600


def at(*parts: int, zone: str = "UTC") -> datetime:
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def terms(**more: object) -> Terms:
    known = {"kind": "repair", "response_seconds": 4 * HOUR, "resolution_seconds": 6 * HOUR}
    return Terms.model_validate(known | more)


def due(calendar: WorkingCalendar, started: datetime, hours: float, held: tuple[Span, ...] = ()) -> datetime:
    found = reckon("resolution", terms(resolution_seconds=round(hours * HOUR)), BASIS, calendar, started, held)
    assert found is not None
    return found.due_at


def test_working_seconds_of_case_c4() -> None:
    """C4."""
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    assert calendar.seconds_between(at(2021, 6, 28, 12), at(2021, 7, 1, 20)) == 108_000


def test_terms_and_hold_of_case_c5() -> None:
    """C5."""
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {date(2019, 3, 5): "holiday"})
    opened = at(2019, 3, 4, 20)
    response = reckon("response", terms(), BASIS, calendar, opened)
    resolution = reckon("resolution", terms(), BASIS, calendar, opened)
    assert response is not None
    assert resolution is not None
    assert (response.due_at, resolution.due_at) == (at(2019, 3, 6, 14), at(2019, 3, 6, 16))
    held = Span(since=at(2019, 3, 6, 11), until=at(2019, 3, 6, 11, 45))
    again = reckon("resolution", terms(), BASIS, calendar, opened, [held])
    assert again is not None
    assert again.due_at == at(2019, 3, 6, 16, 45)
    assert again.days == (DayCounted(on=date(2019, 3, 6), seconds=6 * HOUR),)


def test_a_hold_outside_working_time_moves_nothing() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    night = Span(since=at(2026, 3, 2, 18), until=at(2026, 3, 3, 10))
    assert due(calendar, at(2026, 3, 2, 16), 4, (night,)) == due(calendar, at(2026, 3, 2, 16), 4)


def test_a_hold_that_begins_after_the_term_was_up_moves_nothing() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    late = Span(since=at(2026, 3, 2, 14), until=at(2026, 3, 2, 15))
    assert due(calendar, at(2026, 3, 2, 10), 4, (late,)) == at(2026, 3, 2, 14)


def test_time_used_up_at_the_end_of_a_day_is_up_then_and_a_second_more_the_next_morning() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    started = at(2026, 3, 2, 10)
    assert due(calendar, started, 8) == at(2026, 3, 2, 18)
    assert due(calendar, started, 8 + 1 / 3600) == at(2026, 3, 3, 10, 0, 1)
    assert due(calendar, started, 8 - 1 / 3600) == at(2026, 3, 2, 17, 59, 59)


def test_a_weekend_lies_between_friday_and_monday() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    assert due(calendar, at(2026, 3, 6, 17), 2) == at(2026, 3, 9, 11)
    assert due(calendar, at(2026, 3, 7, 12), 2) == at(2026, 3, 9, 12)


def test_a_make_up_working_day_counts_with_the_hours_of_a_monday_and_the_holidays_before_it_do_not() -> None:
    """The day before the long holiday of October 2025 to the make-up Saturday after it."""
    calendar = WorkingCalendar(TEN_TO_SIX, SHANGHAI, CHINA)
    assert CHINA[date(2025, 10, 11)] == "working_day"
    started = at(2025, 9, 30, 17, zone="Asia/Shanghai")
    assert due(calendar, started, 2) == at(2025, 10, 9, 11, zone="Asia/Shanghai")
    friday = at(2025, 10, 10, 17, zone="Asia/Shanghai")
    assert due(calendar, friday, 2) == at(2025, 10, 11, 11, zone="Asia/Shanghai")


def test_an_hour_that_the_clock_skips_is_not_worked_and_one_that_it_repeats_is_worked_twice() -> None:
    nights = (WorkingSpan(weekdays=(7,), starts="00:00", ends="08:00"),)
    calendar = WorkingCalendar(nights, LONDON, {})
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert sum(int((end - start).total_seconds()) for start, end in calendar.spans_on(spring)) == 7 * HOUR
    assert sum(int((end - start).total_seconds()) for start, end in calendar.spans_on(autumn)) == 9 * HOUR


def test_a_term_over_the_weekend_of_a_clock_change_is_due_by_the_wall_clock() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, LONDON, {})
    assert due(calendar, at(2026, 3, 27, 17, zone="Europe/London"), 2) == at(2026, 3, 30, 11, zone="Europe/London")
    assert due(calendar, at(2026, 10, 23, 17, zone="Europe/London"), 2) == at(2026, 10, 26, 11, zone="Europe/London")


def test_hours_that_begin_in_a_skipped_hour_begin_when_the_clock_has_skipped_it() -> None:
    calendar = WorkingCalendar((WorkingSpan(weekdays=(7,), starts="01:30", ends="03:00"),), LONDON, {})
    assert calendar.spans_on(date(2026, 3, 29)) == [(at(2026, 3, 29, 1), at(2026, 3, 29, 2))]


def test_hours_that_end_in_a_repeated_hour_end_the_second_time() -> None:
    calendar = WorkingCalendar((WorkingSpan(weekdays=(7,), starts="00:00", ends="01:30"),), LONDON, {})
    assert calendar.spans_on(date(2026, 10, 25)) == [(at(2026, 10, 24, 23), at(2026, 10, 25, 1, 30))]


def test_overlapping_hours_count_once() -> None:
    hours = (*TEN_TO_SIX, WorkingSpan(weekdays=(1,), starts="17:00", ends="20:00"))
    calendar = WorkingCalendar(hours, IN_UTC, {})
    assert calendar.seconds_between(at(2026, 3, 2), at(2026, 3, 3)) == 10 * HOUR


def test_a_term_round_the_clock_knows_no_night() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    found = reckon(
        "resolution", terms(counts="elapsed", resolution_seconds=30 * HOUR), BASIS, calendar, at(2026, 3, 6, 20)
    )
    assert found is not None
    assert found.due_at == at(2026, 3, 8, 2)


def test_the_warning_comes_at_the_adopted_share_and_the_steps_in_the_terms_own_time() -> None:
    calendar = WorkingCalendar(TEN_TO_SIX, IN_UTC, {})
    steps = (EscalationStep(after_seconds=0), EscalationStep(after_seconds=HOUR))
    found = reckon(
        "resolution", terms(resolution_seconds=8 * HOUR, escalation=steps), BASIS, calendar, at(2026, 3, 2, 10)
    )
    assert found is not None
    assert (found.warn_at, found.due_at) == (at(2026, 3, 2, 16), at(2026, 3, 2, 18))
    assert found.escalate_at == (at(2026, 3, 2, 18), at(2026, 3, 3, 11))


def test_the_due_instant_is_in_time_and_the_second_after_it_is_not() -> None:
    up = at(2026, 3, 2, 18)
    assert [is_met(up, up + timedelta(seconds=offset)) for offset in (-1, 0, 1)] == [True, True, False]


def test_hours_that_never_come_are_said_to() -> None:
    calendar = WorkingCalendar((), IN_UTC, {})
    with pytest.raises(ValueError, match="adopt hours"):
        due(calendar, at(2026, 3, 2), 1)


def test_a_policy_names_each_kind_and_class_once() -> None:
    policy = shipped_policy()
    with pytest.raises(ValueError, match="stands once"):
        type(policy).model_validate_json(
            policy.model_copy(update={"terms": (policy.terms[0], policy.terms[0])}).model_dump_json()
        )


_minutes = st.integers(0, 60 * 24 * 40)


@settings(deadline=None)
@given(
    start=_minutes,
    seconds=st.integers(1, 200 * HOUR),
    holds=st.lists(st.tuples(_minutes, st.integers(1, 3_000)), max_size=4),
)
def test_exactly_the_term_lies_between_its_start_and_its_due_instant(
    start: int, seconds: int, holds: list[tuple[int, int]]
) -> None:
    """Whatever the holds: counting back what was worked and not held gives the term, and a second less does not suffice."""
    calendar = WorkingCalendar(TEN_TO_SIX, LONDON, {date(2026, 4, 3): "holiday", date(2026, 4, 11): "working_day"})
    begun = at(2026, 3, 10) + timedelta(minutes=start)
    held = tuple(
        Span(since=at(2026, 3, 10) + timedelta(minutes=m), until=at(2026, 3, 10) + timedelta(minutes=m + n))
        for m, n in holds
    )
    found = reckon("resolution", terms(resolution_seconds=seconds), BASIS, calendar, begun, held)
    assert found is not None
    worked = sum(calendar.seconds_between(since, until) for since, until in _free(begun, found.due_at, held))
    assert worked == seconds
    assert sum(day.seconds for day in found.days) == seconds


def _free(start: datetime, end: datetime, held: tuple[Span, ...]) -> list[tuple[datetime, datetime]]:
    """The stretches of [start, end) that no hold covers, found without the code under test."""
    edges = sorted({start, end, *(max(start, min(end, e)) for s in held for e in (s.since, s.until or end))})
    return [(a, b) for a, b in pairwise(edges) if not any(s.since <= a and b <= (s.until or end) for s in held)]


@settings(deadline=None)
@given(
    start=_minutes,
    term=st.integers(1, 60 * HOUR),
    response=st.integers(1, 60 * HOUR),
    after=st.lists(st.integers(0, 60 * HOUR), max_size=3).map(sorted),
    hold=st.tuples(_minutes, st.integers(1, 3_000)),
)
def test_terms_reckoned_together_end_when_each_would_alone(
    start: int, term: int, response: int, after: list[int], hold: tuple[int, int]
) -> None:
    """Both terms, the warnings and every step of the escalation are the instants that each number of seconds leads to."""
    calendar = WorkingCalendar(TEN_TO_SIX, LONDON, {date(2026, 4, 3): "holiday"})
    begun, since = (at(2026, 3, 10) + timedelta(minutes=minutes, microseconds=1) for minutes in (start, hold[0]))
    held = (Span(since=since, until=since + timedelta(minutes=hold[1])),)
    steps = [EscalationStep(after_seconds=seconds) for seconds in after]
    asked = terms(response_seconds=response, resolution_seconds=term, escalation=steps)
    both = reckon_both(asked, BASIS, calendar, begun, held)
    assert both == tuple(reckon(clock, asked, BASIS, calendar, begun, held) for clock in ("response", "resolution"))
    for found in both:
        alone = terms(response_seconds=found.term_seconds, resolution_seconds=found.term_seconds)
        (again, _) = reckon_both(alone, BASIS, calendar, begun, held)
        assert (found.warn_at, found.due_at, found.days) == (again.warn_at, again.due_at, again.days)
    for step, escalated_at in zip(after, both[1].escalate_at, strict=True):
        assert escalated_at == due(calendar, begun, (term + step) / HOUR, held)
