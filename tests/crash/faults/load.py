"""What callers do: nonsense, crowds, more than fits, more than can be taken in at once."""

import asyncio
import contextlib
import random

from bailiwick_contracts.envelope import Actor, read_command
from bailiwick_contracts.subjects import subject_of
from nats.errors import NoRespondersError

from services.kernel.doors import Door, ask
from services.kernel.sealing import KeyStore
from services.kernel.writer import Writer
from tests.crash.parts import PASSWORD
from tests.crash.system import System
from tests.kernel.toy import TOY, TakeToken


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


async def backlog(system: System, chance: random.Random, soak: bool) -> None:
    """Echo is away while far more is stored than it takes in at once; it takes it in when it is back."""
    count = 100_000 if soak else 3_000
    with system.without("echo"):
        await asyncio.to_thread(_stored_at_once, system, count)
    system.worn = soak
    system.drain_seconds = 30 + count / 250
    await asyncio.sleep(1)


def _stored_at_once(system: System, count: int) -> None:
    """By a second instance of toy, in this process."""
    store, door = system.store("toy"), Door(system.settings.doors_dir)
    writer = Writer(TOY, store, KeyStore(system.settings.keys_dir))
    boss = Actor(actor="boss")
    try:
        for start in range(0, count, 500):
            ids = [f"backlog-{system.flows}-{number}" for number in range(start, min(start + 500, count))]
            bodies = [
                door.sign(
                    TakeToken(holder_id=f"unbounded-{system.flows}-{start + at // 20}"),
                    boss,
                    "north-court",
                    command_id=one,
                )
                for at, one in enumerate(ids)
            ]
            for answer in writer.process([read_command(body, TakeToken) for body in bodies]):
                assert answer.outcome == "done", answer
            system.accepted.update(ids)
    finally:
        writer.close()
        store.close()


async def too_big(system: System, chance: random.Random, soak: bool) -> None:
    """A mebibyte as a message, and as the fact of a small one: neither gets through, and neither holds anything up."""
    for _ in range(5 if soak else 1):
        said = await _published_by_hand(system, 1_048_576)
        assert not said or b"Maximum Payload Violation" in said, said
    client = await system.client()
    try:
        most = TakeToken(holder_id="unbounded-big", note="x" * 200_000)
        await system.until_answered(client, most, f"most-{system.flows}", "north-court")
        swollen = most.model_copy(update={"swollen": 6})
        body = Door(system.settings.doors_dir).sign(swollen, Actor(actor="boss"), "north-court")
        for _ in range(20):
            with contextlib.suppress(NoRespondersError, TimeoutError):
                answer = await ask(client, body, TakeToken, "north-court", timeout=5)
                if answer.error is not None and answer.error["code"] in ("busy", "unknown"):
                    continue
                assert answer.outcome == "rejected", answer
                assert answer.error is not None
                assert answer.error["code"] == "too_large", answer.error
                return
            await asyncio.sleep(0.2)
        raise AssertionError("I8: the swollen fact was not answered")
    finally:
        await client.close()


async def _published_by_hand(system: System, size: int) -> bytes:
    """What the server says, before it hangs up, to a client that asks it for no limit; a line that is reset may lose it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
    try:
        subject = subject_of(TakeToken.wire(), "north-court", "command")
        connect = f'CONNECT {{"verbose":false,"user":"office","pass":"{PASSWORD}"}}\r\nPING\r\n'
        writer.write(connect.encode())
        await writer.drain()
        while b"PONG" not in await reader.readline():
            pass
        writer.write(f"PUB {subject} {size}\r\n".encode() + b"x" * size + b"\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        said = b""
        async with asyncio.timeout(20):
            with contextlib.suppress(OSError):
                said = await reader.read()
        return said
    finally:
        writer.transport.abort()
