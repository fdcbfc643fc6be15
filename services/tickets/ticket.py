"""The ticket: how each of its facts changes what is remembered. What may be decided about it stands by sub-noun beside this file."""

from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from bailiwick_contracts.deadline import Reckoning, is_met
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.escalation import DeadlineBreached, DeadlineWarned, SuperiorNotified, TicketEscalated
from bailiwick_contracts.follow_up import FollowUpDue, FollowUpMissed, FollowUpRecorded
from bailiwick_contracts.handling import (
    DuplicateTaken,
    TicketAccepted,
    TicketAssigned,
    TicketClosed,
    TicketCompleted,
    TicketHeld,
    TicketMerged,
    TicketReopened,
    TicketResumed,
    TicketVerified,
    TicketWithdrawn,
)
from bailiwick_contracts.incident import (
    IncidentReportFiled,
    IncidentUpdated,
    IncidentUpdateMissed,
    ProgressMissed,
    ProgressReported,
)
from bailiwick_contracts.ticket import FileAttached, TicketChangeRefused, TicketClassified, TicketRegistered
from bailiwick_contracts.ticket_import import ActivityImported, TicketImported
from bailiwick_contracts.ticket_work import (
    RenovationForwarded,
    SupportAccepted,
    SupportDeclined,
    WorkOrderCancelled,
    WorkOrderCompleted,
    WorkOrderIssued,
)

from services.kernel.decision import Noun
from services.tickets.state import Closing, Completion, Ticket, Visit, WorkOrder
from services.tickets.taken_over import TakenOver, add_entry

Life = (
    TicketRegistered | TicketClassified | TicketAssigned | TicketAccepted | TicketHeld | TicketResumed | TicketCompleted
    | TicketVerified | TicketClosed | TicketReopened | TicketWithdrawn | TicketMerged | DuplicateTaken | FileAttached
    | TicketChangeRefused
)  # fmt: skip
Upward = TicketEscalated | SuperiorNotified | DeadlineWarned | DeadlineBreached
Work = (
    WorkOrderIssued | WorkOrderCompleted | WorkOrderCancelled | RenovationForwarded | SupportAccepted | SupportDeclined
    | IncidentUpdated | IncidentUpdateMissed | IncidentReportFiled | ProgressReported | ProgressMissed
)  # fmt: skip
Visits = FollowUpDue | FollowUpRecorded | FollowUpMissed
Imports = TicketImported | ActivityImported


def evolve(ticket: Ticket, event: Event[Any]) -> Ticket:
    """The ticket after one more fact."""
    fact: Life | Upward | Work | Visits | Imports = event.data
    if isinstance(fact, Imports):
        return _imported(ticket, fact, event)
    if isinstance(fact, Life):
        after = _lived(ticket, fact, event)
    elif isinstance(fact, Upward):
        after = _upward(ticket, fact, event)
    elif isinstance(fact, Work):
        after = _worked(ticket, fact, event)
    elif isinstance(fact, Visits):
        after = _visited(ticket, fact, event)
    else:
        assert_never(fact)
    acted_at = ticket.acted_at if event.channel == "system" else event.recordedat
    return replace(after, acted_at=acted_at, number=event.chainnumber)


def _lived(ticket: Ticket, fact: Life, event: Event[Any]) -> Ticket:
    at = event.recordedat
    match fact:
        case TicketRegistered():
            return _registered(fact, at, event.property_id)
        case TicketClassified():
            changed = replace(ticket, kind=fact.kind, severity=fact.severity, topic=fact.topic, terms=fact.terms)
            changed = replace(changed, update_due_at=fact.update_due_at, progress_due_at=fact.progress_due_at)
            return _reckoned(replace(_judged_anew(changed, fact, at), deadlines={}, warned=frozenset()), fact.deadlines)
        case TicketAssigned():
            status = "held" if ticket.status == "held" else "assigned"
            return replace(ticket, status=status, accountable_id=fact.accountable_id, position=None)
        case TicketAccepted():
            return _responded(replace(ticket, status="accepted"), at)
        case TicketHeld():
            return _followed(replace(ticket, status="held", held_since=fact.since), at)
        case TicketResumed():
            status = "accepted" if ticket.responded_at else "assigned"
            resumed = replace(ticket, status=status, held_since=None, holds=(*ticket.holds, fact.held))
            return _reckoned(resumed, fact.deadlines)
        case TicketCompleted():
            done = Completion(at, event.actor, event.id, fact.in_time, event.onbehalfof)
            holds = (*ticket.holds, fact.held) if fact.held is not None else ticket.holds
            changed = replace(ticket, status="completed", completions=(*ticket.completions, done), holds=holds)
            return replace(_responded(changed, at), held_since=None, update_due_at=None, progress_due_at=None)
        case TicketVerified() | TicketClosed() | TicketWithdrawn() | TicketMerged():
            return _over(ticket, fact, at)
        case TicketReopened():
            again = replace(ticket, status="reopened", reopened=fact.reopened, closed_at=None)
            # A visit nobody made yet is overtaken: the next completion brings its own.
            kept = {name: one for name, one in ticket.visits.items() if one.is_effective or one.missed}
            return _reckoned(replace(again, holds=(*ticket.holds, fact.stood_still), visits=kept), fact.deadlines)
        case DuplicateTaken():
            return replace(ticket, duplicates=ticket.duplicates | {fact.duplicate_id})
        case FileAttached():
            return replace(ticket, attachments=ticket.attachments | {fact.attachment.sha256})
        case TicketChangeRefused():
            return ticket
        case _:
            assert_never(fact)


def _judged_anew(ticket: Ticket, fact: TicketClassified, at: datetime) -> Ticket:
    """With nothing said of a term that was up and is not under the new class: it may be up, and go up the line, once more."""
    ahead = {term.clock for term in fact.deadlines if term.clock in ticket.breached and is_met(term.due_at, at)}
    still = {clock: since for clock, since in ticket.breached.items() if clock not in ahead}
    steps = 0 if "resolution" in ahead else ticket.overdue_steps
    return replace(ticket, breached=still, overdue_steps=steps)


def _over(ticket: Ticket, fact: TicketVerified | TicketClosed | TicketWithdrawn | TicketMerged, at: datetime) -> Ticket:
    match fact:
        case TicketVerified():
            return replace(
                ticket, status="closed", closed_at=at, closings=(*ticket.closings, Closing(at, verified=True))
            )
        case TicketClosed():
            return replace(
                ticket, status="closed", closed_at=at, closings=(*ticket.closings, Closing(at, verified=False))
            )
        case TicketWithdrawn():
            return replace(ticket, status="withdrawn", closed_at=at)
        case TicketMerged():
            return replace(ticket, status="merged", closed_at=at, merged_into=fact.into_ticket_id)
        case _:
            assert_never(fact)


def _registered(fact: TicketRegistered, at: datetime, property_id: str) -> Ticket:
    return Ticket(
        status="registered",
        property_id=property_id,
        kind=fact.kind,
        severity=fact.severity,
        topic=fact.topic,
        unit_id=fact.unit_id,
        resident_id=fact.resident_id,
        department=fact.department,
        feedback_of=fact.feedback_of,
        reported_through=fact.reported_through,
        accountable_id=fact.accountable_id,
        registered_at=at,
        terms=fact.terms,
        deadlines={one.clock: one for one in fact.deadlines},
        update_due_at=fact.update_due_at,
        progress_due_at=fact.progress_due_at,
        attachments=frozenset(one.sha256 for one in fact.attachments),
    )


def _reckoned(ticket: Ticket, deadlines: tuple[Reckoning, ...]) -> Ticket:
    """With terms reckoned again; a warning counts for the due instant it was given for."""
    known_terms: dict[str, Reckoning] = {**ticket.deadlines, **{one.clock: one for one in deadlines}}
    moved = {
        one.clock
        for one in deadlines
        if one.clock in ticket.deadlines and ticket.deadlines[one.clock].due_at != one.due_at
    }
    return replace(ticket, deadlines=known_terms, warned=ticket.warned - moved)


def _responded(ticket: Ticket, at: datetime) -> Ticket:
    return _followed(ticket if ticket.responded_at else replace(ticket, responded_at=at), at)


def _followed(ticket: Ticket, at: datetime) -> Ticket:
    return ticket if ticket.followed_up_at else replace(ticket, followed_up_at=at)


def _upward(ticket: Ticket, fact: Upward, event: Event[Any]) -> Ticket:
    match fact:
        case TicketEscalated():
            steps = ticket.overdue_steps + (fact.cause == "time")
            return replace(
                ticket,
                accountable_id=fact.accountable_id,
                escalations=fact.step,
                position=fact.position,
                overdue_steps=steps,
            )
        case SuperiorNotified():
            steps = ticket.overdue_steps + (fact.about == "overdue")
            return replace(ticket, overdue_steps=steps)
        case DeadlineWarned():
            return replace(ticket, warned=ticket.warned | {fact.clock})
        case DeadlineBreached():
            return replace(ticket, breached={**ticket.breached, fact.clock: event.recordedat})
        case _:
            assert_never(fact)


def _worked(ticket: Ticket, fact: Work, event: Event[Any]) -> Ticket:
    at = event.recordedat
    match fact:
        case WorkOrderIssued():
            order = WorkOrder(fact.to, fact.to_id)
            return _responded(replace(ticket, work_orders={**ticket.work_orders, fact.work_order_id: order}), at)
        case WorkOrderCompleted():
            return _followed(_ended(ticket, fact.work_order_id, "done"), at)
        case WorkOrderCancelled():
            return _ended(ticket, fact.work_order_id, "cancelled")
        case RenovationForwarded():
            return _responded(replace(ticket, forwarded_to=fact.to), at)
        case SupportAccepted():
            return _responded(replace(ticket, status="accepted", accountable_id=fact.accountable_id), at)
        case SupportDeclined():
            return replace(ticket, status="declined", closed_at=at)
        case IncidentUpdated():
            return _followed(replace(ticket, updates=fact.number, update_due_at=fact.next_due_at), at)
        case IncidentUpdateMissed():
            return replace(ticket, update_due_at=fact.next_due_at)
        case IncidentReportFiled():
            return replace(ticket, report_filed=True)
        case ProgressReported():
            return _followed(replace(ticket, progress=fact.number, progress_due_at=fact.next_due_at), at)
        case ProgressMissed():
            return replace(ticket, progress_due_at=fact.next_due_at)
        case _:
            assert_never(fact)


def _ended(ticket: Ticket, work_order_id: str, status: str) -> Ticket:
    order = ticket.work_orders.get(work_order_id, WorkOrder("department", "unknown"))
    return replace(ticket, work_orders={**ticket.work_orders, work_order_id: replace(order, status=status)})


def _visited(ticket: Ticket, fact: Visits, event: Event[Any]) -> Ticket:
    name = fact.follow_up_id
    match fact:
        case FollowUpDue():
            visit = Visit(due_at=fact.due_at, round=max(len(ticket.completions), 1))
        case FollowUpRecorded():
            before = ticket.visits.get(name, Visit(due_at=event.recordedat))
            visit = replace(before, attempts=fact.attempt, result=fact.result, made_at=event.recordedat)
        case FollowUpMissed():
            visit = replace(ticket.visits.get(name, Visit(due_at=fact.due_at)), missed=True)
        case _:
            assert_never(fact)
    return replace(ticket, visits={**ticket.visits, name: visit})


def _imported(ticket: Ticket, fact: Imports, event: Event[Any]) -> Ticket:
    match fact:
        case TicketImported():
            return Ticket(
                status="registered",
                property_id=event.property_id,
                kind=fact.kind,
                topic=fact.topic,
                accountable_id=fact.accountable_id,
                registered_at=event.time,
                reported_through="import",
                taken_over=TakenOver(fact.system, fact.external_id),
                number=event.chainnumber,
            )
        case ActivityImported():
            log = add_entry(ticket.taken_over or TakenOver("unknown", "unknown"), fact, event.time)
            return replace(
                ticket,
                status=log.status,
                accountable_id=fact.handler_id,
                taken_over=log,
                reopened=log.reopened,
                closed_at=log.closed_at,
                number=event.chainnumber,
            )
        case _:
            assert_never(fact)


TICKET: Noun[Ticket] = Noun("ticket", Ticket(), evolve)
