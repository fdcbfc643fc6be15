"""`bailiwick attendance`: a command for everything that may be asked, made from the request, and what it says of the answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.appraisal import SubmitAppraisal
from bailiwick_contracts.attendance import RecordPunches
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.leave import LeaveDay, RequestLeave, SetLeaveBalance
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.month import DisputeAttendance
from bailiwick_contracts.overtime import SubmitOvertime
from bailiwick_contracts.payroll import GetPayroll
from bailiwick_contracts.registry import OffsetChange
from bailiwick_contracts.team import RecommendPayChange

from services.attendance.app import SERVICE
from services.cli import form, verdict
from services.cli.attendance import VERBS
from services.wall_clock import BadCell, Clocks
from tests.attendance.house import RULES
from tests.attendance.office import ANN, MONDAY, Office, local
from tests.command_line import missing

SHANGHAI = Clocks((OffsetChange(at=local("00:00"), offset_seconds=28_800),))


def typed(request: type[Request], **given: Any) -> Any:
    return request.parse(form.body(request, given, lambda: SHANGHAI))


def test_everything_that_may_be_asked_of_attendance_has_a_command_but_punches_and_the_payroll_file() -> None:
    commanded = {verb.request for verbs in VERBS.values() for verb in verbs.values()}
    assert {*SERVICE.commands, *SERVICE.queries} - commanded == {RecordPunches, GetPayroll}


@pytest.mark.parametrize(("noun", "verb"), [(noun, verb) for noun, verbs in VERBS.items() for verb in verbs])
def test_each_command_says_what_it_is_for_and_takes_every_field_of_its_request(noun: str, verb: str) -> None:
    assert missing(VERBS[noun][verb].request, "attendance", noun, verb) == set()


def test_days_and_halves_of_leave_are_typed_one_by_one() -> None:
    asked = typed(RequestLeave, leave_id="l1", staff_id=ANN, kind="sick", grounds="@home, ill",
                  days=["2026-03-02", "2026-03-03,part=first_half"])  # fmt: skip
    assert asked.days == (LeaveDay(day=MONDAY), LeaveDay(day=MONDAY.replace(day=3), part="first_half"))
    assert asked.grounds == "@home, ill"


def test_numbers_shares_and_amounts_are_typed_as_people_write_them() -> None:
    balance = typed(SetLeaveBalance, staff_id=ANN, kind="annual", year="2026", days="2.5", why="contract")
    assert (balance.days, balance.year) == (Ratio(numerator=5, denominator=2), 2026)
    fine = typed(DecidePenalty, penalty_id="p1", staff_id=ANN, day="2026-03-02", occurrence="late", grounds="late",
                 requested="share=1/5")  # fmt: skip
    assert fine.requested == Requested(share=Ratio(numerator=1, denominator=5))
    amount = Money.model_validate({"amount": "200.00"})
    fine = typed(DecidePenalty, penalty_id="p1", staff_id=ANN, day="2026-03-02", occurrence="late", grounds="late",
                 requested="amount=200.00")  # fmt: skip
    assert fine.requested == Requested(amount=amount)
    more = typed(RecommendPayChange, matter_id="m1", staff_id=ANN, direction="raise", amount="200.00", grounds="good")
    assert more.amount == amount


def test_an_hour_without_its_offset_is_the_property_s_own() -> None:
    hours = {"starts_at": "2026-03-02T18:00", "ends_at": "2026-03-02T22:00:00+09:00"}
    asked = typed(SubmitOvertime, overtime_id="o1", staff_id=ANN, day="2026-03-02", grounds="flood", **hours)
    assert (asked.starts_at, asked.ends_at) == (local("18:00"), local("21:00"))
    with pytest.raises(BadCell):
        typed(SubmitOvertime, overtime_id="o1", staff_id=ANN, day="2026-03-02", grounds="flood", starts_at="six")


def test_several_parts_may_stand_in_a_file(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps([{"section": "duty", "score": 80}, {"section": "service", "score": 70}]))
    sheet = typed(SubmitAppraisal, month="2026-03", staff_id=ANN, signed=True, scores=[f"@{scores}"])
    assert [one.score for one in sheet.scores] == [80, 70]
    with pytest.raises(ValueError, match="holds no JSON"):
        typed(DisputeAttendance, month="2026-03", grounds="wrong", days=[f"@{tmp_path / 'none.json'}"])


def test_what_is_left_out_or_misspelt_is_an_error_of_the_request(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="section"):
        typed(SubmitAppraisal, month="2026-03", staff_id=ANN, signed=True, scores=["score=80"])
    with pytest.raises(ValueError, match="no such field"):
        typed(RequestLeave, leave_id="l1", staff_id=ANN, kind="sick", grounds="ill", days=["2026-03-02,half=first"])


def test_a_refusal_names_clause_limit_what_was_asked_and_who_may(office: Office) -> None:
    office.adopt(RULES)
    amount = Money.model_validate({"amount": "200.01"})
    request = RecommendPayChange(matter_id="m1", staff_id=ANN, direction="raise", amount=amount, grounds="good")
    answer = office.ask(request)
    assert answer.outcome == "refused"
    told = verdict.said(answer, request)
    assert (told["clause"], told["limit"], told["asked"], told["who_may"]) == (
        "A4", "amount: at most 200.00 CNY", "amount 200.01 CNY", "property_manager"
    )  # fmt: skip
