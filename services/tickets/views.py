"""What tickets remembers for reading: which tickets and letters there are and whether they are over, and its registry copies."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.follow_up import FollowUpDue
from bailiwick_contracts.handling import TicketClosed, TicketMerged, TicketReopened, TicketVerified, TicketWithdrawn
from bailiwick_contracts.letter import LetterDrafted, LetterIssued, LetterReviewed
from bailiwick_contracts.registry import CalendarAdopted
from bailiwick_contracts.staff import PositionAssigned
from bailiwick_contracts.ticket import TicketRegistered
from bailiwick_contracts.ticket_import import TicketImported
from bailiwick_contracts.ticket_work import SupportDeclined

from services.kernel.service import Change, Put, View
from services.registry_copy import copied, micros

METADATA = sa.MetaData()
TICKETS = sa.Table(
    "tickets",
    METADATA,
    sa.Column("ticket_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("registered_us", sa.BigInteger, nullable=False),
    sa.Index("tickets_by_time", "property_id", "registered_us"),
    sa.Index("tickets_by_system", "property_id", "system"),
)
ENDS = sa.Table(
    "ticket_ends",
    METADATA,
    sa.Column("ticket_id", sa.Text, primary_key=True),
    sa.Column("over", sa.Integer, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
)
VISITS = sa.Table(
    "ticket_visits",
    METADATA,
    sa.Column("ticket_id", sa.Text, primary_key=True),
    sa.Column("follow_up_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Index("ticket_visits_by_time", "property_id", "due_us"),
)
LETTERS = sa.Table(
    "letters",
    METADATA,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)
ISSUES = sa.Table(
    "letter_issues",
    METADATA,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("property_id", sa.Text, nullable=False),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("issued_us", sa.BigInteger, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("to_id", sa.Text, nullable=False),
    sa.Column("means", sa.Text, nullable=False),
    sa.Column("document_sha256", sa.Text, nullable=False),
    sa.Index("letter_issues_by_number", "property_id", "year", "number", unique=True),
)
MARKS = sa.Table(
    "chain_marks",
    METADATA,
    sa.Column("property_id", sa.Text, primary_key=True),
    sa.Column("recorded_us", sa.BigInteger, primary_key=True),
    sa.Column("log", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
)


def holding(property_id: str, position: str) -> str:
    """The subject of facts about who came to a position at a property."""
    return f"holding:{property_id}:{position}"


def calendar_of(property_id: str) -> str:
    """The subject of a property's adopted holidays."""
    return f"calendar:{property_id}"


def further_subjects(fact: Any) -> tuple[str, ...]:
    """Under what else tickets looks registry facts up: holders of positions, and holidays."""
    match fact:
        case PositionAssigned():
            return (holding(fact.property_id, fact.position),)
        case CalendarAdopted():
            return (calendar_of(fact.property_id),)
        case _:
            return ()


def fold_tickets(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Which tickets there are, which are over, and which visits became due when."""
    fact = event.data
    match fact:
        case TicketRegistered() | TicketImported():
            imported = isinstance(fact, TicketImported)
            row = {
                "ticket_id": fact.ticket_id,
                "property_id": event.property_id,
                "kind": fact.kind,
                "system": fact.system if isinstance(fact, TicketImported) else "",
                "registered_us": micros(event.time if imported else event.recordedat),
            }
            yield Put(TICKETS, row)
            yield _end(event, int(imported))
        case TicketVerified() | TicketClosed() | TicketWithdrawn() | TicketMerged() | SupportDeclined():
            yield _end(event, 1)
        case TicketReopened():
            yield _end(event, 0)
        case FollowUpDue():
            row = {
                "ticket_id": fact.ticket_id,
                "follow_up_id": fact.follow_up_id,
                "property_id": event.property_id,
                "due_us": micros(fact.due_at),
            }
            yield Put(VISITS, row)
        case _:
            return


def _end(event: Event[Any], over: int) -> Put:
    row = {
        "ticket_id": event.data.ticket_id,
        "over": over,
        "at_us": micros(event.recordedat),
        "number": event.chainnumber,
    }
    return Put(ENDS, row)


def fold_letters(event: Event[Any], _: bytes) -> Iterator[Change]:
    """Letters by status, and the issue log."""
    fact = event.data
    match fact:
        case LetterDrafted():
            yield _letter(event, "drafted")
        case LetterReviewed():
            yield _letter(event, "released" if fact.releases else "sent_back")
        case LetterIssued():
            yield _letter(event, "issued")
            row = {
                "letter_id": fact.letter_id,
                "property_id": event.property_id,
                "year": fact.year,
                "number": fact.number,
                "issued_us": micros(event.recordedat),
                "about": fact.about,
                "to_id": fact.to_id,
                "means": fact.means,
                "document_sha256": fact.document_sha256,
            }
            yield Put(ISSUES, row)
        case _:
            return


def _letter(event: Event[Any], status: str) -> Put:
    row = {
        "letter_id": event.data.letter_id,
        "property_id": event.property_id,
        "status": status,
        "changed_us": micros(event.recordedat),
    }
    return Put(LETTERS, row)


def fold_marks(event: Event[Any], _: bytes) -> Iterator[Change]:
    """How far each property's chain reaches, for reports to say as of what they are."""
    row = {
        "property_id": event.property_id,
        "log": event.log,
        "number": event.chainnumber,
        "recorded_us": micros(event.recordedat),
    }
    yield Put(MARKS, row)


VIEWS = (
    copied(further_subjects),
    View("tickets", 1, "tickets", (TICKETS, ENDS, VISITS), fold_tickets),
    View("letters", 1, "tickets", (LETTERS, ISSUES), fold_letters),
    View("chain_marks", 1, "tickets", (MARKS,), fold_marks),
)
