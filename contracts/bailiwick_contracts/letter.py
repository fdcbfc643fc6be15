"""Letters to owners and reports (D7): drafted by staff, reviewed by the director, issued under a number of the property's log."""

from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.message import Fact, Identifier, Label, Refusal, Request, Text
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.ticket import Sha256


def letter_stream(letter_id: str) -> str:
    """The stream of one letter."""
    return f"letter-{letter_id}"


class DraftLetter(Request):
    """Draft a letter, or draft it anew after a review sent it back."""

    type: Literal["tickets.draft_letter.v1"] = "tickets.draft_letter.v1"
    letter_id: Identifier
    to_id: Identifier
    """The addressee's pseudonymous id."""
    about: Label
    body: Text
    ticket_id: Identifier | None = None


class LetterDrafted(Fact):
    """A draft waits for its review."""

    type: Literal["tickets.letter_drafted.v1"] = "tickets.letter_drafted.v1"
    letter_id: Identifier
    to_id: Identifier
    about: Label
    body: Personal
    drafted_by: Identifier
    revision: int
    ticket_id: Identifier | None = None


class ReviewLetter(Request):
    """Release a draft or send it back (D7). Nobody reviews his own."""

    type: Literal["tickets.review_letter.v1"] = "tickets.review_letter.v1"
    letter_id: Identifier
    releases: bool
    remark: Text | None = None


class LetterReviewed(Fact):
    """The director has read the draft."""

    type: Literal["tickets.letter_reviewed.v1"] = "tickets.letter_reviewed.v1"
    letter_id: Identifier
    revision: int
    releases: bool
    remark: Personal | None = None
    ruling: Ruling


class IssueLetter(Request):
    """Send a released letter out; it gets the next number of the property's issue log."""

    type: Literal["tickets.issue_letter.v1"] = "tickets.issue_letter.v1"
    letter_id: Identifier
    means: Label
    """`by_hand`, `post`, `app`, …"""
    document_sha256: Sha256


class LetterIssued(Fact):
    """A letter went out. Numbers have no gap per property and year."""

    type: Literal["tickets.letter_issued.v1"] = "tickets.letter_issued.v1"
    letter_id: Identifier
    year: int
    number: Annotated[int, Field(ge=1)]
    to_id: Identifier
    about: Label
    means: Label
    document_sha256: Sha256


class LetterRefused(Refusal):
    """A review or an issue was turned down: by its ruling, or `own_draft`, or `not_released`."""

    type: Literal["tickets.letter_refused.v1"] = "tickets.letter_refused.v1"
    letter_id: Identifier
    asked_for: Label
    ruling: Ruling | None = None
