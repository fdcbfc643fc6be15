"""The broker is killed, frozen, emptied, torn, filled up, closed to us, and its lines break."""

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import Iterator

from bailiwick_contracts.subjects import stream_of
from nats.js.api import ConsumerConfig

from tests.crash.proxy import Proxy
from tests.crash.system import System
from tests.kernel.toy import TakeToken


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


@contextlib.contextmanager
def nats_down(system: System) -> Iterator[None]:
    """The server is down while the context is open, whoever supervises."""
    with system.without("nats"):
        yield
