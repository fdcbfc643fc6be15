"""What a day comes to, from its shift and its punches."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from bailiwick_contracts.lateness import (
    Confirmation,
    DerivedDay,
    Direction,
    Leave,
    LeavePart,
    Punch,
    Shift,
    derive_day,
    on_duty,
    shift_of,
    worked_seconds,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

AFTERWARDS = datetime(2026, 3, 4, tzinfo=UTC)


def at(clock: str, day: int = 2) -> datetime:
    return datetime.combine(date(2026, 3, day), time.fromisoformat(clock), UTC)


def shift(start: str = "09:00", end: str = "18:00", *, until_day: int = 2, **more: int) -> Shift:
    return Shift(starts_at=at(start), ends_at=at(end, until_day), zone="Asia/Shanghai", **more)


def punches(*written: str, day: int = 2) -> list[Punch]:
    found = []
    for number, one in enumerate(written):
        direction, clock = one.split()
        kind: Direction = "in" if direction == "in" else "out" if direction == "out" else "unknown"
        found.append(Punch(at=at(clock, day), direction=kind, fact_id=f"p{number}"))
    return found


def derived(*written: str, rostered: Shift | None = None, now: datetime = AFTERWARDS) -> DerivedDay:
    return derive_day([rostered or shift()], punches(*written), now=now, roster_facts=("r",))


def test_a_day_on_time_has_nothing_to_penalise() -> None:
    day = derived("in 08:55", "out 18:00")
    assert (day.status, day.occurrences, day.unpaid_seconds) == ("present", (), 0)
    assert day.basis == ("r", "p0", "p1")


def test_a_day_worked_long_past_an_early_exit_is_not_an_early_leave() -> None:
    assert derived("in 08:55", "out 12:00", "in 13:00", "out 18:20").occurrences == ()


@pytest.mark.parametrize(
    ("arrival", "seconds"), [("09:00:00", 0), ("09:00:01", 1), ("09:30:00", 1800), ("09:30:01", 1801)]
)
def test_lateness_is_counted_in_whole_seconds(arrival: str, seconds: int) -> None:
    day = derived(f"in {arrival}", "out 18:00")
    assert day.seconds_of("late") == seconds
    assert day.unpaid_seconds == seconds


def test_lateness_is_shown_in_minutes_truncated() -> None:
    occurrence = derived("in 09:30:59", "out 18:00").occurrence("late")
    assert occurrence is not None
    assert occurrence.minutes_shown == 30


def test_c6_punches_at_the_margins_belong_to_the_day_shift_and_one_a_minute_later_does_not() -> None:
    """C6: shift 08:00–12:00 with 60 minutes of margin: 07:00 and 13:00 belong to it, 13:01 does not."""
    day_shift = shift("08:00", "12:00", margin_before_seconds=3600, margin_after_seconds=3600)
    found = [shift_of([day_shift], at(clock), "out") for clock in ("07:00", "13:00", "13:01", "06:59")]
    assert found == [0, 0, None, None]


def test_c7_a_punch_after_midnight_belongs_to_the_night_shift_of_the_day_before() -> None:
    """C7: night shift 23:00–01:00, a punch at 01:30 belongs to the day before."""
    night = shift("23:00", "01:00", until_day=3)
    morning = Shift(starts_at=at("08:00", 3), ends_at=at("16:00", 3), zone="Asia/Shanghai")
    assert shift_of([night, morning], at("01:30", 3), "out") == 0
    day = derive_day([night], [*punches("in 22:58"), *punches("out 01:30", day=3)], now=AFTERWARDS)
    assert day.status == "present"


def test_c9_beyond_the_grace_somebody_is_late_and_early_on_the_same_day() -> None:
    """C9: grace 60 minutes on 08:00–12:00, in 09:30, out 10:30: late and early both."""
    graceful = shift("08:00", "12:00", late_grace_seconds=3600, early_grace_seconds=3600)
    day = derived("in 09:30", "out 10:30", rostered=graceful)
    assert [(item.kind, item.seconds) for item in day.occurrences] == [("late", 5400), ("early", 5400)]
    assert day.unpaid_seconds == 10_800


@pytest.mark.parametrize(("arrival", "seconds"), [("08:59:59", 0), ("09:00:00", 0), ("09:00:01", 3601)])
def test_the_end_of_the_grace_is_still_in_time_and_beyond_it_the_whole_lateness_counts(
    arrival: str, seconds: int
) -> None:
    day = derived(f"in {arrival}", "out 12:00", rostered=shift("08:00", "12:00", late_grace_seconds=3600))
    assert day.seconds_of("late") == seconds


def test_nobody_is_absent_before_the_shift_is_over() -> None:
    during, after = at("17:59"), at("18:00:01")
    assert derived(now=during).status == "open"
    assert derived(now=after).status == "absent"
    absent = derived(now=after).occurrence("absent")
    assert absent is not None
    assert (absent.seconds, absent.unpaid_seconds) == (32_400, 32_400)


def test_somebody_still_at_work_has_not_left_early() -> None:
    day = derived("in 09:10", "out 12:00", now=at("15:00"))
    assert (day.status, day.seconds_of("late"), day.seconds_of("early")) == ("open", 600, 0)


def test_a_missing_punch_leaves_the_day_incomplete_and_unpunished() -> None:
    day = derived("in 08:59")
    assert (day.status, day.occurrences, day.missing_out) == ("incomplete", (), (0,))
    day = derived("out 18:00")
    assert (day.status, day.occurrences, day.missing_in) == ("incomplete", (), (0,))


def test_a_confirmed_forgotten_punch_counts_as_on_time() -> None:
    """A10: arrival was established, so the day is complete and nothing is late."""
    confirmed = Confirmation(direction="in", fact_id="c")
    day = derive_day([shift()], punches("out 18:00"), [confirmed], now=AFTERWARDS)
    assert (day.status, day.occurrences, day.missing_in) == ("present", (), ())
    assert day.basis[-1] == "c"


def test_one_confirmed_punch_of_an_absent_day_leaves_the_other_missing() -> None:
    day = derive_day([shift()], [], [Confirmation(direction="in", fact_id="c")], now=AFTERWARDS)
    assert (day.status, day.missing_in, day.missing_out) == ("incomplete", (), (0,))


def test_a_late_punch_against_a_confirmation_is_flagged_and_the_confirmation_stands() -> None:
    confirmed = Confirmation(direction="in", fact_id="c")
    day = derive_day([shift()], punches("in 09:40", "out 18:00"), [confirmed], now=AFTERWARDS)
    assert (day.seconds_of("late"), day.contradicted) == (0, ("c",))


def test_a_punch_given_twice_counts_once() -> None:
    day = derived("in 09:10", "in 09:10", "out 18:00")
    assert (day.doubled, day.basis) == (1, ("r", "p0", "p2"))


def test_a_device_that_knows_no_direction_gives_first_in_and_last_out() -> None:
    day = derived("any 09:05", "any 12:00", "any 17:55")
    assert (day.seconds_of("late"), day.seconds_of("early")) == (300, 300)
    assert derived("any 17:50").missing_in == (0,)
    assert derived("any 09:20").missing_out == (0,)


def test_somebody_who_left_before_arriving_is_unpaid_no_longer_than_the_shift() -> None:
    day = derived("in 11:00", "out 09:00", rostered=shift("08:00", "12:00"))
    assert day.unpaid_seconds == 4 * 3600
    assert sum(item.unpaid_seconds for item in day.occurrences) == day.unpaid_seconds


def test_a_day_of_rest_comes_to_nothing() -> None:
    assert derive_day([], [], now=AFTERWARDS).status == "rest"


def test_each_shift_of_a_split_day_is_judged_by_itself() -> None:
    halves = [shift("08:00", "12:00"), shift("13:00", "17:00")]
    day = derive_day(halves, punches("in 08:10", "out 12:00", "in 13:20", "out 17:00"), now=AFTERWARDS)
    assert [(item.occurrence, item.seconds) for item in day.occurrences] == [("late", 600), ("late-2", 1200)]


def test_a_change_of_the_clocks_costs_nobody_an_hour() -> None:
    """In Berlin the night of 29 March 2026 is an hour short: the shift 22:00–06:00 lasts seven hours."""
    night = Shift(
        starts_at=datetime(2026, 3, 28, 21, tzinfo=UTC),
        ends_at=datetime(2026, 3, 29, 4, tzinfo=UTC),
        zone="Europe/Berlin",
    )
    ins = Punch(at=night.starts_at, direction="in", fact_id="p1")
    outs = Punch(at=night.ends_at, direction="out", fact_id="p2")
    day = derive_day([night], [ins, outs], now=datetime(2026, 4, 1, tzinfo=UTC))
    assert (day.status, day.scheduled_seconds, day.occurrences) == ("present", 7 * 3600, ())


def test_a_shift_that_ends_before_it_starts_is_no_shift() -> None:
    with pytest.raises(ValidationError, match="ends after it starts"):
        shift("09:00", "08:00")


clocks = st.integers(min_value=0, max_value=36 * 3600)
directions = st.sampled_from(["in", "out", "unknown"])


@given(st.lists(st.tuples(clocks, directions), max_size=12), st.integers(0, 7200), st.randoms())
def test_no_second_is_unpaid_twice_and_the_order_of_arrival_changes_nothing(
    seen: list[tuple[int, Direction]], grace: int, shuffled: object
) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    seconds = [
        Punch(at=start + timedelta(seconds=offset), direction=direction, fact_id=f"p{number}")
        for number, (offset, direction) in enumerate(seen)
    ]
    rostered = [shift("08:00", "12:00", late_grace_seconds=grace), shift("13:00", "17:00")]
    day = derive_day(rostered, seconds, now=AFTERWARDS)
    assert sum(item.unpaid_seconds for item in day.occurrences) == day.unpaid_seconds <= day.scheduled_seconds
    assert len({item.occurrence for item in day.occurrences}) == len(day.occurrences)
    shuffled.shuffle(seconds)  # type: ignore[attr-defined]
    assert derive_day(rostered, seconds, now=AFTERWARDS) == day


def test_days_are_dates_of_the_property_and_not_of_utc() -> None:
    """09:00 in Shanghai is 01:00 UTC of the same date; the roster says which date a shift belongs to."""
    early = Shift(
        starts_at=datetime(2026, 3, 1, 23, tzinfo=UTC),
        ends_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        zone="Asia/Shanghai",
    )
    assert early.window[0].date() == date(2026, 3, 1)
    arrived = Punch(at=datetime(2026, 3, 1, 23, 10, tzinfo=UTC), direction="in", fact_id="p")
    assert derive_day([early], [arrived], now=AFTERWARDS).seconds_of("late") == 600


def test_worked_time_is_counted_from_first_to_last_or_by_pairs() -> None:
    """C8: 6.5 h between first in and last out, of which 4.5 h in pairs."""
    seen = punches("in 08:00", "out 10:00", "in 12:00", "out 14:30")
    assert worked_seconds(seen, "first_in_last_out") == 23_400
    assert worked_seconds(reversed(seen), "pairs") == 16_200
    assert worked_seconds(seen[:1], "first_in_last_out") == worked_seconds(seen[:1], "pairs") == 0


def test_leave_takes_the_halves_of_the_scheduled_time_whatever_lies_between_the_shifts() -> None:
    split = (shift("08:00", "12:00"), shift("14:00", "16:00"))
    assert on_duty(split, ["whole"]) == on_duty(split, ["first_half", "second_half"]) == (None, None)
    first, second = on_duty(split, ["first_half"])
    assert first is not None
    assert (first.starts_at, first.ends_at, second) == (
        split[0].starts_at + timedelta(hours=3),
        split[0].ends_at,
        split[1],
    )
    first, second = on_duty(split, ["second_half"])
    assert first is not None
    assert (first.ends_at, second) == (split[0].ends_at - timedelta(hours=1), None)


@pytest.mark.parametrize(
    ("part", "clock", "occurrence", "missing"),
    [("first_half", "13:35", "late", ((), (0,))), ("second_half", "13:25", "early", ((0,), ()))],
)
def test_a_lone_punch_beside_half_a_day_of_leave_is_that_of_the_nearer_end_of_duty(
    part: LeavePart, clock: str, occurrence: str, missing: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    """From 09:00 to 18:00 duty begins, or ends, at 13:30: five minutes from the one punch there is."""
    leave = [Leave(part=part, fact_id="l")]
    day = derive_day([shift()], punches(f"any {clock}"), now=AFTERWARDS, leave=leave)
    assert [(one.occurrence, one.seconds) for one in day.occurrences] == [(occurrence, 300)]
    assert (day.missing_in, day.missing_out) == missing
