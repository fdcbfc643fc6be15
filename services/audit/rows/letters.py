"""What a service's facts say of its dead letters: which were given up, which are tried again, which were forgone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from bailiwick_contracts.dead_letter import (
    DeadLetterDropped,
    DeadLetterLapsed,
    DeadLetterRaised,
    DeadLetterResolved,
    DeadLetterRetried,
    LetterKind,
)
from bailiwick_contracts.envelope import Event

from services.kernel.failure import retry_seconds, told_of

Standing = Literal["given_up", "retried", "over"]


@dataclass(frozen=True)
class Letter:
    """One dead letter as its facts leave it."""

    letter_id: str
    kind: LetterKind
    stream: str
    source: str | None
    number: int | None
    tries: int
    reason: str
    raised_at: datetime
    standing: Standing = "given_up"
    dropped: bool = False


def letters_of(facts: Iterable[Event[Any]]) -> dict[str, Letter]:
    """Letter id to letter, from the facts of every `dead-letter-` stream in their order."""
    found: dict[str, Letter] = {}
    for event in facts:
        fact = event.data
        if isinstance(fact, DeadLetterRaised):
            found[fact.letter_id] = Letter(
                fact.letter_id,
                fact.kind,
                fact.stream,
                fact.source,
                fact.number,
                fact.tries,
                fact.reason,
                event.recordedat,
            )
        elif isinstance(fact, DeadLetterRetried):
            found[fact.letter_id] = replace(found[fact.letter_id], standing="retried")
        elif isinstance(fact, DeadLetterResolved | DeadLetterLapsed | DeadLetterDropped):
            dropped = isinstance(fact, DeadLetterDropped)
            found[fact.letter_id] = replace(found[fact.letter_id], standing="over", dropped=dropped)
    return found


def state_faults(row: Any, letter: Letter | None, now_us: int) -> dict[str, str]:
    """What is wrong with how often, when next and why a row is tried, by column, as far as facts and the clock tell."""
    faults: dict[str, str] = {}
    given_up, standing = row.next_us is None, letter.standing if letter is not None else None
    if bool(row.raised) != (standing in ("given_up", "retried")):
        faults["raised"] = "a dead letter stands for it" if not row.raised else "no dead letter stands for it"
    if given_up and standing != "given_up":
        faults["next_us"] = "it is tried no more, and nothing says that it was given up"
    if not given_up and standing == "given_up":
        faults["next_us"] = "it was given up, and nobody asked for it to be tried again"
    if not given_up and row.next_us > now_us + max(retry_seconds()) * 1e6 and row.tries > 0:
        faults["next_us"] = "it is tried later than any failed try is tried again"
    if standing == "given_up" and letter is not None:
        if row.tries != letter.tries:
            faults["tries"] = f"it was given up after {letter.tries}"
        # The row keeps what the failure said, the fact what failed and where; one of an earlier release says both.
        if letter.reason not in (row.reason, told_of(row.reason or "")):
            faults["reason"] = "its dead letter says another"
    elif not 0 <= row.tries <= len(retry_seconds()):
        faults["tries"] = f"what failed more than {len(retry_seconds())} times was given up"
    elif standing != "retried" and (row.tries > 0) != (row.reason is not None):
        faults["tries"] = "a try that failed has a reason, and nothing else has"
    return faults
