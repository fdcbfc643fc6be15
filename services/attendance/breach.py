"""Cases of discipline: opened, heard, decided by the adopted ladder, notified, appealed, reversed by a new fact."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from bailiwick_contracts.breach import (
    ABOVE,
    CLAUSE,
    AppealCase,
    AppealDecided,
    Case,
    CaseAppealed,
    CaseDecided,
    CaseForwarded,
    CaseNoticeGiven,
    CaseOpened,
    CaseRefused,
    CaseReversed,
    Conduct,
    DecideAppeal,
    DecideCase,
    GiveCaseNotice,
    OpenCase,
    RecordStatement,
    StatementRecorded,
    appeal_shown,
    case_power,
    case_shown,
    evolve,
    level_of,
    standing_before,
)
from bailiwick_contracts.house_rules import HouseRules, Offence
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected


def open_case(request: OpenCase, books: Sequence[Conduct], question: Question, rules: HouseRules | None) -> list[Fact]:
    """Open a case, or record why not; the same case again is nothing new (G4, C11).

    Raises:
        Rejected: the breach is none of the house's, lies ahead, or the id names another case.
    """
    known = find(books, request.case_id)
    if known is not None:
        if (known.code, known.incident_on) == (request.code, request.incident_on):
            return []
        raise Rejected(f"{request.case_id} names another case", code="case_id_reused", field="case_id",
                       value=request.case_id, rule="one id for one case", remedy="open it under a new id")  # fmt: skip
    offence = offence_of(rules, request.code)
    if request.incident_on > question.today:
        raise Rejected("a breach lies in the past", code="incident_ahead", field="incident_on",
                       value=str(request.incident_on), rule=f"at most {question.today}", remedy="correct the date")  # fmt: skip
    ruling = question.ruled(CLAUSE, "inspect", case_shown(None))
    if ruling.outcome != "granted":
        return [_refused("open", request, ruling.reason, ruling)]
    same = (
        one.opened_fact
        for book in books
        for one in book.cases.values()
        if (one.code, one.incident_on) == (request.code, request.incident_on) and one.status != "reversed"
    )
    standing = next(same, None)
    if standing is not None:
        return [_refused("open", request, "same_breach_that_day", ruling, standing)]
    return [
        CaseOpened(
            case_id=request.case_id,
            staff_id=request.staff_id,
            incident_on=request.incident_on,
            code=request.code,
            severity=offence.severity,
            evidence=request.evidence,
            ruling=ruling,
            grounds=Personal.of(request.staff_id, request.grounds),
        )
    ]


def hear(request: RecordStatement, books: Sequence[Conduct], question: Question) -> list[Fact]:
    """Record the person's statement, by the person or by whoever inspects; a case already heard is nothing new."""
    known = must_find(books, request.case_id)
    if known.heard or known.status not in ("opened", "forwarded"):
        return []
    own = question.asked.actor_id == question.asked.subject_id
    ruling = None if own else question.ruled(CLAUSE, "inspect", case_shown(known))
    if ruling is not None and ruling.outcome != "granted":
        return [_refused("statement", request, ruling.reason, ruling)]
    statement = Personal.of(request.staff_id, request.statement) if request.statement is not None else None
    return [
        StatementRecorded(
            case_id=request.case_id,
            staff_id=request.staff_id,
            declined=statement is None,
            statement=statement,
            ruling=ruling,
        )
    ]


def decide(request: DecideCase, books: Sequence[Conduct], question: Question, rules: HouseRules | None) -> list[Fact]:
    """Decide a case, forward it to the manager, or record why not; a decided case is nothing new (D4b).

    Raises:
        Rejected: there is no such case, or it was decided the other way.
    """
    known = must_find(books, request.case_id)
    if known.decided_fact:
        if known.found == request.finding:
            return []
        raise Rejected(f"{request.case_id} is decided", code="case_decided", field="finding", value=request.finding,
                       rule="a decision is changed by an appeal alone", remedy="the person may appeal: AppealCase")  # fmt: skip
    offence = offence_of(rules, known.code)
    earlier = earlier_of(request.case_id, known, books, question, offence.window_days)
    level = level_of(offence, len(earlier))
    step = offence.ladder[level - 1]
    sanction = step.sanction if request.finding == "breach" else ""
    row_id, verb = case_power(question.matrix, question.asked.actor_position)
    ruling = question.ruled(row_id, verb, case_shown(known, earlier, sanction=sanction))
    common: dict[str, Any] = {
        "case_id": request.case_id,
        "staff_id": request.staff_id,
        "ruling": ruling,
        "grounds": Personal.of(request.staff_id, request.grounds),
    }
    if ruling.outcome == "refused":
        return [_refused("decide", request, ruling.reason, ruling)]
    if not known.heard:
        return [_refused("decide", request, "statement_missing", ruling)]
    if ruling.outcome != "granted":
        if known.status == "forwarded":
            return []
        to = ruling.escalate_to or "unset"
        return [CaseForwarded(forwarded_to=to, finding=request.finding, level=level, sanction=step.sanction, **common)]
    decided: dict[str, Any] = {"incident_on": known.incident_on, "code": known.code, "finding": request.finding}
    if request.finding == "no_breach":
        return [CaseDecided(**decided, **common)]
    repeats = standing_before(
        request.case_id, known.code, books, known.incident_on, rules.repeat_days if rules else offence.window_days
    )
    return [
        CaseDecided(level=level, sanction=step.sanction, days=step.days, repeated=bool(repeats), **decided, **common)
    ]


def earlier_of(
    case_id: str, known: Case, books: Sequence[Conduct], question: Question, window_days: int
) -> list[tuple[str, Case]]:
    """The breaches that stand before a case on its ladder, by the matrix's reading of the window (T7)."""
    by_incident = question.matrix is None or question.matrix.readings.offence_window_from == "incident"
    anchor: date = known.incident_on if by_incident else question.today
    return standing_before(case_id, known.code, books, anchor, window_days)


def give_notice(request: GiveCaseNotice, books: Sequence[Conduct], question: Question) -> list[Fact]:
    """Record that the person was told of the decision, or that the actor may not; told again is nothing new.

    Raises:
        Rejected: there is no such decision, or it was told of before it was taken, or lies ahead.
    """
    known = must_find(books, request.case_id, decided=True)
    if known.noticed_on is not None:
        return []
    if request.given_on > question.today or (known.decided_on is not None and request.given_on < known.decided_on):
        raise Rejected("nobody is told of a decision before it is taken, or in the future", code="notice_out_of_order",
                       field="given_on", value=str(request.given_on), rule=f"{known.decided_on} to {question.today}",
                       remedy="give the day on which the person had it in hand")  # fmt: skip
    row_id, verb = case_power(question.matrix, question.asked.actor_position)
    ruling = question.ruled(row_id, verb, case_shown(None))
    if ruling.outcome != "granted":
        return [_refused("notice", request, ruling.reason, ruling)]
    return [CaseNoticeGiven(ruling=ruling, **request.model_dump(exclude={"type"}))]


def appeal(request: AppealCase, books: Sequence[Conduct], question: Question, rules: HouseRules | None) -> list[Fact]:
    """Appeal against a decision, within the house's days of its notice; appealed already is nothing new.

    Raises:
        Rejected: there is no such decision, or somebody else appeals.
    """
    known = must_find(books, request.case_id, decided=True)
    if question.asked.actor_id != question.asked.subject_id:
        raise Rejected("only the person concerned appeals", code="not_the_person", field="staff_id",
                       value=request.staff_id, rule="the actor is the person", remedy="let the person send it")  # fmt: skip
    if known.appeal:
        return []
    days = rules.appeal_days if rules else 0
    if known.noticed_on is not None and question.today > known.noticed_on + timedelta(days=days):
        return [_refused("appeal", request, "appeal_too_late", None)]
    grounds = Personal.of(request.staff_id, request.grounds)
    return [CaseAppealed(case_id=request.case_id, staff_id=request.staff_id, grounds=grounds)]


def decide_appeal(request: DecideAppeal, books: Sequence[Conduct], question: Question) -> list[Fact]:
    """Decide an appeal; a case that is overturned is reversed by a new fact. Decided again is nothing new (S3).

    Raises:
        Rejected: nobody appealed, or the appeal was decided the other way.
    """
    known = must_find(books, request.case_id, decided=True)
    if known.appeal == request.outcome:
        return []
    if known.appeal != "open":
        raise Rejected("no appeal is open on this case", code="no_open_appeal", field="case_id", value=request.case_id,
                       rule="a case that the person appealed", remedy="look it up with GetConduct")  # fmt: skip
    ruling = question.ruled(ABOVE, "decide", appeal_shown(known, question.events, question.asked))
    if ruling.outcome != "granted":
        return [_refused("decide_appeal", request, ruling.reason, ruling)]
    decided = AppealDecided(
        case_id=request.case_id,
        staff_id=request.staff_id,
        outcome=request.outcome,
        ruling=ruling,
        grounds=Personal.of(request.staff_id, request.grounds),
    )
    if request.outcome == "upheld":
        return [decided]
    return [decided, CaseReversed(case_id=request.case_id, staff_id=request.staff_id, reverses=known.decided_fact)]


def offence_of(rules: HouseRules | None, code: str) -> Offence:
    """The breach as the house's rules have it. Raises Rejected for one that they do not name."""
    found = rules.offence(code) if rules else None
    if found is None:
        codes = ", ".join(one.code for one in rules.offences) if rules else "none: no house rules are adopted"
        raise Rejected(f"{code} is no breach here", code="unknown_offence", field="code", value=code,
                       rule=f"one of {codes}", remedy="adopt it with AdoptHouseRules")  # fmt: skip
    return found


def find(books: Sequence[Conduct], case_id: str) -> Case | None:
    """A case of a person, under whichever id."""
    return next((book.cases[case_id] for book in books if case_id in book.cases), None)


def must_find(books: Sequence[Conduct], case_id: str, *, decided: bool = False) -> Case:
    """The same. Raises Rejected where there is none, or none that was decided."""
    known = find(books, case_id)
    if known is None or (decided and not known.decided_fact):
        raise Rejected(f"no such case is {'decided' if decided else 'open'}: {case_id}", code="no_such_case",
                       field="case_id", value=case_id, rule="a case of this person",
                       remedy="look the person's cases up with GetConduct")  # fmt: skip
    return known


def _refused(asked_for: Any, request: Any, reason: str, ruling: Any, standing: str | None = None) -> CaseRefused:
    return CaseRefused(
        reason=reason,
        asked_for=asked_for,
        case_id=request.case_id,
        staff_id=request.staff_id,
        standing=standing,
        finding=getattr(request, "finding", None),
        ruling=ruling,
    )


CONDUCT: Noun[Conduct] = Noun("conduct", Conduct(), evolve)
