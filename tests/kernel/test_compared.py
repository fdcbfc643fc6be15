"""A view held against its facts on either database: nothing is found in an untouched one, and each touched row is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.kernel.compared import Compared, Comparison
from services.kernel.rebuild import together
from tests.kernel.test_rebuild import fill, no_feed, rows
from tests.kernel.test_writer import Bench
from tests.kernel.toy import TOKENS, TOY


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def compared(bench: Bench) -> Compared:
    return Comparison(TOY, bench.store, together(TOY, "tokens"), no_feed).compare()


def test_each_touched_row_is_named_and_the_view_in_use_is_left_as_it_is(bench: Bench) -> None:
    fill(bench, 1_200)
    found = compared(bench)
    assert (found.views, found.facts, found.rows, found.differences) == (("tokens",), 1_200, 1_200, ())
    first, second = (row[0] for row in rows(bench.store, TOKENS)[:2])
    with bench.store.transaction() as connection:
        connection.execute(sa.update(TOKENS).where(TOKENS.c[0] == first).values(count=99))
        connection.execute(sa.delete(TOKENS).where(TOKENS.c[0] == second))
    key = next(iter(TOKENS.primary_key.columns)).name
    touched = rows(bench.store, TOKENS)
    named = {(d.kind, d.key[key], d.columns) for d in compared(bench).differences}
    assert named == {("altered", first, ("count",)), ("missing", second, ())}
    assert rows(bench.store, TOKENS) == touched
    with bench.store.reading() as connection:
        assert not [name for name in sa.inspect(connection).get_table_names() if name.endswith("__new")]
