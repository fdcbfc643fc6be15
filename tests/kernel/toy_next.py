"""The toy as its next release would be: a field and a fact that this one does not know, and a view of another version.

Imported only by processes that are started with `TOY_RELEASE=next`; to all others its new fact is a stranger.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Fact, Identifier

from services.kernel.service import Change, Put, Unit, View
from tests.kernel import toy
from tests.kernel.toy import TakeToken, TokenTaken


class TokenMarked(Fact):
    """Published beside each token that is taken or refused."""

    type: Literal["toy.token_marked.v1"] = "toy.token_marked.v1"
    command_id: Identifier


_tables = sa.MetaData()
TOKENS = sa.Table(
    "tokens",
    _tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("holder_id", sa.Text),
    sa.Column("count", sa.Integer),
    sa.Column("release", sa.Text),
)


def fold(event: Event[Any], _: bytes) -> Iterable[Change]:
    """As it was, with a column more."""
    if isinstance(event.data, TokenTaken):
        data = event.data
        yield Put(TOKENS, {"id": event.id, "holder_id": data.holder_id, "count": data.count, "release": "next"})


def on_take_token(unit: Unit, command: Command[TakeToken]) -> None:
    """As it was, and what came of it is marked."""
    toy.on_take_token(unit, command)
    unit.append(f"holder-{command.data.holder_id}", TokenMarked(command_id=command.commandid))


TOY = replace(
    toy.TOY,
    publishes=(*toy.TOY.publishes, TokenMarked),
    commands={TakeToken: on_take_token},
    views=(View("tokens", 2, "toy", (TOKENS,), fold),),
)
