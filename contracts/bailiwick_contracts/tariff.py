"""Tariffs: what is charged, as adopted versions with dates, and the arithmetic from a unit to the lines of a month (D8)."""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Identifier, Label, Record, of_the_calendar
from bailiwick_contracts.money import CENT, Amount, Currency, Money, allocate, rounded

NUMBER_PATTERN = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"
_number = re.compile(NUMBER_PATTERN)


def _read_number(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    return _read_text(value if isinstance(value, str) else "")


@lru_cache(maxsize=4096)  # areas and prices are few
def _read_text(value: str) -> Decimal:
    if not _number.fullmatch(value):
        raise ValueError('a number is a JSON string of at most 12 digits and 6 decimals, not negative, e.g. "88.50"')
    return Decimal(value)


_read_number.of_text = _read_text  # type: ignore[attr-defined] # what reads a number that is written as one (`plain`)
Number = Annotated[
    Decimal,
    BeforeValidator(_read_number),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": NUMBER_PATTERN}),
]
"""An exact quantity or unit price that is not negative: areas, readings, prices."""
MONTH_PATTERN = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
Month = Annotated[str, StringConstraints(pattern=MONTH_PATTERN), AfterValidator(lru_cache(of_the_calendar))]
"""A calendar month of the property, `2026-03`."""
UnitId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,18}$")]
ShortId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
"""An id from which the name of a stream is made."""
LineId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,16}$")]
PayerClass = Literal["owner", "developer"]
FeeClass = Literal["management", "water", "electricity", "parking", "rent", "other", "late_fee"]
Basis = Literal["per_area", "per_unit", "per_bay", "per_meter", "fixed"]


class Step(Record):
    """A step of a metered price: it holds up to and including a quantity of the month, the last one for all the rest."""

    up_to: Number | None = None
    price: Number


class TariffLine(Record):
    """One fee: for which units, on what basis, at which price."""

    line_id: LineId
    fee_class: FeeClass
    basis: Basis
    price: Number | None = None
    """Per square metre, unit, bay or month; none where `steps` price a meter."""
    steps: tuple[Step, ...] = ()
    meter_kind: Label | None = None
    unit_kinds: tuple[Label, ...] = ()
    """Empty: units of every kind."""
    prorated: bool = True
    """By days of the month on which somebody holds the unit (C14); a metered line never is."""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if (self.price is None) == (not self.steps):
            raise ValueError("price: a line has either a price or steps")
        if (self.basis == "per_meter") != (self.meter_kind is not None):
            raise ValueError("meter_kind: a line per_meter names the kind of its meters, and no other line does")
        if self.steps and self.basis != "per_meter":
            raise ValueError("steps: only a line per_meter has steps")
        bounds = [step.up_to for step in self.steps]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if bounds and (bounds[-1] is not None or len(inner) < len(bounds) - 1 or inner != sorted(set(inner))):
            raise ValueError("steps: bounds rise from step to step, and the last step has none")
        return self


class LateFee(Record):
    """What a late payment costs: a rate of the open amount for each day after the grace, never more than the cap."""

    rate_per_day: Ratio
    grace_days: Annotated[int, Field(ge=0, le=366)]
    cap: Ratio
    """The most that one charge can ever cost, as a share of its amount."""
    fee_classes: tuple[FeeClass, ...] = ("management",)


class Tariff(Record):
    """The fees of a property in one version."""

    version: Identifier
    currency: Currency = "CNY"
    rounding: Literal["half_up_cent"] = "half_up_cent"
    due_day: Annotated[int, Field(ge=1, le=28)] = 10
    """Of the charged month."""
    lines: Annotated[tuple[TariffLine, ...], Field(min_length=1, max_length=60)]
    late_fee: LateFee | None = None

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [line.line_id for line in self.lines]
        if len(set(names)) < len(names):
            raise ValueError("lines: each line_id stands once in a tariff")
        return self


class Dated(Record):
    """A tariff with the date from which it holds, and the fact that adopted it."""

    tariff: Tariff
    effective_on: date
    fact_id: Identifier


class Spell(Record):
    """Who pays for a unit from a date until another, which is excluded; none: until further notice."""

    payer_class: PayerClass
    first_on: date
    until_on: date | None = None


class BilledUnit(Record):
    """A unit as billing knows it."""

    unit_id: UnitId
    label: Label
    kind: Label = "flat"
    area: Number = Decimal(0)
    """Square metres."""
    bays: Annotated[int, Field(ge=0, le=999)] = 0
    spells: Annotated[tuple[Spell, ...], Field(max_length=20)] = ()
    references: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    """Other names by which payers name it: contract or customer numbers."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for earlier, later in zip(self.spells, self.spells[1:], strict=False):
            if earlier.until_on is None or earlier.until_on > later.first_on:
                raise ValueError("spells: they follow one another by date and do not overlap")
        if any(spell.until_on is not None and spell.until_on <= spell.first_on for spell in self.spells):
            raise ValueError("spells: until_on is the day after the last one, so it lies after first_on")
        return self


class Usage(Record):
    """What a reading measured, to be charged in a month."""

    reading_id: Identifier
    meter_id: Label
    meter_kind: Label
    unit_id: UnitId
    read_on: date
    quantity: Number


class Priced(NamedTuple):
    """One line as it comes out, before it has an id."""

    line_id: str
    part: int
    fee_class: FeeClass
    payer_class: PayerClass
    tariff_version: str
    quantity: Decimal
    first_on: date
    until_on: date
    due_on: date
    amount: Decimal
    arithmetic: str
    readings: tuple[str, ...] = ()


def first_of(month: str) -> date:
    """The first day of a month."""
    return date(int(month[:4]), int(month[5:]), 1)


def next_month(month: str, by: int = 1) -> str:
    """The month `by` months later, or earlier where it is negative."""
    whole = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{whole // 12:04d}-{whole % 12 + 1:02d}"


def price_month(
    unit: BilledUnit, month: str, tariffs: Sequence[Dated], usages: Iterable[Usage] = ()
) -> tuple[Priced, ...]:
    """Every line of a unit for a month, under the versions that hold on its days; nothing where nobody holds the unit.

    A line is prorated by days (C14). Where the payer changes inside a month, the amount for all days is split by days and
    conserved to the cent. Where the tariff changes, each version prices its own days: of a line that is not prorated, its
    share of the days on which somebody holds the unit.
    """
    first, last = first_of(month), first_of(next_month(month))
    days = (last - first).days
    held = list(_held(tariffs, first, last))
    held_days = _held_days(unit, held)
    found: list[Priced] = []
    for dated, from_on, to_on in held:
        due_on = first.replace(day=min(dated.tariff.due_day, monthrange(first.year, first.month)[1]))
        spells = _spells(unit, from_on, to_on)
        for line in dated.tariff.lines:
            if not _applies(line, unit):
                continue
            if line.basis == "per_meter":
                found += _metered(unit, line, dated, usages, from_on, to_on, due_on)
            elif spells:
                of_days = days if line.prorated else held_days[line.line_id]
                found += _by_days(unit, line, dated, spells, of_days, due_on)
    return _numbered(found)


def _held_days(unit: BilledUnit, held: Iterable[tuple[Dated, date, date]]) -> Counter[str]:
    """On how many days somebody holds the unit while a line applies to it, by line."""
    found: Counter[str] = Counter()
    for dated, from_on, to_on in held:
        days = sum((until - since).days for _, since, until in _spells(unit, from_on, to_on))
        found.update({line.line_id: days for line in dated.tariff.lines if _applies(line, unit)})
    return found


def _applies(line: TariffLine, unit: BilledUnit) -> bool:
    return not line.unit_kinds or unit.kind in line.unit_kinds


def _held(tariffs: Sequence[Dated], first: date, last: date) -> Iterable[tuple[Dated, date, date]]:
    ordered = sorted(tariffs, key=lambda one: one.effective_on)
    for index, dated in enumerate(ordered):
        until = ordered[index + 1].effective_on if index + 1 < len(ordered) else last
        from_on, to_on = max(first, dated.effective_on), min(last, until)
        if from_on < to_on:
            yield dated, from_on, to_on


def _spells(unit: BilledUnit, first: date, last: date) -> list[tuple[PayerClass, date, date]]:
    cut = [(spell.payer_class, max(first, spell.first_on), min(last, spell.until_on or last)) for spell in unit.spells]
    return [one for one in cut if one[1] < one[2]]


_ONE = Decimal(1)
_UNITS: dict[Basis, str] = {"per_area": "m²", "per_unit": "unit", "per_bay": "bays", "fixed": "fixed"}


def _by_days(
    unit: BilledUnit, line: TariffLine, dated: Dated, spells: Sequence[tuple[PayerClass, date, date]], days: int,
    due_on: date,
) -> list[Priced]:  # fmt: skip
    quantity = unit.area if line.basis == "per_area" else Decimal(unit.bays) if line.basis == "per_bay" else _ONE
    price = line.price or Decimal(0)
    lengths = [(until - first).days for _, first, until in spells]
    held = sum(lengths)
    exact = price * quantity
    whole = rounded(exact, Fraction(held, days)) if held != days else exact.quantize(CENT, ROUND_HALF_UP)
    if whole == 0:
        return []
    shares = [whole]
    if len(spells) > 1:
        money = Money(amount=whole, currency=dated.tariff.currency)
        shares = [share.amount for share in allocate(money, [Decimal(one) for one in lengths])]
    said = f"{quantity} {_UNITS[line.basis]} × {price}"
    found = []
    for (payer, first, until), length, share in zip(spells, lengths, shares, strict=True):
        part = f" × {length}/{days}" if length != days else ""
        part = part if line.prorated or len(spells) == 1 else f"{part} of its payer"
        found.append(
            Priced(line.line_id, 0, line.fee_class, payer, dated.tariff.version, quantity, first, until, due_on,
                   share, f"{said}{part} = {share}")
        )  # fmt: skip
    return [one for one in found if one.amount > 0]


def _metered(
    unit: BilledUnit, line: TariffLine, dated: Dated, usages: Iterable[Usage], from_on: date, to_on: date, due_on: date
) -> list[Priced]:
    by_payer: dict[PayerClass, list[Usage]] = {}
    for usage in usages:
        if usage.meter_kind == line.meter_kind and from_on <= usage.read_on < to_on:
            by_payer.setdefault(_payer_on(unit, usage.read_on), []).append(usage)
    found = []
    for payer, read in by_payer.items():
        quantity = sum((one.quantity for one in read), Decimal(0))
        amount, said = price_steps(quantity, line)
        if amount > 0:
            ids = tuple(sorted(one.reading_id for one in read))
            found.append(
                Priced(line.line_id, 0, line.fee_class, payer, dated.tariff.version, quantity, from_on, to_on, due_on,
                       amount, said, ids)
            )  # fmt: skip
    return found


def price_steps(quantity: Decimal, line: TariffLine) -> tuple[Decimal, str]:
    """What a metered quantity costs, step by step, rounded once at the end; and the arithmetic."""
    steps = line.steps or (Step(price=line.price or Decimal(0)),)
    exact, below, said = Decimal(0), Decimal(0), []
    for step in steps:
        top = quantity if step.up_to is None else min(quantity, step.up_to)
        if top > below:
            exact += (top - below) * step.price
            said.append(f"{top - below:f} × {step.price:f}")
            below = top
    amount = exact.quantize(CENT, ROUND_HALF_UP)
    return amount, " + ".join(said) + f" = {amount}"


def _payer_on(unit: BilledUnit, on: date) -> PayerClass:
    begun = [spell for spell in unit.spells if spell.first_on <= on]
    return begun[-1].payer_class if begun else "owner"


def _numbered(found: Sequence[Priced]) -> tuple[Priced, ...]:
    seen: dict[str, int] = {}
    numbered = []
    for one in found:
        numbered.append(one._replace(part=seen.get(one.line_id, 0)))
        seen[one.line_id] = seen.get(one.line_id, 0) + 1
    return tuple(numbered)


def late_fee(
    rule: LateFee, *, principal: Decimal, open_amount: Decimal, due_on: date, charged: Decimal,
    charged_until: date | None, until: date,
) -> tuple[Decimal, date, str]:  # fmt: skip
    """What a late payment costs from where it was last charged until a date; the amount, that date, the arithmetic.

    Args:
        rule: rate, grace and cap of the tariff in force.
        principal: the amount of the charge, to which the cap refers.
        open_amount: what is open of it.
        due_on: when it was due.
        charged: what its late payment cost so far.
        charged_until: until when that was charged, excluded.
        until: until when to charge now, excluded.
    """
    start = max(date.fromordinal(due_on.toordinal() + 1 + rule.grace_days), charged_until or date.min)
    days = (until - start).days
    if days <= 0 or open_amount <= 0:
        return Decimal(0), charged_until or start, ""
    asked = rounded(open_amount, rule.rate_per_day.fraction * days)
    room = rounded(principal, rule.cap.fraction) - charged
    amount = max(Decimal(0), min(asked, room)).quantize(CENT)
    rate = rule.rate_per_day.fraction
    said = f"{open_amount} × {rate.numerator}/{rate.denominator} × {days} days = {asked}"
    return amount, until, said if asked <= room else f"{said}, capped at {amount}"


class Standing(Record):
    """One charge as it stands after a fact: what every payment, waiver and reversal says of what it touched."""

    charge_id: Label
    unit_id: UnitId
    month: Month
    fee_class: FeeClass
    payer_class: PayerClass
    accrued_on: date
    due_on: date
    amount: Amount
    open: Amount
    waived: Amount = Decimal(0)
    late_charged: Amount = Decimal(0)
    """What its late payment has cost so far."""
    late_until: date | None = None
