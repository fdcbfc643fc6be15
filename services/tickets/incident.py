"""What the manager hears of incidents and major complaints while they go on, and the report that closes an incident."""

from datetime import datetime, timedelta

from bailiwick_contracts.deadline import is_met
from bailiwick_contracts.incident import (
    FileIncidentReport,
    IncidentReportFiled,
    IncidentUpdated,
    IncidentUpdateMissed,
    JudgeIncidentUpdate,
    JudgeProgress,
    PostIncidentUpdate,
    ProgressMissed,
    ProgressReported,
    ReportProgress,
)
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import subject_of_ticket

from services.kernel.decision import Rejected
from services.tickets.deadlines import Terming
from services.tickets.escalation import Superior, notify
from services.tickets.state import Ticket, handled, known, not_now


def _incident(ticket: Ticket, ticket_id: str) -> Ticket:
    if known(ticket, ticket_id).kind != "incident":
        raise Rejected(
            f"{ticket_id} is no incident", code="wrong_kind", field="ticket_id", value=ticket_id, rule="an incident",
            remedy="report progress instead, or classify it as an incident",
        )  # fmt: skip
    return ticket


def update(request: PostIncidentUpdate, ticket: Ticket, manager: Superior, *, now: datetime) -> list[Fact]:
    """Report how an incident goes (D5d); each update reaches the manager, and the next is due an interval later."""
    handled(_incident(ticket, request.ticket_id), request.ticket_id)
    posted = IncidentUpdated(
        ticket_id=request.ticket_id,
        number=ticket.updates + 1,
        text=Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.text),
        next_due_at=_next_update(ticket, now),
    )
    return [posted, notify(request.ticket_id, "incident_update", manager)]


def _next_update(ticket: Ticket, now: datetime) -> datetime | None:
    seconds = ticket.terms.update_seconds if ticket.terms is not None else None
    return None if seconds is None else now + timedelta(seconds=seconds)


def judge_update(request: JudgeIncidentUpdate, ticket: Ticket, manager: Superior, *, now: datetime) -> list[Fact]:
    """Record that an update is missing, and tell the manager; the next is due an interval later."""
    due_at = ticket.update_due_at
    if not ticket.is_handled or due_at is None or is_met(due_at, now):
        return []
    missed = IncidentUpdateMissed(
        ticket_id=request.ticket_id,
        accountable_id=ticket.accountable_id,
        due_at=due_at,
        next_due_at=_next_update(ticket, now),
    )
    return [missed, notify(request.ticket_id, "incident_update_missed", manager)]


def file_report(request: FileIncidentReport, ticket: Ticket, manager: Superior) -> list[Fact]:
    """Hand in the written report (D5d); one is enough, and the manager hears of it."""
    _incident(ticket, request.ticket_id)
    if ticket.report_filed:
        return []
    if not ticket.is_open:
        raise not_now(ticket, request.ticket_id, "an incident that is not over", "reopen it first")
    subject = subject_of_ticket(request.ticket_id, ticket.resident_id)
    filed = IncidentReportFiled(
        ticket_id=request.ticket_id,
        report=request.report,
        summary=Personal.of(subject, request.summary) if request.summary else None,
        letter_id=request.letter_id,
    )
    return [filed, notify(request.ticket_id, "incident_report", manager)]


def report_progress(
    request: ReportProgress, ticket: Ticket, terming: Terming | None, manager: Superior, *, now: datetime
) -> list[Fact]:
    """Tell the manager how a ticket goes (S2-4); the next report is due an interval of working time later."""
    handled(ticket, request.ticket_id)
    told = ProgressReported(
        ticket_id=request.ticket_id,
        number=ticket.progress + 1,
        text=Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.text),
        next_due_at=_next_progress(ticket, terming, now),
    )
    return [told, notify(request.ticket_id, "progress", manager)]


def _next_progress(ticket: Ticket, terming: Terming | None, now: datetime) -> datetime | None:
    if terming is None or ticket.terms is None:
        return None
    return terming.later(now, ticket.terms.progress_seconds)


def judge_progress(
    request: JudgeProgress, ticket: Ticket, terming: Terming | None, manager: Superior, *, now: datetime
) -> list[Fact]:
    """Record that the manager was not told in time, and tell him that; the next report is due an interval later."""
    due_at = ticket.progress_due_at
    if not ticket.is_handled or due_at is None or is_met(due_at, now):
        return []
    missed = ProgressMissed(
        ticket_id=request.ticket_id,
        accountable_id=ticket.accountable_id,
        due_at=due_at,
        next_due_at=_next_progress(ticket, terming, now),
    )
    return [missed, notify(request.ticket_id, "progress_missed", manager)]
