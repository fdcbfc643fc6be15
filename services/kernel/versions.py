"""Which version of each view its rows were folded with; another one in the code means that they are to be rebuilt."""

import sqlalchemy as sa

from services.kernel.service import Put
from services.kernel.store import METADATA

VIEWS = sa.Table(
    "views",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
OUTDATED = 0


def outdate(name: str) -> Put:
    """The change after which a view is rebuilt."""
    return Put(VIEWS, {"name": name, "version": OUTDATED})
