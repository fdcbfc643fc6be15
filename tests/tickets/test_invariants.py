"""Whatever happens in whatever order: one person answers for a ticket, nothing closes short of its demands, terms stay put."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bailiwick_contracts.accountability import faults, intervals
from bailiwick_contracts.deadline import closing_demands
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.escalation import EscalateTicket, TicketEscalated
from bailiwick_contracts.follow_up import FollowUpRecorded, RecordFollowUp
from bailiwick_contracts.handling import (
    AcceptTicket,
    AssignTicket,
    CompleteTicket,
    HoldTicket,
    MergeTicket,
    ReopenTicket,
    ResumeTicket,
    TicketClosed,
    TicketVerified,
    VerifyTicket,
    WithdrawTicket,
)
from bailiwick_contracts.incident import FileIncidentReport, PostIncidentUpdate, ReportProgress
from bailiwick_contracts.message import Request
from bailiwick_contracts.ticket import ClassifyTicket, RegisterTicket
from bailiwick_contracts.ticket_work import AnswerSupport, CompleteWorkOrder, ForwardRenovation, IssueWorkOrder
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.tickets.state import Ticket
from services.tickets.ticket import TICKET, evolve
from tests.tickets.office import ANN, BEN, DIRECTOR, EVA, MANAGER, PHOTO, Office, local

PEOPLE = st.sampled_from((ANN, BEN, EVA, DIRECTOR, MANAGER))
KINDS = st.sampled_from(
    ("complaint", "repair", "help_request", "violation", "incident", "renovation", "support_request")
)
IDS = st.sampled_from(("t1", "t2", "t3"))
_ACTS: tuple[Callable[[str], Request], ...] = (
    lambda t: AcceptTicket(ticket_id=t),
    lambda t: AssignTicket(ticket_id=t, assignee_id=BEN),
    lambda t: AssignTicket(ticket_id=t, assignee_id=ANN),
    lambda t: EscalateTicket(ticket_id=t, why="Beyond me."),
    lambda t: HoldTicket(ticket_id=t, waits_for="a part"),
    lambda t: ResumeTicket(ticket_id=t),
    lambda t: CompleteTicket(ticket_id=t, outcome="Done."),
    lambda t: CompleteTicket(ticket_id=t, outcome="Done."),
    lambda t: VerifyTicket(ticket_id=t),
    lambda t: VerifyTicket(ticket_id=t),
    lambda t: VerifyTicket(ticket_id=t, passed=False),
    lambda t: ReopenTicket(ticket_id=t, why="Again."),
    lambda t: WithdrawTicket(ticket_id=t, why="No more."),
    lambda t: MergeTicket(ticket_id=t, into_ticket_id="t1"),
    lambda t: ClassifyTicket(ticket_id=t, severity="major"),
    lambda t: ClassifyTicket(ticket_id=t, kind="incident"),
    lambda t: ClassifyTicket(ticket_id=t, kind="repair", severity="ordinary"),
    lambda t: IssueWorkOrder(ticket_id=t, work_order_id="w1", to="department", to_id="engineering", task="Look."),
    lambda t: CompleteWorkOrder(ticket_id=t, work_order_id="w1", result="Looked."),
    lambda t: ForwardRenovation(ticket_id=t),
    lambda t: AnswerSupport(ticket_id=t, accepts=True),
    lambda t: AnswerSupport(ticket_id=t, accepts=False),
    lambda t: PostIncidentUpdate(ticket_id=t, text="Goes on."),
    lambda t: FileIncidentReport(ticket_id=t, report=PHOTO),
    lambda t: ReportProgress(ticket_id=t, text="Goes on."),
    lambda t: RecordFollowUp(ticket_id=t, follow_up_id="after-1", contact_made=True, result="unsatisfied"),
    lambda t: RecordFollowUp(ticket_id=t, follow_up_id="after-1", contact_made=True, result="satisfied"),
    lambda t: RecordFollowUp(ticket_id=t, follow_up_id="after-2", contact_made=False),
)


def demands_met(ticket: Ticket, event: Event[Any]) -> bool:
    """Whether what a kind demands was there when a fact closed the ticket, asked of the history and not of the decision."""
    met = {
        "written_report": ticket.report_filed,
        "forwarded": ticket.forwarded_to is not None,
        "work_orders_done": not ticket.open_work_orders,
        "verified": isinstance(event.data, TicketVerified) and event.actor != event.data.completed_by,
    }
    return all(met[one] for one in closing_demands(ticket.kind, ticket.terms))


class Desk(RuleBasedStateMachine):
    """A desk at which anybody asks for anything at any time."""

    template: Path

    @initialize()
    def open(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="desk-"))
        shutil.copytree(self.template, self.directory / "copy")
        copy = self.directory / "copy"
        self.office = Office(f"sqlite:///{copy / 'store.sqlite'}", copy)
        self.office.now = local("10:00")
        self.office.take_in()

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.close()
            shutil.rmtree(self.directory)

    @rule(ticket_id=IDS, kind=KINDS, major=st.booleans(), by=PEOPLE)
    def report(self, ticket_id: str, kind: str, major: bool, by: str) -> None:
        department = "engineering" if kind == "support_request" else None
        severity = "major" if major else "ordinary"
        request = RegisterTicket.model_validate(
            {
                "ticket_id": ticket_id,
                "kind": kind,
                "severity": severity,
                "description": "Sample.",
                "department": department,
            }
        )
        self.office.ask(request, by=by)

    @rule(ticket_id=IDS, act=st.sampled_from(_ACTS), by=PEOPLE)
    def somebody_asks(self, ticket_id: str, act: Callable[[str], Request], by: str) -> None:
        self._answered(act(ticket_id), by)

    @rule(ticket_id=IDS, act=st.sampled_from(_ACTS))
    def the_accountable_person_asks(self, ticket_id: str, act: Callable[[str], Request]) -> None:
        self._answered(act(ticket_id), self.office.ticket(ticket_id).accountable_id or ANN)

    def _answered(self, request: Request, by: str) -> None:
        answer = self.office.ask(request, by=by)
        assert (answer.error or {}).get("code") != "internal", (request, answer)

    @rule(minutes=st.sampled_from((1, 30, 90, 600, 3_000)))
    def time_passes(self, minutes: int) -> None:
        self.office.wait_until(self.office.now + timedelta(minutes=minutes))

    @invariant()
    def everything_holds(self) -> None:
        for ticket_id in ("t1", "t2", "t3") if hasattr(self, "office") else ():
            self._holds(self.office.history(ticket_id))

    def _holds(self, history: list[Event[Any]]) -> None:
        assert faults(history, intervals(history)) == []
        ticket = TICKET.initial
        for index, event in enumerate(history):
            after = evolve(ticket, event)
            assert after.accountable_id or not after.is_there
            if isinstance(event.data, TicketVerified | TicketClosed):
                assert demands_met(ticket, event), (ticket.kind, event.data)
            if isinstance(event.data, TicketEscalated):
                assert (after.deadlines, after.registered_at) == (ticket.deadlines, ticket.registered_at)
            if isinstance(event.data, FollowUpRecorded) and event.data.result == "unsatisfied":
                told = history[index + 1].data
                assert (told.about, told.staff_ids) == ("unsatisfied", (MANAGER,))
            ticket = after


def test_whatever_is_asked_in_whatever_order_the_four_invariants_hold(template: Path) -> None:
    Desk.template = template
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
