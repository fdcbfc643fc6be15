"""What others do for a ticket: work orders 《工作單》, support between departments (P6), renovations forwarded (G7)."""

from typing import Literal

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, Request, Text
from bailiwick_contracts.sealed import Personal

To = Literal["department", "contractor"]
Power = tuple[str, Verb] | None
"""Row and verb under which something is decided; None where nobody's leave is asked."""


def power_over_work(kind: str, feedback_of: str | None) -> Power:
    """Under what a work order is issued: D5c on feedback, G5 on a complaint, nobody's leave on the rest (D9a)."""
    if feedback_of is not None:
        return ("D5c", "decide")
    return ("G5", "decide") if kind == "complaint" else None


class IssueWorkOrder(Request):
    """Send a work order to a department or contractor; a ticket may have several. On a complaint it is G5's power."""

    type: Literal["tickets.issue_work_order.v1"] = "tickets.issue_work_order.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    """One within its ticket."""
    to: To
    to_id: Identifier
    """The unit of organisation, or the contractor's id."""
    task: Text
    wanted_by: Instant | None = None


class WorkOrderIssued(Fact):
    """A department or contractor has something to do."""

    type: Literal["tickets.work_order_issued.v1"] = "tickets.work_order_issued.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    to: To
    to_id: Identifier
    task: Personal
    wanted_by: Instant | None = None
    ruling: Ruling | None = None
    """G5, on a complaint; repairs are dispatched without one (D9a)."""


class CompleteWorkOrder(Request):
    """Say that a work order is done."""

    type: Literal["tickets.complete_work_order.v1"] = "tickets.complete_work_order.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    result: Text


class WorkOrderCompleted(Fact):
    """A work order is done."""

    type: Literal["tickets.work_order_completed.v1"] = "tickets.work_order_completed.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    result: Personal


class CancelWorkOrder(Request):
    """Take a work order back."""

    type: Literal["tickets.cancel_work_order.v1"] = "tickets.cancel_work_order.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    why: Label


class WorkOrderCancelled(Fact):
    """A work order is no longer wanted."""

    type: Literal["tickets.work_order_cancelled.v1"] = "tickets.work_order_cancelled.v1"
    ticket_id: Identifier
    work_order_id: Identifier
    why: Label


class ForwardRenovation(Request):
    """Hand a renovation application on to engineering (G7). Nobody here approves one."""

    type: Literal["tickets.forward_renovation.v1"] = "tickets.forward_renovation.v1"
    ticket_id: Identifier


class RenovationForwarded(Fact):
    """Engineering has the application."""

    type: Literal["tickets.renovation_forwarded.v1"] = "tickets.renovation_forwarded.v1"
    ticket_id: Identifier
    to: Label
    """By the matrix's row: the next in line of G7."""
    ruling: Ruling


class AnswerSupport(Request):
    """Accept or decline a support request, for the department that was asked."""

    type: Literal["tickets.answer_support.v1"] = "tickets.answer_support.v1"
    ticket_id: Identifier
    accepts: bool
    why: Text | None = None


class SupportAccepted(Fact):
    """The department helps, and who accepted is accountable from now on."""

    type: Literal["tickets.support_accepted.v1"] = "tickets.support_accepted.v1"
    ticket_id: Identifier
    department: Identifier
    accountable_id: Identifier
    was_id: Identifier
    in_time: bool | None = None


class SupportDeclined(Fact):
    """The department does not help; the manager sees it."""

    type: Literal["tickets.support_declined.v1"] = "tickets.support_declined.v1"
    ticket_id: Identifier
    department: Identifier
    why: Personal | None = None
