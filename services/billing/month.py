"""A month: its closing, the report of it, and demands for the collection status (K3, F4)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.collection import (
    CollectionMonthClosed,
    CollectionReportIssued,
    CollectionStatusOverdue,
    CollectionStatusRequested,
    CollectionStatusSupplied,
    Figures,
)
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Month:
    """A month's collection: frozen once it is closed."""

    closed: CollectionMonthClosed | None = None
    fact_id: str = ""


def close(month: Month, figures: Figures, ruling: Ruling | None) -> list[CollectionMonthClosed]:
    """Freeze a month; one that is frozen stays as it is."""
    if month.closed is not None:
        return []
    return [CollectionMonthClosed(month=figures.month, figures=figures, ruling=ruling)]


def evolve_month(month: Month, event: Event[Any]) -> Month:
    """Remember what a month was frozen at."""
    return Month(event.data, event.id) if isinstance(event.data, CollectionMonthClosed) else month


MONTH = Noun("month", Month(), evolve_month)


@dataclass(frozen=True)
class Report:
    """A report as issued."""

    issued: CollectionReportIssued | None = None
    property_id: str = ""


def issue(report: Report, found: CollectionReportIssued) -> list[CollectionReportIssued]:
    """Issue a report once. Raises Rejected where its id names another month's report."""
    if report.issued is None:
        return [found]
    if report.issued.month == found.month:
        return []
    raise Rejected("this report id names another month's report", code="report_id_reused", field="report_id",
                   value=found.report_id, rule="one id, one report", remedy="issue it under a new id")  # fmt: skip


def evolve_report(report: Report, event: Event[Any]) -> Report:
    """Remember what was issued."""
    return Report(event.data, event.property_id) if isinstance(event.data, CollectionReportIssued) else report


REPORT = Noun("report", Report(), evolve_report)


@dataclass(frozen=True)
class Demand:
    """A demand for the collection status."""

    requested: CollectionStatusRequested | None = None
    overdue: bool = False
    supplied: bool = False


def demand(
    request_id: str, known: Demand, now: datetime, hours: int, ruling: Ruling
) -> list[CollectionStatusRequested]:
    """Record a demand with the instant it is due; the same one again is nothing new."""
    if known.requested is not None:
        return []
    due_at = now + timedelta(hours=hours)
    return [CollectionStatusRequested(request_id=request_id, asked_at=now, due_at=due_at, ruling=ruling)]


def supply(request_id: str, known: Demand, figures: Figures, now: datetime, ruling: Ruling | None) -> list[Fact]:
    """Answer a demand, late or not; an answered one is answered. Raises Rejected where nobody asked."""
    if known.supplied:
        return []
    asked = known.requested
    if asked is None:
        raise Rejected("nobody asked under this id", code="no_such_request", field="request_id", value=request_id,
                       rule="a demand that was recorded", remedy="look it up with ListStatusRequests")  # fmt: skip
    return [
        CollectionStatusSupplied(request_id=request_id, asked_at=asked.asked_at, answered_at=now, late=now > asked.due_at,
                                 figures=figures, ruling=ruling)
    ]  # fmt: skip


def lapse(known: Demand, now: datetime) -> list[CollectionStatusOverdue]:
    """An unanswered demand is overdue once it was due; there is nothing to say of an answered one."""
    asked = known.requested
    if asked is None or known.supplied or known.overdue or now < asked.due_at:
        return []
    return [CollectionStatusOverdue(request_id=asked.request_id, asked_at=asked.asked_at, due_at=asked.due_at)]


def evolve_demand(known: Demand, event: Event[Any]) -> Demand:
    """Remember when it was asked and whether it was answered."""
    match event.data:
        case CollectionStatusRequested():
            return replace(known, requested=event.data)
        case CollectionStatusOverdue():
            return replace(known, overdue=True)
        case CollectionStatusSupplied():
            return replace(known, supplied=True)
        case _:
            return known


DEMAND = Noun("demand", Demand(), evolve_demand)
