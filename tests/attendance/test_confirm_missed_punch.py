"""Forgotten punches (A10): confirmed three times a person and year, refused and recorded beyond."""

from datetime import timedelta

import pytest

from services.attendance.day import DAY
from tests.attendance.office import ANN, MONDAY, NORTH, SOUTH, Office, local, punch

DAYS = [MONDAY + timedelta(days=offset) for offset in range(5)]


def test_a_confirmed_punch_counts_as_on_time_and_names_its_ruling(office: Office) -> None:
    office.came(None)
    assert office.last("day_derived").data.derived.status == "incomplete"
    assert office.confirm("c1").outcome == "done"
    confirmed = office.last("missed_punch_confirmed")
    assert (confirmed.data.times_in_year, confirmed.data.ruling.row_id) == (1, "A10")
    derived = office.last("day_derived").data
    assert (derived.derived.status, derived.derived.basis[-1]) == ("present", confirmed.id)


def test_the_third_of_a_year_is_confirmed_and_the_fourth_refused_with_the_three_named(office: Office) -> None:
    for one in DAYS[:4]:
        office.came(None, day=one)
    outcomes = [office.confirm(f"c{number}", day=one).outcome for number, one in enumerate(DAYS[:4])]
    assert outcomes == ["done", "done", "done", "refused"]
    refused = office.last("missed_punch_refused").data
    assert (refused.reason, refused.ruling.escalate_to) == ("quota_exceeded", "property_manager")
    named = {item.name: item.facts for item in refused.ruling.asked.inputs}
    assert named["confirmed_in_year"] == tuple(sorted(event.id for event in office.facts("missed_punch_confirmed")))


def test_the_quota_is_one_for_all_properties(office: Office) -> None:
    for one in DAYS[:3]:
        office.came(None, day=one)
    office.came(None, day=DAYS[3], at=SOUTH)
    for number, one in enumerate(DAYS[:3]):
        office.confirm(f"c{number}", day=one)
    answer = office.confirm("c9", day=DAYS[3], at=SOUTH, by="south-director")
    assert answer.outcome == "refused"


def test_twenty_callers_for_the_third_have_one_winner_and_nineteen_recorded_refusals(office: Office) -> None:
    for one in DAYS[:3]:
        office.came(None, day=one)
    for number, one in enumerate(DAYS[:2]):
        office.confirm(f"c{number}", day=one)
    outcomes = [office.confirm(f"third-{caller}", day=DAYS[2]).outcome for caller in range(20)]
    assert outcomes == ["done"] + ["refused"] * 19
    assert {event.data.reason for event in office.facts("missed_punch_refused")} == {"already_confirmed"}


def test_the_same_confirmation_again_is_nothing_new(office: Office) -> None:
    office.came(None)
    office.confirm("c1")
    before = len(office.facts())
    assert office.confirm("c1").outcome == "ignored"
    assert len(office.facts()) == before


def test_one_id_never_names_two_punches_of_a_day(office: Office) -> None:
    office.came(None, None)
    office.confirm("c1")
    answer = office.confirm("c1", direction="out")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "confirmation_id_reused")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"evidence": ()}, "arrival_not_established"), ({"by": ANN}, "own_case"), ({"by": "ben-sample"}, "not_the_holder"),
     ({"by": "south-director"}, "outside_own_office"), ({"direction": "out"}, "punch_present")],
)  # fmt: skip
def test_what_may_not_be_confirmed_is_refused_and_recorded(
    office: Office, changes: dict[str, object], reason: str
) -> None:
    office.came(None)
    assert office.confirm("c1", **changes).outcome == "refused"  # type: ignore[arg-type]
    assert office.last("missed_punch_refused").data.reason == reason


def test_a_day_that_was_never_rostered_has_nothing_to_confirm(office: Office) -> None:
    assert office.confirm("c1").outcome == "refused"
    assert office.last("missed_punch_refused").data.reason == "day_not_derived"


def test_an_absent_day_may_be_confirmed_punch_by_punch(office: Office) -> None:
    office.came(None, None)
    assert office.confirm("c1").outcome == "done"
    assert office.last("day_derived").data.derived.status == "incomplete"
    assert office.confirm("c2", direction="out").outcome == "done"
    assert office.last("day_derived").data.derived.status == "present"


def test_a_punch_that_arrives_later_flags_the_confirmation_and_never_overwrites_it(office: Office) -> None:
    office.came(None)
    office.confirm("c1")
    office.punches(punch("found", ANN, "in", local("09:45")))
    derived = office.last("day_derived").data.derived
    assert derived.contradicted == (office.last("missed_punch_confirmed").id,)
    assert derived.occurrences == ()


def test_a_day_over_but_not_derived_is_derived_before_it_is_judged(office: Office) -> None:
    office.roster(MONDAY)
    office.now = local("10:00")
    office.punches(punch("p1", ANN, "in", local("08:59")))
    office.now = local("18:00")
    assert office.confirm("c1", direction="out").outcome == "done"
    assert [event.data.derived.status for event in office.facts("day_derived")] == ["open", "incomplete", "present"]


def test_the_grounds_are_sealed_with_the_persons_key(office: Office) -> None:
    office.came(None)
    office.confirm("c1")
    stored = [fact.raw for fact in office.store.chain(NORTH, 0, 1000)]
    assert not any(b"Seen at the gate" in raw for raw in stored)


def test_every_prefix_of_a_days_history_folds(office: Office) -> None:
    office.came(None)
    office.confirm("c1")
    office.confirm("c2", evidence=())
    office.punches(punch("found", ANN, "in", local("09:45")))
    history = [event for event in office.facts() if event.subject.startswith("day-")]
    for length in range(len(history) + 1):
        DAY.fold(history[:length])
