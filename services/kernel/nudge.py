"""Tells the active instance at once of what another one stored, so that it does not have to look for it."""

from bailiwick_contracts.subjects import feed_of
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.kernel.going import go_on
from services.kernel.lease import Lease
from services.kernel.writer import Writer

STORED = b'{"stored":true}'
"""Asks for nothing; whoever answers the feed ignores it."""


class Nudge:
    """Where this instance is not active, each of its commits is told; where it is, it listens. A lost word costs a poll."""

    def __init__(self, client: Client, service: str, writer: Writer, lease: Lease) -> None:
        """Speak on the service's feed subject, which each of its instances may use."""
        self._client, self._subject, self._writer, self._lease = client, feed_of(service), writer, lease
        self.turns = 0

    def waits(self) -> bool:
        """It only ever passes on."""
        return False

    async def run(self) -> None:
        """Run until cancelled."""

        async def on_word(message: Msg) -> None:
            if message.data == STORED and self._lease.taken.is_set():
                self._writer.committed.set()
                self._writer.timers_changed.set()

        subscription = await self._client.subscribe(self._subject, cb=on_word)
        try:
            while True:
                go_on()
                await self._lease.lost.wait()
                await self._writer.committed.wait()
                if self._lease.taken.is_set():
                    continue
                self._writer.committed.clear()
                self.turns += 1
                await self._client.publish(self._subject, STORED)
        finally:
            await subscription.unsubscribe()
