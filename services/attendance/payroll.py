"""Hand-over to payroll: a closed month, as one fact with the digest of its file (S5)."""

from collections.abc import Sequence
from datetime import datetime

from bailiwick_contracts.message import Fact
from bailiwick_contracts.month import CLOSES, MonthRefused
from bailiwick_contracts.month_book import Month
from bailiwick_contracts.payroll import HandOverPayroll, PayrollHandedOver
from bailiwick_contracts.payroll_sheet import Line, payroll_digest

from services.attendance.question import Question


def hand_over(
    request: HandOverPayroll, month: Month, question: Question, *, lines: Sequence[Line], as_of: datetime
) -> list[Fact]:
    """Hand a closed month over, or record why not; the same file again is nothing new (S5).

    Args:
        request: the month.
        month: what is known of it.
        question: who hands over.
        lines: what the month comes to now.
        as_of: now, as the file is reproduced.
    """
    digest = payroll_digest(lines)
    if month.payroll_digest == digest:
        return []
    ruling = None if question.is_set_up else question.ruled(CLOSES, "decide")
    reason = ruling.reason if ruling is not None and ruling.outcome != "granted" else None
    if reason is None and month.closed is None:
        reason = "month_not_closed"
    if reason is not None:
        return [MonthRefused(reason=reason, asked_for="hand_over", month=request.month, ruling=ruling)]
    return [
        PayrollHandedOver(
            month=request.month,
            revision=month.handed_over + 1,
            as_of=as_of,
            lines=len(lines),
            people=len({line.staff_id for line in lines}),
            digest=digest,
            ruling=ruling,
        )
    ]
