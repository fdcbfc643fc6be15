"""What several changes of one row of a view come to."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from services.kernel.service import Add, Change, Put, Remove


def added(waiting: Change | None, change: Add) -> Change:
    """What two changes of one row come to, the second adding to it."""
    match waiting:
        case None:
            return change
        case Add():
            return Add(change.table, change.key, _sum(waiting.amounts, change.amounts))
        case Put():
            return Put(change.table, {**waiting.row, **_sum(waiting.row, change.amounts)})
        case Remove():
            return Put(change.table, {**change.key, **change.amounts})


def _sum(one: Mapping[str, Any], other: Mapping[str, int]) -> dict[str, Any]:
    return {**one, **{name: one.get(name, 0) + amount for name, amount in other.items()}}


@cache
def key_of(table: sa.Table) -> tuple[str, ...]:
    """The names of a table's primary key."""
    return tuple(column.name for column in table.primary_key.columns)
