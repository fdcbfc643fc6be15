"""Three NATS servers that are one cluster, as processes on loopback; the lines between them can fall silent, each way apart."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
from nats.js.api import StorageType

from services.run.nats import free_port
from tests.launching import ServerError
from tests.servers import NatsServer

NODES = ("one", "two", "three")
QUORUM_SECONDS = 30
Way = tuple[str, str]
"""From one node to another."""


class Lines:
    """What the routes of a cluster run through: a silent way carries nothing and breaks nothing, as a cut cable would."""

    def __init__(self) -> None:
        """A thread of its own carries the bytes."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._open: dict[Way, asyncio.Event] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine answers, run on the loop of the lines."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def lay(self, way: Way, to: int) -> int:
        """The port at which the first node of `way` reaches the second, whose routes come in at port `to`."""

        async def laid() -> int:
            for each in (way, way[::-1]):
                self._open.setdefault(each, asyncio.Event()).set()

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._carrying.add(task)
                task.add_done_callback(self._carrying.discard)
                await self._open[way].wait()
                try:
                    onward_reader, onward = await asyncio.open_connection("127.0.0.1", to)
                except OSError:
                    writer.transport.abort()
                    return
                await asyncio.gather(
                    self._carry(way, reader, onward, writer), self._carry(way[::-1], onward_reader, writer, onward)
                )

            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            port: int = server.sockets[0].getsockname()[1]
            return port

        port: int = self.run(laid())
        return port

    async def _carry(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._open[way].wait()
                writer.write(data)
                await writer.drain()
        for line in (writer, back):
            line.transport.abort()

    def silence(self, *ways: Way) -> None:
        """Nothing gets through on these ways until `heal`."""

        async def silenced() -> None:
            for way in ways:
                self._open[way].clear()

        self.run(silenced())

    def heal(self) -> None:
        """Every way carries again, what was held back first."""

        async def healed() -> None:
            for way in self._open.values():
                way.set()

        self.run(healed())

    def close(self) -> None:
        """Break everything and end the thread."""

        async def closed() -> None:
            for task in self._carrying:
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

        self.run(closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class NatsCluster:
    """Three servers with JetStream, each fact synced to disk before it is acknowledged."""

    def __init__(self, directory: Path, sync: str = "always") -> None:
        """Each node keeps its streams below a directory of its own name; `sync` is how soon they sync what they store."""
        self._lines = Lines()
        routes = {name: free_port() for name in NODES}
        self.monitors = {name: free_port() for name in NODES}
        self.servers: dict[str, NatsServer] = {}
        for name in NODES:
            peers = [self._lines.lay((name, other), routes[other]) for other in NODES if other != name]
            listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in peers)
            # Nobody listens on the address that is told to the others: they know each other by the lines alone.
            config = (
                f'server_name: "{name}"\nhttp: "127.0.0.1:{self.monitors[name]}"\n'
                f'cluster {{ name: "house", listen: "127.0.0.1:{routes[name]}", advertise: "127.0.0.1:1", '
                f"pool_size: -1, routes: [{listed}] }}\n"
            )
            self.servers[name] = NatsServer(directory / name, free_port(), config, jetstream=f"sync_interval: {sync}")

    def __enter__(self) -> Self:
        try:
            for server in self.servers.values():
                server.start()
            self.wait_quorum(whole=True)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers.values():
            server.kill9()
        self._lines.close()

    @property
    def url(self) -> str:
        """Every node."""
        return ",".join(server.url for server in self.servers.values())

    def wait_quorum(self, *, whole: bool = False) -> None:
        """Return once a majority has chosen who leads, and where it is to be `whole`, once a stream finds its three places."""
        deadline = time.monotonic() + QUORUM_SECONDS
        while not self._lines.run(self._answers(whole)):
            if time.monotonic() > deadline:
                raise ServerError(f"the cluster found no leader within {QUORUM_SECONDS} s")
            time.sleep(0.1)

    async def _answers(self, whole: bool) -> bool:
        try:
            client = await nats.connect(self.url.split(","), connect_timeout=1, allow_reconnect=False)
        except Exception:  # noqa: BLE001 - whatever it is, nobody answers yet
            return False
        try:
            js = client.jetstream(timeout=2 if whole else 1)
            await js.account_info()
            if whole:
                await js.add_stream(
                    name="PLACES", subjects=["places"], storage=StorageType.MEMORY, num_replicas=len(NODES)
                )
                await js.delete_stream("PLACES")
        except Exception:  # noqa: BLE001 - as above
            return False
        else:
            return True
        finally:
            await client.close()

    async def leader(self, stream: str) -> str:
        """The node that leads a stream now, asked until there is one."""
        client = await nats.connect(self.url.split(","), connect_timeout=1)
        try:
            for _ in range(10 * QUORUM_SECONDS):
                with contextlib.suppress(Exception):
                    info = await client.jetstream(timeout=1).stream_info(stream)
                    if info.cluster is not None and info.cluster.leader:
                        return info.cluster.leader
                await asyncio.sleep(0.1)
        finally:
            await client.close()
        raise ServerError(f"nobody leads {stream}")

    def isolate(self, name: str) -> None:
        """Cut one node off from the others; its clients reach it as before."""
        others = [other for other in NODES if other != name]
        self._lines.silence(*((name, other) for other in others), *((other, name) for other in others))

    def deafen(self, name: str) -> None:
        """One node is heard by the others and hears nobody."""
        self._lines.silence(*((other, name) for other in NODES if other != name))

    def heal(self) -> None:
        """Put every line right."""
        self._lines.heal()
