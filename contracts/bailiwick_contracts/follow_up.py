"""Follow-up visits 回訪: due after completion, made or not, and what the customer said (D5b, G5, K10)."""

from typing import Literal

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Instant, Request, Text
from bailiwick_contracts.sealed import Personal

Result = Literal["satisfied", "unsatisfied"]


class ArrangeFollowUp(Request):
    """Arrange a visit beside the one that every completion brings (G5)."""

    type: Literal["tickets.arrange_follow_up.v1"] = "tickets.arrange_follow_up.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
    due_at: Instant


class FollowUpDue(Fact):
    """A visit has to be made by `due_at`: asked for by the policy after a completion, or arranged by somebody."""

    type: Literal["tickets.follow_up_due.v1"] = "tickets.follow_up_due.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
    due_at: Instant
    completion: Identifier | None = None
    """The completion it follows, by its fact."""
    ruling: Ruling | None = None
    """G5, where somebody arranged it."""


class RecordFollowUp(Request):
    """Say how a visit went. Without contact there is no result; it may be tried again.

    An unsatisfied customer is reported to the manager and the ticket opens again, without anybody asking (T1, G5).
    """

    type: Literal["tickets.record_follow_up.v1"] = "tickets.record_follow_up.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
    contact_made: bool
    result: Result | None = None
    remark: Text | None = None


class FollowUpRecorded(Fact):
    """How a visit went. Only one with contact and result counts (K10)."""

    type: Literal["tickets.follow_up_recorded.v1"] = "tickets.follow_up_recorded.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
    contact_made: bool
    result: Result | None = None
    attempt: int
    in_time: bool
    remark: Personal | None = None


class FollowUpMissed(Fact):
    """A visit was due and was not made with contact and result."""

    type: Literal["tickets.follow_up_missed.v1"] = "tickets.follow_up_missed.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
    accountable_id: Identifier
    due_at: Instant


class JudgeFollowUp(Request):
    """A timer's: record that a visit was not made, where it was not."""

    type: Literal["tickets.judge_follow_up.v1"] = "tickets.judge_follow_up.v1"
    ticket_id: Identifier
    follow_up_id: Identifier
