"""What a query of one property may see: its own facts and rows and the company's, whatever the handler asks for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event, RecordVersion
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.sealed import Sealed

from services.kernel.decision import Noun
from services.kernel.service import Reading

S = TypeVar("S")


class ScopedReading:
    """A `Reading` in which the records of other properties do not exist. A query of the company sees everything."""

    def __init__(self, reading: Any, property_id: str) -> None:
        """Narrow `reading` to one property."""
        self._reading: Reading = reading
        self._property = property_id
        self._everything = property_id == COMPANY
        self._records: dict[str, int] = {}
        self.keys = reading.keys
        self.now: datetime = reading.now

    @property
    def present(self) -> Reading:
        """Now, narrowed to the same property."""
        return ScopedReading(self._reading.present, self._property)

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Rows of the service's views. Tables with a `property_id` show the property's rows and the company's alone."""
        return self._reading.rows(statement if self._everything else _narrowed(statement, self._property))

    def state(self, noun: Noun[S], stream: str, *, until: datetime | int | None = None) -> S:
        """The state of a stream, from the facts that may be seen."""
        if isinstance(until, int):
            return self._reading.state(noun, stream, until=until) if self.history(stream) else noun.fold(())
        return noun.fold(self._seen(stream, until))

    def history(self, stream: str) -> list[Event[Any]]:
        """The facts of a stream that may be seen, oldest first."""
        return self._seen(stream, None)

    def _seen(self, stream: str, until: datetime | None) -> list[Event[Any]]:
        facts = self._reading.history(stream)
        if until is not None:
            facts = [fact for fact in facts if fact.recordedat <= until]
        seen = facts if self._everything else [f for f in facts if f.property_id in (self._property, COMPANY)]
        if seen:
            self._records[stream] = len(facts)
        return seen

    def positions(self, source: str) -> dict[str, int]:
        """How far the local copy of `source` reaches."""
        return self._reading.positions(source)

    def open(self, sealed: Sealed, event_id: str, path: str) -> str:
        """The plaintext of a sealed field."""
        return self._reading.open(sealed, event_id, path)

    def record(self) -> RecordVersion | None:
        """The one record that was read and its version; None where none or several were, or rows of views."""
        if len(self._records) != 1:
            return None
        ((stream, sequence),) = self._records.items()
        return RecordVersion(stream=stream, sequence=sequence) if sequence else None


def _narrowed(statement: sa.Select[Any], property_id: str) -> sa.Select[Any]:
    """With the property's condition for each table of the statement's own FROM; a subquery narrows for itself."""
    for source in statement.get_final_froms() if isinstance(statement, sa.Select) else ():
        for part in _tables_of(source):
            if "property_id" in part.c:
                column = part.c.property_id
                statement = statement.where(sa.or_(column.is_(None), column.in_((property_id, COMPANY))))
    return statement


def _tables_of(source: Any) -> Iterator[sa.FromClause]:
    if isinstance(source, sa.Join):
        yield from _tables_of(source.left)
        yield from _tables_of(source.right)
    elif isinstance(source, sa.Table | sa.Alias):
        yield source
