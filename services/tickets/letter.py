"""A letter to an owner, or a report (D7): drafted, reviewed by somebody else, issued under the next number of the log."""

from dataclasses import dataclass, replace
from typing import Any, assert_never

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.letter import (
    DraftLetter,
    IssueLetter,
    LetterDrafted,
    LetterIssued,
    LetterRefused,
    LetterReviewed,
    ReviewLetter,
)
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.sealed import Personal

from services.kernel.decision import Noun, Rejected

LetterFact = LetterDrafted | LetterReviewed | LetterIssued | LetterRefused


@dataclass(frozen=True)
class Letter:
    """What is remembered of one letter."""

    status: str = "none"
    """`none`, `drafted`, `released`, `sent_back` or `issued`."""
    to_id: str = ""
    about: str = ""
    ticket_id: str | None = None
    drafted_by: str = ""
    drafted_through: str = ""
    """Who drafted it, for whoever it was drafted by."""
    revision: int = 0
    year: int | None = None
    number: int | None = None
    property_id: str = ""


def own(letter: Letter, letter_id: str, property_id: str) -> Letter:
    """A letter of a property, or one that nobody drafted. Raises Rejected where the id is another property's."""
    if letter.status != "none" and letter.property_id != property_id:
        raise Rejected(
            f"there is no letter {letter_id} here", code="no_such_letter", field="letter_id", value=letter_id,
            rule="the id of a letter of this property", remedy="look it up with ListLetters, or choose another id",
        )  # fmt: skip
    return letter


def draft(request: DraftLetter, letter: Letter, *, drafted_by: str, repeated: bool = False) -> list[Fact]:
    """Draft a letter, or draft it anew once it was sent back.

    Raises:
        Rejected: a draft waits for its review, or the letter was released or issued.
    """
    if letter.status not in ("none", "sent_back"):
        if repeated:
            return []
        raise Rejected(
            f"{request.letter_id} is {letter.status}", code="wrong_status", field="letter_id", value=request.letter_id,
            rule="a new letter, or one that a review sent back", remedy="draft it under a new id",
        )  # fmt: skip
    return [
        LetterDrafted(
            letter_id=request.letter_id,
            to_id=request.to_id,
            about=request.about,
            body=Personal.of(request.to_id, request.body),
            drafted_by=drafted_by,
            revision=letter.revision + 1,
            ticket_id=request.ticket_id,
        )
    ]


def review(request: ReviewLetter, letter: Letter, ruling: Ruling, *, acting: frozenset[str]) -> list[Fact]:
    """Release a draft or send it back (D7); the same answer again is nothing new, and nobody reviews his own."""
    if letter.status == ("released" if request.releases else "sent_back"):
        return []
    if letter.status != "drafted":
        raise _wrong(request.letter_id, letter, "a draft that waits for its review")
    if acting & {letter.drafted_by, letter.drafted_through}:
        return _refused(request, request.letter_id, "own_draft", ruling)
    if ruling.outcome != "granted":
        return _refused(request, request.letter_id, ruling.reason, ruling)
    return [
        LetterReviewed(
            letter_id=request.letter_id,
            revision=letter.revision,
            releases=request.releases,
            remark=Personal.of(letter.to_id, request.remark) if request.remark else None,
            ruling=ruling,
        )
    ]


def issue(request: IssueLetter, letter: Letter, *, year: int, number: int) -> list[Fact]:
    """Send a released letter out under the next number of its year; issued already is nothing new.

    Args:
        request: how it goes out.
        letter: the letter.
        year: of the property's date.
        number: the next of the property's log.
    """
    if letter.status == "issued":
        return []
    if letter.status == "none":
        raise _wrong(request.letter_id, letter, "a letter that was drafted")
    if letter.status != "released":
        return _refused(request, request.letter_id, "not_released")
    return [
        LetterIssued(
            letter_id=request.letter_id,
            year=year,
            number=number,
            to_id=letter.to_id,
            about=letter.about,
            means=request.means,
            document_sha256=request.document_sha256,
        )
    ]


def _refused(request: Request, letter_id: str, reason: str, ruling: Ruling | None = None) -> list[Fact]:
    return [LetterRefused(reason=reason, letter_id=letter_id, asked_for=type(request).wire(), ruling=ruling)]


def _wrong(letter_id: str, letter: Letter, rule: str) -> Rejected:
    return Rejected(
        f"{letter_id} is {letter.status}", code="wrong_status", field="letter_id", value=letter_id, rule=rule,
        remedy="look it up with GetLetter",
    )  # fmt: skip


def evolve(letter: Letter, event: Event[Any]) -> Letter:
    """The letter after one more fact."""
    fact: LetterFact = event.data
    match fact:
        case LetterDrafted():
            return Letter(
                status="drafted",
                to_id=fact.to_id,
                about=fact.about,
                ticket_id=fact.ticket_id,
                drafted_by=fact.drafted_by,
                drafted_through=event.actor,
                revision=fact.revision,
                property_id=event.property_id,
            )
        case LetterReviewed():
            return replace(letter, status="released" if fact.releases else "sent_back")
        case LetterIssued():
            return replace(letter, status="issued", year=fact.year, number=fact.number)
        case LetterRefused():
            return letter
        case _:
            assert_never(fact)


LETTER: Noun[Letter] = Noun("letter", Letter(), evolve)
