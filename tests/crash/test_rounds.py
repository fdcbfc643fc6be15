"""`make crash`: seeded rounds over every row of the fault matrix, on both databases, the invariants checked after each.

`BAILIWICK_TEST_SEED` repeats a run, `BAILIWICK_TEST_ROUNDS` says how many rounds there are in all, 200 by default.
"""

import os
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.rows import ROWS
from tests.crash.system import System
from tests.servers import PostgresServer, database

COMMANDS = 24
ROUNDS_OF_ONE_SYSTEM = 20


@pytest.mark.crash
@pytest.mark.timeout(3_000)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_rounds_over_every_row(kind: str, tmp_path: Path) -> None:
    rounds = int(os.environ.get("BAILIWICK_TEST_ROUNDS", "200")) // 2
    seed = os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32)))
    said = sys.__stderr__ or sys.stderr
    print(f"\nBAILIWICK_TEST_SEED={seed} {kind}: {rounds} rounds", file=said, flush=True)
    chance = random.Random(f"{seed} {kind}")
    rows = [row for row in ROWS if kind in row.databases]
    order: list[int] = []
    begun = time.monotonic()
    done = 0
    while done < rounds:
        with ExitStack() as stack:
            url, server = None, None
            if kind == "postgres":
                server = stack.enter_context(PostgresServer())
                url = stack.enter_context(database(server.url))
            system = stack.enter_context(System(tmp_path / f"from-{done}", url, server))
            await system.begin(chance)
            for _ in range(min(ROUNDS_OF_ONE_SYSTEM, rounds - done)):
                if not order:
                    order = chance.sample(range(len(rows)), len(rows))
                row = rows[order.pop()]
                done += 1
                print(f"{kind} {done}/{rounds} at {time.monotonic() - begun:.0f} s: {row.name}", file=said, flush=True)
                try:
                    await system.flow(chance, COMMANDS, row.fault(system, chance, True))
                    await system.check()
                except BaseException as error:
                    error.add_note(
                        f"round {done} of BAILIWICK_TEST_SEED={seed}, {kind}: {row.name}; {system.directory}"
                    )
                    raise
                if system.worn:
                    break
