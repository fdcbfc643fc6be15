"""A month of attendance: supplied by HR, confirmed or disputed by the director (A7), closed by HR."""

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact
from bailiwick_contracts.month import (
    CLOSES,
    CONFIRMS,
    SUPPLIES,
    Asking,
    AttendanceConfirmed,
    AttendanceDisputed,
    AttendanceSupplied,
    CloseMonth,
    ConfirmAttendance,
    ConfirmedDayChanged,
    DisputeAttendance,
    MonthClosed,
    MonthRefused,
    SheetCounts,
    SupplyAttendance,
    last_day,
)
from bailiwick_contracts.month_book import Month, counts_in, evolve
from bailiwick_contracts.sealed import Personal

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected


def supply(
    request: SupplyAttendance, month: Month, question: Question, *, counts: SheetCounts, digest: str
) -> list[Fact]:
    """Supply the month's sheet, or record why not; the same sheet again is nothing new (S1).

    Args:
        request: the month.
        month: what is known of it.
        question: who supplies.
        counts: what its derived days come to.
        digest: over their derivations.
    """
    if month.sheets and month.digest == digest and not month.disputed:
        return []
    ruling = None if question.is_set_up else question.ruled(SUPPLIES, "decide")
    if ruling is not None and ruling.outcome != "granted":
        return [_refused("supply", request.month, ruling.reason, ruling)]
    if question.today <= last_day(request.month):
        return [_refused("supply", request.month, "month_not_over", ruling)]
    if counts.open:
        return [_refused("supply", request.month, "days_open", ruling, f"{counts.open} days are not derived")]
    return [
        AttendanceSupplied(month=request.month, sheet=month.sheets + 1, counts=counts, digest=digest, ruling=ruling)
    ]


def confirm(request: ConfirmAttendance, month: Month, question: Question) -> list[Fact]:
    """Confirm the sheet that HR supplied, or record why not; once confirmed it stays so (A7)."""
    if month.confirmation is not None and month.confirmed_sheet >= request.sheet:
        return []
    ruling = question.ruled(CONFIRMS, "confirm")
    reason = _of_sheet(request.sheet, month) if ruling.outcome == "granted" else ruling.reason
    if reason is not None:
        return [_refused("confirm", request.month, reason, ruling)]
    return [AttendanceConfirmed(month=request.month, sheet=request.sheet, digest=month.digest, ruling=ruling)]


def dispute(request: DisputeAttendance, month: Month, question: Question) -> list[Fact]:
    """Dispute days of a sheet; it may not be confirmed until HR supplies another (A7).

    Raises:
        Rejected: a day named lies in another month.
    """
    outside = next((row.day for row in request.days if f"{row.day:%Y-%m}" != request.month), None)
    if outside is not None:
        raise Rejected(f"{outside} does not lie in {request.month}", code="day_outside_month", field="days",
                       value=str(outside), rule="days of the month", remedy="name the days of this sheet alone")  # fmt: skip
    if month.disputed and month.sheets == request.sheet:
        return []
    ruling = question.ruled(CONFIRMS, "confirm")
    reason = _of_sheet(request.sheet, month) if ruling.outcome == "granted" else ruling.reason
    if reason is None and month.confirmation is not None:
        reason = "already_confirmed"
    if reason is not None:
        return [_refused("dispute", request.month, reason, ruling)]
    why = Personal.of(request.days[0].staff_id, request.grounds)
    return [AttendanceDisputed(month=request.month, sheet=request.sheet, days=request.days, why=why, ruling=ruling)]


def close(request: CloseMonth, month: Month, question: Question, *, digest: str) -> list[Fact]:
    """Freeze a confirmed month; what comes to light later counts in the next open one (S5).

    Args:
        request: the month.
        month: what is known of it.
        question: who closes.
        digest: over the derivations that stand now.
    """
    if month.closed is not None:
        return []
    ruling = None if question.is_set_up else question.ruled(CLOSES, "decide")
    if ruling is not None and ruling.outcome != "granted":
        return [_refused("close", request.month, ruling.reason, ruling)]
    if month.confirmation is None:
        return [_refused("close", request.month, "month_unconfirmed", ruling)]
    return [MonthClosed(month=request.month, digest=digest, confirmation=month.confirmation, ruling=ruling)]


def flag(
    month: str, known: Month, *, staff_id: str, day: object, derivation: str, supersedes: str | None, closed: object
) -> list[Fact]:
    """Say that a day of a confirmed month came to something else; nothing, while the month is not confirmed."""
    if known.confirmation is None:
        return []
    return [
        ConfirmedDayChanged.model_validate(
            {
                "month": month,
                "staff_id": staff_id,
                "day": day,
                "confirmation": known.confirmation,
                "derivation": derivation,
                "supersedes": supersedes,
                "month_closed": known.closed is not None,
                "counts_in": counts_in(month, closed),  # type: ignore[arg-type]
            }
        )
    ]


def _of_sheet(sheet: int, month: Month) -> str | None:
    if month.sheets == 0 or sheet > month.sheets:
        return "no_sheet"
    if sheet < month.sheets:
        return "sheet_superseded"
    return "sheet_disputed" if month.disputed else None


def _refused(asked_for: Asking, month: str, reason: str, ruling: Ruling | None, detail: str | None = None) -> Fact:
    return MonthRefused(reason=reason, asked_for=asked_for, month=month, detail=detail, ruling=ruling)


MONTH: Noun[Month] = Noun("month", Month(), evolve)
