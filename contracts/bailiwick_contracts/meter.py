"""Meters: readings, what they measured, rollover, replacement, estimates, and corrections by reversal (D8)."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Request
from bailiwick_contracts.part import whole
from bailiwick_contracts.tariff import Number, UnitId, Usage

MeterId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,24}$")]
METERS_LIMIT = 500
READINGS_LIMIT = 1_000
ReadingKind = Literal["reading", "estimate", "rollover", "replacement"]


def meter_stream(property_id: str, meter_id: str) -> str:
    """The stream of one meter."""
    return f"meter-{property_id}-{meter_id}"


class Meter(Record):
    """A meter: whose, of which kind, and how it counts."""

    meter_id: MeterId
    unit_id: UnitId
    kind: Label
    """`water`, `electricity`…, as tariff lines name it."""
    digits: Annotated[int, Field(ge=1, le=9)] = 6
    """Whole digits of its counter: with 5 it runs from 0 to 99,999 and over."""
    factor: Number = Decimal(1)
    """By which the difference of two readings is multiplied."""
    usage_limit: Number | None = None
    """The most that is plausible between two readings. Within it, a reading below the last one is taken as a rollover."""
    installed_on: date
    start: Number = Decimal(0)
    """What it showed when it was installed."""


class RegisterMeters(Request):
    """Tell billing of meters (B1); a meter that is known is not changed. Each row is answered by its `meter_id`."""

    type: Literal["billing.register_meters.v1"] = "billing.register_meters.v1"
    meters: Annotated[tuple[Annotated[Meter, whole(Meter)], ...], Field(min_length=1, max_length=METERS_LIMIT)]


class MeterRegistered(Fact):
    """A meter counts for a unit."""

    type: Literal["billing.meter_registered.v1"] = "billing.meter_registered.v1"
    meter: Meter
    ruling: Ruling | None = None


class ReadingRow(Record):
    """One row of a reading file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    reading_id: Identifier
    meter_id: MeterId
    read_on: date
    value: Number
    kind: ReadingKind = "reading"
    """`replacement`: `value` is what the old meter showed at last, `start` what the new one shows."""
    start: Number | None = None
    file_row: int | None = None


class RecordReadings(Request):
    """Record readings of meters (B2). Each row is answered by its `reading_id`.

    `done`; `ignored`: the same reading of that day is known; `rejected`: `unknown_meter`, `below_last`, `beyond_counter`,
    `implausible`, `before_last`, `day_already_read`, `start_missing`.
    """

    type: Literal["billing.record_readings.v1"] = "billing.record_readings.v1"
    rows: Annotated[tuple[ReadingRow, ...], Field(min_length=1, max_length=READINGS_LIMIT)]


class MeterRead(Fact):
    """A meter was read, and what it measured since the reading before."""

    type: Literal["billing.meter_read.v1"] = "billing.meter_read.v1"
    value: Number
    last: Number
    last_on: date
    kind: ReadingKind
    """As it was taken: a reading below the last one within the meter's usage limit is a `rollover`."""
    start: Number | None = None
    usage: Usage
    arithmetic: Label


class ReverseReading(Request):
    """Take the latest reading of a meter back (B2); record the right one afterwards."""

    type: Literal["billing.reverse_reading.v1"] = "billing.reverse_reading.v1"
    meter_id: MeterId
    reading_id: Identifier
    grounds: Identifier


class ReadingReversed(Fact):
    """A reading does not count; charges that rest on it come out otherwise when they are rated anew."""

    type: Literal["billing.reading_reversed.v1"] = "billing.reading_reversed.v1"
    meter_id: MeterId
    reading_id: Identifier
    unit_id: UnitId
    grounds: Identifier
    ruling: Ruling | None = None


class ListReadings(Request):
    """What was measured at a property, by meter and day, in pages."""

    type: Literal["billing.list_readings.v1"] = "billing.list_readings.v1"
    meter_id: MeterId | None = None
    after: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class Measured(NamedTuple):
    """What came of a reading: how it was taken, the quantity, the arithmetic; or why it is not taken."""

    kind: ReadingKind = "reading"
    quantity: Decimal = Decimal(0)
    arithmetic: str = ""
    reason: str | None = None


def measure(meter: Meter, last: Decimal, value: Decimal, kind: ReadingKind) -> Measured:
    """What a meter measured between two readings.

    A counter that reached its end begins again at nothing: a reading below the last one is a rollover where the row says so,
    or where what it would have measured is within the meter's usage limit. `estimate` and `replacement` never roll over.
    """
    top = Decimal(10) ** meter.digits
    if value >= top:
        return Measured(reason="beyond_counter")
    taken: ReadingKind = kind
    if value >= last and kind != "rollover":
        difference, said = value - last, f"({value:f} − {last:f})"
    else:
        difference, said, taken = top - last + value, f"({top:f} − {last:f} + {value:f})", "rollover"
        plausible = meter.usage_limit is not None and difference * meter.factor <= meter.usage_limit
        if kind in ("estimate", "replacement") or (kind == "reading" and not plausible):
            return Measured(reason="below_last")
    quantity = difference * meter.factor
    if meter.usage_limit is not None and quantity > meter.usage_limit:
        return Measured(reason="implausible")
    return Measured(taken, quantity, f"{said} × {meter.factor:f} = {quantity:f}")
