"""What services answer from is what their facts fold to: a row changed by hand is named by view, table and key."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.staff import ExternalId, MapExternalId

from services.audit.views import CHAINS, CHECKPOINTS, LEDGER, MENTIONS
from services.kernel.compared import Compared, Comparison
from services.kernel.rebuild import together
from services.registry.views import EXTERNAL, POSITIONS
from tests.audit.office import MONDAY, Office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("views"))
    made.set_up()
    badge = ExternalId(system="door", property_id="north-court", external_id="badge-7")
    made._setup(MapExternalId(staff_id="s-1", external=badge))
    made.roster(MONDAY)
    for number in range(1, 7):
        made.punch(f"s-{number}", MONDAY, late_seconds=300)
    made.close_day(MONDAY)
    made.penalise("p-1", "s-1", MONDAY)
    yield made
    made.close()


def compared(office: Office, name: str) -> list[Compared]:
    part = office.parts[name]

    def feed(service: str, property_id: str, after: int) -> Sequence[bytes]:
        return [fact.raw for fact in office.parts[service].store.chain(property_id, after, 500)]

    found, seen = [], set[str]()
    for view in part.service.views:
        if view.name not in seen and (view.source in office.parts):
            group = together(part.service, view.name)
            seen.update(one.name for one in group)
            found.append(Comparison(part.service, part.store, group, feed).compare())
    return found


def by_hand(office: Office, name: str, statement: sa.Executable) -> None:
    with office.parts[name].store.transaction() as connection:
        connection.execute(statement)


def test_untouched_views_hold_and_leave_nothing_behind(office: Office) -> None:
    for name in ("registry", "attendance", "audit"):
        for one in compared(office, name):
            assert one.differences == (), (name, one.views)
    with office.parts["audit"].store.reading() as connection:
        assert not [table for table in sa.inspect(connection).get_table_names() if table.endswith("__new")]
    assert sum(one.rows for one in compared(office, "audit")) > 100


TOUCHED: dict[str, tuple[str, sa.Table, str]] = {
    "a pseudonym that another system's id means": ("registry", EXTERNAL, "staff_id"),
    "a position": ("registry", POSITIONS, "position"),
    "the type of a fact in the ledger": ("audit", LEDGER, "type"),
    "the bytes of a fact in the ledger": ("audit", LEDGER, "raw"),
    "the hash of a fact in the ledger": ("audit", LEDGER, "hash"),
    "who a fact names": ("audit", MENTIONS, "fields"),
    "where a chain stands": ("audit", CHAINS, "hash"),
}


@pytest.mark.parametrize("what", TOUCHED)
def test_an_altered_a_lost_and_an_added_row_is_each_named_by_its_key(office: Office, what: str) -> None:
    name, table, column = TOUCHED[what]
    chance = random.Random(what)
    with office.parts[name].store.reading() as connection:
        rows = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    row = chance.choice(rows)
    keys = [one.name for one in table.primary_key.columns]
    key = {one: row[one] for one in keys}
    where = sa.and_(*(table.c[one] == value for one, value in key.items()))
    other: Any = b"{}" if column == "raw" else "s-forger"
    added = row | {keys[0]: "forged"}
    for deed, kind, named, columns in (
        (sa.update(table).where(where).values(**{column: other}), "altered", key, (column,)),
        (sa.delete(table).where(where), "missing", key, ()),
        (sa.insert(table).values(**added), "extra", {one: added[one] for one in keys}, ()),
    ):
        by_hand(office, name, deed)
        found = [d for one in compared(office, name) for d in one.differences]
        assert [(d.table, d.kind, d.key, d.columns) for d in found] == [(table.name, kind, named, columns)]
        by_hand(office, name, sa.delete(table))
        by_hand(office, name, sa.insert(table).values(rows))


def test_a_checkpoint_on_record_that_no_fact_put_there_is_named(office: Office) -> None:
    forged = {"property_id": "north-court", "size": 9, "origin": "x", "root": "r", "note": "n", "recordedat": "2026"}
    by_hand(office, "audit", sa.insert(CHECKPOINTS).values(**forged))
    found = [d for one in compared(office, "audit") for d in one.differences]
    assert [(d.table, d.kind) for d in found] == [("checkpoints", "extra")]
    by_hand(office, "audit", sa.delete(CHECKPOINTS))
