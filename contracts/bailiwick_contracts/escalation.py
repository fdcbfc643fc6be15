"""What goes up the reporting line: escalations and notices, warnings and breaches of terms, and what the timers ask for."""

from typing import Literal

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deadline import Clockwork, Reckoning
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Request, Text
from bailiwick_contracts.sealed import Personal

About = Literal[
    "major_ticket", "incident", "incident_update", "incident_update_missed", "incident_report", "progress",
    "progress_missed", "unsatisfied", "support_declined", "feedback_work_order", "overdue",
]  # fmt: skip


class EscalateTicket(Request):
    """Say that a ticket is beyond one's ability (D5a): the accountable person's own word sends it up the line at once."""

    type: Literal["tickets.escalate_ticket.v1"] = "tickets.escalate_ticket.v1"
    ticket_id: Identifier
    why: Text


class TicketEscalated(Fact):
    """The next in line is accountable from now on. Terms are not touched."""

    type: Literal["tickets.ticket_escalated.v1"] = "tickets.ticket_escalated.v1"
    ticket_id: Identifier
    cause: Literal["own_word", "time", "class", "left"]
    """`class`: it is major; `left`: the accountable person left the office."""
    step: int
    """How often it has been escalated, this time included."""
    position: Label
    """To which position by the reporting line."""
    accountable_id: Identifier
    """Whoever holds that position; the person before, where nobody does."""
    was_id: Identifier
    why: Personal | None = None
    positions: tuple[CopyPosition, ...] = ()
    ruling: Ruling | None = None
    """D5a, where it went up by somebody's own word."""


class SuperiorNotified(Fact):
    """The holders of a position were told of something; the fact that says what is named."""

    type: Literal["tickets.superior_notified.v1"] = "tickets.superior_notified.v1"
    ticket_id: Identifier
    about: About
    position: Label
    staff_ids: tuple[Identifier, ...] = ()
    """Who holds the position; nobody, where it is vacant or not recorded."""
    because_of: Identifier | None = None
    """The fact that is reported."""


class DeadlineWarned(Fact):
    """A term is nearly up."""

    type: Literal["tickets.deadline_warned.v1"] = "tickets.deadline_warned.v1"
    ticket_id: Identifier
    clock: Clockwork
    accountable_id: Identifier
    due_at: Instant


class DeadlineBreached(Fact):
    """A term is up and what it was for is not done. The arithmetic stands here again, so that anyone can do it."""

    type: Literal["tickets.deadline_breached.v1"] = "tickets.deadline_breached.v1"
    ticket_id: Identifier
    clock: Clockwork
    accountable_id: Identifier
    reckoning: Reckoning


class WarnOfDeadline(Request):
    """A timer's: warn, unless the term is met, stands still or was moved."""

    type: Literal["tickets.warn_of_deadline.v1"] = "tickets.warn_of_deadline.v1"
    ticket_id: Identifier
    clock: Clockwork


class JudgeDeadline(Request):
    """A timer's: record the breach of a term that is up and not met."""

    type: Literal["tickets.judge_deadline.v1"] = "tickets.judge_deadline.v1"
    ticket_id: Identifier
    clock: Clockwork


class EscalateOverdueTicket(Request):
    """A timer's: one step up the line, where the resolution is overdue still."""

    type: Literal["tickets.escalate_overdue_ticket.v1"] = "tickets.escalate_overdue_ticket.v1"
    ticket_id: Identifier
    step: int
    """Which step of the policy, from 0."""


class HandOnTickets(Request):
    """A timer's: hand on what somebody was accountable for whose last day in the office is over."""

    type: Literal["tickets.hand_on_tickets.v1"] = "tickets.hand_on_tickets.v1"
    staff_id: Identifier
