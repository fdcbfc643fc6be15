"""The demonstration's tickets: a complaint that comes back, an incident without its report, a renovation, a request for support."""

from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick_contracts.follow_up import RecordFollowUp
from bailiwick_contracts.handling import AcceptTicket, AssignTicket, CompleteTicket, VerifyTicket
from bailiwick_contracts.incident import FileIncidentReport
from bailiwick_contracts.message import Request
from bailiwick_contracts.ticket import Attachment, RegisterTicket
from bailiwick_contracts.ticket_work import CompleteWorkOrder, ForwardRenovation, IssueWorkOrder

PLACE = "north-court"
DIRECTOR, ASSISTANT, FOREMAN = "north-00", "north-01", "north-02"
REFUSED = "ticket_change_refused"


@dataclass(frozen=True)
class Step:
    """What somebody asks about a ticket, in plain words, and the type of the first fact it should lead to."""

    title: str
    clause: str
    actor: str
    request: Request
    expected: str


def _said(ticket_id: str, kind: str, **more: object) -> RegisterTicket:
    """A report of somebody made up."""
    known = {
        "ticket_id": ticket_id,
        "kind": kind,
        "resident_id": "owner-1201",
        "unit_id": "A-1201",
        "description": "示範:漏水",
    }
    return RegisterTicket.model_validate(known | more)


def scene() -> Iterator[Step]:
    """Each step in its order."""
    order = IssueWorkOrder(
        ticket_id="demo-1", work_order_id="w1", to="department", to_id="engineering", task="示範:檢查水管"
    )
    report = Attachment(sha256="0" * 64, media_type="application/pdf", size_bytes=1)
    yield Step(
        "a complaint is registered", "S3-2", ASSISTANT, _said("demo-1", "complaint", topic="water"), "ticket_registered"
    )
    yield Step(
        "the accountable person takes it on", "S3-2", ASSISTANT, AcceptTicket(ticket_id="demo-1"), "ticket_accepted"
    )
    yield Step("a work order on a complaint by an assistant", "G5", ASSISTANT, order, REFUSED)
    yield Step("the same by the director", "G5", DIRECTOR, order, "work_order_issued")
    yield Step("completed while a work order is open", "D5a", ASSISTANT,
               CompleteTicket(ticket_id="demo-1", outcome="示範"), REFUSED)  # fmt: skip
    yield Step("the work order is done", "D9a", ASSISTANT,
               CompleteWorkOrder(ticket_id="demo-1", work_order_id="w1", result="示範"), "work_order_completed")  # fmt: skip
    yield Step(
        "the complaint is completed",
        "D5a",
        ASSISTANT,
        CompleteTicket(ticket_id="demo-1", outcome="示範"),
        "ticket_completed",
    )
    yield Step("verified by whoever completed it", "D9a", ASSISTANT, VerifyTicket(ticket_id="demo-1"), REFUSED)
    yield Step("verified by the director", "D9a", DIRECTOR, VerifyTicket(ticket_id="demo-1"), "ticket_verified")
    yield Step("the customer is not satisfied: the manager hears of it", "G5", ASSISTANT,
               RecordFollowUp(ticket_id="demo-1", follow_up_id="after-1", contact_made=True, result="unsatisfied"),
               "follow_up_recorded")  # fmt: skip
    yield Step("an incident is declared", "D5d", ASSISTANT, _said("demo-2", "incident"), "ticket_registered")
    yield Step("it is over", "D5d", ASSISTANT, CompleteTicket(ticket_id="demo-2", outcome="示範"), "ticket_completed")
    yield Step("closed without a written report", "D5d", DIRECTOR, VerifyTicket(ticket_id="demo-2"), REFUSED)
    yield Step(
        "the report is filed",
        "D5d",
        ASSISTANT,
        FileIncidentReport(ticket_id="demo-2", report=report),
        "incident_report_filed",
    )
    yield Step("closed with it", "D5d", DIRECTOR, VerifyTicket(ticket_id="demo-2"), "ticket_verified")
    yield Step("a renovation application", "G7", ASSISTANT, _said("demo-3", "renovation"), "ticket_registered")
    yield Step("forwarded by an assistant", "G7", ASSISTANT, ForwardRenovation(ticket_id="demo-3"), REFUSED)
    yield Step(
        "forwarded to engineering by the director",
        "G7",
        DIRECTOR,
        ForwardRenovation(ticket_id="demo-3"),
        "renovation_forwarded",
    )
    yield Step("support asked for by an assistant", "P6", ASSISTANT,
               _said("demo-4", "support_request", department="engineering"), REFUSED)  # fmt: skip
    yield Step(
        "assigned by somebody who may not",
        "S3-2",
        FOREMAN,
        AssignTicket(ticket_id="demo-1", assignee_id=FOREMAN),
        REFUSED,
    )
