"""Rules, people and evidence change, and the past stays as it was: rulings come out again from what was known at their time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from bailiwick_contracts.conduct import DecidePenalty, ImportPenalty, WithdrawPenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Answer, read_event
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.readjudicate import Summary
from bailiwick_contracts.registry import AdoptAuthorityMatrix
from bailiwick_contracts.registry_judgement import REGISTRY_ROWS
from bailiwick_contracts.sealed import KeyErasedError
from bailiwick_contracts.staff import AssignPosition, ErasePerson, MergeStaff, RegisterStaff, RetractFact, SetBaseWage

from services.registry.power import ROW_OF
from tests.audit.office import MONDAY, Office
from tests.audit.test_readjudicate import change_in, stricter
from tests.judged import judged


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path)
    opened.set_up()
    yield opened
    opened.close()


def setup(office: Office, request: Request) -> Answer:
    answer = office.ask(request, "system-setup", COMPANY, channel="import")
    assert answer.outcome == "done", answer
    return answer


def late(office: Office, staff_id: str = "s-1", *days: date, seconds: int = 1_500) -> None:
    for day in days or (MONDAY,):
        office.roster(day, staff=(staff_id,), name=staff_id)
        office.punch(staff_id, day, late_seconds=seconds)


def agrees(office: Office) -> Summary:
    findings, summary = judged(office.raws(), office.keys)
    assert findings == []
    assert summary.agrees
    return summary


def test_a_matrix_adopted_later_changes_no_ruling_given_however_it_is_dated(office: Office) -> None:
    late(office, "s-1", MONDAY, MONDAY + timedelta(days=1))
    assert office.penalise("p-1", "s-1", MONDAY).outcome == "done"
    setup(office, AdoptAuthorityMatrix(matrix=stricter(), holds_from=datetime(2026, 1, 1, tzinfo=UTC)))
    office.now += timedelta(minutes=5)
    second = office.penalise("p-2", "s-1", MONDAY + timedelta(days=1))
    assert second.facts[0].type == "attendance.penalty_recommended.v1"
    agrees(office)
    findings, _ = judged(office.raws(), office.keys, under="strict-1")
    assert {f.fact_id for f in findings} == {
        read_event(raw).id for raw in office.raws() if read_event(raw).type == "attendance.penalty_decided.v1"
    }


def test_after_a_person_is_erased_every_ruling_about_them_still_comes_out(office: Office) -> None:
    late(office)
    office.penalise("p-1", "s-1", MONDAY)
    setup(office, ErasePerson(staff_id="s-1"))
    with pytest.raises(KeyErasedError):
        office.keys("person/s-1")
    assert agrees(office).judged == 2


def test_a_penalty_taken_over_without_a_ruling_counts_and_is_never_judged(office: Office) -> None:
    late(office)
    old = ImportPenalty(
        penalty_id="old-1",
        staff_id="s-1",
        day=MONDAY.replace(day=1),
        kind="late",
        amount=Money(amount="840.00"),
        origin="book",
    )
    assert office.ask(old, "system-setup", channel="import").outcome == "done"
    answer = office.penalise("p-1", "s-1", MONDAY)
    assert [c["kind"] for c in (answer.facts[0].data or {})["ruling"]["clamps"] if c["bound"]] == ["monthly_cap"]
    assert agrees(office).skipped["imported_without_ruling"] == 1


def test_a_penalty_taken_back_counts_no_more_and_both_rulings_come_out(office: Office) -> None:
    late(office)
    office.penalise("p-1", "s-1", MONDAY)
    taken = office.ask(WithdrawPenalty(penalty_id="p-1", cause="appeal", grounds="樣本"), "s-director")
    assert taken.facts[0].type == "attendance.penalty_reversed.v1"
    refused = office.ask(WithdrawPenalty(penalty_id="p-1", cause="appeal", grounds="樣本"), "s-2")
    assert refused.outcome == "ignored"
    assert office.penalise("p-2", "s-1", MONDAY).outcome == "done"
    assert agrees(office).judged == 4


def test_a_penalty_taken_back_of_another_person_is_found_wherever_it_is_judged(office: Office) -> None:
    late(office)
    office.penalise("p-1", "s-1", MONDAY)
    taken = office.ask(WithdrawPenalty(penalty_id="p-1", cause="appeal", grounds="樣本"), "s-director").facts[0].id
    for other in ("s-2", "s-3", "s-4", "s-5", "s-6"):
        change = change_in("staff_id", to=other)
        found, _ = judged([change(raw) if read_event(raw).id == taken else raw for raw in office.raws()], office.keys)
        assert ("staff_id", other, "s-1") in {(one.field, one.was, one.would_be) for one in found}


def test_punches_that_arrive_late_change_the_day_and_no_ruling_given_before(office: Office) -> None:
    late(office)
    office.penalise("p-1", "s-1", MONDAY)
    office.punch("s-1", MONDAY, late_seconds=-60, early_seconds=None)
    assert office.penalise("p-2", "s-1", MONDAY).outcome == "refused"
    summary = agrees(office)
    assert (summary.judged, summary.derivations) == (3, 2)


def test_a_wage_and_a_grade_changed_later_change_no_ruling_given_before(office: Office) -> None:
    late(office, "s-1", MONDAY, MONDAY + timedelta(days=1))
    office.penalise("p-1", "s-1", MONDAY)
    setup(office, SetBaseWage(staff_id="s-1", base_wage=Money(amount="9000.00"), effective_on=date(2026, 1, 1)))
    setup(
        office,
        AssignPosition(
            staff_id="s-1",
            property_id="north-court",
            position="guard",
            grade="supervisor",
            effective_on=date(2026, 1, 1),
        ),
    )
    assert (
        office.penalise("p-2", "s-1", MONDAY + timedelta(days=1)).facts[0].type == "attendance.penalty_recommended.v1"
    )
    agrees(office)


def test_a_ruling_rests_on_what_the_local_copy_knew_and_not_on_what_the_registry_knew(office: Office) -> None:
    late(office)
    deliver, office.deliver = office.deliver, lambda *to, of=None: None  # type: ignore[method-assign]
    setup(
        office,
        AssignPosition(
            staff_id="s-1",
            property_id="north-court",
            position="guard",
            grade="supervisor",
            effective_on=date(2026, 1, 1),
        ),
    )
    assert office.penalise("p-1", "s-1", MONDAY).facts[0].type == "attendance.penalty_decided.v1"
    office.deliver = deliver  # type: ignore[method-assign]
    office.deliver()
    agrees(office)


def test_two_people_who_turn_out_to_be_one_are_judged_as_two_before_and_as_one_after(office: Office) -> None:
    tuesday = MONDAY + timedelta(days=1)
    late(office, "s-1", MONDAY)
    late(office, "s-2", tuesday)
    office.penalise("p-1", "s-1", MONDAY)
    setup(office, MergeStaff(staff_id="s-1", into_staff_id="s-2"))
    office.penalise("p-2", "s-2", tuesday)
    office.penalise("p-3", "s-1", MONDAY)
    assert agrees(office).judged == 5


def test_a_fact_retracted_later_leaves_the_ruling_and_names_it(office: Office) -> None:
    late(office)
    raise_given = setup(office, SetBaseWage(staff_id="s-1", base_wage=Money(amount="9000.00"), effective_on=MONDAY))
    ruled = office.penalise("p-1", "s-1", MONDAY).facts[0].id
    setup(office, RetractFact(staff_id="s-1", fact_id=raise_given.facts[0].id, why="樣本"))
    office.penalise("p-2", "s-1", MONDAY)
    assert agrees(office).retracted_since == [ruled]


def test_decisions_recorded_in_the_same_instant_are_judged_in_their_order(office: Office) -> None:
    setup(
        office,
        AssignPosition(
            staff_id="s-director", property_id="south-court", position="office_director", grade="director",
            effective_on=date(2026, 1, 1),
        ),
    )  # fmt: skip
    days = [MONDAY + timedelta(days=n) for n in range(4)]
    late(office, "s-1", *days)
    asked = [
        (asked_for(f"p-{number}", day), "s-director", "north-court" if number % 2 else "south-court")
        for number, day in enumerate(days)
    ]
    office.ask_at_once(*asked)
    assert agrees(office).judged == 8


def asked_for(penalty_id: str, day: date) -> Request:
    return DecidePenalty(
        penalty_id=penalty_id, staff_id="s-1", day=day, occurrence="late", grounds="樣本",
        requested=Requested(share=Ratio(numerator=1, denominator=5)),
    )  # fmt: skip


def test_somebody_hired_after_the_fact_and_a_missing_wage_refuse_the_same_again(office: Office) -> None:
    setup(office, RegisterStaff(staff_id="s-new", name="樣本", home_property="north-court", hired_on=MONDAY))
    setup(
        office,
        AssignPosition(
            staff_id="s-new", property_id="north-court", position="guard", grade="staff", effective_on=MONDAY
        ),
    )
    late(office, "s-new")
    refused = office.penalise("p-1", "s-new", MONDAY)
    assert (refused.facts[0].data or {})["reason"] == "wage_unset"
    agrees(office)


def test_a_change_of_the_registry_that_was_refused_is_refused_again(office: Office) -> None:
    office.hire("s-hr", "hr", "manager", "12000.00", property_id=COMPANY)
    raise_own = SetBaseWage(staff_id="s-hr", base_wage=Money(amount="99000.00"), effective_on=MONDAY)
    answers = [
        office.ask(raise_own, "s-hr", COMPANY),
        office.ask(raise_own, "s-director", COMPANY),
        office.ask(raise_own, "s-nobody", COMPANY),
        office.ask(AdoptAuthorityMatrix(matrix=stricter()), "s-hr", COMPANY),
    ]
    assert [(answer.facts[0].data or {})["reason"] for answer in answers] == ["own_case", *["not_the_holder"] * 3]
    other = SetBaseWage(staff_id="s-1", base_wage=Money(amount="4500.00"), effective_on=MONDAY)
    assert office.ask(other, "s-hr", COMPANY).outcome == "done"
    assert agrees(office).judged == 4
    raws = office.raws()
    refused = next(raw for raw in raws if read_event(raw).id == answers[1].facts[0].id)
    forged = change_in("ruling", "asked", "actor_position", to="hr")(refused)
    findings, _ = judged([forged if raw is refused else raw for raw in raws], office.keys)
    assert [(f.field, f.was, f.would_be) for f in findings] == [
        ("ruling.asked.actor_position", "hr", "office_director")
    ]


def test_each_request_to_the_registry_is_judged_under_the_row_that_allows_it() -> None:
    assert {request.wire(): row for request, row in ROW_OF.items()} == REGISTRY_ROWS
