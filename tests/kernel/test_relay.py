"""The relay, where the broker does not take what it publishes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.kernel.bus import connect, provision
from services.kernel.relay import Relay
from tests import servers
from tests.kernel.test_writer import Bench


async def test_why_a_stream_takes_no_more_stands_in_the_log_and_the_rest_follows_once_there_is_room(
    sqlite_url: str, tmp_path: Path
) -> None:
    bench = Bench(sqlite_url, tmp_path)
    bench.do(*(bench.command("unbounded-ann", note="x" * 20_000) for _ in range(8)))
    with servers.NatsServer(tmp_path / "nats", jetstream="max_file_store: 100KB") as small:
        async with relaying(small.url, bench) as relay:
            with every_line() as logged:
                await until(lambda: any("insufficient" in str(line.get("error")) for line in logged))
            assert {line["event"] for line in logged if "insufficient" in str(line.get("error"))} == {"relay.again"}
            assert relay.published < 8
    with servers.NatsServer(tmp_path / "nats") as server:
        async with relaying(server.url, bench) as relay:
            await until(lambda: relay.published == 8)
    bench.writer.close()
    bench.store.close()


@contextlib.contextmanager
def every_line() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, whatever level another test of this process set."""
    configured = structlog.get_config()
    structlog.reset_defaults()
    try:
        with structlog.testing.capture_logs() as logged:
            yield logged
    finally:
        structlog.configure(**configured)


@contextlib.asynccontextmanager
async def relaying(url: str, bench: Bench) -> AsyncIterator[Relay]:
    client = await connect(url, "test")
    heal = partial(provision, client.jetstream(timeout=5), "toy", ())
    await heal()
    relay = Relay(client, "toy", bench.store, asyncio.Event(), heal)
    running = asyncio.create_task(relay.run())
    yield relay
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells that it changed
            await asyncio.sleep(0.1)
