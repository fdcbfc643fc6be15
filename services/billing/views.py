"""Billing's read models: a row a charge, what is open of it, receipts, the match queue, and sums for rates and the ledger."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.account import charges_after, receipt_after
from bailiwick_contracts.billing import DisputeSet, UnitRegistered
from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed, UnitsPassed
from bailiwick_contracts.collection import (
    CollectionMonthClosed,
    CollectionStatusOverdue,
    CollectionStatusRequested,
    CollectionStatusSupplied,
)
from bailiwick_contracts.dunning import ArrearsNoticeSent
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.meter import MeterRead, MeterRegistered, ReadingReversed
from bailiwick_contracts.receipt import (
    MatchConfirmed,
    MatchDismissed,
    PaymentAllocated,
    PaymentReleased,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptStanding,
)
from bailiwick_contracts.statement import StatementImported, StatementOverridden, StatementRowsTaken
from bailiwick_contracts.tariff import Standing
from bailiwick_contracts.waiver import WaiverDeclined, WaiverForwarded, WaiverGranted, WaiverRefused

from services.billing.sums import METADATA, SUMS, cents, key, text, whole_cents
from services.kernel.service import Change, Put, Remove, View
from services.registry_copy import REGISTRY_COPIES

UNITS = sa.Table(
    "billing_units", METADATA, *key("property_id", "unit_id"), *text("label", "unit"),
)  # fmt: skip
DISPUTES = sa.Table("billing_disputes", METADATA, *key("property_id", "unit_id"), *text("grounds"))
CHARGES = sa.Table(
    "billing_charges",
    METADATA,
    *key("charge_id"),
    *text("property_id", "unit_id", "month", "line_id", "fee_class", "payer_class", "accrued_on", "due_on"),
    *text("tariff_version", "quantity", "arithmetic"),
    *whole_cents("amount"),
    sa.Index("billing_charges_by_month", "property_id", "month"),
)
OPEN = sa.Table(
    "billing_open",
    METADATA,
    *key("charge_id"),
    *text("property_id", "unit_id", "month", "fee_class", "payer_class", "accrued_on", "due_on"),
    *whole_cents("amount", "open", "waived", "late_charged"),
    sa.Column("late_until", sa.Text),
    sa.Index("billing_open_by_unit", "property_id", "unit_id"),
)
REVERSED = sa.Table(
    "billing_reversed", METADATA, *key("charge_id"), *text("property_id", "month"), *whole_cents("amount")
)
WAIVED = sa.Table("billing_waived", METADATA, *key("charge_id"), *whole_cents("waived"))
LATE = sa.Table("billing_late", METADATA, *key("charge_id"), *whole_cents("late_charged"), *text("late_until"))
PASSED = sa.Table("billing_passed", METADATA, *key("property_id", "month", "unit_id"), *text("passed"))
RECEIPTS = sa.Table(
    "billing_receipts",
    METADATA,
    *key("receipt_id"),
    *text("property_id", "received_on", "method", "currency"),
    sa.Column("unit_id", sa.Text),
    *whole_cents("amount", "fee", "refunded", "unapplied"),
    sa.Column("bounced", sa.Boolean, nullable=False),
    sa.Index("billing_receipts_by_unit", "property_id", "unit_id"),
)
CROSSED = sa.Table("billing_crossed", METADATA, *key("property_id", "unit_id", "receipt_id"))
QUEUE = sa.Table(
    "billing_match_queue", METADATA, *key("receipt_id"), *text("property_id", "fact_id", "proposals"),
    sa.Column("payer", sa.Text), sa.Column("said", sa.Text), sa.Column("source", sa.Text),
)  # fmt: skip
PAYERS = sa.Table("billing_payers", METADATA, *key("property_id", "payer"), *text("unit_id"))
LINES = sa.Table(
    "billing_statement_rows",
    METADATA,
    *key("property_id", "key", "statement_id"),
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("balance", sa.BigInteger),
    sa.Column("receipt_id", sa.Text),
)
STATEMENTS = sa.Table(
    "billing_statements", METADATA, *key("statement_id"), *text("property_id", "profile"),
    sa.Column("held", sa.Boolean, nullable=False),
)  # fmt: skip
METERS = sa.Table("billing_meters", METADATA, *key("property_id", "meter_id"), *text("unit_id", "kind"))
USAGES = sa.Table(
    "billing_usages",
    METADATA,
    *key("property_id", "reading_id"),
    *text("unit_id", "meter_id", "month", "read_on", "kind", "usage", "arithmetic"),
    sa.Index("billing_usages_by_month", "property_id", "month", "unit_id"),
)
WAIVERS = sa.Table(
    "billing_waivers", METADATA, *key("waiver_id"), *text("property_id", "status", "requested_by", "fact_id"),
    *whole_cents("total"),
)  # fmt: skip
NOTICES = sa.Table(
    "billing_notices",
    METADATA,
    *key("notice_id"),
    *text("property_id", "unit_id", "batch_id", "oldest_due_on"),
    sa.Column("stage", sa.Integer, nullable=False),
    *text("recorded_at", "notice"),
    sa.Index("billing_notices_by_unit", "property_id", "unit_id"),
    sa.Index("billing_notices_by_batch", "batch_id"),
)
MONTHS = sa.Table("billing_months", METADATA, *key("property_id", "month"), *text("fact_id", "figures"))
STATUS_REQUESTS = sa.Table(
    "billing_status_requests", METADATA, *key("request_id"), *text("property_id", "status", "asked_at"),
    sa.Column("due_at", sa.Text), sa.Column("answered_at", sa.Text),
)  # fmt: skip


def _open_row(property_id: str, charge: Standing) -> Change:
    if charge.open <= 0:
        return Remove(OPEN, {"charge_id": charge.charge_id})
    return Put(
        OPEN,
        {
            "charge_id": charge.charge_id,
            "property_id": property_id,
            "unit_id": charge.unit_id,
            "month": charge.month,
            "fee_class": charge.fee_class,
            "payer_class": charge.payer_class,
            "accrued_on": charge.accrued_on.isoformat(),
            "due_on": charge.due_on.isoformat(),
            "amount": cents(charge.amount),
            "open": cents(charge.open),
            "waived": cents(charge.waived),
            "late_charged": cents(charge.late_charged),
            "late_until": charge.late_until.isoformat() if charge.late_until else None,
        },
    )


def fold_charges(event: Event[Any], _: bytes) -> Iterator[Change]:
    """A row a charge, what is open of it, and what was reversed, waived or cost for being late."""
    fact, place = event.data, event.property_id
    match fact:
        case ChargesAccrued():
            for line in fact.lines:
                charge = line.charge
                row = {
                    "charge_id": charge.charge_id,
                    "property_id": place,
                    "unit_id": charge.unit_id,
                    "month": charge.month,
                    "line_id": line.line_id,
                    "fee_class": charge.fee_class,
                    "payer_class": charge.payer_class,
                    "accrued_on": charge.accrued_on.isoformat(),
                    "due_on": charge.due_on.isoformat(),
                    "tariff_version": line.tariff_version,
                    "quantity": format(line.quantity, "f"),
                    "arithmetic": line.arithmetic,
                    "amount": cents(charge.amount),
                }
                yield Put(CHARGES, row)
                if line.late_of is not None and line.late_of.late_until is not None:
                    late = line.late_of
                    until = line.late_of.late_until.isoformat()
                    row = {"charge_id": late.charge_id, "late_charged": cents(late.late_charged), "late_until": until}
                    yield Put(LATE, row)
        case ChargesReversed():
            for reversed_ in fact.lines:
                charge = reversed_.after
                row = {"charge_id": charge.charge_id, "property_id": place, "month": charge.month}
                yield Put(REVERSED, row | {"amount": cents(reversed_.amount)})
        case WaiverGranted():
            for waived in fact.lines:
                yield Put(WAIVED, {"charge_id": waived.after.charge_id, "waived": cents(waived.after.waived)})
        case _:
            pass
    for charge in charges_after(fact):
        yield _open_row(place, charge)


_OF_MONEY = frozenset({ChargesAccrued, ReceiptPosted, PaymentAllocated})
"""What a month has hundreds of thousands of, and no other view than those of charges, receipts and sums is made from."""


def fold_passed(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Units that a run passed over, with the reason."""
    fact = event.data
    if isinstance(fact, UnitsPassed):
        for unit_id in fact.charged:
            yield Remove(PASSED, {"property_id": event.property_id, "month": fact.month, "unit_id": unit_id})
        for one in fact.units:
            key = {"property_id": event.property_id, "month": fact.month, "unit_id": one.unit_id}
            yield Put(PASSED, key | {"passed": one.model_dump_json(exclude_none=True)})


def _receipt_row(place: str, receipt: ReceiptStanding) -> Put:
    row = {
        "receipt_id": receipt.receipt_id,
        "property_id": place,
        "received_on": receipt.received_on.isoformat(),
        "method": receipt.method,
        "currency": receipt.currency,
        "unit_id": receipt.unit_id,
        "amount": cents(receipt.amount),
        "fee": cents(receipt.fee),
        "refunded": cents(receipt.refunded),
        "unapplied": cents(receipt.unapplied),
        "bounced": receipt.bounced,
    }
    return Put(RECEIPTS, row)


def fold_receipts(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Receipts as they stand, the match queue, and payers once known."""
    fact, place = event.data, event.property_id
    receipt = receipt_after(fact)
    if receipt is not None:
        yield _receipt_row(place, receipt)
    match fact:
        case ReceiptPosted():
            if fact.receipt.unit_id is None:
                row = {
                    "receipt_id": fact.receipt.receipt_id,
                    "property_id": place,
                    "fact_id": event.id,
                    "proposals": "[" + ",".join(one.model_dump_json() for one in fact.proposals) + "]",
                    "payer": fact.payer,
                    "said": fact.said.model_dump_json() if fact.said is not None else None,
                    "source": fact.source.model_dump_json() if fact.source is not None else None,
                }
                yield Put(QUEUE, row)
        case PaymentAllocated() | PaymentReleased():
            others = {line.after.unit_id for line in fact.lines} - {fact.receipt.unit_id}
            for unit_id in sorted(others):
                yield Put(CROSSED, {"property_id": place, "unit_id": unit_id, "receipt_id": fact.receipt.receipt_id})
        case ReceiptBounced():
            yield Remove(QUEUE, {"receipt_id": fact.receipt.receipt_id})
        case MatchConfirmed():
            yield Remove(QUEUE, {"receipt_id": fact.receipt.receipt_id})
            if fact.payer is not None and fact.receipt.unit_id is not None:
                yield Put(PAYERS, {"property_id": place, "payer": fact.payer, "unit_id": fact.receipt.unit_id})
        case MatchDismissed():
            yield Remove(QUEUE, {"receipt_id": fact.receipt.receipt_id})
        case _:
            return


def fold_places(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Units, disputes, meters and what they measured, statements and their rows."""
    fact, place = event.data, event.property_id
    if type(fact) in _OF_MONEY:
        return
    match fact:
        case UnitRegistered():
            unit = fact.unit
            row = {"property_id": place, "unit_id": unit.unit_id, "label": unit.label, "unit": unit.model_dump_json()}
            yield Put(UNITS, row)
        case DisputeSet():
            key = {"property_id": place, "unit_id": fact.unit_id}
            yield Put(DISPUTES, key | {"grounds": fact.grounds}) if fact.disputed else Remove(DISPUTES, key)
        case MeterRegistered():
            meter = fact.meter
            row = {"property_id": place, "meter_id": meter.meter_id, "unit_id": meter.unit_id, "kind": meter.kind}
            yield Put(METERS, row)
        case MeterRead():
            usage = fact.usage
            row = {
                "property_id": place,
                "reading_id": usage.reading_id,
                "unit_id": usage.unit_id,
                "meter_id": usage.meter_id,
                "month": usage.read_on.isoformat()[:7],
                "read_on": usage.read_on.isoformat(),
                "kind": fact.kind,
                "usage": usage.model_dump_json(),
                "arithmetic": fact.arithmetic,
            }
            yield Put(USAGES, row)
        case ReadingReversed():
            yield Remove(USAGES, {"property_id": place, "reading_id": fact.reading_id})
        case StatementImported():
            named = {"statement_id": fact.statement_id, "property_id": place, "profile": fact.profile}
            yield Put(STATEMENTS, named | {"held": fact.held})
        case StatementRowsTaken():
            for taken in fact.rows:
                if taken.duplicate_of is None:
                    taken_row: dict[str, Any] = {
                        "property_id": place,
                        "key": taken.key,
                        "statement_id": fact.statement_id,
                        "row": taken.row,
                        "balance": None if taken.balance is None else cents(taken.balance),
                        "receipt_id": taken.receipt_id,
                    }
                    yield Put(LINES, taken_row)
        case StatementOverridden() | _:
            return


def fold_requests(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Waivers, notices, closed months, demands for the collection status."""
    fact, place = event.data, event.property_id
    if type(fact) in _OF_MONEY:
        return
    match fact:
        case WaiverForwarded():
            yield _waiver(event, "forwarded", cents(fact.total), fact.requested_by)
        case WaiverGranted():
            yield _waiver(event, "granted", sum(cents(line.amount) for line in fact.lines), fact.requested_by)
        case WaiverDeclined():
            yield _waiver(event, "declined", 0, fact.requested_by)
        case WaiverRefused() if fact.asked_for == "request":
            yield _waiver(event, "refused", cents(fact.total), fact.requested_by or event.actor)
        case ArrearsNoticeSent():
            row = {
                "notice_id": fact.notice_id,
                "property_id": place,
                "unit_id": fact.unit_id,
                "batch_id": fact.batch_id,
                "oldest_due_on": fact.oldest_due_on.isoformat(),
                "stage": fact.stage,
                "recorded_at": event.recordedat.isoformat(),
                "notice": fact.as_json().decode(),
            }
            yield Put(NOTICES, row)
        case CollectionMonthClosed():
            row = {"property_id": place, "month": fact.month, "fact_id": event.id}
            yield Put(MONTHS, row | {"figures": fact.figures.model_dump_json()})
        case CollectionStatusRequested():
            yield _status(event, "waiting", due_at=fact.due_at.isoformat(), answered_at=None)
        case CollectionStatusOverdue():
            yield _status(event, "overdue", due_at=fact.due_at.isoformat(), answered_at=None)
        case CollectionStatusSupplied():
            yield _status(event, "late" if fact.late else "answered", due_at=None,
                          answered_at=fact.answered_at.isoformat())  # fmt: skip
        case _:
            return


def _waiver(event: Event[Any], status: str, total: int, requested_by: str) -> Put:
    row = {
        "waiver_id": event.data.waiver_id,
        "property_id": event.property_id,
        "status": status,
        "requested_by": requested_by,
        "fact_id": event.id,
        "total": total,
    }
    return Put(WAIVERS, row)


def _status(event: Event[Any], status: str, **more: str | None) -> Put:
    fact = event.data
    row = {"request_id": fact.request_id, "property_id": event.property_id, "status": status}
    return Put(STATUS_REQUESTS, row | {"asked_at": fact.asked_at.isoformat(), **more})


CHARGE_TABLES = (CHARGES, OPEN, REVERSED, WAIVED, LATE)
VIEWS = (
    REGISTRY_COPIES,
    View("billing_charges", 1, "billing", CHARGE_TABLES, fold_charges),
    View("billing_passed", 1, "billing", (PASSED,), fold_passed),
    View("billing_receipts", 1, "billing", (RECEIPTS, CROSSED, QUEUE, PAYERS), fold_receipts),
    View("billing_places", 1, "billing", (UNITS, DISPUTES, METERS, USAGES, STATEMENTS, LINES), fold_places),
    View("billing_requests", 1, "billing", (WAIVERS, NOTICES, MONTHS, STATUS_REQUESTS), fold_requests),
    SUMS,
)
