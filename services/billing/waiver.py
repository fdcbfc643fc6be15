"""The waiver: the director asks, whoever stands above decides, and the ruling is part of the fact (B4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.tariff import Standing
from bailiwick_contracts.waiver import (
    DecideWaiver,
    RequestWaiver,
    WaivedLine,
    WaiverDeclined,
    WaiverForwarded,
    WaiverGranted,
    WaiverRefused,
)

from services.kernel.decision import Noun, Rejected

ZERO = Decimal(0)


@dataclass(frozen=True)
class Waiver:
    """What was asked, by whom, and whether it is decided."""

    forwarded: WaiverForwarded | None = None
    fact_id: str = ""
    property_id: str = ""
    status: str = "none"
    asked_by: str = ""
    """Who asked, for whoever it was requested by."""


def request(
    asked: RequestWaiver, waiver: Waiver, charges: Mapping[str, Standing], currency: str, actor: str, ruling: Ruling
) -> list[Fact]:
    """Open a request for somebody above, or record why not. The same request again is nothing new."""
    if waiver.forwarded is not None:
        if (waiver.forwarded.lines, waiver.forwarded.requested_by) == (asked.lines, actor):
            return []
        raise Rejected("this id names another waiver", code="waiver_id_reused", field="waiver_id", value=asked.waiver_id,
                       rule="one id, one waiver", remedy="ask under a new id")  # fmt: skip
    total = sum((line.amount for line in asked.lines), ZERO)
    beyond = any(line.amount > charges[line.charge_id].open for line in asked.lines)
    if ruling.reason != "only_opens_a_request" or beyond:
        reason = ruling.reason if ruling.reason != "only_opens_a_request" else "beyond_open"
        return [
            WaiverRefused(reason=reason, waiver_id=asked.waiver_id, asked_for="request", total=total, currency=currency,
                          requested_by=actor, ruling=ruling)
        ]  # fmt: skip
    return [
        WaiverForwarded(waiver_id=asked.waiver_id, lines=asked.lines, total=total, currency=currency,
                        grounds=asked.grounds, requested_by=actor, ruling=ruling)
    ]  # fmt: skip


def decide(
    asked: DecideWaiver, waiver: Waiver, charges: Mapping[str, Standing], booked_on: date, ruling: Ruling
) -> list[Fact]:
    """Grant or decline a forwarded waiver under the ruling; the same decision again is nothing new.

    Raises:
        Rejected: nobody asked for it, or it was decided otherwise.
    """
    known = waiver.forwarded
    if known is None:
        raise Rejected("no waiver of this id waits for a decision", code="no_such_waiver", field="waiver_id",
                       value=asked.waiver_id, rule="a waiver that was forwarded", remedy="look it up with ListWaivers")  # fmt: skip
    wanted = "granted" if asked.grant else "declined"
    if waiver.status == wanted:
        return []
    if waiver.status != "forwarded":
        raise Rejected(f"this waiver was {waiver.status}", code="waiver_decided", field="waiver_id", value=asked.waiver_id,
                       rule="a waiver is decided once", remedy="ask for a new one")  # fmt: skip
    beyond = asked.grant and any(line.amount > charges[line.charge_id].open for line in known.lines)
    if ruling.outcome != "granted" or beyond:
        reason = ruling.reason if ruling.outcome != "granted" else "beyond_open"
        return [
            WaiverRefused(reason=reason, waiver_id=asked.waiver_id, asked_for="decision", total=known.total,
                          currency=known.currency, requested_by=known.requested_by, request_fact_id=waiver.fact_id,
                          ruling=ruling)
        ]  # fmt: skip
    if not asked.grant:
        return [
            WaiverDeclined(waiver_id=asked.waiver_id, requested_by=known.requested_by, request_fact_id=waiver.fact_id,
                           ruling=ruling)
        ]  # fmt: skip
    lines = []
    current = dict(charges)
    for line in known.lines:
        charge = current[line.charge_id]
        after = charge.model_copy(update={"open": charge.open - line.amount, "waived": charge.waived + line.amount})
        current[line.charge_id] = after
        lines.append(WaivedLine(amount=line.amount, after=after))
    return [
        WaiverGranted(waiver_id=asked.waiver_id, currency=known.currency, booked_on=booked_on, lines=tuple(lines),
                      requested_by=known.requested_by, request_fact_id=waiver.fact_id, ruling=ruling)
    ]  # fmt: skip


def evolve(waiver: Waiver, event: Event[Any]) -> Waiver:
    """Remember what was asked and how it was decided."""
    match event.data:
        case WaiverForwarded():
            return Waiver(event.data, event.id, event.property_id, "forwarded", event.actor)
        case WaiverGranted():
            return replace(waiver, status="granted")
        case WaiverDeclined():
            return replace(waiver, status="declined")
        case _:
            return waiver


WAIVER = Noun("waiver", Waiver(), evolve)
