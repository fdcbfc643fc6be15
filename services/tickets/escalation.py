"""Up the reporting line: by the accountable person's own word, by class, by time, and when somebody leaves. Terms never move."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deadline import is_met
from bailiwick_contracts.escalation import (
    About,
    EscalateOverdueTicket,
    EscalateTicket,
    SuperiorNotified,
    TicketEscalated,
)
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import TicketChangeRefused, subject_of_ticket

from services.kernel.decision import Rejected
from services.tickets.deadlines import running
from services.tickets.state import Ticket, handled

Cause = Literal["own_word", "time", "class", "left"]


@dataclass(frozen=True)
class Superior:
    """A position with whoever holds it: whoever came to it last is first."""

    position: str
    staff_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """Who stands above: the head of the office, the manager, and the next in line of the accountable person."""

    director: Superior
    manager: Superior
    next: Superior
    positions: tuple[CopyPosition, ...] = field(default=())


def notify(ticket_id: str, about: About, whom: Superior, because_of: str | None = None) -> SuperiorNotified:
    """Tell the holders of a position."""
    return SuperiorNotified(
        ticket_id=ticket_id, about=about, position=whom.position, staff_ids=whom.staff_ids, because_of=because_of
    )


def raised(
    ticket_id: str, ticket: Ticket, to: Superior, cause: Cause, line: Line, *, why: Personal | None = None,
    ruling: Ruling | None = None,
) -> TicketEscalated:  # fmt: skip
    """The ticket one step up: whoever holds the position is accountable, or whoever was where nobody holds it."""
    holder = to.staff_ids[0] if to.staff_ids else ticket.accountable_id
    return TicketEscalated(
        ticket_id=ticket_id,
        cause=cause,
        step=ticket.escalations + 1,
        position=to.position,
        accountable_id=holder,
        was_id=ticket.accountable_id,
        why=why,
        positions=line.positions,
        ruling=ruling,
    )


def by_class(ticket_id: str, ticket: Ticket, line: Line) -> list[Fact]:
    """A major ticket goes straight to the head of the office, and the manager is told (外部 1)."""
    facts: list[Fact] = []
    if ticket.accountable_id not in (*line.director.staff_ids, *line.manager.staff_ids):
        facts.append(raised(ticket_id, ticket, line.director, "class", line))
    facts.append(notify(ticket_id, "major_ticket", line.director))
    facts.append(notify(ticket_id, "major_ticket", line.manager))
    return facts


def escalate(
    request: EscalateTicket, ticket: Ticket, line: Line, ruling: Ruling, *, principal_id: str
) -> list[Fact]:  # fmt: skip
    """Send a ticket up by the accountable person's own word, or by that of whoever D5a lets decide.

    Raises:
        Rejected: the ticket is not handled now, or nobody stands above.
    """
    handled(ticket, request.ticket_id)
    if principal_id != ticket.accountable_id and ruling.outcome != "granted":
        return [
            TicketChangeRefused(
                reason="not_accountable",
                ticket_id=request.ticket_id,
                asked_for=EscalateTicket.wire(),
                accountable_id=ticket.accountable_id,
                ruling=ruling,
            )
        ]
    if line.next.position == ticket.position or ticket.accountable_id in line.next.staff_ids:
        raise Rejected(
            f"{request.ticket_id} is at the top of the reporting line", code="nobody_above", field="ticket_id",
            value=request.ticket_id, rule="a position above by the reporting line", remedy="set the reporting line",
        )  # fmt: skip
    why = Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.why)
    return [raised(request.ticket_id, ticket, line.next, "own_word", line, why=why, ruling=ruling)]


def escalate_overdue(request: EscalateOverdueTicket, ticket: Ticket, line: Line, *, now: datetime) -> list[Fact]:
    """One step up because the resolution is overdue still; the next in line takes over, or is told (policy)."""
    term = running(ticket).get("resolution")
    if term is None or ticket.terms is None or is_met(term.due_at, now) or request.step < ticket.overdue_steps:
        return []
    steps = ticket.terms.escalation
    if request.step >= len(steps) or is_met(term.escalate_at[request.step], now):
        return []
    top = line.next.position == ticket.position or ticket.accountable_id in line.next.staff_ids
    if top or not steps[request.step].takes_over:
        return [notify(request.ticket_id, "overdue", line.next)]
    return [raised(request.ticket_id, ticket, line.next, "time", line)]


def leave(ticket_id: str, ticket: Ticket, line: Line) -> list[Fact]:
    """The accountable person left the office: the next in line has the ticket, or the head of the office."""
    if not ticket.is_open or ticket.taken_over is not None:
        return []
    for to in (line.next, line.director, line.manager):
        if any(one != ticket.accountable_id for one in to.staff_ids):
            others = Superior(to.position, tuple(one for one in to.staff_ids if one != ticket.accountable_id))
            return [raised(ticket_id, ticket, others, "left", line)]
    return []
