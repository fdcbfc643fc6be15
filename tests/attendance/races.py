"""For every command of the service: two requests that race on one stream, what the second is answered, and what holds for that."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bailiwick_contracts.appraisal import OpenAppraisals, SubmitAppraisal
from bailiwick_contracts.attendance import ConfirmMissedPunch, DeriveDays, PublishRoster, RecordPunches
from bailiwick_contracts.breach import AppealCase, DecideAppeal, DecideCase, GiveCaseNotice, OpenCase, RecordStatement
from bailiwick_contracts.conduct import DecidePenalty, ImportPenalty, WithdrawPenalty
from bailiwick_contracts.house_rules import AdoptHouseRules, OverrideCalendar
from bailiwick_contracts.leave import CancelLeave, DecideLeave, RequestLeave, SetLeaveBalance
from bailiwick_contracts.message import Request
from bailiwick_contracts.month import CloseMonth, ConfirmAttendance, DisputeAttendance, SupplyAttendance
from bailiwick_contracts.notice import GivePenaltyNotice
from bailiwick_contracts.offsite import ConfirmOffsiteWork
from bailiwick_contracts.overtime import ConfirmOvertime, GrantCompLeave, RecommendOvertimePay, SubmitOvertime
from bailiwick_contracts.payroll import HandOverPayroll
from bailiwick_contracts.swap import SwapShifts
from bailiwick_contracts.team import (
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    RecommendDismissal,
    RecommendPayChange,
)
from bailiwick_contracts.temporary import EndTemp, HireTemp

from tests.attendance.house import RULES
from tests.attendance.office import DIRECTOR, HR, MANAGER, Office, local, shift

DAY = date(2026, 6, 1)
"""A Monday; the office of the races lives in July."""


@dataclass
class Scene:
    """One person of the office to whom this happens, and what was asked before."""

    office: Office
    who: str
    number: int

    @property
    def months(self) -> str:
        """A month of its own, long over."""
        return f"20{25 - self.number // 12:02d}-{self.number % 12 + 1:02d}"

    def made(self, kind: type[Request], /, **more: Any) -> Request:
        """A request about the person, read as from the wire."""
        given: dict[str, Any] = {"grounds": "Sample."} | {"staff_id": self.who} | more
        known = {name: value for name, value in given.items() if name in kind.model_fields}
        return kind.model_validate(known, strict=False)

    def ask(self, kind: type[Request], by: str = DIRECTOR, /, **more: Any) -> None:
        """What stands before the race."""
        answer = self.office.ask(self.made(kind, **more), by=by)
        assert answer.outcome == "done", answer

    def named(self, what: str) -> str:
        """An id that no other race uses."""
        return f"{what}-{self.number}"


@dataclass(frozen=True)
class Race:
    """Two requests of one moment, by whom, and what follows."""

    first: Request
    second: Request
    by: str = DIRECTOR
    channel: str = "live"


@dataclass(frozen=True)
class Case:
    """What is tested of one command."""

    request: type[Request]
    invariant: str
    fact: str
    """Of which exactly one more is stored, whoever of the two is first."""
    second: str
    """What the later of the two is answered."""
    make: Callable[[Scene], Race]
    not_allowed: str | None = None
    """Who is refused by a recorded fact; None where nobody is, and why in `REFUSED_OTHERWISE`."""


CASES: dict[type[Request], Case] = {}
REFUSED_OTHERWISE: dict[type[Request], str] = {
    RecordPunches: "a device's rows are turned down one by one, each with its reason",
    DeriveDays: "deriving what is over decides nothing",
    ImportPenalty: "by hand it makes no sense, and is rejected",
    RequestLeave: "anybody may ask; a balance that is used up refuses",
    AppealCase: "only the person appeals; by another it is rejected, too late it is refused",
}
EMPLOYEE = "colleague-sample"


def case(
    request: type[Request], invariant: str, fact: str, second: str = "ignored", not_allowed: str | None = EMPLOYEE
) -> Callable[[Callable[[Scene], Race]], Callable[[Scene], Race]]:
    """Enter what follows in the table."""

    def enter(make: Callable[[Scene], Race]) -> Callable[[Scene], Race]:
        refused = None if request in REFUSED_OTHERWISE else not_allowed
        CASES[request] = Case(request, invariant, fact, second, make, refused)
        return make

    return enter


def twice(scene: Scene, kind: type[Request], by: str = DIRECTOR, channel: str = "live", /, **more: Any) -> Race:
    """The same request by two callers."""
    made = scene.made(kind, **more)
    return Race(made, made, by, channel)


# -- rosters, punches, days ----------------------------------------------------------------------------------------------


@case(PublishRoster, "a day has one roster part, and the same shifts again change nothing (A5)", "shift_rostered")
def _(scene: Scene) -> Race:
    days = ({"day": DAY, "shifts": (shift(day=DAY).model_dump(),)},)
    one, other = (scene.made(PublishRoster, roster_id=scene.named(name), staff_ids=(scene.who,), days=days)
                  for name in ("r", "s"))  # fmt: skip
    return Race(one, other)


@case(SwapShifts, "a shift is given away once (A5)", "shifts_swapped", "rejected")
def _(scene: Scene) -> Race:
    other = scene.named("other")
    scene.office.hire(other)
    scene.office.roster(DAY, who=(scene.who,))
    scene.office.roster(DAY + timedelta(days=1), DAY + timedelta(days=2), who=(other,))
    first = {"staff_id": scene.who, "day": DAY}
    one, two = (
        scene.made(SwapShifts, roster_id=scene.named(name), first=first,
                   second={"staff_id": other, "day": DAY + timedelta(days=later)})
        for name, later in (("s", 1), ("t", 2))
    )  # fmt: skip
    return Race(one, two)


@case(RecordPunches, "one punch is one fact, whichever device sends it (W2)", "punch_recorded")
def _(scene: Scene) -> Race:
    row = {"staff_id": scene.who, "at": local("08:50", DAY), "direction": "in"}
    one, other = (scene.made(RecordPunches, rows=({"punch_id": scene.named(name), **row},)) for name in ("p", "q"))
    return Race(one, other, "device-sample")


@case(DeriveDays, "a day that came to something comes to it once", "day_derived")
def _(scene: Scene) -> Race:
    scene.office.roster(DAY, who=(scene.who,))
    return twice(scene, DeriveDays, first_on=DAY, last_on=DAY, staff_ids=(scene.who,))


# -- confirmations and penalties -----------------------------------------------------------------------------------------


@case(ConfirmMissedPunch, "a missing punch is confirmed once, and counts once of three (A10)", "missed_punch_confirmed",
      "refused")  # fmt: skip
def _(scene: Scene) -> Race:
    scene.office.came(None, day=DAY, who=scene.who)
    evidence = ({"kind": "camera", "reference": "gate 3"},)
    one, other = (
        scene.made(ConfirmMissedPunch, confirmation_id=scene.named(name), day=DAY, direction="in", evidence=evidence)
        for name in ("c", "d")
    )
    return Race(one, other)


@case(ConfirmOffsiteWork, "a missing punch is signed for once (A9)", "offsite_confirmed", "refused")
def _(scene: Scene) -> Race:
    scene.office.came(None, day=DAY, who=scene.who)
    evidence = ({"kind": "work_order", "reference": "w-1"},)
    one, other = (
        scene.made(ConfirmOffsiteWork, confirmation_id=scene.named(name), day=DAY, direction="in", evidence=evidence)
        for name in ("e", "f")
    )
    return Race(one, other)


def _late(scene: Scene) -> dict[str, Any]:
    scene.office.came("09:10", day=DAY, who=scene.who)
    return {"day": DAY, "occurrence": "late", "requested": {"share": {"numerator": 1, "denominator": 10}}}


@case(DecidePenalty, "one occurrence, one penalty (T6)", "penalty_decided", "refused")
def _(scene: Scene) -> Race:
    late = _late(scene)
    one, other = (scene.made(DecidePenalty, penalty_id=scene.named(name), **late) for name in ("p", "q"))
    return Race(one, other)


@case(ImportPenalty, "an old penalty is taken over once", "penalty_imported")
def _(scene: Scene) -> Race:
    return twice(scene, ImportPenalty, "system-import", "import", penalty_id=scene.named("old"), day=DAY, kind="late",
                 amount={"amount": "10.00"}, origin="paper")  # fmt: skip


@case(WithdrawPenalty, "a penalty is taken back once", "penalty_reversed")
def _(scene: Scene) -> Race:
    scene.ask(DecidePenalty, penalty_id=scene.named("p"), **_late(scene))
    return twice(scene, WithdrawPenalty, penalty_id=scene.named("p"), cause="error")


@case(GivePenaltyNotice, "a notice is given once (T12)", "penalty_notice_given")
def _(scene: Scene) -> Race:
    return twice(scene, GivePenaltyNotice, notice_id=scene.named("n"), document="n-1", **_late(scene))


# -- the month -----------------------------------------------------------------------------------------------------------


@case(SupplyAttendance, "a sheet has one number (S1)", "attendance_supplied")
def _(scene: Scene) -> Race:
    return twice(scene, SupplyAttendance, HR, month=scene.months)


@case(ConfirmAttendance, "a month is confirmed once (A7)", "attendance_confirmed")
def _(scene: Scene) -> Race:
    scene.ask(SupplyAttendance, HR, month=scene.months)
    return twice(scene, ConfirmAttendance, month=scene.months)


@case(DisputeAttendance, "a sheet is disputed once (A7)", "attendance_disputed")
def _(scene: Scene) -> Race:
    scene.ask(SupplyAttendance, HR, month=scene.months)
    day = date.fromisoformat(f"{scene.months}-01")
    return twice(scene, DisputeAttendance, month=scene.months, days=({"staff_id": scene.who, "day": day},))


def _confirmed(scene: Scene) -> None:
    scene.ask(SupplyAttendance, HR, month=scene.months)
    scene.ask(ConfirmAttendance, month=scene.months)


@case(CloseMonth, "a month is closed once (S5)", "month_closed")
def _(scene: Scene) -> Race:
    _confirmed(scene)
    return twice(scene, CloseMonth, HR, month=scene.months)


@case(HandOverPayroll, "the same figures are handed over once", "payroll_handed_over")
def _(scene: Scene) -> Race:
    _confirmed(scene)
    scene.ask(CloseMonth, HR, month=scene.months)
    return twice(scene, HandOverPayroll, HR, month=scene.months)


@case(AdoptHouseRules, "a version is adopted once (S4)", "house_rules_adopted")
def _(scene: Scene) -> Race:
    rules = RULES.model_copy(update={"version": scene.named("house")})
    return twice(scene, AdoptHouseRules, HR, rules=rules.model_dump(mode="json"))


@case(OverrideCalendar, "a day is the property's own once (A5)", "calendar_overridden")
def _(scene: Scene) -> Race:
    days = ({"on": DAY + timedelta(days=200 + scene.number), "kind": "working_day"},)
    return twice(scene, OverrideCalendar, days=days, why="made up")


# -- leave and overtime --------------------------------------------------------------------------------------------------


def _asked(scene: Scene) -> None:
    scene.ask(RequestLeave, scene.who, leave_id=scene.named("l"), kind="sick", days=({"day": DAY},))


@case(RequestLeave, "no half day has two leaves (A12)", "leave_requested", "rejected")
def _(scene: Scene) -> Race:
    one, other = (
        scene.made(RequestLeave, leave_id=scene.named(name), kind="sick", days=({"day": DAY},)) for name in ("l", "m")
    )
    return Race(one, other, scene.who)


@case(DecideLeave, "leave is decided once (A12)", "leave_approved")
def _(scene: Scene) -> Race:
    _asked(scene)
    return twice(scene, DecideLeave, leave_id=scene.named("l"))


@case(CancelLeave, "leave is cancelled once (A12)", "leave_cancelled")
def _(scene: Scene) -> Race:
    _asked(scene)
    return twice(scene, CancelLeave, leave_id=scene.named("l"))


@case(SetLeaveBalance, "a balance is what was set last, and the same is nothing new (S4)", "leave_balance_set")
def _(scene: Scene) -> Race:
    return twice(scene, SetLeaveBalance, HR, kind="annual", year=2026, days={"numerator": 9}, why="ten years")


def _overtime(scene: Scene) -> dict[str, Any]:
    hours = {"starts_at": local("18:00", DAY), "ends_at": local("20:00", DAY)}
    return {"overtime_id": scene.named("o"), "day": DAY, **hours}


def _worked(scene: Scene) -> None:
    scene.ask(SubmitOvertime, **_overtime(scene))
    scene.ask(ConfirmOvertime, overtime_id=scene.named("o"), worked_seconds=7_200)


@case(SubmitOvertime, "overtime is submitted once (A11)", "overtime_submitted")
def _(scene: Scene) -> Race:
    return twice(scene, SubmitOvertime, **_overtime(scene))


@case(ConfirmOvertime, "overtime is confirmed once, as long as it was (A11)", "overtime_confirmed")
def _(scene: Scene) -> Race:
    scene.ask(SubmitOvertime, **_overtime(scene))
    one, other = (
        scene.made(ConfirmOvertime, overtime_id=scene.named("o"), worked_seconds=long) for long in (3_600, 7_200)
    )
    return Race(one, other)


@case(GrantCompLeave, "overtime is made up for once, by leave (A5)", "comp_leave_granted")
def _(scene: Scene) -> Race:
    _worked(scene)
    return twice(scene, GrantCompLeave, overtime_id=scene.named("o"))


@case(RecommendOvertimePay, "overtime is made up for once, by pay (A6)", "overtime_pay_recommended")
def _(scene: Scene) -> Race:
    _worked(scene)
    return twice(scene, RecommendOvertimePay, overtime_id=scene.named("o"))


# -- conduct -------------------------------------------------------------------------------------------------------------


def _opened(scene: Scene) -> dict[str, Any]:
    scene.ask(OpenCase, case_id=scene.named("k"), incident_on=DAY, code="rude")
    return {"case_id": scene.named("k")}


def _heard(scene: Scene) -> dict[str, Any]:
    known = _opened(scene)
    scene.ask(RecordStatement, scene.who, statement="Sample.", **known)
    return known


def _decided(scene: Scene) -> dict[str, Any]:
    known = _heard(scene)
    scene.ask(DecideCase, finding="breach", **known)
    return known


@case(OpenCase, "one breach of a kind a person and day (C11)", "case_opened", "refused")
def _(scene: Scene) -> Race:
    one, other = (scene.made(OpenCase, case_id=scene.named(name), incident_on=DAY, code="rude") for name in ("k", "j"))
    return Race(one, other)


@case(RecordStatement, "a person is heard once, and what was said stands", "statement_recorded")
def _(scene: Scene) -> Race:
    known = _opened(scene)
    one, other = (scene.made(RecordStatement, statement=said, **known) for said in ("I was ill.", "I was not."))
    return Race(one, other)


@case(DecideCase, "a case is decided one way (D4b)", "case_decided", "rejected")
def _(scene: Scene) -> Race:
    known = _heard(scene)
    one, other = (scene.made(DecideCase, finding=finding, **known) for finding in ("breach", "no_breach"))
    return Race(one, other)


@case(GiveCaseNotice, "the person is told once, and the days of appeal run from that", "case_notice_given")
def _(scene: Scene) -> Race:
    known = _decided(scene)
    one, other = (
        scene.made(GiveCaseNotice, given_on=scene.office.now.date(), document=name, **known) for name in ("n-1", "n-2")
    )
    return Race(one, other)


@case(AppealCase, "a decision is appealed once", "case_appealed")
def _(scene: Scene) -> Race:
    return twice(scene, AppealCase, scene.who, **_decided(scene))


@case(DecideAppeal, "an appeal has one outcome", "appeal_decided", "rejected")
def _(scene: Scene) -> Race:
    known = _decided(scene)
    scene.ask(AppealCase, scene.who, **known)
    one, other = (scene.made(DecideAppeal, outcome=outcome, **known) for outcome in ("upheld", "overturned"))
    return Race(one, other, MANAGER)


# -- the team ------------------------------------------------------------------------------------------------------------


@case(DecideReward, "a reward is decided once (A1)", "reward_decided")
def _(scene: Scene) -> Race:
    return twice(scene, DecideReward, matter_id=scene.named("m"), reward="praise")


@case(DecideTransfer, "a re-posting is decided once (A1)", "transfer_decided")
def _(scene: Scene) -> Race:
    return twice(scene, DecideTransfer, matter_id=scene.named("m"), position="guard", effective_on=DAY)


@case(AppointToTeam, "an appointment is decided once (A1)", "team_member_appointed")
def _(scene: Scene) -> Race:
    return twice(scene, AppointToTeam, matter_id=scene.named("m"), position="guard", effective_on=DAY)


@case(RecommendDismissal, "a dismissal is recommended once (A2)", "dismissal_recommended")
def _(scene: Scene) -> Race:
    return twice(scene, RecommendDismissal, matter_id=scene.named("m"), cases=())


@case(RecommendPayChange, "a pay change is recommended once, and is in the sum of twelve months once (A4)",
      "pay_change_recommended")  # fmt: skip
def _(scene: Scene) -> Race:
    return twice(scene, RecommendPayChange, matter_id=scene.named("m"), direction="raise", amount={"amount": "100.00"})


def _post(scene: Scene, name: str) -> dict[str, Any]:
    first = DAY + timedelta(days=400 + scene.number * 10)
    return {"hire_id": scene.named(name), "position": "cleaner", "first_on": first,
            "last_on": first + timedelta(days=5), "why": "leaves"}  # fmt: skip


@case(HireTemp, "never more than the approved posts are held on a day (A3)", "temp_hired", "refused")
def _(scene: Scene) -> Race:
    scene.ask(HireTemp, **_post(scene, "a"))
    one, other = (scene.made(HireTemp, **_post(scene, name)) for name in ("b", "c"))
    return Race(one, other)


@case(EndTemp, "a post is freed once (A3)", "temp_ended")
def _(scene: Scene) -> Race:
    post = _post(scene, "a")
    scene.ask(HireTemp, **post)
    return twice(scene, EndTemp, hire_id=post["hire_id"], last_on=post["first_on"])


# -- appraisal -----------------------------------------------------------------------------------------------------------


@case(OpenAppraisals, "a person is due once a month (A8)", "appraisals_opened")
def _(scene: Scene) -> Race:
    return twice(scene, OpenAppraisals, month=scene.months, staff_ids=(scene.who,))


@case(SubmitAppraisal, "a sheet is handed in once (A8)", "appraisal_submitted")
def _(scene: Scene) -> Race:
    scene.ask(OpenAppraisals, month=scene.months, staff_ids=(scene.who,))
    one, other = (
        scene.made(SubmitAppraisal, month=scene.months, scores=({"section": "duty", "score": score},), signed=True)
        for score in (60, 90)
    )
    return Race(one, other)
