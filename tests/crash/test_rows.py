"""A smoke of every row of the fault matrix, a few seconds each; `make crash` runs 200 rounds of them."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.rows import ROWS, Row
from tests.crash.system import System
from tests.servers import PostgresServer, database

COMMANDS = 12
SMOKES = [(row, kind) for kind in ("sqlite", "postgres") for row in ROWS if kind in row.smoke_on]

# Two systems side by side, for two cores.
PARAMETERS = [
    pytest.param(row, kind, id=f"{row.name}-{kind}", marks=pytest.mark.xdist_group(f"crash-rows-{number % 2}"))
    for number, (row, kind) in enumerate(SMOKES)
]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, System]]:
    """Started when first asked for, and used by every smoke until it is worn: what one row leaves behind is part of the next."""
    with ExitStack() as stack:
        yield _Started(tmp_path_factory, stack)


class _Started(dict[str, System]):
    def __init__(self, factory: pytest.TempPathFactory, stack: ExitStack) -> None:
        super().__init__()
        self._factory, self._stack = factory, stack

    def __missing__(self, kind: str) -> System:
        url, server = None, None
        if kind == "postgres":
            server = self._stack.enter_context(PostgresServer())
            url = self._stack.enter_context(database(server.url))
        directory: Path = self._factory.mktemp(kind)
        self[kind] = self._stack.enter_context(System(directory, url, server))
        return self[kind]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the client leaves sockets of broken lines
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("row", "kind"), PARAMETERS)
async def test_nothing_is_lost_doubled_or_shown_wrong_after(row: Row, kind: str, systems: dict[str, System]) -> None:
    system = systems[kind]
    chance = random.Random(f"smoke {row.name} {kind}")
    await system.begin(chance)
    await system.flow(chance, COMMANDS, row.fault(system, chance, False))
    await system.check()
    if system.worn:
        del systems[kind]
