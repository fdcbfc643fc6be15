"""One person's day: its roster, its punches, what it came to, and the forgotten punches that were confirmed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, assert_never

from bailiwick_contracts.attendance import (
    DayDerived,
    MissedPunchConfirmed,
    MissedPunchRefused,
    PunchRecorded,
    PunchRow,
    ShiftRostered,
)
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import (
    CLOCK_TOLERANCE,
    Confirmation,
    DerivedDay,
    Direction,
    Leave,
    Punch,
    Shift,
    WorkedTime,
    derive_day,
    shift_of,
)
from bailiwick_contracts.leave import LeaveEntered, LeaveStruck
from bailiwick_contracts.message import built
from bailiwick_contracts.offsite import OffsiteConfirmed, OffsiteRefused, directions_of

from services.kernel.decision import Noun, evolved

DayFact = (
    ShiftRostered
    | PunchRecorded
    | DayDerived
    | MissedPunchConfirmed
    | MissedPunchRefused
    | OffsiteConfirmed
    | OffsiteRefused
    | LeaveEntered
    | LeaveStruck
)


@dataclass(frozen=True)
class Day:
    """What is remembered of one person's day."""

    shifts: tuple[Shift, ...] = ()
    roster_fact: str | None = None
    punches: tuple[Punch, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    answered: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Confirmations asked for, by their id: direction and shift."""
    derived: DerivedDay | None = None
    derived_fact: str | None = None
    revision: int = 0
    leave: tuple[tuple[str, Leave], ...] = ()
    """What stands of leave on the day, by leave id."""

    @property
    def is_rostered(self) -> bool:
        """Whether a roster says anything of this day."""
        return self.roster_fact is not None

    def standing(self, direction: str, shift: int) -> str | None:
        """The confirmation of a punch of a shift, where there is one."""
        found = (item.fact_id for item in self.confirmations if (item.direction, item.shift) == (direction, shift))
        return next(found, None)

    def why_not_confirmed(self, directions: str, shift: int) -> str | None:
        """What stands in the way of confirming that these punches are missing, or None.

        `day_not_derived`, `already_confirmed`, `no_such_shift`, `day_not_over`, `punch_present`.
        """
        if self.derived is None:
            return "day_not_derived"
        wanted = directions_of(directions)
        if any(self.standing(direction, shift) is not None for direction in wanted):
            return "already_confirmed"
        if shift >= self.derived.shifts:
            return "no_such_shift"
        missing = {"in": self.derived.missing_in, "out": self.derived.missing_out}
        if all(shift in missing[direction] for direction in wanted):
            return None
        return "day_not_over" if self.derived.status == "open" and "out" in wanted else "punch_present"


def roster(day: Day, *, staff_id: str, on: date, roster_id: str, shifts: tuple[Shift, ...]) -> list[ShiftRostered]:
    """Set the shifts of the day; the same shifts again are nothing new (A5)."""
    if day.is_rostered and day.shifts == shifts:
        return []
    return [ShiftRostered(staff_id=staff_id, day=on, roster_id=roster_id, shifts=shifts)]


def refusal_of_row(
    row: PunchRow, *, staff_id: str | None, erased: bool, known: str | None, now: datetime
) -> str | None:
    """Why a row of punches cannot be taken, or None.

    Args:
        row: the row.
        staff_id: whom it is about, or None for somebody nobody registered.
        erased: whether that person was erased.
        known: what is recorded under the row's `punch_id` already, as `punch_key` writes it.
        now: when it is recorded; a clock more than five minutes ahead of it is wrong.
    """
    if staff_id is None:
        return "unknown_staff"
    if erased:
        return "person_erased"
    if row.at > now + CLOCK_TOLERANCE:
        return "clock_in_future"
    if known is not None and known != punch_key(staff_id, row.at, row.direction):
        return "punch_id_reused"
    return None


def punch_key(staff_id: str, at: datetime, direction: Direction) -> str:
    """What makes two punches the same one: person, instant and direction."""
    day, time = at.date().isoformat().replace("-", ""), f"{at.hour:02}{at.minute:02}{at.second:02}.{at.microsecond:06}"
    return f"{staff_id} {day}{time} {direction}"


Punches = dict[str, dict[date, list[Punch]]]
"""Punches by person and day."""


class Duty:
    """A person's rostered days, made ready once to be asked for every punch."""

    def __init__(self, shifts: Mapping[date, tuple[Shift, ...]]) -> None:
        """`shifts`: of the days around the punches."""
        found = [(*shift.window, day, shift) for day, of_day in shifts.items() for shift in of_day]
        found.sort(key=lambda one: one[0])
        self._windows = found
        self._firsts = [first for first, *_ in found]
        self._longest = max((last - first for first, last, *_ in found), default=timedelta(0))

    def day_of(self, at: datetime, direction: Direction) -> date | None:
        """The day a punch belongs to, or None; a night shift belongs to the day it starts (C7)."""
        begun, earliest = bisect_right(self._firsts, at), bisect_left(self._firsts, at - self._longest)
        near = [(day, shift) for _, last, day, shift in self._windows[earliest:begun] if last >= at]
        if len(near) < 2:
            return near[0][0] if near else None
        index = shift_of([shift for _, shift in near], at, direction)
        return near[index][0] if index is not None else None


def by_day(punches: Iterable[Punch], shifts: Mapping[date, tuple[Shift, ...]]) -> dict[date, list[Punch]]:
    """A person's punches by the day they belong to, given the shifts of the days around; the others are left out."""
    found: dict[date, list[Punch]] = {}
    duty = Duty(shifts)
    for punch in punches:
        day = duty.day_of(punch.at, punch.direction)
        if day is not None:
            found.setdefault(day, []).append(punch)
    return found


def of_days(
    affected: Iterable[tuple[str, date]], known: Mapping[str, Iterable[Punch]], duties: Mapping[str, Duty]
) -> Punches:
    """Those of people's punches that belong to these days, by person and day; every one of the days has its list."""
    found: Punches = {}
    for staff_id, on in affected:
        found.setdefault(staff_id, {})[on] = []
    for staff_id, of_person in found.items():
        for punch in known.get(staff_id, ()):
            day = duties[staff_id].day_of(punch.at, punch.direction)
            if day in of_person:
                of_person[day].append(punch)
    return found


def derive(
    day: Day,
    *,
    staff_id: str,
    on: date,
    punches: Sequence[Punch],
    now: datetime,
    worked_time: WorkedTime | None = None,
) -> list[DayDerived]:
    """Derive the day anew; nothing, when it comes to what it came to before or when no roster speaks of it.

    Args:
        day: the day.
        staff_id: whose.
        on: its date.
        punches: every punch that belongs to it, wherever it was recorded.
        now: when the derivation is recorded.
        worked_time: how worked time is counted, where the house's rules say so.
    """
    marked = punches or day.confirmations or day.leave
    if not day.is_rostered or (not marked and day.derived is None and _goes_on(day, now)):
        return []
    roster_facts = (day.roster_fact,) if day.roster_fact else ()
    found = derive_day(
        day.shifts,
        punches,
        day.confirmations,
        now=now,
        roster_facts=roster_facts,
        leave=tuple(leave for _, leave in day.leave),
        worked_time=worked_time,
    )
    if found == day.derived:
        return []
    return [
        DayDerived(staff_id=staff_id, day=on, revision=day.revision + 1, supersedes=day.derived_fact, derived=found)
    ]


def _goes_on(day: Day, now: datetime) -> bool:
    return any(now <= shift.ends_at for shift in day.shifts)


def is_due(day: Day, now: datetime) -> bool:
    """Whether the day is over and what stands of it was derived before it was, or never."""
    return day.is_rostered and not _goes_on(day, now) and (day.derived is None or day.derived.status == "open")


def evolve(day: Day, event: Event[Any]) -> Day:
    """The day after one more fact."""
    fact: DayFact = event.data
    match fact:
        case ShiftRostered():
            return evolved(day, shifts=fact.shifts, roster_fact=event.id)
        case PunchRecorded():
            punch = built(Punch, {"at": fact.at, "direction": fact.direction, "fact_id": event.id})
            return evolved(day, punches=(*day.punches, punch))
        case DayDerived():
            return evolved(day, derived=fact.derived, derived_fact=event.id, revision=fact.revision)
        case MissedPunchConfirmed():
            confirmed = Confirmation(direction=fact.direction, shift=fact.shift, fact_id=event.id)
            return evolved(_answered(day, fact), confirmations=(*day.confirmations, confirmed))
        case MissedPunchRefused() | OffsiteRefused():
            return _answered(day, fact)
        case OffsiteConfirmed():
            confirmed_both = tuple(
                Confirmation(direction=direction, shift=fact.shift, fact_id=event.id)
                for direction in directions_of(fact.direction)
            )
            return evolved(_answered(day, fact), confirmations=(*day.confirmations, *confirmed_both))
        case LeaveEntered():
            entered = Leave(part=fact.part, fact_id=event.id)
            return evolved(day, leave=(*day.leave, (fact.leave_id, entered)))
        case LeaveStruck():
            return evolved(day, leave=tuple(one for one in day.leave if one[0] != fact.leave_id))
        case _:
            assert_never(fact)


def _answered(day: Day, fact: MissedPunchConfirmed | MissedPunchRefused | OffsiteConfirmed | OffsiteRefused) -> Day:
    return evolved(day, answered={**day.answered, fact.confirmation_id: (fact.direction, fact.shift)})


DAY: Noun[Day] = Noun("day", Day(), evolve)
