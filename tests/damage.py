"""A database file whose disk did not keep what was written to it."""

import contextlib
import sqlite3
from pathlib import Path


def damage(file: Path, table: str) -> None:
    """Write rubbish over the first page of a table."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xee" * size)
