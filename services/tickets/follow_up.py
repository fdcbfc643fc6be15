"""Follow-up visits 回訪: due after every completion, arranged beside it, made with contact and result, or missed."""

from datetime import datetime

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.deadline import is_met
from bailiwick_contracts.follow_up import (
    ArrangeFollowUp,
    FollowUpDue,
    FollowUpMissed,
    FollowUpRecorded,
    JudgeFollowUp,
    RecordFollowUp,
)
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import subject_of_ticket

from services.kernel.decision import Rejected
from services.tickets.deadlines import Terming
from services.tickets.escalation import Superior, notify
from services.tickets.handling import refused, reopened
from services.tickets.state import Ticket, known, not_now


def after_completion(
    ticket_id: str, ticket: Ticket, terming: Terming | None, completion_fact: str, *, now: datetime
) -> list[Fact]:
    """The visit that the policy asks for after a completion (D5b); none where it asks for none."""
    if terming is None or ticket.terms is None:
        return []
    due_at = terming.later(now, ticket.terms.follow_up_seconds)
    if due_at is None:
        return []
    name = f"after-{len(ticket.completions)}"
    return [FollowUpDue(ticket_id=ticket_id, follow_up_id=name, due_at=due_at, completion=completion_fact)]


def arrange(request: ArrangeFollowUp, ticket: Ticket, ruling: Ruling) -> list[Fact]:
    """Arrange a visit of a completed or closed ticket (G5); the same one again is nothing new."""
    visit = known(ticket, request.ticket_id).visits.get(request.follow_up_id)
    if visit is not None:
        if visit.due_at == request.due_at:
            return []
        raise Rejected(
            f"{request.follow_up_id} names another visit", code="follow_up_id_reused", field="follow_up_id",
            value=request.follow_up_id, rule="one id for one visit", remedy="arrange it under a new id",
        )  # fmt: skip
    if ticket.status not in ("completed", "closed"):
        raise not_now(ticket, request.ticket_id, "a completed or closed ticket", "complete it first")
    if ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    return [
        FollowUpDue(
            ticket_id=request.ticket_id, follow_up_id=request.follow_up_id, due_at=request.due_at, ruling=ruling
        )
    ]


def record(
    request: RecordFollowUp, ticket: Ticket, terming: Terming | None, manager: Superior, *, now: datetime
) -> list[Fact]:
    """Record how a visit went. An unsatisfied customer reaches the manager and opens the ticket again (T1, G5).

    Raises:
        Rejected: no such visit is due; a result without contact, or contact without one; another result than before.
    """
    visit = known(ticket, request.ticket_id).visits.get(request.follow_up_id)
    if visit is None:
        raise Rejected(
            f"{request.ticket_id} has no visit {request.follow_up_id}", code="no_such_follow_up", field="follow_up_id",
            value=request.follow_up_id, rule="a visit that is due", remedy="look it up with GetTicket, or arrange one",
        )  # fmt: skip
    if request.contact_made != (request.result is not None):
        raise Rejected(
            "a visit with contact has a result, and one without has none", code="result", field="result",
            value=request.result, rule="result with contact_made, and only then",
            remedy="give the result of the contact, or leave it out where there was none",
        )  # fmt: skip
    if visit.is_effective:
        if visit.result == request.result:
            return []
        raise Rejected(
            f"{request.follow_up_id} was made and found the customer {visit.result}", code="made_already",
            field="follow_up_id", value=request.follow_up_id, rule="one result per visit", remedy="arrange another visit",
        )  # fmt: skip
    subject = subject_of_ticket(request.ticket_id, ticket.resident_id)
    made = FollowUpRecorded(
        ticket_id=request.ticket_id,
        follow_up_id=request.follow_up_id,
        contact_made=request.contact_made,
        result=request.result,
        attempt=visit.attempts + 1,
        in_time=is_met(visit.due_at, now),
        remark=Personal.of(subject, request.remark) if request.remark else None,
    )
    if request.result != "unsatisfied":
        return [made]
    told = notify(request.ticket_id, "unsatisfied", manager)
    again = ticket.status in ("completed", "closed")
    return [made, told, *([reopened(request.ticket_id, ticket, terming, "unsatisfied", now)] if again else [])]


def judge(request: JudgeFollowUp, ticket: Ticket, *, now: datetime) -> list[Fact]:
    """Record once that a visit was not made with contact and result by the time it was due."""
    visit = ticket.visits.get(request.follow_up_id)
    if visit is None or visit.is_effective or visit.missed or is_met(visit.due_at, now):
        return []
    if ticket.status not in ("completed", "closed"):
        return []
    return [
        FollowUpMissed(
            ticket_id=request.ticket_id,
            follow_up_id=request.follow_up_id,
            accountable_id=ticket.accountable_id,
            due_at=visit.due_at,
        )
    ]
