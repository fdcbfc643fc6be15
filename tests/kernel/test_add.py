"""Adding to a row of a view: what is counted stays right through batches, rollbacks and restarts, on both databases."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, Event, read_command

from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.service import Add, Change, View
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests.kernel.toy import TOKENS, TOY, TakeToken, TokenTaken

SUMS = sa.Table(
    "sums",
    sa.MetaData(),
    sa.Column("holder_id", sa.Text, primary_key=True),
    sa.Column("taken", sa.BigInteger, nullable=False),
    sa.Column("counts", sa.BigInteger, nullable=False),
)


def _count(event: Event[Any], _: bytes) -> Iterable[Change]:
    if isinstance(event.data, TokenTaken):
        yield Add(SUMS, {"holder_id": event.data.holder_id}, {"taken": 1, "counts": event.data.count})


COUNTING = replace(TOY, views=(*TOY.views, View("sums", 1, "toy", (SUMS,), _count)))


def test_amounts_add_up_within_a_batch_and_over_batches_and_a_rejected_command_adds_nothing(
    database_url: str, tmp_path: Path
) -> None:
    keys, door = KeyStore(tmp_path / "keys"), Door(tmp_path / "doors")
    store = Store(database_url, schema="toy", views=[TOKENS, SUMS])
    writer = Writer(COUNTING, store, keys, clock=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))

    def take(holder: str, fail: Any = None) -> Any:
        signed = door.sign(TakeToken(holder_id=holder, fail=fail), Actor(actor="boss"), "north-court")
        return read_command(signed, TakeToken)

    outcomes = [one.outcome for one in writer.process([take("ann"), take("ann"), take("ann", "reject"), take("ben")])]
    assert outcomes == ["done", "done", "rejected", "done"]
    assert writer.process([take("ann")])[0].outcome == "done"
    with store.reading() as connection:
        found = {row.holder_id: (row.taken, row.counts) for row in connection.execute(sa.select(SUMS))}
    assert found == {"ann": (3, 1 + 2 + 3), "ben": (1, 1)}
    writer.close()
    store.close()
