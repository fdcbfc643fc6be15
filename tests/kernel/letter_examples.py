"""Makes the examples of the dead letters' messages: `python -m tests.kernel.letter_examples`. What has an example stays as it is."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bailiwick_contracts.dead_letter import TEMPLATE, of_service
from bailiwick_contracts.envelope import Actor, Command, Event, read_command
from bailiwick_contracts.message import Request

from services.kernel.doors import Door
from services.kernel.service import Unit
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests.contracts.examples import DOOR, keep_facts, keep_requests, keys_in
from tests.kernel.due import fire_due
from tests.kernel.test_dead_letters import Pair
from tests.kernel.toy import ECHO, POISON, GiveTokenBack, TokenTaken

LATE = "unbounded-late"


def on_token_taken(unit: Unit, event: Event[TokenTaken]) -> None:
    """Nothing comes of a token but a failure, while it is poison; one is asked for again in an hour."""
    holder = event.data.holder_id
    if holder in POISON:
        raise KeyError(holder)
    if holder == LATE:
        unit.set_timer(f"back-{holder}", unit.now + timedelta(hours=1), GiveTokenBack(holder_id=holder))


def fail(_: Unit, command: Command[GiveTokenBack]) -> None:
    """What is asked for in an hour always fails."""
    raise KeyError(command.data.holder_id)


async def play(directory: Path) -> list[str]:
    """Three letters: one mended, one forgone by two persons, one whose timer another decision set anew."""
    keys_in(directory)
    pair = Pair(f"sqlite:///{directory / 'toy.sqlite'}", directory)
    pair.echo.close()
    pair.store.close()
    pair.store = Store(f"sqlite:///{directory / 'service.sqlite'}", schema=TEMPLATE)
    nameless = replace(
        ECHO,
        name=TEMPLATE,
        publishes=(),
        views=(),
        reactions={TokenTaken: on_token_taken},
        timers={GiveTokenBack: fail},
    )
    pair.echo = Writer(nameless, pair.store, pair.toy.keys, clock=lambda: pair.toy.now)
    door, asked = Door(directory / "doors", DOOR), []
    letters = of_service(TEMPLATE)

    def ask(request: Request, by: str) -> None:
        asked.append(request)
        pair.toy.now += timedelta(minutes=20)
        body = door.sign(request, Actor(actor=by, authmethod="oidc"), "north-court", issued_at=pair.toy.now)
        pair.echo.process([read_command(body, type(request))])

    POISON.update({"unbounded-mended", "unbounded-forgone"})
    pair.take("mended", "forgone")
    await pair.give_up()
    mended, forgone = (row.fact_id for row in pair.parked())
    POISON.clear()
    asked.append(letters.listing(letter_id=forgone))
    ask(letters.retry(letter_id=mended, grounds="The clerk's table is mended."), "s-manager")
    await pair.work()
    ask(letters.propose_drop(letter_id=forgone, grounds="A trial booking; nothing follows from it."), "s-manager")
    ask(letters.confirm_drop(letter_id=forgone, grounds="Seen with the clerk."), "s-manager")
    ask(letters.confirm_drop(letter_id=forgone, grounds="Seen with the clerk."), "s-director")
    pair.take("late")
    for _ in range(5):
        pair.toy.now += timedelta(hours=1)
        fire_due(pair.echo, pair.store, pair.toy.now)
    pair.take("late")
    kept = keep_facts(fact.raw for fact in pair.store.chain("north-court", 0, 100) if "dead_letter" in fact.type)
    kept += keep_requests(asked)
    pair.close()
    return kept


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print("\n".join(asyncio.run(play(Path(made)))))  # noqa: T201 - what was written
