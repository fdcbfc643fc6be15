"""The database loses its processes, its connections, its room and its newest facts."""

import asyncio
import contextlib
import os
import random
import resource
import signal
import time

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client
from nats.errors import NoRespondersError

from services.kernel.doors import Door, ask
from services.kernel.relay import POSITION_HEADER
from tests.crash.parts import PARTS
from tests.crash.system import System
from tests.kernel.toy import TakeToken


async def backend_killed(system: System, chance: random.Random, soak: bool) -> None:
    """A process of PostgreSQL that serves us is killed; the server recovers from it as from a crash."""
    for pid in _backends(system, chance.choice(("toy", "echo")))[: 1 + chance.randrange(2)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.5)


async def postmaster_killed(system: System, chance: random.Random, soak: bool) -> None:
    """The server itself is killed; it comes back on what it had written ahead."""
    assert system.postgres is not None
    system.postgres.kill9()
    await asyncio.sleep(chance.uniform(0, 5 if soak else 1))
    await asyncio.to_thread(system.postgres.start_again)


async def backends_terminated(system: System, chance: random.Random, soak: bool) -> None:
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        with contextlib.suppress(sa.exc.OperationalError), system.engine().connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


async def commit_slow(system: System, chance: random.Random, soak: bool) -> None:
    """Each commit takes up to 30 ms longer, by a trigger that runs at its end."""
    with system.engine().begin() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(random() * 0.03); RETURN NULL; END $$"
            " LANGUAGE plpgsql"
        )
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON facts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    await asyncio.sleep(2)
    with system.engine().begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER slowly ON facts")


async def lock_held(system: System, chance: random.Random, soak: bool) -> None:
    """Somebody else holds the writers' lock, in the soak for longer than we wait for it."""
    engine = system.engine()

    def hold() -> None:
        with engine.connect() as connection:
            if system.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("LOCK TABLE facts IN EXCLUSIVE MODE")
            time.sleep(chance.uniform(1, 13 if soak else 2))
            connection.rollback()

    await asyncio.to_thread(hold)


async def connections_exhausted(system: System, chance: random.Random, soak: bool) -> None:
    """Somebody else takes every connection there is, and ours are ended."""
    engine = system.engine()
    held: list[sa.Connection] = []
    backends_before = _backends(system, "toy")
    try:
        with contextlib.suppress(sa.exc.OperationalError):
            while len(held) < 250:
                held.append(await asyncio.to_thread(engine.connect))
        for pid in backends_before:
            with contextlib.suppress(ProcessLookupError), held[0].begin():
                held[0].exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        await asyncio.sleep(2)
    finally:
        for connection in held:
            connection.close()


async def disk_full(system: System, chance: random.Random, soak: bool) -> None:
    """The database can write no further byte: its files may not grow for a while."""
    pid = system.processes["toy"].pid
    with contextlib.suppress(ProcessLookupError):
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        size = max(p.stat().st_size for p in system.directory.glob("toy.sqlite*"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(4096, size // 2), hard))
        await asyncio.sleep(2)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


async def restored_older(system: System, chance: random.Random, soak: bool) -> None:
    """An older database comes back: nothing is published and no command is taken until a newer one is restored."""
    with system.without(*PARTS):
        await asyncio.to_thread(system.keep_database, "older_database")
    client = await system.client()
    await system.until_answered(
        client, TakeToken(holder_id="unbounded"), f"since-{system.flows}-{chance.randrange(10**9)}", "north-court"
    )
    await _published(system)
    # Who follows stands still meanwhile: it is no older than its own stream, would go on, and then be older once the newer is back.
    with system.without("echo"):
        await _refused_while_older(system, client)
    await client.close()


async def _refused_while_older(system: System, client: Client) -> None:
    with system.without("toy", "relay"):
        await asyncio.to_thread(system.keep_database, "newer_database")
        await asyncio.to_thread(system.put_back_database, "older_database")
    logs = [system.directory / f"{part}.log" for part in ("toy", "relay")]
    before = [len(log.read_text()) for log in logs]
    for _ in range(300):
        await asyncio.sleep(0.1)
        if all("the database is older" in log.read_text()[start:] for log, start in zip(logs, before, strict=True)):
            break
    else:
        raise AssertionError("the older database was not noticed")
    body = Door(system.settings.doors_dir).sign(TakeToken(holder_id="unbounded"), Actor(actor="boss"), "north-court")
    with contextlib.suppress(NoRespondersError, TimeoutError):
        answer = await ask(client, body, TakeToken, "north-court", timeout=2)
        raise AssertionError(f"a command was answered {answer.outcome} on a database older than its stream")
    with system.without("toy", "relay"):
        await asyncio.to_thread(system.put_back_database, "newer_database")


async def _published(system: System) -> None:
    client = await system.client()
    store = system.store("toy")
    try:
        for _ in range(300):
            last = await client.jetstream(timeout=5).get_last_msg(stream_of("toy"), "bailiwick.*.toy.event.>")
            if int((last.headers or {})[POSITION_HEADER]) == store.max_notification_id():
                return
            await asyncio.sleep(0.05)
    finally:
        store.close()
        await client.close()


def _backends(system: System, service: str) -> list[int]:
    with system.engine(service).connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [row[0] for row in connection.exec_driver_sql(query)]
