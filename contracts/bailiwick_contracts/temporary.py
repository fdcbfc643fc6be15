"""Temporary staff (A3): a post is filled inside the approved headcount alone, whoever asks at the same time."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from bailiwick_contracts.authority import Measured, Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Label, Refusal, Request
from bailiwick_contracts.showing import Showing, named


def temporary_stream(property_id: str) -> str:
    """The stream of a property's temporary staff."""
    return f"temporary-{property_id}"


class HireTemp(Request):
    """Take on a temporary employee inside the approved headcount (A3)."""

    type: Literal["attendance.hire_temp.v1"] = "attendance.hire_temp.v1"
    hire_id: Identifier
    position: Label
    first_on: date
    last_on: date
    why: Label
    """The need, not the person."""


class TempHired(Fact):
    """A temporary post is filled; the registry registers the person."""

    type: Literal["attendance.temp_hired.v1"] = "attendance.temp_hired.v1"
    hire_id: Identifier
    position: Label
    first_on: date
    last_on: date
    held: int
    """Posts of the position that are filled at most on one of these days, this one included."""
    approved: int
    why: Label
    ruling: Ruling


class HireRefused(Refusal):
    """A hire was turned down: `quota_exceeded` (see P2), or a reason of `rule`."""

    type: Literal["attendance.hire_refused.v1"] = "attendance.hire_refused.v1"
    hire_id: Identifier
    position: Label
    first_on: date
    last_on: date
    held: int
    """Posts filled already; -1 where a post was to be freed."""
    approved: int
    ruling: Ruling


class EndTemp(Request):
    """Say that a temporary employee leaves before the day agreed (A3)."""

    type: Literal["attendance.end_temp.v1"] = "attendance.end_temp.v1"
    hire_id: Identifier
    last_on: date


class TempEnded(Fact):
    """The post is free from the day after."""

    type: Literal["attendance.temp_ended.v1"] = "attendance.temp_ended.v1"
    hire_id: Identifier
    position: Label
    last_on: date
    ruling: Ruling


class GetTemporary(Request):
    """A property's temporary staff by position, with what is approved."""

    type: Literal["attendance.get_temporary.v1"] = "attendance.get_temporary.v1"


@dataclass(frozen=True)
class Temp:
    """A temporary post that is filled."""

    position: str
    first_on: date
    last_on: date
    fact_id: str


@dataclass(frozen=True)
class Temporary:
    """A property's temporary staff."""

    hires: dict[str, Temp] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


def evolve(temporary: Temporary, event: Event[Any]) -> Temporary:
    """The temporary staff after one more fact; what says nothing of it changes nothing."""
    fact = event.data
    match fact:
        case TempHired():
            hired = Temp(fact.position, fact.first_on, fact.last_on, event.id)
            return replace(temporary, hires={**temporary.hires, fact.hire_id: hired})
        case TempEnded():
            known = temporary.hires.get(fact.hire_id)
            if known is None:
                return temporary
            ended = replace(known, last_on=min(known.last_on, fact.last_on))
            return replace(temporary, hires={**temporary.hires, fact.hire_id: ended})
        case HireRefused():
            return replace(temporary, refused=temporary.refused | {fact.hire_id})
        case _:
            return temporary


def held_at_most(temporary: Temporary, position: str, first_on: date, last_on: date) -> tuple[int, tuple[str, ...]]:
    """How many posts of a position are filled at most on one day of a period, and the hires of the whole period."""
    over = [
        one
        for one in temporary.hires.values()
        if one.position == position and one.first_on <= last_on and one.last_on >= first_on
    ]
    days = {first_on, *(max(one.first_on, first_on) for one in over)}
    most = max((sum(one.first_on <= day <= one.last_on for one in over) for day in days), default=0)
    return most, tuple(sorted(one.fact_id for one in over))


def hire_shown(held: int, hires: tuple[str, ...], approved: int, rules_fact: str | None) -> Showing:
    """What a hire shows: whether one more stays inside the approved headcount (A3)."""
    return Showing(
        conditions=("inside_headcount",) if held + 1 <= approved else (),
        measures=(Measured(measure="headcount", value=Ratio.of(held + 1)),),
        inputs=named(temporary_staff=hires, headcount=(rules_fact,) if rules_fact else ()),
    )
