"""Punches as devices send them: doubled, late, out of order, wrong; each row answered, each affected day derived once."""

from datetime import date, timedelta

from bailiwick_contracts.attendance import PunchRow, RecordPunches
from bailiwick_contracts.staff import ErasePerson, ExternalId, MapExternalId, MergeStaff, RegisterStaff

from tests.attendance.office import ANN, BEN, MONDAY, NORTH, SOUTH, Office, local, punch, shift

TUESDAY = MONDAY + timedelta(days=1)


def test_a_batch_derives_each_affected_day_once(office: Office) -> None:
    office.roster(MONDAY, TUESDAY)
    office.now = local("20:00", TUESDAY)
    rows = [
        punch("p1", ANN, "in", local("09:31")),
        punch("p2", ANN, "out", local("17:00")),
        punch("p3", ANN, "in", local("08:59", TUESDAY)),
        punch("p4", ANN, "out", local("16:00", TUESDAY)),
    ]
    answer = office.punches(*rows)
    assert [row.outcome for row in answer.rows] == ["done"] * 4
    derived = [event.data for event in office.facts("day_derived")]
    assert [(one.day, one.revision) for one in derived] == [(MONDAY, 1), (TUESDAY, 1)]
    assert derived[0].derived.seconds_of("late") == 1860
    assert derived[1].derived.seconds_of("early") == 3600


def test_the_basis_of_a_day_names_its_roster_and_its_punches(office: Office) -> None:
    office.came("09:10")
    facts = {event.type: event.id for event in office.facts()}
    punched = [event.id for event in office.facts("punch_recorded")]
    assert office.last("day_derived").data.derived.basis == (facts["attendance.shift_rostered.v1"], *punched)


def test_the_same_punches_again_change_nothing(office: Office) -> None:
    office.came("09:10")
    before = len(office.facts())
    again = office.punches(
        punch("other-file-1", ANN, "in", local("09:10")), punch("other-file-2", ANN, "out", local("17:00"))
    )
    assert again.outcome == "ignored"
    assert [(row.outcome, row.reason) for row in again.rows] == [("ignored", "known")] * 2
    assert len(office.facts()) == before


def test_a_punch_twice_in_one_batch_is_recorded_once(office: Office) -> None:
    office.roster(MONDAY)
    office.now = local("20:00")
    answer = office.punches(punch("a", ANN, "in", local("09:10")), punch("b", ANN, "in", local("09:10")))
    assert [row.outcome for row in answer.rows] == ["done", "ignored"]
    assert len(office.facts("punch_recorded")) == 1


def test_a_late_arriving_punch_derives_the_day_anew_and_supersedes_what_stood(office: Office) -> None:
    office.came("09:20")
    first = office.last("day_derived")
    office.punches(punch("later", ANN, "in", local("08:58")))
    second = office.last("day_derived")
    assert (second.data.revision, second.data.supersedes) == (2, first.id)
    assert second.data.derived.occurrences == ()


def test_any_order_of_arrival_comes_to_the_same_days(office: Office) -> None:
    rows = [
        punch(f"{who}-{day}-{kind}", who, kind, local(clock, day))
        for day in (MONDAY, TUESDAY)
        for who, arrival in ((ANN, "09:12"), (BEN, "08:55"))
        for kind, clock in (("in", arrival), ("out", "16:40"))
    ]
    office.roster(MONDAY, TUESDAY, who=(ANN, BEN))
    office.now = local("20:00", TUESDAY)
    for row in reversed(rows):
        office.punches(row)
    standing = {(event.data.staff_id, event.data.day): event.data.derived for event in office.facts("day_derived")}
    found = {key: [(item.kind, item.seconds) for item in day.occurrences] for key, day in standing.items()}
    assert found[ANN, MONDAY] == found[ANN, TUESDAY] == [("late", 720), ("early", 1200)]
    assert found[BEN, MONDAY] == found[BEN, TUESDAY] == [("early", 1200)]


def test_c7_punches_after_midnight_belong_to_the_night_shift_of_the_day_before(office: Office) -> None:
    """C7: night shift 23:00–01:00, a punch at 01:30 belongs to the day before."""
    office.roster(MONDAY, shifts=lambda day: (shift("23:00", "01:00", day),))
    office.now = local("02:00", TUESDAY)
    office.punches(punch("p1", ANN, "in", local("23:05")), punch("p2", ANN, "out", local("01:30", TUESDAY)))
    (derived,) = office.facts("day_derived")
    assert (derived.data.day, derived.data.derived.status) == (MONDAY, "present")
    assert derived.data.derived.seconds_of("late") == 300


def test_a_clock_in_the_future_is_rejected_by_row_and_the_rest_is_taken(office: Office) -> None:
    office.roster(MONDAY)
    office.now = local("12:00")
    rows = [("09:00", 0), ("12:05", 0), ("12:05", 1)]
    answer = office.punches(
        *(punch(f"p{n}", ANN, "in", local(clock) + timedelta(seconds=more)) for n, (clock, more) in enumerate(rows))
    )
    assert [(row.outcome, row.reason) for row in answer.rows] == [
        ("done", None), ("done", None), ("rejected", "clock_in_future"),
    ]  # fmt: skip


def test_people_nobody_registered_or_who_were_erased_are_rejected_by_row(office: Office) -> None:
    office.register(ErasePerson(staff_id=BEN))
    office.now = local("20:00")
    answer = office.punches(*(punch(f"p-{who}", who, "in", local("09:00")) for who in (ANN, BEN, "nobody-sample")))
    assert [row.reason for row in answer.rows] == [None, "person_erased", "unknown_staff"]


def test_a_punch_id_names_one_punch(office: Office) -> None:
    office.roster(MONDAY)
    office.now = local("20:00")
    office.punches(punch("p1", ANN, "in", local("09:00")))
    answer = office.punches(punch("p1", ANN, "in", local("09:30")))
    assert [(row.outcome, row.reason) for row in answer.rows] == [("rejected", "punch_id_reused")]


def test_a_devices_own_ids_are_looked_up_in_the_registrys_map(office: Office) -> None:
    mapped = ExternalId(system="gate", property_id=NORTH, external_id="0017")
    office.register(MapExternalId(staff_id=ANN, external=mapped))
    office.now = local("20:00")
    rows = tuple(
        PunchRow(punch_id=f"p{number}", external_id=one, at=local("09:00"), direction="in")
        for number, one in enumerate(("0017", "0018"))
    )
    answer = office.ask(RecordPunches(system="gate", rows=rows))
    assert [(row.outcome, row.reason) for row in answer.rows] == [("done", None), ("rejected", "unknown_staff")]
    assert office.last("punch_recorded").data.staff_id == ANN


def test_after_a_merge_punches_count_for_the_id_that_remains(office: Office) -> None:
    office.register(
        RegisterStaff(staff_id="ann-again", name="Sample Ann", home_property=NORTH, hired_on=date(2024, 1, 1))
    )
    office.register(MergeStaff(staff_id="ann-again", into_staff_id=ANN))
    office.roster(MONDAY)
    office.now = local("20:00")
    office.punches(punch("p1", "ann-again", "in", local("09:10")))
    assert office.last("day_derived").data.staff_id == ANN


def test_punches_of_a_day_without_a_roster_wait_for_one(office: Office) -> None:
    office.now = local("20:00")
    office.punches(punch("p1", ANN, "in", local("09:10")), punch("p2", ANN, "out", local("17:00")))
    assert office.facts("day_derived") == []
    office.roster(MONDAY)
    assert office.last("day_derived").data.derived.seconds_of("late") == 600


def test_an_unknown_property_is_an_error_and_records_nothing(office: Office) -> None:
    answer = office.punches(punch("p1", ANN, "in", local("09:10", date(2026, 2, 27))), at="west-court")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "unknown_property")


def test_a_person_may_punch_at_another_property(office: Office) -> None:
    office.roster(MONDAY)
    office.now = local("20:00")
    office.punches(punch("p1", ANN, "in", local("09:10")))
    office.punches(punch("p1", ANN, "out", local("17:00")), at=SOUTH)
    assert office.facts("day_derived", at=SOUTH)[-1].data.derived.status == "present"
