"""Are a view's rows what its facts fold to? Folds them anew beside the ones in use, names each row that differs, and swaps nothing."""

import contextlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from services.kernel.rebuild import SHADOW, Rebuild, RebuildError

NAMED_LIMIT = 200


@dataclass(frozen=True)
class RowDifference:
    """One row of a view that its facts do not account for.

    `missing`: the facts make it and the table lacks it; `extra`: the table has it and no fact makes it; `altered`: the columns
    named hold something else.
    """

    table: str
    kind: str
    key: dict[str, Any]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """What a comparison came to."""

    views: tuple[str, ...]
    facts: int
    rows: int
    differences: tuple[RowDifference, ...]
    not_named: int = 0


class Comparison(Rebuild):
    """One comparison of views that belong together; commands wait while the rows are compared."""

    def compare(self) -> Compared:
        """Fold everything, then compare.

        Raises:
            RebuildError: a fold failed on a fact, a rebuild of the same views began, or a source does not answer.
            PersistenceError: the database failed.
        """
        self._begin()
        try:
            while self._missing(reached := self._reached()):
                self._fold(reached, self._in_transaction)
            with self._store.transaction() as connection:
                self._check_mine(connection)
                self._fold(self._reached_in(connection), lambda page: self._write(connection, page))
                return self._judged(connection)
        finally:
            # Where another one began, the tables are its own.
            with contextlib.suppress(RebuildError):
                self._take_out(SHADOW)

    def _judged(self, connection: sa.Connection) -> Compared:
        found: list[RowDifference] = []
        rows = 0
        for table, shadow in self._shadow.items():
            names = [column.name for column in table.primary_key.columns]
            used = _differing(connection, table, shadow, names)
            meant = _differing(connection, shadow, table, names)
            rows += int(connection.execute(sa.select(sa.func.count()).select_from(shadow)).scalar_one())
            for key in sorted({*used, *meant}, key=str):
                shown = dict(zip(names, key, strict=True))
                if key not in used:
                    found.append(RowDifference(table.name, "missing", shown))
                elif key not in meant:
                    found.append(RowDifference(table.name, "extra", shown))
                else:
                    columns = tuple(name for name in used[key] if used[key][name] != meant[key][name])
                    found.append(RowDifference(table.name, "altered", shown, columns))
        named = tuple(view.name for view in self._views)
        return Compared(named, self.facts, rows, tuple(found[:NAMED_LIMIT]), max(0, len(found) - NAMED_LIMIT))


def _differing(
    connection: sa.Connection, one: sa.Table, other: sa.Table, names: list[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of one table that the other has not, by primary key."""
    rows = connection.execute(sa.except_(sa.select(*one.c), sa.select(*other.c)))
    shown = [dict(zip((column.name for column in one.c), row, strict=True)) for row in rows]
    return {tuple(row[name] for name in names): row for row in shown}
