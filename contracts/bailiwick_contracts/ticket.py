"""The ticket: whatever a resident asks for or complains of and whatever is found wrong, from its registration on."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deadline import Demand, Kind, Reckoning, Severity, Terms
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Personal

Status = Literal[
    "registered", "assigned", "accepted", "held", "completed", "reopened", "closed", "declined", "withdrawn", "merged"
]
OPEN: frozenset[str] = frozenset({"registered", "assigned", "accepted", "held", "completed", "reopened"})
"""Statuses of a ticket that is not over; a completed one still waits for its verification."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")]


def ticket_stream(ticket_id: str) -> str:
    """The stream of one ticket."""
    return f"ticket-{ticket_id}"


def subject_of_ticket(ticket_id: str, resident_id: str | None) -> str:
    """Under whose key what is personal in a ticket is sealed: the resident's, or one of the ticket's own."""
    return resident_id or f"ticket-{ticket_id}"[:64]


class Attachment(Record):
    """A photo or file, known by its content alone; the file lies outside the events."""

    sha256: Sha256
    media_type: MediaType
    size_bytes: Annotated[int, Field(ge=0, lt=2**40)]


class RegisterTicket(Request):
    """Register what somebody reported or found, through whatever channel. The actor, or whom he names, is accountable.

    A major complaint goes straight to the director, and the manager is told; an incident is told to the manager at once. A
    support request goes to a department, under P6.
    """

    type: Literal["tickets.register_ticket.v1"] = "tickets.register_ticket.v1"
    ticket_id: Identifier
    kind: Kind
    severity: Severity = "ordinary"
    topic: Label = "other"
    reported_through: Label = "counter"
    """`counter`, `telephone`, `app`, `patrol`, …"""
    unit_id: Label | None = None
    """The flat, shop or place it is about."""
    resident_id: Identifier | None = None
    """The resident's pseudonymous id: what is personal is sealed under this person's key."""
    contact: Text | None = None
    description: Text
    department: Identifier | None = None
    """Of a support request: the unit of organisation asked for help."""
    accountable_id: Identifier | None = None
    """The actor, where nobody is named."""
    feedback_of: Label | None = None
    """The visit or survey whose feedback it is (D5c)."""
    attachments: Annotated[tuple[Annotated[Attachment, whole(Attachment)], ...], Field(max_length=50)] = ()


class TicketRegistered(Fact):
    """A ticket is open, and one person is accountable for it."""

    type: Literal["tickets.ticket_registered.v1"] = "tickets.ticket_registered.v1"
    ticket_id: Identifier
    kind: Kind
    severity: Severity
    topic: Label
    reported_through: Label
    unit_id: Label | None = None
    resident_id: Identifier | None = None
    contact: Personal | None = None
    description: Personal
    department: Identifier | None = None
    feedback_of: Label | None = None
    attachments: tuple[Attachment, ...] = ()
    accountable_id: Identifier
    terms: Terms | None = None
    """The terms of the adopted policy; None where no policy was in force, so that no term runs."""
    deadlines: tuple[Reckoning, ...] = ()
    update_due_at: Instant | None = None
    """When the first update of an incident is due."""
    progress_due_at: Instant | None = None
    """When the first progress report is due."""
    positions: tuple[CopyPosition, ...] = ()
    """How far the copies of the registry reached: which calendar and which holders of positions were known."""
    ruling: Ruling | None = None
    """P6, for a support request."""


class ClassifyTicket(Request):
    """Say what kind, class and topic a ticket really has. Terms run anew from the same start; incidents stay incidents."""

    type: Literal["tickets.classify_ticket.v1"] = "tickets.classify_ticket.v1"
    ticket_id: Identifier
    kind: Kind | None = None
    severity: Severity | None = None
    topic: Label | None = None


class TicketClassified(Fact):
    """A ticket has another kind, class or topic; its terms begin where they began, with what was on hold left out."""

    type: Literal["tickets.ticket_classified.v1"] = "tickets.ticket_classified.v1"
    ticket_id: Identifier
    kind: Kind
    severity: Severity
    topic: Label
    was_kind: Kind
    was_severity: Severity
    was_topic: Label
    terms: Terms | None = None
    deadlines: tuple[Reckoning, ...] = ()
    update_due_at: Instant | None = None
    progress_due_at: Instant | None = None
    positions: tuple[CopyPosition, ...] = ()
    ruling: Ruling | None = None
    """D5a, where a major ticket becomes an ordinary one."""


class AttachFile(Request):
    """Add a photo or file to a ticket by its content hash."""

    type: Literal["tickets.attach_file.v1"] = "tickets.attach_file.v1"
    ticket_id: Identifier
    attachment: Annotated[Attachment, whole(Attachment)]


class FileAttached(Fact):
    """A photo or file belongs to a ticket."""

    type: Literal["tickets.file_attached.v1"] = "tickets.file_attached.v1"
    ticket_id: Identifier
    attachment: Attachment


class TicketChangeRefused(Refusal):
    """A change of a ticket was turned down.

    Reasons beside those of a ruling: `not_accountable` (escalation by one's own word is the accountable person's),
    `own_work` (nobody verifies what he completed), `closing_demands_unmet` (see `missing`), `not_of_the_department`.
    """

    type: Literal["tickets.ticket_change_refused.v1"] = "tickets.ticket_change_refused.v1"
    ticket_id: Identifier
    asked_for: Label
    """The wire type of the request."""
    accountable_id: Identifier | None = None
    """Who was accountable, where the ticket was there."""
    missing: tuple[Demand, ...] = ()
    work_orders: tuple[Identifier, ...] = ()
    """Work orders still open."""
    ruling: Ruling | None = None
