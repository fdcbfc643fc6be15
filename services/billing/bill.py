"""The bill: what one unit owes for one month, charged once and reversed, never edited (D8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.charge import ChargeLine, ChargesAccrued, ChargesReversed, ReversedLine, charge_id
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import built
from bailiwick_contracts.tariff import (
    BilledUnit,
    Dated,
    LateFee,
    Priced,
    Standing,
    Usage,
    first_of,
    late_fee,
    price_month,
)

from services.kernel.decision import Noun

ZERO = Decimal(0)
LATE_FEE = "late_fee"
"""The line of what late payments cost."""


@dataclass(frozen=True)
class Charged:
    """A charge of this bill as it was made."""

    line: ChargeLine
    reversed: bool = False


@dataclass(frozen=True)
class Bill:
    """Every charge of a unit's month by id, the reversed ones included."""

    charges: Mapping[str, Charged] = field(default_factory=dict)

    def standing(self, base: str) -> Charged | None:
        """The charge of a fee line that is not reversed, if there is one."""
        found = [one for key, one in self.charges.items() if (key == base or key.startswith(f"{base}-r"))]
        return next((one for one in found if not one.reversed), None)

    def last(self, base: str) -> Charged:
        """The charge of a fee line that was made last, reversed or not."""
        return [one for key, one in self.charges.items() if key == base or key.startswith(f"{base}-r")][-1]

    def first_accrued(self, line_id: str, booked_on: date) -> date:
        """Since when a line is charged: what came in since then was no prepayment, though the charge is made anew today."""
        made = (one.line.charge.accrued_on for one in self.charges.values() if one.line.line_id == line_id)
        return min(made, default=booked_on)

    def revision(self, base: str) -> int:
        """How often a fee line was charged."""
        return sum(1 for key in self.charges if key == base or key.startswith(f"{base}-r"))


@dataclass(frozen=True)
class Outlook:
    """What a charge run makes of a bill."""

    new: tuple[ChargeLine, ...]
    differing: tuple[tuple[ChargeLine, Decimal], ...]
    """Standing charges that would come out otherwise now, each with the amount."""
    superseded: tuple[str, ...] = ()
    """The differing ones that `new` replaces."""


def outlook(
    bill: Bill, property_id: str, unit: BilledUnit, month: str, tariffs: Sequence[Dated], usages: Sequence[Usage],
    *, overdue: Sequence[Standing], booked_on: date, rerate: bool = False,
) -> Outlook:  # fmt: skip
    """What is to be charged for a month that is not charged yet, and what would come out otherwise.

    Args:
        bill: what was charged already.
        property_id: the property.
        unit: the unit with its payers.
        month: the month to charge.
        tariffs: every version adopted.
        usages: what its meters measured in the month.
        overdue: open charges of the unit, for late fees.
        booked_on: the property's date.
        rerate: charge anew what would come out otherwise.
    """
    new: list[ChargeLine] = []
    differing: list[tuple[ChargeLine, Decimal]] = []
    superseded: list[str] = []
    wanted: dict[str, Priced] = {}
    for priced in price_month(unit, month, tariffs, usages):
        name = priced.line_id if not priced.part else f"{priced.line_id}.{priced.part}"
        wanted[charge_id(property_id, unit.unit_id, month, name)] = priced
    for base, priced in wanted.items():
        known = bill.standing(base)
        if known is not None:
            if known.line.charge.amount == priced.amount and known.line.charge.payer_class == priced.payer_class:
                continue
            differing.append((known.line, priced.amount))
            if not rerate:
                continue
            superseded.append(known.line.charge.charge_id)
        elif bill.revision(base) and not rerate:
            differing.append((bill.last(base).line, priced.amount))
            continue
        accrued_on = bill.first_accrued(priced.line_id, booked_on) if rerate else booked_on
        new.append(_line(priced, base, bill.revision(base), unit.unit_id, month, accrued_on))
    for key, known in bill.charges.items():
        gone = not known.reversed and known.line.late_of is None and not _wanted(key, wanted)
        if gone:
            differing.append((known.line, ZERO))
            if rerate:
                superseded.append(key)
    new += _late_lines(bill, property_id, unit, month, tariffs, overdue, booked_on)
    return Outlook(tuple(new), tuple(differing), tuple(superseded))


def _wanted(key: str, wanted: Mapping[str, Priced]) -> bool:
    return any(key == base or key.startswith(f"{base}-r") for base in wanted)


def _line(priced: Priced, base: str, revision: int, unit_id: str, month: str, accrued_on: date) -> ChargeLine:
    # Built from what was checked already: a run makes hundreds of thousands of these.
    charge = built(
        Standing,
        {
            "charge_id": f"{base}-r{revision}" if revision else base,
            "unit_id": unit_id,
            "month": month,
            "fee_class": priced.fee_class,
            "payer_class": priced.payer_class,
            "accrued_on": accrued_on,
            "due_on": priced.due_on,
            "amount": priced.amount,
            "open": priced.amount,
            "waived": ZERO,
            "late_charged": ZERO,
            "late_until": None,
        },
    )
    return built(
        ChargeLine,
        {
            "charge": charge,
            "line_id": priced.line_id,
            "tariff_version": priced.tariff_version,
            "quantity": priced.quantity,
            "first_on": priced.first_on,
            "until_on": priced.until_on,
            "arithmetic": priced.arithmetic[:128],
            "readings": priced.readings,
            "late_of": None,
        },
    )


def _rule_in_force(tariffs: Sequence[Dated], on: date) -> tuple[LateFee | None, str]:
    held = [one for one in sorted(tariffs, key=lambda one: one.effective_on) if one.effective_on <= on]
    return (held[-1].tariff.late_fee, held[-1].tariff.version) if held else (None, "")


def late_fee_id(property_id: str, unit_id: str, month: str, tail: str) -> str:
    """The id of what a charge's late payment costs in a month; `tail` is that charge's id without property and unit."""
    return charge_id(property_id, unit_id, month, f"late-{tail}")


def _late_lines(
    bill: Bill, property_id: str, unit: BilledUnit, month: str, tariffs: Sequence[Dated], overdue: Sequence[Standing],
    booked_on: date,
) -> list[ChargeLine]:  # fmt: skip
    # A run made ahead of its month knows no lateness of days to come: the next run charges them, if they come.
    due_on = first_of(month)
    until = min(due_on, booked_on)
    rule, version = _rule_in_force(tariffs, due_on)
    found: list[ChargeLine] = []
    for charge in sorted(overdue, key=lambda one: one.charge_id) if rule is not None else ():
        if rule is None or charge.fee_class not in rule.fee_classes or charge.month >= month:
            continue
        tail = charge.charge_id.removeprefix(f"{property_id}-{charge.unit_id}-")
        key = late_fee_id(property_id, unit.unit_id, month, tail)
        amount, reached, said = late_fee(
            rule, principal=charge.amount, open_amount=charge.open, due_on=charge.due_on,
            charged=charge.late_charged, charged_until=charge.late_until, until=until,
        )  # fmt: skip
        if amount <= 0 or key in bill.charges:
            continue
        first_on = max(charge.late_until or date.min, date.fromordinal(charge.due_on.toordinal() + 1 + rule.grace_days))
        late = charge.model_copy(update={"late_charged": charge.late_charged + amount, "late_until": reached})
        made = Standing(
            charge_id=key, unit_id=unit.unit_id, month=month, fee_class="late_fee", payer_class=charge.payer_class,
            accrued_on=booked_on, due_on=due_on, amount=amount, open=amount,
        )  # fmt: skip
        found.append(
            ChargeLine(charge=made, line_id=LATE_FEE, tariff_version=version, quantity=charge.open, first_on=first_on,
                       until_on=reached, arithmetic=said[:128], late_of=late)
        )  # fmt: skip
    return found


def accrue(
    unit_id: str, month: str, currency: str, lines: Sequence[ChargeLine], booked_on: date
) -> list[ChargesAccrued]:
    """The fact that charges a unit, or none where there is nothing to charge."""
    if not lines:
        return []
    total = sum((line.charge.amount for line in lines), ZERO)
    return [
        ChargesAccrued.model_construct(
            unit_id=unit_id, month=month, currency=currency, booked_on=booked_on, total=total, lines=tuple(lines)
        )
    ]


def reverse(
    unit_id: str, month: str, currency: str, charges: Sequence[Standing], grounds: str, booked_on: date,
    ruling: Ruling | None,
) -> list[ChargesReversed]:  # fmt: skip
    """Reverse charges of which nothing is paid any more: all that was not waived of them."""
    if not charges:
        return []
    lines = tuple(
        ReversedLine(amount=one.amount - one.waived, after=one.model_copy(update={"open": ZERO})) for one in charges
    )
    return [
        ChargesReversed(
            unit_id=unit_id, month=month, currency=currency, booked_on=booked_on, grounds=grounds, lines=lines, ruling=ruling
        )
    ]  # fmt: skip


def evolve(bill: Bill, event: Event[Any]) -> Bill:
    """Remember what was charged and what was reversed."""
    match event.data:
        case ChargesAccrued():
            added = {line.charge.charge_id: Charged(line) for line in event.data.lines}
            return Bill({**bill.charges, **added})
        case ChargesReversed():
            gone = {line.after.charge_id for line in event.data.lines}
            return Bill({key: replace(one, reversed=True) if key in gone else one for key, one in bill.charges.items()})
        case _:
            return bill


BILL = Noun("bill", Bill(), evolve)
