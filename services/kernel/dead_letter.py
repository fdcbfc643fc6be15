"""A dead letter: what its stream says of it, and who may have its effect forgone. Two persons must agree to that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bailiwick_contracts.dead_letter import (
    DeadLetterDropped,
    DeadLetterDropProposed,
    DeadLetterLapsed,
    DeadLetterRaised,
    DeadLetterResolved,
    DeadLetterRetried,
    Messages,
)
from bailiwick_contracts.envelope import Actor, Event
from bailiwick_contracts.message import Fact

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Proposal:
    """That a letter be dropped: by whom, and the fact that says so."""

    fact_id: str
    by: str
    people: frozenset[str]
    """Who asked, and in whose name."""


@dataclass(frozen=True)
class DeadLetter:
    """Where a letter stands. A proposal lasts until the letter is at an end, or tried or raised anew."""

    proposal: Proposal | None = None


def evolve(letter: DeadLetter, event: Event[Any]) -> DeadLetter:
    """What each fact makes of it."""
    match event.data:
        case DeadLetterDropProposed():
            return replace(letter, proposal=Proposal(event.id, event.actor, people_of(event)))
        case DeadLetterRaised() | DeadLetterResolved() | DeadLetterLapsed() | DeadLetterDropped() | DeadLetterRetried():
            return DeadLetter()
        case _:
            return letter


LETTER = Noun("dead letter", DeadLetter(), evolve)


def letter_stream(letter_id: str) -> str:
    """The stream in which a service records what became of a dead letter."""
    return f"dead-letter-{letter_id}"


def people_of(actor: Actor) -> frozenset[str]:
    """Who acts, and whose authority is used."""
    return frozenset({actor.actor} | ({actor.onbehalfof} if actor.onbehalfof is not None else set()))


def propose(letter: DeadLetter, messages: Messages, actor: Actor, letter_id: str, grounds: str) -> Sequence[Fact]:
    """Ask that it be dropped. Asked for again by the same people nothing new is said."""
    _person(actor)
    if letter.proposal is not None and letter.proposal.people == people_of(actor):
        return ()
    if letter.proposal is not None:
        raise Rejected(f"{letter.proposal.by} proposed that already", code="proposed_already", field="letter_id", value=letter_id,
                       rule="one proposal at a time", remedy="confirm it")  # fmt: skip
    return (messages.drop_proposed(letter_id=letter_id, grounds=grounds),)


def confirm(letter: DeadLetter, messages: Messages, actor: Actor, letter_id: str, grounds: str) -> Sequence[Fact]:
    """Agree that it be dropped; nobody who stood behind the proposal can."""
    _person(actor)
    if letter.proposal is None:
        return (messages.drop_refused(letter_id=letter_id, reason="not_proposed"),)
    if letter.proposal.people & people_of(actor):
        return (messages.drop_refused(letter_id=letter_id, reason="same_person", proposed_by=letter.proposal.by),)
    dropped = messages.dropped(
        letter_id=letter_id, proposed_by=letter.proposal.by, proposal=letter.proposal.fact_id, grounds=grounds
    )
    return (dropped,)


def retry(messages: Messages, actor: Actor, letter_id: str, grounds: str) -> Sequence[Fact]:
    """Have it tried again."""
    _person(actor)
    return (messages.retried(letter_id=letter_id, grounds=grounds),)


def _person(actor: Actor) -> None:
    for name in people_of(actor):
        if name.startswith("system-"):
            raise Rejected(f"{name} is no person", code="not_a_person", field="actor", value=name,
                           rule="what is done to a dead letter a person answers for", remedy="name who asks")  # fmt: skip
