"""The statements of a store that run for each batch, written out once for its database."""

from services.kernel.statement import Statements


class Sql:
    """What a store asks and writes without the help of an expression language, for one database."""

    def __init__(self, statements: Statements) -> None:
        """In the dialect of `statements`."""
        sql, facts = statements.sql, "SELECT position, stream, version, type, raw, property, number FROM facts"
        self.head = sql("SELECT number, hash FROM heads WHERE property = ?")
        self.advance = sql(
            "INSERT INTO heads (property, number, hash) VALUES (?, ?, ?) "
            "ON CONFLICT (property) DO UPDATE SET number = excluded.number"
        )
        self.after = sql(f"{facts} WHERE position > ? ORDER BY position LIMIT ?")
        self.chain = sql(f"{facts} WHERE property = ? AND number > ? ORDER BY number LIMIT ?")
        self.stream = sql(f"{facts} WHERE stream = ? ORDER BY version")
        self.streams = sql(f"{facts} WHERE {statements.among('stream')} ORDER BY stream, version")
        self.history = sql("SELECT position, type, raw FROM facts WHERE stream = ? ORDER BY version")
        self.owner = sql("SELECT property FROM facts WHERE stream = ? AND version = 1")
        between = (
            "SELECT version, type, raw FROM facts WHERE stream = ? AND version > ? AND version <= ? ORDER BY version"
        )
        self.between, self.backwards = sql(f"{between} LIMIT ?"), sql(f"{between} DESC LIMIT ?")
        self.version = sql("SELECT max(version) FROM facts WHERE stream = ?")
        self.answered = sql(f"SELECT command_id, digest, answer FROM commands WHERE {statements.among('command_id')}")  # noqa: S608 - a list of marks, no value
        self.tracked = sql("SELECT source, position, hash FROM tracking WHERE source LIKE ?")
        self.track = sql(
            "INSERT INTO tracking (source, position, hash) VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE "
            "SET position = excluded.position, hash = excluded.hash WHERE tracking.position < excluded.position "
            "RETURNING position"
        )
        self.append = (
            "WITH head AS (INSERT INTO heads (property, number, hash) VALUES (%s, %s, %s) ON CONFLICT (property) "
            "DO UPDATE SET number = heads.number + excluded.number RETURNING number), added AS ("
            "INSERT INTO facts (position, stream, version, type, raw) "
            "SELECT head.number - %s + place, given.stream, given.version, given.type, given.raw FROM head, "
            "unnest(%b::text[], %b::int[], %b::text[], %b::bytea[]) WITH ORDINALITY AS given(stream, version, type, raw, place)"
            ") SELECT number FROM head"
        )
        """On PostgreSQL: facts are counted and added at once, in a transaction of its own. Whoever holds the writers' lock is
        waited for before the count, and the row of the count keeps others waiting until the commit."""
