"""The handling of a ticket: assigned, accepted, held and resumed, completed, verified, reopened, withdrawn, merged."""

from dataclasses import replace
from datetime import datetime

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.deadline import Demand, Reckoning, closing_demands
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    DuplicateTaken,
    HoldTicket,
    MergeTicket,
    ReopeningCause,
    ReopenTicket,
    ResumeTicket,
    TicketAccepted,
    TicketAssigned,
    TicketClosed,
    TicketCompleted,
    TicketHeld,
    TicketMerged,
    TicketReopened,
    TicketResumed,
    TicketVerified,
    TicketWithdrawn,
    VerifyTicket,
    WithdrawTicket,
)
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import TicketChangeRefused, subject_of_ticket
from bailiwick_contracts.working_time import Span

from services.kernel.decision import Rejected
from services.tickets.deadlines import Terming, in_time
from services.tickets.state import Ticket, handled, known, not_now


def refused(request: Request, ticket_id: str, ticket: Ticket, reason: str, ruling: Ruling | None = None,
            missing: tuple[Demand, ...] = ()) -> list[Fact]:  # fmt: skip
    """The refusal of a change, with what it rests on."""
    return [
        TicketChangeRefused(
            reason=reason,
            ticket_id=ticket_id,
            asked_for=type(request).wire(),
            accountable_id=ticket.accountable_id or None,
            missing=missing,
            work_orders=ticket.open_work_orders if missing else (),
            ruling=ruling,
        )
    ]


def may_not(request: Request, ticket_id: str, ticket: Ticket, principal_id: str, ruling: Ruling | None) -> list[Fact]:
    """Empty for the accountable person and for whoever the ruling lets decide (S3-2); a refusal for anybody else."""
    if principal_id == ticket.accountable_id or (ruling is not None and ruling.outcome == "granted"):
        return []
    return refused(request, ticket_id, ticket, "not_accountable", ruling)


def assign(request: AssignTicket, ticket: Ticket, ruling: Ruling) -> list[Fact]:
    """Make somebody accountable instead of whoever is (S3-2); whoever is already is no change."""
    if not known(ticket, request.ticket_id).is_open:
        raise not_now(ticket, request.ticket_id, "a ticket that is not over", "reopen it first")
    if request.assignee_id == ticket.accountable_id:
        return []
    if ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    return [
        TicketAssigned(
            ticket_id=request.ticket_id, accountable_id=request.assignee_id, was_id=ticket.accountable_id, ruling=ruling
        )
    ]


def accept(request: AcceptTicket, ticket: Ticket, *, principal_id: str, now: datetime) -> list[Fact]:
    """Take a ticket on, which only the accountable person can do for himself."""
    handled(ticket, request.ticket_id)
    if ticket.status in ("accepted", "held"):
        return []
    if principal_id != ticket.accountable_id:
        return refused(request, request.ticket_id, ticket, "not_accountable")
    met = in_time(ticket, "response", now)
    return [TicketAccepted(ticket_id=request.ticket_id, accountable_id=ticket.accountable_id, in_time=met)]


def hold(request: HoldTicket, ticket: Ticket, ruling: Ruling | None, *, principal_id: str, now: datetime) -> list[Fact]:
    """Stop the terms; on hold already is nothing new. An incident is never put on hold: it goes on."""
    handled(ticket, request.ticket_id)
    if ticket.kind == "incident":
        raise Rejected(
            "an incident goes on whoever is waited for", code="incident_goes_on", field="ticket_id", value=request.ticket_id,
            rule="a ticket that is no incident", remedy="post an update instead",
        )  # fmt: skip
    if ticket.status == "held":
        return []
    against = may_not(request, request.ticket_id, ticket, principal_id, ruling)
    return against or [TicketHeld(ticket_id=request.ticket_id, waits_for=request.waits_for, since=now)]


def resume(
    request: ResumeTicket,
    ticket: Ticket,
    terming: Terming | None,
    ruling: Ruling | None,
    *,
    principal_id: str,
    now: datetime,
) -> list[Fact]:
    """Let the terms run again from where they stood (C5); a ticket that is not on hold is nothing new."""
    handled(ticket, request.ticket_id)
    if ticket.held_since is None:
        return []
    against = may_not(request, request.ticket_id, ticket, principal_id, ruling)
    if against:
        return against
    held = Span(since=ticket.held_since, until=now)
    after = replace(ticket, holds=(*ticket.holds, held))
    return [
        TicketResumed(
            ticket_id=request.ticket_id,
            held=held,
            deadlines=reckoned_again(after, terming),
            positions=terming.positions if terming else (),
        )
    ]


def reckoned_again(ticket: Ticket, terming: Terming | None) -> tuple[Reckoning, ...]:
    """The terms of a ticket by the terms it was registered or classified under, with its holds as they are now."""
    if terming is None or ticket.registered_at is None:
        return tuple(ticket.deadlines.values())
    found = terming.reckon(ticket.terms, ticket.registered_at, ticket.holds)
    return tuple(one for one in found if one.clock == "resolution" or ticket.responded_at is None)


def complete(
    request: CompleteTicket, ticket: Ticket, ruling: Ruling | None, *, principal_id: str, now: datetime
) -> list[Fact]:
    """Say that it is done. Open work orders and a renovation nobody forwarded stand against it; a report may come later.

    Where the kind demands no verification the completion closes the ticket.
    """
    if ticket.status == "completed":
        return []
    handled(ticket, request.ticket_id)
    if ticket.kind == "support_request" and ticket.status not in ("accepted", "held", "reopened"):
        raise Rejected(
            "a support request is completed by the department that accepted it", code="not_accepted", field="ticket_id",
            value=request.ticket_id, rule="an accepted support request", remedy="answer it with AnswerSupport first",
        )  # fmt: skip
    against = may_not(request, request.ticket_id, ticket, principal_id, ruling)
    if against:
        return against
    missing = tuple(one for one in unmet(ticket) if one in ("work_orders_done", "forwarded"))
    if missing:
        return refused(request, request.ticket_id, ticket, "closing_demands_unmet", missing=missing)
    subject = subject_of_ticket(request.ticket_id, ticket.resident_id)
    done = TicketCompleted(
        ticket_id=request.ticket_id,
        accountable_id=ticket.accountable_id,
        outcome=Personal.of(subject, request.outcome),
        attachments=request.attachments,
        in_time=in_time(ticket, "resolution", ticket.held_since or now),
        round=len(ticket.completions) + 1,
        held=Span(since=ticket.held_since, until=now) if ticket.held_since is not None else None,
    )
    closes = [TicketClosed(ticket_id=request.ticket_id)] if not unmet(ticket) else []
    return [done, *closes]


def unmet(ticket: Ticket, *, verified: bool = False) -> tuple[Demand, ...]:
    """What the kind demands before closing and is not there; `verified` says that somebody is verifying it now."""
    met: dict[Demand, bool] = {
        "written_report": ticket.report_filed,
        "forwarded": ticket.forwarded_to is not None,
        "work_orders_done": not ticket.open_work_orders,
        "verified": verified,
    }
    return tuple(one for one in closing_demands(ticket.kind, ticket.terms) if not met[one])


def verify(
    request: VerifyTicket,
    ticket: Ticket,
    terming: Terming | None,
    ruling: Ruling,
    *,
    acting: frozenset[str],
    now: datetime,
) -> list[Fact]:
    """Verify somebody else's completion (D9a), which closes the ticket; or find it wanting, which reopens it."""
    known(ticket, request.ticket_id)
    completion = ticket.completion
    if request.passed and ticket.status == "closed":
        return []
    if ticket.status != "completed" or completion is None:
        raise not_now(ticket, request.ticket_id, "a completed ticket", "complete it first")
    if acting & {completion.by, completion.on_behalf_of}:
        return refused(request, request.ticket_id, ticket, "own_work", ruling)
    if ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    if not request.passed:
        return [reopened(request.ticket_id, ticket, terming, "failed_verification", now)]
    missing = unmet(ticket, verified=True)
    if missing:
        return refused(request, request.ticket_id, ticket, "closing_demands_unmet", ruling, missing)
    return [TicketVerified(ticket_id=request.ticket_id, completed_by=completion.by, ruling=ruling)]


def reopen(request: ReopenTicket, ticket: Ticket, terming: Terming | None, *, now: datetime) -> list[Fact]:
    """Open a completed or closed ticket again; one that is handled is nothing new."""
    if known(ticket, request.ticket_id).is_handled:
        return []
    if ticket.status not in ("completed", "closed"):
        raise not_now(ticket, request.ticket_id, "a completed or closed ticket", "register a new one")
    why = Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.why)
    return [reopened(request.ticket_id, ticket, terming, "asked_for", now, why)]


def reopened(
    ticket_id: str,
    ticket: Ticket,
    terming: Terming | None,
    cause: ReopeningCause,
    now: datetime,
    why: Personal | None = None,
) -> TicketReopened:
    """The reopening: since the completion the terms stood still, and they go on from there."""
    completion = ticket.completion
    still = Span(since=completion.at if completion is not None else now, until=now)
    after = replace(ticket, holds=(*ticket.holds, still))
    return TicketReopened(
        ticket_id=ticket_id,
        cause=cause,
        why=why,
        accountable_id=ticket.accountable_id,
        reopened=ticket.reopened + 1,
        stood_still=still,
        deadlines=reckoned_again(after, terming),
        positions=terming.positions if terming else (),
    )


def withdraw(request: WithdrawTicket, ticket: Ticket, ruling: Ruling) -> list[Fact]:
    """Take a ticket back (S3-2); an incident never, for its report is owed."""
    if known(ticket, request.ticket_id).status == "withdrawn":
        return []
    handled(ticket, request.ticket_id)
    if ticket.kind == "incident":
        return refused(request, request.ticket_id, ticket, "closing_demands_unmet", ruling, unmet(ticket))
    if ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    why = Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.why)
    return [TicketWithdrawn(ticket_id=request.ticket_id, why=why, ruling=ruling)]


def merge(request: MergeTicket, ticket: Ticket, into: Ticket, ruling: Ruling) -> tuple[list[Fact], list[Fact]]:
    """Let a duplicate end in another ticket (S3-2); answers the facts of both. An incident never, for its report is owed.

    Raises:
        Rejected: one of the two is not handled now, or they are one.
    """
    if known(ticket, request.ticket_id).merged_into == request.into_ticket_id:
        return [], []
    handled(ticket, request.ticket_id)
    if not known(into, request.into_ticket_id).is_open or request.into_ticket_id == request.ticket_id:
        raise Rejected(
            f"{request.into_ticket_id} cannot go on for {request.ticket_id}", code="wrong_survivor", field="into_ticket_id",
            value=request.into_ticket_id, rule="another ticket that is not over", remedy="name the open one",
        )  # fmt: skip
    if ticket.kind == "incident":
        return refused(request, request.ticket_id, ticket, "closing_demands_unmet", ruling, unmet(ticket)), []
    if ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling), []
    merged = TicketMerged(ticket_id=request.ticket_id, into_ticket_id=request.into_ticket_id, ruling=ruling)
    return [merged], [DuplicateTaken(ticket_id=request.into_ticket_id, duplicate_id=request.ticket_id)]
