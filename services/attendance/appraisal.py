"""The monthly appraisal: opened, handed in (A8), overdue when its timer fires (D4c)."""

from datetime import datetime

from bailiwick_contracts.appraisal import (
    CLAUSE,
    VERB,
    AppraisalRefused,
    Appraisals,
    AppraisalsOpened,
    AppraisalsOverdue,
    AppraisalSubmitted,
    OpenAppraisals,
    SubmitAppraisal,
    evolve,
)
from bailiwick_contracts.house_rules import AppraisalForm
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.showing import Showing, named

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected


def open_month(
    request: OpenAppraisals, known: Appraisals, question: Question, *, form: AppraisalForm | None, due_at: datetime
) -> list[Fact]:
    """Say whose sheets are due, or record that the actor may not; people who are due already are nothing new (A8).

    Raises:
        Rejected: the house has no form of appraisal.
    """
    if form is None:
        raise Rejected("the house has no form of appraisal", code="no_appraisal_form", field="month", value=request.month,
                       rule="house rules with a form", remedy="adopt one with AdoptHouseRules")  # fmt: skip
    fresh = tuple(one for one in dict.fromkeys(request.staff_ids) if one not in known.due)
    if not fresh:
        return []
    ruling = None if question.is_set_up else question.ruled(CLAUSE, VERB)  # type: ignore[arg-type]
    if ruling is not None and ruling.outcome != "granted":
        return [
            AppraisalRefused(
                reason=ruling.reason, asked_for="open", month=request.month, staff_id=fresh[0], ruling=ruling
            )
        ]
    return [
        AppraisalsOpened(
            month=request.month,
            due_at=known.opened.due_at if known.opened is not None else due_at,
            sections=form.sections,
            lowest=form.lowest,
            highest=form.highest,
            staff_ids=fresh,
            ruling=ruling,
        )
    ]


def submit(request: SubmitAppraisal, known: Appraisals, question: Question) -> list[Fact]:
    """Take a person's sheet, on time or not, or record that the actor may not; a sheet handed in is nothing new (A8).

    Raises:
        Rejected: the person is not due, or a score is none of the form's.
    """
    opened = known.opened
    if opened is None or request.staff_id not in known.due:
        raise Rejected(f"{request.staff_id} is not due for {request.month}", code="not_due", field="staff_id",
                       value=request.staff_id, rule="somebody whose sheet was opened", remedy="OpenAppraisals first")  # fmt: skip
    if request.staff_id in known.sheets:
        return []
    scored = [item.section for item in request.scores]
    wrong = [item for item in request.scores if item.section not in opened.sections or not opened.lowest <= item.score <= opened.highest]  # fmt: skip
    if wrong or len(set(scored)) < len(scored):
        raise Rejected("the scores do not fit the form", code="scores_off_form", field="scores", value=scored,
                       rule=f"{', '.join(opened.sections)}, each once, {opened.lowest} to {opened.highest}",
                       remedy="correct the sheet")  # fmt: skip
    ruling = question.ruled(CLAUSE, VERB, Showing(inputs=named(opened=(known.opened_fact,))))  # type: ignore[arg-type]
    if ruling.outcome != "granted":
        return [
            AppraisalRefused(
                reason=ruling.reason, asked_for="submit", month=request.month, staff_id=request.staff_id, ruling=ruling
            )
        ]
    return [
        AppraisalSubmitted(
            month=request.month,
            staff_id=request.staff_id,
            scores=request.scores,
            complete=set(scored) == set(opened.sections),
            signed=request.signed,
            on_time=question.now <= opened.due_at,
            ruling=ruling,
            comment=Personal.of(request.staff_id, request.comment) if request.comment is not None else None,
        )
    ]


def check(month: str, known: Appraisals) -> list[Fact]:
    """What is missing when the sheets fall due; nothing, where all are there or it was said before (D4c)."""
    if known.opened is None or not known.missing or set(known.missing) <= known.overdue:
        return []
    return [AppraisalsOverdue(month=month, due_at=known.opened.due_at, staff_ids=known.missing)]


APPRAISALS: Noun[Appraisals] = Noun("appraisals", Appraisals(), evolve)
