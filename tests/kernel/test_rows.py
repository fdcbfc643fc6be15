"""Rows of views reach the database as they were given, many at once and one alone, on both databases."""

from datetime import date
from typing import Any

import sqlalchemy as sa

from services.kernel.store import Store

_META = sa.MetaData()
KEPT = sa.Table(
    "kept",
    _META,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("count", sa.Integer),
    sa.Column("total", sa.BigInteger),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("order", sa.Text),
    sa.Column("is_open", sa.Boolean),
)
DAY = date(2026, 3, 2)


def row(name: str, **more: Any) -> dict[str, Any]:
    empty = {"count": None, "total": None, "raw": None, "order": None, "is_open": None}
    return {"id": name, "day": DAY} | empty | more


def kept(store: Store) -> list[Any]:
    with store.reading() as connection:
        return [tuple(found) for found in connection.execute(sa.select(KEPT).order_by(KEPT.c.id))]


def test_many_rows_and_one_row_are_written_alike(database_url: str) -> None:
    store = Store(database_url, schema="rows", views=[KEPT])
    full = {"count": 3, "total": 2**40, "raw": b"\x00\xff", "order": '{a,"b"} 樣本', "is_open": True}
    with store.transaction() as connection:
        store.put(connection, KEPT, [row("a"), row("b")])
        store.put(connection, KEPT, [row("c", **full)])
        store.put(connection, KEPT, [row("b", **full), row("d", count=1)])
    values = tuple(full.values())
    nothing = (None,) * 5
    assert kept(store) == [
        ("a", DAY, *nothing), ("b", DAY, *values), ("c", DAY, *values), ("d", DAY, 1, None, None, None, None),
    ]  # fmt: skip
    with store.transaction() as connection:
        store.remove(connection, KEPT, [{"id": "a", "day": DAY}, {"id": "d", "day": DAY}])
    assert [one[0] for one in kept(store)] == ["b", "c"]
    store.close()
