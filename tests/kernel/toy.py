"""A domain of two messages, so that the kernel is tested without a word of the real one."""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command, Event
from bailiwick_contracts.message import Fact, Identifier, Instant, Refusal, Request
from bailiwick_contracts.sealed import Personal

from services.kernel.decision import Noun, Rejected
from services.kernel.service import Change, Put, Reading, Service, Unit, View

LIMIT = 3
NEXT = os.environ.get("TOY_RELEASE") == "next"
"""Whether this process is of the next release (`tests.kernel.toy_next`), whose facts have a field more."""


class GiveTokenBack(Request):
    """What only a timer asks for."""

    type: Literal["toy.give_token_back.v1"] = "toy.give_token_back.v1"
    holder_id: Identifier
    fail: Literal["reject", "crash", "database"] | None = None
    again_at: Instant | None = None


class TakeToken(Request):
    type: Literal["toy.take_token.v1"] = "toy.take_token.v1"
    holder_id: Identifier
    note: str | None = None
    back_at: Instant | None = None
    """When it is due back."""
    back: GiveTokenBack | None = None
    """What is asked for then, unless simply that it be given back."""
    keep: bool = False
    """Whether what was due back is not any more."""
    fail: Literal["reject", "crash"] | None = None
    swollen: int = 1
    """How many times its note is stored."""


class TokenTaken(Fact):
    type: Literal["toy.token_taken.v1"] = "toy.token_taken.v1"
    holder_id: Identifier
    count: int
    note: Personal | None = None
    if NEXT:
        mark: str | None = None


class TokenRefused(Refusal):
    type: Literal["toy.token_refused.v1"] = "toy.token_refused.v1"
    holder_id: Identifier
    count: int


class TokenNoted(Fact):
    type: Literal["echo.token_noted.v1"] = "echo.token_noted.v1"
    token_id: Identifier
    number: int


class TokenGivenBack(Fact):
    type: Literal["toy.token_given_back.v1"] = "toy.token_given_back.v1"
    holder_id: Identifier


class CountTokens(Request):
    type: Literal["toy.count_tokens.v1"] = "toy.count_tokens.v1"
    holder_id: Identifier


@dataclass(frozen=True)
class Holder:
    count: int = 0


def evolve(holder: Holder, event: Event[Any]) -> Holder:
    if isinstance(event.data, TokenGivenBack):
        return Holder(holder.count - 1)
    return Holder(holder.count + 1) if isinstance(event.data, TokenTaken) else holder


HOLDER = Noun("holder", Holder(), evolve)
_tables = sa.MetaData()
TOKENS = sa.Table(
    "tokens",
    _tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("holder_id", sa.Text),
    sa.Column("count", sa.Integer),
)
NOTED = sa.Table("noted", _tables, sa.Column("id", sa.Text, primary_key=True), sa.Column("number", sa.Integer))


def fold(event: Event[Any], _: bytes) -> Iterable[Change]:
    if isinstance(event.data, TokenTaken):
        yield Put(TOKENS, {"id": event.id, "holder_id": event.data.holder_id, "count": event.data.count})


def on_take_token(unit: Unit, command: Command[TakeToken]) -> None:
    asked = command.data
    stream = f"holder-{asked.holder_id}"
    holder = unit.state(HOLDER, stream)
    if command.actor == asked.holder_id:
        unit.append(stream, TokenRefused(reason="own_request", holder_id=asked.holder_id, count=holder.count))
        return
    if holder.count >= LIMIT and not asked.holder_id.startswith("unbounded"):
        unit.append(stream, TokenRefused(reason="limit", holder_id=asked.holder_id, count=holder.count))
        return
    note = Personal.of(asked.holder_id, asked.note * asked.swollen) if asked.note else None
    unit.append(stream, TokenTaken(holder_id=asked.holder_id, count=holder.count + 1, note=note))
    if asked.back_at is not None:
        unit.set_timer(f"back-{asked.holder_id}", asked.back_at, asked.back or GiveTokenBack(holder_id=asked.holder_id))
    if asked.keep:
        unit.cancel_timer(f"back-{asked.holder_id}")
    if asked.fail == "reject":
        assert len(unit.rows(sa.select(TOKENS).where(TOKENS.c.holder_id == asked.holder_id))) == holder.count + 1
        raise Rejected("asked to be rejected", field="fail", value=asked.fail)
    if asked.fail == "crash":
        raise RuntimeError("asked to crash")


def on_give_token_back(unit: Unit, command: Command[GiveTokenBack]) -> None:
    asked = command.data
    stream = f"holder-{asked.holder_id}"
    if asked.again_at is not None:
        unit.set_timer(f"back-{asked.holder_id}", asked.again_at, GiveTokenBack(holder_id=asked.holder_id))
    if unit.state(HOLDER, stream).count:
        unit.append(stream, TokenGivenBack(holder_id=asked.holder_id))
    if asked.fail == "reject":
        raise Rejected("asked to be rejected", field="fail", value=asked.fail)
    if asked.fail == "crash":
        raise RuntimeError("asked to crash")
    if asked.fail == "database":
        unit.rows(sa.select(sa.literal_column("no_such_column")).select_from(TOKENS))


def on_count_tokens(reading: Reading, command: Command[CountTokens]) -> dict[str, int]:
    rows = reading.rows(sa.select(TOKENS).where(TOKENS.c.holder_id == command.data.holder_id))
    return {"tokens": len(rows)}


TOY = Service(
    "toy",
    publishes=(TokenTaken, TokenRefused, TokenGivenBack),
    commands={TakeToken: on_take_token},
    timers={GiveTokenBack: on_give_token_back},
    queries={CountTokens: on_count_tokens},
    views=(View("tokens", 1, "toy", (TOKENS,), fold),),
    touches={TakeToken: lambda command: (f"holder-{command.data.holder_id}",)},
)


POISON: set[str] = set()
"""Holders on whose tokens echo's handlers fail: `<holder>` the reaction, `copy-<holder>` the copy, `row-…` its row, `database-…` the
database, `disk-…` the disk."""
TOO_MUCH = 2**70
"""A number that no database keeps."""


def note(event: Event[Any], _: bytes) -> Iterable[Change]:
    if f"copy-{getattr(event.data, 'holder_id', '')}" in POISON:
        raise KeyError("asked to fail in the copy")
    refused = f"row-{getattr(event.data, 'holder_id', '')}" in POISON
    yield Put(NOTED, {"id": event.id, "number": TOO_MUCH if refused else event.chainnumber})


def _poisoned(holder_id: str) -> bool:
    """Poison of this process, or of a file that a test shares with a process of its own."""
    shared = Path(os.environ.get("TOY_POISON", "/nonexistent"))
    return holder_id in POISON or (shared.exists() and holder_id in shared.read_text().split())


def on_token_taken(unit: Unit, event: Event[TokenTaken]) -> None:
    if f"database-{event.data.holder_id}" in POISON:
        unit.rows(sa.select(sa.literal_column("no_such_column")).select_from(NOTED))
    if f"disk-{event.data.holder_id}" in POISON:
        raise OSError(errno.ENOSPC, "No space left on device")
    if _poisoned(event.data.holder_id):
        raise RuntimeError(f"poison: {event.data.holder_id}")
    unit.append(f"noted-{event.data.holder_id}", TokenNoted(token_id=event.id, number=event.chainnumber))


ECHO = Service(
    "echo",
    publishes=(TokenNoted,),
    commands={},
    consumes=("toy",),
    views=(View("noted", 1, "toy", (NOTED,), note),),
    reactions={TokenTaken: on_token_taken},
    touches={TokenTaken: lambda event: (f"noted-{event.data.holder_id}",)},
)
