"""One guard taken away, then simulated histories until an invariant fails: `python -m tests.sim.unguarded GUARD SCHEDULES`.

Prints the invariant that failed and the plan, and ends with 0; ends with 1 where nothing noticed. It runs as a process of its
own, so that the guard is missing nowhere else.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import Actor, read_command, read_event

from services.kernel import store as store_module
from services.kernel import writer as writer_module
from services.kernel.batch import Batch
from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.store import Store
from services.kernel.tables import TRACKING
from services.kernel.writer import Writer
from tests.kernel.toy import LIMIT, TOKENS, TOY, TakeToken
from tests.sim import broker
from tests.sim.world import Plan, simulate


def expected_sequence() -> None:
    """The relay no longer says which sequence it expects to be the stream's last."""
    publish = broker.FakeClient.publish

    async def unfenced(
        self: Any, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        kept = {k: v for k, v in (headers or {}).items() if k != "Nats-Expected-Last-Sequence"}
        await publish(self, subject, payload, reply, kept)

    broker.FakeClient.publish = unfenced  # type: ignore[method-assign]


def tracking_row() -> None:
    """What was taken in is not remembered: whatever arrives is taken for what comes next."""
    take_in = writer_module.Writer._take_in

    def forgetful(self: Any, batch: Any, intake: Any) -> Any:
        first = read_event(intake.raws[0])
        batch.tracking[intake.source] = (first.chainnumber - 1, first.previoushash)
        return take_in(self, batch, intake)

    def unconditional(self: Any, connection: Any, source: str, position: int, link: str | None = None) -> None:
        connection.execute(sa.delete(TRACKING).where(TRACKING.c.source == source))
        connection.execute(sa.insert(TRACKING).values(source=source, position=position, hash=link))

    writer_module.Writer._take_in = forgetful  # type: ignore[method-assign]
    Store.track = unconditional  # type: ignore[method-assign]


def command_id() -> None:
    """A command that was answered before is decided again."""
    begin = Store.begin

    def forgetful(self: Any, connection: Any, command_ids: Any) -> Any:
        position, _ = begin(self, connection, command_ids)
        return position, {}

    Store.begin = forgetful  # type: ignore[method-assign]
    Store.keep_answers = lambda self, connection, answers: None  # type: ignore[method-assign]


def lock_before_deciding() -> None:
    """The writers' lock is taken with the first write, after the decision, instead of before it."""
    module: Any = store_module
    engine = module.sqlite_engine
    module.sqlite_engine = lambda url, begin: engine(url, "DEFERRED")


def two_writers_at_once() -> None:
    """Two instances on one database decide at the same time: each command is answered, and nobody gets more than the limit.

    The simulator runs its writers in line, so this guard needs threads and a real database.
    """
    begin = Batch.__init__

    def slowly(self: Any, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        time.sleep(0.003)

    Batch.__init__ = slowly  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        keys, door = KeyStore(directory / "keys"), Door(directory / "doors")
        stores = [Store(f"sqlite:///{directory / 'toy.sqlite'}", views=[TOKENS]) for _ in range(2)]
        writers = [Writer(TOY, store, keys) for store in stores]
        commands = [
            read_command(door.sign(TakeToken(holder_id="ann"), Actor(actor="boss"), "north-court"), TakeToken)
            for _ in range(40)
        ]
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda n: writers[n % 2].process([commands[n]])[0], range(len(commands))))
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        done = [answer for answer in answers if not isinstance(answer, Exception) and answer.outcome == "done"]
        for writer, store in zip(writers, stores, strict=True):
            writer.close()
            store.close()
    assert len(done) <= LIMIT, f"I5: {len(done)} tokens were given where {LIMIT} may be"
    assert not failed, f"I8: {len(failed)} of {len(answers)} commands were not answered though nothing was broken"


GUARDS: dict[str, Callable[[], None]] = {
    "expected-sequence": expected_sequence,
    "tracking-row": tracking_row,
    "command-id": command_id,
    "lock-before-deciding": lock_before_deciding,
}


def main(guard: str, schedules: int) -> int:
    """Take the guard away, unless it is `none`, and look for a history in which that shows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if guard != "none":
        GUARDS[guard]()
    try:
        if guard in ("lock-before-deciding", "none"):
            two_writers_at_once()
        for number in range(0 if guard == "lock-before-deciding" else schedules):
            simulate(Plan(number, drop=0.05, duplicate=0.1, reorder=0.1, commits_fail=0.2, crashes=3,
                          two_relays=True, two_writers=True))  # fmt: skip
    except AssertionError as error:
        print(f"{str(error)[:200]}")  # noqa: T201 - its answer
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
