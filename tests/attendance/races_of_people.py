"""The races of leave, overtime, cases, the team and appraisals."""

from datetime import timedelta
from typing import Any

from bailiwick_contracts.appraisal import OpenAppraisals, SubmitAppraisal
from bailiwick_contracts.breach import AppealCase, DecideAppeal, DecideCase, GiveCaseNotice, OpenCase, RecordStatement
from bailiwick_contracts.leave import CancelLeave, DecideLeave, RequestLeave, SetLeaveBalance
from bailiwick_contracts.overtime import ConfirmOvertime, GrantCompLeave, RecommendOvertimePay, SubmitOvertime
from bailiwick_contracts.team import (
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    RecommendDismissal,
    RecommendPayChange,
)
from bailiwick_contracts.temporary import EndTemp, HireTemp

from tests.attendance.office import HR, MANAGER, local
from tests.attendance.race import DAY, Race, Scene, case, twice

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
