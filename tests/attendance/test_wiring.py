"""Attendance's wiring, on both databases: what arrives leads to facts, views and answers that agree."""

from datetime import date, timedelta

import pytest
from bailiwick_contracts.attendance import DeriveDays, GetDay, ListDays, ListPunches
from bailiwick_contracts.conduct import GetPenalty, ListPenalties

from services.kernel.decision import Rejected
from tests.attendance.office import ANN, BEN, MONDAY, Office, local, punch


def test_from_punches_to_a_penalty_and_back_again(any_office: Office) -> None:
    office = any_office
    office.came("09:20")
    answer = office.penalise(share=20)
    assert answer.outcome == "done", answer
    event = office.last("penalty_decided")
    computed = office.figures(event).computed
    assert computed is not None
    assert str(computed.penalty.amount) == "40.00"
    assert event.data.ruling.positions
    shown = office.read(ListPenalties(staff_id=ANN))["penalties"]
    assert [(one["penalty_id"], one["status"], one["clause"]) for one in shown] == [("p1", "decided", "A13")]
    assert office.read(GetPenalty(penalty_id="p1"))["facts"][0]["id"] == event.id


def test_days_and_punches_are_read_in_pages(any_office: Office) -> None:
    office = any_office
    days = [MONDAY + timedelta(days=offset) for offset in range(3)]
    for one in days:
        office.came("09:01", day=one)
    first = office.read(ListDays(first_on=days[0], last_on=days[-1], limit=2))
    rest = office.read(ListDays(first_on=days[0], last_on=days[-1], limit=2, after=first["next"]))
    assert [one["day"] for one in first["days"] + rest["days"]] == [one.isoformat() for one in days]
    assert "next" not in rest
    window = ListPunches(since=local("00:00", days[0]), until=local("23:59", days[-1]), limit=5)
    seen = office.read(window)
    more = office.read(window.model_copy(update={"after": seen["next"]}))
    assert (len(seen["punches"]), len(more["punches"])) == (5, 1)


def test_pages_of_days_go_on_within_a_day_and_end_at_a_place_that_is_none(any_office: Office) -> None:
    office = any_office
    days = [MONDAY, MONDAY + timedelta(days=1)]
    office.roster(*days, who=(BEN, ANN))
    office.now = local("17:01", days[1])
    office.ask(DeriveDays(first_on=days[0], last_on=days[1]))
    found, place = [], None
    for _ in range(5):
        page = office.read(ListDays(first_on=days[0], last_on=days[1], limit=1, after=place))
        found += [(one["day"], one["staff_id"]) for one in page["days"]]
        place = page.get("next")
        if place is None:
            break
    assert found == [(day.isoformat(), who) for day in days for who in sorted((ANN, BEN))]
    with pytest.raises(Rejected) as raised:
        office.read(ListDays(first_on=days[0], last_on=days[1], after="yesterday"))
    assert (raised.value.code, raised.value.value) == ("unknown_page", "yesterday")


def test_punches_of_one_request_and_of_an_earlier_one_make_one_day(any_office: Office) -> None:
    office = any_office
    office.roster(MONDAY)
    office.now = local("18:00")
    office.punches(punch("in-1", ANN, "in", local("09:20")), punch("far", ANN, "in", local("03:00")))
    office.punches(punch("in-0", ANN, "in", local("09:10")), punch("out-1", ANN, "out", local("17:00")))
    derived = office.last("day_derived").data.derived
    assert [(one.kind, one.seconds) for one in derived.occurrences] == [("late", 600)]
    assert len(derived.basis) == 4  # the roster and the punches within the shift's reach


def test_a_day_is_read_as_it_was_known_at_an_instant(any_office: Office) -> None:
    office = any_office
    office.came("09:20")
    before = office.now
    office.now += timedelta(hours=1)
    office.punches(punch("late-arrival", ANN, "in", local("08:58")))
    assert office.read(GetDay(staff_id=ANN, day=MONDAY, as_of=before))["derived"]["occurrences"][0]["seconds"] == 1200
    assert office.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]["occurrences"] == []


def test_an_absence_comes_to_light_when_days_are_derived(any_office: Office) -> None:
    office = any_office
    office.roster(MONDAY, who=(ANN, BEN))
    office.now = local("16:59")
    assert office.ask(DeriveDays(first_on=MONDAY, last_on=MONDAY)).result == {"derived": 0, "remaining": 0}
    office.now = local("17:01")
    assert office.ask(DeriveDays(first_on=MONDAY, last_on=date(2026, 3, 9))).result == {"derived": 2, "remaining": 0}
    assert office.ask(DeriveDays(first_on=MONDAY, last_on=MONDAY)).outcome == "ignored"
    assert [event.data.derived.status for event in office.facts("day_derived")] == ["absent", "absent"]
