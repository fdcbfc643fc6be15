"""What happens to a cluster: its leader dies, freezes or is cut off, a majority is lost, nodes are restarted one by one.

Each answers how long it took until a command was answered, published and taken in by another service, while the fault lasted.
"""

import asyncio
import random
import shutil
import time
from collections.abc import Awaitable, Callable

from tests.crash.clustered import Clustered

GOES_ON_SECONDS = 30
"""Promised are 15 seconds on a machine with nothing else to do."""
HEARD_SECONDS = 3
ClusterFault = Callable[[Clustered, random.Random], Awaitable[float]]


async def leader_killed(system: Clustered, chance: random.Random) -> float:
    leader = await system.leader()
    system.cluster.servers[leader].kill9()
    seconds = await system.seconds_until_it_goes_on(system.others(leader), GOES_ON_SECONDS)
    await asyncio.to_thread(system.cluster.servers[leader].start)
    return seconds


async def leader_paused(system: Clustered, chance: random.Random) -> float:
    leader = await system.leader()
    system.cluster.servers[leader].pause()
    try:
        return await system.seconds_until_it_goes_on(system.others(leader), GOES_ON_SECONDS)
    finally:
        system.cluster.servers[leader].resume()


async def leader_cut_off(system: Clustered, chance: random.Random) -> float:
    """Nothing passes between it and the others, either way; who is connected to it stays connected."""
    return await _without_lines(system, system.cluster.isolate, await system.leader())


async def follower_cut_off(system: Clustered, chance: random.Random) -> float:
    return await _without_lines(system, system.cluster.isolate, chance.choice(system.others(await system.leader())))


async def leader_deaf(system: Clustered, chance: random.Random) -> float:
    """It hears nobody, and the others hear it for as long as TCP sends without hearing that anything arrived."""
    leader = await system.leader()
    system.cluster.deafen(leader)
    await asyncio.sleep(HEARD_SECONDS)
    return await _without_lines(system, system.cluster.isolate, leader)


async def _without_lines(system: Clustered, cut: Callable[[str], None], name: str) -> float:
    cut(name)
    try:
        return await system.seconds_until_it_goes_on(system.others(name), GOES_ON_SECONDS)
    finally:
        system.cluster.heal()


async def restarted_one_by_one(system: Clustered, chance: random.Random) -> float:
    """An upgrade of the servers: each in turn, as soon as the last one is back."""
    longest = 0.0
    for name in chance.sample(list(system.cluster.servers), 3):
        await asyncio.to_thread(system.cluster.servers[name].stop)
        longest = max(longest, await system.seconds_until_it_goes_on(system.others(name), GOES_ON_SECONDS))
        await asyncio.to_thread(system.cluster.servers[name].start)
        await system.leader()
    return longest


async def majority_lost(system: Clustered, chance: random.Random) -> float:
    """Two of three are down: nothing is published, everyone waits without heating the machine, and goes on afterwards."""
    down = chance.sample(list(system.cluster.servers), 2)
    for name in down:
        system.cluster.servers[name].kill9()
    await asyncio.sleep(5)
    before, begun = system.cpu_seconds(), time.monotonic()
    await asyncio.sleep(15)
    elapsed = time.monotonic() - begun
    shares = {name: (used - before[name]) / elapsed for name, used in system.cpu_seconds().items()}
    assert max(shares.values()) < 0.05, f"I8: busy without a majority: {shares}"
    for name in down:
        await asyncio.to_thread(system.cluster.servers[name].start)
    return await system.seconds_until_it_goes_on(list(system.cluster.servers), GOES_ON_SECONDS)


async def power_lost_by_one(system: Clustered, chance: random.Random) -> float:
    """A node comes back with an older copy of everything it had stored; the others bring it up to date."""
    name = chance.choice(system.others(await system.leader()))
    await asyncio.to_thread(_put_back_older, system, [name])
    return await system.seconds_until_it_goes_on(list(system.cluster.servers), GOES_ON_SECONDS)


async def power_lost_by_all(system: Clustered, chance: random.Random) -> float:
    """Every node comes back with an older copy: what was published since is published again from the store."""
    await asyncio.to_thread(_put_back_older, system, list(system.cluster.servers))
    return await system.seconds_until_it_goes_on(list(system.cluster.servers), 2 * GOES_ON_SECONDS)


def _put_back_older(system: Clustered, names: list[str]) -> None:
    servers = [system.cluster.servers[name] for name in names]
    for server in servers:
        server.kill9()
        shutil.copytree(server.store_dir / "jetstream", server.store_dir / "older")
    for server in servers:
        server.start()
    time.sleep(6)
    for server in servers:
        server.kill9()
        shutil.rmtree(server.store_dir / "jetstream")
        (server.store_dir / "older").rename(server.store_dir / "jetstream")
    for server in servers:
        server.start()


ROWS: dict[str, ClusterFault] = {
    "8 leader killed": leader_killed,
    "8 leader paused": leader_paused,
    "8 restarted one by one": restarted_one_by_one,
    "9 leader cut off": leader_cut_off,
    "9 follower cut off": follower_cut_off,
    "9 leader deaf": leader_deaf,
    "10 majority lost": majority_lost,
    "11 power lost by one node": power_lost_by_one,
    "11 power lost by all nodes": power_lost_by_all,
}
