"""What may be read of billing: charges, receipts, the match queue, rates as of any day, the ledger; in pages."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.billing import GetSettings, GetUnit, ListUnits, unit_stream
from bailiwick_contracts.charge import GetChargeRun, ListCharges, run_stream
from bailiwick_contracts.collection import (
    Figures,
    GetCollection,
    GetLedger,
    GetReport,
    ListStatusRequests,
    report_stream,
)
from bailiwick_contracts.dunning import ListNotices
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.ledger import SIDES, account_of
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.meter import ListReadings
from bailiwick_contracts.receipt import (
    ExplainReceipt,
    ListMatches,
    ListReceipts,
    PaymentAllocated,
    PaymentReleased,
    explain,
    receipt_stream,
)
from bailiwick_contracts.sealed import Personal, SealingError
from bailiwick_contracts.statement import GetStatement, statement_stream
from bailiwick_contracts.waiver import ListWaivers
from pydantic_core import from_json, to_jsonable_python

from services.billing import gathering as gather
from services.billing.charging import run_totals
from services.billing.collecting import figures_now, figures_of
from services.billing.month import REPORT
from services.billing.receipt import RECEIPT, existing
from services.billing.run import RUN
from services.billing.setting import UNIT, unknown_unit
from services.billing.statement import STATEMENT
from services.billing.sums import COLLECTED, LEDGER, amount
from services.billing.views import (
    CHARGES,
    DISPUTES,
    LINES,
    MONTHS,
    NOTICES,
    OPEN,
    QUEUE,
    RECEIPTS,
    REVERSED,
    STATUS_REQUESTS,
    UNITS,
    USAGES,
    WAIVERS,
)
from services.kernel.decision import Rejected
from services.kernel.service import Reading

Shown = Mapping[str, Any]
_PASSED_SHOWN = 200
_MONEY = ("amount", "open", "waived", "late_charged", "fee", "refunded", "unapplied", "total", "debit", "credit")


def _row(row: Any) -> dict[str, Any]:
    return {
        name: f"{amount(int(value)):.2f}" if name in _MONEY and value is not None else to_jsonable_python(value)
        for name, value in row._asdict().items()
    }


def _page(reading: Reading, query: sa.Select[Any], key: sa.Column[Any], request: Any, name: str) -> dict[str, Any]:
    if request.after is not None:
        query = query.where(key > request.after)
    rows = reading.rows(query.order_by(key).limit(request.limit + 1))
    shown = [_row(row) for row in rows[: request.limit]]
    return {name: shown} | ({"next": shown[-1][key.name]} if len(rows) > request.limit else {})


def list_units(reading: Reading, command: Command[ListUnits]) -> Shown:
    """`units`, and `next` where there are more."""
    owed = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(OPEN.c.open), 0), sa.BigInteger))
        .where(OPEN.c.property_id == UNITS.c.property_id, OPEN.c.unit_id == UNITS.c.unit_id)
        .scalar_subquery()
    )
    query = (
        sa.select(UNITS.c.unit_id, UNITS.c.label, owed.label("open"), DISPUTES.c.grounds)
        .outerjoin(DISPUTES, (DISPUTES.c.unit_id == UNITS.c.unit_id) & (DISPUTES.c.property_id == UNITS.c.property_id))
        .where(UNITS.c.property_id == command.property)
    )
    return _page(reading, query, UNITS.c.unit_id, command.data, "units")


def get_unit(reading: Reading, command: Command[GetUnit]) -> Shown:
    """`unit`, `disputed`, `open` charges, `receipts`, and `facts` of the unit."""
    place, unit_id = command.property, command.data.unit_id
    known = reading.state(UNIT, unit_stream(place, unit_id))
    if known.unit is None:
        raise unknown_unit(unit_id)
    receipts = sa.select(RECEIPTS).where(RECEIPTS.c.property_id == place, RECEIPTS.c.unit_id == unit_id)
    owed = sa.select(OPEN).where(OPEN.c.property_id == place, OPEN.c.unit_id == unit_id)
    return {
        "unit": known.unit.model_dump(mode="json"),
        "disputed": known.disputed,
        "open": [_row(row) for row in reading.rows(owed.order_by(OPEN.c.due_on, OPEN.c.charge_id))],
        "receipts": [
            _row(row) for row in reading.rows(receipts.order_by(RECEIPTS.c.received_on, RECEIPTS.c.receipt_id))
        ],
    }


def get_settings(reading: Reading, command: Command[GetSettings]) -> Shown:
    """`tariffs` and `terms`, each with the date from which it holds."""
    known = gather.setting(reading, command.property)
    return {
        "currency": known.currency,
        "tariffs": [one.model_dump(mode="json") for one in known.tariffs],
        "terms": [{"effective_on": str(since), "terms": one.model_dump(mode="json")} for since, one in known.terms],
    }


def get_charge_run(reading: Reading, command: Command[GetChargeRun]) -> Shown:
    """`status`, `units`, `charges`, `total`, `by_fee_class`, `passed` over units with the reasons, and how many are `missing`."""
    place, month = command.property, command.data.month
    run = reading.state(RUN, run_stream(place, month))
    passed = list(gather.passed(reading, place, month).values())
    totals = run_totals(reading, place, month)
    by_class = (
        sa.select(CHARGES.c.fee_class, sa.cast(sa.func.sum(CHARGES.c.amount), sa.BigInteger).label("total"))
        .outerjoin(REVERSED, REVERSED.c.charge_id == CHARGES.c.charge_id)
        .where(CHARGES.c.property_id == place, CHARGES.c.month == month, REVERSED.c.charge_id.is_(None))
        .group_by(CHARGES.c.fee_class)
    )
    return {
        "month": month,
        "status": "finished" if run.finished == totals else "started" if run.started else "none",
        "units": totals.units,
        "charges": totals.charges,
        "total": f"{totals.total:.2f}",
        "by_fee_class": {row.fee_class: f"{amount(int(row.total)):.2f}" for row in reading.rows(by_class)},
        "passed": [one.model_dump(mode="json", exclude_none=True) for one in passed[:_PASSED_SHOWN]],
        "passed_count": len(passed),
        "missing": len(gather.uncharged(reading, place, month)),
    }


def list_charges(reading: Reading, command: Command[ListCharges]) -> Shown:
    """`charges`, and `next` where there are more."""
    request = command.data
    query = (
        sa.select(*CHARGES.c, sa.func.coalesce(OPEN.c.open, 0).label("open"), REVERSED.c.amount.label("reversed_cents"))
        .outerjoin(OPEN, OPEN.c.charge_id == CHARGES.c.charge_id)
        .outerjoin(REVERSED, REVERSED.c.charge_id == CHARGES.c.charge_id)
        .where(CHARGES.c.property_id == command.property)
    )
    for column, value in ((CHARGES.c.month, request.month), (CHARGES.c.unit_id, request.unit_id)):
        query = query if value is None else query.where(column == value)
    if request.open_only:
        query = query.where(OPEN.c.open > 0)
    page = _page(reading, query, CHARGES.c.charge_id, request, "charges")
    for row in page["charges"]:
        row["reversed"] = row.pop("reversed_cents") is not None
    return page


def list_receipts(reading: Reading, command: Command[ListReceipts]) -> Shown:
    """`receipts`, `totals`, and `next` where there are more."""
    request = command.data
    query = sa.select(RECEIPTS).where(RECEIPTS.c.property_id == command.property)
    if request.unit_id is not None:
        query = query.where(RECEIPTS.c.unit_id == request.unit_id)
    if request.unapplied_only:
        query = query.where(RECEIPTS.c.unapplied > 0)
    return _page(reading, query, RECEIPTS.c.receipt_id, request, "receipts") | {
        "totals": receipt_totals(reading, command.property)
    }


def receipt_totals(reading: Reading, place: str) -> dict[str, str]:
    """Σ received = Σ allocated + Σ unapplied, refunds and bounced receipts taken off; allocated is read from the charges' side."""
    columns = (RECEIPTS.c.amount, RECEIPTS.c.refunded, RECEIPTS.c.unapplied)
    sums = [sa.cast(sa.func.coalesce(sa.func.sum(one), 0), sa.BigInteger).label(one.name) for one in columns]
    of_all: list[sa.ColumnElement[Any]] = list(sums)
    received = sa.select(*of_all).where(RECEIPTS.c.property_id == place, ~RECEIPTS.c.bounced)
    (row,) = reading.rows(received)
    paid = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(COLLECTED.c.cents), 0), sa.BigInteger).label("cents")).where(
        COLLECTED.c.property_id == place, COLLECTED.c.kind.in_(("cash", "offset"))
    )
    (allocated,) = reading.rows(paid)
    shown = {
        "received": int(row.amount) - int(row.refunded),
        "allocated": int(allocated.cents),
        "unapplied": int(row.unapplied),
        "refunded": int(row.refunded),
    }
    return {name: f"{amount(value):.2f}" for name, value in shown.items()}


def list_matches(reading: Reading, command: Command[ListMatches]) -> Shown:
    """`matches`: receipts without a unit, each with its `proposals` and what the statement says of the payer."""
    query = (
        sa.select(QUEUE, RECEIPTS.c.amount, RECEIPTS.c.received_on)
        .join(RECEIPTS, RECEIPTS.c.receipt_id == QUEUE.c.receipt_id)
        .where(QUEUE.c.property_id == command.property)
    )
    page = _page(reading, query, QUEUE.c.receipt_id, command.data, "matches")
    for row in page["matches"]:
        row["proposals"] = from_json(row["proposals"])
        row["source"] = from_json(row["source"]) if row["source"] else None
        row.pop("payer")
        sealed, fact_id = row["said"], row.pop("fact_id")
        row["said"] = None
        if sealed is not None:
            try:
                row["said"] = reading.open(Personal.model_validate_json(sealed), fact_id, "said")
            except SealingError:
                row["said"] = "erased"
    return page


def explain_receipt(reading: Reading, command: Command[ExplainReceipt]) -> Shown:
    """`receipt`, and `allocations`: each fact with its sentences."""
    stream = receipt_stream(command.data.receipt_id)
    standing = existing(reading.state(RECEIPT, stream), command.data.receipt_id, command.property)
    said = [
        {"fact_id": event.id, "recorded_at": to_jsonable_python(event.recordedat), "says": explain(event.data)}
        for event in reading.history(stream)
        if isinstance(event.data, PaymentAllocated | PaymentReleased)
    ]
    return {"receipt": standing.model_dump(mode="json"), "allocations": said}


def get_statement(reading: Reading, command: Command[GetStatement]) -> Shown:
    """`status`, `chain`, counts and totals of the file, and `unapplied_total` of its receipts now."""
    statement_id = command.data.statement_id
    state = reading.state(STATEMENT, statement_stream(statement_id))
    if state.imported is None:
        raise Rejected("this statement was not imported", code="no_such_statement", field="statement_id",
                       value=statement_id, rule="a statement that was imported", remedy="import the file")  # fmt: skip
    query = (
        sa.select(RECEIPTS.c.unit_id, RECEIPTS.c.unapplied)
        .join(LINES, LINES.c.receipt_id == RECEIPTS.c.receipt_id)
        .where(LINES.c.statement_id == statement_id)
    )
    rows = reading.rows(query)
    return {
        "status": "held" if state.held else "taken" if len(state.taken) >= state.imported.rows else "partly taken",
        "imported": state.imported.model_dump(mode="json", exclude={"ruling"}),
        "rows_taken": len(state.taken),
        "duplicates": sum(one.duplicate_of is not None for one in state.taken.values()),
        "matched": sum(row.unit_id is not None for row in rows),
        "unapplied_total": f"{amount(sum(row.unapplied for row in rows)):.2f}",
    }


def list_readings(reading: Reading, command: Command[ListReadings]) -> Shown:
    """`readings`, and `next` where there are more."""
    query = sa.select(USAGES).where(USAGES.c.property_id == command.property)
    if command.data.meter_id is not None:
        query = query.where(USAGES.c.meter_id == command.data.meter_id)
    page = _page(reading, query, USAGES.c.reading_id, command.data, "readings")
    for row in page["readings"]:
        row["quantity"] = from_json(row.pop("usage"))["quantity"]
    return page


def list_waivers(reading: Reading, command: Command[ListWaivers]) -> Shown:
    """`waivers`, and `next` where there are more."""
    query = sa.select(WAIVERS).where(WAIVERS.c.property_id == command.property)
    if command.data.status is not None:
        query = query.where(WAIVERS.c.status == command.data.status)
    return _page(reading, query, WAIVERS.c.waiver_id, command.data, "waivers")


def list_notices(reading: Reading, command: Command[ListNotices]) -> Shown:
    """`notices` as they were sent, and `next` where there are more."""
    request = command.data
    query = sa.select(NOTICES.c.notice_id, NOTICES.c.recorded_at, NOTICES.c.notice).where(
        NOTICES.c.property_id == command.property
    )
    for column, value in ((NOTICES.c.batch_id, request.batch_id), (NOTICES.c.unit_id, request.unit_id)):
        query = query if value is None else query.where(column == value)
    page = _page(reading, query, NOTICES.c.notice_id, request, "notices")
    for row in page["notices"]:
        row["notice"] = from_json(row["notice"])
    return page


def get_collection(reading: Reading, command: Command[GetCollection]) -> Shown:
    """`figures` and `frozen_by` of a property; for the company, `properties` with the figures of each."""
    request, place = command.data, command.property
    if place == COMPANY:
        places = [row.property_id for row in reading.rows(sa.select(COLLECTED.c.property_id).distinct())]
        on = request.as_of or reading.now.date()
        definitions = {one: gather.setting(reading, one).terms_on(on).definition for one in places}
        named = {one: (f"{found.name}/{found.version}", found.grace_days) for one, found in definitions.items()}
        of_all = figures_of(reading, places, request.month, on, named)
        return {"properties": {one: of_all[one].model_dump(mode="json") for one in sorted(of_all)}}
    frozen = sa.select(MONTHS).where(MONTHS.c.property_id == place, MONTHS.c.month == request.month)
    for row in reading.rows(frozen) if request.as_of is None else ():
        return {"figures": Figures.model_validate_json(row.figures).model_dump(mode="json"), "frozen_by": row.fact_id}
    on = request.as_of or gather.today(reading, place)
    return {"figures": figures_now(reading, place, request.month, on).model_dump(mode="json"), "frozen_by": None}


def get_report(reading: Reading, command: Command[GetReport]) -> Shown:
    """`report` with the id, chain number and instant of its fact."""
    report_id = command.data.report_id
    stream = report_stream(report_id)
    known = reading.state(REPORT, stream)
    if known.issued is None or known.property_id != command.property:
        raise Rejected("no report has this id", code="no_such_report", field="report_id", value=report_id,
                       rule="a report that was issued", remedy="issue it with IssueCollectionReport")  # fmt: skip
    event = next(one for one in reading.history(stream) if one.data == known.issued)
    return {
        "fact_id": event.id,
        "position": event.chainnumber,
        "recorded_at": to_jsonable_python(event.recordedat),
        "report": known.issued.model_dump(mode="json", exclude={"ruling"}),
    }


def get_ledger(reading: Reading, command: Command[GetLedger]) -> Shown:
    """`accounts` with `debit`, `credit` and `balance`, and `sums`: by currency, always 0.00."""
    place, as_of = command.property, command.data.as_of
    until = as_of.isoformat() if as_of is not None else "9999"
    moved = (
        sa.select(
            COLLECTED.c.fee_class,
            COLLECTED.c.kind,
            sa.cast(sa.func.sum(COLLECTED.c.cents), sa.BigInteger).label("cents"),
        )
        .where(COLLECTED.c.property_id == place, COLLECTED.c.booked_on <= until)
        .group_by(COLLECTED.c.fee_class, COLLECTED.c.kind)
    )
    booked = (
        sa.select(
            LEDGER.c.currency,
            LEDGER.c.account,
            sa.cast(sa.func.sum(LEDGER.c.debit), sa.BigInteger).label("debit"),
            sa.cast(sa.func.sum(LEDGER.c.credit), sa.BigInteger).label("credit"),
        )
        .where(LEDGER.c.property_id == place, LEDGER.c.booked_on <= until)
        .group_by(LEDGER.c.currency, LEDGER.c.account)
    )
    sides: dict[tuple[str, str], list[int]] = {}
    currency = gather.setting(reading, place).currency
    for row in reading.rows(booked):
        side = sides.setdefault((row.currency, row.account), [0, 0])
        side[0], side[1] = side[0] + int(row.debit), side[1] + int(row.credit)
    for row in reading.rows(moved):
        debit, credit = SIDES[row.kind]
        sides.setdefault((currency, account_of(debit, row.fee_class)), [0, 0])[0] += int(row.cents)
        sides.setdefault((currency, account_of(credit, row.fee_class)), [0, 0])[1] += int(row.cents)
    sums: dict[str, int] = {}
    accounts = []
    for (of, account), (debit_cents, credit_cents) in sorted(sides.items()):
        balance = debit_cents - credit_cents
        sums[of] = sums.get(of, 0) + balance
        shown = {"debit": debit_cents, "credit": credit_cents, "balance": balance}
        accounts.append(
            {"currency": of, "account": account} | {name: f"{amount(value):.2f}" for name, value in shown.items()}
        )
    return {"accounts": accounts, "sums": {of: f"{amount(value):.2f}" for of, value in sums.items()}}


def list_status_requests(reading: Reading, command: Command[ListStatusRequests]) -> Shown:
    """`requests`, the latest first, and `next` where there are more.

    Raises:
        Rejected: there is no such demand to go on after.
    """
    asked, table = command.data, STATUS_REQUESTS.c
    query = sa.select(STATUS_REQUESTS).where(table.property_id == command.property)
    if asked.after is not None:
        last = reading.rows(query.where(table.request_id == asked.after))
        if not last:
            raise Rejected(f"there is no {asked.after}", code="unknown_cursor", field="after", value=asked.after,
                           rule="the last demand of the page before", remedy="begin again without it")  # fmt: skip
        at = last[0].asked_at
        query = query.where(sa.or_(table.asked_at < at, (table.asked_at == at) & (table.request_id > asked.after)))
    found = [
        _row(row)
        for row in reading.rows(query.order_by(table.asked_at.desc(), table.request_id).limit(asked.limit + 1))
    ]
    page = found[: asked.limit]
    return {"requests": page} | ({"next": page[-1]["request_id"]} if len(found) > asked.limit else {})
