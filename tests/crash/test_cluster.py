"""Rows 8 to 10 of the fault matrix, on three NATS servers on loopback: each with commands flowing, every invariant afterwards."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.clustered import Clustered
from tests.crash.faults.cluster import ROWS, ClusterFault, leader_killed

COMMANDS = 24
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("cluster"),
]


async def holds(system: Clustered, name: str, fault: ClusterFault) -> None:
    """Commands flow, something happens to the cluster, it goes on meanwhile, and nothing is lost, doubled or shown wrong."""
    seed = os.environ.get("BAILIWICK_TEST_SEED", "20261124")
    chance = random.Random(f"{seed} {name}")
    await system.begin(chance)
    seconds: list[float] = []

    async def happening() -> None:
        seconds.append(await fault(system, chance))

    await system.flow(chance, COMMANDS, happening())
    await system.check()
    print(f"{name}: went on after {seconds[0]:.1f} s", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clustered]:
    """What one row leaves behind is part of the next."""
    with Clustered(tmp_path_factory.mktemp("clustered")) as made:
        yield made


@pytest.mark.crash
@pytest.mark.containers
@pytest.mark.parametrize("name", ROWS)
async def test_a_cluster_of_three_goes_on_and_nothing_is_lost_or_doubled(name: str, system: Clustered) -> None:
    await holds(system, name, ROWS[name])


async def test_the_leader_of_a_cluster_is_killed(tmp_path: Path) -> None:
    """A smoke of the rows above."""
    with Clustered(tmp_path / "clustered") as made:
        await holds(made, "8 leader killed", leader_killed)
