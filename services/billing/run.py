"""The charge run of a month: begun, every unit charged or passed over for a reason, finished (D8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.charge import ChargeRunFinished, ChargeRunStarted, PassedUnit, UnitsPassed
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.tariff import BilledUnit, Dated, first_of, next_month

from services.kernel.decision import Noun, Rejected

_METERS_NAMED = 20


@dataclass(frozen=True)
class Run:
    """The charge run of a month."""

    started: ChargeRunStarted | None = None
    finished: ChargeRunFinished | None = None


def start(
    month: str, run: Run, versions: tuple[str, ...], booked_on: date, ruling: Ruling | None
) -> list[ChargeRunStarted]:
    """Begin a run; one that was begun goes on, unless the tariff changed meanwhile."""
    if run.started is not None and run.started.tariff_versions == versions:
        return []
    return [ChargeRunStarted(month=month, booked_on=booked_on, tariff_versions=versions, ruling=ruling)]


def finish(run: Run, found: ChargeRunFinished) -> list[ChargeRunFinished]:
    """Say what a run came to; the same totals again are nothing new. Raises Rejected where nobody began it."""
    if run.started is None:
        raise Rejected("the run of this month was not started", code="run_not_started", field="month", value=found.month,
                       rule="a run that was started", remedy="start it with StartChargeRun")  # fmt: skip
    return [] if run.finished == found else [found]


def evolve_run(run: Run, event: Event[Any]) -> Run:
    """Remember where a run stands."""
    match event.data:
        case ChargeRunStarted():
            return replace(run, started=event.data)
        case ChargeRunFinished():
            return replace(run, finished=event.data)
        case _:
            return run


RUN = Noun("run", Run(), evolve_run)


def passing(
    unit: BilledUnit,
    month: str,
    tariffs: Sequence[Dated],
    meters: Mapping[str, str],
    read: frozenset[str],
    *,
    charged: bool,
) -> PassedUnit | None:
    """Why a unit has no charge in a month, or lacks one; None where nothing is wanting.

    Args:
        unit: the unit with its payers.
        month: the month.
        tariffs: every version adopted.
        meters: kind by id of the unit's meters.
        read: the meters that were read in the month.
        charged: whether the unit has charges of the month.
    """
    first, last = first_of(month), first_of(next_month(month))
    if not any(one.first_on < last and (one.until_on is None or one.until_on > first) for one in unit.spells):
        return None if charged else PassedUnit(unit_id=unit.unit_id, reason="no_payer")
    metered = _metered_kinds(unit, tariffs, first, last)
    unread = tuple(sorted(meter for meter, kind in meters.items() if kind in metered and meter not in read))
    if unread:
        return PassedUnit(unit_id=unit.unit_id, reason="no_reading", meter_ids=unread[:_METERS_NAMED])
    return None if charged else PassedUnit(unit_id=unit.unit_id, reason="nothing_due")


def _metered_kinds(unit: BilledUnit, tariffs: Sequence[Dated], first: date, last: date) -> set[str | None]:
    held = sorted((one for one in tariffs if one.effective_on < last), key=lambda one: one.effective_on)
    before = [one for one in held if one.effective_on <= first]
    within = [*before[-1:], *(one for one in held if one.effective_on > first)]
    return {
        line.meter_kind
        for one in within
        for line in one.tariff.lines
        if line.basis == "per_meter" and (not line.unit_kinds or unit.kind in line.unit_kinds)
    }


def pass_over(
    month: str, found: Mapping[str, PassedUnit | None], known: Mapping[str, PassedUnit], booked_on: date
) -> list[UnitsPassed]:
    """Record what is new of the reasons why units were passed over.

    Args:
        month: the month.
        found: by unit the reason that holds now, None where nothing is wanting.
        known: by unit the reason recorded before.
        booked_on: the property's date.
    """
    units = tuple(one for unit_id, one in found.items() if one is not None and known.get(unit_id) != one)
    charged = tuple(unit_id for unit_id, one in found.items() if one is None and unit_id in known)
    if not units and not charged:
        return []
    return [UnitsPassed(month=month, booked_on=booked_on, units=units, charged=charged)]
