"""What a handler reads before it decides: the authority of who asks, settings, open charges, receipts and sums."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.authority import Asked, CopyPosition, Ruling, rule
from bailiwick_contracts.billing import BillingRefused, settings_stream
from bailiwick_contracts.charge import PassedUnit
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import built
from bailiwick_contracts.sealed import SealingError
from bailiwick_contracts.standing import local_date, matrix_in_force, opened_by
from bailiwick_contracts.tariff import BilledUnit, Standing, Usage

from services.billing.setting import SETTING, Setting
from services.billing.sums import COLLECTED, amount
from services.billing.views import (
    CHARGES,
    LATE,
    LINES,
    METERS,
    MONTHS,
    OPEN,
    PASSED,
    PAYERS,
    RECEIPTS,
    REVERSED,
    UNITS,
    USAGES,
    WAIVED,
)
from services.kernel.decision import Rejected
from services.kernel.service import Reading, Unit
from services.registry_copy import ground, parts, settings

SETUP = frozenset({"system-setup", "system-import"})
"""Who sets an installation up or imports into it, never through the live channel; the registry knows the same."""
_NAMED = 20


@dataclass(frozen=True)
class Gate:
    """Whether the one who asks may, with the ruling; there is none for the set-up."""

    granted: bool
    ruling: Ruling | None
    asked: Asked | None = None
    positions: tuple[CopyPosition, ...] = ()


def gate(
    unit: Unit, command: Command[Any], row_id: str, verb: Verb = "decide", *, requested_by: Sequence[str] = ()
) -> Gate:
    """Ask the matrix in force whether the actor may do this at the property."""
    if command.actor in SETUP and command.channel != "live":
        settings(unit, unit.property_id)
        return Gate(granted=True, ruling=None)
    found = ground(unit, command, row_id, verb, None)
    asked = found.asked
    if requested_by:
        asked = asked.model_copy(update={"requested_by_id": opened_by(found.events, requested_by, asked)})
    matrix, _ = matrix_in_force(found.events, unit.now)
    ruling = rule(matrix, asked, selected_at=unit.now, positions=found.positions)
    return Gate(ruling.outcome == "granted", ruling, asked, found.positions)


def refuse(
    unit: Unit,
    stream: str,
    command: Command[Any],
    reason: str,
    subject: str | None = None,
    ruling: Ruling | None = None,
    named: Sequence[str] | None = None,
) -> None:
    """Record that a request was turned down; `named` are those because of which, the first twenty of them stand in the fact."""
    said = {} if named is None else {"count": len(named), "first": tuple(named[:_NAMED])}
    wire = type(command.data).wire()
    unit.append(stream, BillingRefused(reason=reason, asked_for=wire, subject=subject, ruling=ruling, **said))


def barred(unit: Unit, found: Gate, stream: str, command: Command[Any], subject: str | None = None) -> bool:
    """Whether the actor may not; the refusal is then recorded."""
    if not found.granted and found.ruling is not None:
        refuse(unit, stream, command, found.ruling.reason, subject, found.ruling)
    return not found.granted


def today(unit: Reading, property_id: str) -> date:
    """The property's date. Raises Rejected for a property that the registry did not add."""
    on = local_date(settings(unit, property_id), property_id, unit.now)
    assert on is not None  # noqa: S101 - `settings` rejects a property without a zone
    return on


def setting(unit: Reading, property_id: str) -> Setting:
    """Tariffs and terms."""
    return unit.state(SETTING, settings_stream(property_id))


def reject_currency(unit: Reading, property_id: str, currency: str) -> None:
    """Reject money in another currency than that of the property's tariffs."""
    known = setting(unit, property_id)
    if known.tariffs and known.currency != currency:
        raise Rejected(f"{property_id} is billed in {known.currency}", code="currency_differs", field="currency",
                       value=currency, rule=known.currency, remedy="exchange it first, or name another property")  # fmt: skip


def units(unit: Reading, property_id: str, unit_ids: Iterable[str] | None = None) -> dict[str, BilledUnit]:
    """Units of a property by id; all of them where none is named."""
    query = sa.select(UNITS.c.unit_id, UNITS.c.unit).where(UNITS.c.property_id == property_id)
    if unit_ids is None:
        return {row.unit_id: BilledUnit.model_validate_json(row.unit) for row in unit.rows(query)}
    found = {}
    for part in parts(sorted(set(unit_ids))):
        for row in unit.rows(query.where(UNITS.c.unit_id.in_(part))):
            found[row.unit_id] = BilledUnit.model_validate_json(row.unit)
    return found


def open_charges(unit: Reading, property_id: str, unit_ids: Iterable[str] | None = None) -> dict[str, list[Standing]]:
    """What is open, by unit; of all units where none is named."""
    query = sa.select(OPEN).where(OPEN.c.property_id == property_id)
    queries = (
        [query] if unit_ids is None else [query.where(OPEN.c.unit_id.in_(p)) for p in parts(sorted(set(unit_ids)))]
    )
    found: dict[str, list[Standing]] = {}
    for one in queries:
        for row in unit.rows(one):
            charge = _standing(row)
            found.setdefault(charge.unit_id, []).append(charge)
    return found


@lru_cache(maxsize=4_096)
def _day(text: str) -> date:
    return date.fromisoformat(text)


_amount = lru_cache(maxsize=16_384)(amount)


def _standing(row: Sequence[Any]) -> Standing:
    charge_id, _, unit_id, month, fee, payer, accrued_on, due_on, of, is_open, waived, late, until = row
    return built(
        Standing,
        {
            "charge_id": charge_id,
            "unit_id": unit_id,
            "month": month,
            "fee_class": fee,
            "payer_class": payer,
            "accrued_on": _day(accrued_on),
            "due_on": _day(due_on),
            "amount": _amount(of),
            "open": _amount(is_open),
            "waived": _amount(waived),
            "late_charged": _amount(late),
            "late_until": _day(until) if until else None,
        },
    )


def charges(unit: Reading, property_id: str, charge_ids: Iterable[str]) -> dict[str, Standing]:
    """Charges as they stand, paid ones included, reversed ones left out."""
    found: dict[str, Standing] = {}
    for part in parts(sorted(set(charge_ids))):
        query = (
            sa.select(
                *[c for c in CHARGES.c if c.name not in ("tariff_version", "quantity", "arithmetic", "line_id")],
                sa.func.coalesce(OPEN.c.open, 0).label("open"),
                sa.func.coalesce(WAIVED.c.waived, 0).label("waived"),
                sa.func.coalesce(LATE.c.late_charged, 0).label("late_charged"),
                LATE.c.late_until,
            )
            .outerjoin(OPEN, OPEN.c.charge_id == CHARGES.c.charge_id)
            .outerjoin(WAIVED, WAIVED.c.charge_id == CHARGES.c.charge_id)
            .outerjoin(LATE, LATE.c.charge_id == CHARGES.c.charge_id)
            .outerjoin(REVERSED, REVERSED.c.charge_id == CHARGES.c.charge_id)
            .where(CHARGES.c.charge_id.in_(part), CHARGES.c.property_id == property_id, REVERSED.c.charge_id.is_(None))
        )
        found.update({row.charge_id: _standing(row) for row in unit.rows(query)})
    return found


def existing_charges(unit: Reading, property_id: str, charge_ids: Sequence[str]) -> dict[str, Standing]:
    """The named charges. Raises Rejected where one does not stand."""
    found = charges(unit, property_id, charge_ids)
    missing = sorted(set(charge_ids) - set(found))
    if missing:
        raise Rejected(f"{missing[0]} is not a standing charge of {property_id}", code="no_such_charge", field="charge_id",
                       value=missing[0], rule="a charge that was made and not reversed", remedy="look it up with ListCharges")  # fmt: skip
    return found


def usages(unit: Reading, property_id: str, month: str, unit_ids: Iterable[str]) -> dict[str, list[Usage]]:
    """What the meters of units measured in a month, by unit."""
    found: dict[str, list[Usage]] = {}
    for part in parts(sorted(set(unit_ids))):
        query = sa.select(USAGES.c.unit_id, USAGES.c.usage).where(
            USAGES.c.property_id == property_id, USAGES.c.month == month, USAGES.c.unit_id.in_(part)
        )
        for row in unit.rows(query.order_by(USAGES.c.reading_id)):
            found.setdefault(row.unit_id, []).append(Usage.model_validate_json(row.usage))
    return found


def meters(unit: Reading, property_id: str, unit_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The meters of units, by unit: kind by id."""
    found: dict[str, dict[str, str]] = {}
    for part in parts(sorted(set(unit_ids))):
        query = sa.select(METERS.c.unit_id, METERS.c.meter_id, METERS.c.kind).where(
            METERS.c.property_id == property_id, METERS.c.unit_id.in_(part)
        )
        for row in unit.rows(query):
            found.setdefault(row.unit_id, {})[row.meter_id] = row.kind
    return found


def passed(unit: Reading, property_id: str, month: str, unit_ids: Iterable[str] | None = None) -> dict[str, PassedUnit]:
    """Units that the run of a month passed over, with the recorded reason; of all units where none is named."""
    query = sa.select(PASSED.c.unit_id, PASSED.c.passed).where(
        PASSED.c.property_id == property_id, PASSED.c.month == month
    )
    queries = (
        [query] if unit_ids is None else [query.where(PASSED.c.unit_id.in_(p)) for p in parts(sorted(set(unit_ids)))]
    )
    rows = [row for one in queries for row in unit.rows(one.order_by(PASSED.c.unit_id))]
    return {row.unit_id: PassedUnit.model_validate_json(row.passed) for row in rows}


def uncharged(unit: Reading, property_id: str, month: str) -> list[str]:
    """Units of a property that have neither a charge in a month nor a recorded reason why not, by id."""
    charged = sa.select(CHARGES.c.unit_id).where(CHARGES.c.property_id == property_id, CHARGES.c.month == month)
    said = sa.select(PASSED.c.unit_id).where(PASSED.c.property_id == property_id, PASSED.c.month == month)
    query = sa.select(UNITS.c.unit_id).where(
        UNITS.c.property_id == property_id, UNITS.c.unit_id.not_in(charged), UNITS.c.unit_id.not_in(said)
    )
    return [row.unit_id for row in unit.rows(query.order_by(UNITS.c.unit_id))]


def unapplied(unit: Reading, property_id: str, unit_ids: Iterable[str]) -> dict[str, list[str]]:
    """Receipts of units of which something is unapplied, oldest first, by unit."""
    found: dict[str, list[str]] = {}
    for part in parts(sorted(set(unit_ids))):
        query = (
            sa.select(RECEIPTS.c.unit_id, RECEIPTS.c.receipt_id)
            .where(RECEIPTS.c.property_id == property_id, RECEIPTS.c.unit_id.in_(part), RECEIPTS.c.unapplied > 0)
            .order_by(RECEIPTS.c.received_on, RECEIPTS.c.receipt_id)
        )
        for row in unit.rows(query):
            found.setdefault(row.unit_id, []).append(row.receipt_id)
    return found


def closed_months(unit: Reading, property_id: str) -> dict[str, str]:
    """Closed months with the fact that closed each."""
    query = sa.select(MONTHS.c.month, MONTHS.c.fact_id).where(MONTHS.c.property_id == property_id)
    return {row.month: row.fact_id for row in unit.rows(query)}


def known_rows(unit: Reading, property_id: str, keys: Iterable[str]) -> dict[str, list[tuple[str, Decimal | None]]]:
    """Statement rows of these contents taken in so far: by content, the statement and balance of each."""
    found: dict[str, list[tuple[str, Decimal | None]]] = {}
    for part in parts(sorted(set(keys))):
        query = sa.select(LINES.c.key, LINES.c.statement_id, LINES.c.balance).where(
            LINES.c.property_id == property_id, LINES.c.key.in_(part)
        )
        for row in unit.rows(query.order_by(LINES.c.statement_id, LINES.c.row)):
            found.setdefault(row.key, []).append(
                (row.statement_id, None if row.balance is None else amount(row.balance))
            )
    return found


def payers(unit: Reading, property_id: str, keys: Iterable[str]) -> dict[str, str]:
    """For which unit these payers paid before, as a person confirmed it."""
    found: dict[str, str] = {}
    for part in parts(sorted(set(keys))):
        query = sa.select(PAYERS.c.payer, PAYERS.c.unit_id).where(
            PAYERS.c.property_id == property_id, PAYERS.c.payer.in_(part)
        )
        found.update({row.payer: row.unit_id for row in unit.rows(query)})
    return found


def payer_key(unit: Reading, property_id: str, name: str | None, account: str | None) -> str | None:
    """A keyed hash of how a statement names a payer: the same payer is known again, and nobody reads who it is."""
    named = "\x1f".join("".join((one or "").split()) for one in (name, account))
    if not named.strip("\x1f-/*0 "):
        return None
    ensure = getattr(unit.keys, "ensure", None)
    try:
        secret = ensure(f"payers/{property_id}") if ensure is not None else unit.keys(f"payers/{property_id}")
    except SealingError:
        return None
    return hmac.new(secret, named.encode(), hashlib.sha256).hexdigest()[:32]


def movement_sums(
    reading: Reading, property_ids: Sequence[str], months: Sequence[str], cut_off_on: date, as_of: date
) -> dict[str, dict[tuple[str, str], dict[str, int]]]:
    """Cents by property, fee and payer class and kind, of the charges of some months, booked and counted in time."""
    columns = (COLLECTED.c.property_id, COLLECTED.c.fee_class, COLLECTED.c.payer_class, COLLECTED.c.kind)
    query = (
        sa.select(*columns, sa.cast(sa.func.sum(COLLECTED.c.cents), sa.BigInteger).label("cents"))
        .where(
            COLLECTED.c.month.in_(months),
            COLLECTED.c.booked_on <= as_of.isoformat(),
            sa.or_(COLLECTED.c.kind.not_in(("cash", "offset")), COLLECTED.c.counted_on <= cut_off_on.isoformat()),
        )
        .group_by(*columns)
    )
    query = query.where(COLLECTED.c.property_id.in_(property_ids))
    found: dict[str, dict[tuple[str, str], dict[str, int]]] = {}
    for row in reading.rows(query):
        of_class = found.setdefault(row.property_id, {}).setdefault((row.fee_class, row.payer_class), {})
        of_class[row.kind] = int(row.cents)
    return found


def arrears_sums(
    reading: Reading, property_ids: Sequence[str], month: str, before: date, until: date, as_of: date
) -> Mapping[str, tuple[int, int]]:
    """Cents by property: what was open of earlier months at the cut-off before, and what came in of it until a day."""
    money = COLLECTED.c.kind.in_(("cash", "offset"))
    early = COLLECTED.c.counted_on <= before.isoformat()
    sign = sa.case((COLLECTED.c.kind == "charged", 1), else_=-1)
    arrears = sa.case((sa.or_(~money, early), sign * COLLECTED.c.cents), else_=0)
    recovered = sa.case(
        (sa.and_(money, ~early, COLLECTED.c.counted_on <= until.isoformat()), COLLECTED.c.cents), else_=0
    )
    query = (
        sa.select(
            COLLECTED.c.property_id,
            sa.cast(sa.func.sum(arrears), sa.BigInteger).label("arrears"),
            sa.cast(sa.func.sum(recovered), sa.BigInteger).label("recovered"),
        )
        .where(COLLECTED.c.month < month, COLLECTED.c.booked_on <= as_of.isoformat())
        .group_by(COLLECTED.c.property_id)
    )
    query = query.where(COLLECTED.c.property_id.in_(property_ids))
    return {row.property_id: (int(row.arrears), int(row.recovered)) for row in reading.rows(query)}
