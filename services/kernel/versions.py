"""Which version of each view its rows were folded with; another one in the code means that they are to be rebuilt.

What was rebuilt changes the mark of the log's head, which every writer reads first: an instance whose code has other versions
notices before it folds a fact into rows that are not its own.
"""

import sqlalchemy as sa
from eventsourcing.persistence import OperationalError

from services.kernel.ids import uuid7
from services.kernel.service import Put, Service, View
from services.kernel.store import Store
from services.kernel.tables import METADATA

VIEWS = sa.Table(
    "views",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
OUTDATED = 0
"""A row of the code's own version that is to be rebuilt all the same."""


class ViewVersionError(OperationalError):
    """The store's views were folded by other code than this; the message names them. Nothing is written meanwhile."""


def outdate(name: str) -> Put:
    """The change after which a view is rebuilt."""
    return Put(VIEWS, {"name": name, "version": OUTDATED})


def to_rebuild(service: Service, connection: sa.Connection) -> list[View]:
    """The views whose rows are of another version than the code's, of none, or marked."""
    stored = _stored(connection)
    return [view for view in service.views if stored.get(view.name) != view.version]


def check_versions(service: Service, connection: sa.Connection) -> None:
    """Let nobody fold into rows of another version. Raises ViewVersionError."""
    stored = _stored(connection)
    other = [view for view in service.views if stored.get(view.name) not in (view.version, OUTDATED)]
    if other:
        names = ", ".join(f"{view.name} (stored {stored.get(view.name)}, code {view.version})" for view in other)
        raise ViewVersionError(f"{service.name}: views of another version: {names}; they are rebuilt at its start")


def adopt(service: Service, store: Store, connection: sa.Connection) -> None:
    """An empty store's views are of the code's versions."""
    store.put(connection, VIEWS, [{"name": view.name, "version": view.version} for view in service.views])


def rebuilt(store: Store, connection: sa.Connection, views: list[View]) -> None:
    """Record versions in the transaction that swaps the rows, so that every writer looks again."""
    store.put(connection, VIEWS, [{"name": view.name, "version": view.version} for view in views])
    store.mark(connection, uuid7())


def _stored(connection: sa.Connection) -> dict[str, int]:
    return {row.name: row.version for row in connection.execute(sa.select(VIEWS))}
