"""The demonstration's people: leave that adjoins, overtime, a breach heard, decided and appealed, a post and a pay change at the limit."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from bailiwick_contracts.breach import (
    AppealCase,
    DecideAppeal,
    DecideCase,
    GiveCaseNotice,
    OpenCase,
    RecordStatement,
)
from bailiwick_contracts.house_rules import AdoptHouseRules, HouseRules
from bailiwick_contracts.leave import CancelLeave, DecideLeave, RequestLeave
from bailiwick_contracts.message import Request
from bailiwick_contracts.overtime import ConfirmOvertime, GrantCompLeave, RecommendOvertimePay, SubmitOvertime
from bailiwick_contracts.staff import AssignPosition, RegisterStaff
from bailiwick_contracts.team import RecommendPayChange
from bailiwick_contracts.temporary import HireTemp

from services.demo.tickets import DIRECTOR, PLACE, Step

MANAGER = "north-manager"
SICK, BUSY, BLAMED, FOREMAN = "north-17", "north-18", "north-19", "north-02"
GROUNDS = "示範"
_RULES: dict[str, Any] = {
    "version": "demo-house-1",
    "offences": (
        {"code": "post-left", "title": "離崗", "ladder": ({"sanction": "warning"}, {"sanction": "days_without_duty", "days": 1})},
        {"code": "theft", "title": "盜竊", "severity": "serious", "ladder": ({"sanction": "dismissal"},)},
    ),
    "leave_kinds": (
        {"code": "sick", "title": "病假", "paid": True},
        {"code": "comp", "title": "補休", "paid": True, "from_overtime": True},
    ),
    "headcount": ({"position": "cleaner", "approved": 1},),
    "appraisal": {"sections": ("duty", "service", "conduct")},
}  # fmt: skip


def above(hired_on: date) -> Iterator[Request]:
    """The manager above the office, whom the set-up registers at the company."""
    yield RegisterStaff(staff_id=MANAGER, name="示範經理", phone="13900009000", home_property=PLACE, hired_on=hired_on)
    yield AssignPosition(
        staff_id=MANAGER, property_id=PLACE, position="property_manager", grade="manager", effective_on=hired_on
    )


def prepared() -> Iterator[Request]:
    """The house's rules: what the set-up adopts before anybody decides by them."""
    yield AdoptHouseRules(rules=HouseRules.model_validate(_RULES))


def _leave(leave_id: str, day: str) -> RequestLeave:
    return RequestLeave.model_validate(
        {"leave_id": leave_id, "staff_id": SICK, "kind": "sick", "days": ({"day": day},), "grounds": GROUNDS},
        strict=False,
    )


def _decide(leave_id: str) -> DecideLeave:
    return DecideLeave(leave_id=leave_id, staff_id=SICK, grounds=GROUNDS)


def _overtime(overtime_id: str, day: str) -> SubmitOvertime:
    return SubmitOvertime.model_validate(
        {"overtime_id": overtime_id, "staff_id": BUSY, "day": day, "starts_at": f"{day}T01:00:00Z",
         "ends_at": f"{day}T05:00:00Z", "grounds": GROUNDS},
        strict=False,
    )  # fmt: skip


def _pay(matter_id: str, amount: str) -> RecommendPayChange:
    return RecommendPayChange.model_validate(
        {
            "matter_id": matter_id,
            "staff_id": BUSY,
            "direction": "raise",
            "amount": {"amount": amount},
            "grounds": GROUNDS,
        }
    )


def scene(today: date) -> Iterator[Step]:
    """Each step in its order; `today` is the date on which the decision of the case is handed over."""
    yield Step("a day of sick leave is asked for", "A12", SICK, _leave("demo-1", "2026-04-01"), "leave_requested")
    yield Step("approved: one day, exactly", "A12", DIRECTOR, _decide("demo-1"), "leave_approved")
    yield Step("the day after it is asked for", "A12", SICK, _leave("demo-2", "2026-04-02"), "leave_requested")
    yield Step("it adjoins: two days count as one", "A12", DIRECTOR, _decide("demo-2"), "leave_forwarded")
    yield Step("approved by the manager", "S2", MANAGER, _decide("demo-2"), "leave_approved")
    cancel = CancelLeave(leave_id="demo-1", staff_id=SICK, grounds=GROUNDS)
    yield Step("a colleague cancels it", "A12", BUSY, cancel, "leave_refused")

    yield Step("four hours on a Saturday are submitted", "A11", DIRECTOR, _overtime("demo-1", "2026-03-07"),
               "overtime_submitted")  # fmt: skip
    worked = ConfirmOvertime(overtime_id="demo-1", staff_id=BUSY, worked_seconds=14_400)
    yield Step("they were worked", "A11", DIRECTOR, worked, "overtime_confirmed")
    granted = GrantCompLeave(overtime_id="demo-1", staff_id=BUSY)
    yield Step("half a day of comp leave for them", "A5", DIRECTOR, granted, "comp_leave_granted")
    yield Step("four hours on a Sunday are submitted", "A11", DIRECTOR, _overtime("demo-2", "2026-03-08"),
               "overtime_submitted")  # fmt: skip
    again = worked.model_copy(update={"overtime_id": "demo-2"})
    yield Step("they were worked too", "A11", DIRECTOR, again, "overtime_confirmed")
    paid = RecommendOvertimePay(overtime_id="demo-2", staff_id=BUSY)
    yield Step("pay at 200 %: only recommended", "A6", DIRECTOR, paid, "overtime_pay_recommended")

    opened = OpenCase(
        case_id="demo-1", staff_id=BLAMED, incident_on=date(2026, 3, 10), code="post-left", grounds=GROUNDS
    )
    yield Step("a breach: the post was left", "G4", DIRECTOR, opened, "case_opened")
    twice = opened.model_copy(update={"case_id": "demo-2"})
    yield Step("the same breach a second time that day", "G4", DIRECTOR, twice, "case_refused")
    decided = DecideCase(case_id="demo-1", staff_id=BLAMED, finding="breach", grounds=GROUNDS)
    yield Step("decided before the person was heard", "G4", DIRECTOR, decided, "case_refused")
    heard = RecordStatement(case_id="demo-1", staff_id=BLAMED, statement=GROUNDS)
    yield Step("the person is heard", "G4", BLAMED, heard, "statement_recorded")
    yield Step("decided: the ladder says a warning", "G4", DIRECTOR, decided, "case_decided")
    told = GiveCaseNotice(case_id="demo-1", staff_id=BLAMED, given_on=today, document="demo-notice")
    yield Step("told in writing", "G4", DIRECTOR, told, "case_notice_given")
    yield Step("the person appeals", "G4", BLAMED,
               AppealCase(case_id="demo-1", staff_id=BLAMED, grounds=GROUNDS), "case_appealed")  # fmt: skip
    outcome = DecideAppeal(case_id="demo-1", staff_id=BLAMED, outcome="overturned", grounds=GROUNDS)
    yield Step("the appeal, by who decided the case", "S3", DIRECTOR, outcome, "case_refused")
    yield Step("the appeal, by the manager: reversed", "S3", MANAGER, outcome, "appeal_decided")
    serious = OpenCase(case_id="demo-3", staff_id=BLAMED, incident_on=date(2026, 3, 11), code="theft", grounds=GROUNDS)
    yield Step("a serious breach", "G4", DIRECTOR, serious, "case_opened")
    yield Step("nothing is said to it", "G4", BLAMED,
               RecordStatement(case_id="demo-3", staff_id=BLAMED), "statement_recorded")  # fmt: skip
    for_above = decided.model_copy(update={"case_id": "demo-3"})
    yield Step("decided by the director: it is for the manager", "D4b", DIRECTOR, for_above, "case_forwarded")

    hired = HireTemp(
        hire_id="demo-1", position="cleaner", first_on=date(2026, 4, 1), last_on=date(2026, 4, 30), why=GROUNDS
    )
    yield Step("the one approved temporary post", "A3", DIRECTOR, hired, "temp_hired")
    beyond = hired.model_copy(update={"hire_id": "demo-2"})
    yield Step("a second one: beyond the headcount", "A3", DIRECTOR, beyond, "hire_refused")
    yield Step("200.00 more a month, exactly", "A4", DIRECTOR, _pay("demo-1", "200.00"), "pay_change_recommended")
    yield Step("200.01 more a month", "A4", DIRECTOR, _pay("demo-2", "200.01"), "team_matter_refused")
