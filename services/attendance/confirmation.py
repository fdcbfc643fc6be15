"""Forgotten punches: the director confirms, three times a person and year, that somebody was there on time (A10)."""

from datetime import datetime

from bailiwick_contracts.attendance import ConfirmMissedPunch, MissedPunchConfirmed, MissedPunchRefused
from bailiwick_contracts.authority import CopyPosition
from bailiwick_contracts.confirmation import ConfirmationCase, adjudicate_confirmation
from bailiwick_contracts.matrix import AuthorityMatrix, Ratio
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal

from services.attendance.day import Day
from services.kernel.decision import Rejected


def confirm(
    request: ConfirmMissedPunch,
    day: Day,
    case: ConfirmationCase,
    matrix: AuthorityMatrix | None,
    *,
    now: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> list[Fact]:
    """Confirm a forgotten punch, or record why not; the same confirmation again is nothing new.

    Args:
        request: what is asked.
        day: the person's day, derived.
        case: what the ruling rests on, as gathered.
        matrix: the matrix in force at `now`.
        now: the instant of the decision.
        positions: how far the registry's copies reach.

    Raises:
        Rejected: the id was used for another punch of the day.
    """
    answered = day.answered.get(request.confirmation_id)
    if answered == (request.direction, request.shift):
        return []
    if answered is not None:
        raise Rejected(
            "this confirmation id names another punch of the day",
            code="confirmation_id_reused",
            field="confirmation_id",
            value=request.confirmation_id,
            rule="one id for one punch",
            remedy="send it under a new id",
        )
    found = adjudicate_confirmation(case, matrix, selected_at=now, positions=positions)
    grounds = Personal.of(request.staff_id, request.grounds)
    if found.verdict == "confirmed" and found.ruling is not None:
        times = found.ruling.asked.measured("times_per_year")
        return [
            MissedPunchConfirmed(
                confirmation_id=request.confirmation_id,
                staff_id=request.staff_id,
                day=request.day,
                direction=request.direction,
                shift=request.shift,
                times_in_year=times.numerator if isinstance(times, Ratio) else 0,
                evidence=request.evidence,
                ruling=found.ruling,
                grounds=grounds,
            )
        ]
    return [
        MissedPunchRefused(
            reason=found.reason,
            confirmation_id=request.confirmation_id,
            staff_id=request.staff_id,
            day=request.day,
            direction=request.direction,
            shift=request.shift,
            evidence=request.evidence,
            day_fact_id=case.day_fact_id,
            standing=case.standing,
            positions=positions if found.ruling is None else (),
            ruling=found.ruling,
            grounds=grounds,
        )
    ]
