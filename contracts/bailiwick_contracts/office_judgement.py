"""The judges of an office's newer powers: what each decision showed is gathered again from the facts, and it is ruled again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bailiwick_contracts import leave as leaves
from bailiwick_contracts import overtime as overtimes
from bailiwick_contracts.authority import Outcome, rule
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped, compared, ruling_compared
from bailiwick_contracts.house_rules import CLAUSE as RULES
from bailiwick_contracts.house_rules import CalendarOverridden, HouseRulesAdopted, HouseRulesRefused, OvertimeRates
from bailiwick_contracts.judgement import JUDGES as DAILY
from bailiwick_contracts.judgement import Ground, Judge, beyond_reach, day_of, ground_of
from bailiwick_contracts.leave import (
    LeaveApproved,
    LeaveBalanceSet,
    LeaveCancelled,
    LeaveDeclined,
    LeaveForwarded,
    LeaveRefused,
)
from bailiwick_contracts.mark import Sees, copied, recorded_by
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
from bailiwick_contracts.registry import PAID_DAYS_PER_MONTH
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.showing import Showing, shown
from bailiwick_contracts.standing import property_of


@dataclass(frozen=True)
class Case:
    """A decision under judgement, with everything it may have rested on."""

    event: Event[Any]
    evidence: Evidence
    ground: Ground

    @property
    def fact(self) -> Any:
        """What was recorded."""
        return self.event.data

    @property
    def sees(self) -> Sees:
        """What of attendance had been recorded before it."""
        return self.ground.sees

    @property
    def knows(self) -> Sees:
        """What of the registry its copy held."""
        return copied(self.ground.positions) if self.ground.positions else recorded_by(self.event.recordedat)


def _nothing(_: Case) -> Showing:
    return Showing()


def _its_person(fact: Any) -> str | None:
    found: str | None = getattr(fact, "staff_id", None)
    return found


def _nobody(_: Any) -> str | None:
    return None


@dataclass(frozen=True)
class Power:
    """Under which row a kind of fact is decided, and what it shows."""

    row_id: str | Callable[[Case], tuple[str, Verb]]
    verb: Verb = "decide"
    shows: Callable[[Case], Showing] = _nothing
    subject: Callable[[Any], str | None] = _its_person
    expects: tuple[Outcome, ...] = ()
    """The outcomes of which this kind of fact comes; empty: any."""
    also: Callable[[Case], Iterator[Finding]] | None = None
    """What else of the fact comes out again."""


def judged_by(power: Power) -> Judge:
    """The judge of one kind of fact."""

    def judge(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
        fact = event.data
        if fact.ruling is None:
            raise Skipped("taken_over_without_ruling" if not hasattr(fact, "reason") else "refused_without_ruling")
        yield from beyond_reach(event, evidence)
        named = power.row_id if isinstance(power.row_id, str) else "A1"
        ground = ground_of(event, evidence, under, named, power.verb, power.subject(fact))
        case = Case(event, evidence, ground)
        row_id, verb = (power.row_id, power.verb) if isinstance(power.row_id, str) else power.row_id(case)
        asked = shown(ground.asked, row_id, verb, power.shows(case))
        again = rule(ground.matrix, asked, selected_at=event.recordedat, positions=ground.positions)
        if under is not None:
            for name in ("outcome", "reason", "escalate_to"):
                yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
            return
        yield from ruling_compared(event, again)
        if power.expects and again.outcome not in power.expects:
            yield Finding.about(event, field="outcome", kind="ruling", was=fact.ruling.outcome, would_be=again.outcome)
        if power.also is not None:
            yield from power.also(case)

    return judge


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
    return leaves.leave_shown(known, beside, calendar=calendar.facts, requested_by=known.requested_by)


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


_OVERTIME: Mapping[str, tuple[str, Verb]] = {
    "submit": ("A11", "submit"),
    "confirm": ("A11", "confirm"),
    "comp_leave": ("A5", "decide"),
    "pay": ("A6", "recommend"),
}
_GRANTED: tuple[Outcome, ...] = ("granted",)
_OPENED: tuple[Outcome, ...] = ("recommend_only",)
_BEYOND: tuple[Outcome, ...] = ("escalated", "recommend_only")
_SUPPLIED: Mapping[str, tuple[str, Verb]] = {
    "supply": (SUPPLIES, "decide"),
    "close": (CLOSES, "decide"),
    "hand_over": (CLOSES, "decide"),
}
_HOUSE = {"adopt": RULES, "override_calendar": "A5", "set_leave_balance": RULES}

POWERS: Mapping[type[Any], Power] = {
    AttendanceSupplied: Power(SUPPLIES, subject=_nobody, expects=_GRANTED),
    AttendanceConfirmed: Power(CONFIRMS, "confirm", subject=_nobody, expects=_GRANTED),
    AttendanceDisputed: Power(CONFIRMS, "confirm", subject=lambda fact: fact.days[0].staff_id, expects=_GRANTED),
    MonthClosed: Power(CLOSES, subject=_nobody, expects=_GRANTED),
    MonthRefused: Power(
        lambda case: _SUPPLIED.get(case.fact.asked_for, (CONFIRMS, "confirm")),
        subject=lambda fact: fact.ruling.asked.subject_id,
    ),
    OffsiteConfirmed: Power("A9", "confirm", _offsite, expects=_GRANTED),
    OffsiteRefused: Power("A9", "confirm", _offsite),
    PenaltyNoticeGiven: Power("G4", expects=_GRANTED),
    PenaltyNoticeRefused: Power("G4"),
    HouseRulesAdopted: Power(RULES, subject=_nobody, expects=_GRANTED),
    CalendarOverridden: Power("A5", subject=_nobody, expects=_GRANTED),
    HouseRulesRefused: Power(
        lambda case: (_HOUSE[case.fact.asked_for], "decide"), subject=lambda fact: fact.ruling.asked.subject_id
    ),
    LeaveApproved: Power(_leave_power, shows=_leave, expects=_GRANTED),
    LeaveForwarded: Power(_leave_power, shows=_leave, expects=_BEYOND),
    LeaveDeclined: Power(_leave_power, shows=_leave, expects=(*_GRANTED, *_BEYOND)),
    LeaveRefused: Power(_leave_power, shows=_leave),
    LeaveCancelled: Power(_leave_power, shows=_leave, expects=(*_GRANTED, *_BEYOND)),
    LeaveBalanceSet: Power(RULES, expects=_GRANTED),
    OvertimeSubmitted: Power("A11", "submit", _overtime, expects=_OPENED),
    OvertimeConfirmed: Power("A11", "confirm", _overtime, expects=_GRANTED, also=_kind_of_day),
    CompLeaveGranted: Power("A5", "decide", _overtime, expects=_GRANTED),
    OvertimePayRecommended: Power("A6", "recommend", _overtime, expects=_OPENED, also=_overtime_figures),
    OvertimeRefused: Power(lambda case: _OVERTIME[case.fact.asked_for], shows=_overtime),
}

JUDGES: Mapping[str, Judge] = {**DAILY, **{kind.wire(): judged_by(power) for kind, power in POWERS.items()}}
"""The judge of each kind of fact that carries a ruling, or that a ruling rests on as derived."""
