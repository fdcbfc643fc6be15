"""Lateness: from shifts and punches to what a day came to. Pure, in whole seconds, each answer with the facts it rests on.

A day is the date in the property's zone on which its shift starts, so a night shift belongs to the day it starts (case
C7). Shifts and punches are instants, so a change of the clocks in between costs nobody an hour.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from bailiwick_contracts.message import Identifier, Instant, Label, Record, built

Seconds = Annotated[int, Field(ge=0, le=172_800)]
Margin = Annotated[int, Field(ge=0, le=43_200)]
Direction = Literal["in", "out", "unknown"]
OccurrenceKind = Literal["late", "early", "absent"]
WorkedTime = Literal["first_in_last_out", "pairs"]
"""How worked time is counted: from the first punch in to the last out, or each stay by itself (case C8)."""
LeavePart = Literal["whole", "first_half", "second_half"]
"""Of a day's scheduled time."""
DayStatus = Literal["open", "present", "incomplete", "absent", "rest"]
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of our clock a device's clock may run before its punch is refused."""
_in_order = attrgetter("at", "direction", "fact_id")
_fact_id = attrgetter("fact_id")
_Ends = tuple[datetime | None, datetime | None]


@cache
def _span(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


class Shift(Record):
    """One shift as rostered: instants in UTC, expanded from the wall clock of `zone` when the roster was published.

    Arriving later than the start is late once it exceeds the grace, and then in full, from the start (case C9); arriving
    exactly at the end of the grace is not. A punch within the margins of a shift can belong to it (case C6).
    """

    starts_at: Instant
    ends_at: Instant
    zone: Label
    late_grace_seconds: Seconds = 0
    early_grace_seconds: Seconds = 0
    margin_before_seconds: Margin = 14_400
    margin_after_seconds: Margin = 21_600

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.ends_at - self.starts_at <= timedelta(days=1):
            raise ValueError(
                "ends_at: a shift ends after it starts and lasts at most 24 hours; correct starts_at or ends_at"
            )
        return self

    @property
    def window(self) -> tuple[datetime, datetime]:
        """From when to when a punch can belong to this shift, both ends included."""
        return self.starts_at - _span(self.margin_before_seconds), self.ends_at + _span(self.margin_after_seconds)

    @property
    def length_seconds(self) -> int:
        """How long the shift is."""
        return _whole(self.ends_at - self.starts_at)


class Punch(Record):
    """One punch with the fact that recorded it."""

    at: Instant
    direction: Direction
    fact_id: Identifier


class Confirmation(Record):
    """A forgotten punch that was confirmed (A10): it counts as one on time."""

    direction: Literal["in", "out"]
    shift: Annotated[int, Field(ge=0)] = 0
    fact_id: Identifier


class Leave(Record):
    """Leave of a part of the day (A12): that part of the schedule is no duty."""

    part: LeavePart
    fact_id: Identifier


class Occurrence(Record):
    """One lateness, one early leave or one absence: what a penalty is decided on, once."""

    occurrence: Identifier
    """Its name within the day: `late`, `early` or `absent`, with the number of the shift from the second on: `late-2`."""
    kind: OccurrenceKind
    shift: Annotated[int, Field(ge=0)] = 0
    seconds: Seconds
    """How late, how early, or the length of the shift that was missed; shown in minutes, truncated."""
    unpaid_seconds: Seconds
    """Time not worked because of it; the occurrences of a day never share a second of it."""

    @property
    def minutes_shown(self) -> int:
        """Whole minutes, truncated, as people are shown them."""
        return self.seconds // 60


class DerivedDay(Record):
    """What a day came to. `open`: a shift has not ended; `incomplete`: a punch is missing and nobody confirmed it."""

    status: DayStatus
    occurrences: tuple[Occurrence, ...] = ()
    shifts: int = 0
    scheduled_seconds: int = 0
    unpaid_seconds: int = 0
    missing_in: tuple[int, ...] = ()
    """The shifts, from 0, that have no punch in."""
    missing_out: tuple[int, ...] = ()
    first_in_at: Instant | None = None
    last_out_at: Instant | None = None
    doubled: int = 0
    """Punches that repeat another of the same instant and direction."""
    contradicted: tuple[Identifier, ...] = ()
    """Confirmations that a punch which came later speaks against. They stand; a person decides what follows."""
    basis: tuple[Identifier, ...] = ()
    """The facts it was derived from: roster, punches, confirmations, leave."""
    leave_seconds: int | None = None
    """Scheduled time that was leave; a day that is leave as a whole is one of rest."""
    worked_seconds: int | None = None
    """Time worked within the shifts' windows, where the house's rules say how it is counted."""

    def seconds_of(self, kind: OccurrenceKind) -> int:
        """The seconds of all occurrences of a kind."""
        return sum(item.seconds for item in self.occurrences if item.kind == kind)

    def occurrence(self, name: str) -> Occurrence | None:
        """An occurrence by its name within the day."""
        for item in self.occurrences:
            if item.occurrence == name:
                return item
        return None


def _whole(span: timedelta) -> int:
    return max(0, span.days * 86_400 + span.seconds)


def _distance(shift: Shift, at: datetime, direction: Direction) -> timedelta:
    to_start, to_end = abs(at - shift.starts_at), abs(at - shift.ends_at)
    return {"in": to_start, "out": to_end, "unknown": min(to_start, to_end)}[direction]


def shift_of(shifts: Sequence[Shift], at: datetime, direction: Direction) -> int | None:
    """The index of the shift a punch belongs to, or None when it lies in the margins of none (case C6).

    Where margins overlap, a punch in belongs to the shift whose start is nearest, a punch out to the one whose end is
    nearest; of two equally near, to the earlier.
    """
    windows = [shift.window for shift in shifts]
    within = [index for index, (first, last) in enumerate(windows) if first <= at <= last]
    if len(within) < 2:
        return within[0] if within else None
    return min(within, key=lambda index: (_distance(shifts[index], at, direction), shifts[index].starts_at))


def _by_shift(shifts: Sequence[Shift], punches: Iterable[Punch]) -> list[list[Punch]]:
    if len(shifts) == 1:
        first, last = shifts[0].window
        return [[punch for punch in punches if first <= punch.at <= last]]
    found: list[list[Punch]] = [[] for _ in shifts]
    for punch in punches:
        index = shift_of(shifts, punch.at, punch.direction)
        if index is not None:
            found[index].append(punch)
    return found


def distinct(punches: Iterable[Punch]) -> list[Punch]:
    """The punches in order of time, each instant and direction once; the first recorded of equal ones stays."""
    found: list[Punch] = []
    for punch in sorted(punches, key=_in_order):
        if not found or punch.at != found[-1].at or punch.direction != found[-1].direction:
            found.append(punch)
    return found


def _ends_of(shift: Shift, punches: Iterable[Punch]) -> _Ends:
    """First in and last out, of punches in order. A first of unknown direction serves as in, a last as out."""
    arrived = left = None
    unknown = []
    for punch in punches:
        if punch.direction == "out":
            left = punch.at
        elif punch.direction == "unknown":
            unknown.append(punch.at)
        elif arrived is None:
            arrived = punch.at
    if len(unknown) == 1 and arrived is None and left is None:
        nearer_start = abs(unknown[0] - shift.starts_at) <= abs(unknown[0] - shift.ends_at)
        return (unknown[0], None) if nearer_start else (None, unknown[0])
    if unknown and (arrived is None or unknown[0] < arrived):
        arrived = unknown.pop(0)
    if unknown and (left is None or unknown[-1] > left):
        left = unknown[-1]
    return arrived, left


def _occurrence(kind: OccurrenceKind, index: int, seconds: int, unpaid_seconds: int) -> Occurrence:
    name = kind if index == 0 else f"{kind}-{index + 1}"
    values = {"occurrence": name, "kind": kind, "shift": index, "seconds": seconds, "unpaid_seconds": unpaid_seconds}
    return built(Occurrence, values)


class _Found(NamedTuple):
    status: DayStatus
    length_seconds: int
    occurrences: tuple[Occurrence, ...] = ()
    unpaid_seconds: int = 0
    missing_in: bool = False
    missing_out: bool = False
    contradicted: bool = False


def on_duty(shifts: Sequence[Shift], parts: Iterable[LeavePart]) -> tuple[Shift | None, ...]:
    """Each shift as far as leave does not cover it; None where it covers the whole.

    The halves of a day are those of its scheduled time, whatever lies between its shifts.
    """
    taken = set(parts)
    duty: list[Shift | None] = list(shifts)
    if "whole" in taken or {"first_half", "second_half"} <= taken:
        return (None,) * len(shifts)
    half = sum((shift.ends_at - shift.starts_at for shift in shifts), timedelta(0)) // 2
    if "first_half" in taken:
        for index, shift in enumerate(shifts):
            cut = min(half, shift.ends_at - shift.starts_at)
            half -= cut
            starts_at = shift.starts_at + cut
            duty[index] = shift.model_copy(update={"starts_at": starts_at}) if starts_at < shift.ends_at else None
    elif "second_half" in taken:
        for index, shift in reversed(list(enumerate(shifts))):
            cut = min(half, shift.ends_at - shift.starts_at)
            half -= cut
            ends_at = shift.ends_at - cut
            duty[index] = shift.model_copy(update={"ends_at": ends_at}) if ends_at > shift.starts_at else None
    return tuple(duty)


def worked_seconds(punches: Iterable[Punch], counted: WorkedTime) -> int:
    """Worked time of one shift: first in to last out, or each in to the next out (case C8: 6.5 h and 4.5 h).

    By pairs, a punch in while one is open changes nothing, nor does one out while none is open; a punch of unknown
    direction is the opposite of what came before it.
    """
    ordered = distinct(punches)
    if counted == "first_in_last_out":
        ins = [punch.at for punch in ordered if punch.direction != "out"]
        outs = [punch.at for punch in ordered if punch.direction != "in"]
        return _whole(max(outs) - min(ins)) if ins and outs else 0
    total, since = timedelta(0), None
    for punch in ordered:
        inwards = punch.direction == "in" or (punch.direction == "unknown" and since is None)
        if inwards and since is None:
            since = punch.at
        elif not inwards and since is not None:
            total, since = total + (punch.at - since), None
    return _whole(total)


def _judge(index: int, shift: Shift, ends: _Ends, confirmed: Collection[str], now: datetime) -> _Found:
    (arrived, left), length = ends, shift.length_seconds
    is_open = now <= shift.ends_at
    if arrived is None and left is None and not confirmed:
        if is_open:
            return _Found("open", length, missing_in=now > shift.starts_at)
        absent = _occurrence("absent", index, length, length)
        return _Found("absent", length, (absent,), length, missing_in=True, missing_out=True)
    late = min(_whole(arrived - shift.starts_at), length) if arrived is not None and arrived > shift.starts_at else 0
    early = min(_whole(shift.ends_at - left), length) if left is not None and left < shift.ends_at else 0
    is_late, is_early = late > shift.late_grace_seconds, early > shift.early_grace_seconds
    contradicted = (is_late and "in" in confirmed) or (is_early and "out" in confirmed)
    late = late if is_late and "in" not in confirmed else 0
    # A day that goes on may still bring a later punch out.
    early = early if is_early and "out" not in confirmed and not is_open else 0
    occurrences = []
    if late:
        occurrences.append(_occurrence("late", index, late, late))
    if early:
        occurrences.append(_occurrence("early", index, early, min(early, length - late)))
    missing_in = arrived is None and "in" not in confirmed
    missing_out = left is None and "out" not in confirmed and not is_open
    return _Found(
        "open" if is_open else "incomplete" if missing_in or missing_out else "present",
        length,
        tuple(occurrences),
        min(late + early, length),
        missing_in,
        missing_out,
        contradicted,
    )


def derive_day(
    shifts: Sequence[Shift],
    punches: Iterable[Punch],
    confirmations: Sequence[Confirmation] = (),
    *,
    now: datetime,
    roster_facts: tuple[str, ...] = (),
    leave: Sequence[Leave] = (),
    worked_time: WorkedTime | None = None,
) -> DerivedDay:
    """What one person's day came to.

    Lateness is first punch in less start of shift, early leave is end of shift less last punch out, both in whole
    seconds; no punch and no confirmation is an absence once the shift has ended. A forgotten punch that was confirmed
    (A10) counts as one on time, even when a punch that arrives later says otherwise: that is flagged in `contradicted`.

    Args:
        shifts: the shifts that start on this day, in order; none is a day of rest.
        punches: the punches of this day as `shift_of` assigns them, in any order, doubles included.
        confirmations: the standing confirmations of the day.
        now: the instant of the derivation (the fact's `recordedat`); before a shift has ended its absence is open.
        roster_facts: the facts that the shifts come from.
        leave: the leave that stands on the day; what it covers is neither late nor absent.
        worked_time: how worked time is counted; None where no adopted rule says so, and then it is not.
    """
    seen = list(punches)
    once = distinct(seen)
    by_shift = _by_shift(shifts, once)
    duty = on_duty(shifts, (item.part for item in leave)) if leave else shifts
    first_in_at = last_out_at = None
    on_duty_seconds = unpaid_seconds = 0
    statuses: set[DayStatus] = set()
    occurrences: tuple[Occurrence, ...] = ()
    missing_in, missing_out, contradicting = [], [], []
    for index, shift in enumerate(duty):
        # Which end a lone punch of unknown direction is nearer to is a matter of the duty, not of what leave covers.
        arrived, left = ends = _ends_of(shift or shifts[index], by_shift[index])
        if arrived is not None and (first_in_at is None or arrived < first_in_at):
            first_in_at = arrived
        if left is not None and (last_out_at is None or left > last_out_at):
            last_out_at = left
        if shift is None:
            continue
        found = _judge(index, shift, ends, [item.direction for item in confirmations if item.shift == index], now)
        statuses.add(found.status)
        on_duty_seconds += found.length_seconds
        unpaid_seconds += found.unpaid_seconds
        occurrences += found.occurrences
        if found.missing_in:
            missing_in.append(index)
        if found.missing_out:
            missing_out.append(index)
        if found.contradicted:
            contradicting.append(index)
    scheduled_seconds = sum([shift.length_seconds for shift in shifts]) if leave else on_duty_seconds
    values = {
        "status": _status(statuses),
        "occurrences": occurrences,
        "shifts": len(shifts),
        "scheduled_seconds": scheduled_seconds,
        "unpaid_seconds": unpaid_seconds,
        "missing_in": tuple(missing_in),
        "missing_out": tuple(missing_out),
        "first_in_at": first_in_at,
        "last_out_at": last_out_at,
        "doubled": len(seen) - len(once),
        "contradicted": tuple([item.fact_id for item in confirmations if item.shift in contradicting]),
        "basis": (*roster_facts, *map(_fact_id, once), *map(_fact_id, confirmations), *map(_fact_id, leave)),
        "leave_seconds": scheduled_seconds - on_duty_seconds if leave else None,
        "worked_seconds": sum([worked_seconds(of_shift, worked_time) for of_shift in by_shift])
        if worked_time is not None
        else None,
    }
    return built(DerivedDay, values)


def _status(of_shifts: set[DayStatus]) -> DayStatus:
    """The day's from those of the shifts on duty: open while one of them is, and incomplete where they do not agree."""
    if not of_shifts:
        return "rest"
    if "open" in of_shifts:
        return "open"
    return of_shifts.pop() if len(of_shifts) == 1 else "incomplete"
