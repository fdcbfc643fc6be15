"""The handling of a ticket: who takes it on, what stops and starts its terms, how it ends, and how it comes back."""

from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deadline import Reckoning
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import Attachment
from bailiwick_contracts.working_time import Span

ReopeningCause = Literal["asked_for", "failed_verification", "unsatisfied"]


class AssignTicket(Request):
    """Make somebody accountable for a ticket (S3-2)."""

    type: Literal["tickets.assign_ticket.v1"] = "tickets.assign_ticket.v1"
    ticket_id: Identifier
    assignee_id: Identifier


class TicketAssigned(Fact):
    """From now on this person, and nobody else, is accountable."""

    type: Literal["tickets.ticket_assigned.v1"] = "tickets.ticket_assigned.v1"
    ticket_id: Identifier
    accountable_id: Identifier
    was_id: Identifier
    ruling: Ruling


class AcceptTicket(Request):
    """Take a ticket on: the accountable person's answer, which meets the response term."""

    type: Literal["tickets.accept_ticket.v1"] = "tickets.accept_ticket.v1"
    ticket_id: Identifier


class TicketAccepted(Fact):
    """The accountable person has taken it on."""

    type: Literal["tickets.ticket_accepted.v1"] = "tickets.ticket_accepted.v1"
    ticket_id: Identifier
    accountable_id: Identifier
    in_time: bool | None = None
    """Whether the response term was met; None where it was met before or none runs."""


class HoldTicket(Request):
    """Stop the terms of a ticket: it waits for somebody else, for instance for the resident or for a part."""

    type: Literal["tickets.hold_ticket.v1"] = "tickets.hold_ticket.v1"
    ticket_id: Identifier
    waits_for: Label


class TicketHeld(Fact):
    """The terms stand still."""

    type: Literal["tickets.ticket_held.v1"] = "tickets.ticket_held.v1"
    ticket_id: Identifier
    waits_for: Label
    since: Instant


class ResumeTicket(Request):
    """Let the terms of a ticket run again."""

    type: Literal["tickets.resume_ticket.v1"] = "tickets.resume_ticket.v1"
    ticket_id: Identifier


class TicketResumed(Fact):
    """The terms run again; what lay in the hold does not count (C5)."""

    type: Literal["tickets.ticket_resumed.v1"] = "tickets.ticket_resumed.v1"
    ticket_id: Identifier
    held: Span
    deadlines: tuple[Reckoning, ...] = ()
    positions: tuple[CopyPosition, ...] = ()


class CompleteTicket(Request):
    """Say that what was asked for is done. A follow-up visit becomes due where the policy asks for one."""

    type: Literal["tickets.complete_ticket.v1"] = "tickets.complete_ticket.v1"
    ticket_id: Identifier
    outcome: Text
    attachments: Annotated[tuple[Annotated[Attachment, whole(Attachment)], ...], Field(max_length=50)] = ()


class TicketCompleted(Fact):
    """Done, by the word of whoever did it; it waits for somebody else's verification."""

    type: Literal["tickets.ticket_completed.v1"] = "tickets.ticket_completed.v1"
    ticket_id: Identifier
    accountable_id: Identifier
    outcome: Personal
    attachments: tuple[Attachment, ...] = ()
    in_time: bool | None = None
    """Whether the resolution term was met; None where none runs."""
    round: int = 1
    """1 for the first completion, 2 for the one after a reopening."""
    held: Span | None = None
    """A hold that the completion ended."""


class VerifyTicket(Request):
    """Verify that a completed ticket is really done, which closes it; or that it is not, which reopens it."""

    type: Literal["tickets.verify_ticket.v1"] = "tickets.verify_ticket.v1"
    ticket_id: Identifier
    passed: bool = True


class TicketVerified(Fact):
    """Somebody else than who completed it found it done: the ticket is closed."""

    type: Literal["tickets.ticket_verified.v1"] = "tickets.ticket_verified.v1"
    ticket_id: Identifier
    completed_by: Identifier
    ruling: Ruling


class TicketClosed(Fact):
    """Closed without a verification, where its kind demands none."""

    type: Literal["tickets.ticket_closed.v1"] = "tickets.ticket_closed.v1"
    ticket_id: Identifier


class ReopenTicket(Request):
    """Open a completed or closed ticket again: it came back, or was not done."""

    type: Literal["tickets.reopen_ticket.v1"] = "tickets.reopen_ticket.v1"
    ticket_id: Identifier
    why: Text


class TicketReopened(Fact):
    """Open again, with the same person accountable. The terms go on where the completion stopped them."""

    type: Literal["tickets.ticket_reopened.v1"] = "tickets.ticket_reopened.v1"
    ticket_id: Identifier
    cause: ReopeningCause
    why: Personal | None = None
    accountable_id: Identifier
    reopened: int
    """How often by now."""
    stood_still: Span
    deadlines: tuple[Reckoning, ...] = ()
    positions: tuple[CopyPosition, ...] = ()


class WithdrawTicket(Request):
    """Take a ticket back at the wish of whoever reported it. An incident is never withdrawn."""

    type: Literal["tickets.withdraw_ticket.v1"] = "tickets.withdraw_ticket.v1"
    ticket_id: Identifier
    why: Text


class TicketWithdrawn(Fact):
    """Over, because whoever reported it wished so."""

    type: Literal["tickets.ticket_withdrawn.v1"] = "tickets.ticket_withdrawn.v1"
    ticket_id: Identifier
    why: Personal
    ruling: Ruling


class MergeTicket(Request):
    """Say that a ticket reports the same thing as another, in which it goes on."""

    type: Literal["tickets.merge_ticket.v1"] = "tickets.merge_ticket.v1"
    ticket_id: Identifier
    into_ticket_id: Identifier


class TicketMerged(Fact):
    """A duplicate: the other ticket goes on for both."""

    type: Literal["tickets.ticket_merged.v1"] = "tickets.ticket_merged.v1"
    ticket_id: Identifier
    into_ticket_id: Identifier
    ruling: Ruling


class DuplicateTaken(Fact):
    """This ticket goes on for another one too."""

    type: Literal["tickets.duplicate_taken.v1"] = "tickets.duplicate_taken.v1"
    ticket_id: Identifier
    duplicate_id: Identifier
