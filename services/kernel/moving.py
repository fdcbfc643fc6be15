"""A node that is cut off from its cluster keeps its clients and brings them nothing: they move to another one.

The node does not say so. For as long as it leads, it lists the other copies of a stream with the time since it heard of them;
where it does not lead, it does not answer (measured: neither changes within 20 seconds of being cut off).
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

import structlog
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client
from nats.js.api import StreamInfo

from services.kernel.going import go_on

LOG = structlog.get_logger()
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 2.0
CUT_OFF_SECONDS = 5.0
"""Longer than a healthy leader is silent (a second), and as long as it takes the others to choose a new one."""


class Moving:
    """Looks whether a majority of the cluster stands behind each connection of a service; of a single server it asks nothing.

    Connections that were made to move together may end on different nodes, so each is looked at where it is.
    """

    def __init__(self, name: str, connections: Callable[[], Iterable[Client]]) -> None:
        """Ask through each of the connections for the stream of the service `name`."""
        self._name, self._connections = name, connections
        self._stood_at: WeakKeyDictionary[Client, float] = WeakKeyDictionary()
        self.turns = 0
        self.moves = 0

    def waits(self) -> bool:
        """It rests between two looks, and each look ends by itself."""
        return False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            go_on()
            self.turns += 1
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        connections = list(self._connections())
        asked = {_place(one): one for one in connections if len(one.servers) > 1 and one.is_connected}
        answers = await asyncio.gather(*(self._stands(one) for one in asked.values()))
        stands = dict(zip(asked, answers, strict=True))
        now = time.monotonic()
        for connection in connections:
            place = _place(connection)
            if stands.get(place, True):
                self._stood_at[connection] = now
            elif now - self._stood_at.setdefault(connection, now) >= CUT_OFF_SECONDS:
                self._stood_at[connection] = now
                self.moves += 1
                LOG.warning("nats.moves", connection=self._name, away_from=place)
                await connection.force_reconnect()

    async def _stands(self, client: Client) -> bool:
        try:
            return majority(await client.jetstream(timeout=ANSWER_SECONDS).stream_info(stream_of(self._name)))
        except Exception:  # noqa: BLE001 - whatever it is, nothing came back from the cluster
            return False


def majority(info: StreamInfo) -> bool:
    """Whether more than half of the copies of a stream are led, and were heard of within the last seconds."""
    if info.cluster is None:
        return True
    copies = info.cluster.replicas or []
    heard = [one for one in copies if not one.offline and (one.active or 0) < CUT_OFF_SECONDS * 1e9]
    return bool(info.cluster.leader) and 2 * (1 + len(heard)) > 1 + len(copies)


def _place(client: Client) -> str:
    url = client.connected_url
    return "" if url is None else f"{url.hostname}:{url.port}"
