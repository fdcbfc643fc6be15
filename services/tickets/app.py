"""Tickets' wiring: each request to what it needs to know, on to its decision, and the timers the ticket then asks for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bailiwick_contracts import deadline_adoption as adoption
from bailiwick_contracts import escalation as upward
from bailiwick_contracts import follow_up as visits
from bailiwick_contracts import handling as life
from bailiwick_contracts import incident as incidents
from bailiwick_contracts import letter as letters
from bailiwick_contracts import ticket as tickets
from bailiwick_contracts import ticket_import as imports
from bailiwick_contracts import ticket_query as asked
from bailiwick_contracts import ticket_work as work_facts
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.envelope import Command, Event, RowAnswer
from bailiwick_contracts.handling import TicketCompleted
from bailiwick_contracts.letter import letter_stream
from bailiwick_contracts.message import COMPANY, Fact, Request
from bailiwick_contracts.staff import EmploymentEnded
from bailiwick_contracts.ticket import TicketClassified, TicketRegistered, ticket_stream
from bailiwick_contracts.ticket_import import TicketImported, imported_id
from bailiwick_contracts.ticket_work import power_over_work

from services import registry_copy as registry
from services.kernel.decision import Rejected
from services.kernel.service import CommandHandler, Outcome, Service, Unit
from services.tickets import (
    deadlines,
    escalation,
    follow_up,
    handling,
    incident,
    letter,
    query,
    reactions,
    registration,
    work,
)
from services.tickets import gathering as gather
from services.tickets.letter import LETTER, Letter
from services.tickets.policy import POLICIES, SETUP, adopt
from services.tickets.state import Ticket
from services.tickets.taken_over import take_over
from services.tickets.ticket import TICKET
from services.tickets.timers import asked as asked_by_ticket
from services.tickets.timers import keep, own
from services.tickets.views import VIEWS

Decision = Callable[[Unit, Command[Any], Ticket], Sequence[Fact]]


def _on(decide: Decision) -> CommandHandler:
    """The handler of a request about one ticket: its decision, and the timers the ticket asks for afterwards."""

    def handler(unit: Unit, command: Command[Any]) -> None:
        keep(unit, command.data.ticket_id, lambda ticket: decide(unit, command, ticket))

    return handler


def _ruled_unless_accountable(unit: Unit, command: Command[Any], ticket: Ticket) -> Any:
    """The ruling under S3-2 for whoever is not accountable; None for who is."""
    if gather.principal(unit, command) == ticket.accountable_id:
        return None
    return gather.ruling_of(unit, command, "S3-2", "decide")


def on_register_ticket(unit: Unit, command: Command[tickets.RegisterTicket]) -> None:
    """Register a ticket; one that is major, or an incident, goes up at once."""
    request = command.data
    stored = keep(unit, request.ticket_id, lambda ticket: _registered(unit, command, ticket))
    if stored and isinstance(stored[-1].data, TicketRegistered):
        told = _told_at_once(unit, request.ticket_id, own(unit, request.ticket_id), stored[-1])
        keep(unit, request.ticket_id, lambda _: told)


def _registered(unit: Unit, command: Command[tickets.RegisterTicket], ticket: Ticket) -> Sequence[Fact]:
    request = command.data
    asks = request.kind == "support_request"
    return registration.register(
        request,
        ticket,
        gather.terming(unit),
        registered=gather.registered(unit, request) if ticket.is_there else None,
        accountable_id=ticket.accountable_id or gather.accountable(unit, command, request.accountable_id),
        ruling=gather.ruling_of(unit, command, "P6", "request") if asks else None,
        positions=gather.positions(unit),
        now=unit.now,
    )


def _told_at_once(unit: Unit, ticket_id: str, ticket: Ticket, because: Event[Any]) -> Sequence[Fact]:
    told: list[Fact] = []
    if ticket.severity == "major":
        told += escalation.by_class(ticket_id, ticket, gather.line(unit, ticket))
    if ticket.kind == "incident":
        told.append(escalation.notify(ticket_id, "incident", gather.manager(unit), because.id))
    return told


def on_classify_ticket(unit: Unit, command: Command[tickets.ClassifyTicket]) -> None:
    """Classify a ticket; what became major, or an incident, goes up at once."""
    request = command.data
    before = own(unit, request.ticket_id)

    def decide(ticket: Ticket) -> Sequence[Fact]:
        lowers = ticket.severity == "major" and request.severity == "ordinary"
        ruling = gather.ruling_of(unit, command, "D5a", "decide") if lowers else None
        return registration.classify(
            request, ticket, gather.terming(unit), ruling, positions=gather.positions(unit), now=unit.now
        )

    stored = keep(unit, request.ticket_id, decide)
    if stored and isinstance(stored[-1].data, TicketClassified):
        after = own(unit, request.ticket_id)
        raised = after.severity == "major" and before.severity != "major"
        became = after.kind == "incident" and before.kind != "incident"
        if raised or became:
            told = _told_at_once(unit, request.ticket_id, after, stored[-1])
            keep(unit, request.ticket_id, lambda _: told)


def on_complete_ticket(unit: Unit, command: Command[life.CompleteTicket]) -> None:
    """Complete a ticket; the visit that its policy asks for becomes due."""
    request = command.data

    def decide(ticket: Ticket) -> Sequence[Fact]:
        ruling = _ruled_unless_accountable(unit, command, ticket)
        return handling.complete(request, ticket, ruling, principal_id=gather.principal(unit, command), now=unit.now)

    stored = keep(unit, request.ticket_id, decide)
    done = next((event for event in stored if isinstance(event.data, TicketCompleted)), None)
    if done is not None:
        terming = gather.terming(unit)
        keep(
            unit,
            request.ticket_id,
            lambda ticket: follow_up.after_completion(request.ticket_id, ticket, terming, done.id, now=unit.now),
        )


def on_merge_ticket(unit: Unit, command: Command[life.MergeTicket]) -> None:
    """Merge a duplicate into the ticket that goes on."""
    request = command.data
    ruling = gather.ruling_of(unit, command, "S3-2", "decide")
    ours, others = handling.merge(request, own(unit, request.ticket_id), own(unit, request.into_ticket_id), ruling)
    keep(unit, request.ticket_id, lambda _: ours)
    keep(unit, request.into_ticket_id, lambda _: others)


def _assign(unit: Unit, command: Command[life.AssignTicket], ticket: Ticket) -> Sequence[Fact]:
    request = command.data
    known = registry.people(unit, [request.assignee_id])
    registry.reject_unknown(known.events, request.assignee_id)
    remains = request.model_copy(update={"assignee_id": known.known[request.assignee_id]})
    return handling.assign(remains, ticket, gather.ruling_of(unit, command, "S3-2", "decide"))


def _accept(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return handling.accept(command.data, ticket, principal_id=gather.principal(unit, command), now=unit.now)


def _hold(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    ruling = _ruled_unless_accountable(unit, command, ticket)
    return handling.hold(command.data, ticket, ruling, principal_id=gather.principal(unit, command), now=unit.now)


def _resume(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return handling.resume(
        command.data,
        ticket,
        gather.terming(unit),
        _ruled_unless_accountable(unit, command, ticket),
        principal_id=gather.principal(unit, command),
        now=unit.now,
    )


def _verify(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return handling.verify(
        command.data,
        ticket,
        gather.terming(unit),
        gather.ruling_of(unit, command, "D9a", "confirm"),
        acting=gather.acting(unit, command),
        now=unit.now,
    )


def _reopen(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return handling.reopen(command.data, ticket, gather.terming(unit), now=unit.now)


def _withdraw(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return handling.withdraw(command.data, ticket, gather.ruling_of(unit, command, "S3-2", "decide"))


def _escalate(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    ruling = gather.ruling_of(unit, command, "D5a", "decide")
    principal = gather.principal(unit, command)
    return escalation.escalate(command.data, ticket, gather.line(unit, ticket), ruling, principal_id=principal)


def _issue(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    power = power_over_work(ticket.kind, ticket.feedback_of)
    ruling = gather.ruling_of(unit, command, *power) if power is not None else None
    told = gather.manager(unit) if ticket.feedback_of else None
    return work.issue(command.data, ticket, ruling, told, issued=gather.issued(unit, command.data))


def _forward(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return work.forward(command.data, ticket, gather.ruling_of(unit, command, "G7", "submit"))


def _answer(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    who, department = gather.department_of(unit, gather.principal(unit, command))
    return work.answer(
        command.data, ticket, principal_id=who, department=department, manager=gather.manager(unit), now=unit.now
    )


def _arrange(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return follow_up.arrange(command.data, ticket, gather.ruling_of(unit, command, "G5", "decide"))


def _record(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return follow_up.record(command.data, ticket, gather.terming(unit), gather.manager(unit), now=unit.now)


def _progress(unit: Unit, command: Command[Any], ticket: Ticket) -> Sequence[Fact]:
    return incident.report_progress(command.data, ticket, gather.terming(unit), gather.manager(unit), now=unit.now)


def on_import_tickets(unit: Unit, command: Command[imports.ImportTickets]) -> Outcome:
    """Take another system's cases over, case by case; nothing of what is known changes."""
    request = command.data
    registry.settings(unit, unit.property_id)
    ids = [imported_id(request.system, unit.property_id, case.external_id) for case in request.cases]
    unit.load(ticket_stream(ticket_id) for ticket_id in ids)
    answers, fresh, taken = [], 0, 0
    for ticket_id, case in zip(ids, request.cases, strict=True):
        stream = ticket_stream(ticket_id)
        log = unit.state(TICKET, stream).taken_over
        found = take_over(
            case, log, ticket_id=ticket_id, system=request.system, channel=command.channel, importer=command.actor
        )
        for fact, entry in found:
            row = case.row if entry is None or isinstance(fact, TicketImported) else entry.row
            unit.append(stream, fact, occurred_at=entry.at if entry is not None else None, importrow=row)
        fresh += log is None
        taken += sum(entry is not None and not isinstance(fact, TicketImported) for fact, entry in found)
        answers.append(RowAnswer(row=ticket_id, outcome="done" if found else "ignored"))
    return Outcome(rows=tuple(answers), result={"tickets": fresh, "entries": taken})


def on_adopt_policy(unit: Unit, command: Command[AdoptDeadlinePolicy]) -> None:
    """Adopt a deadline policy (R9), or set one up with the installation."""
    request = command.data
    if request.for_property != COMPANY:
        registry.settings(unit, request.for_property)
    sets_up = command.actor == SETUP and command.channel != "live"
    if unit.property_id != request.for_property:
        raise Rejected(
            f"the policy is for {request.for_property}", code="wrong_property", field="for_property",
            value=request.for_property, rule="the property that the command names", remedy="send it there",
        )  # fmt: skip
    ruling = None
    if not sets_up:
        at_company = request.for_property == COMPANY
        ruling = (
            gather.ruling_at_company(unit, command, "R9")
            if at_company
            else gather.ruling_of(unit, command, "R9", "decide")
        )
    unit.append(adoption.POLICIES, *adopt(request, unit.state(POLICIES, adoption.POLICIES), ruling, now=unit.now))


def _letter(unit: Unit, command: Command[Any]) -> Letter:
    """A letter of the property that is asked at, or one that nobody drafted."""
    return letter.own(
        unit.state(LETTER, letter_stream(command.data.letter_id)), command.data.letter_id, unit.property_id
    )


def on_draft_letter(unit: Unit, command: Command[letters.DraftLetter]) -> None:
    """Draft a letter (D7)."""
    stream = letter_stream(command.data.letter_id)
    drafted_by = gather.principal(unit, command)
    unit.append(stream, *letter.draft(command.data, _letter(unit, command), drafted_by=drafted_by))


def on_review_letter(unit: Unit, command: Command[letters.ReviewLetter]) -> None:
    """Review a letter (D7)."""
    stream = letter_stream(command.data.letter_id)
    ruling = gather.ruling_of(unit, command, "D7", "approve")
    facts = letter.review(command.data, _letter(unit, command), ruling, acting=gather.acting(unit, command))
    unit.append(stream, *facts)


def on_issue_letter(unit: Unit, command: Command[letters.IssueLetter]) -> None:
    """Issue a letter under the next number of the property's year."""
    stream = letter_stream(command.data.letter_id)
    year = gather.today(unit, unit.property_id).year
    number = gather.next_letter_number(unit, year)
    unit.append(stream, *letter.issue(command.data, _letter(unit, command), year=year, number=number))


COMMANDS: Mapping[type[Request], CommandHandler] = {
    tickets.RegisterTicket: on_register_ticket,
    tickets.ClassifyTicket: on_classify_ticket,
    tickets.AttachFile: _on(lambda _, command, ticket: registration.attach(command.data, ticket)),
    life.AssignTicket: _on(_assign),
    life.AcceptTicket: _on(_accept),
    life.HoldTicket: _on(_hold),
    life.ResumeTicket: _on(_resume),
    life.CompleteTicket: on_complete_ticket,
    life.VerifyTicket: _on(_verify),
    life.ReopenTicket: _on(_reopen),
    life.WithdrawTicket: _on(_withdraw),
    life.MergeTicket: on_merge_ticket,
    upward.EscalateTicket: _on(_escalate),
    work_facts.IssueWorkOrder: _on(_issue),
    work_facts.CompleteWorkOrder: _on(lambda _, command, ticket: work.finish(command.data, ticket)),
    work_facts.CancelWorkOrder: _on(lambda _, command, ticket: work.cancel(command.data, ticket)),
    work_facts.ForwardRenovation: _on(_forward),
    work_facts.AnswerSupport: _on(_answer),
    incidents.PostIncidentUpdate: _on(
        lambda unit, command, ticket: incident.update(command.data, ticket, gather.manager(unit), now=unit.now)
    ),
    incidents.FileIncidentReport: _on(
        lambda unit, command, ticket: incident.file_report(command.data, ticket, gather.manager(unit))
    ),
    incidents.ReportProgress: _on(_progress),
    visits.ArrangeFollowUp: _on(_arrange),
    visits.RecordFollowUp: _on(_record),
    imports.ImportTickets: on_import_tickets,
    AdoptDeadlinePolicy: on_adopt_policy,
    letters.DraftLetter: on_draft_letter,
    letters.ReviewLetter: on_review_letter,
    letters.IssueLetter: on_issue_letter,
}
TIMERS: Mapping[type[Request], CommandHandler] = {
    upward.WarnOfDeadline: _on(lambda unit, command, ticket: deadlines.warn(command.data, ticket, now=unit.now)),
    upward.JudgeDeadline: _on(lambda unit, command, ticket: deadlines.judge(command.data, ticket, now=unit.now)),
    upward.EscalateOverdueTicket: _on(
        lambda unit, command, ticket: escalation.escalate_overdue(
            command.data, ticket, gather.line(unit, ticket), now=unit.now
        )
    ),
    incidents.JudgeIncidentUpdate: _on(
        lambda unit, command, ticket: incident.judge_update(command.data, ticket, gather.manager(unit), now=unit.now)
    ),
    incidents.JudgeProgress: _on(
        lambda unit, command, ticket: incident.judge_progress(
            command.data, ticket, gather.terming(unit), gather.manager(unit), now=unit.now
        )
    ),
    visits.JudgeFollowUp: _on(lambda unit, command, ticket: follow_up.judge(command.data, ticket, now=unit.now)),
    upward.HandOnTickets: reactions.on_hand_on_tickets,
}
PUBLISHES: tuple[type[Fact], ...] = (
    tickets.TicketRegistered, tickets.TicketClassified, tickets.FileAttached, tickets.TicketChangeRefused,
    life.TicketAssigned, life.TicketAccepted, life.TicketHeld, life.TicketResumed, life.TicketCompleted,
    life.TicketVerified, life.TicketClosed, life.TicketReopened, life.TicketWithdrawn, life.TicketMerged,
    life.DuplicateTaken, upward.TicketEscalated, upward.SuperiorNotified, upward.DeadlineWarned, upward.DeadlineBreached,
    work_facts.WorkOrderIssued, work_facts.WorkOrderCompleted, work_facts.WorkOrderCancelled,
    work_facts.RenovationForwarded, work_facts.SupportAccepted, work_facts.SupportDeclined,
    incidents.IncidentUpdated, incidents.IncidentUpdateMissed, incidents.IncidentReportFiled,
    incidents.ProgressReported, incidents.ProgressMissed, visits.FollowUpDue, visits.FollowUpRecorded,
    visits.FollowUpMissed, imports.TicketImported, imports.ActivityImported, letters.LetterDrafted,
    letters.LetterReviewed, letters.LetterIssued, letters.LetterRefused, adoption.DeadlinePolicyAdopted,
    adoption.DeadlinePolicyRefused,
)  # fmt: skip
SERVICE = Service(
    name="tickets",
    publishes=PUBLISHES,
    commands=COMMANDS,
    queries={
        asked.GetTicket: query.get_ticket,
        asked.GetTicketHistory: query.get_history,
        asked.ExamineAccountability: query.examine_accountability,
        asked.ListTickets: query.list_tickets,
        asked.GetBoard: query.get_board,
        asked.AnalyseFollowUps: query.analyse_follow_ups,
        asked.CountTopics: query.count_topics,
        asked.GetFigures: query.get_figures,
        asked.GetLogFigures: query.get_log_figures,
        asked.GetLetter: query.get_letter,
        asked.ListLetters: query.list_letters,
        adoption.GetDeadlinePolicy: query.get_policy,
    },
    views=VIEWS,
    consumes=("registry",),
    reactions={EmploymentEnded: reactions.on_employment_ended},
    timers=TIMERS,
    asks={ticket_stream(""): asked_by_ticket, "staff-": reactions.asked},
)
