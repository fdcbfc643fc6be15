"""The statement: a file that is known once, held where its balances do not follow, and taken in row by row (C16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.statement import (
    ImportStatement,
    OverrideStatement,
    StatementImported,
    StatementOverridden,
    StatementRow,
    StatementRowsTaken,
    TakenRow,
    is_known,
)

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Statement:
    """A statement and the rows of it that were taken in."""

    imported: StatementImported | None = None
    property_id: str = ""
    overridden: bool = False
    taken: Mapping[int, TakenRow] = ()  # type: ignore[assignment]

    @property
    def held(self) -> bool:
        """Whether it waits for a person."""
        return self.imported is not None and self.imported.held and not self.overridden


def take_in(
    request: ImportStatement, statement: Statement, property_id: str, ruling: Ruling | None
) -> list[StatementImported]:
    """Know a file; the same file again is nothing new. Raises Rejected where another property took it in."""
    if statement.imported is not None:
        if statement.property_id != property_id:
            raise Rejected("another property took this file in", code="statement_elsewhere", field="property",
                           value=property_id, rule=statement.property_id, remedy="name the property it belongs to")  # fmt: skip
        return []
    data = request.model_dump(exclude={"type"})
    return [StatementImported.model_validate(data | {"held": request.chain.state == "broken", "ruling": ruling})]


def override(
    request: OverrideStatement, statement: Statement, property_id: str, ruling: Ruling | None
) -> list[StatementOverridden]:
    """Take a held statement all the same; one that is not held needs nothing. Raises Rejected for an unknown one."""
    known = existing(statement, request.statement_id, property_id)
    if not statement.held:
        return []
    return [
        StatementOverridden(
            statement_id=request.statement_id, chain=known.chain, grounds=request.grounds, ruling=ruling
        )
    ]


def existing(statement: Statement, statement_id: str, property_id: str) -> StatementImported:
    """What is known of a statement. Raises Rejected where this property did not import it."""
    if statement.imported is None or statement.property_id != property_id:
        raise Rejected("this statement was not imported", code="no_such_statement", field="statement_id", value=statement_id,
                       rule="a statement that was announced with ImportStatement", remedy="import the file")  # fmt: skip
    return statement.imported


def told_apart(
    rows: Sequence[StatementRow], known: Mapping[str, Sequence[tuple[str, Decimal | None]]], statement_id: str
) -> list[tuple[StatementRow, str | None]]:
    """Each row with the statement that brought it before, or None for a new one.

    Args:
        rows: rows of one statement.
        known: by content, the statement and balance of every such row taken in so far.
        statement_id: the statement they are of; its own rows are no duplicates of one another.
    """
    found: list[tuple[StatementRow, str | None]] = []
    for row in rows:
        others = [pair for pair in known.get(row.key, ()) if pair[0] != statement_id]
        duplicate = is_known(row, [balance for _, balance in others])
        found.append((row, others[0][0] if duplicate else None))
    return found


def evolve(statement: Statement, event: Event[Any]) -> Statement:
    """Remember the file and which of its rows were taken in."""
    match event.data:
        case StatementImported():
            return Statement(event.data, event.property_id, taken={})
        case StatementOverridden():
            return replace(statement, overridden=True)
        case StatementRowsTaken():
            return replace(statement, taken={**statement.taken, **{one.row: one for one in event.data.rows}})
        case _:
            return statement


STATEMENT = Noun("statement", Statement(), evolve)
