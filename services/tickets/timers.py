"""Keeps a ticket and its timers together: whatever its facts change, the timers it asks for afterwards are the ones that are set."""

from collections.abc import Callable, Sequence
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.ticket import ticket_stream

from services.kernel.service import Unit
from services.tickets.deadlines import changes, wanted
from services.tickets.state import Ticket
from services.tickets.ticket import TICKET


def keep(
    unit: Unit, ticket_id: str, decide: Callable[[Ticket], Sequence[Fact]], property_id: str | None = None
) -> list[Event[Any]]:
    """Take a decision about a ticket, store its facts, and set or cancel the timers that they change. Answers what was stored."""
    stream = ticket_stream(ticket_id)
    before = unit.state(TICKET, stream)
    facts = decide(before)
    if not facts:
        return []
    stored = unit.append(stream, *facts, property_id=property_id)
    after = unit.state(TICKET, stream)
    to_set, to_cancel = changes(wanted(ticket_id, before), wanted(ticket_id, after))
    for name, one in to_set.items():
        unit.set_timer(name, one.due_at, one.request, property_id=property_id)
    for name in to_cancel:
        unit.cancel_timer(name)
    return stored
