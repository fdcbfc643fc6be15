"""One part as a process of its own: `python -m tests.real.process toy|relay|echo[-2]`, or `relay-alone`, which asks for no lease."""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from services.run.signals import end_at_once

if __name__ == "__main__":
    end_at_once()

import sqlalchemy as sa
from nats.aio.client import Client

from services.kernel import timers, writer
from services.kernel.bus import CONNECT_OPTIONS, connect, provision
from services.kernel.lease import Lease, Leased
from services.kernel.liveness import Watch
from services.kernel.moving import Moving
from services.kernel.relay import Relay, RestoredStoreError
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.run.logs import configure
from services.run.serve import serve
from tests.kernel.toy import ECHO, NEXT, TOKENS, TOY
from tests.real.clock import Moved


def _count(*_: object) -> None:
    """Leave word of which tasks there are, for a test that asked by a signal."""
    names = sorted(str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks())
    Path(os.environ["TOY_COUNTS"], f"{os.getpid()}.tasks").write_text(" ".join(names))


async def _heal(client: Client, settings: Settings) -> object:
    return await provision(client.jetstream(timeout=5), "toy", (), replicas=settings.replicas)


async def _opened(settings: Settings) -> Store:
    """The store, as soon as its database answers: a whole service is started again until then (`services.run.embedded`)."""
    while True:
        try:
            return Store(settings.store_url("toy"), schema="toy", views=[TOKENS])
        except sa.exc.OperationalError:
            await asyncio.sleep(0.5)


async def _relay(settings: Settings, leased: bool) -> None:
    client = await connect(settings.nats_url, "relay", **settings.nats_options("relay"))
    store = await _opened(settings)
    relay = Relay(client, "toy", store, asyncio.Event(), partial(_heal, client, settings))
    lease = Lease(store, "relay")
    part = Leased(lease, relay) if leased else relay
    watch = Watch(settings.progress_seconds)
    watch.line("relay connection", client, settings.nats_url)
    watch.part("relay", part)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run())
        group.create_task(lease.run())
        group.create_task(Moving("toy", lambda: (client,)).run())
        while True:
            try:
                await part.run()
            except RestoredStoreError as error:
                print(error, file=sys.stderr, flush=True)  # noqa: T201 - what a person is to read
                await asyncio.sleep(1)


if __name__ == "__main__":
    configure("WARNING")
    part, _, _ = sys.argv[1].partition("-")
    if NEXT:
        from tests.kernel.toy_next import TOY
    if "TOY_COUNTS" in os.environ:
        signal.signal(signal.SIGUSR1, _count)
    if "TOY_RECONNECT_SECONDS" in os.environ:
        CONNECT_OPTIONS["reconnect_time_wait"] = float(os.environ["TOY_RECONNECT_SECONDS"])
    writer.datetime = timers.datetime = Moved  # type: ignore[attr-defined]
    if part == "relay":
        asyncio.run(_relay(Settings(), sys.argv[1] != "relay-alone"))
    chosen = {"toy": TOY, "echo": ECHO}[part]
    asyncio.run(serve(Settings(), {chosen.name: lambda _: chosen}))
