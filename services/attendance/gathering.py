"""What a handler reads before it decides: shifts, punches, days and sums from our views, wages from the registry's copies."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.conduct import ImportedAmount
from bailiwick_contracts.deductions import PenaltyFigures, UnpaidDay, Wage
from bailiwick_contracts.envelope import Event, read_event
from bailiwick_contracts.lateness import Punch, Shift
from bailiwick_contracts.message import built
from bailiwick_contracts.month import SheetCounts
from bailiwick_contracts.payroll_sheet import payroll_since
from bailiwick_contracts.penalty_case import StandingPenalty
from bailiwick_contracts.quota import Amount, CountedDay, Counting
from bailiwick_contracts.sealed import Confidential, open_record
from bailiwick_contracts.staff import Wage as SealedWage
from bailiwick_contracts.standing import wage_fact

from services.attendance.views import CONFIRMATIONS, DAYS, PAYROLL, PENALTIES, PUNCHES, REVERSALS, SHIFTS, SHIFTS_JSON
from services.kernel.service import Reading, Unit
from services.registry_copy import COPIES, instant, micros, parts

_AROUND = 3


@lru_cache(maxsize=4_096)
def shifted(on: date, by: int) -> date:
    """The day so many days later, or the last one that the calendar has."""
    return date.fromordinal(min(max(on.toordinal() + by, 1), date.max.toordinal()))


@lru_cache(maxsize=4_096)
def _shifts(text: str) -> tuple[Shift, ...]:
    """Read once: an office's people mostly share the shifts of a day."""
    found: tuple[Shift, ...] = SHIFTS_JSON.validate_json(text)
    return found


def shifts_between(
    reading: Reading, staff_ids: Iterable[str], first: date, last: date
) -> dict[str, dict[date, tuple[Shift, ...]]]:
    """The rostered shifts of people, with those of three days before and after."""
    found: dict[str, dict[date, tuple[Shift, ...]]] = {}
    for part in parts(sorted(set(staff_ids))):
        query = sa.select(SHIFTS.c.staff_id, SHIFTS.c.day, SHIFTS.c.shifts).where(
            SHIFTS.c.staff_id.in_(part), SHIFTS.c.day.between(shifted(first, -_AROUND), shifted(last, _AROUND))
        )
        for row in reading.rows(query):
            found.setdefault(row.staff_id, {})[row.day] = _shifts(row.shifts)
    return found


def derived_between(reading: Reading, staff_ids: Iterable[str], first: date, last: date) -> set[tuple[str, date]]:
    """The days of people from a day to a day that were derived."""
    found: set[tuple[str, date]] = set()
    for part in parts(sorted(set(staff_ids))):
        query = sa.select(DAYS.c.staff_id, DAYS.c.day).where(DAYS.c.staff_id.in_(part), DAYS.c.day.between(first, last))
        found |= {(row.staff_id, row.day) for row in reading.rows(query)}
    return found


def month_sheet(reading: Reading, property_id: str, first: date, last: date) -> tuple[list[str], SheetCounts]:
    """The derivations that stand at a property from a day to a day, in order of day and person, and what they come to."""
    columns = (DAYS.c.staff_id, DAYS.c.day, DAYS.c.status, DAYS.c.kinds, DAYS.c.fact_id)
    query = sa.select(*columns).where(DAYS.c.property_id == property_id, DAYS.c.day.between(first, last))
    rows = reading.rows(query.order_by(DAYS.c.day, DAYS.c.staff_id))
    kinds = [set(row.kinds.split(",")) for row in rows]
    statuses = [row.status for row in rows]
    return [row.fact_id for row in rows], SheetCounts(
        people=len({row.staff_id for row in rows}),
        days=len(rows),
        present=statuses.count("present"),
        absent=sum("absent" in one for one in kinds),
        late=sum("late" in one for one in kinds),
        early=sum("early" in one for one in kinds),
        incomplete=statuses.count("incomplete"),
        open=statuses.count("open") + _not_derived(reading, property_id, first, last),
    )


def _not_derived(reading: Reading, property_id: str, first: date, last: date) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(SHIFTS)
        .outerjoin(DAYS, (DAYS.c.staff_id == SHIFTS.c.staff_id) & (DAYS.c.day == SHIFTS.c.day))
        .where(SHIFTS.c.property_id == property_id, SHIFTS.c.day.between(first, last))
        .where(DAYS.c.status.is_(None), SHIFTS.c.ends_us.is_not(None))
    )
    return int(reading.rows(query)[0][0])


def punches_between(
    reading: Reading, staff_ids: Iterable[str], first: datetime, last: datetime
) -> dict[str, list[Punch]]:
    """The punches of people from an instant to an instant, both included."""
    found: dict[str, list[Punch]] = {}
    columns = (PUNCHES.c.staff_id, PUNCHES.c.at_us, PUNCHES.c.direction, PUNCHES.c.fact_id)
    for part in parts(sorted(set(staff_ids))):
        query = sa.select(*columns).where(
            PUNCHES.c.staff_id.in_(part), PUNCHES.c.at_us.between(micros(first), micros(last))
        )
        for row in reading.rows(query):
            punch = {"at": instant(row.at_us), "direction": row.direction, "fact_id": row.fact_id}
            found.setdefault(row.staff_id, []).append(built(Punch, punch))
    return found


def has_punches(reading: Reading, staff_ids: Iterable[str], first: datetime, last: datetime) -> bool:
    """Whether people have any punch from an instant to an instant, both included."""
    within = PUNCHES.c.at_us.between(micros(first), micros(last))
    return any(
        reading.rows(sa.select(PUNCHES.c.fact_id).where(PUNCHES.c.staff_id.in_(part), within).limit(1))
        for part in parts(sorted(set(staff_ids)))
    )


def punches_known_as(reading: Reading, punch_ids: Iterable[str], property_id: str) -> dict[str, str]:
    """What is recorded at a property under these punch ids: `punch_key` of each."""
    found: dict[str, str] = {}
    for part in parts(sorted(set(punch_ids))):
        query = sa.select(PUNCHES.c.punch_id, PUNCHES.c.key).where(
            PUNCHES.c.punch_id.in_(part), PUNCHES.c.property_id == property_id
        )
        found.update({row.punch_id: row.key for row in reading.rows(query)})
    return found


def confirmations(unit: Unit, ids: Sequence[str], day: date) -> tuple[Counting, ...]:
    """A person's confirmed forgotten punches of the years around a day, whatever the property."""
    query = sa.select(CONFIRMATIONS.c.day, CONFIRMATIONS.c.fact_id).where(
        CONFIRMATIONS.c.staff_id.in_(ids), CONFIRMATIONS.c.day.between(*_years_around(day))
    )
    return tuple(Counting(day=row.day, fact_id=row.fact_id) for row in unit.rows(query))


def _years_around(day: date) -> tuple[date, date]:
    return date(day.year - 1, 1, 1), date(day.year + 1, 12, 31)


def late_days(unit: Unit, ids: Sequence[str], day: date, until: date) -> tuple[CountedDay, ...]:
    """A person's days with a lateness or early leave, from the year before `day` up to `until`, whatever the property.

    An imported penalty shows an occurrence of a day of which no derivation shows one.
    """
    first = date(day.year - 1, 1, 1)
    query = sa.select(DAYS.c.day, DAYS.c.kinds, DAYS.c.fact_id).where(
        DAYS.c.staff_id.in_(ids), DAYS.c.day.between(first, until), DAYS.c.kinds != ""
    )
    found: dict[date, CountedDay] = {}
    for row in unit.rows(query):
        kinds = tuple(kind for kind in row.kinds.split(",") if kind != "absent")
        if kinds:
            found[row.day] = CountedDay.model_validate({"day": row.day, "kinds": kinds, "fact_id": row.fact_id})
    for row in unit.rows(_standing(PENALTIES.c.status == "imported", ids).where(PENALTIES.c.day.between(first, until))):
        if row.occurrence != "absent" and row.day not in found:
            found[row.day] = CountedDay.model_validate(
                {"day": row.day, "kinds": (row.occurrence,), "fact_id": row.fact_id}
            )
    return tuple(found[day] for day in sorted(found))


def _standing(condition: Any, ids: Sequence[str]) -> sa.Select[Any]:
    taken_back = sa.select(REVERSALS.c.penalty_id)
    return sa.select(PENALTIES).where(
        condition,
        PENALTIES.c.staff_id.in_(ids),
        PENALTIES.c.status.in_(("decided", "imported")),
        PENALTIES.c.penalty_id.not_in(taken_back),
    )


def standing_on(unit: Unit, ids: Sequence[str], day: date, occurrence: str) -> tuple[StandingPenalty, ...]:
    """The penalties that stand on an occurrence."""
    query = _standing(PENALTIES.c.day == day, ids).where(PENALTIES.c.occurrence == occurrence)
    return tuple(StandingPenalty(clause=row.clause, fact_id=row.fact_id) for row in unit.rows(query))


def month_days(unit: Unit, ids: Sequence[str], month: str) -> tuple[UnpaidDay, ...]:
    """A person's days of a wage month with unpaid time, whatever the property."""
    first = date.fromisoformat(f"{month}-01")
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    query = (
        sa.select(DAYS.c.unpaid_seconds, DAYS.c.scheduled_seconds, DAYS.c.fact_id)
        .where(DAYS.c.staff_id.in_(ids), DAYS.c.day.between(first, last), DAYS.c.unpaid_seconds > 0)
        .order_by(DAYS.c.day, DAYS.c.staff_id)
    )
    return tuple(
        UnpaidDay(unpaid_seconds=row.unpaid_seconds, scheduled_seconds=row.scheduled_seconds, fact_id=row.fact_id)
        for row in unit.rows(query)
    )


def month_penalties(unit: Unit, ids: Sequence[str], month: str) -> tuple[Amount, ...]:
    """The penalties that stand in a person's wage month, whatever the property, opened."""
    found = []
    for row in unit.rows(_standing(PENALTIES.c.month == month, ids)):
        sealed = Confidential.model_validate_json(row.figures)
        if row.status == "imported":
            amount = open_record(sealed, ImportedAmount, event_id=row.fact_id, path="figures", keys=unit.keys).penalty
        else:
            figures = open_record(sealed, PenaltyFigures, event_id=row.fact_id, path="figures", keys=unit.keys)
            if figures.computed is None:
                continue
            amount = figures.computed.penalty
        found.append(Amount(amount=amount, fact_id=row.fact_id))
    return tuple(sorted(found, key=lambda item: item.fact_id))


def wage_on(unit: Unit, events: list[Event[Any]], ids: Sequence[str], day: date) -> Wage | None:
    """The base wage that holds on a day, opened."""
    fact = wage_fact(events, ids, day)
    if fact is None:
        return None
    opened = open_record(fact.data.wage, SealedWage, event_id=fact.id, path="wage", keys=unit.keys)
    return Wage(month=opened.base_wage, fact_id=fact.id)


def payroll_facts(reading: Reading, property_id: str, month: str) -> list[tuple[Event[Any], str]]:
    """The facts of a month and of the year before it that its payroll file may hold, each with what was stored."""
    query = sa.select(PAYROLL.c.type, PAYROLL.c.raw).where(
        PAYROLL.c.property_id == property_id, PAYROLL.c.month.between(payroll_since(month), month)
    )
    rows = reading.rows(query.order_by(PAYROLL.c.fact_id))
    return [(read_event(bytes(row.raw), row.type), bytes(row.raw).decode()) for row in rows]


def copied_raws(reading: Reading, fact_ids: Iterable[str]) -> list[str]:
    """The registry's facts of these ids, as they were stored."""
    found: dict[str, str] = {}
    for part in parts(sorted(set(fact_ids))):
        query = sa.select(COPIES.c.fact_id, COPIES.c.raw).where(COPIES.c.fact_id.in_(part))
        found.update({row.fact_id: bytes(row.raw).decode() for row in reading.rows(query)})
    return [found[one] for one in sorted(found)]


def person_days(reading: Reading, ids: Sequence[str], first: date, last: date) -> dict[str, int]:
    """A person's days from a day to a day that the roster gave a shift: how many, and what they came to."""
    query = sa.select(DAYS.c.kinds, DAYS.c.status).where(
        DAYS.c.staff_id.in_(ids),
        DAYS.c.day.between(first, last),
        DAYS.c.scheduled_seconds > 0,
        DAYS.c.status != "rest",
    )
    rows = reading.rows(query)
    kinds = [set(row.kinds.split(",")) - {""} for row in rows]
    return {
        "scheduled": len(rows),
        "on_time": sum(not one and row.status == "present" for one, row in zip(kinds, rows, strict=True)),
        "late": sum("late" in one for one in kinds),
        "early": sum("early" in one for one in kinds),
        "absent": sum("absent" in one for one in kinds),
    }
