"""Rosters (A5): published by the director of the office, each person's day its own part."""

from datetime import date, timedelta

import pytest
from bailiwick_contracts.attendance import PublishRoster, RosterDay
from pydantic import ValidationError

from tests.attendance.office import ANN, BEN, DIRECTOR, MONDAY, SOUTH, Office, local, punch, shift

TUESDAY = MONDAY + timedelta(days=1)


def roster(*days: RosterDay, roster_id: str = "march") -> PublishRoster:
    return PublishRoster(roster_id=roster_id, staff_ids=(ANN,), days=days)


def test_a_director_publishes_the_roster_of_his_office(office: Office) -> None:
    answer = office.roster(MONDAY, TUESDAY, who=(ANN, BEN))
    assert answer.outcome == "done"
    published = office.last("roster_published").data
    assert (published.people, published.person_days, published.ruling.row_id) == (2, 4, "A5")


@pytest.mark.parametrize(
    ("actor", "at", "reason"), [(ANN, "north-court", "not_the_holder"), (DIRECTOR, SOUTH, "outside_own_office")]
)
def test_nobody_else_does(office: Office, actor: str, at: str, reason: str) -> None:
    answer = office.ask(roster(RosterDay(day=MONDAY, shifts=(shift(),))), by=actor, at=at)
    assert answer.outcome == "refused"
    (refused,) = office.facts("roster", at=at)
    assert refused.data.reason == reason
    assert office.facts("shift_rostered", at=at) == []


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_roster_at_the_end_of_the_calendar_is_decided_like_any_other(office: Office, day: date) -> None:
    assert office.ask(roster(RosterDay(day=day, shifts=()))).outcome == "done"
    assert office.ask(roster(RosterDay(day=MONDAY, shifts=(shift(),)))).outcome == "done"


def test_the_same_roster_again_is_nothing_new(office: Office) -> None:
    request = roster(RosterDay(day=MONDAY, shifts=(shift(),)))
    assert office.ask(request).outcome == "done"
    assert office.ask(request).outcome == "ignored"


def test_a_changed_shift_derives_the_day_anew(office: Office) -> None:
    office.came("09:20")
    office.ask(roster(RosterDay(day=MONDAY, shifts=(shift("09:30", "17:00"),)), roster_id="correction"))
    assert office.last("day_derived").data.revision == 2
    assert office.last("day_derived").data.derived.occurrences == ()


def test_a_day_of_rest_takes_back_what_the_day_came_to(office: Office) -> None:
    office.came("09:20")
    office.ask(roster(RosterDay(day=MONDAY), roster_id="holiday"))
    assert office.last("day_derived").data.derived.status == "rest"


def test_a_night_shift_published_late_takes_its_punches_from_the_next_day(office: Office) -> None:
    office.roster(TUESDAY)
    office.now = local("20:00", TUESDAY)
    office.punches(
        punch("night-out", ANN, "out", local("06:00", TUESDAY)),
        punch("in", ANN, "in", local("09:00", TUESDAY)),
        punch("out", ANN, "out", local("17:00", TUESDAY)),
    )
    assert len(office.last("day_derived").data.derived.basis) == 4
    office.ask(roster(RosterDay(day=MONDAY, shifts=(shift("22:00", "06:00"),)), roster_id="nights"))
    standing = {event.data.day: event.data.derived for event in office.facts("day_derived")}
    assert (standing[MONDAY].status, standing[MONDAY].missing_in) == ("incomplete", (0,))
    assert len(standing[TUESDAY].basis) == 3


def test_a_roster_taken_over_from_elsewhere_is_not_ruled_on(office: Office) -> None:
    request = roster(RosterDay(day=MONDAY, shifts=(shift(),)))
    assert office.ask(request, by="importer-sample", channel="import").outcome == "done"
    assert office.last("roster_published").data.ruling is None


def test_somebody_nobody_registered_is_on_no_roster(office: Office) -> None:
    request = PublishRoster(roster_id="x", staff_ids=("nobody-sample",), days=(RosterDay(day=MONDAY),))
    answer = office.ask(request)
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "unknown_staff")


def test_a_roster_says_each_thing_once_and_is_of_bounded_size() -> None:
    day = RosterDay(day=MONDAY)
    with pytest.raises(ValidationError, match="stands once"):
        roster(day, day)
    with pytest.raises(ValidationError, match="at most 1,500"):
        PublishRoster(roster_id="x", staff_ids=tuple(f"s{n}" for n in range(301)), days=tuple(
            RosterDay(day=MONDAY + timedelta(days=n)) for n in range(5)))  # fmt: skip
    with pytest.raises(ValidationError, match="do not overlap"):
        RosterDay(day=MONDAY, shifts=(shift("09:00", "12:00"), shift("11:00", "15:00")))
