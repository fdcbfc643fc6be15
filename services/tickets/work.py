"""What others do for a ticket: work orders, renovations forwarded (G7), support between departments (P6)."""

from datetime import datetime

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import subject_of_ticket
from bailiwick_contracts.ticket_work import (
    AnswerSupport,
    CancelWorkOrder,
    CompleteWorkOrder,
    ForwardRenovation,
    IssueWorkOrder,
    RenovationForwarded,
    SupportAccepted,
    SupportDeclined,
    WorkOrderCancelled,
    WorkOrderCompleted,
    WorkOrderIssued,
)

from services.kernel.decision import Rejected
from services.tickets.deadlines import in_time
from services.tickets.escalation import Superior, notify
from services.tickets.handling import refused
from services.tickets.state import Ticket, WorkOrder, handled, known, not_now


def issue(
    request: IssueWorkOrder,
    ticket: Ticket,
    ruling: Ruling | None,
    manager: Superior | None,
    *,
    issued: IssueWorkOrder | None,
) -> list[Fact]:
    """Send a work order 《工作單》; the same one again is nothing new. One from feedback is told to the manager (D5c).

    `issued` is what was asked when the work order of this id was issued; None where none was.

    Raises:
        Rejected: the ticket is not handled now, or the id names another work order of it.
    """
    known(ticket, request.ticket_id)
    if issued is not None:
        if issued == request:
            return []
        raise Rejected(
            f"{request.work_order_id} names another work order of {request.ticket_id}", code="work_order_id_reused",
            field="work_order_id", value=request.work_order_id, rule="one id for one work order",
            remedy="send it under a new id",
        )  # fmt: skip
    handled(ticket, request.ticket_id)
    if ruling is not None and ruling.outcome != "granted":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    order = WorkOrderIssued(
        ticket_id=request.ticket_id,
        work_order_id=request.work_order_id,
        to=request.to,
        to_id=request.to_id,
        task=Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.task),
        wanted_by=request.wanted_by,
        ruling=ruling,
    )
    told = [notify(request.ticket_id, "feedback_work_order", manager)] if manager and ticket.feedback_of else []
    return [order, *told]


def finish(request: CompleteWorkOrder, ticket: Ticket) -> list[Fact]:
    """Say that a work order is done; done already is nothing new."""
    order = _order(ticket, request.ticket_id, request.work_order_id)
    if order.status == "done":
        return []
    if order.status != "open":
        raise _over(request.work_order_id)
    result = Personal.of(subject_of_ticket(request.ticket_id, ticket.resident_id), request.result)
    return [WorkOrderCompleted(ticket_id=request.ticket_id, work_order_id=request.work_order_id, result=result)]


def cancel(request: CancelWorkOrder, ticket: Ticket) -> list[Fact]:
    """Take a work order back; taken back already is nothing new."""
    order = _order(ticket, request.ticket_id, request.work_order_id)
    if order.status == "cancelled":
        return []
    if order.status != "open":
        raise _over(request.work_order_id)
    return [WorkOrderCancelled(ticket_id=request.ticket_id, work_order_id=request.work_order_id, why=request.why)]


def _order(ticket: Ticket, ticket_id: str, work_order_id: str) -> WorkOrder:
    order = known(ticket, ticket_id).work_orders.get(work_order_id)
    if order is None:
        raise Rejected(
            f"{ticket_id} has no work order {work_order_id}", code="no_such_work_order", field="work_order_id",
            value=work_order_id, rule="a work order of this ticket", remedy="look it up with GetTicket",
        )  # fmt: skip
    return order


def _over(work_order_id: str) -> Rejected:
    return Rejected(
        f"{work_order_id} is over", code="work_order_over", field="work_order_id", value=work_order_id,
        rule="an open work order", remedy="issue a new one",
    )  # fmt: skip


def forward(request: ForwardRenovation, ticket: Ticket, ruling: Ruling) -> list[Fact]:
    """Hand a renovation application to engineering (G7): a row that only submits, so nothing here approves one."""
    if known(ticket, request.ticket_id).forwarded_to is not None:
        return []
    handled(ticket, request.ticket_id)
    if ticket.kind != "renovation":
        raise Rejected(
            f"{request.ticket_id} is no renovation application", code="wrong_kind", field="ticket_id",
            value=request.ticket_id, rule="a renovation application", remedy="issue a work order instead",
        )  # fmt: skip
    if ruling.reason != "only_opens_a_request":
        return refused(request, request.ticket_id, ticket, ruling.reason, ruling)
    return [RenovationForwarded(ticket_id=request.ticket_id, to=ruling.escalate_to or "unset", ruling=ruling)]


def answer(
    request: AnswerSupport,
    ticket: Ticket,
    *,
    principal_id: str,
    department: str | None,
    manager: Superior,
    now: datetime,
) -> list[Fact]:
    """Accept or decline for the department that was asked (P6); the manager sees what is declined.

    Args:
        request: the answer.
        ticket: the support request.
        principal_id: who answers.
        department: the unit of organisation he belongs to.
        manager: whom a decline is told.
        now: the instant of the answer.
    """
    if known(ticket, request.ticket_id).kind != "support_request" or ticket.department is None:
        raise Rejected(
            f"{request.ticket_id} is no support request", code="wrong_kind", field="ticket_id", value=request.ticket_id,
            rule="a support request", remedy="name the support request that is answered",
        )  # fmt: skip
    if ticket.status == ("accepted" if request.accepts else "declined"):
        return []
    if ticket.status not in ("registered", "assigned"):
        raise not_now(ticket, request.ticket_id, "a support request that nobody answered", "ask anew")
    if department != ticket.department:
        return refused(request, request.ticket_id, ticket, "not_of_the_department")
    if request.accepts:
        return [
            SupportAccepted(
                ticket_id=request.ticket_id,
                department=ticket.department,
                accountable_id=principal_id,
                was_id=ticket.accountable_id,
                in_time=in_time(ticket, "response", now),
            )
        ]
    subject = subject_of_ticket(request.ticket_id, ticket.resident_id)
    why = Personal.of(subject, request.why) if request.why else None
    declined = SupportDeclined(ticket_id=request.ticket_id, department=ticket.department, why=why)
    return [declined, notify(request.ticket_id, "support_declined", manager)]
