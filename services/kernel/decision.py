"""What a decision is made of: a noun that folds its facts, and the rejection of a request that makes no sense."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

from bailiwick_contracts.envelope import Event

S = TypeVar("S")


class Rejected(Exception):  # noqa: N818 - it is the answer of a decision, not a fault of the program
    """The request is malformed or makes no sense here: nothing is recorded, and the caller learns how to put it right."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "rejected",
        field: str = "",
        value: Any = None,
        rule: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.field, self.value, self.rule, self.remedy = (
            message,
            code,
            field,
            value,
            rule,
            remedy,
        )

    def as_error(self) -> dict[str, Any]:
        """The `error` member of an answer."""
        extra = {"field": self.field, "value": self.value, "rule": self.rule, "remedy": self.remedy}
        return {"code": self.code, "message": self.message} | {k: v for k, v in extra.items() if v not in ("", None)}


def evolved(state: S, **changes: Any) -> S:
    """A frozen state with these fields changed: `dataclasses.replace` for folds, at a fifth of its price; nothing is checked."""
    made: S = object.__new__(type(state))
    fields = made.__dict__
    fields.update(state.__dict__)
    fields.update(changes)
    return made


@dataclass(frozen=True)
class Noun(Generic[S]):
    """A thing with a history: its state before the first fact, and the fold. `evolve` never raises on a stored fact."""

    name: str
    initial: S
    evolve: Callable[[S, Event[Any]], S]

    def fold(self, events: Any, state: S | None = None) -> S:
        """The state after `events`, from `state` or from the beginning."""
        return reduce(self.evolve, events, self.initial if state is None else state)
