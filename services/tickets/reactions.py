"""When somebody leaves the office, the open tickets he was accountable for go up the line."""

from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.escalation import HandOnTickets
from bailiwick_contracts.staff import EmploymentEnded
from bailiwick_contracts.ticket import ticket_stream

from services.kernel.service import Unit
from services.tickets import escalation
from services.tickets import gathering as gather
from services.tickets.ticket import TICKET
from services.tickets.timers import keep
from services.tickets.views import ENDS, TICKETS

_NOON = time(12, tzinfo=UTC)
"""Noon of the next day in UTC: by then the day before is over in every zone."""


def on_employment_ended(unit: Unit, event: Event[EmploymentEnded]) -> None:
    """See to it that somebody else is accountable once the last day is over."""
    over_at = datetime.combine(event.data.last_on + timedelta(days=1), _NOON)
    unit.set_timer(f"left/{event.data.staff_id}", over_at, HandOnTickets(staff_id=event.data.staff_id))


def on_hand_on_tickets(unit: Unit, command: Command[HandOnTickets]) -> None:
    """Hand on what a person was accountable for, at every property where no position is held any more."""
    staff_id = command.data.staff_id
    query = (
        sa.select(TICKETS.c.ticket_id, TICKETS.c.property_id)
        .join(ENDS, ENDS.c.ticket_id == TICKETS.c.ticket_id)
        .where(ENDS.c.over == 0)
        .order_by(TICKETS.c.ticket_id)
    )
    places = {row.ticket_id: row.property_id for row in unit.rows(query)}
    unit.load(ticket_stream(ticket_id) for ticket_id in places)
    for ticket_id, property_id in places.items():
        ticket = unit.state(TICKET, ticket_stream(ticket_id))
        if ticket.accountable_id == staff_id and gather.is_gone(unit, staff_id, property_id):
            facts = escalation.leave(ticket_id, ticket, gather.line(unit, ticket, property_id))
            keep(unit, ticket_id, lambda _, facts=facts: facts, property_id)  # type: ignore[misc]
