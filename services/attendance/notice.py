"""Prior written notice of a penalty, where the legal policy asks for it (T12)."""

from dataclasses import dataclass, replace
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact
from bailiwick_contracts.notice import CLAUSE, VERB, GivePenaltyNotice, PenaltyNoticeGiven, PenaltyNoticeRefused
from bailiwick_contracts.sealed import Confidential, Personal

from services.attendance.question import Question
from services.kernel.decision import Noun


@dataclass(frozen=True)
class Notices:
    """The written notices a person was given."""

    given: tuple[Event[Any], ...] = ()
    answered: frozenset[str] = frozenset()


def give(request: GivePenaltyNotice, notices: Notices, question: Question, *, property_id: str) -> list[Fact]:
    """Record that notice was given, or that the actor may not; the same notice again is nothing new."""
    if request.notice_id in notices.answered:
        return []
    ruling = question.ruled(CLAUSE, VERB)  # type: ignore[arg-type]
    if ruling.outcome != "granted":
        return [
            PenaltyNoticeRefused(
                reason=ruling.reason, notice_id=request.notice_id, staff_id=request.staff_id, ruling=ruling
            )
        ]
    return [
        PenaltyNoticeGiven(
            notice_id=request.notice_id,
            staff_id=request.staff_id,
            day=request.day,
            occurrence=request.occurrence,
            document=request.document,
            figures=Confidential.of(property_id, request.requested),
            ruling=ruling,
            grounds=Personal.of(request.staff_id, request.grounds),
        )
    ]


def evolve(notices: Notices, event: Event[Any]) -> Notices:
    """The notices after one more fact."""
    fact = event.data
    match fact:
        case PenaltyNoticeGiven():
            return Notices((*notices.given, event), notices.answered | {fact.notice_id})
        case PenaltyNoticeRefused():
            return replace(notices, answered=notices.answered | {fact.notice_id})
        case _:
            return notices


NOTICES: Noun[Notices] = Noun("notices", Notices(), evolve)
