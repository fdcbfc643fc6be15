"""The judges of an office's newer powers: what each decision showed is gathered again from the facts, and it is ruled again."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from bailiwick_contracts import leave as leaves
from bailiwick_contracts import overtime as overtimes
from bailiwick_contracts.appraisal import (
    AppraisalRefused,
    Appraisals,
    AppraisalsOpened,
    AppraisalSubmitted,
    appraisal_stream,
)
from bailiwick_contracts.appraisal import evolve as evolve_appraisals
from bailiwick_contracts.conduct_judgement import POWERS as CONDUCT_POWERS
from bailiwick_contracts.finding import Finding, Skipped, compared
from bailiwick_contracts.house_rules import CLAUSE as RULES
from bailiwick_contracts.house_rules import (
    CalendarOverridden,
    HouseRulesAdopted,
    HouseRulesRefused,
    OvertimeRates,
)
from bailiwick_contracts.judgement import JUDGES as DAILY
from bailiwick_contracts.judgement import Judge, day_of
from bailiwick_contracts.leave import (
    LeaveApproved,
    LeaveBalanceSet,
    LeaveCancelled,
    LeaveDeclined,
    LeaveForwarded,
    LeaveRefused,
)
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.month import (
    CLOSES,
    CONFIRMS,
    SUPPLIES,
    AttendanceConfirmed,
    AttendanceDisputed,
    AttendanceSupplied,
    MonthClosed,
    MonthRefused,
)
from bailiwick_contracts.notice import PenaltyNoticeGiven, PenaltyNoticeRefused
from bailiwick_contracts.offsite import OffsiteConfirmed, OffsiteRefused, offsite_shown
from bailiwick_contracts.overtime import (
    CompLeaveGranted,
    OvertimeConfirmed,
    OvertimeFigures,
    OvertimePayRecommended,
    OvertimeRefused,
    OvertimeSubmitted,
)
from bailiwick_contracts.payroll import PayrollHandedOver
from bailiwick_contracts.payroll_sheet import payroll_digest, payroll_lines
from bailiwick_contracts.power import BEYOND, GRANTED, OPENED, Case, Power, judged_by, nobody
from bailiwick_contracts.registry import PAID_DAYS_PER_MONTH
from bailiwick_contracts.registry_evidence import person, place
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.showing import Showing, named
from bailiwick_contracts.standing import opened_by, property_of
from bailiwick_contracts.swap import ShiftsSwapped


def _offsite(case: Case) -> Showing:
    _, day_fact_id, _ = day_of(case.evidence, case.ground, case.fact.day)
    return offsite_shown(case.fact.evidence, case.ground.asked.subject_id, day_fact_id)


# -- leave -----------------------------------------------------------------------------------------------------------


def _leave_power(case: Case) -> tuple[str, Verb]:
    return leaves.leave_power(case.ground.matrix, case.ground.asked.actor_position)


def _leave(case: Case) -> Showing:
    fact = case.fact
    streams = [leaves.leave_stream(one) for one in case.ground.ids]
    books = case.evidence.office.folds(leaves.evolve, leaves.LeaveBook(), streams, case.sees)
    known = next((book.leaves[fact.leave_id] for book in books if fact.leave_id in book.leaves), None)
    if known is None:
        raise Skipped("evidence_missing")
    if isinstance(fact, LeaveCancelled) or getattr(fact, "asked_for", "") == "cancel":
        return leaves.leave_shown(known, (), calendar=(), requested_by=None)
    calendar = case.evidence.office.working_days(case.event.property_id, case.sees, case.knows)

    def works(day: date) -> bool:
        rostered = [
            found
            for one in case.ground.ids
            if (found := case.evidence.rostered_shifts(one, day, case.sees)) is not None
        ]
        return any(rostered) if rostered else calendar.is_worked(day)

    beside = leaves.adjoining(fact.leave_id, books, works)
    requested_by = opened_by(case.ground.events, (known.requested_by, known.requested_for), case.ground.asked)
    return leaves.leave_shown(known, beside, calendar=calendar.facts, requested_by=requested_by)


def _overtime(case: Case) -> Showing:
    fact = case.fact
    streams = [overtimes.overtime_stream(one) for one in case.ground.ids]
    books = case.evidence.office.folds(overtimes.evolve, overtimes.OvertimeBook(), streams, case.sees)
    known = next((book.overtimes[fact.overtime_id] for book in books if fact.overtime_id in book.overtimes), None)
    confirms = isinstance(fact, OvertimeConfirmed) or getattr(fact, "asked_for", "") == "confirm"
    days = case.evidence.office.working_days(case.event.property_id, case.sees, case.knows)
    return overtimes.overtime_shown(known, calendar=days.facts if confirms else ())


def _kind_of_day(case: Case) -> Iterator[Finding]:
    days = case.evidence.office.working_days(case.event.property_id, case.sees, case.knows)
    yield from compared(case.event, "day_kind", "input", case.fact.day_kind, days.kind(case.fact.day))


def _overtime_figures(case: Case) -> Iterator[Finding]:
    fact, event = case.fact, case.event
    figures = open_record(fact.figures, OvertimeFigures, event_id=event.id, path="figures", keys=case.evidence.keys)
    wage = case.evidence.registry.wage_on(case.ground.events, case.ground.ids, fact.day)
    settings = property_of(case.ground.events, event.property_id)
    rules = case.evidence.office.rules(event.property_id, case.sees)
    again = overtimes.overtime_pay(
        wage.month if wage is not None else figures.month_base_wage,
        fact.worked_seconds,
        fact.day_kind,
        paid_days=settings.data.paid_days_per_month if settings else PAID_DAYS_PER_MONTH,
        rates=rules.overtime if rules is not None else OvertimeRates(),
    )
    yield from compared(event, "figures", "figures", figures, again)


def _appraisals(case: Case) -> Appraisals:
    stream = appraisal_stream(case.event.property_id, case.fact.month)
    return case.evidence.office.fold(evolve_appraisals, Appraisals(), stream, case.sees)


def _sheet(case: Case) -> Showing:
    return Showing(inputs=named(opened=(_appraisals(case).opened_fact,)))


def _on_time(case: Case) -> Iterator[Finding]:
    opened, fact = _appraisals(case).opened, case.fact
    due = opened is not None and case.event.recordedat <= opened.due_at
    yield from compared(case.event, "on_time", "input", fact.on_time, due)
    scored = {item.section for item in fact.scores}
    complete = opened is not None and scored == set(opened.sections)
    yield from compared(case.event, "complete", "input", fact.complete, complete)


def _same_file(case: Case) -> Iterator[Finding]:
    before = case.evidence.office.month(case.event.property_id, case.fact.month, case.sees)
    yield from compared(case.event, "revision", "input", case.fact.revision, before.handed_over + 1)
    fact, of, evidence = case.fact, case.event.property_id, case.evidence
    events = evidence.payroll(of, fact.month, case.sees)
    people = {event.data.staff_id for event in events if hasattr(event.data, "staff_id")}
    registry = evidence.registry.about([place(of), *map(person, people)], case.knows)
    lines = payroll_lines(events, registry, property_id=of, month=fact.month, as_of=fact.as_of, keys=evidence.keys)
    yield from compared(case.event, "digest", "figures", fact.digest, payroll_digest(lines))
    yield from compared(case.event, "lines", "figures", fact.lines, len(lines))
    yield from compared(case.event, "people", "figures", fact.people, len({line.staff_id for line in lines}))


_OVERTIME: Mapping[str, tuple[str, Verb]] = {
    "submit": ("A11", "submit"),
    "confirm": ("A11", "confirm"),
    "comp_leave": ("A5", "decide"),
    "pay": ("A6", "recommend"),
}
_SUPPLIED: Mapping[str, tuple[str, Verb]] = {
    "supply": (SUPPLIES, "decide"),
    "close": (CLOSES, "decide"),
    "hand_over": (CLOSES, "decide"),
}
_HOUSE = {"adopt": RULES, "override_calendar": "A5", "set_leave_balance": RULES}

POWERS: Mapping[type[Any], Power] = {
    AttendanceSupplied: Power(SUPPLIES, subject=nobody, expects=GRANTED),
    AttendanceConfirmed: Power(CONFIRMS, "confirm", subject=nobody, expects=GRANTED),
    AttendanceDisputed: Power(CONFIRMS, "confirm", subject=lambda fact: fact.days[0].staff_id, expects=GRANTED),
    MonthClosed: Power(CLOSES, subject=nobody, expects=GRANTED),
    MonthRefused: Power(
        lambda case: _SUPPLIED.get(case.fact.asked_for, (CONFIRMS, "confirm")),
        subject=lambda fact: fact.ruling.asked.subject_id,
    ),
    OffsiteConfirmed: Power("A9", "confirm", _offsite, expects=GRANTED),
    OffsiteRefused: Power("A9", "confirm", _offsite),
    PenaltyNoticeGiven: Power("G4", expects=GRANTED),
    PenaltyNoticeRefused: Power("G4"),
    HouseRulesAdopted: Power(RULES, subject=nobody, expects=GRANTED),
    CalendarOverridden: Power("A5", subject=nobody, expects=GRANTED),
    HouseRulesRefused: Power(
        lambda case: (_HOUSE[case.fact.asked_for], "decide"), subject=lambda fact: fact.ruling.asked.subject_id
    ),
    LeaveApproved: Power(_leave_power, shows=_leave, expects=GRANTED),
    LeaveForwarded: Power(_leave_power, shows=_leave, expects=BEYOND),
    LeaveDeclined: Power(_leave_power, shows=_leave, expects=(*GRANTED, *BEYOND)),
    LeaveRefused: Power(_leave_power, shows=_leave),
    LeaveCancelled: Power(_leave_power, shows=_leave, expects=(*GRANTED, *BEYOND)),
    LeaveBalanceSet: Power(RULES, expects=GRANTED),
    AppraisalsOpened: Power("A8", "appraise", subject=lambda fact: fact.staff_ids[0], expects=GRANTED),
    AppraisalSubmitted: Power("A8", "appraise", _sheet, expects=GRANTED, also=_on_time),
    AppraisalRefused: Power(
        "A8", "appraise", lambda case: _sheet(case) if case.fact.asked_for == "submit" else Showing()
    ),
    PayrollHandedOver: Power(CLOSES, subject=nobody, expects=GRANTED, also=_same_file),
    OvertimeSubmitted: Power("A11", "submit", _overtime, expects=OPENED),
    OvertimeConfirmed: Power("A11", "confirm", _overtime, expects=GRANTED, also=_kind_of_day),
    CompLeaveGranted: Power("A5", "decide", _overtime, expects=GRANTED),
    OvertimePayRecommended: Power("A6", "recommend", _overtime, expects=OPENED, also=_overtime_figures),
    OvertimeRefused: Power(lambda case: _OVERTIME[case.fact.asked_for], shows=_overtime),
    ShiftsSwapped: Power("A5", subject=nobody, expects=GRANTED),
}

JUDGES: Mapping[str, Judge] = {
    **DAILY,
    **{kind.wire(): judged_by(power) for kind, power in {**POWERS, **CONDUCT_POWERS}.items()},
}
"""The judge of each kind of fact that carries a ruling, or that a ruling rests on as derived."""
