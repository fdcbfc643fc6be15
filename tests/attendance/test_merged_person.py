"""A person with two ids, once they are known to be one: whichever of them is asked about, the history of both is answered."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from bailiwick_contracts.attendance import GetDay, ListDays, ListPunches
from bailiwick_contracts.breach import DecideCase, GetConduct, OpenCase, RecordStatement
from bailiwick_contracts.conduct import ListPenalties
from bailiwick_contracts.leave import DecideLeave, GetLeave, LeaveDay, RequestLeave
from bailiwick_contracts.message import Request
from bailiwick_contracts.month import GetPersonCounts
from bailiwick_contracts.overtime import ConfirmOvertime, GetOvertime, GrantCompLeave, SubmitOvertime
from bailiwick_contracts.staff import MergeStaff
from bailiwick_contracts.team import DecideReward, GetTeam

from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, MONDAY, Office, local

FRIDAY = MONDAY + timedelta(days=4)
YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def history(office: Office, who: str, day: date) -> None:
    """Late on a day and penalised, four hours of overtime for half a day of comp leave, a day off, a breach, praise."""
    office.came("09:20", day=day, who=who)
    office.penalise(f"p-{who}", who=who, day=day)
    evening = {"day": day, "starts_at": local("18:00", day), "ends_at": local("22:00", day)}
    office.now = local("22:00", day)
    about = {"overtime_id": f"o-{who}", "staff_id": who}
    office.ask(SubmitOvertime.model_validate({**about, **evening, "grounds": "Sample."}))
    office.ask(ConfirmOvertime.model_validate({**about, "worked_seconds": 14_400}))
    office.ask(GrantCompLeave.model_validate(about))
    off = (LeaveDay(day=day + timedelta(days=14)),)
    office.ask(RequestLeave(leave_id=f"l-{who}", staff_id=who, kind="annual", days=off, grounds="Sample."), by=who)
    office.ask(DecideLeave(leave_id=f"l-{who}", staff_id=who, grounds="Sample."))
    case = {"case_id": f"c-{who}", "staff_id": who}
    office.ask(OpenCase.model_validate({**case, "incident_on": day, "code": "rude", "grounds": "Sample."}))
    office.ask(RecordStatement.model_validate(case), by=who)
    office.ask(DecideCase.model_validate({**case, "finding": "breach", "grounds": "Sample."}))
    office.ask(DecideReward(matter_id=f"m-{who}", staff_id=who, reward="praise", grounds="Sample."))


@pytest.mark.parametrize("asked", [ANN, BEN])
def test_whichever_id_is_asked_about_the_history_of_both_is_answered(office: Office, asked: str) -> None:
    office.staff_the_company()
    office.adopt(RULES)
    history(office, BEN, MONDAY)
    history(office, ANN, FRIDAY)
    office.register(MergeStaff(staff_id=BEN, into_staff_id=ANN))

    def read(request: Request) -> Mapping[str, Any]:
        found: Mapping[str, Any] = office.read(request)
        return found

    leave = read(GetLeave(staff_id=asked, year=2026))
    assert (sorted(leave["leaves"]), leave["left"]) == ([f"l-{ANN}", f"l-{BEN}"], {"annual": "3", "comp": "1"})
    overtime = read(GetOvertime(staff_id=asked))
    assert (sorted(overtime["overtimes"]), overtime["granted"]) == ([f"o-{ANN}", f"o-{BEN}"], {"2026": "1"})
    assert read(GetConduct(staff_id=asked))["standing"] == {"rude": 2}
    assert sorted(read(GetTeam(staff_id=asked))["matters"]) == [f"m-{ANN}", f"m-{BEN}"]
    counts = read(GetPersonCounts(staff_id=asked, first_on=YEAR[0], last_on=YEAR[1]))
    assert (counts["scheduled"], counts["late"], counts["breaches"]) == (2, 2, 2)
    assert read(GetDay(staff_id=asked, day=MONDAY))["derived"]["occurrences"][0]["seconds"] == 1200
    assert len(read(ListDays(staff_id=asked, first_on=YEAR[0], last_on=YEAR[1]))["days"]) == 2
    assert len(read(ListPunches(staff_id=asked, since=local("00:00"), until=local("23:00", FRIDAY)))["punches"]) == 4
    assert len(read(ListPenalties(staff_id=asked))["penalties"]) == 2
