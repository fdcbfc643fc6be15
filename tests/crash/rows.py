"""The rows of the fault matrix that one machine can run: each a fault that happens to a system while commands flow.

`soak` is False in the smoke of every row, which takes seconds, and True in the rounds of `make crash`.
"""

import asyncio
import contextlib
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, check_chain
from bailiwick_contracts.subjects import stream_of, subject_of
from nats.errors import NoRespondersError
from nats.js.api import ConsumerConfig

from services.kernel.doors import Door, ask
from services.kernel.relay import POSITION_HEADER
from tests.crash.proxy import Proxy
from tests.crash.system import PARTS, System
from tests.kernel.toy import TakeToken

Fault = Callable[[System, random.Random, bool], Awaitable[None]]
BOTH, SQLITE, POSTGRES = ("sqlite", "postgres"), ("sqlite",), ("postgres",)


@dataclass(frozen=True)
class Row:
    """One row: its number in the matrix, what happens, and on which databases it can."""

    name: str
    fault: Fault
    databases: tuple[str, ...] = BOTH
    smoke_on: tuple[str, ...] = SQLITE
    """On which databases the smoke runs; the rounds run on all."""


def at(part: str, point: str, most: int = 3) -> Fault:
    """A part that kills itself at a named point."""

    async def fault(system: System, chance: random.Random, soak: bool) -> None:
        system.restart(part, crash_at=f"{point}:{chance.randint(1, most if soak else 1)}")
        doomed = system.processes[part]
        for _ in range(200):
            if doomed.poll() is not None:
                return
            await asyncio.sleep(0.05)

    return fault


async def any_part(system: System, chance: random.Random, soak: bool) -> None:
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        system.restart(chance.choice((*PARTS, "nats")))


async def two_relays(system: System, chance: random.Random, soak: bool) -> None:
    system.start("relay2")
    await asyncio.sleep(chance.uniform(1, 2))
    system.kill("relay2")


async def nats_killed(system: System, chance: random.Random, soak: bool) -> None:
    system.kill("nats")
    await asyncio.sleep(chance.uniform(0, 10 if soak else 1))
    if system.processes["nats"].poll() is not None:
        system.start("nats")


async def nats_away_long(system: System, chance: random.Random, soak: bool) -> None:
    """Longer than the 122 seconds after which the client gives up at its defaults; the smoke sees that we wait at all."""
    with nats_down(system):
        await asyncio.sleep(130 if soak and chance.random() < 0.2 else 4)


async def nats_frozen(system: System, chance: random.Random, soak: bool) -> None:
    system.pause("nats")
    await asyncio.sleep(chance.uniform(1, 15 if soak else 2))
    system.resume("nats")


async def power_loss(system: System, chance: random.Random, soak: bool) -> None:
    """What the server had not synced is gone: an older copy of its directory comes back."""
    with nats_down(system):
        system.copy_stream("older")
    await asyncio.sleep(chance.uniform(0.3, 1))
    with nats_down(system):
        system.put_back_stream("older")


async def stream_wiped(system: System, chance: random.Random, soak: bool) -> None:
    with nats_down(system):
        shutil.rmtree(system.directory / "jetstream")
    system.aged_out = False


async def stream_deleted(system: System, chance: random.Random, soak: bool) -> None:
    client = await system.client()
    await client.jetstream(timeout=5).delete_stream(stream_of("toy"))
    await client.close()
    system.aged_out = False


async def durable_deleted(system: System, chance: random.Random, soak: bool) -> None:
    client = await system.client()
    await client.jetstream(timeout=5).delete_consumer(stream_of("toy"), "echo")
    await client.close()


async def stream_aged_out(system: System, chance: random.Random, soak: bool) -> None:
    """Emptied by an age that somebody set for a while: what was taken in stays, and the rest is read from the feed."""
    client = await system.client()
    js = client.jetstream(timeout=5)
    kept = (await js.stream_info(stream_of("toy"))).config
    await js.update_stream(kept.evolve(max_age=0.2, duplicate_window=0.1))
    for _ in range(50):
        await asyncio.sleep(0.1)
        if (await js.stream_info(stream_of("toy"))).state.messages == 0:
            break
    await js.update_stream(kept)
    await client.close()
    system.aged_out = True


async def settings_drifted(system: System, chance: random.Random, soak: bool) -> None:
    """The durable has other settings: echo refuses to start, names the difference, and goes on once it is put right."""
    client = await system.client()
    js = client.jetstream(timeout=5)
    system.stop("echo")
    config = (await js.consumer_info(stream_of("toy"), "echo")).config
    await js.add_consumer(stream_of("toy"), ConsumerConfig(**{**config.__dict__, "max_ack_pending": 7}))
    log = system.directory / "echo.log"
    before = len(log.read_text())
    if system.processes["echo"].poll() is not None:
        system.start("echo")
    for _ in range(200):
        await asyncio.sleep(0.1)
        if "max_ack_pending is 7" in log.read_text()[before:]:
            break
    else:
        raise AssertionError("echo did not refuse the drifted durable")
    await js.add_consumer(stream_of("toy"), config)
    await client.close()


async def file_torn(system: System, chance: random.Random, soak: bool) -> None:
    """The end of the broker's newest file is cut off or changed while the server is down."""
    with nats_down(system):
        blocks = sorted((system.directory / "jetstream").rglob("*.blk"), key=lambda path: path.stat().st_mtime)
        block = next(b for b in reversed(blocks) if f"/{stream_of('toy')}/" in str(b))
        content = bytearray(block.read_bytes())
        if len(content) > 100:
            if chance.random() < 0.5:
                del content[-chance.randint(1, min(len(content) - 1, 3_000)) :]
            else:
                content[-chance.randint(1, 64)] ^= 0x40
            block.write_bytes(content)


async def backend_killed(system: System, chance: random.Random, soak: bool) -> None:
    """A process of PostgreSQL that serves us is killed; the server recovers from it as from a crash."""
    for pid in _backends(system, chance.choice(("toy", "echo")))[: 1 + chance.randrange(2)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.5)


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


async def nats_disk_full(system: System, chance: random.Random, soak: bool) -> None:
    """JetStream has no room: publishing is refused, commands are answered all the same, and the rest follows later.

    For as long as it lasts, the server keeps its streams on a small disk of its own, which is lost afterwards.
    """
    log = system.directory / "nats.log"
    with nats_down(system):
        system.small_disk = True
    client = await system.client()
    try:
        for number in range(5):
            big = TakeToken(holder_id="unbounded", note="x" * 20_000)
            await system.until_answered(client, big, f"big-{system.flows}-{number}", "north-court")
        for _ in range(200):
            if any(said in log.read_text() for said in ("no space left on device", "resource limits exceeded")):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the disk did not fill")
    finally:
        await client.close()
        with nats_down(system):
            system.small_disk = False


async def authorisation_revoked(system: System, chance: random.Random, soak: bool) -> None:
    system.write_config("other")
    system.processes["nats"].send_signal(signal.SIGHUP)
    await asyncio.sleep(chance.uniform(1, 8 if soak else 2))
    system.write_config("right")
    system.processes["nats"].send_signal(signal.SIGHUP)


async def line_cut_and_slow(system: System, chance: random.Random, soak: bool) -> None:
    """Echo and the relay reach the broker through a proxy that delays, cuts in the middle, and so loses acknowledgements."""
    async with Proxy(system.port, chance) as proxy:
        for part in ("echo", "relay"):
            system.kill(part)
            system.through[part] = proxy.port
            if system.processes[part].poll() is not None:
                system.start(part)
        for _ in range(6 if soak else 2):
            await asyncio.sleep(chance.uniform(0.3, 1))
            proxy.cut()
        for part in ("echo", "relay"):
            system.kill(part)
            del system.through[part]
            system.start(part)


async def consumer_slow(system: System, chance: random.Random, soak: bool) -> None:
    """Echo stands still, in the soak for longer than the broker waits for an acknowledgement."""
    system.pause("echo")
    await asyncio.sleep(12 if soak else 3)
    system.resume("echo")


async def garbage(system: System, chance: random.Random, soak: bool) -> None:
    """Malformed commands and answers of every kind: each is answered with what is wrong, and nobody falls over."""
    client = await system.client()
    subject = subject_of(TakeToken.wire(), "north-court", "command")
    good = Door(system.settings.doors_dir).sign(TakeToken(holder_id="unbounded"), Actor(actor="boss"), "north-court")
    for body in (
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 5_000,
        b'{"a":1,"a":2}',
        good[:-20],
        good.replace(b"boss", b"ann"),
        b"\0" * 300_000,
    ):
        with contextlib.suppress(NoRespondersError, TimeoutError):
            reply = await client.request(subject, body, timeout=2)
            assert b'"rejected"' in reply.data, reply.data
    await client.close()


async def one_winner(system: System, chance: random.Random, soak: bool) -> None:
    """Many ask for the same at once: the rule is kept and every caller is answered."""
    client = await system.client()
    holder = f"crowd-{chance.randrange(10**9)}"
    door = Door(system.settings.doors_dir)

    async def one() -> str:
        body = door.sign(TakeToken(holder_id=holder), Actor(actor="boss"), "north-court")
        with contextlib.suppress(NoRespondersError, TimeoutError):
            return (await ask(client, body, TakeToken, "north-court", timeout=30)).outcome
        return "unknown"

    outcomes = await asyncio.gather(*(one() for _ in range(1_000 if soak else 100)))
    assert outcomes.count("done") <= 3, outcomes.count("done")
    await client.close()


async def terminated(system: System, chance: random.Random, soak: bool) -> None:
    """SIGTERM to each part in turn, in the middle of its work: it ends with 0 within the 20 seconds that are promised."""
    for part in ("toy", "echo"):
        await asyncio.sleep(chance.uniform(0, 0.5))
        begun = time.monotonic()
        code = await asyncio.to_thread(system.stop, part)
        assert (code, time.monotonic() - begun < 20) == (0, True), (part, code)
        if system.processes[part].poll() is not None:
            system.start(part)


async def tampered(system: System, chance: random.Random, soak: bool) -> None:
    """Every way to alter a stored fact as the owner of the database is found by the chain, and then put back."""
    store = system.store("toy")
    try:
        await asyncio.sleep(0.5)
        facts = [fact for fact in store.after(0, 100_000) if fact.property == "north-court"][:-1]
        if len(facts) < 3:
            return
        raws = [fact.raw for fact in facts]
        place = chance.randrange(1, len(raws) - 1)
        altered = raws[place].replace(b'"count":', b'"count": ')
        for wrong in (
            [*raws[:place], altered, *raws[place + 1 :]],
            [*raws[:place], *raws[place + 1 :]],
            [*raws[:place], raws[place], *raws[place:]],
            [*raws[: place - 1], raws[place], raws[place - 1], *raws[place + 1 :]],
        ):
            with contextlib.suppress(ValueError):
                list(check_chain(iter(wrong)))
                raise AssertionError("I7: a tampered chain verified")
    finally:
        store.close()


async def restored_older(system: System, chance: random.Random, soak: bool) -> None:
    """An older database comes back: nothing is published and no command is taken until a newer one is restored."""
    with system.without(*PARTS):
        await asyncio.to_thread(system.keep_database, "older_database")
    client = await system.client()
    await system.until_answered(
        client, TakeToken(holder_id="unbounded"), f"since-{system.flows}-{chance.randrange(10**9)}", "north-court"
    )
    await _published(system)
    with system.without(*PARTS):
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
    with system.without(*PARTS):
        await asyncio.to_thread(system.put_back_database, "newer_database")
    await client.close()


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


@contextlib.contextmanager
def nats_down(system: System) -> Iterator[None]:
    """The server is down while the context is open, whoever supervises."""
    with system.without("nats"):
        yield


def _backends(system: System, service: str) -> list[int]:
    with system.engine(service).connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [row[0] for row in connection.exec_driver_sql(query)]


ROWS: tuple[Row, ...] = (
    Row("1 writer killed before its commit", at("toy", "before-commit")),
    Row("1 writer killed between commit and answer", at("toy", "after-commit"), smoke_on=BOTH),
    Row("1 any part killed at random", any_part, smoke_on=BOTH),
    Row("2 relay killed before it publishes", at("relay", "before-publish", 2)),
    Row("2 relay killed between publishing and acknowledgement", at("relay", "after-publish", 2)),
    Row("3 two relays at once", two_relays),
    Row("4 consumer killed before its commit", at("echo", "intake", 2)),
    Row("4 consumer killed after its commit", at("echo", "after-commit", 2)),
    Row("4 consumer killed before its acknowledgement", at("echo", "before-ack", 2), smoke_on=BOTH),
    Row("5 NATS killed and started again", nats_killed),
    Row("6 NATS away", nats_away_long),
    Row("7 NATS frozen", nats_frozen),
    Row("11 power loss: an older copy of the stream comes back", power_loss),
    Row("12 JetStream wiped", stream_wiped),
    Row("12 stream deleted", stream_deleted),
    Row("12 durable deleted", durable_deleted),
    Row("12 settings drifted", settings_drifted),
    Row("13 the broker's newest file torn", file_torn),
    Row("14 PostgreSQL backend killed", backend_killed, POSTGRES, POSTGRES),
    Row("14 PostgreSQL backends terminated", backends_terminated, POSTGRES, POSTGRES),
    Row("15 slow commits", commit_slow, POSTGRES, POSTGRES),
    Row("15 the writers' lock held by another", lock_held, smoke_on=BOTH),
    Row("16 PostgreSQL connections exhausted", connections_exhausted, POSTGRES, POSTGRES),
    Row("17 database disk full", disk_full, SQLITE),
    Row("18 NATS disk full", nats_disk_full),
    Row("19 authorisation revoked, then restored", authorisation_revoked),
    Row("20 line cut, slow, acknowledgements lost", line_cut_and_slow),
    Row("21 consumer slower than the broker waits", consumer_slow),
    Row("22 garbage of every kind", garbage),
    Row("23 many ask for the same at once", one_winner),
    Row("24 SIGTERM in the middle of work", terminated),
    Row("27 tampering", tampered),
    Row("28 an older database restored", restored_older),
    Row("12 stream emptied by age", stream_aged_out),
)
