"""When somebody leaves the office, the open tickets he was accountable for go up the line."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.escalation import HandOnTickets
from bailiwick_contracts.staff import EmploymentEnded
from bailiwick_contracts.ticket import ticket_stream

from services.kernel.service import Asked, Unit
from services.tickets import escalation
from services.tickets import gathering as gather
from services.tickets.ticket import TICKET
from services.tickets.timers import keep
from services.tickets.views import ENDS, TICKETS

_NOON = time(12, tzinfo=UTC)
"""Noon of the next day in UTC: by then the day before is over in every zone."""


def on_employment_ended(unit: Unit, event: Event[EmploymentEnded]) -> None:
    """See to it that somebody else is accountable once the last day is over."""
    unit.set_timer(*_left(event.data))


def _left(ended: EmploymentEnded) -> tuple[str, datetime, HandOnTickets]:
    over_at = datetime.combine(ended.last_on + timedelta(days=1), _NOON)
    return f"left/{ended.staff_id}", over_at, HandOnTickets(staff_id=ended.staff_id)


def asked(facts: Sequence[Event[Any]]) -> Iterator[Asked]:
    """The timer that the last end of somebody's employment asks for; where nothing was his to hand on it leaves no fact."""
    yield Asked(*_left(facts[-1].data), frozenset({facts[-1].id}), owed=False)


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
