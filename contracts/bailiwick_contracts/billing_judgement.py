"""Judges of billing: who may, and every allocation done again from what was open and received before it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import rule
from bailiwick_contracts.billing import (
    BillingRefused,
    DisputeSet,
    TariffAdopted,
    TermsAdopted,
    UnitRegistered,
)
from bailiwick_contracts.charge import ChargeRunStarted, ChargesReversed
from bailiwick_contracts.collection import (
    CollectionMonthClosed,
    CollectionReportIssued,
    CollectionStatusRequested,
    CollectionStatusSupplied,
)
from bailiwick_contracts.dunning import ArrearsNoticeSent, NoticesPrinted
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped, compared, ruling_compared
from bailiwick_contracts.judgement import Judge, beyond_reach, ground_of, ruled_again
from bailiwick_contracts.mark import before
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import Fact
from bailiwick_contracts.meter import MeterRegistered, ReadingReversed
from bailiwick_contracts.receipt import (
    ZERO,
    AllocationLine,
    MatchConfirmed,
    MatchDismissed,
    PaymentAllocated,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptRefunded,
    allocation_lines,
    in_proportion,
    oldest_first,
)
from bailiwick_contracts.standing import opened_by
from bailiwick_contracts.statement import StatementImported, StatementOverridden
from bailiwick_contracts.ticket_judgement import JUDGES as OTHERS
from bailiwick_contracts.waiver import CLAUSE, WaiverDeclined, WaiverForwarded, WaiverGranted, WaiverRefused

ROW_OF_REQUEST: Mapping[str, tuple[str, Verb]] = {
    **{f"billing.{name}.v1": ("B1", "decide") for name in ("adopt_tariff", "adopt_terms", "register_units", "register_meters")},
    **{
        f"billing.{name}.v1": ("B2", "decide")
        for name in ("record_readings", "reverse_reading", "start_charge_run", "charge_units", "finish_charge_run", "reverse_charges")
    },
    **{
        f"billing.{name}.v1": ("B3", "decide")
        for name in ("post_receipts", "allocate_receipts", "allocate_receipt", "refund_receipt", "bounce_receipt", "confirm_match",
                     "dismiss_match", "import_statement", "override_statement", "import_statement_rows")
    },
    **{
        f"billing.{name}.v1": ("B5", "decide")
        for name in ("close_month", "issue_collection_report", "supply_collection_status")
    },
    **{f"billing.{name}.v1": ("B6", "decide") for name in ("set_dispute", "issue_notices", "record_printing")},
    "billing.request_collection_status.v1": ("F4", "demand"),
}  # fmt: skip
"""Under which row of the matrix each request to billing is allowed."""


def judge_billing(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A fact that rests on nothing but who asked, under which row."""
    row_id, verb = _ROW_OF_FACT.get(type(event.data), ("", "decide"))
    if type(event.data) is BillingRefused:
        row_id, verb = ROW_OF_REQUEST[event.data.asked_for]
    yield from _ruled_again(event, evidence, under, row_id, verb)


def _ruled_again(
    event: Event[Any], evidence: Evidence, under: str | None, row_id: str, verb: Verb, had_part: Sequence[str] = ()
) -> Iterator[Finding]:
    fact = event.data
    if fact.ruling is None:
        raise Skipped("taken_over_without_ruling")
    yield from beyond_reach(event, evidence)
    if had_part:
        ground = ground_of(event, evidence, under, row_id, verb, None)
        asked = ground.asked.model_copy(update={"requested_by_id": opened_by(ground.events, had_part, ground.asked)})
        again = rule(ground.matrix, asked, selected_at=event.recordedat, positions=ground.positions)
    else:
        again = ruled_again(event, evidence, under, row_id, verb)
    if under is not None:
        for name in ("outcome", "reason", "escalate_to"):
            yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
        return
    yield from ruling_compared(event, again)
    opens = again.reason == "only_opens_a_request" and fact.ruling.asked.verb == "apply"
    if again.outcome != "granted" and not opens and hasattr(fact, "reason"):
        yield from compared(event, "reason", "ruling", fact.reason, again.reason)


def judge_waiver(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """A waiver asked for or decided (B4): the decision names the request that it closes, and leaves what it says open."""
    fact, sees = event.data, before(event)
    asks = isinstance(fact, WaiverForwarded) or (isinstance(fact, WaiverRefused) and fact.asked_for == "request")
    if asks:
        yield from _ruled_again(event, evidence, under, CLAUSE, "apply")
        return
    forwarded = evidence.billing.forwarded(event.property_id, fact.waiver_id, sees)
    had_part = (forwarded.value.data.requested_by, forwarded.value.actor) if forwarded is not None else ()
    yield from _ruled_again(event, evidence, under, CLAUSE, "approve", had_part)
    if under is not None:
        return
    yield from compared(
        event, "request_fact_id", "input", fact.request_fact_id, forwarded.fact_id if forwarded else None
    )
    for index, line in enumerate(fact.lines if isinstance(fact, WaiverGranted) else ()):
        known = evidence.billing.charge(event.property_id, line.after.charge_id, sees)
        left = known.open - line.amount if known is not None else None
        yield from compared(event, f"lines.{index}.after.open", "input", line.after.open, left)


def judge_allocation(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
    """An allocation done again from what was open and what was unapplied before it."""
    fact, place, sees = event.data, event.property_id, before(event)
    if under is not None:
        return
    receipt = evidence.billing.receipt(place, fact.receipt.receipt_id, sees)
    available = receipt.unapplied if receipt is not None else None
    yield from compared(event, "available", "input", fact.available, available)
    if available is None:
        return
    if fact.mode == "oldest_first":
        charges = evidence.billing.open_of(place, fact.receipt.unit_id or "", sees)
        parts = oldest_first(available, charges)
    else:
        named = [evidence.billing.charge(place, line.after.charge_id, sees) for line in fact.lines]
        known = [charge for charge in named if charge is not None]
        if fact.mode == "proportional":
            parts = in_proportion(available, known)
        else:
            amounts = {line.after.charge_id: line.amount for line in fact.lines}
            parts = [part for charge in known for part in oldest_first(amounts[charge.charge_id], [charge])]
    again = allocation_lines(parts, fact.receipt.received_on)
    if [*map(_told, fact.lines)] != [*map(_told, again)]:
        yield from compared(event, "lines", "input", list(map(_said, fact.lines)), list(map(_said, again)))
    left = available - sum([part.amount for part in parts], ZERO)
    yield from compared(event, "receipt.unapplied", "input", fact.receipt.unapplied, left)


def _told(line: AllocationLine) -> tuple[str, Decimal, str, date, Decimal]:
    return line.after.charge_id, line.amount, line.kind, line.counted_on, line.after.open


def _said(line: AllocationLine) -> dict[str, str]:
    charge_id, amount, kind, counted_on, left = _told(line)
    return {"charge_id": charge_id, "amount": f"{amount:.2f}", "kind": kind,
            "counted_on": counted_on.isoformat(), "open": f"{left:.2f}"}  # fmt: skip


_ROW_OF_FACT: Mapping[type[Fact], tuple[str, Verb]] = {
    **dict.fromkeys((TariffAdopted, TermsAdopted, UnitRegistered, MeterRegistered), ("B1", "decide")),
    **dict.fromkeys((ChargeRunStarted, ChargesReversed, ReadingReversed), ("B2", "decide")),
    **dict.fromkeys(
        (
            ReceiptPosted,
            ReceiptRefunded,
            ReceiptBounced,
            MatchConfirmed,
            MatchDismissed,
            StatementImported,
            StatementOverridden,
        ),
        ("B3", "decide"),
    ),
    **dict.fromkeys((CollectionMonthClosed, CollectionReportIssued, CollectionStatusSupplied), ("B5", "decide")),
    **dict.fromkeys((DisputeSet, ArrearsNoticeSent, NoticesPrinted), ("B6", "decide")),
    CollectionStatusRequested: ("F4", "demand"),
}
_PLAIN: tuple[type[Fact], ...] = (*_ROW_OF_FACT, BillingRefused)
_WAIVERS: tuple[type[Fact], ...] = (WaiverForwarded, WaiverGranted, WaiverDeclined, WaiverRefused)
JUDGES: Mapping[str, Judge] = {
    **OTHERS,
    **{kind.wire(): judge_billing for kind in _PLAIN},
    **{kind.wire(): judge_waiver for kind in _WAIVERS},
    PaymentAllocated.wire(): judge_allocation,
}
