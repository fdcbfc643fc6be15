"""Breaches of discipline (D4b): heard before decided, the adopted ladder (C10, C11), serious ones to the manager, and appeals."""

from datetime import date, timedelta
from typing import Any

import pytest
from bailiwick_contracts.breach import (
    AppealCase,
    DecideAppeal,
    DecideCase,
    GetConduct,
    GiveCaseNotice,
    OpenCase,
    RecordStatement,
)
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.month import GetPersonCounts
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.registry import AdoptAuthorityMatrix, DelegateAuthority

from services.attendance.breach import CONDUCT
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, DIRECTOR, HR, MANAGER, MONDAY, NORTH, Office, local

NOW = date(2027, 3, 1)


@pytest.fixture
def staffed(office: Office) -> Office:
    office.staff_the_company()
    office.hire("supervisor-sample", grade="supervisor", position="clubhouse_supervisor")
    office.adopt(RULES)
    office.now = local("09:00", NOW)
    return office


def opened(
    office: Office, case_id: str, *, on: date = NOW, code: str = "late-report", who: str = ANN, by: str = DIRECTOR
) -> Answer:
    request = OpenCase(case_id=case_id, staff_id=who, incident_on=on, code=code, grounds="Sample.")
    return office.ask(request, by=by)


def heard(office: Office, case_id: str, *, who: str = ANN, by: str = "") -> Answer:
    return office.ask(RecordStatement(case_id=case_id, staff_id=who, statement="I forgot."), by=by or who)


def decide(office: Office, case_id: str, *, who: str = ANN, by: str = DIRECTOR, finding: str = "breach") -> Answer:
    request = {"case_id": case_id, "staff_id": who, "finding": finding, "grounds": "Sample."}
    return office.ask(DecideCase.model_validate(request), by=by)


def whole(
    office: Office, case_id: str, *, on: date = NOW, code: str = "late-report", who: str = ANN, by: str = DIRECTOR
) -> None:
    assert opened(office, case_id, on=on, code=code, who=who).outcome == "done"
    assert heard(office, case_id, who=who).outcome == "done"
    assert decide(office, case_id, who=who, by=by).outcome == "done"


def test_the_sixth_breach_stays_at_the_fifth_level_of_the_ladder_and_that_one_is_the_managers(staffed: Office) -> None:
    """C10; A2: what ends in dismissal is only recommended here."""
    for number in range(6):
        whole(staffed, f"c{number}", on=NOW - timedelta(days=30 - number))
        if number >= 4:
            forwarded = staffed.last("case_forwarded").data
            assert (forwarded.level, forwarded.sanction, forwarded.forwarded_to) == (5, "dismissal", "property_manager")
            assert decide(staffed, f"c{number}", by=MANAGER).outcome == "done"
    decided = [(event.data.level, event.data.sanction, event.data.days) for event in staffed.facts("case_decided")]
    assert decided == [(1, "warning", 0), (2, "days_without_duty", 1), (3, "days_without_duty", 2), (4, "suspension", 0),
                       (5, "dismissal", 0), (5, "dismissal", 0)]  # fmt: skip
    staffed.judged_again()


@pytest.mark.parametrize(("days_before", "level"), [(364, 2), (365, 2), (366, 1)])
def test_a_breach_counts_for_as_many_days_as_its_window_has(staffed: Office, days_before: int, level: int) -> None:
    whole(staffed, "c1", on=NOW - timedelta(days=days_before))
    whole(staffed, "c2")
    last = staffed.last("case_decided").data
    assert (last.level, last.repeated) == (level, level == 2)
    staffed.judged_again()


def test_the_window_is_measured_back_from_the_incident_not_from_today(staffed: Office) -> None:
    """C10, T7: two breaches 200 days ago both count for a report handed in then and decided now."""
    incident = NOW - timedelta(days=170)
    for number in (1, 2):
        whole(staffed, f"c{number}", on=incident - timedelta(days=30 + number))
    whole(staffed, "c3", on=incident)
    assert staffed.last("case_decided").data.level == 3
    other = manual_matrix("by-decision", Readings(offence_window_from="decision"))
    staffed.register(AdoptAuthorityMatrix(matrix=other, lead_seconds=1))
    staffed.now += timedelta(days=170)
    whole(staffed, "c4", on=incident + timedelta(days=1))
    assert staffed.last("case_decided").data.level == 2
    staffed.judged_again()


def test_what_happened_after_the_incident_does_not_count_for_it(staffed: Office) -> None:
    whole(staffed, "c1")
    whole(staffed, "c2", on=NOW - timedelta(days=3))
    assert staffed.last("case_decided").data.level == 1


def test_one_breach_of_a_kind_a_person_and_day_and_never_by_the_person_himself(staffed: Office) -> None:
    """C11."""
    whole(staffed, "c1")
    assert opened(staffed, "c2").outcome == "refused"
    refused = staffed.last("case_refused").data
    assert (refused.reason, refused.standing) == ("same_breach_that_day", staffed.last("case_opened").id)
    assert opened(staffed, "c3", code="rude").outcome == "done"
    assert opened(staffed, "c4", who=DIRECTOR).outcome == "done"
    assert staffed.last("case_opened").data.staff_id == DIRECTOR
    assert heard(staffed, "c4", who=DIRECTOR).outcome == "done"
    assert decide(staffed, "c4", who=DIRECTOR).outcome == "refused"
    assert staffed.last("case_refused").data.reason == "own_case"
    staffed.judged_again()


def test_nothing_is_decided_before_the_person_was_heard(staffed: Office) -> None:
    opened(staffed, "c1")
    assert decide(staffed, "c1").outcome == "refused"
    assert staffed.last("case_refused").data.reason == "statement_missing"
    declined = RecordStatement(case_id="c1", staff_id=ANN)
    assert staffed.ask(declined, by=BEN).outcome == "refused"
    assert [staffed.ask(declined).outcome, staffed.ask(declined).outcome] == ["done", "ignored"]
    assert staffed.last("statement_recorded").data.declined
    assert decide(staffed, "c1").outcome == "done"
    staffed.judged_again()


def test_serious_breaches_go_to_the_manager_who_decides_them(staffed: Office) -> None:
    """D4b."""
    whole(staffed, "c1", code="theft")
    assert staffed.facts("case_decided") == []
    assert decide(staffed, "c1").outcome == "ignored"
    assert decide(staffed, "c1", by=MANAGER).outcome == "done"
    assert staffed.last("case_decided").data.ruling.row_id == "S3"
    staffed.judged_again()


def test_whoever_is_above_the_team_is_no_case_of_the_directors(staffed: Office) -> None:
    """A1, T13: the clubhouse supervisor stands above the team leaders."""
    whole(staffed, "c1", who="supervisor-sample")
    assert staffed.last("case_forwarded").data.ruling.reason == "above_grade_ceiling"
    staffed.judged_again()


@pytest.mark.parametrize(
    ("by", "reason"), [(BEN, "not_the_holder"), ("south-director", "outside_own_office"), (ANN, "own_case")]
)
def test_who_may_not_decide_is_refused_and_recorded(staffed: Office, by: str, reason: str) -> None:
    opened(staffed, "c1")
    heard(staffed, "c1")
    assert decide(staffed, "c1", by=by).outcome == "refused"
    assert staffed.last("case_refused").data.reason == reason
    staffed.judged_again()


def test_the_four_answers_of_opening_and_deciding(staffed: Office) -> None:
    assert [opened(staffed, "c1").outcome, opened(staffed, "c1").outcome] == ["done", "ignored"]
    assert (opened(staffed, "c1", code="rude").error or {})["code"] == "case_id_reused"
    assert (opened(staffed, "c2", code="dancing").error or {})["code"] == "unknown_offence"
    assert (opened(staffed, "c2", on=NOW + timedelta(days=1)).error or {})["code"] == "incident_ahead"
    heard(staffed, "c1")
    assert [decide(staffed, "c1", finding="no_breach").outcome for _ in range(2)] == ["done", "ignored"]
    assert (decide(staffed, "c1").error or {})["code"] == "case_decided"
    assert (decide(staffed, "c9").error or {})["code"] == "no_such_case"
    staffed.judged_again()


def appealed(office: Office, *, days: int = 0) -> Answer:
    notice = GiveCaseNotice(case_id="c1", staff_id=ANN, given_on=office.now.date(), document="file 9")
    assert [office.ask(notice).outcome, office.ask(notice).outcome] == ["done", "ignored"]
    office.now += timedelta(days=days)
    return office.ask(AppealCase(case_id="c1", staff_id=ANN, grounds="The bus stood still."), by=ANN)


@pytest.mark.parametrize(("days", "outcome"), [(-1, "rejected"), (0, "done"), (1, "rejected")])
def test_nobody_is_told_of_a_decision_before_it_is_taken_or_in_the_future(
    staffed: Office, days: int, outcome: str
) -> None:
    whole(staffed, "c1")
    notice = GiveCaseNotice(case_id="c1", staff_id=ANN, given_on=NOW + timedelta(days=days), document="file 9")
    assert staffed.ask(notice).outcome == outcome


@pytest.mark.parametrize(("days", "outcome"), [(14, "done"), (15, "done"), (16, "refused")])
def test_an_appeal_is_open_for_as_many_days_as_the_house_gives(staffed: Office, days: int, outcome: str) -> None:
    whole(staffed, "c1")
    assert appealed(staffed, days=days).outcome == outcome
    staffed.judged_again()


def test_an_appeal_that_succeeds_reverses_the_case_by_a_new_fact_and_it_counts_no_more(staffed: Office) -> None:
    whole(staffed, "c1")
    decided = staffed.last("case_decided")
    assert appealed(staffed).outcome == "done"
    request = DecideAppeal(case_id="c1", staff_id=ANN, outcome="overturned", grounds="It did.")
    assert staffed.ask(request, by=DIRECTOR).outcome == "refused"
    assert [staffed.ask(request, by=MANAGER).outcome, staffed.ask(request, by=MANAGER).outcome] == ["done", "ignored"]
    assert staffed.last("case_reversed").data.reverses == decided.id
    assert staffed.facts("case_decided") == [decided]
    assert staffed.read(GetConduct(staff_id=ANN))["standing"] == {}
    whole(staffed, "c2")
    assert staffed.last("case_decided").data.level == 1
    staffed.judged_again()


def test_an_appeal_is_never_decided_by_who_decided_the_case(staffed: Office) -> None:
    whole(staffed, "c1", code="theft")
    decide(staffed, "c1", by=MANAGER)
    notice = GiveCaseNotice(case_id="c1", staff_id=ANN, given_on=NOW, document="file 9")
    assert staffed.ask(notice, by=MANAGER).outcome == "done"
    staffed.ask(AppealCase(case_id="c1", staff_id=ANN, grounds="Not me."), by=ANN)
    request = DecideAppeal(case_id="c1", staff_id=ANN, outcome="upheld", grounds="It stands.")
    assert staffed.ask(request, by=MANAGER).outcome == "refused"
    assert staffed.last("case_refused").data.reason == "own_case"
    assert [staffed.ask(request, by=HR).outcome, staffed.ask(request, by=HR).outcome] == ["done", "ignored"]
    assert staffed.read(GetConduct(staff_id=ANN))["standing"] == {"theft": 1}
    staffed.judged_again()


def test_who_decided_a_case_in_somebodys_name_decides_its_appeal_in_nobodys(staffed: Office) -> None:
    lent: dict[str, Any] = {"property_id": NORTH, "first_on": NOW, "last_on": NOW}
    staffed.hire("hr-2", grade="supervisor", position="hr")
    for name, lender, deputy in (("d1", MANAGER, HR), ("d2", HR, "hr-2")):
        staffed.register(DelegateAuthority(delegation_id=name, from_staff_id=lender, to_staff_id=deputy, **lent))
    whole(staffed, "c1", code="theft")
    asked = DecideCase(case_id="c1", staff_id=ANN, finding="breach", grounds="Seen.")
    assert staffed.ask(asked, by=HR, on_behalf_of=MANAGER, delegation="d1").outcome == "done"
    staffed.ask(AppealCase(case_id="c1", staff_id=ANN, grounds="Not me."), by=ANN)
    request = DecideAppeal(case_id="c1", staff_id=ANN, outcome="upheld", grounds="It stands.")
    assert [staffed.ask(request, by=one).outcome for one in (HR, MANAGER)] == ["refused", "refused"]
    assert staffed.ask(request, by="hr-2", on_behalf_of=HR, delegation="d2").outcome == "refused"
    assert {event.data.reason for event in staffed.facts("case_refused")} == {"own_case"}
    assert staffed.ask(request, by="hr-2").outcome == "done"
    staffed.judged_again()


def test_only_the_person_appeals(staffed: Office) -> None:
    whole(staffed, "c1")
    answer = staffed.ask(AppealCase(case_id="c1", staff_id=ANN, grounds="Unjust."), by=BEN)
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "not_the_person")


def test_k1_and_k2_count_days_on_time_breaches_and_repetitions(staffed: Office) -> None:
    first = NOW + timedelta(days=1)
    for number, arrival in enumerate(("08:59", "09:10", None)):
        staffed.came(arrival, "17:00" if arrival else None, day=first + timedelta(days=number))
    whole(staffed, "c1", on=first)
    whole(staffed, "c2", on=first + timedelta(days=1))
    counts = staffed.read(GetPersonCounts(staff_id=ANN, first_on=first, last_on=first + timedelta(days=9)))
    assert counts == {
        "staff_id": ANN,
        "scheduled": 3,
        "on_time": 1,
        "late": 1,
        "early": 0,
        "absent": 1,
        "breaches": 2,
        "repeated": 1,
    }


def test_every_prefix_of_a_persons_conduct_folds(staffed: Office) -> None:
    test_an_appeal_that_succeeds_reverses_the_case_by_a_new_fact_and_it_counts_no_more(staffed)
    history = [event for event in staffed.facts() if event.subject == f"conduct-{ANN}"]
    assert len(history) >= 8
    for length in range(len(history) + 1):
        CONDUCT.fold(history[:length])
    assert MONDAY < NOW
