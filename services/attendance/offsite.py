"""Work outside the office: the director signs that somebody could not punch because of it (A9)."""

from bailiwick_contracts.message import Fact
from bailiwick_contracts.offsite import CLAUSE, ConfirmOffsiteWork, OffsiteConfirmed, OffsiteRefused, offsite_shown
from bailiwick_contracts.sealed import Personal

from services.attendance.day import Day
from services.attendance.question import Question
from services.kernel.decision import Rejected


def sign(request: ConfirmOffsiteWork, day: Day, question: Question) -> list[Fact]:
    """Confirm work outside, or record why not; the same confirmation again is nothing new.

    Raises:
        Rejected: the id was used for another punch of the day.
    """
    answered = day.answered.get(request.confirmation_id)
    if answered == (request.direction, request.shift):
        return []
    if answered is not None:
        raise Rejected("this confirmation id names another punch of the day", code="confirmation_id_reused",
                       field="confirmation_id", value=request.confirmation_id, rule="one id for one punch",
                       remedy="send it under a new id")  # fmt: skip
    common = {
        "confirmation_id": request.confirmation_id,
        "staff_id": request.staff_id,
        "day": request.day,
        "direction": request.direction,
        "shift": request.shift,
        "evidence": request.evidence,
        "grounds": Personal.of(request.staff_id, request.grounds),
    }
    reason = day.why_not_confirmed(request.direction, request.shift)
    if reason is not None:
        return [OffsiteRefused(reason=reason, day_fact_id=day.derived_fact, ruling=None, **common)]
    ruling = question.ruled(
        CLAUSE, "confirm", offsite_shown(request.evidence, question.asked.subject_id, day.derived_fact)
    )
    if ruling.outcome != "granted":
        reason = "evidence_missing" if ruling.condition == "evidence" else ruling.reason
        return [OffsiteRefused(reason=reason, day_fact_id=day.derived_fact, ruling=ruling, **common)]
    return [OffsiteConfirmed(ruling=ruling, **common)]
