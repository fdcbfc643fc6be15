"""The connection of a process that starts while something is wrong with the server."""

import asyncio
import signal
import ssl
from pathlib import Path

from services.kernel.bus import connect
from tests.crash.faults.certificate import HOUR, Certificate
from tests.servers import NatsServer


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
