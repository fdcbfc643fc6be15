"""Who was accountable for a ticket from when to when: exactly one person at every moment, shown from the facts alone (S3-2)."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.escalation import TicketEscalated
from bailiwick_contracts.handling import TicketAssigned
from bailiwick_contracts.message import Identifier, Instant, Record, Refusal
from bailiwick_contracts.ticket import TicketRegistered
from bailiwick_contracts.ticket_import import ActivityImported, TicketImported
from bailiwick_contracts.ticket_work import SupportAccepted


class Accountable(Record):
    """One person's time, by the order of the facts: from the fact `number` of the stream up to the one before `until_number`."""

    staff_id: Identifier
    number: int
    until_number: int | None = None
    since: Instant
    """When it was recorded; for an imported entry when it happened."""
    until: Instant | None = None
    fact_id: Identifier


def named_by(fact: Any) -> str | None:
    """Whom a fact makes accountable, or None where it does not speak of it."""
    if isinstance(fact, ActivityImported):
        return fact.handler_id
    if isinstance(fact, TicketRegistered | TicketAssigned | TicketEscalated | SupportAccepted | TicketImported):
        return fact.accountable_id
    return None


def intervals(events: Iterable[Event[Any]]) -> tuple[Accountable, ...]:
    """Who was accountable, in order, of one ticket's facts in their order; the last one still is."""
    found: list[Accountable] = []
    for event in events:
        staff_id = named_by(event.data)
        if staff_id is None or (found and found[-1].staff_id == staff_id):
            continue
        imported = isinstance(event.data, ActivityImported | TicketImported)
        at = event.time if imported else event.recordedat
        if found:
            found[-1] = found[-1].model_copy(update={"until_number": event.version, "until": at})
        found.append(Accountable(staff_id=staff_id, number=event.version, since=at, fact_id=event.id))
    return tuple(found)


def faults(events: Sequence[Event[Any]], found: Sequence[Accountable]) -> list[str]:
    """What speaks against exactly one person at every moment; empty where nothing does.

    The intervals must begin with the ticket's first fact that is no refusal, each where the one before ends, and go on to the last; and each
    change that says who was accountable before must say so rightly.
    """
    lived = [event for event in events if not isinstance(event.data, Refusal)]
    if not lived:
        return []
    wrong = [] if found and found[0].number == lived[0].version else ["nobody is named by the first fact"]
    for earlier, later in pairwise(found):
        if earlier.until_number != later.number:
            wrong.append(
                f"{earlier.staff_id} ends at {earlier.until_number}, {later.staff_id} begins at {later.number}"
            )
    if found and found[-1].until_number is not None:
        wrong.append(f"nobody is named after {found[-1].until_number}")
    current: str | None = None
    for event in events:
        was = getattr(event.data, "was_id", None)
        if was is not None and was != current:
            wrong.append(f"fact {event.id} says that {was} was accountable; {current} was")
        current = named_by(event.data) or current
    return wrong
