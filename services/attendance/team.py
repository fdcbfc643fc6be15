"""The director's team: rewarded, re-posted and appointed here (A1); dismissal (A2) and pay (A4) only recommended; temps (A3)."""

from collections.abc import Sequence
from typing import Any

from bailiwick_contracts.message import Fact
from bailiwick_contracts.quota import Amount
from bailiwick_contracts.sealed import Confidential, Personal
from bailiwick_contracts.team import (
    POWERS,
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    DismissalRecommended,
    Matter,
    PayChangeRecommended,
    RecommendDismissal,
    RecommendPayChange,
    RewardDecided,
    RewardFigures,
    Team,
    TeamMatterRecommended,
    TeamMatterRefused,
    TeamMemberAppointed,
    TransferDecided,
    evolve,
    pay_figures,
    pay_shown,
)

from services.attendance.question import Question
from services.kernel.decision import Noun, Rejected

_OPENED = ("recommend_only", "granted")


def reward(request: DecideReward, books: Sequence[Team], question: Question, *, property_id: str) -> list[Fact]:
    """Reward somebody, recommend it above the grade, or record why not; the same again is nothing new (A1)."""
    figures = None
    if request.amount is not None:
        if request.reward != "bonus":
            raise Rejected("only a bonus has an amount", code="amount_without_bonus", field="amount",
                           value=str(request.amount.amount), rule="reward is bonus", remedy="leave it out")  # fmt: skip
        figures = Confidential.of(property_id, RewardFigures(amount=request.amount))
    return _decided("reward", request, books, question, RewardDecided, reward=request.reward,
                    decided_on=question.today, figures=figures)  # fmt: skip


def transfer(request: DecideTransfer, books: Sequence[Team], question: Question) -> list[Fact]:
    """Re-post somebody, recommend it above the grade, or record why not; the same again is nothing new (A1)."""
    return _decided("transfer", request, books, question, TransferDecided, position=request.position,
                    effective_on=request.effective_on)  # fmt: skip


def appoint(request: AppointToTeam, books: Sequence[Team], question: Question) -> list[Fact]:
    """Choose somebody for the team, recommend it above the grade, or record why not; again is nothing new (A1)."""
    return _decided("appointment", request, books, question, TeamMemberAppointed, position=request.position,
                    effective_on=request.effective_on)  # fmt: skip


def recommend_dismissal(request: RecommendDismissal, books: Sequence[Team], question: Question) -> list[Fact]:
    """Recommend a dismissal, or record why not; it is never carried out here (A2)."""
    if _known(request.matter_id, "dismissal", books):
        return []
    ruling = question.ruled(*POWERS["dismissal"])
    if ruling.outcome not in _OPENED:
        return [_refused("dismissal", request, ruling)]
    return [
        DismissalRecommended(
            recommended_to=ruling.escalate_to or "unset", cases=request.cases, ruling=ruling, **_common(request)
        )
    ]


def recommend_pay_change(
    request: RecommendPayChange,
    books: Sequence[Team],
    question: Question,
    *,
    earlier: Sequence[Amount],
    property_id: str,
) -> list[Fact]:
    """Recommend a pay change of at most 200, with the rolling sum beside it, or record why not (A4, T9, T15).

    Args:
        request: the change.
        books: what is known of the person, under every id.
        question: who recommends.
        earlier: what was recommended within the months that are shown.
        property_id: whose payroll key seals the figures.

    Raises:
        Rejected: the amount is not positive.
    """
    if request.amount.amount <= 0:
        raise Rejected("a pay change is given by its absolute value", code="not_positive", field="amount",
                       value=str(request.amount.amount), rule="more than 0 (T9)", remedy="say the direction apart")  # fmt: skip
    if _known(request.matter_id, "pay_change", books):
        return []
    readings = question.matrix.readings if question.matrix is not None else None
    needed = readings is None or readings.pay_cut_needs_consent
    shown = pay_shown(request.amount, request.direction, request.consent, earlier, consent_needed=needed)
    ruling = question.ruled(*POWERS["pay_change"], shown)
    months = readings.pay_change_shown_months if readings is not None else 12
    sealed = Confidential.of(property_id, pay_figures(request.amount, earlier, months))
    if ruling.outcome not in _OPENED:
        return [
            TeamMatterRefused(
                reason=ruling.reason,
                matter="pay_change",
                matter_id=request.matter_id,
                staff_id=request.staff_id,
                direction=request.direction,
                consent=request.consent,
                figures=sealed,
                ruling=ruling,
            )
        ]
    return [
        PayChangeRecommended(
            direction=request.direction,
            recommended_on=question.today,
            recommended_to=ruling.escalate_to or "unset",
            consent=request.consent,
            figures=sealed,
            ruling=ruling,
            **_common(request),
        )
    ]


def _decided(
    matter: Matter, request: Any, books: Sequence[Team], question: Question, kind: type[Any], **more: Any
) -> list[Fact]:
    if _known(request.matter_id, matter, books):
        return []
    ruling = question.ruled(*POWERS[matter])
    if ruling.outcome == "refused":
        return [_refused(matter, request, ruling)]
    if ruling.outcome != "granted":
        to = ruling.escalate_to or "unset"
        return [TeamMatterRecommended(matter=matter, recommended_to=to, ruling=ruling, **_common(request))]
    return [kind(ruling=ruling, **more, **_common(request))]


def _known(matter_id: str, matter: Matter, books: Sequence[Team]) -> bool:
    found = next((book.matters[matter_id] for book in books if matter_id in book.matters), None)
    if found is not None and found[0] != matter:
        raise Rejected(f"{matter_id} names another matter", code="matter_id_reused", field="matter_id", value=matter_id,
                       rule="one id for one matter", remedy="send it under a new id")  # fmt: skip
    return found is not None


def _common(request: Any) -> dict[str, Any]:
    return {
        "matter_id": request.matter_id,
        "staff_id": request.staff_id,
        "grounds": Personal.of(request.staff_id, request.grounds),
    }


def _refused(matter: Matter, request: Any, ruling: Any) -> TeamMatterRefused:
    return TeamMatterRefused(
        reason=ruling.reason, matter=matter, matter_id=request.matter_id, staff_id=request.staff_id, ruling=ruling
    )


TEAM: Noun[Team] = Noun("team", Team(), evolve)
