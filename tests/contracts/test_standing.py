"""Between two dates on which a position begins or employment ends, a person's post is the same."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from bailiwick_contracts.envelope import Event, trusted_event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.staff import EmploymentEnded, PositionAssigned
from bailiwick_contracts.standing import post_of, turns_of
from hypothesis import given
from hypothesis import strategies as st

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(30)]


def recorded(facts: Sequence[Fact]) -> list[Event[Any]]:
    """Each a minute after the one before."""
    return [
        trusted_event(
            {
                "id": str(number),
                "type": fact.wire(),
                "source": "/properties/company/registry",
                "log": "l",
                "recordedat": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
                "chainnumber": number + 1,
            },
            fact,
        )
        for number, fact in enumerate(facts)
    ]


people, days = st.sampled_from(["s-1", "s-2"]), st.sampled_from(DAYS)
assigned = st.builds(
    lambda staff_id, on, place, position: PositionAssigned(
        staff_id=staff_id, property_id=place, position=position, grade="staff", effective_on=on
    ),
    people, days, st.sampled_from(["north-court", "south-court", "company"]), st.sampled_from(["guard", "cleaner"]),
)  # fmt: skip
ended = st.builds(lambda staff_id, on: EmploymentEnded(staff_id=staff_id, last_on=on), people, days)


@given(st.lists(assigned | ended, max_size=8), st.lists(people, min_size=1, max_size=2, unique=True))
def test_a_post_changes_on_the_turns_alone(facts: list[Fact], ids: list[str]) -> None:
    events = recorded(facts)
    turns = turns_of(events)
    for before, on in pairwise(DAYS):
        if on.toordinal() not in turns:
            assert post_of(events, ids, "north-court", on) == post_of(events, ids, "north-court", before)


def test_employment_that_ends_with_the_calendar_has_its_turn() -> None:
    events = recorded([EmploymentEnded(staff_id="s-1", last_on=date.max)])
    assert turns_of(events) == [date.max.toordinal() + 1]
