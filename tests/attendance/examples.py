"""`python -m tests.attendance.examples`: examples of attendance's newer messages, out of a scene that is really played.

What has an example keeps it; delete nothing that was released.
"""

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bailiwick_contracts.appraisal import CheckAppraisals, GetAppraisals, OpenAppraisals, Score, SubmitAppraisal
from bailiwick_contracts.attendance import DeriveDays
from bailiwick_contracts.breach import (
    AppealCase,
    DecideAppeal,
    DecideCase,
    GetConduct,
    GiveCaseNotice,
    OpenCase,
    RecordStatement,
)
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.house_rules import AdoptHouseRules, GetHouseRules, OverriddenDay, OverrideCalendar
from bailiwick_contracts.leave import (
    CancelLeave,
    DecideLeave,
    GetLeave,
    LeaveDay,
    RequestLeave,
    SetLeaveBalance,
)
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.month import (
    CloseMonth,
    ConfirmAttendance,
    DisputeAttendance,
    DisputedDay,
    GetMonth,
    GetPersonCounts,
    ListWorkingDays,
    SupplyAttendance,
)
from bailiwick_contracts.notice import GivePenaltyNotice
from bailiwick_contracts.offsite import ConfirmOffsiteWork, ErrandEvidence
from bailiwick_contracts.overtime import (
    ConfirmOvertime,
    GetOvertime,
    GrantCompLeave,
    RecommendOvertimePay,
    SubmitOvertime,
)
from bailiwick_contracts.payroll import GetPayroll, HandOverPayroll
from bailiwick_contracts.swap import RosteredPart, SwapShifts
from bailiwick_contracts.team import (
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    GetTeam,
    RecommendDismissal,
    RecommendPayChange,
)
from bailiwick_contracts.temporary import EndTemp, GetTemporary, HireTemp

from tests.attendance.house import RULES
from tests.attendance.office import DIRECTOR, HR, MANAGER, MONDAY, Office, local, punch, shift
from tests.contracts.examples import DOOR, PERSON, keep_facts, keep_requests, keys_in
from tests.kernel.due import fire_due

DAYS = [MONDAY + timedelta(days=offset) for offset in range(20)]
MARCH = "2026-03"
WHY = "樣本事由"


class Scene:
    """An office whose requests are kept, the first of each kind that was not rejected."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.requests: list[Request] = []

    def ask(self, request: Request, *, by: str = DIRECTOR, **more: Any) -> None:
        answer = self.office.ask(request, by=by, **more)
        assert answer.outcome != "rejected", answer
        self.requests.append(request)

    def read(self, request: Request) -> None:
        self.office.read(request)
        self.requests.append(request)


def months(scene: Scene) -> None:
    office = scene.office
    office.came(None, day=DAYS[0], who=PERSON)
    errand = {"confirmation_id": "off-0001", "staff_id": PERSON, "day": DAYS[0], "direction": "in", "grounds": WHY}
    shown = (ErrandEvidence(kind="work_order", reference="wo-2026-0117").model_dump(),)
    scene.ask(ConfirmOffsiteWork.model_validate(errand | {"evidence": shown}), by="south-director")
    scene.ask(ConfirmOffsiteWork.model_validate(errand | {"confirmation_id": "off-0002", "evidence": shown}))
    office.came("09:20", day=DAYS[1], who=PERSON)
    notice = GivePenaltyNotice(
        notice_id="notice-0001", staff_id=PERSON, day=DAYS[1], occurrence="late", document="file 2026/17", grounds=WHY,
        requested=Requested(share=Ratio(numerator=1, denominator=5)),
    )  # fmt: skip
    scene.ask(notice)
    scene.ask(notice.model_copy(update={"notice_id": "notice-0002"}), by=MANAGER)
    scene.ask(AdoptHouseRules(rules=RULES), by=HR)
    scene.ask(AdoptHouseRules(rules=RULES.model_copy(update={"version": "house-2"})), by=DIRECTOR)
    scene.ask(OverrideCalendar(days=(OverriddenDay(on=DAYS[5], kind="working_day"),), why="made up for 1 May"))
    scene.read(GetHouseRules())
    scene.read(ListWorkingDays(first_on=DAYS[0], last_on=DAYS[9]))


def absences(scene: Scene) -> None:
    scene.ask(
        SetLeaveBalance(staff_id=PERSON, kind="annual", year=2026, days=Ratio(numerator=7), why="服務年資"), by=HR
    )
    half = LeaveDay(day=DAYS[9], part="first_half")
    scene.ask(RequestLeave(leave_id="leave-0001", staff_id=PERSON, kind="annual", days=(half,), grounds=WHY), by=PERSON)
    scene.ask(DecideLeave(leave_id="leave-0001", staff_id=PERSON, grounds=WHY))
    scene.ask(CancelLeave(leave_id="leave-0001", staff_id=PERSON, grounds=WHY))
    two = tuple(LeaveDay(day=day) for day in DAYS[14:16])
    scene.ask(RequestLeave(leave_id="leave-0002", staff_id=PERSON, kind="sick", days=two, grounds=WHY), by=PERSON)
    scene.ask(DecideLeave(leave_id="leave-0002", staff_id=PERSON, grounds=WHY), by="south-director")
    scene.ask(DecideLeave(leave_id="leave-0002", staff_id=PERSON, grounds=WHY))
    scene.ask(DecideLeave(leave_id="leave-0002", staff_id=PERSON, decision="decline", grounds=WHY), by=MANAGER)
    scene.read(GetLeave(staff_id=PERSON, year=2026))
    for number in (1, 2, 3):
        scene.ask(
            SubmitOvertime(
                overtime_id=f"ot-000{number}", staff_id=PERSON, day=DAYS[number], starts_at=local("18:00", DAYS[number]),
                ends_at=local("20:00", DAYS[number]), grounds=WHY,
            ),
            by=DIRECTOR if number < 3 else "south-director",
        )  # fmt: skip
    scene.office.now = max(scene.office.now, local("20:00", DAYS[3]))
    for number in (1, 2):
        scene.ask(ConfirmOvertime(overtime_id=f"ot-000{number}", staff_id=PERSON, worked_seconds=7_200))
    scene.ask(GrantCompLeave(overtime_id="ot-0001", staff_id=PERSON))
    scene.ask(RecommendOvertimePay(overtime_id="ot-0002", staff_id=PERSON))
    scene.read(GetOvertime(staff_id=PERSON))


def discipline(scene: Scene) -> None:
    scene.office.now = local("09:00", DAYS[15])
    opened = OpenCase(case_id="case-0001", staff_id=PERSON, incident_on=DAYS[14], code="late-report", grounds=WHY)
    scene.ask(opened)
    scene.ask(opened.model_copy(update={"case_id": "case-0002"}))
    scene.ask(RecordStatement(case_id="case-0001", staff_id=PERSON, statement="樣本陳述"), by=PERSON)
    scene.ask(DecideCase(case_id="case-0001", staff_id=PERSON, finding="breach", grounds=WHY))
    scene.ask(GiveCaseNotice(case_id="case-0001", staff_id=PERSON, given_on=DAYS[15], document="file 2026/18"))
    scene.ask(AppealCase(case_id="case-0001", staff_id=PERSON, grounds=WHY), by=PERSON)
    scene.ask(DecideAppeal(case_id="case-0001", staff_id=PERSON, outcome="overturned", grounds=WHY), by=MANAGER)
    scene.ask(OpenCase(case_id="case-0003", staff_id=PERSON, incident_on=DAYS[14], code="theft", grounds=WHY))
    scene.ask(RecordStatement(case_id="case-0003", staff_id=PERSON))
    scene.ask(DecideCase(case_id="case-0003", staff_id=PERSON, finding="breach", grounds=WHY))
    scene.read(GetConduct(staff_id=PERSON))


def team(scene: Scene) -> None:
    day = DAYS[19]
    bonus = Money.model_validate({"amount": "300.00"})
    scene.ask(DecideReward(matter_id="team-0001", staff_id=PERSON, reward="bonus", amount=bonus, grounds=WHY))
    scene.ask(DecideTransfer(matter_id="team-0002", staff_id=PERSON, position="guard", effective_on=day, grounds=WHY))
    chosen = AppointToTeam(matter_id="team-0003", staff_id=PERSON, position="guard", effective_on=day, grounds=WHY)
    scene.ask(chosen)
    scene.ask(chosen.model_copy(update={"matter_id": "team-0004", "staff_id": MANAGER}))
    scene.ask(chosen.model_copy(update={"matter_id": "team-0005"}), by=HR)
    scene.ask(RecommendDismissal(matter_id="team-0006", staff_id=PERSON, cases=("case-0003",), grounds=WHY))
    change = Money.model_validate({"amount": "150.00"})
    scene.ask(RecommendPayChange(matter_id="team-0007", staff_id=PERSON, direction="raise", amount=change, grounds=WHY))
    for number in (1, 2, 3):
        scene.ask(HireTemp(hire_id=f"temp-000{number}", position="cleaner", first_on=DAYS[15], last_on=day, why="盤點"))
    scene.ask(EndTemp(hire_id="temp-0001", last_on=DAYS[17]))
    scene.read(GetTeam(staff_id=PERSON))
    scene.read(GetTemporary())
    scene.office.roster(day, who=(PERSON,))
    scene.office.roster(DAYS[18], who=(MANAGER,), shifts=lambda on: (shift("14:00", "22:00", on),))
    parts = RosteredPart(staff_id=PERSON, day=day), RosteredPart(staff_id=MANAGER, day=DAYS[18])
    scene.ask(SwapShifts(roster_id="swap-0001", first=parts[0], second=parts[1]))
    scene.office.now = local("23:30", day)
    scene.office.ask(DeriveDays(first_on=DAYS[0], last_on=day))


def close(scene: Scene) -> None:
    office = scene.office
    office.now = local("09:00", date(2026, 4, 1))
    scene.ask(ConfirmAttendance(month=MARCH))
    scene.ask(SupplyAttendance(month=MARCH), by=HR)
    scene.ask(DisputeAttendance(month=MARCH, days=(DisputedDay(staff_id=PERSON, day=DAYS[1]),), grounds=WHY))
    office.punches(punch("correction", PERSON, "in", local("09:15", DAYS[1])))
    scene.ask(SupplyAttendance(month=MARCH), by=HR)
    scene.ask(ConfirmAttendance(month=MARCH, sheet=2))
    scene.ask(CloseMonth(month=MARCH), by=HR)
    scene.ask(HandOverPayroll(month=MARCH), by=HR)
    scene.read(GetPayroll(month=MARCH, as_of=office.now))
    office.punches(punch("late-arrival", PERSON, "in", local("09:05", DAYS[1])))
    scene.read(GetMonth(month=MARCH))
    scene.read(GetPersonCounts(staff_id=PERSON, first_on=DAYS[0], last_on=DAYS[19]))


def appraisals(scene: Scene) -> None:
    office = scene.office
    office.now = max(office.now, local("09:00", date(2026, 4, 1)))
    scene.ask(OpenAppraisals(month=MARCH, staff_ids=(PERSON, MANAGER)))
    sheet = SubmitAppraisal(
        month=MARCH, staff_id=PERSON, signed=True, comment="樣本評語",
        scores=tuple(Score(section=section, score=85) for section in ("duty", "service", "conduct")),
    )  # fmt: skip
    scene.ask(sheet, by="south-director")
    scene.ask(sheet)
    fire_due(office.attendance, office.store, local("00:01", date(2026, 4, 3)))
    scene.read(GetAppraisals(month=MARCH))
    scene.requests.append(CheckAppraisals(month=MARCH))


SCENES = (months, absences, discipline, team, close, appraisals)


def play(directory: Path) -> tuple[Office, list[Request]]:
    """The whole scene, on a store in `directory`."""
    keys_in(directory)
    office = Office(f"sqlite:///{directory / 'store.sqlite'}", directory, DOOR)
    office.set_up(people=(PERSON,))
    office.staff_the_company()
    scene = Scene(office)
    for part in SCENES:
        part(scene)
    return office, scene.requests


def main() -> None:
    """Play it, keep what has no example yet, and say which."""
    with tempfile.TemporaryDirectory() as directory:
        office, requests = play(Path(directory))
        raws = [
            fact.raw for place in office.store.heads() if place != "*" for fact in office.store.chain(place, 0, 10_000)
        ]
        kept = [*keep_facts(raws), *keep_requests(requests)]
        office.judged_again()
        office.close()
    sys.stdout.write("".join(f"{wire}\n" for wire in kept) + f"{len(kept)} new examples\n")


if __name__ == "__main__":
    main()
