"""Work outside the office (A9): signed for with evidence, without a quota, and apart from forgotten punches (A10)."""

from datetime import timedelta
from typing import Any

import pytest
from bailiwick_contracts.attendance import GetDay
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.offsite import ConfirmOffsiteWork, ErrandEvidence

from tests.attendance.office import ANN, BEN, DIRECTOR, MONDAY, Office, local, punch

ORDER = ErrandEvidence(kind="work_order", reference="wo-17")
DAYS = [MONDAY + timedelta(days=offset) for offset in range(5)]


def sign(office: Office, confirmation_id: str = "o1", **changes: Any) -> Answer:
    request = {"confirmation_id": confirmation_id, "staff_id": ANN, "day": MONDAY, "direction": "in",
               "evidence": (ORDER.model_dump(),), "grounds": "At the bureau."}  # fmt: skip
    by = changes.pop("by", DIRECTOR)
    return office.ask(ConfirmOffsiteWork.model_validate(request | changes), by=by)


def test_whoever_was_out_on_business_was_neither_late_nor_absent(office: Office) -> None:
    office.came(None, None)
    assert office.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]["status"] == "absent"
    assert sign(office, direction="both").outcome == "done"
    assert office.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]["status"] == "present"
    assert office.penalise(occurrence="absent", share=100).outcome == "refused"
    office.judged_again()


def test_there_is_no_quota_and_forgotten_punches_keep_theirs(office: Office) -> None:
    for number, day in enumerate(DAYS):
        office.came(None, day=day)
        assert sign(office, f"o{number}", day=day).outcome == "done"
    office.came(None, day=MONDAY + timedelta(days=7))
    assert office.confirm("c1", day=MONDAY + timedelta(days=7)).outcome == "done"
    assert office.last("missed_punch_confirmed").data.times_in_year == 1
    office.judged_again()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"evidence": ()}, "evidence_missing"),
     ({"evidence": ({"kind": "witness", "reference": ANN},)}, "evidence_missing"),
     ({"by": BEN}, "not_the_holder"), ({"by": ANN}, "own_case"), ({"by": "south-director"}, "outside_own_office"),
     ({"direction": "out"}, "punch_present"), ({"shift": 1}, "no_such_shift"), ({"day": DAYS[3]}, "day_not_derived")],
)  # fmt: skip
def test_what_may_not_be_signed_is_refused_and_recorded(office: Office, changes: dict[str, Any], reason: str) -> None:
    office.came(None)
    assert sign(office, **changes).outcome == "refused"
    assert office.last("offsite_refused").data.reason == reason
    office.judged_again()


def test_signed_again_is_nothing_new_and_another_finds_it_confirmed(office: Office) -> None:
    office.came(None)
    assert [sign(office).outcome, sign(office).outcome, sign(office, "o2").outcome] == ["done", "ignored", "refused"]
    assert office.last("offsite_refused").data.reason == "already_confirmed"
    answer = sign(office, direction="out")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "confirmation_id_reused")


def test_a_punch_that_comes_later_and_says_otherwise_is_flagged_and_the_confirmation_stands(office: Office) -> None:
    office.came(None)
    sign(office)
    office.punches(punch("late-arrival", ANN, "in", local("09:30")))
    derived = office.read(GetDay(staff_id=ANN, day=MONDAY))["derived"]
    assert derived["contradicted"] == [office.last("offsite_confirmed").id]
    assert derived["occurrences"] == []
    office.judged_again()
