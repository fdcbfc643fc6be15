"""A lease: of several instances one is active, and another takes over when it falls silent. No clock is compared.

The holder counts a beat up in the database; who waits takes the lease once it saw the same beat for long enough by its own
monotonic clock. Nothing rests on it being held once: expected sequence, tracking and the writers' lock keep two active ones
correct (decision 0007). It saves the second instance the work, and the first the disturbance.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time

import sqlalchemy as sa
import structlog

from services.kernel.crash import crash_point
from services.kernel.failure import told
from services.kernel.going import go_on, rest
from services.kernel.liveness import Part
from services.kernel.store import Store
from services.kernel.tables import BIG, METADATA

LOG = structlog.get_logger()
BEAT_SECONDS = 2.0
SILENT_SECONDS = 6.0
"""How long a holder may be silent: another one takes over within 8 seconds of its death."""
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),  # <host>:<process>:<random>; empty once given back
    sa.Column("beat", BIG, nullable=False),
)

_MAKE = sa.text("INSERT INTO leases (name, holder, beat) VALUES (:name, '', 0) ON CONFLICT (name) DO NOTHING")


class Lease:
    """The right to be the active one for `name` at one store."""

    def __init__(self, store: Store, name: str) -> None:
        """Nothing is taken before `run`."""
        self._store, self._name = store, name
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0
        self.taken, self.lost = asyncio.Event(), asyncio.Event()
        self.lost.set()
        self.turns = 0
        """Grows while it is kept or looked for."""
        self._failed: str | None = None

    def waits(self) -> bool:
        """It beats or looks again and again, so it always has to move."""
        return True

    def trouble(self) -> str | None:
        """Why it cannot be had, where that is the database's doing: whoever cannot write it stores nothing either."""
        return None if self.taken.is_set() else self._failed

    async def run(self) -> None:
        """Take the lease whenever it can be had, keep it, and give it back when cancelled."""
        try:
            while True:
                go_on()
                self.turns += 1
                if not await self._take():
                    await rest(BEAT_SECONDS / 2)
                    continue
                LOG.info("lease.held", lease=self._name, holder=self._holder)
                self.lost.clear()
                self.taken.set()
                await self._beat()
                LOG.warning("lease.lost", lease=self._name, holder=self._holder)
                self._let_go()
        finally:
            self._let_go()
            with contextlib.suppress(Exception):
                await asyncio.shield(asyncio.to_thread(self._give_back))

    def _let_go(self) -> None:
        self.taken.clear()
        self.lost.set()

    async def _take(self) -> bool:
        try:
            taken = await asyncio.to_thread(self._try)
        except Exception as error:  # noqa: BLE001 - the database is away: nobody is told to be active
            self._failed = told(error)
            LOG.warning("lease.again", lease=self._name, error=self._failed)
            return False
        self._failed = None
        return taken

    def _try(self) -> bool:
        with self._store.reading() as connection:
            row = connection.execute(sa.select(LEASES).where(LEASES.c.name == self._name)).first()
        seen = None if row is None else (row.holder, row.beat)
        if seen != self._seen:
            self._seen, self._seen_at = seen, time.monotonic()
        if (
            seen is not None
            and seen[0]
            and not _died_here(seen[0])
            and time.monotonic() - self._seen_at < SILENT_SECONDS
        ):
            return False
        crash_point("lease-take")
        return self._write(seen)

    def _write(self, seen: tuple[str, int] | None) -> bool:
        """Become the holder, where nobody else did since `seen`."""
        beat = 1 if seen is None else seen[1] + 1
        with self._store.beside() as connection:
            if seen is None:
                connection.execute(_MAKE, {"name": self._name})
                seen = ("", 0)
            changed = connection.execute(
                sa.update(LEASES)
                .where(LEASES.c.name == self._name, LEASES.c.holder == seen[0], LEASES.c.beat == seen[1])
                .values(holder=self._holder, beat=beat)
            )
        self._seen, self._seen_at = (self._holder, beat), time.monotonic()
        return changed.rowcount == 1

    async def _beat(self) -> None:
        """Keep the lease; returns when it is lost, or could not be told to the database for too long."""
        heard = time.monotonic()
        while time.monotonic() - heard < SILENT_SECONDS - BEAT_SECONDS:
            await rest(BEAT_SECONDS)
            self.turns += 1
            try:
                if not await asyncio.to_thread(self._write, self._seen):
                    return
                heard, self._failed = time.monotonic(), None
            except Exception as error:  # noqa: BLE001 - tried again until it must be given up
                self._failed = told(error)
                LOG.warning("lease.silent", lease=self._name, error=self._failed)

    def _give_back(self) -> None:
        with self._store.beside() as connection:
            connection.execute(
                sa.update(LEASES).where(LEASES.c.name == self._name, LEASES.c.holder == self._holder).values(holder="")
            )


class Leased:
    """A part that runs only while the lease is held here; begun anew each time it is taken."""

    def __init__(self, lease: Lease, part: Part) -> None:
        """Run `part` under `lease`, which runs beside it."""
        self._lease, self._part = lease, part
        self.turns = 0
        """How the part moves, looked up when it is asked whether it has to."""

    def waits(self) -> bool:
        """A part that is not active has nothing to do, so it need not move."""
        self.turns = self._part.turns
        return self._lease.taken.is_set() and self._part.waits()

    async def run(self) -> None:
        """Run until cancelled. A failure of the part is passed on."""
        while True:
            go_on()
            await self._lease.taken.wait()
            working = asyncio.ensure_future(self._part.run())
            losing = asyncio.ensure_future(self._lease.lost.wait())
            try:
                await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
            finally:
                for task in (working, losing):
                    task.cancel()
                await asyncio.gather(working, losing, return_exceptions=True)


def _died_here(holder: str) -> bool:
    """Whether a holder was a process of this machine that is no more."""
    host, _, rest = holder.partition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(rest.partition(":")[0]), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        return False
    return False
