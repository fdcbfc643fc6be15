"""Dead letters: what every service says of a fact or timer its handler failed on, and what it is asked to do about one.

Each service has these messages under its own name (`attendance.dead_letter_raised.v1`), so that they lie in its own chain and
travel in its own stream; `of_service` makes its classes. Schema and example are shared, under the name `service`.
A dead letter points at what failed and never copies its content.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from bailiwick_contracts.message import Fact, Identifier, Label, Message, Refusal, Request, Text

TEMPLATE = "service"
"""Stands for the service's name in the schemas and examples."""
LetterKind = Literal["fact", "timer"]


class DeadLetterRaised(Fact):
    """A handler failed on a fact or timer for the last time; what follows in that stream waits behind it."""

    letter_id: Identifier
    """The fact's id, or the id of the command that a timer led to."""
    kind: LetterKind
    subject_type: Label
    """The type of the fact, or of what the timer asks for."""
    stream: Label
    """The stream of the fact at its source, or the timer's id."""
    source: Label | None = None
    """`<log>:<property>`, the chain that holds the fact."""
    number: int | None = None
    """Its number in that chain."""
    tries: int
    reason: Text
    """What failed and where in the code. What it said is asked for (`list_dead_letters`) and goes with the letter."""


class DeadLetterRetried(Fact):
    """Somebody asked for it to be tried again."""

    letter_id: Identifier
    grounds: Text


class DeadLetterResolved(Fact):
    """A further try succeeded; what waited behind it follows in order."""

    letter_id: Identifier


class DeadLetterLapsed(Fact):
    """Another decision cancelled its timer, or set it anew: nothing is left to be tried."""

    letter_id: Identifier


class DeadLetterDropProposed(Fact):
    """Somebody asked that its effect be forgone for good."""

    letter_id: Identifier
    grounds: Text


class DeadLetterDropped(Fact):
    """A second person agreed: its effect is forgone, and what waited behind it follows in order."""

    letter_id: Identifier
    proposed_by: Identifier
    proposal: Identifier
    """The id of the fact of the proposal."""
    grounds: Text


class DeadLetterDropRefused(Refusal):
    """`same_person`: who proposed it, or stood behind that, cannot agree to it. `not_proposed`: nobody asked for it."""

    letter_id: Identifier
    proposed_by: Identifier | None = None


class RetryDeadLetter(Request):
    """Try it again now; it has all its tries again."""

    letter_id: Identifier
    grounds: Text


class ProposeDeadLetterDrop(Request):
    """Forgo its effect for good, once another person agrees."""

    letter_id: Identifier
    grounds: Text


class ConfirmDeadLetterDrop(Request):
    """Agree to forgo its effect."""

    letter_id: Identifier
    grounds: Text


class ListDeadLetters(Request):
    """What a service's handlers failed on, the oldest first: in pages, or one with what was done about it and what waits behind.

    `next` stands in the answer where there are more.
    """

    letter_id: Identifier | None = None
    after: Label | None = None
    """The `next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=500)] = 200


_NAMES: dict[str, type[Message]] = {
    "dead_letter_raised": DeadLetterRaised,
    "dead_letter_retried": DeadLetterRetried,
    "dead_letter_resolved": DeadLetterResolved,
    "dead_letter_lapsed": DeadLetterLapsed,
    "dead_letter_drop_proposed": DeadLetterDropProposed,
    "dead_letter_dropped": DeadLetterDropped,
    "dead_letter_drop_refused": DeadLetterDropRefused,
    "retry_dead_letter": RetryDeadLetter,
    "propose_dead_letter_drop": ProposeDeadLetterDrop,
    "confirm_dead_letter_drop": ConfirmDeadLetterDrop,
    "list_dead_letters": ListDeadLetters,
}


@dataclass(frozen=True)
class Messages:
    """The classes of one service."""

    raised: type[DeadLetterRaised]
    retried: type[DeadLetterRetried]
    resolved: type[DeadLetterResolved]
    lapsed: type[DeadLetterLapsed]
    drop_proposed: type[DeadLetterDropProposed]
    dropped: type[DeadLetterDropped]
    drop_refused: type[DeadLetterDropRefused]
    retry: type[RetryDeadLetter]
    propose_drop: type[ProposeDeadLetterDrop]
    confirm_drop: type[ConfirmDeadLetterDrop]
    listing: type[ListDeadLetters]

    @property
    def facts(self) -> tuple[type[Fact], ...]:
        """What the service may store of them."""
        return (
            self.raised, self.retried, self.resolved, self.lapsed, self.drop_proposed, self.dropped, self.drop_refused,
        )  # fmt: skip


@cache
def of_service(service: str) -> Messages:
    """The messages of a service, registered under its name."""
    return Messages(*(_made(service, name, base) for name, base in _NAMES.items()))


def shared(wire: str) -> bool:
    """Whether a wire type is one that every service has under its own name."""
    _, _, name = wire.partition(".")
    return name.removesuffix(".v1") in _NAMES and name.endswith(".v1")


def _made(service: str, name: str, base: type[Message]) -> Any:
    wire = f"{service}.{name}.v1"
    kind: Any = Literal[wire]
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, type=(kind, wire))
