"""The system under faults on a cluster of three NATS servers: every stream has three copies, every part knows every node."""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client

from services.kernel.bus import connect
from tests.cluster import NODES, NatsCluster
from tests.crash.parts import PARTS
from tests.crash.system import System
from tests.kernel.toy import TakeToken


class Clustered(System):
    """One installation on three nodes."""

    servers = ()

    def __init__(self, directory: Path, database_url: str | None = None) -> None:
        super().__init__(directory, database_url)
        self.cluster = NatsCluster(directory / "cluster")
        # A reactor waits 6 seconds for an answer to its pull, so less than that would be no sign of anything.
        self.environment = {name: {"BAILIWICK_REPLICAS": "3", "BAILIWICK_PROGRESS_SECONDS": "20"} for name in PARTS}

    def __enter__(self) -> Self:
        self.cluster.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.cluster.__exit__(kind, error, trace)

    def _url(self, port: int) -> str:
        return self.cluster.url

    async def leader(self) -> str:
        """The node that leads the stream."""
        return await self.cluster.leader(stream_of("toy"))

    async def seconds_until_it_goes_on(self, healthy: list[str], within: float) -> float:
        """From now until a new command is answered, published and taken in by echo, asked through healthy nodes alone."""
        begun = time.monotonic()
        client = await connect(",".join(self.cluster.servers[name].url for name in healthy), "test")
        self.flows += 1
        command_id = f"since-{self.flows}"
        try:
            await self.until_answered(client, TakeToken(holder_id="unbounded"), command_id, "north-court", each=1)
            self.accepted.add(command_id)
            await self._until_taken_in(client, begun + within)
        finally:
            await client.close()
        seconds = time.monotonic() - begun
        assert seconds <= within, f"I8: it went on only after {seconds:.1f} s"
        return seconds

    async def _until_taken_in(self, client: Client, deadline: float) -> None:
        toy, echo = self.store("toy"), self.store("echo")
        try:
            wanted = toy.heads()["north-court"].number
            while time.monotonic() < deadline:
                with echo.reading() as connection:
                    taken = {s.partition(":")[2]: n for s, (n, _) in echo.tracked(connection).items()}
                if taken.get("north-court", 0) >= wanted:
                    return
                await asyncio.sleep(0.05)
        finally:
            toy.close()
            echo.close()
        raise AssertionError("I8: echo did not go on")

    def cpu_seconds(self) -> dict[str, float]:
        """What each part used so far, in the processes that run now."""
        used = {}
        for name in PARTS:
            times = psutil.Process(self.processes[name].pid).cpu_times()
            used[name] = times.user + times.system
        return used

    def others(self, *names: str) -> list[str]:
        """The nodes besides these."""
        return [name for name in NODES if name not in names]
