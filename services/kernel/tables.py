"""The tables that every service has, whatever its views: the log, its chains, what was taken in, what was answered."""

import sqlalchemy as sa

METADATA = sa.MetaData()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FACTS = sa.Table(
    "facts",
    METADATA,
    sa.Column("position", BIG, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("property", sa.Text),
    sa.Column("number", sa.Integer),
    sa.Index("facts_by_stream", "stream", "version", unique=True),
    sa.Index("facts_by_chain", "property", "number", unique=True),
)
HEADS = sa.Table(
    "heads",
    METADATA,
    sa.Column("property", sa.Text, primary_key=True),
    sa.Column("number", BIG, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
TRACKING = sa.Table(
    "tracking",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("position", BIG, nullable=False),
    sa.Column("hash", sa.Text),
)
COMMANDS = sa.Table(
    "commands",
    METADATA,
    sa.Column("command_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)
SETTINGS = sa.Table(
    "settings", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
