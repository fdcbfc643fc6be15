"""Temporary posts: filled inside the approved headcount, freed before their day (A3)."""

from bailiwick_contracts.message import Fact
from bailiwick_contracts.team import POWERS
from bailiwick_contracts.temporary import (
    EndTemp,
    HireRefused,
    HireTemp,
    TempEnded,
    TempHired,
    Temporary,
    evolve,
    held_at_most,
    hire_shown,
)

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected


def hire(
    request: HireTemp, temporary: Temporary, question: Question, *, approved: int, rules_fact: str | None
) -> list[Fact]:
    """Fill a temporary post inside the approved headcount, or record why not; the same hire again is nothing new (A3).

    Raises:
        Rejected: the days are in the wrong order, or the id names another hire.
    """
    if request.last_on < request.first_on:
        raise Rejected("a hire ends after it begins", code="days_reversed", field="last_on", value=str(request.last_on),
                       rule=f"not before {request.first_on}", remedy="correct the days")  # fmt: skip
    known = temporary.hires.get(request.hire_id)
    if request.hire_id in temporary.refused:
        return []
    if known is not None:
        if (known.position, known.first_on) == (request.position, request.first_on):
            return []
        raise Rejected(f"{request.hire_id} names another hire", code="hire_id_reused", field="hire_id",
                       value=request.hire_id, rule="one id for one hire", remedy="send it under a new id")  # fmt: skip
    held, hires = held_at_most(temporary, request.position, request.first_on, request.last_on)
    ruling = question.ruled(*POWERS["temporary"], hire_shown(held, hires, approved, rules_fact))
    if ruling.outcome != "granted":
        reason = "quota_exceeded" if ruling.condition == "inside_headcount" else ruling.reason
        return [
            HireRefused(
                reason=reason,
                hire_id=request.hire_id,
                position=request.position,
                first_on=request.first_on,
                last_on=request.last_on,
                held=held,
                approved=approved,
                ruling=ruling,
            )
        ]
    return [TempHired(held=held + 1, approved=approved, ruling=ruling, **request.model_dump(exclude={"type"}))]


def end(
    request: EndTemp, temporary: Temporary, question: Question, *, approved: int, rules_fact: str | None
) -> list[Fact]:
    """Free a post before the day agreed, or record that the actor may not; freed by then already is nothing new (A3).

    Raises:
        Rejected: no post is held under this id, or it ends before it began.
    """
    known = temporary.hires.get(request.hire_id)
    if known is None or request.last_on < known.first_on:
        raise Rejected(f"no temporary post {request.hire_id} is held until {request.last_on}", code="no_such_hire",
                       field="hire_id", value=request.hire_id, rule="a hire, from its first day on",
                       remedy="look it up with GetTemporary")  # fmt: skip
    if known.last_on <= request.last_on:
        return []
    ruling = question.ruled(*POWERS["temporary"], hire_shown(-1, (), approved, rules_fact))
    if ruling.outcome != "granted":
        return [
            HireRefused(
                reason=ruling.reason,
                hire_id=request.hire_id,
                position=known.position,
                first_on=known.first_on,
                last_on=known.last_on,
                held=-1,
                approved=approved,
                ruling=ruling,
            )
        ]
    return [TempEnded(hire_id=request.hire_id, position=known.position, last_on=request.last_on, ruling=ruling)]


TEMPORARY: Noun[Temporary] = Noun("temporary", Temporary(), evolve)
