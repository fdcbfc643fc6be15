"""A penalty for lateness, early leave or absence (A13–A15): decided, recommended, refused, taken over, taken back."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, assert_never

from bailiwick_contracts.authority import Asked, CopyPosition, rule
from bailiwick_contracts.conduct import (
    DecidePenalty,
    ImportedAmount,
    ImportPenalty,
    PenaltyAsked,
    PenaltyDecided,
    PenaltyImported,
    PenaltyRecommended,
    PenaltyRefused,
    PenaltyReversed,
    WithdrawalRefused,
    WithdrawPenalty,
)
from bailiwick_contracts.envelope import Channel, Event
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Verb
from bailiwick_contracts.message import Fact
from bailiwick_contracts.penalty import Adjudication, adjudicate_penalty
from bailiwick_contracts.penalty_case import PenaltyCase
from bailiwick_contracts.quota import Month, month_of
from bailiwick_contracts.sealed import Confidential, Personal

from services.kernel.decision import Noun, Rejected

PenaltyFact = (
    PenaltyDecided | PenaltyRecommended | PenaltyRefused | PenaltyImported | PenaltyReversed | WithdrawalRefused
)
WITHDRAWAL: tuple[str, Verb] = ("G4", "decide")
"""Under which power a penalty is taken back: reward and discipline of the office's employees."""


@dataclass(frozen=True)
class Penalty:
    """What is remembered of one penalty."""

    status: str = "none"
    """`none`, `decided`, `recommended`, `refused`, `imported` or `reversed`."""
    staff_id: str = ""
    day: date | None = None
    occurrence: str = ""
    fact_id: str = ""

    @property
    def stands(self) -> bool:
        """Whether it deducts from a wage."""
        return self.status in ("decided", "imported")


def decide(
    request: DecidePenalty,
    penalty: Penalty,
    case: PenaltyCase,
    matrix: AuthorityMatrix | None,
    policy: LegalPolicy | None,
    *,
    property_id: str,
    now: datetime,
    positions: tuple[CopyPosition, ...] = (),
    month: Month | None = None,
) -> list[Fact]:
    """Decide a penalty, recommend it to the next in line, or record why not; the same penalty again is nothing new.

    Args:
        request: what is asked.
        penalty: what is known under its id.
        case: what the ruling rests on, as gathered.
        matrix: the matrix in force at `now`.
        policy: the legal policy in force at `now` for the property.
        property_id: whose payroll key seals the figures.
        now: the instant of the decision.
        positions: how far the registry's copies reach.
        month: the wage month it is taken in: that of the day, or the next open one where that is closed.

    Raises:
        Rejected: the id names another penalty.
    """
    if penalty.status != "none":
        if (penalty.staff_id, penalty.day, penalty.occurrence) == (request.staff_id, request.day, request.occurrence):
            return []
        raise _id_taken(request.penalty_id)
    found = adjudicate_penalty(case, matrix, policy, selected_at=now, positions=positions)
    common: dict[str, Any] = {
        "penalty_id": request.penalty_id,
        "staff_id": request.staff_id,
        "day": request.day,
        "clause": found.clause,
        "asked": PenaltyAsked(
            month=month or month_of(request.day),
            late_for=month_of(request.day) if month not in (None, month_of(request.day)) else None,
            occurrence=request.occurrence,
            clause=request.clause,
            requested_share=request.requested.share,
            beyond_authority=request.beyond_authority,
            evidence=request.evidence,
        ),
        "figures": Confidential.of(property_id, found.figures),
        "grounds": Personal.of(request.staff_id, request.grounds),
    }
    return [_fact(found, case, common, positions)]


def _fact(found: Adjudication, case: PenaltyCase, common: dict[str, Any], positions: tuple[CopyPosition, ...]) -> Fact:
    occurrence = case.derived.occurrence(case.occurrence) if case.derived else None
    if found.verdict == "refused" or occurrence is None or found.ruling is None:
        standing = tuple(item.fact_id for item in case.standing)
        return PenaltyRefused(
            reason=found.reason,
            day_fact_id=case.day_fact_id,
            standing=standing,
            positions=positions if found.ruling is None else (),
            ruling=found.ruling,
            **common,
        )
    if found.verdict == "decided":
        return PenaltyDecided(
            kind=occurrence.kind, also_covered_by=found.also_covered_by, ruling=found.ruling, **common
        )
    return PenaltyRecommended(
        kind=occurrence.kind, recommended_to=found.ruling.escalate_to or "unset", ruling=found.ruling, **common
    )


def take_over(request: ImportPenalty, penalty: Penalty, *, property_id: str, channel: Channel) -> list[Fact]:
    """Take over a penalty decided elsewhere; it counts under quotas and caps.

    Raises:
        Rejected: it does not come through the import channel, or the id names another penalty.
    """
    if channel != "import":
        raise Rejected(
            "an old penalty is taken over from a file, never entered by hand",
            code="import_only",
            field="channel",
            value=channel,
            rule="channel is import",
            remedy="decide a new penalty with DecidePenalty, or import the file",
        )
    if penalty.status != "none":
        if (penalty.staff_id, penalty.day, penalty.occurrence) == (request.staff_id, request.day, request.kind):
            return []
        raise _id_taken(request.penalty_id)
    return [
        PenaltyImported(
            penalty_id=request.penalty_id,
            staff_id=request.staff_id,
            day=request.day,
            kind=request.kind,
            month=month_of(request.day),
            origin=request.origin,
            figures=Confidential.of(property_id, ImportedAmount(penalty=request.amount)),
        )
    ]


def withdraw(
    request: WithdrawPenalty,
    penalty: Penalty,
    asked: Asked,
    matrix: AuthorityMatrix | None,
    *,
    now: datetime,
    positions: tuple[CopyPosition, ...] = (),
) -> list[Fact]:
    """Take a penalty back by a new fact, or record that the actor may not; one taken back already is nothing new.

    Raises:
        Rejected: no penalty stands under this id, or a waiver without evidence.
    """
    if penalty.status == "reversed":
        return []
    if request.cause == "waiver" and not request.evidence:
        raise Rejected("a waiver names its evidence", code="evidence_missing", field="evidence", value=[],
                       rule="at least one fact or document for the cause waiver", remedy="name what shows why")  # fmt: skip
    if not penalty.stands or penalty.day is None:
        raise Rejected(
            f"no penalty stands under {request.penalty_id}",
            code="no_such_penalty",
            field="penalty_id",
            value=request.penalty_id,
            rule="a penalty that was decided or taken over",
            remedy="look the penalty up with ListPenalties",
        )
    ruling = rule(matrix, asked, selected_at=now, positions=positions)
    grounds = Personal.of(penalty.staff_id, request.grounds)
    if ruling.outcome != "granted":
        return [
            WithdrawalRefused(
                reason=ruling.reason,
                penalty_id=request.penalty_id,
                staff_id=penalty.staff_id,
                ruling=ruling,
                grounds=grounds,
            )
        ]
    return [
        PenaltyReversed(
            penalty_id=request.penalty_id,
            staff_id=penalty.staff_id,
            day=penalty.day,
            reverses=penalty.fact_id,
            cause=request.cause,
            evidence=request.evidence,
            ruling=ruling,
            grounds=grounds,
        )
    ]


def _id_taken(penalty_id: str) -> Rejected:
    return Rejected(
        f"{penalty_id} names another penalty",
        code="penalty_id_reused",
        field="penalty_id",
        value=penalty_id,
        rule="one id for one penalty",
        remedy="send it under a new id",
    )


def evolve(penalty: Penalty, event: Event[Any]) -> Penalty:
    """The penalty after one more fact."""
    fact: PenaltyFact = event.data
    match fact:
        case PenaltyDecided():
            return Penalty("decided", fact.staff_id, fact.day, fact.asked.occurrence, event.id)
        case PenaltyRecommended():
            return Penalty("recommended", fact.staff_id, fact.day, fact.asked.occurrence, event.id)
        case PenaltyRefused():
            return Penalty("refused", fact.staff_id, fact.day, fact.asked.occurrence, event.id)
        case PenaltyImported():
            return Penalty("imported", fact.staff_id, fact.day, fact.kind, event.id)
        case PenaltyReversed():
            return replace(penalty, status="reversed")
        case WithdrawalRefused():
            return penalty
        case _:
            assert_never(fact)


PENALTY: Noun[Penalty] = Noun("penalty", Penalty(), evolve)
