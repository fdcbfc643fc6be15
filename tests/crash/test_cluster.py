"""Rows 8 to 10 of the fault matrix, on three NATS servers on loopback: each with commands flowing, every invariant afterwards."""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client

from services.kernel.bus import connect, provision
from services.kernel.moving import Moving
from tests.cluster import NatsCluster
from tests.crash.clustered import Clustered
from tests.crash.faults.cluster import ROWS, ClusterFault, leader_killed
from tests.servers import forget_broken_lines

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


async def connected_at(cluster: NatsCluster, name: str) -> Client:
    """A connection that knows every node, and is at this one."""
    client = await connect(cluster.url, name)
    async with asyncio.timeout(20):
        while node_of(cluster, client) != name:
            await client.force_reconnect()
            await asyncio.sleep(0.2)
    return client


def node_of(cluster: NatsCluster, client: Client) -> str | None:
    at = client.connected_url
    return next((name for name, one in cluster.servers.items() if at is not None and one.url.endswith(at.netloc)), None)


async def test_each_connection_of_a_service_leaves_a_node_that_is_cut_off(tmp_path: Path) -> None:
    """Two that were made to move together may end on different nodes: the one beside the majority tells nothing of the other."""
    with NatsCluster(tmp_path / "cluster") as cluster:
        client = await connect(cluster.url, "test")
        await provision(client.jetstream(timeout=10), "toy", (), replicas=3)
        leader = await cluster.leader(stream_of("toy"))
        follower = next(name for name in cluster.servers if name != leader)
        beside, apart = await connected_at(cluster, leader), await connected_at(cluster, follower)
        moving = Moving("toy", lambda: (beside, apart))
        running = asyncio.create_task(moving.run())
        cluster.isolate(follower)
        try:
            async with asyncio.timeout(30):
                while node_of(cluster, apart) in (follower, None):  # noqa: ASYNC110 - it tells nobody that it moved
                    await asyncio.sleep(0.1)
            assert (node_of(cluster, beside), moving.moves) == (leader, 1)
        finally:
            cluster.heal()
            running.cancel()
            for one in (client, beside, apart):
                await one.close()
    forget_broken_lines()
