"""The wiring of what is charged: settings, units, meters, charge runs, reversals."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.billing import (
    AdoptTariff,
    AdoptTerms,
    RegisterUnits,
    SetDispute,
    settings_stream,
    unit_stream,
)
from bailiwick_contracts.charge import (
    ChargeRunFinished,
    ChargeUnits,
    FinishChargeRun,
    PassedUnit,
    PreviewCharges,
    ReverseCharges,
    StartChargeRun,
    bill_stream,
    run_stream,
)
from bailiwick_contracts.envelope import Command, RowAnswer
from bailiwick_contracts.meter import RecordReadings, RegisterMeters, ReverseReading, meter_stream
from bailiwick_contracts.receipt import oldest_first, receipt_stream
from bailiwick_contracts.tariff import Standing

from services.billing import bill as bills
from services.billing import gathering as gather
from services.billing import meter as meters
from services.billing import run as runs
from services.billing import setting as settings_
from services.billing.bill import BILL, Outlook
from services.billing.meter import METER
from services.billing.receipt import RECEIPT, Debts, allocate, release
from services.billing.run import RUN
from services.billing.setting import UNIT
from services.billing.sums import amount
from services.billing.views import CHARGES, CROSSED, RECEIPTS, REVERSED
from services.kernel.decision import Rejected
from services.kernel.service import Outcome, Reading, Unit

ZERO = Decimal(0)


def on_adopt_tariff(unit: Unit, command: Command[AdoptTariff]) -> None:
    """Adopt a tariff (B1)."""
    stream = settings_stream(unit.property_id)
    found = gather.gate(unit, command, "B1")
    if gather.barred(unit, found, stream, command, command.data.tariff.version):
        return
    closed = sorted(gather.closed_months(unit, unit.property_id))
    known = gather.setting(unit, unit.property_id)
    unit.append(stream, *settings_.adopt_tariff(command.data, known, closed, found.ruling))


def on_adopt_terms(unit: Unit, command: Command[AdoptTerms]) -> None:
    """Adopt terms (B1)."""
    stream = settings_stream(unit.property_id)
    found = gather.gate(unit, command, "B1")
    if not gather.barred(unit, found, stream, command, command.data.terms.version):
        known = gather.setting(unit, unit.property_id)
        unit.append(stream, *settings_.adopt_terms(command.data, known, found.ruling))


def on_register_units(unit: Unit, command: Command[RegisterUnits]) -> Outcome:
    """Register units (B1), row by row."""
    place = unit.property_id
    found = gather.gate(unit, command, "B1")
    if gather.barred(unit, found, settings_stream(place), command):
        return Outcome()
    unit.load(unit_stream(place, one.unit_id) for one in command.data.units)
    answers = []
    for one in command.data.units:
        stream = unit_stream(place, one.unit_id)
        added = unit.append(stream, *settings_.register(one, unit.state(UNIT, stream), found.ruling))
        answers.append(RowAnswer(row=one.unit_id, outcome="done" if added else "ignored"))
    return Outcome(rows=tuple(answers))


def on_set_dispute(unit: Unit, command: Command[SetDispute]) -> None:
    """Mark a unit as in dispute, or no longer (B6)."""
    stream = unit_stream(unit.property_id, command.data.unit_id)
    found = gather.gate(unit, command, "B6")
    if not gather.barred(unit, found, stream, command, command.data.unit_id):
        unit.append(stream, *settings_.dispute(command.data, unit.state(UNIT, stream), found.ruling))


def on_register_meters(unit: Unit, command: Command[RegisterMeters]) -> Outcome:
    """Register meters (B1), row by row."""
    place = unit.property_id
    found = gather.gate(unit, command, "B1")
    if gather.barred(unit, found, settings_stream(place), command):
        return Outcome()
    known = gather.units(unit, place, {one.unit_id for one in command.data.meters})
    unit.load(meter_stream(place, one.meter_id) for one in command.data.meters)
    answers = []
    for one in command.data.meters:
        if one.unit_id not in known:
            answers.append(RowAnswer(row=one.meter_id, outcome="rejected", reason="unknown_unit"))
            continue
        stream = meter_stream(place, one.meter_id)
        added = unit.append(stream, *meters.install(one, unit.state(METER, stream), found.ruling))
        answers.append(RowAnswer(row=one.meter_id, outcome="done" if added else "ignored"))
    return Outcome(rows=tuple(answers))


def on_record_readings(unit: Unit, command: Command[RecordReadings]) -> Outcome:
    """Record readings (B2), row by row; every row that is not taken says why."""
    place = unit.property_id
    found = gather.gate(unit, command, "B2")
    if gather.barred(unit, found, settings_stream(place), command):
        return Outcome()
    unit.load(meter_stream(place, row.meter_id) for row in command.data.rows)
    answers = []
    for row in command.data.rows:
        stream = meter_stream(place, row.meter_id)
        made = meters.read(row, unit.state(METER, stream))
        if isinstance(made, str):
            answers.append(RowAnswer(row=row.reading_id, outcome="rejected", reason=made))
            continue
        unit.append(stream, *made, importrow=row.file_row)
        answers.append(RowAnswer(row=row.reading_id, outcome="done" if made else "ignored"))
    return Outcome(rows=tuple(answers))


def on_reverse_reading(unit: Unit, command: Command[ReverseReading]) -> None:
    """Take a reading back (B2)."""
    stream = meter_stream(unit.property_id, command.data.meter_id)
    found = gather.gate(unit, command, "B2")
    if not gather.barred(unit, found, stream, command, command.data.reading_id):
        unit.append(stream, *meters.take_back(command.data, unit.state(METER, stream), found.ruling))


def on_start_charge_run(unit: Unit, command: Command[StartChargeRun]) -> None:
    """Start a month's run (B2)."""
    month, place = command.data.month, unit.property_id
    stream = run_stream(place, month)
    found = gather.gate(unit, command, "B2")
    if gather.barred(unit, found, stream, command, month):
        return
    setting = gather.setting(unit, place)
    if month in gather.closed_months(unit, place):
        gather.refuse(unit, stream, command, "month_closed", month, found.ruling)
    elif not setting.tariffs:
        gather.refuse(unit, stream, command, "no_tariff", month, found.ruling)
    else:
        versions = tuple(one.tariff.version for one in setting.tariffs)
        run = unit.state(RUN, stream)
        unit.append(stream, *runs.start(month, run, versions, gather.today(unit, place), found.ruling))


def _outlooks(
    unit: Reading, place: str, month: str, unit_ids: Sequence[str], on: date, *, rerate: bool
) -> tuple[dict[str, Outlook], Debts, dict[str, PassedUnit | None]]:
    known = gather.units(unit, place, unit_ids)
    missing = sorted(set(unit_ids) - set(known))
    if missing:
        raise settings_.unknown_unit(missing[0])
    setting = gather.setting(unit, place)
    measured = gather.usages(unit, place, month, unit_ids)
    owed = gather.open_charges(unit, place, unit_ids)
    debts = Debts()
    for charge in (one for charges in owed.values() for one in charges):
        debts.add(charge)
    installed = gather.meters(unit, place, unit_ids)
    found, passed = {}, {}
    for unit_id in unit_ids:
        bill, usages = unit.state(BILL, bill_stream(place, unit_id, month)), measured.get(unit_id, ())
        found[unit_id] = outlook = bills.outlook(
            bill,
            place,
            known[unit_id],
            month,
            setting.tariffs,
            usages,
            overdue=owed.get(unit_id, ()),
            booked_on=on,
            rerate=rerate,
        )
        passed[unit_id] = runs.passing(
            known[unit_id], month, setting.tariffs, installed.get(unit_id, {}), frozenset(one.meter_id for one in usages),
            charged=bool(bill.charges or outlook.new),
        )  # fmt: skip
    return found, debts, passed


def on_charge_units(unit: Unit, command: Command[ChargeUnits]) -> Outcome:
    """Charge units for a month whose run was started, and let prepayments pay (預存沖抵)."""
    request, place = command.data, unit.property_id
    on, currency = gather.today(unit, place), gather.setting(unit, place).currency
    stream = run_stream(place, request.month)
    if unit.state(RUN, stream).started is None or request.month in gather.closed_months(unit, place):
        started = unit.state(RUN, stream).started is not None
        gather.refuse(unit, stream, command, "month_closed" if started else "run_not_started", request.month)
        return Outcome()
    ids = list(dict.fromkeys(request.unit_ids))
    unit.load(bill_stream(place, unit_id, request.month) for unit_id in ids)
    found, debts, passed = _outlooks(unit, place, request.month, ids, on, rerate=request.rerate)
    prepaid = gather.unapplied(unit, place, ids)
    unit.append(stream, *runs.pass_over(request.month, passed, gather.passed(unit, place, request.month, ids), on))
    made = charged = differing = 0
    total = offset = ZERO
    for unit_id, outlook in found.items():
        differing += len(outlook.differing)
        if outlook.superseded:
            _reverse(unit, unit_id, request.month, outlook.superseded, "rerated", on, currency, None, debts)
            prepaid = gather.unapplied(unit, place, ids)
        facts = bills.accrue(unit_id, request.month, currency, outlook.new, on)
        unit.append(bill_stream(place, unit_id, request.month), *facts)
        made += len(facts)
        charged += len(outlook.new)
        for fact in facts:
            total += fact.total
            for line in fact.lines:
                debts.add(line.charge)
                if line.late_of is not None:
                    debts.add(line.late_of)
    unit.load(receipt_stream(one) for receipts in prepaid.values() for one in receipts)
    for unit_id, receipts in prepaid.items():
        for receipt_id in receipts:
            receipt = unit.state(RECEIPT, receipt_stream(receipt_id))
            paid = allocate(receipt.known, oldest_first(receipt.known.unapplied, debts.of(unit_id)), "oldest_first", on)
            unit.append(receipt_stream(receipt_id), *paid)
            debts.settle(paid)
            offset += sum((line.amount for fact in paid for line in fact.lines), ZERO)
    result = {"units": made, "charges": charged, "total": f"{total:.2f}", "differing": differing}
    reasons = sum(one is not None for one in passed.values())
    return Outcome(result=result | {"offset": f"{offset:.2f}", "passed": reasons})


def preview_charges(reading: Reading, command: Command[PreviewCharges]) -> dict[str, object]:
    """`units`, each with its `new` and `differing` lines; `total` and `charges` of the new ones; `passed` over, and why."""
    request, place = command.data, command.property
    ids = list(dict.fromkeys(request.unit_ids))
    on = gather.today(reading, place)
    found, _, passed = _outlooks(reading, place, request.month, ids, on, rerate=False)
    shown = []
    total, count = ZERO, 0
    for unit_id, outlook in found.items():
        new = [line.model_dump(mode="json") for line in outlook.new]
        total += sum((line.charge.amount for line in outlook.new), ZERO)
        count += len(new)
        differing = [
            {"charge_id": line.charge.charge_id, "was": f"{line.charge.amount:.2f}", "would_be": f"{value:.2f}"}
            for line, value in outlook.differing
        ]
        if new or differing:
            shown.append({"unit_id": unit_id, "new": new, "differing": differing})
    reasons = [one.model_dump(mode="json", exclude_none=True) for one in passed.values() if one is not None]
    return {"units": shown, "charges": count, "total": f"{total:.2f}", "passed": reasons}


def on_finish_charge_run(unit: Unit, command: Command[FinishChargeRun]) -> None:
    """Say what a run came to (B2), once every unit was charged or passed over for a reason."""
    month, place = command.data.month, unit.property_id
    stream = run_stream(place, month)
    found = gather.gate(unit, command, "B2")
    if gather.barred(unit, found, stream, command, month):
        return
    facts = runs.finish(unit.state(RUN, stream), run_totals(unit, place, month))
    missing = gather.uncharged(unit, place, month)
    if missing:
        gather.refuse(unit, stream, command, "units_not_charged", month, found.ruling, missing)
    else:
        unit.append(stream, *facts)


def run_totals(reading: Reading, place: str, month: str) -> ChargeRunFinished:
    """The charges of a month that are not reversed."""
    query = (
        sa.select(
            sa.func.count(sa.distinct(CHARGES.c.unit_id)).label("units"),
            sa.func.count().label("charges"),
            sa.cast(sa.func.coalesce(sa.func.sum(CHARGES.c.amount), 0), sa.BigInteger).label("total"),
        )
        .outerjoin(REVERSED, REVERSED.c.charge_id == CHARGES.c.charge_id)
        .where(CHARGES.c.property_id == place, CHARGES.c.month == month, REVERSED.c.charge_id.is_(None))
    )
    (row,) = reading.rows(cast("sa.Select[Any]", query))
    return ChargeRunFinished(month=month, units=row.units, charges=row.charges, total=amount(int(row.total)))


def on_reverse_charges(unit: Unit, command: Command[ReverseCharges]) -> None:
    """Reverse charges (B2, 紅沖), and with each what its late payment cost."""
    request, place = command.data, unit.property_id
    stream = bill_stream(place, request.unit_id, request.month)
    found = gather.gate(unit, command, "B2")
    if gather.barred(unit, found, stream, command, request.charge_ids[0]):
        return
    bill = unit.state(BILL, stream)
    unknown = [one for one in request.charge_ids if one not in bill.charges]
    if unknown:
        raise Rejected("this unit has no such charge in this month", code="no_such_charge", field="charge_ids",
                       value=unknown[0], rule="charges of one unit and month", remedy="look them up with ListCharges")  # fmt: skip
    wanted = [one for one in dict.fromkeys(request.charge_ids) if not bill.charges[one].reversed]
    if wanted:
        on, currency = gather.today(unit, place), gather.setting(unit, place).currency
        _reverse(unit, request.unit_id, request.month, wanted, request.grounds, on, currency, found.ruling, Debts())


def _reverse(
    unit: Unit, unit_id: str, month: str, charge_ids: Sequence[str], grounds: str, on: date, currency: str,
    ruling: Ruling | None, debts: Debts,
) -> None:  # fmt: skip
    place, only = unit.property_id, frozenset(charge_ids)
    standing = gather.existing_charges(unit, place, charge_ids)
    for receipt_id in _payers_of(unit, place, unit_id):
        receipt = unit.state(RECEIPT, receipt_stream(receipt_id))
        freed = release(receipt, receipt.known, standing, "charge_reversed", on, only)
        unit.append(receipt_stream(receipt_id), *freed)
        for fact in freed:
            standing |= {line.after.charge_id: line.after for line in fact.lines}
    stream = bill_stream(place, unit_id, month)
    ordered: list[Standing] = [standing[one] for one in charge_ids]
    facts = bills.reverse(unit_id, month, currency, ordered, grounds, on, ruling)
    unit.append(stream, *facts)
    for line in (line for fact in facts for line in fact.lines):
        debts.add(line.after)
    for of_month, fees in _late_fees_of(unit, place, unit_id, charge_ids).items():
        _reverse(unit, unit_id, of_month, fees, grounds, on, currency, ruling, debts)


def _late_fees_of(unit: Unit, place: str, unit_id: str, charge_ids: Sequence[str]) -> dict[str, list[str]]:
    """What the late payment of some charges of a unit cost, by the month it was charged in; what was reversed is left out."""
    tails = [one.removeprefix(f"{place}-{unit_id}-") for one in charge_ids]
    query = (
        sa.select(CHARGES.c.charge_id, CHARGES.c.month)
        .outerjoin(REVERSED, REVERSED.c.charge_id == CHARGES.c.charge_id)
        .where(CHARGES.c.property_id == place, CHARGES.c.unit_id == unit_id, CHARGES.c.line_id == bills.LATE_FEE)
        .where(REVERSED.c.charge_id.is_(None))
    )
    found: dict[str, list[str]] = {}
    for row in unit.rows(query.order_by(CHARGES.c.charge_id)):
        if row.charge_id in [bills.late_fee_id(place, unit_id, row.month, tail) for tail in tails]:
            found.setdefault(row.month, []).append(row.charge_id)
    return found


def _payers_of(unit: Unit, place: str, unit_id: str) -> list[str]:
    own = sa.select(RECEIPTS.c.receipt_id).where(
        RECEIPTS.c.property_id == place, RECEIPTS.c.unit_id == unit_id, RECEIPTS.c.unapplied < RECEIPTS.c.amount
    )
    crossed = sa.select(CROSSED.c.receipt_id).where(CROSSED.c.property_id == place, CROSSED.c.unit_id == unit_id)
    found = sorted({row.receipt_id for query in (own, crossed) for row in unit.rows(query)})
    unit.load(receipt_stream(one) for one in found)
    return found
