"""Prior written notice: the reason and the amount were given in writing before a penalty, where the law asks for it (T12)."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.part import whole
from bailiwick_contracts.sealed import Confidential, Keys, Personal, open_record

CLAUSE, VERB = "G4", "decide"
CONDITION = "prior_written_notice"


def notices_stream(staff_id: str) -> str:
    """The stream of the notices that a person was given."""
    return f"notices-{staff_id}"


class GivePenaltyNotice(Request):
    """Record that a person was told in writing, before it is decided, of a penalty's reason and amount (G4)."""

    type: Literal["attendance.give_penalty_notice.v1"] = "attendance.give_penalty_notice.v1"
    notice_id: Identifier
    staff_id: Identifier
    day: date
    occurrence: Identifier
    requested: Annotated[Requested, whole(Requested)]
    """The most that is meant to be taken; a decision over it is not covered by this notice."""
    document: Label
    """Where the signed paper or its delivery record is kept."""
    grounds: Text


class PenaltyNoticeGiven(Fact):
    """Written notice of a penalty was given. `figures` opens to `Requested`."""

    type: Literal["attendance.penalty_notice_given.v1"] = "attendance.penalty_notice_given.v1"
    notice_id: Identifier
    staff_id: Identifier
    day: date
    occurrence: Identifier
    document: Label
    figures: Confidential
    ruling: Ruling
    grounds: Personal


class PenaltyNoticeRefused(Refusal):
    """Somebody without the authority asked to record a notice."""

    type: Literal["attendance.penalty_notice_refused.v1"] = "attendance.penalty_notice_refused.v1"
    notice_id: Identifier
    staff_id: Identifier
    ruling: Ruling


class StandingNotice(Record):
    """A notice on an occurrence, opened."""

    requested: Requested
    fact_id: Identifier


def opened_notices(events: Iterable[Event[Any]], day: date, occurrence: str, keys: Keys) -> tuple[StandingNotice, ...]:
    """The notices on an occurrence among a person's, opened with the payroll key. Raises SealingError."""
    return tuple(
        StandingNotice(
            requested=open_record(one.data.figures, Requested, event_id=one.id, path="figures", keys=keys),
            fact_id=one.id,
        )
        for one in events
        if isinstance(one.data, PenaltyNoticeGiven) and (one.data.day, one.data.occurrence) == (day, occurrence)
    )


def notices_covering(notices: Iterable[StandingNotice], asked: Requested) -> tuple[str, ...]:
    """The notices of an occurrence that cover what is asked: named in the same way, and no less."""
    return tuple(one.fact_id for one in notices if _covers(one.requested, asked))


def _covers(given: Requested, asked: Requested) -> bool:
    if given.share is not None and asked.share is not None:
        return asked.share.fraction <= given.share.fraction
    if given.amount is not None and asked.amount is not None:
        return given.amount.currency == asked.amount.currency and asked.amount.amount <= given.amount.amount
    return False
