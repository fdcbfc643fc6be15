"""Two people swap shifts (A5, D4d): each takes the other's, on the other's day."""

from datetime import date
from typing import Annotated, Literal

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.message import Fact, Identifier, Record, Request
from bailiwick_contracts.part import whole


class RosteredPart(Record):
    """A person's shifts of a day."""

    staff_id: Identifier
    day: date


class SwapShifts(Request):
    """Let two people swap (A5): the first works the second's shifts and the other way round; a day given away is one of rest."""

    type: Literal["attendance.swap_shifts.v1"] = "attendance.swap_shifts.v1"
    roster_id: Identifier
    first: Annotated[RosteredPart, whole(RosteredPart)]
    second: Annotated[RosteredPart, whole(RosteredPart)]


class ShiftsSwapped(Fact):
    """Two people swapped; each person's day holds its own part."""

    type: Literal["attendance.shifts_swapped.v1"] = "attendance.shifts_swapped.v1"
    roster_id: Identifier
    first: RosteredPart
    second: RosteredPart
    ruling: Ruling


def swapped(
    first: RosteredPart, second: RosteredPart, of_first: tuple[Shift, ...], of_second: tuple[Shift, ...]
) -> dict[tuple[str, date], tuple[Shift, ...]]:
    """What each person works on each day concerned afterwards."""
    if first.day == second.day:
        return {(first.staff_id, first.day): of_second, (second.staff_id, first.day): of_first}
    return {
        (first.staff_id, first.day): (),
        (first.staff_id, second.day): of_second,
        (second.staff_id, second.day): (),
        (second.staff_id, first.day): of_first,
    }
