"""Which punches belong to a day, as the judges know it from rosters and punches in any order: the same that the office knew."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from bailiwick_contracts.attendance import PunchRecorded, ShiftRostered
from bailiwick_contracts.envelope import trusted_event
from bailiwick_contracts.lateness import Direction, Punch, Shift
from bailiwick_contracts.mark import recorded_by
from bailiwick_contracts.message import Fact
from bailiwick_contracts.roster_evidence import RosterEvidence
from hypothesis import given
from hypothesis import strategies as st

from services.attendance.day import by_day

MONDAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = [MONDAY + timedelta(days=number) for number in range(5)]


def shift(day: date, hour: int, hours: int = 8, margin: int = 14_400) -> Shift:
    starts_at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)
    return Shift(
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=hours),
        zone="Asia/Shanghai",
        margin_before_seconds=margin,
        margin_after_seconds=margin,
    )


def rostered(day: date, *shifts: Shift) -> ShiftRostered:
    return ShiftRostered(staff_id="s-1", day=day, roster_id="r-1", shifts=shifts)


def punched(at: datetime, direction: Direction = "in") -> PunchRecorded:
    return PunchRecorded(staff_id="s-1", punch_id="p-1", at=at, direction=direction)


def read(facts: Iterable[Fact]) -> RosterEvidence:
    """Each recorded a second after the one before, from `START` on; its id is its number."""
    found = RosterEvidence()
    for number, fact in enumerate(facts):
        attributes = {
            "id": str(number),
            "type": fact.wire(),
            "source": "/properties/north-court/attendance",
            "log": "l",
            "recordedat": START + timedelta(seconds=number),
            "chainnumber": number + 1,
        }
        found.take(trusted_event(attributes, fact))
    return found


def known(evidence: RosterEvidence, day: date, seconds: int = 90_000) -> list[str]:
    """The punches of a day, as it stood so many seconds after `START`."""
    sees = recorded_by(START + timedelta(seconds=seconds))
    roster = evidence.roster("s-1", day, sees)
    return [punch.fact_id for punch in evidence.punches("s-1", day, roster, sees)] if roster is not None else []


def test_c7_a_punch_after_midnight_belongs_to_the_night_shift_of_the_day_before() -> None:
    tuesday = DAYS[1]
    night, morning = shift(MONDAY, 23, 2), shift(tuesday, 5)
    facts = [rostered(MONDAY, night), rostered(tuesday, morning), punched(START + timedelta(hours=25.5), "out")]
    evidence = read(facts)
    assert known(evidence, MONDAY) == ["2"]
    assert known(evidence, MONDAY, seconds=1) == []
    assert known(evidence, tuesday) == []


def test_a_roster_that_came_later_claims_no_punch_of_a_day_that_was_derived_before() -> None:
    tuesday = DAYS[1]
    near_tuesday = punched(START + timedelta(hours=26))
    evidence = read([rostered(MONDAY, shift(MONDAY, 14)), near_tuesday, rostered(tuesday, shift(tuesday, 3))])
    assert known(evidence, MONDAY, seconds=1) == ["1"]
    assert known(evidence, MONDAY) == []
    assert known(evidence, tuesday) == ["1"]


def test_a_day_that_was_given_free_claims_nothing_any_more() -> None:
    tuesday = DAYS[1]
    near_tuesday = punched(START + timedelta(hours=26))
    facts = [rostered(MONDAY, shift(MONDAY, 14)), rostered(tuesday, shift(tuesday, 3)), near_tuesday, rostered(tuesday)]
    evidence = read(facts)
    assert known(evidence, MONDAY, seconds=2) == []
    assert known(evidence, MONDAY) == ["2"]


def test_a_shift_put_weeks_from_its_day_has_no_punch() -> None:
    weeks_later = DAYS[0] + timedelta(days=20)
    at_its_start = punched(START + timedelta(days=20, hours=9))
    evidence = read([rostered(MONDAY, shift(weeks_later, 9)), at_its_start])
    assert known(evidence, MONDAY) == []


hours = st.tuples(st.integers(0, 23), st.integers(1, 24), st.sampled_from([0, 3_600, 14_400, 43_200]))
rosters = st.builds(
    lambda day, shifts: rostered(day, *(shift(day, *one) for one in shifts)),
    st.sampled_from(DAYS),
    st.lists(hours, max_size=2),
)
punches = st.builds(
    lambda minutes, direction: punched(START + timedelta(minutes=minutes), direction),
    st.integers(-24 * 60, 7 * 24 * 60),
    st.sampled_from(["in", "out", "unknown"]),
)


@given(st.lists(rosters | punches, max_size=40), st.integers(0, 20))
def test_the_judges_give_every_punch_to_the_day_that_the_office_gave_it(facts: list[Fact], seen: int) -> None:
    before = list(enumerate(facts[: seen + 1]))
    shifts = {fact.day: fact.shifts for _, fact in before if isinstance(fact, ShiftRostered)}
    recorded = [
        Punch(at=fact.at, direction=fact.direction, fact_id=str(number))
        for number, fact in before
        if isinstance(fact, PunchRecorded)
    ]
    expected, evidence = by_day(recorded, shifts), read(facts)
    for day in DAYS:
        given_by_office = sorted(punch.fact_id for punch in expected.get(day, []))
        assert sorted(known(evidence, day, seconds=seen)) == given_by_office
