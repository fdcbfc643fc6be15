"""What is remembered of a ticket, and the two guards that its decisions share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bailiwick_contracts.deadline import Reckoning, Terms
from bailiwick_contracts.ticket import OPEN
from bailiwick_contracts.working_time import Span

from services.kernel.decision import Rejected
from services.tickets.taken_over import TakenOver


@dataclass(frozen=True)
class WorkOrder:
    """What is remembered of a work order."""

    to: str
    to_id: str
    status: str = "open"
    """`open`, `done` or `cancelled`."""


@dataclass(frozen=True)
class Visit:
    """What is remembered of a follow-up visit."""

    due_at: datetime
    attempts: int = 0
    result: str | None = None
    """Only of a visit with contact."""
    made_at: datetime | None = None
    missed: bool = False
    round: int = 1
    """Which completion it follows."""

    @property
    def is_effective(self) -> bool:
        """Whether contact was made and a result is known (K10)."""
        return self.result is not None


@dataclass(frozen=True)
class Completion:
    """One completion."""

    at: datetime
    by: str
    fact_id: str
    in_time: bool | None = None
    on_behalf_of: str | None = None


@dataclass(frozen=True)
class Closing:
    """One time it was closed."""

    at: datetime
    verified: bool


@dataclass(frozen=True)
class Ticket:
    """What is remembered of one ticket."""

    status: str = "none"
    property_id: str = ""
    kind: str = ""
    severity: str = "ordinary"
    topic: str = ""
    unit_id: str | None = None
    resident_id: str | None = None
    department: str | None = None
    feedback_of: str | None = None
    reported_through: str = ""
    accountable_id: str = ""
    registered_at: datetime | None = None
    terms: Terms | None = None
    deadlines: Mapping[str, Reckoning] = field(default_factory=dict)
    responded_at: datetime | None = None
    warned: frozenset[str] = frozenset()
    breached: Mapping[str, datetime] = field(default_factory=dict)
    """When each breach was recorded."""
    held_since: datetime | None = None
    holds: tuple[Span, ...] = ()
    completions: tuple[Completion, ...] = ()
    closed_at: datetime | None = None
    closings: tuple[Closing, ...] = ()
    reopened: int = 0
    escalations: int = 0
    position: str | None = None
    """Where it was escalated to last."""
    overdue_steps: int = 0
    work_orders: Mapping[str, WorkOrder] = field(default_factory=dict)
    visits: Mapping[str, Visit] = field(default_factory=dict)
    report_filed: bool = False
    forwarded_to: str | None = None
    updates: int = 0
    update_due_at: datetime | None = None
    progress: int = 0
    progress_due_at: datetime | None = None
    merged_into: str | None = None
    duplicates: frozenset[str] = frozenset()
    attachments: frozenset[str] = frozenset()
    acted_at: datetime | None = None
    """When somebody last did something; what rules and timers do is no activity."""
    followed_up_at: datetime | None = None
    """When work on it was first followed up after its registration (K4): accepted, dispatched, updated, held, completed."""
    taken_over: TakenOver | None = None
    number: int = 0
    """Of its last fact in the property's chain."""

    @property
    def is_there(self) -> bool:
        """Whether anybody registered it."""
        return self.status != "none"

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.status in OPEN

    @property
    def is_handled(self) -> bool:
        """Whether it is being handled, so that its terms run or stand on hold."""
        return self.status in ("registered", "assigned", "accepted", "held", "reopened")

    @property
    def completion(self) -> Completion | None:
        """The last completion."""
        return self.completions[-1] if self.completions else None

    @property
    def open_work_orders(self) -> tuple[str, ...]:
        """The work orders that are not done."""
        return tuple(name for name, order in self.work_orders.items() if order.status == "open")


def known(ticket: Ticket, ticket_id: str) -> Ticket:
    """A ticket that somebody registered here, to be handled.

    Raises:
        Rejected: there is none, or it was taken over from another system and is only kept.
    """
    if not ticket.is_there:
        raise Rejected(
            f"there is no ticket {ticket_id}", code="no_such_ticket", field="ticket_id", value=ticket_id,
            rule="the id of a registered ticket", remedy="look it up with ListTickets",
        )  # fmt: skip
    if ticket.taken_over is not None:
        raise Rejected(
            f"{ticket_id} is another system's history", code="taken_over", field="ticket_id", value=ticket_id,
            rule="a ticket registered here", remedy="register a new ticket and name this one in its description",
        )  # fmt: skip
    return ticket


def handled(ticket: Ticket, ticket_id: str) -> Ticket:
    """A ticket that is being handled.

    Raises:
        Rejected: it is over, or completed.
    """
    if not known(ticket, ticket_id).is_handled:
        raise not_now(ticket, ticket_id, "a ticket that is being handled", "reopen it first")
    return ticket


def not_now(ticket: Ticket, ticket_id: str, rule: str, remedy: str) -> Rejected:
    """The rejection of what makes no sense in a ticket's present status."""
    return Rejected(
        f"{ticket_id} is {ticket.status}",
        code="wrong_status",
        field="ticket_id",
        value=ticket_id,
        rule=rule,
        remedy=remedy,
    )
