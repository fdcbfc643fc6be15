"""Random commands and clocks against a plain model: caps, one penalty an occurrence, quotas, leave, cases, and folds that never raise."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bailiwick_contracts.breach import AppealCase, CaseDecided, DecideAppeal, DecideCase, OpenCase, RecordStatement
from bailiwick_contracts.leave import CancelLeave, DecideLeave, LeaveApproved, LeaveDay, RequestLeave
from bailiwick_contracts.overtime import (
    ConfirmOvertime,
    GrantCompLeave,
    RecommendOvertimePay,
    SubmitOvertime,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.attendance.machine import WEEK, DaysMachine, people
from tests.attendance.office import MANAGER, local


class OfficeMachine(DaysMachine):
    """The office with its leave, overtime and cases; the model remembers what was answered and counts for itself."""

    # -- leave and overtime ----------------------------------------------------------------------------------------------

    @rule(who=people, day=st.integers(0, 4), part=st.sampled_from(("whole", "first_half", "second_half")))
    def leave_is_asked_for(self, who: str, day: int, part: Any) -> None:
        self.number += 1
        leave_id = f"l{self.number}"
        request = RequestLeave(leave_id=leave_id, staff_id=who, kind="annual",
                               days=(LeaveDay(day=WEEK[day], part=part),), grounds="Sample.")  # fmt: skip
        if self.office.ask(request, by=who).outcome == "done":
            self.leaves[leave_id] = (who, "requested", day, part)

    @rule(data=st.data(), by=st.sampled_from(("director-sample", MANAGER)))
    def leave_is_decided(self, data: st.DataObject, by: str) -> None:
        if not self.leaves:
            return
        leave_id = data.draw(st.sampled_from(sorted(self.leaves)))
        who, status, day, part = self.leaves[leave_id]
        answer = self.office.ask(DecideLeave(leave_id=leave_id, staff_id=who, grounds="Sample."), by=by)
        if answer.outcome != "done":
            return
        (fact,) = [
            one
            for one in answer.facts
            if one.type.startswith(("attendance.leave_approved", "attendance.leave_forwarded"))
        ]
        approved = fact.type == LeaveApproved.wire()
        assert status in ("requested", "forwarded"), "leave was decided twice"
        if approved and by != MANAGER:
            assert self._joined(who, day) <= 1, "more than a day of leave was approved in the office (A12)"
        self.leaves[leave_id] = (who, "approved" if approved else "forwarded", day, part)

    def _joined(self, who: str, day: int) -> Decimal:
        """The days of leave in a row with a day, whether they are asked for or stand."""
        whole = {"whole": Decimal(1), "first_half": Decimal("0.5"), "second_half": Decimal("0.5")}
        of_day: Counter[int] = Counter()
        for person, status, on, part in self.leaves.values():
            if person == who and status in ("requested", "forwarded", "approved"):
                of_day[on] += whole[part]  # type: ignore[assignment]
        first = last = day
        while of_day[first - 1]:
            first -= 1
        while of_day[last + 1]:
            last += 1
        return sum((Decimal(of_day[on]) for on in range(first, last + 1)), Decimal(0))

    @rule(data=st.data())
    def leave_is_cancelled(self, data: st.DataObject) -> None:
        if not self.leaves:
            return
        leave_id = data.draw(st.sampled_from(sorted(self.leaves)))
        who, _, day, part = self.leaves[leave_id]
        if (
            self.office.ask(CancelLeave(leave_id=leave_id, staff_id=who, grounds="Sample."), by=MANAGER).outcome
            == "done"
        ):
            self.leaves[leave_id] = (who, "cancelled", day, part)

    @rule(who=people, hours=st.integers(1, 12), worked=st.integers(1, 14), by_leave=st.booleans())
    def overtime_is_worked(self, who: str, hours: int, worked: int, by_leave: bool) -> None:
        self.number += 1
        overtime_id, starts = f"o{self.number}", local("18:00", self.today)
        request = SubmitOvertime(overtime_id=overtime_id, staff_id=who, day=self.today, starts_at=starts,
                                 ends_at=starts + timedelta(hours=hours), grounds="Sample.")  # fmt: skip
        doubled = any(
            person == who and first < request.ends_at and starts < last for person, first, last in self.overtime
        )
        outcome = self.office.ask(request).outcome
        assert outcome == ("rejected" if doubled else "done"), "an hour is overtime once"
        if doubled:
            return
        self.overtime.append((who, starts, request.ends_at))
        self.office.now = max(self.office.now, starts + timedelta(hours=hours))
        confirmed = self.office.ask(
            ConfirmOvertime(overtime_id=overtime_id, staff_id=who, worked_seconds=worked * 3_600)
        )
        assert (confirmed.outcome == "done") == (worked <= hours), "more was confirmed than was submitted (A11)"
        asked: list[Any] = [GrantCompLeave(overtime_id=overtime_id, staff_id=who),
                            RecommendOvertimePay(overtime_id=overtime_id, staff_id=who)]  # fmt: skip
        outcomes = [self.office.ask(one).outcome for one in (asked if by_leave else asked[::-1])]
        assert outcomes == (["done", "rejected"] if worked <= hours else ["rejected", "rejected"]), (
            "overtime was made up for twice, or without being confirmed"
        )

    # -- cases -----------------------------------------------------------------------------------------------------------

    @rule(who=people, back=st.integers(0, 40))
    def a_case_is_opened(self, who: str, back: int) -> None:
        self.number += 1
        incident = self.today - timedelta(days=back)
        same = any(
            one["who"] == who and one["on"] == incident and one["status"] != "reversed" for one in self.cases.values()
        )
        request = OpenCase(
            case_id=f"k{self.number}", staff_id=who, incident_on=incident, code="late-report", grounds="Sample."
        )
        outcome = self.office.ask(request).outcome
        assert outcome == ("refused" if same else "done"), "one breach of a kind a person and day (C11)"
        if outcome == "done":
            self.cases[request.case_id] = {"who": who, "on": incident, "status": "opened", "heard": False}

    @rule(data=st.data(), hears=st.booleans(), guilty=st.booleans())
    def a_case_goes_on(self, data: st.DataObject, hears: bool, guilty: bool) -> None:
        if not self.cases:
            return
        case_id = data.draw(st.sampled_from(sorted(self.cases)))
        known = self.cases[case_id]
        who = known["who"]
        if known["status"] == "opened":
            if hears:
                self.office.ask(RecordStatement(case_id=case_id, staff_id=who, statement="Sample."), by=who)
                known["heard"] = True
            finding: Any = "breach" if guilty else "no_breach"
            standing = sum(one["who"] == who and one["status"] == "breach" and known["on"] - timedelta(days=365) <= one["on"] <= known["on"]
                           for one in self.cases.values())  # fmt: skip
            by = MANAGER if standing >= 4 else "director-sample"
            answer = self.office.ask(
                DecideCase(case_id=case_id, staff_id=who, finding=finding, grounds="Sample."), by=by
            )
            assert (answer.outcome == "done") == known["heard"], "nobody is judged unheard"
            if answer.outcome == "done":
                decided = self.office.last("case_decided").data
                assert isinstance(decided, CaseDecided)
                assert decided.level == (min(standing + 1, 5) if guilty else None), (
                    "the ladder is climbed by what stands (C10)"
                )
                known["status"] = finding
        elif known["status"] in ("breach", "no_breach"):
            self.office.ask(AppealCase(case_id=case_id, staff_id=who, grounds="Sample."), by=who)
            overturned: Any = "overturned" if guilty else "upheld"
            answer = self.office.ask(
                DecideAppeal(case_id=case_id, staff_id=who, outcome=overturned, grounds="Sample."), by=MANAGER
            )
            if answer.outcome == "done" and guilty:
                known["status"] = "reversed"

    @rule(hours=st.integers(-6, 72))
    def a_clock_jumps(self, hours: int) -> None:
        self.office.now += timedelta(hours=hours)


TestOffice = OfficeMachine.TestCase
TestOffice.settings = settings(
    max_examples=8, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.long
@pytest.mark.timeout(7_200)
class TestManyOffices(OfficeMachine.TestCase):  # type: ignore[misc,valid-type]
    """The same, many times, and never the same twice."""

    settings = settings(
        max_examples=200, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )


pytestmark = pytest.mark.timeout(300)
