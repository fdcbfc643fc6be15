"""Penalties: the requests and facts of the attendance service about deductions for lateness, early leave and absence."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import CopyPosition, Ruling
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.lateness import OccurrenceKind
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.money import Money
from bailiwick_contracts.part import whole
from bailiwick_contracts.penalty_case import BeyondAuthority
from bailiwick_contracts.quota import Month
from bailiwick_contracts.sealed import Confidential, Personal


def penalty_stream(penalty_id: str) -> str:
    """The stream of one penalty."""
    return f"penalty-{penalty_id}"


class DecidePenalty(Request):
    """Penalise one lateness, early leave or absence of a day (A13, A14, A15).

    Over the authority's cap it becomes a recommendation to the next in line, or is decided at the cap where
    `beyond_authority` is `cut`. Legal caps always cut.
    """

    type: Literal["attendance.decide_penalty.v1"] = "attendance.decide_penalty.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    occurrence: Identifier
    """As the derived day names it: `late`, `early` or `absent`."""
    clause: Identifier | None = None
    """A13, A14 or A15; without one, the clause that grants the larger penalty (T6)."""
    requested: Annotated[Requested, whole(Requested)]
    beyond_authority: BeyondAuthority = "recommend"
    evidence: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    """Facts the director refers to beside those that every penalty rests on."""
    grounds: Text


class PenaltyAsked(Record):
    """What was asked for, as the request had it; an amount stands in the confidential figures alone."""

    month: Month
    """The wage month it counts in: that of the day, or the next open one where that is closed."""
    late_for: Month | None = None
    """The day's own month, where that was closed before the penalty was decided."""
    occurrence: Identifier
    clause: Identifier | None = None
    requested_share: Ratio | None = None
    beyond_authority: BeyondAuthority
    evidence: tuple[Identifier, ...] = ()


class PenaltyDecided(Fact):
    """A penalty stands. `figures` opens to `bailiwick_contracts.deductions.PenaltyFigures`."""

    type: Literal["attendance.penalty_decided.v1"] = "attendance.penalty_decided.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    kind: OccurrenceKind
    clause: Identifier
    also_covered_by: tuple[Identifier, ...] = ()
    """Clauses that would have granted it too: one occurrence, one penalty (T6)."""
    asked: PenaltyAsked
    ruling: Ruling
    figures: Confidential
    grounds: Personal


class PenaltyRecommended(Fact):
    """It lay beyond the actor's authority: nothing is deducted, and the next in line has the case.

    The clamps and figures show what the actor's own authority and the law would have let through.
    """

    type: Literal["attendance.penalty_recommended.v1"] = "attendance.penalty_recommended.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    kind: OccurrenceKind
    clause: Identifier
    recommended_to: Label
    """The position next in line."""
    asked: PenaltyAsked
    ruling: Ruling
    figures: Confidential
    grounds: Personal


class PenaltyRefused(Refusal):
    """A penalty was turned down; `bailiwick_contracts.penalty` and `authority.rule` list the reasons."""

    type: Literal["attendance.penalty_refused.v1"] = "attendance.penalty_refused.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    clause: Identifier
    asked: PenaltyAsked
    day_fact_id: Identifier | None = None
    """The derivation it was judged by."""
    standing: tuple[Identifier, ...] = ()
    """Penalties that stand on the same occurrence."""
    positions: tuple[CopyPosition, ...] = ()
    """How far the copies of the registry reached, where no ruling says so."""
    ruling: Ruling | None = None
    figures: Confidential
    grounds: Personal


class ImportPenalty(Request):
    """Take over a penalty decided before this system; only through the import channel."""

    type: Literal["attendance.import_penalty.v1"] = "attendance.import_penalty.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    kind: OccurrenceKind
    amount: Annotated[Money, whole(Money)]
    origin: Label
    """Where it was decided: a file, a book, a system."""


class ImportedAmount(Record):
    """What `PenaltyImported.figures` holds."""

    penalty: Money


class PenaltyImported(Fact):
    """A penalty decided elsewhere, without a ruling: it counts under quotas and caps and is never judged again."""

    type: Literal["attendance.penalty_imported.v1"] = "attendance.penalty_imported.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    kind: OccurrenceKind
    month: Month
    origin: Label
    figures: Confidential


class WithdrawPenalty(Request):
    """Take a penalty back (G4): it was wrong, or is waived; a waiver names its evidence."""

    type: Literal["attendance.withdraw_penalty.v1"] = "attendance.withdraw_penalty.v1"
    penalty_id: Identifier
    cause: Literal["error", "appeal", "waiver", "day_changed"]
    evidence: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    grounds: Text


class PenaltyReversed(Fact):
    """A penalty no longer stands; it counts under no cap from now on. Rulings given while it stood are not touched."""

    type: Literal["attendance.penalty_reversed.v1"] = "attendance.penalty_reversed.v1"
    penalty_id: Identifier
    staff_id: Identifier
    day: date
    reverses: Identifier
    """The fact that decided or imported it."""
    cause: Literal["error", "appeal", "waiver", "day_changed"]
    evidence: tuple[Identifier, ...] = ()
    ruling: Ruling
    grounds: Personal


class WithdrawalRefused(Refusal):
    """Somebody without the authority asked to take a penalty back."""

    type: Literal["attendance.withdrawal_refused.v1"] = "attendance.withdrawal_refused.v1"
    penalty_id: Identifier
    staff_id: Identifier
    ruling: Ruling
    grounds: Personal


class GetPenalty(Request):
    """One penalty with its history. Figures stay sealed."""

    type: Literal["attendance.get_penalty.v1"] = "attendance.get_penalty.v1"
    penalty_id: Identifier


class ListPenalties(Request):
    """Penalties, recommendations and refusals, by person, wage month or status, in pages. Figures stay sealed."""

    type: Literal["attendance.list_penalties.v1"] = "attendance.list_penalties.v1"
    staff_id: Identifier | None = None
    month: Month | None = None
    status: Literal["decided", "recommended", "refused", "imported", "reversed"] | None = None
    after: Label | None = None
    """The `next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=500)] = 200
