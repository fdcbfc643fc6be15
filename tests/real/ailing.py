"""A service that falls ill in a chosen way: `python -m tests.real.ailing loop|handler|query|closed|zombie|slow`."""

import asyncio
import sys
import time
from dataclasses import replace
from typing import Any

from bailiwick_contracts.envelope import Command

from services.kernel.sealing import KeyStore
from services.kernel.service import Reading, Unit
from services.kernel.settings import Settings
from services.run import serve as serving
from services.run.embedded import Supervisor
from services.run.logs import configure
from services.run.serve import serve
from tests.kernel.toy import TOY, CountTokens, TakeToken, on_take_token

HOW = sys.argv[1]


class Ailing(Supervisor):
    """Falls ill once everything is ready."""

    async def wait_ready(self) -> None:
        await super().wait_ready()
        runtime = self.runtimes["toy"]
        client = runtime.broker.connection
        loop = asyncio.get_running_loop()
        if HOW == "loop":
            loop.call_later(0.5, time.sleep, 600)
        elif HOW == "closed":
            transport: Any = client._transport
            loop.call_later(0.5, transport.write, b"NONSENSE\r\n")
        elif HOW == "zombie":
            loop.call_later(0.5, loop.create_task, _let_reconnecting_die(client))


async def _let_reconnecting_die(client: Any) -> None:
    while not client.is_reconnecting:  # noqa: ASYNC110 - the client has no event for it
        await asyncio.sleep(0.01)
    client._reconnection_task.cancel()


def on_slow_token(unit: Unit, command: Command[TakeToken]) -> None:
    time.sleep(600 if HOW == "handler" else 3)
    on_take_token(unit, command)


def on_long_count(_: Reading, __: Command[CountTokens]) -> dict[str, int]:
    begun = time.monotonic()
    sys.stdout.write("counting\n")
    sys.stdout.flush()
    while time.monotonic() - begun < 600:
        sum(range(1_000))
    return {}


def _toy(_: KeyStore) -> Any:
    if HOW == "query":
        return replace(TOY, queries={CountTokens: on_long_count})
    return replace(TOY, commands={TakeToken: on_slow_token}) if HOW in ("handler", "slow") else TOY


if __name__ == "__main__":
    configure("WARNING")
    serving.Supervisor = Ailing  # type: ignore[attr-defined]
    asyncio.run(serve(Settings(), {"toy": _toy}))
