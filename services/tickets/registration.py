"""A ticket's registration and class: who is accountable from the first moment, and which terms run."""

from datetime import datetime, timedelta

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deadline import Severity, Terms
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import (
    AttachFile,
    ClassifyTicket,
    FileAttached,
    RegisterTicket,
    TicketChangeRefused,
    TicketClassified,
    TicketRegistered,
    subject_of_ticket,
)

from services.kernel.decision import Rejected
from services.tickets.deadlines import Terming
from services.tickets.state import Ticket, handled, known

_FIXED = ("incident", "renovation", "support_request")
"""Kinds that stay what they are: each asks for something that another kind would let go."""


def register(
    request: RegisterTicket,
    ticket: Ticket,
    terming: Terming | None,
    *,
    registered: RegisterTicket | None,
    accountable_id: str,
    ruling: Ruling | None,
    positions: tuple[CopyPosition, ...],
    now: datetime,
) -> list[Fact]:
    """Open a ticket; the same content again is nothing new. A support request without the power (P6) is refused.

    Args:
        request: what was reported.
        ticket: what is known under its id.
        terming: policy and working time; None where no policy is in force.
        registered: what was asked when the ticket of this id was registered; None where none was registered here.
        accountable_id: who is accountable from now on.
        ruling: under P6, for a support request.
        positions: how far the registry's copies reach.
        now: the instant of the registration, from which the terms run.

    Raises:
        Rejected: the id names a ticket with another content, or a support request names no department.
    """
    if ticket.is_there:
        if request == registered:
            return []
        raise Rejected(
            f"{request.ticket_id} names a ticket with another content", code="ticket_id_reused", field="ticket_id",
            value=request.ticket_id, rule="one id for one ticket", remedy="send it under a new id",
        )  # fmt: skip
    if (request.kind == "support_request") != (request.department is not None):
        raise Rejected(
            "a support request names the department that is asked, and no other ticket does", code="department",
            field="department", value=request.department, rule="a department with a support request",
            remedy="name it with a support request, and leave it out of any other ticket",
        )  # fmt: skip
    if ruling is not None and ruling.outcome not in ("granted", "recommend_only"):
        return [
            TicketChangeRefused(
                reason=ruling.reason, ticket_id=request.ticket_id, asked_for=RegisterTicket.wire(), ruling=ruling
            )
        ]
    terms = terming.terms_of(request.kind, request.severity) if terming else None
    subject = subject_of_ticket(request.ticket_id, request.resident_id)
    update_due_at, progress_due_at = intervals(terming, terms, now)
    return [
        TicketRegistered(
            ticket_id=request.ticket_id,
            kind=request.kind,
            severity=request.severity,
            topic=request.topic,
            reported_through=request.reported_through,
            unit_id=request.unit_id,
            resident_id=request.resident_id,
            contact=Personal.of(subject, request.contact) if request.contact else None,
            description=Personal.of(subject, request.description),
            department=request.department,
            feedback_of=request.feedback_of,
            attachments=request.attachments,
            accountable_id=accountable_id,
            terms=terms,
            deadlines=terming.reckon(terms, now) if terming else (),
            update_due_at=update_due_at,
            progress_due_at=progress_due_at,
            positions=positions,
            ruling=ruling,
        )
    ]


def intervals(terming: Terming | None, terms: Terms | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When the next update of an incident and the next progress report are due, from `now`."""
    if terming is None or terms is None:
        return None, None
    update = now + timedelta(seconds=terms.update_seconds) if terms.update_seconds is not None else None
    return update, terming.later(now, terms.progress_seconds)


def classify(
    request: ClassifyTicket, ticket: Ticket, terming: Terming | None, ruling: Ruling | None, *,
    positions: tuple[CopyPosition, ...], now: datetime,
) -> list[Fact]:  # fmt: skip
    """Give a ticket another kind, class or topic. What is major becomes ordinary under D5a alone.

    Raises:
        Rejected: the ticket is not handled now, or its kind stays what it is.
    """
    handled(ticket, request.ticket_id)
    kind = request.kind or ticket.kind
    severity: Severity = request.severity or ("major" if ticket.severity == "major" else "ordinary")
    topic = request.topic or ticket.topic
    if (kind, severity, topic) == (ticket.kind, ticket.severity, ticket.topic):
        return []
    if kind != ticket.kind and (ticket.kind in _FIXED or kind in ("renovation", "support_request")):
        raise Rejected(
            f"a {ticket.kind} does not become a {kind}", code="fixed_kind", field="kind", value=kind,
            rule="complaint, repair, help request and violation may change, and become an incident",
            remedy="register a ticket of that kind",
        )  # fmt: skip
    if ruling is not None and ruling.outcome != "granted":
        return [
            TicketChangeRefused(
                reason=ruling.reason,
                ticket_id=request.ticket_id,
                asked_for=ClassifyTicket.wire(),
                accountable_id=ticket.accountable_id,
                ruling=ruling,
            )
        ]
    terms, deadlines = ticket.terms, tuple(ticket.deadlines.values())
    update_due_at, progress_due_at = ticket.update_due_at, ticket.progress_due_at
    if (kind, severity) != (ticket.kind, ticket.severity) and terming is not None and ticket.registered_at is not None:
        terms = terming.terms_of(kind, severity)
        deadlines = terming.reckon(terms, ticket.registered_at, ticket.holds)
        update_due_at, progress_due_at = intervals(terming, terms, now)
    return [
        TicketClassified.model_validate(
            {
                "ticket_id": request.ticket_id,
                "kind": kind,
                "severity": severity,
                "topic": topic,
                "was_kind": ticket.kind,
                "was_severity": ticket.severity,
                "was_topic": ticket.topic,
                "terms": terms,
                "deadlines": deadlines,
                "update_due_at": update_due_at,
                "progress_due_at": progress_due_at,
                "positions": positions,
                "ruling": ruling,
            }
        )
    ]


def attach(request: AttachFile, ticket: Ticket) -> list[Fact]:
    """Add a file by its content; the same content again is nothing new."""
    known(ticket, request.ticket_id)
    if request.attachment.sha256 in ticket.attachments:
        return []
    return [FileAttached(ticket_id=request.ticket_id, attachment=request.attachment)]
