"""The connection of a process that starts while something is wrong with the server."""

import asyncio
import signal
import ssl
from pathlib import Path

import pytest

from services.kernel.bus import NoJetStreamError, connect, provision
from services.run.nats import free_port
from tests.crash.faults.certificate import HOUR, Certificate
from tests.launching import end, launch
from tests.servers import NatsServer, nats_binary


async def test_who_starts_while_the_certificate_is_over_is_connected_once_it_is_renewed(tmp_path: Path) -> None:
    made = Certificate(tmp_path / "tls")
    made.write(-HOUR)
    tls = f'tls {{ cert_file: "{made.certificate}", key_file: "{made.key_file}" }}'
    with NatsServer(tmp_path / "nats", config=tls) as server:
        trusted = ssl.create_default_context(cafile=str(made.authority))
        connecting = asyncio.create_task(connect(server.url, "test", tls=trusted))
        await asyncio.sleep(3)
        assert not connecting.done()
        made.write(HOUR)
        assert server._process is not None
        server._process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            client = await connecting
        await client.flush()
        await client.close()


async def test_a_server_that_speaks_no_tls_is_told_nothing_where_tls_is_asked_for() -> None:
    """Set up wrong, or somebody in between who says so."""
    said = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":524288}\r\n')
        said.append(await reader.read(1_000))
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await connect(f"tls://office:secret-word@127.0.0.1:{port}", "test", tls=ssl.create_default_context())
        await asyncio.sleep(0.1)
    assert set(said) == {b""}


async def test_a_server_without_jetstream_is_named_with_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    server = launch([nats_binary(), "-a", "127.0.0.1", "-p", str(port)], tmp_path / "nats.log")
    client = await connect(f"nats://127.0.0.1:{port}", "test")
    with pytest.raises(NoJetStreamError, match="give the NATS server a block jetstream"):
        await provision(client.jetstream(timeout=5), "toy", ())
    await client.close()
    end(server)
