"""A ticket as a line of a board or list: where it stands, what is overdue or due on a day, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bailiwick_contracts.deadline import is_met

from services.tickets.deadlines import running
from services.tickets.state import Ticket

COLUMNS = (
    "ticket_id", "kind", "severity", "topic", "status", "unit_id", "accountable_id", "registered_at", "response_due_at",
    "resolution_due_at", "urgency", "reason", "late_seconds", "escalated_to", "escalations", "reopened",
    "open_work_orders", "last_activity_at",
)  # fmt: skip
URGENCIES = ("overdue", "due", "later", "on_hold", "none")


def line(ticket_id: str, ticket: Ticket, *, at: datetime, until: datetime) -> Mapping[str, Any]:
    """One line; instants as they are, codes and no rendered text.

    Args:
        ticket_id: whose.
        ticket: as it stood at `at`.
        at: the instant the board shows.
        until: the end of the board's day: what is due before it is due that day.
    """
    urgency, reason, late = urgency_of(ticket, at=at, until=until)
    terms = ticket.deadlines
    return {
        "ticket_id": ticket_id,
        "kind": ticket.kind,
        "severity": ticket.severity,
        "topic": ticket.topic,
        "status": ticket.status,
        "unit_id": ticket.unit_id,
        "accountable_id": ticket.accountable_id,
        "registered_at": ticket.registered_at,
        "response_due_at": terms["response"].due_at if "response" in terms else None,
        "resolution_due_at": terms["resolution"].due_at if "resolution" in terms else None,
        "urgency": urgency,
        "reason": reason,
        "late_seconds": late,
        "escalated_to": ticket.position,
        "escalations": ticket.escalations,
        "reopened": ticket.reopened,
        "open_work_orders": len(ticket.open_work_orders),
        "last_activity_at": ticket.acted_at,
    }


def urgency_of(ticket: Ticket, *, at: datetime, until: datetime) -> tuple[str, str, int]:
    """How urgent a ticket is, for what reason, and by how many seconds it is late.

    Reasons: `resolution`, `response`, `visit`, `update`, `progress`; where nothing is due, what it waits for: `held`,
    `verification`, or `no_terms` where no policy was in force.
    """
    dues = sorted(dues_of(ticket), key=lambda one: one[0])
    late = [(due, reason) for due, reason in dues if not is_met(due, at)]
    if late:
        due, reason = late[0]
        return "overdue", reason, int((at - due).total_seconds())
    if dues and dues[0][0] < until:
        return "due", dues[0][1], 0
    if ticket.status == "held":
        return "on_hold", "held", 0
    if dues:
        return "later", dues[0][1], 0
    if ticket.status == "completed":
        return "none", "verification", 0
    return "none", "no_terms" if ticket.is_open else "over", 0


def dues_of(ticket: Ticket) -> list[tuple[datetime, str]]:
    """Everything that is still to be done by an instant."""
    found: list[tuple[datetime, str]] = [(term.due_at, clock) for clock, term in running(ticket).items()]
    if ticket.is_handled:
        due = ((ticket.update_due_at, "update"), (ticket.progress_due_at, "progress"))
        found += [(at, reason) for at, reason in due if at is not None]
    if ticket.status in ("completed", "closed"):
        found += [(visit.due_at, "visit") for visit in ticket.visits.values() if not visit.is_effective]
    return found
