"""Keeps a ticket and its timers together: whatever its facts change, the timers it asks for afterwards are the ones that are set."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.ticket import ticket_stream

from services.kernel.decision import Rejected
from services.kernel.service import Asked, Unit
from services.tickets.deadlines import Wanted, changes, wanted
from services.tickets.state import Ticket
from services.tickets.ticket import TICKET


def own(unit: Unit, ticket_id: str, property_id: str | None = None) -> Ticket:
    """A ticket of the property that is asked at, or one that nobody registered.

    Raises:
        Rejected: the id is another property's.
    """
    ticket = unit.state(TICKET, ticket_stream(ticket_id))
    if ticket.is_there and ticket.property_id != (property_id or unit.property_id):
        raise Rejected(
            f"there is no ticket {ticket_id} here", code="no_such_ticket", field="ticket_id", value=ticket_id,
            rule="the id of a ticket of this property", remedy="look it up with ListTickets, or choose another id",
        )  # fmt: skip
    return ticket


def keep(
    unit: Unit, ticket_id: str, decide: Callable[[Ticket], Sequence[Fact]], property_id: str | None = None
) -> list[Event[Any]]:
    """Take a decision about a ticket, store its facts, and set or cancel the timers that they change. Answers what was stored."""
    stream = ticket_stream(ticket_id)
    before = own(unit, ticket_id, property_id)
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


def asked(facts: Sequence[Event[Any]]) -> Iterator[Asked]:
    """The timers that the facts of one ticket ask for, as `keep` sets and cancels them command by command."""
    ticket_id = facts[0].subject.removeprefix(ticket_stream(""))
    state, before = TICKET.initial, dict[str, Wanted]()
    set_by: dict[str, frozenset[str]] = {}
    for _, of_command in groupby(facts, key=lambda event: event.commandid):
        steps = []
        for event in of_command:
            state = TICKET.evolve(state, event)
            steps.append((event.id, wanted(ticket_id, state)))
        after = steps[-1][1]
        for name, one in after.items():
            if before.get(name) != one:
                set_by[name] = frozenset(fact_id for fact_id, step in steps if step.get(name) == one)
        before = after
    for name, one in before.items():
        yield Asked(name, one.due_at, one.request, set_by[name])
