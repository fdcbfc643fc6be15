"""The roster: the director publishes who works when, and lets people swap (A5); each person's day holds its own part."""

from collections.abc import Sequence
from datetime import datetime

from bailiwick_contracts.attendance import PublishRoster, RosterPublished, RosterRefused
from bailiwick_contracts.authority import Asked, CopyPosition, rule
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.matrix import AuthorityMatrix
from bailiwick_contracts.message import Fact
from bailiwick_contracts.swap import ShiftsSwapped, SwapShifts

from services.attendance.question import Question
from services.kernel.decision import Rejected


def publish(
    request: PublishRoster,
    person_days: int,
    asked: Asked,
    matrix: AuthorityMatrix | None,
    *,
    is_import: bool,
    now: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> list[Fact]:
    """Publish a roster, or record that the actor may not; one that changes no day is nothing new.

    Args:
        request: the roster.
        person_days: how many days of people it changes.
        asked: who asks.
        matrix: the matrix in force at `now`.
        is_import: it comes from elsewhere, where it was decided: no ruling is given on it.
        now: the instant of the decision.
        positions: how far the registry's copies reach.
    """
    if not person_days:
        return []
    ruling = None if is_import else rule(matrix, asked, selected_at=now, positions=positions)
    if ruling is not None and ruling.outcome != "granted":
        return [RosterRefused(reason=ruling.reason, roster_id=request.roster_id, ruling=ruling)]
    return [
        RosterPublished(
            roster_id=request.roster_id,
            first_on=min(row.day for row in request.days),
            last_on=max(row.day for row in request.days),
            people=len(request.staff_ids),
            person_days=person_days,
            ruling=ruling,
        )
    ]


def swap(
    request: SwapShifts,
    question: Question,
    *,
    of_first: tuple[Shift, ...],
    of_second: tuple[Shift, ...],
    taken: tuple[str, ...],
    known: Sequence[Fact],
) -> list[Fact]:
    """Let two people swap, or record that the actor may not; the same swap again is nothing new (A5, D4d).

    Args:
        request: who and when.
        question: who asks.
        of_first: the shifts that the first gives away.
        of_second: those of the second.
        taken: who works already on the day to be taken over.
        known: what is recorded under the id.

    Raises:
        Rejected: the id names another roster or swap, or somebody swaps with himself, has no shift to give, or works on the other's day already.
    """
    standing = [fact for fact in known if not isinstance(fact, RosterRefused)]
    if any(
        isinstance(fact, ShiftsSwapped) and (fact.first, fact.second) == (request.first, request.second)
        for fact in standing
    ):
        return []
    if standing:
        raise Rejected(f"{request.roster_id} names another roster", code="roster_id_reused", field="roster_id",
                       value=request.roster_id, rule="one id for one roster or swap", remedy="send it under a new id")  # fmt: skip
    if request.first.staff_id == request.second.staff_id:
        raise _no_swap("a person does not swap alone", request.second.staff_id, "two people")
    if not of_first or not of_second:
        nobody = request.first if not of_first else request.second
        raise _no_swap(f"{nobody.staff_id} has no shift on {nobody.day}", nobody.staff_id, "each has a rostered shift")
    if taken:
        raise _no_swap(f"{taken[0]} works on that day already", taken[0], "who takes a shift over is free on its day")
    ruling = question.ruled("A5", "decide")
    if ruling.outcome != "granted":
        return [RosterRefused(reason=ruling.reason, roster_id=request.roster_id, ruling=ruling)]
    return [ShiftsSwapped(roster_id=request.roster_id, first=request.first, second=request.second, ruling=ruling)]


def _no_swap(message: str, staff_id: str, rule: str) -> Rejected:
    return Rejected(message, code="no_such_swap", field="staff_id", value=staff_id, rule=rule,
                    remedy="publish the roster of these days instead")  # fmt: skip
