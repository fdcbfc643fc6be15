"""The races of rosters, punches, confirmations, penalties and months."""

from datetime import date, timedelta
from typing import Any

from bailiwick_contracts.attendance import ConfirmMissedPunch, DeriveDays, PublishRoster, RecordPunches
from bailiwick_contracts.conduct import DecidePenalty, ImportPenalty, WithdrawPenalty
from bailiwick_contracts.house_rules import AdoptHouseRules, OverrideCalendar
from bailiwick_contracts.month import CloseMonth, ConfirmAttendance, DisputeAttendance, SupplyAttendance
from bailiwick_contracts.notice import GivePenaltyNotice
from bailiwick_contracts.offsite import ConfirmOffsiteWork
from bailiwick_contracts.payroll import HandOverPayroll
from bailiwick_contracts.swap import SwapShifts

from tests.attendance.house import RULES
from tests.attendance.office import HR, local, shift
from tests.attendance.race import DAY, Race, Scene, case, twice

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
