"""The meter: what it showed, and what it measured between two readings (D8)."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.meter import (
    Meter,
    MeterRead,
    MeterRegistered,
    ReadingReversed,
    ReadingRow,
    ReverseReading,
    measure,
)
from bailiwick_contracts.tariff import Usage

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Counted:
    """A reading that stands."""

    fact: MeterRead

    @property
    def shows(self) -> Decimal:
        """What the meter shows from then on."""
        return self.fact.value if self.fact.start is None else self.fact.start


@dataclass(frozen=True)
class MeterState:
    """A meter with its standing readings, oldest first, and the ids of those taken back."""

    meter: Meter | None = None
    readings: tuple[Counted, ...] = ()
    reversed: frozenset[str] = frozenset()

    @property
    def last(self) -> tuple[Decimal, date]:
        """What it showed last, and when."""
        if self.readings:
            return self.readings[-1].shows, self.readings[-1].fact.usage.read_on
        return (self.meter.start, self.meter.installed_on) if self.meter else (Decimal(0), date.min)


def install(meter: Meter, state: MeterState, ruling: Ruling | None) -> list[MeterRegistered]:
    """Register a meter; one that is known stays as it is."""
    return [] if state.meter is not None else [MeterRegistered(meter=meter, ruling=ruling)]


def read(row: ReadingRow, state: MeterState) -> list[MeterRead] | str:
    """The fact of a reading, none for one that is known, or the reason why it is not taken."""
    meter = state.meter
    if meter is None:
        return "unknown_meter"
    for known in state.readings:
        if known.fact.usage.read_on == row.read_on and known.fact.value == row.value:
            return []
        if known.fact.usage.reading_id == row.reading_id or known.fact.usage.read_on == row.read_on:
            return "day_already_read"
    if row.reading_id in state.reversed:
        return "reading_was_reversed"
    last, last_on = state.last
    if row.read_on < last_on:
        return "before_last"
    if row.kind == "replacement" and row.start is None:
        return "start_missing"
    measured = measure(meter, last, row.value, row.kind)
    if measured.reason is not None:
        return measured.reason
    usage = Usage(
        reading_id=row.reading_id,
        meter_id=meter.meter_id,
        meter_kind=meter.kind,
        unit_id=meter.unit_id,
        read_on=row.read_on,
        quantity=measured.quantity,
    )
    start = row.start if row.kind == "replacement" else None
    return [
        MeterRead(value=row.value, last=last, last_on=last_on, kind=measured.kind, start=start, usage=usage,
                  arithmetic=measured.arithmetic)
    ]  # fmt: skip


def take_back(request: ReverseReading, state: MeterState, ruling: Ruling | None) -> list[ReadingReversed]:
    """Take the latest reading back; one taken back already is nothing new.

    Raises:
        Rejected: the meter is unknown, or the reading is not its latest one.
    """
    if request.reading_id in state.reversed:
        return []
    latest = state.readings[-1].fact if state.readings else None
    if state.meter is None or latest is None or latest.usage.reading_id != request.reading_id:
        raise Rejected("this is not the latest reading of the meter", code="not_the_latest", field="reading_id",
                       value=request.reading_id, rule="readings are taken back from the latest one",
                       remedy=f"take {latest.usage.reading_id} back first" if latest else "there is none to take back")  # fmt: skip
    return [
        ReadingReversed(meter_id=request.meter_id, reading_id=request.reading_id, unit_id=state.meter.unit_id,
                        grounds=request.grounds, ruling=ruling)
    ]  # fmt: skip


def evolve(state: MeterState, event: Event[Any]) -> MeterState:
    """Remember the meter and its standing readings."""
    match event.data:
        case MeterRegistered():
            return replace(state, meter=event.data.meter)
        case MeterRead():
            return replace(state, readings=(*state.readings, Counted(event.data)))
        case ReadingReversed():
            gone = event.data.reading_id
            kept = tuple(one for one in state.readings if one.fact.usage.reading_id != gone)
            return replace(state, readings=kept, reversed=state.reversed | {gone})
        case _:
            return state


METER = Noun("meter", MeterState(), evolve)
