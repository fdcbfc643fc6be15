"""The monthly appraisal (A8, D4c): due on the 2nd by a durable timer, overdue as a fact, and what K12 counts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from bailiwick_contracts.appraisal import GetAppraisals, OpenAppraisals, Score, SubmitAppraisal
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.registry import AddProperty

from services.attendance.app import SERVICE
from services.attendance.appraisal import APPRAISALS
from services.kernel.writer import Writer
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, Office, hiring, local
from tests.kernel.due import fire_due

MARCH = "2026-03"
DUE, LATE = local("23:59", date(2026, 4, 2)), local("00:00", date(2026, 4, 3))
WHOLE = tuple(Score(section=section, score=80) for section in ("duty", "service", "conduct"))


@pytest.fixture
def opened(office: Office) -> Office:
    office.adopt(RULES)
    assert office.ask(OpenAppraisals(month=MARCH, staff_ids=(ANN, BEN))).outcome == "done"
    return office


def submit(
    office: Office, who: str = ANN, scores: tuple[Score, ...] = WHOLE, *, signed: bool = True, by: str = DIRECTOR
) -> Answer:
    return office.ask(SubmitAppraisal(month=MARCH, staff_id=who, scores=scores, signed=signed), by=by)


def test_a_sheet_on_the_2nd_is_on_time_and_one_on_the_3rd_is_not(opened: Office) -> None:
    opened.now = DUE
    assert submit(opened).outcome == "done"
    opened.now = LATE
    assert submit(opened, BEN).outcome == "done"
    assert [event.data.on_time for event in opened.facts("appraisal_submitted")] == [True, False]
    opened.judged_again()


def test_the_day_ends_where_the_clock_is_put_forward_at_midnight(office: Office) -> None:
    """In Santiago 24:00 of the 2nd of September 2028 is 01:00 of the 3rd."""
    office.adopt(RULES)
    place, head, staff = "santiago-court", "santiago-director", "santiago-sample"
    office.register(
        AddProperty(property_id=place, name=place, time_zone="America/Santiago", calendar="CL"),
        *hiring(head, place, grade="director", position="office_director"),
        *hiring(staff, place),
    )
    assert office.ask(OpenAppraisals(month="2028-08", staff_ids=(staff,)), by=head, at=place).outcome == "done"
    due_at = office.facts("appraisals_opened", at=place)[-1].data.due_at
    assert due_at + timedelta(microseconds=1) == datetime(2028, 9, 3, 4, tzinfo=UTC)


def test_what_is_missing_when_the_day_is_over_is_overdue_and_said_once(opened: Office) -> None:
    submit(opened)
    assert fire_due(opened.attendance, opened.store, DUE) == []
    (answer,) = fire_due(opened.attendance, opened.store, LATE)
    assert answer.outcome == "done"
    assert opened.last("appraisals_overdue").data.staff_ids == (BEN,)
    assert fire_due(opened.attendance, opened.store, LATE + timedelta(days=1)) == []


def test_the_due_day_stands_over_a_restart(opened: Office) -> None:
    again = Writer(SERVICE, opened.store, opened.keys, clock=lambda: opened.now)
    assert [answer.outcome for answer in fire_due(again, opened.store, LATE)] == ["done"]
    assert opened.last("appraisals_overdue").data.staff_ids == (ANN, BEN)
    again.close()


def test_a_month_whose_sheets_are_all_in_has_nothing_overdue(opened: Office) -> None:
    submit(opened)
    submit(opened, BEN)
    assert [answer.outcome for answer in fire_due(opened.attendance, opened.store, LATE)] == ["ignored"]
    assert opened.facts("appraisals_overdue") == []


def test_k12_counts_sheets_that_are_complete_signed_and_on_time(opened: Office) -> None:
    submit(opened, scores=WHOLE[:2])
    submit(opened, BEN, signed=False)
    shown = opened.read(GetAppraisals(month=MARCH))
    assert {name: shown[name] for name in ("due", "complete", "signed", "on_time", "valid")} == {
        "due": 2, "complete": 1, "signed": 1, "on_time": 2, "valid": 0,
    }  # fmt: skip
    opened.judged_again()


def test_the_four_answers_of_opening_and_handing_in(opened: Office) -> None:
    more = OpenAppraisals(month=MARCH, staff_ids=(ANN,))
    assert opened.ask(more).outcome == "ignored"
    assert opened.ask(OpenAppraisals(month="2026-04", staff_ids=(ANN,)), by=BEN).outcome == "refused"
    assert [submit(opened).outcome, submit(opened).outcome, submit(opened, BEN, by=ANN).outcome] == [
        "done",
        "ignored",
        "refused",
    ]
    assert (submit(opened, DIRECTOR).error or {})["code"] == "not_due"
    for wrong in ((Score(section="duty", score=101),), (Score(section="singing", score=1),), (WHOLE[0], WHOLE[0])):
        assert (submit(opened, BEN, wrong).error or {})["code"] == "scores_off_form"
    opened.judged_again()


def test_nobody_appraises_himself(opened: Office) -> None:
    assert opened.ask(OpenAppraisals(month=MARCH, staff_ids=(DIRECTOR,)), by="south-director").outcome == "refused"
    assert opened.ask(OpenAppraisals(month=MARCH, staff_ids=(DIRECTOR,))).outcome == "refused"
    assert opened.last("appraisal_refused").data.reason == "own_case"


def test_every_prefix_of_a_months_sheets_folds(opened: Office) -> None:
    submit(opened)
    fire_due(opened.attendance, opened.store, LATE)
    history = [event for event in opened.facts() if event.subject.startswith("appraisal-")]
    assert len(history) == 3
    for length in range(len(history) + 1):
        APPRAISALS.fold(history[:length])
