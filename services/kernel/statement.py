"""What the store asks thousands of times a second, handed to the driver itself: SQLAlchemy's own share would be most of it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


def cursor_of(connection: sa.Connection) -> Any:
    """A cursor of the driver, inside the transaction that `connection` has begun; rows come as they are, not as text."""
    driver: Any = connection.connection.dbapi_connection
    return driver.cursor() if connection.dialect.name == "sqlite" else driver.cursor(binary=True)


@contextmanager
def by_itself(cursor: Any) -> Iterator[Any]:
    """Each statement is a transaction of its own, on PostgreSQL."""
    cursor.connection.autocommit = True
    try:
        yield cursor
    finally:
        cursor.connection.autocommit = False


class Statements:
    """Plain SQL for one database: `?` stands for a value, and lists are values too (`among`)."""

    def __init__(self, dialect: sa.Dialect) -> None:
        """Speak to the databases of `dialect`: SQLite or PostgreSQL."""
        self._dialect = dialect
        self._sqlite = dialect.name == "sqlite"
        self._tables: dict[sa.Table, Rows] = {}

    def sql(self, text: str) -> str:
        """The text with the placeholders of the driver."""
        return text if self._sqlite else text.replace("?", "%s")

    def among(self, column: str) -> str:
        """A condition that takes one value: the list that `listed` makes."""
        return f"{column} IN (SELECT value FROM json_each(?))" if self._sqlite else f"{column} = ANY(?)"

    def listed(self, values: Sequence[str]) -> Any:
        """A list as one value."""
        return json.dumps(list(values)) if self._sqlite else list(values)

    def rows(self, table: sa.Table) -> "Rows":
        """How rows of a table are written."""
        if table not in self._tables:
            self._tables[table] = Rows(table, self._dialect)
        return self._tables[table]


class Rows:
    """Rows of one table, written in one statement: `executemany` on SQLite, arrays unnested on PostgreSQL."""

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        """Compile for `table` once."""
        quote = dialect.identifier_preparer.quote
        self._sqlite = dialect.name == "sqlite"
        self._names = [column.name for column in table.columns]
        self._keys = [column.name for column in table.primary_key.columns]
        self._bind = {column.name: _bind_of(column, dialect) for column in table.columns}
        self._converted = [(index, bind) for index, name in enumerate(self._names) if (bind := self._bind[name])]
        names = ", ".join(map(quote, self._names))
        mark = "?" if self._sqlite else "%s"
        arrays = (f"%b::{column.type.compile(dialect)}[]" for column in table.columns)
        self._values = f"VALUES ({', '.join([mark] * len(self._names))})"
        self._arrays = f"SELECT * FROM unnest({', '.join(arrays)})"
        self._insert = f"INSERT INTO {quote(table.name)} ({names})"
        others = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in self._names if name not in self._keys)
        keys = ", ".join(map(quote, self._keys))
        self._upsert = f"ON CONFLICT ({keys}) DO {f'UPDATE SET {others}' if others else 'NOTHING'}"
        here = quote(table.name)
        sums = ", ".join(
            f"{c} = {here}.{c} + excluded.{c}" for n in self._names if n not in self._keys for c in (quote(n),)
        )
        self._add = f"ON CONFLICT ({keys}) DO UPDATE SET {sums}"
        self._delete = (
            f"DELETE FROM {quote(table.name)} WHERE {' AND '.join(f'{quote(name)} = {mark}' for name in self._keys)}"
        )

    def insert(self, cursor: Any, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows, each with a value for every column in order."""
        self._write(cursor, "", rows)

    def put(self, cursor: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, or replace those of the same primary key. No key may occur twice."""
        names = self._names
        self._write(cursor, self._upsert, [[row.get(name) for name in names] for row in rows])

    def add(self, cursor: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, or add their numbers to those of the same primary key. No key may occur twice."""
        self._write(cursor, self._add, [[row.get(name, 0) for name in self._names] for row in rows])

    def remove(self, cursor: Any, keys: Iterable[Mapping[str, Any]]) -> None:
        """Take rows out by primary key."""
        bind = self._bind
        cursor.executemany(self._delete, [[(bind[n] or _as_it_is)(key[n]) for n in self._keys] for key in keys])

    def _write(self, cursor: Any, conflict: str, rows: Iterable[Sequence[Any]]) -> None:
        if self._converted:
            changed = [list(row) for row in rows]
            for row in changed:
                for index, bind in self._converted:
                    row[index] = bind(row[index])
            rows = changed
        given = list(rows)
        if self._sqlite:
            cursor.executemany(f"{self._insert} {self._values} {conflict}", given)
        elif len(given) == 1:
            cursor.execute(f"{self._insert} {self._values} {conflict}", given[0])
        else:
            columns = [_array(column) for column in zip(*given, strict=True)]
            cursor.execute(f"{self._insert} {self._arrays} {conflict}", columns)


def _array(values: Sequence[Any]) -> Any:
    """The values of one column as an array; the driver finds no type in one of nothing but NULL."""
    return "{" + ",".join(["NULL"] * len(values)) + "}" if all(value is None for value in values) else list(values)


def _bind_of(column: sa.Column[Any], dialect: sa.Dialect) -> Any:
    """What turns a value of the column into one of the driver; None where it is one already."""
    if isinstance(column.type, sa.LargeBinary):
        return None
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _as_it_is(value: Any) -> Any:
    return value
