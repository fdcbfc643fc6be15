"""What attendance remembers for reading: its own days, punches, confirmations and penalties, beside its copies of registry facts."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.attendance import (
    DayDerived,
    MissedPunchConfirmed,
    PunchRecorded,
    ShiftRostered,
)
from bailiwick_contracts.conduct import (
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
)
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.payroll_sheet import payroll_month
from bailiwick_contracts.registry import CalendarAdopted
from pydantic import TypeAdapter

from services.attendance.day import punch_key
from services.kernel.service import Change, Put, View
from services.registry_copy import copied, micros

METADATA = sa.MetaData()
SHIFTS_JSON = TypeAdapter(tuple[Shift, ...])

SHIFTS = sa.Table(
    "attendance_shifts",
    METADATA,
    sa.Column("staff_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("ends_us", sa.BigInteger),
    sa.Column("shifts", sa.Text, nullable=False),
    sa.Index("attendance_shifts_by_day", "property_id", "day"),
)
PUNCHES = sa.Table(
    "attendance_punches",
    METADATA,
    sa.Column("staff_id", sa.Text, primary_key=True),
    sa.Column("at_us", sa.BigInteger, primary_key=True),
    sa.Column("direction", sa.Text, primary_key=True),
    sa.Column("punch_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("fact_id", sa.Text, nullable=False),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Index("attendance_punches_by_id", "punch_id"),
    sa.Index("attendance_punches_by_time", "property_id", "at_us"),
)
DAYS = sa.Table(
    "attendance_days",
    METADATA,
    sa.Column("staff_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("kinds", sa.Text, nullable=False),
    sa.Column("late_seconds", sa.Integer, nullable=False),
    sa.Column("early_seconds", sa.Integer, nullable=False),
    sa.Column("unpaid_seconds", sa.Integer, nullable=False),
    sa.Column("scheduled_seconds", sa.Integer, nullable=False),
    sa.Column("contradicted", sa.Integer, nullable=False),
    sa.Column("fact_id", sa.Text, nullable=False),
    sa.Index("attendance_days_by_day", "property_id", "day"),
)
CONFIRMATIONS = sa.Table(
    "attendance_confirmations",
    METADATA,
    sa.Column("fact_id", sa.Text, primary_key=True),
    sa.Column("staff_id", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("confirmation_id", sa.Text, nullable=False),
    sa.Index("attendance_confirmations_by_person", "staff_id", "day"),
)
PENALTIES = sa.Table(
    "attendance_penalties",
    METADATA,
    sa.Column("penalty_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("staff_id", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("occurrence", sa.Text, nullable=False),
    sa.Column("clause", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("fact_id", sa.Text, nullable=False),
    sa.Column("figures", sa.Text, nullable=False),
    sa.Index("attendance_penalties_by_person", "staff_id", "month"),
    sa.Index("attendance_penalties_by_month", "property_id", "month"),
)
PAYROLL = sa.Table(
    "attendance_payroll",
    METADATA,
    sa.Column("fact_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Index("attendance_payroll_by_month", "property_id", "month"),
)
REVERSALS = sa.Table(
    "attendance_reversals",
    METADATA,
    sa.Column("penalty_id", sa.Text, primary_key=True),
    sa.Column("fact_id", sa.Text, nullable=False),
)


def fold_days(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Rosters, punches, days and confirmations as they stand."""
    fact = event.data
    match fact:
        case ShiftRostered():
            ends = max((micros(shift.ends_at) for shift in fact.shifts), default=None)
            shifts = SHIFTS_JSON.dump_json(fact.shifts).decode()
            yield Put(SHIFTS, _of_day(event, fact.staff_id, fact.day, ends_us=ends, shifts=shifts))
        case PunchRecorded():
            row = {
                "staff_id": fact.staff_id,
                "at_us": micros(fact.at),
                "direction": fact.direction,
                "punch_id": fact.punch_id,
                "key": punch_key(fact.staff_id, fact.at, fact.direction),
                "fact_id": event.id,
                "property_id": event.property_id,
            }
            yield Put(PUNCHES, row)
        case DayDerived():
            day = fact.derived
            row = _of_day(
                event,
                fact.staff_id,
                fact.day,
                status=day.status,
                revision=fact.revision,
                kinds=",".join(item.kind for item in day.occurrences),
                late_seconds=day.seconds_of("late"),
                early_seconds=day.seconds_of("early"),
                unpaid_seconds=day.unpaid_seconds,
                scheduled_seconds=day.scheduled_seconds,
                contradicted=len(day.contradicted),
                fact_id=event.id,
            )
            yield Put(DAYS, row)
        case MissedPunchConfirmed():
            row = {
                "fact_id": event.id,
                "staff_id": fact.staff_id,
                "day": fact.day,
                "direction": fact.direction,
                "confirmation_id": fact.confirmation_id,
            }
            yield Put(CONFIRMATIONS, row)
        case _:
            return


def _of_day(event: Event[Any], staff_id: str, day: date, **more: Any) -> dict[str, Any]:
    return {"staff_id": staff_id, "day": day, "property_id": event.property_id, **more}


def fold_penalties(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Penalties as they were answered, and which were taken back."""
    fact = event.data
    match fact:
        case PenaltyReversed():
            yield Put(REVERSALS, {"penalty_id": fact.penalty_id, "fact_id": event.id})
        case PenaltyDecided() | PenaltyRecommended() | PenaltyRefused():
            status = {PenaltyDecided: "decided", PenaltyRecommended: "recommended", PenaltyRefused: "refused"}[
                type(fact)
            ]
            reason = fact.reason if isinstance(fact, PenaltyRefused) else fact.ruling.reason
            yield Put(PENALTIES, _penalty(event, fact, status, fact.asked.occurrence, fact.clause, reason))
        case PenaltyImported():
            yield Put(PENALTIES, _penalty(event, fact, "imported", fact.kind, "imported", "imported"))
        case _:
            return


def _penalty(event: Event[Any], fact: Any, status: str, occurrence: str, clause: str, reason: str) -> dict[str, Any]:
    return {
        "penalty_id": fact.penalty_id,
        "property_id": event.property_id,
        "staff_id": fact.staff_id,
        "day": fact.day,
        "month": fact.month if isinstance(fact, PenaltyImported) else fact.asked.month,
        "occurrence": occurrence,
        "clause": clause,
        "status": status,
        "reason": reason,
        "fact_id": event.id,
        "figures": fact.figures.model_dump_json(),
    }


def calendar_subject(property_id: str) -> str:
    """Under which the copy keeps the adopted calendars of a property."""
    return f"calendar:{property_id}"


def _calendar(fact: Any) -> tuple[str, ...]:
    return (calendar_subject(fact.property_id),) if isinstance(fact, CalendarAdopted) else ()


def fold_payroll(event: Event[Any], raw: bytes) -> Iterator[Change]:
    """The facts a month's payroll file is made of, as they were stored."""
    month = payroll_month(event.data)
    if month is None:
        return
    row = {"fact_id": event.id, "property_id": event.property_id, "month": month, "type": event.type, "raw": raw}
    yield Put(PAYROLL, row)


VIEWS = (
    copied(_calendar, version=2),
    View("attendance_days", 1, "attendance", (SHIFTS, PUNCHES, DAYS, CONFIRMATIONS), fold_days),
    View("attendance_payroll", 1, "attendance", (PAYROLL,), fold_payroll),
    View("attendance_penalties", 1, "attendance", (PENALTIES, REVERSALS), fold_penalties),
)
