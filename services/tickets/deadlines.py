"""The terms of a ticket: how they are reckoned, which timers they ask for, and what a timer that is due comes to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bailiwick_contracts.authority import CopyPosition
from bailiwick_contracts.deadline import (
    FIRST_SECOND_LATE,
    Basis,
    Clockwork,
    DeadlinePolicy,
    Reckoning,
    Terms,
    is_met,
    later,
    reckon_both,
)
from bailiwick_contracts.escalation import (
    DeadlineBreached,
    DeadlineWarned,
    EscalateOverdueTicket,
    JudgeDeadline,
    WarnOfDeadline,
)
from bailiwick_contracts.follow_up import JudgeFollowUp
from bailiwick_contracts.incident import JudgeIncidentUpdate, JudgeProgress
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.working_time import Span, WorkingCalendar

from services.tickets.state import Ticket

_CLOCKS: tuple[Clockwork, ...] = ("response", "resolution")


@dataclass(frozen=True)
class Terming:
    """The policy in force at a property and its working time, with the facts they come from."""

    policy: DeadlinePolicy
    basis: Basis
    calendar: WorkingCalendar
    positions: tuple[CopyPosition, ...] = ()

    def terms_of(self, kind: str, severity: str) -> Terms | None:
        """The terms of a kind and class."""
        return self.policy.terms_of(kind, severity)

    def reckon(self, terms: Terms | None, started_at: datetime, held: Iterable[Span] = ()) -> tuple[Reckoning, ...]:
        """Both terms, as far as the policy sets them."""
        if terms is None:
            return ()
        return reckon_both(terms, self.basis, self.calendar, started_at, held)

    def later(self, start: datetime, seconds: int | None) -> datetime | None:
        """So much working time after an instant."""
        return None if seconds is None else later(self.calendar, start, seconds)


class Wanted(NamedTuple):
    """A timer that a ticket asks for."""

    due_at: datetime
    request: Request


def running(ticket: Ticket) -> dict[str, Reckoning]:
    """The terms that run: not met, and not on hold."""
    if ticket.status not in ("registered", "assigned", "accepted", "reopened"):
        return {}
    return {
        clock: found
        for clock, found in ticket.deadlines.items()
        if clock == "resolution" or ticket.responded_at is None
    }


def wanted(ticket_id: str, ticket: Ticket) -> dict[str, Wanted]:
    """Every timer that a ticket asks for as it stands, by its id. What is done, moved or on hold asks for none."""
    found: dict[str, Wanted] = {}
    for clock in _CLOCKS:
        term = running(ticket).get(clock)
        if term is None:
            continue
        if clock not in ticket.warned and clock not in ticket.breached and term.warn_at < term.due_at:
            found[f"{ticket_id}/warn/{clock}"] = Wanted(term.warn_at, WarnOfDeadline(ticket_id=ticket_id, clock=clock))
        if clock not in ticket.breached:
            late = term.due_at + FIRST_SECOND_LATE
            found[f"{ticket_id}/judge/{clock}"] = Wanted(late, JudgeDeadline(ticket_id=ticket_id, clock=clock))
        for step, at in list(enumerate(term.escalate_at))[ticket.overdue_steps :]:
            request = EscalateOverdueTicket(ticket_id=ticket_id, step=step)
            found[f"{ticket_id}/overdue/{step}"] = Wanted(at + FIRST_SECOND_LATE, request)
    if ticket.is_handled and ticket.update_due_at is not None:
        at = ticket.update_due_at + FIRST_SECOND_LATE
        found[f"{ticket_id}/update"] = Wanted(at, JudgeIncidentUpdate(ticket_id=ticket_id))
    if ticket.is_handled and ticket.progress_due_at is not None:
        at = ticket.progress_due_at + FIRST_SECOND_LATE
        found[f"{ticket_id}/progress"] = Wanted(at, JudgeProgress(ticket_id=ticket_id))
    for name, visit in ticket.visits.items():
        if not visit.is_effective and not visit.missed and ticket.status in ("completed", "closed"):
            made = JudgeFollowUp(ticket_id=ticket_id, follow_up_id=name)
            found[f"{ticket_id}/visit/{name}"] = Wanted(visit.due_at + FIRST_SECOND_LATE, made)
    return found


def changes(before: Mapping[str, Wanted], after: Mapping[str, Wanted]) -> tuple[dict[str, Wanted], list[str]]:
    """Which timers to set and which to cancel, so that what was wanted before becomes what is wanted now."""
    fresh = {name: one for name, one in after.items() if before.get(name) != one}
    return fresh, [name for name in before if name not in after]


def warn(request: WarnOfDeadline, ticket: Ticket, *, now: datetime) -> list[Fact]:
    """Warn the accountable person once that a running term is nearly up."""
    term = running(ticket).get(request.clock)
    if term is None or request.clock in ticket.warned or request.clock in ticket.breached or now < term.warn_at:
        return []
    return [
        DeadlineWarned(
            ticket_id=request.ticket_id, clock=request.clock, accountable_id=ticket.accountable_id, due_at=term.due_at
        )
    ]


def judge(request: JudgeDeadline, ticket: Ticket, *, now: datetime) -> list[Fact]:
    """Record the breach of a running term once, from the second after it was due."""
    term = running(ticket).get(request.clock)
    if term is None or request.clock in ticket.breached or is_met(term.due_at, now):
        return []
    return [
        DeadlineBreached(
            ticket_id=request.ticket_id, clock=request.clock, accountable_id=ticket.accountable_id, reckoning=term
        )
    ]


def in_time(ticket: Ticket, clock: Clockwork, now: datetime) -> bool | None:
    """Whether what a term was for was done in time, done now; None where it was done before or no term runs."""
    term = ticket.deadlines.get(clock)
    if term is None or (clock == "response" and ticket.responded_at is not None):
        return None
    return is_met(term.due_at, now)
