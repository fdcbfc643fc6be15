"""given(history).when(decision).then(facts): a decision's test, in terms of facts alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import pytest
from bailiwick_contracts.envelope import FIRST_HASH, Event, schema_address
from bailiwick_contracts.message import COMPANY, Fact

from services.kernel.decision import Noun, Rejected

S = TypeVar("S")
FIRST_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""When the first fact of a history was recorded; each later one a minute after the last."""


def event(fact: Fact, number: int = 1, **attributes: Any) -> Event[Any]:
    """A stored fact as a fold sees it: id `f<number>`, recorded `number - 1` minutes after FIRST_AT."""
    wire = type(fact).wire()
    at = FIRST_AT + timedelta(minutes=number - 1)
    known = {
        "id": f"f{number}",
        "type": wire,
        "source": f"/properties/{COMPANY}/{wire.partition('.')[0]}",
        "subject": "stream",
        "time": at,
        "recordedat": at,
        "dataschema": schema_address(wire),
        "sequence": f"{number:010d}",
        "log": "test",
        "chainnumber": number,
        "previoushash": FIRST_HASH,
        "correlationid": f"c{number}",
        "commandid": f"c{number}",
        "commandtype": wire,
        "commanddigest": FIRST_HASH,
        "actor": "system-test",
        "door": "local",
        "doorsignature": "system",
    }
    values: dict[str, Any] = known | attributes | {"data": fact}
    return Event.model_construct(None, **values)


@dataclass(frozen=True)
class When:
    """What a decision answered, or how it rejected the request."""

    facts: Sequence[Fact]
    rejected: Rejected | None

    def then(self, *expected: Fact) -> None:
        """These facts and no others, in this order."""
        assert self.rejected is None, f"rejected: {self.rejected}"
        assert tuple(self.facts) == expected

    def then_one(self, kind: type[Fact], /, **fields: Any) -> Any:
        """Exactly one fact of that class with these fields; answers it for a closer look."""
        assert self.rejected is None, f"rejected: {self.rejected}"
        (fact,) = self.facts
        assert type(fact) is kind
        assert {name: getattr(fact, name) for name in fields} == fields
        return fact

    def then_rejects(self, code: str | type[Rejected] = Rejected) -> None:
        """Nothing is recorded; the rejection has this code."""
        if self.rejected is None:
            pytest.fail(f"not rejected, but answered {self.facts}")
        if isinstance(code, str):
            assert self.rejected.code == code


@dataclass(frozen=True)
class History(Generic[S]):
    """A state as its history left it."""

    state: S

    def when(self, decision: Callable[[S], Sequence[Fact]]) -> When:
        """Take the decision."""
        try:
            return When(decision(self.state), None)
        except Rejected as rejected:
            return When((), rejected)


@dataclass(frozen=True)
class Given(Generic[S]):
    """Histories of one noun: `given = Given(STAFF)`, then `given(fact, fact).when(…).then(…)`."""

    noun: Noun[S]

    def __call__(self, *history: Fact | Event[Any]) -> History[S]:
        """Fold facts, wrapped as events f1, f2…, or events as they are."""
        events = (one if isinstance(one, Event) else event(one, number) for number, one in enumerate(history, start=1))
        return History(self.noun.fold(events))
