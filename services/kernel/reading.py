"""What a query sees of a service's store."""

from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.sealed import Keys, Sealed, open_field
from bailiwick_contracts.stored import read_folded

from services.kernel.decision import Noun
from services.kernel.service import Service
from services.kernel.store import Store

S = TypeVar("S")


class QueryReading:
    """What a query sees (`services.kernel.service.Reading`): one consistent state, nothing locked."""

    def __init__(self, service: Service, store: Store, keys: Keys, connection: sa.Connection) -> None:
        """Read on an open connection."""
        self._service, self._store, self._connection = service, store, connection
        self.keys = keys
        self.now = datetime.now(UTC)

    @property
    def present(self) -> Self:
        """It reads what is there now."""
        return self

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views."""
        return list(self._connection.execute(statement).all())

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream, now or as of an instant or position."""
        facts = self._store.history(self._connection, stream)
        if until is None:
            return noun.fold(read_folded(raw, wire) for _, wire, raw in facts)
        events = ((position, read_folded(raw, wire)) for position, wire, raw in facts)
        return noun.fold(event for position, event in events if within(event, position, until))

    def history(self, stream: str, *, until: int | None = None) -> list[Event[Any]]:
        """The facts of a stream, oldest first, up to a position of the log where one is given."""
        facts = self._store.history(self._connection, stream)
        return [read_folded(raw, wire) for position, wire, raw in facts if until is None or position <= until]

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches."""
        return {n: position for n, (position, _) in self._store.tracked(self._connection, f"{source}-%").items()}

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field."""
        return open_field(sealed, event_id=event_id, path=path, keys=self.keys)


def within(event: Event[Any], position: int, until: datetime | int) -> bool:
    """Whether a fact at a position belongs to a state as of an instant or position."""
    return event.recordedat <= until if isinstance(until, datetime) else position <= until


def plain(value: Any) -> Any:
    """The same with plain text for names: those of SQLAlchemy's columns take a hundred times as long to be written as JSON."""
    if isinstance(value, dict):
        return {str(name) if isinstance(name, str) else name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
