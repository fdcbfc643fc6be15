"""The toy services as they are measured: with a command that appends many facts, each with its row in a view."""

from dataclasses import replace
from typing import Literal

from bailiwick_contracts.envelope import Command, Event, RowAnswer
from bailiwick_contracts.message import Request

from services.kernel.service import Outcome, Unit
from tests.kernel import toy


class TakeMany(Request):
    """A token for each of `count` holders, from number `first` on."""

    type: Literal["toy.take_many.v1"] = "toy.take_many.v1"
    first: int
    count: int


def on_take_many(unit: Unit, command: Command[TakeMany]) -> Outcome:
    """One fact per holder, decided on the holder's state like a single one."""
    asked = command.data
    streams = [f"holder-{number}" for number in range(asked.first, asked.first + asked.count)]
    unit.load(streams)
    for stream in streams:
        holder = unit.state(toy.HOLDER, stream)
        unit.append(stream, toy.TokenTaken(holder_id=stream, count=holder.count + 1))
    return Outcome(rows=tuple(RowAnswer(row=stream, outcome="done") for stream in streams))


TOY = replace(toy.TOY, commands={**toy.TOY.commands, TakeMany: on_take_many})


def on_token_taken(unit: Unit, event: Event[toy.TokenTaken]) -> None:
    """One fact for each taken in, without the toy's ways to fail."""
    unit.append(f"noted-{event.data.holder_id}", toy.TokenNoted(token_id=event.id, number=event.chainnumber))


ECHO = replace(toy.ECHO, reactions={toy.TokenTaken: on_token_taken})
