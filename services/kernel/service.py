"""A service as the kernel sees it: what it takes, what it remembers, what it reacts to. Declared once, in its `app.py`."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from bailiwick_contracts.envelope import Command, Event, RowAnswer
from bailiwick_contracts.message import Fact, Message, Request
from bailiwick_contracts.sealed import Keys, Sealed
from nats.aio.client import Client
from sqlalchemy import Row, Select, Table

from services.kernel.decision import Noun

S = TypeVar("S")


@dataclass(frozen=True)
class Put:
    """Write one row of a view: inserted, or replacing the row of the same primary key. Every column is given."""

    table: Table
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Remove:
    """Take one row out of a view, by its primary key."""

    table: Table
    key: Mapping[str, Any]


@dataclass(frozen=True)
class Add:
    """Add to the whole numbers of one row of a view; a row that is not there begins at nothing. Every column is given.

    What a view counts or sums is thus kept without reading it. A row that is added to is never put.
    """

    table: Table
    key: Mapping[str, Any]
    amounts: Mapping[str, int]


Change = Put | Remove | Add


@dataclass(frozen=True)
class View:
    """A read model folded from the facts of one source, in the transaction that stores (or takes in) each fact.

    `source` is the service whose facts it folds: this one's own, or another's, of which it is then the local copy.
    `fold` is pure: the event and its stored bytes in, row changes out. A new `version` is rebuilt from the facts.
    """

    name: str
    version: int
    source: str
    tables: tuple[Table, ...]
    fold: Callable[[Event[Any], bytes], Iterable[Change]]


class Reading(Protocol):
    """What a query may do: read views and states, now or as of an instant or a position."""

    now: datetime

    def rows(self, statement: Select[Any]) -> list[Row[Any]]:
        """Rows of the service's views."""

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream; `until` an instant (as recorded) or a position of the service's log, inclusive."""

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream, oldest first."""

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches: `<log>:<property>` to the chain number taken in."""

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field. Raises SealingError, KeyErasedError."""

    keys: Keys

    @property
    def present(self) -> "Reading":
        """Now, whatever instant is looked at: for what is judged by who asks."""


class Unit(Reading, Protocol):
    """One command or one reaction inside the writer's transaction: the lock is held, so what it reads stays true."""

    command: Command[Any] | None
    cause: Event[Any] | None
    property_id: str

    def is_hidden(self, stream: str) -> bool:
        """Whether a stream is another property's than the one that is asked for."""

    def is_aside(self, stream: str) -> bool:
        """Whether a stream is none of the property's that is asked for, nor of anybody whom the command names."""

    def load(self, streams: Iterable[str]) -> None:
        """Read many streams in one query, so that `state` on each of them costs none."""

    def append(
        self,
        stream: str,
        *facts: Fact,
        property_id: str | None = None,
        occurred_at: datetime | None = None,
        importrow: int | None = None,
    ) -> list[Event[Any]]:
        """Add facts to the end of a stream; states and views read afterwards already show them.

        Everything that the command claims (actor, times, provenance) is copied into each fact. `property_id` is the
        chain that holds the fact, by default the command's.
        """

    def set_timer(self, timer_id: str, due_at: datetime, request: Request, *, property_id: str | None = None) -> None:
        """Have `request` decided here once `due_at` is reached; the same id again moves it.

        It is written with the unit's facts or not at all. The request's class is one of the service's `timers` and carries
        ids, no personal data. A handler that sets its own timer again sets it later than it was due.
        """

    def cancel_timer(self, timer_id: str) -> None:
        """Nothing is due under this id any more, if anything was."""


@dataclass(frozen=True)
class Outcome:
    """What a handler may say beyond the facts it appended: an answer per row, or a small result."""

    rows: tuple[RowAnswer, ...] = ()
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """A timer as facts ask for it: what `set_timer` was given, at the property of the fact that set it."""

    timer_id: str
    due_at: datetime
    request: Request
    set_by: frozenset[str]
    """The ids of the facts of which one was the last before it was set."""
    owed: bool = True
    """Whether its request would still record something: then it was never decided, however long ago it was due."""


CommandHandler = Callable[[Unit, Command[Any]], Outcome | None]
QueryHandler = Callable[[Reading, Command[Any]], Mapping[str, Any]]
ReactionHandler = Callable[[Unit, Event[Any]], None]
Asking = Callable[[Sequence[Event[Any]]], Iterable[Asked]]
"""The facts of one stream, oldest first, in; every timer that they ask for and that was not decided, out."""


@dataclass(frozen=True)
class Service:
    """Everything the kernel runs for one service."""

    name: str
    publishes: tuple[type[Fact], ...]
    """Every fact it may store."""
    commands: Mapping[type[Request], CommandHandler]
    queries: Mapping[type[Request], QueryHandler] = field(default_factory=dict)
    now_only: frozenset[type[Request]] = frozenset()
    """Queries that cannot be asked as of an instant, because they answer from more than facts and views of facts."""
    views: tuple[View, ...] = ()
    consumes: tuple[str, ...] = ()
    """The services whose events it takes in, in order, each exactly once."""
    reactions: Mapping[type[Fact], ReactionHandler] = field(default_factory=dict)
    """What to ask for here when a fact of a consumed service arrives; runs after the local copies took it in."""
    after_commit: Mapping[type[Fact], Callable[[Event[Any]], None]] = field(default_factory=dict)
    """Effects outside the database for a fact of its own; repeated at start for every such fact, so idempotent."""
    timers: Mapping[type[Request], CommandHandler] = field(default_factory=dict)
    """What only its own timers ask for. The actor is `system-<service>`, `occurredat` the instant it was due."""
    asks: Mapping[str, Asking] = field(default_factory=dict)
    """What the streams whose names begin so ask for, told from facts alone: what audit holds the due table against. A stream of
    another service is given with the facts of it that are reacted to. Every timer that is ever set is told by one of these."""
    touches: Mapping[type[Message], Callable[[Any], Iterable[str]]] = field(default_factory=dict)
    """The streams that a command (`Command`) or a fact taken in (`Event`) will be decided on, where that can be seen from
    itself: they are read for a whole batch in one query. Nothing depends on it but speed."""
    alongside: tuple[Callable[[Any, Client], Coroutine[Any, Any, None]], ...] = ()
    """What runs in the same process until it stops: each takes the `Runtime` and its connection to NATS."""
