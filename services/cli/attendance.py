"""`bailiwick attendance`: what a person at the office asks for and reads, one command per request."""

from collections.abc import Mapping

from bailiwick_contracts import (
    appraisal,
    attendance,
    breach,
    conduct,
    house_rules,
    leave,
    month,
    notice,
    offsite,
    overtime,
    payroll,
    swap,
    team,
    temporary,
)

from services.cli.asked import Verb, commands

VERBS: Mapping[str, Mapping[str, Verb]] = {
    "leave": {
        "request": Verb(leave.RequestLeave, "leave_id"),
        "decide": Verb(leave.DecideLeave),
        "cancel": Verb(leave.CancelLeave),
        "balance": Verb(leave.SetLeaveBalance),
        "show": Verb(leave.GetLeave),
    },
    "overtime": {
        "submit": Verb(overtime.SubmitOvertime, "overtime_id"),
        "confirm": Verb(overtime.ConfirmOvertime),
        "comp-leave": Verb(overtime.GrantCompLeave),
        "pay": Verb(overtime.RecommendOvertimePay),
        "show": Verb(overtime.GetOvertime),
    },
    "case": {
        "open": Verb(breach.OpenCase, "case_id"),
        "statement": Verb(breach.RecordStatement),
        "decide": Verb(breach.DecideCase),
        "notice": Verb(breach.GiveCaseNotice),
        "appeal": Verb(breach.AppealCase),
        "outcome": Verb(breach.DecideAppeal),
        "show": Verb(breach.GetConduct),
    },
    "confirm": {
        "missed-punch": Verb(attendance.ConfirmMissedPunch, "confirmation_id"),
        "offsite": Verb(offsite.ConfirmOffsiteWork, "confirmation_id"),
    },
    "penalty": {
        "decide": Verb(conduct.DecidePenalty, "penalty_id"),
        "notice": Verb(notice.GivePenaltyNotice, "notice_id"),
        "withdraw": Verb(conduct.WithdrawPenalty),
        "import": Verb(conduct.ImportPenalty),
        "show": Verb(conduct.GetPenalty),
        "list": Verb(conduct.ListPenalties),
    },
    "month": {
        "supply": Verb(month.SupplyAttendance),
        "confirm": Verb(month.ConfirmAttendance),
        "dispute": Verb(month.DisputeAttendance),
        "close": Verb(month.CloseMonth),
        "hand-over": Verb(payroll.HandOverPayroll),
        "show": Verb(month.GetMonth),
    },
    "appraisal": {
        "open": Verb(appraisal.OpenAppraisals),
        "submit": Verb(appraisal.SubmitAppraisal),
        "show": Verb(appraisal.GetAppraisals),
    },
    "team": {
        "reward": Verb(team.DecideReward, "matter_id"),
        "transfer": Verb(team.DecideTransfer, "matter_id"),
        "appoint": Verb(team.AppointToTeam, "matter_id"),
        "dismissal": Verb(team.RecommendDismissal, "matter_id"),
        "pay": Verb(team.RecommendPayChange, "matter_id"),
        "show": Verb(team.GetTeam),
    },
    "temporary": {
        "hire": Verb(temporary.HireTemp, "hire_id"),
        "end": Verb(temporary.EndTemp),
        "show": Verb(temporary.GetTemporary),
    },
    "roster": {
        "publish": Verb(attendance.PublishRoster, "roster_id"),
        "swap": Verb(swap.SwapShifts),
        "own-days": Verb(house_rules.OverrideCalendar),
        "working-days": Verb(month.ListWorkingDays),
    },
    "day": {
        "derive": Verb(attendance.DeriveDays),
        "show": Verb(attendance.GetDay),
        "list": Verb(attendance.ListDays),
        "punches": Verb(attendance.ListPunches),
        "counts": Verb(month.GetPersonCounts),
    },
    "rules": {"adopt": Verb(house_rules.AdoptHouseRules), "show": Verb(house_rules.GetHouseRules)},
}
"""Every noun and its verbs. Punches come from devices and files (`bailiwick import punches`), the payroll file from `bailiwick payroll`."""
_SAID = {
    "leave": "Leave (A12): asked for, approved up to a day, forwarded beyond, cancelled; balances.",
    "overtime": "Overtime (A11): submitted, confirmed, made up for by leave (A5) or by pay that is only recommended (A6).",
    "case": "Breaches (D4b): opened, the person heard, decided by the adopted ladder, told, appealed.",
    "confirm": "Punches that are missing: forgotten ones (A10, three a year) and work outside (A9).",
    "penalty": "Penalties (A13-A15): decided, announced in writing (T12), withdrawn by a new fact.",
    "month": "HR's monthly sheet (A7): supplied, confirmed or disputed, closed, handed over.",
    "appraisal": "Monthly appraisal sheets (A8), due on the 2nd (D4c).",
    "team": "Rewards, re-posting, appointments (A1), dismissal (A2) and pay (A4), which are only recommended.",
    "temporary": "Temporary staff within the approved headcount (A3).",
    "roster": "Rosters, swaps and the property's own working days (A5).",
    "day": "What a person's days came to, and from which punches.",
    "rules": "The house's rules: leave kinds, offence ladders, headcount, appraisal form (S4).",
}
app = commands("attendance", VERBS, _SAID)
