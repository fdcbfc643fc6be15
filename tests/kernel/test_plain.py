"""What a query found is written with plain names, whatever the database's library calls its columns by."""

from datetime import date

import sqlalchemy as sa
from pydantic_core import to_json

from services.kernel.reading import plain
from tests.kernel.toy import TOKENS


def test_a_row_of_a_view_is_answered_under_plain_names() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        TOKENS.create(connection)
        connection.execute(sa.insert(TOKENS).values(id="t1", holder_id="ann", count=2))
        rows = [row._asdict() for row in connection.execute(sa.select(TOKENS))]
    found = {"tokens": rows, "on": date(2026, 3, 2), "seen": ("t1",), 7: None}
    answer = plain(found)
    assert answer == found
    assert to_json(answer) == to_json(found)
    assert type(next(iter(rows[0]))) is not str
    assert {type(name) for name in answer["tokens"][0]} == {str}
