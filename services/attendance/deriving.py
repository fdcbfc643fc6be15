"""Days derived anew: from a roster, from punches, from a confirmation or leave; and the months they change after the fact."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from bailiwick_contracts.attendance import DayDerived, day_stream
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.lateness import Punch, Shift
from bailiwick_contracts.month import month_stream

from services.attendance import asking, month
from services.attendance import day as days
from services.attendance import gathering as gather
from services.attendance.day import DAY, Day
from services.attendance.month import MONTH
from services.kernel.service import Unit

_AROUND = 4
_AHEAD = timedelta(days=1)
"""No punch lies further ahead than the clock tolerance; a day, should a clock have been set back."""
FEW = 12
"""So many days are asked themselves; of more, the view."""
Shifts = Mapping[str, Mapping[date, tuple[Shift, ...]]]


def derive_around(unit: Unit, changed: Mapping[tuple[str, date], Iterable[Shift]]) -> None:
    """Derive days whose shifts are new, and their neighbours, as far as they have punches or were derived before."""
    around = with_neighbours(changed)
    if not around:
        return
    people = {staff_id for staff_id, _ in around}
    first, last = min(on for _, on in around), max(on for _, on in around)
    derived = _derived(unit, around, people, first, last)
    # A day by any clock and its margins, and wherever a shift was put.
    day_before, day_after = (
        datetime.combine(on, time(), UTC) for on in (gather.shifted(first, -_AROUND), gather.shifted(last, _AROUND))
    )
    begin, end = reach((shift for shifts in changed.values() for shift in shifts), day_before, day_after)
    if not derived and (begin > unit.now + _AHEAD or not gather.has_punches(unit, people, begin, end)):
        # Days to come: their shifts need not be read, which would have this command's rows written apart from its neighbours'.
        return
    shifts = gather.shifts_between(unit, people, first, last)
    punches = punches_by_day(unit, shifts)
    seen = {(staff_id, on) for staff_id, by_day in punches.items() for on in by_day}
    derive(unit, around & (derived | seen), punches)


def with_neighbours(days_of_people: Iterable[tuple[str, date]]) -> set[tuple[str, date]]:
    """These days of people, each with the day before and the day after, as far as the calendar goes."""
    return {(staff_id, gather.shifted(on, offset)) for staff_id, on in days_of_people for offset in (-1, 0, 1)}


def _derived(
    unit: Unit, around: Iterable[tuple[str, date]], people: Iterable[str], first: date, last: date
) -> set[tuple[str, date]]:
    """Which of these days, or more of them, were derived; a few are asked themselves, which costs less than the view."""
    asked = {part: day_stream(*part) for part in around}
    if len(asked) > FEW:
        return gather.derived_between(unit, people, first, last)
    unit.load(asked.values())
    return {part for part, stream in asked.items() if unit.state(DAY, stream).derived is not None}


def reach(shifts: Iterable[Shift], *instants: datetime) -> tuple[datetime, datetime]:
    """From when to when a punch can belong to one of these shifts; and so far that these instants lie within."""
    windows = [shift.window for shift in shifts]
    return min([*instants, *(w[0] for w in windows)]), max([*instants, *(w[1] for w in windows)])


def every(shifts: Shifts) -> list[Shift]:
    """All of these shifts."""
    return [shift for of_person in shifts.values() for of_day in of_person.values() for shift in of_day]


def punches_by_day(unit: Unit, shifts: Shifts) -> days.Punches:
    """The punches inside the windows of these shifts, by person and day."""
    all_of_them = every(shifts)
    if not all_of_them:
        return {}
    found = gather.punches_between(unit, shifts, *reach(all_of_them))
    return {staff_id: days.by_day(found.get(staff_id, ()), of_person) for staff_id, of_person in shifts.items()}


def derive(
    unit: Unit, affected: Iterable[tuple[str, date]], punches: Mapping[str, Mapping[date, Sequence[Punch]]]
) -> int:
    """Derive these days, each once; answers how many changed."""
    ordered = sorted(affected)
    unit.load(day_stream(staff_id, on) for staff_id, on in ordered)
    rules = asking.rules(unit, unit.property_id)
    worked_time = rules.worked_time if rules is not None else None
    changed = 0
    for staff_id, on in ordered:
        stream = day_stream(staff_id, on)
        facts = days.derive(
            unit.state(DAY, stream),
            staff_id=staff_id,
            on=on,
            punches=punches.get(staff_id, {}).get(on, ()),
            now=unit.now,
            worked_time=worked_time,
        )
        for event in unit.append(stream, *facts):
            changed += 1
            _flag(unit, event)
    return changed


def _flag(unit: Unit, event: Event[DayDerived]) -> None:
    fact = event.data
    in_month = f"{fact.day:%Y-%m}"
    stream = month_stream(unit.property_id, in_month)
    flags = month.flag(
        in_month,
        unit.state(MONTH, stream),
        staff_id=fact.staff_id,
        day=fact.day,
        derivation=event.id,
        supersedes=fact.supersedes,
        closed=asking.closed_at(unit, unit.property_id),
    )
    unit.append(stream, *flags)


def derive_whole(unit: Unit, affected: Sequence[tuple[str, date]]) -> int:
    """Derive these days with the punches and shifts around them; answers how many changed."""
    if not affected:
        return 0
    people = {staff_id for staff_id, _ in affected}
    first, last = min(on for _, on in affected), max(on for _, on in affected)
    return derive(unit, affected, punches_by_day(unit, gather.shifts_between(unit, people, first, last)))


def person_day(unit: Unit, ids: Sequence[str], on: date) -> tuple[str, Day]:
    """The stream and state of a person's day, under whichever of the person's ids it was rostered; derived if it is due."""
    streams = [day_stream(staff_id, on) for staff_id in ids]
    unit.load(streams)
    rostered = [(one, stream) for one, stream in zip(ids, streams, strict=True) if unit.state(DAY, stream).is_rostered]
    staff_id, stream = rostered[0] if rostered else (ids[0], streams[0])
    if days.is_due(unit.state(DAY, stream), unit.now):
        derive_whole(unit, [(staff_id, on)])
    return stream, unit.state(DAY, stream)
