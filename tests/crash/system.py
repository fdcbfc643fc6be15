"""The system under faults: NATS, toy, its relay and echo as processes, restarted when they end, and a database to break."""

import asyncio
import contextlib
import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client

from services.kernel.doors import Door, ask
from services.kernel.relay import POSITION_HEADER
from services.kernel.store import StoredFact
from services.run.nats import nats_binary
from tests.crash.invariants import Evidence, Published, hold
from tests.kernel.toy import NOTED, TOKENS, TakeToken
from tests.real.harness import PROPERTIES, Installation

PARTS = ("toy", "relay", "echo")
CALLERS = 6
PASSWORD = "right"
PROGRESS_SECONDS = 6.0
ANSWER_SECONDS = 240
"""The longest outage of a row is 130 seconds."""


# A few kilobytes more than what is there, in a mount namespace of the server's own.
_ON_A_SMALL_DISK = """
set -e
kept=$(mktemp -d) && cp -a "$1/." "$kept"
mount -t tmpfs -o size=$(($(du -sk "$1" | cut -f1) + 64))k tmpfs "$1"
cp -a "$kept/." "$1" && rm -rf "$kept"
head -c $((($(df -k --output=avail "$1" | tail -1) - 8) * 1024)) /dev/zero >"$1/filler"
shift && exec "$@"
"""


class System(Installation):
    """One installation over many rounds."""

    def __init__(self, directory: Path, database_url: str | None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory, database_url)
        self.accepted: set[str] = set()
        self.secrets: list[str] = []
        self.ends: dict[str, list[int]] = {}
        self.baseline: dict[str, tuple[int, int, int]] = {}
        self.small_disk = False
        """Whether the server keeps its streams on a disk that is nearly full."""
        self.through: dict[str, int] = {}
        """Ports that parts connect to instead of the server's own."""
        self.held: set[str] = set()
        """Parts that an operator works on: nobody starts them again."""
        self.aged_out = False
        self.flows = 0

    @property
    def is_sqlite(self) -> bool:
        return self.database_url is None

    @property
    def settings(self) -> Any:
        found = super().settings
        return found.model_copy(update={"nats_url": self._url(self.port)})

    def _url(self, port: int) -> str:
        return f"nats://office:{PASSWORD}@127.0.0.1:{port}"

    def start(self, name: str, crash_at: str = "") -> None:
        """Start a part; the server takes its configuration from a file, so that it can be read again."""
        if name == "nats":
            self.write_config(PASSWORD)
            command: list[str | Path] = [nats_binary(), "-c", str(self.directory / "nats.conf")]
            if self.small_disk:
                command = [
                    "unshare",
                    "-Urm",
                    "sh",
                    "-c",
                    _ON_A_SMALL_DISK,
                    "sh",
                    self.directory / "jetstream",
                    *command,
                ]
            environment = dict(os.environ)
        else:
            command = [sys.executable, "-m", "tests.real.process", "relay-alone" if name == "relay2" else name]
            environment = os.environ | {
                "BAILIWICK_DATA_DIR": str(self.directory),
                "BAILIWICK_NATS_URL": self._url(self.through.get(name, self.port)),
                "BAILIWICK_CRASH_AT": crash_at,
                "BAILIWICK_RELAY": "false" if name == "toy" else "true",
                "BAILIWICK_PROGRESS_SECONDS": str(PROGRESS_SECONDS),
            }
            if self.database_url is not None:
                environment["BAILIWICK_DATABASE_URL"] = self.database_url
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def write_config(self, password: str) -> None:
        """What the server is configured with; read again on SIGHUP."""
        (self.directory / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 512KB\n'
            f"authorization {{ user: office, password: {json.dumps(password)} }}\n"
            f'jetstream {{ store_dir: "{self.directory / "jetstream"}" }}\n'
        )

    def supervise(self) -> None:
        """Start again what ended, and remember how."""
        for name in {"nats", *PARTS} - self.held:
            code = self.processes[name].poll()
            if code is not None:
                self.ends.setdefault(name, []).append(code)
                self.start(name)

    @contextlib.contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """These parts are killed and stay down while the context is open."""
        self.held |= set(names)
        for name in names:
            self.kill(name)
        try:
            yield
        finally:
            for name in names:
                self.start(name)
            self.held -= set(names)

    def kill(self, name: str) -> None:
        """SIGKILL one part; that it was killed is no end of its own."""
        super().kill(name)
        self.baseline.pop(name, None)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Ask one part to end; its exit code."""
        self.processes[name].send_signal(number)
        code = self.processes[name].wait(25)
        self.ends.setdefault(name, []).append(code)
        return code

    def pause(self, name: str) -> None:
        """Freeze a part."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen part go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def engine(self, service: str = "toy") -> sa.Engine:
        """A connection of an operator to a service's database, past every guard."""
        if self.is_sqlite:
            return sa.create_engine(f"sqlite:///{self.directory / service}.sqlite", poolclass=sa.NullPool)
        assert self.database_url is not None
        return sa.create_engine(
            self.database_url, poolclass=sa.NullPool, connect_args={"options": f"-c search_path={service}"}
        )

    def copy_stream(self, to: str) -> None:
        """Keep the broker's directory as it is now. The server must be down, or the copy is as torn as after a power loss."""
        shutil.rmtree(self.directory / to, ignore_errors=True)
        shutil.copytree(self.directory / "jetstream", self.directory / to)

    def put_back_stream(self, kept: str) -> None:
        """An older copy of the broker's directory in place of the present one; the server must be down."""
        shutil.rmtree(self.directory / "jetstream")
        shutil.copytree(self.directory / kept, self.directory / "jetstream")

    def keep_database(self, to: str) -> None:
        """A backup of every service's database, taken while nobody uses it."""
        if self.is_sqlite:
            (self.directory / to).mkdir(exist_ok=True)
            for path in self.directory.glob("*.sqlite*"):
                shutil.copy2(path, self.directory / to / path.name)
        else:
            self._copy_database(sa.make_url(str(self.database_url)).database, to)

    def put_back_database(self, kept: str) -> None:
        """A backup in place of the present databases, while nobody uses them."""
        if self.is_sqlite:
            for path in self.directory.glob("*.sqlite*"):
                path.unlink()
            for path in (self.directory / kept).iterdir():
                shutil.copy2(path, self.directory / path.name)
        else:
            self._copy_database(kept, sa.make_url(str(self.database_url)).database)

    def _copy_database(self, source: str | None, target: str | None) -> None:
        server = sa.make_url(str(self.database_url)).set(database="postgres")
        engine = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'"
            connection.exec_driver_sql(end)
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
            connection.exec_driver_sql(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')

    async def begin(self, chance: random.Random) -> None:
        """Once, before the first fault: everything is there and goes on."""
        if not self.flows:
            await self.flow(chance, CALLERS)
            await self.check()

    async def flow(self, chance: random.Random, count: int, fault: Any = None) -> None:
        """Callers send `count` commands, each again until it is answered, while `fault` happens and parts are supervised."""
        self.flows += 1
        client = await self.client()
        supervising = asyncio.create_task(self._supervising())
        ids = [f"f{self.flows}-{n}" for n in range(count)]
        secret = f"secret-{self.flows}-{chance.randrange(10**9)}"
        self.secrets.append(secret)
        try:
            callers = (self._caller(client, chance, ids[start::CALLERS], secret) for start in range(CALLERS))
            await asyncio.gather(*callers, *([] if fault is None else [fault]))
        finally:
            supervising.cancel()
            await client.close()
        self.accepted |= set(ids)

    async def _supervising(self) -> None:
        while True:
            self.supervise()
            await asyncio.sleep(0.2)

    async def _caller(self, client: Client, chance: random.Random, ids: Sequence[str], secret: str) -> None:
        for command_id in ids:
            limited = chance.random() < 0.2
            holder = f"holder-{chance.randrange(20)}" if limited else f"unbounded-{chance.randrange(5)}"
            request = TakeToken(holder_id=holder, note=secret if chance.random() < 0.3 else None)
            await self.until_answered(client, request, command_id, chance.choice(PROPERTIES))

    async def until_answered(self, client: Client, request: TakeToken, command_id: str, property_id: str) -> None:
        """Send one command under its id until it is answered, as the house asks of every caller."""
        body = Door(self.settings.doors_dir).sign(request, Actor(actor="boss"), property_id, command_id=command_id)
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask(client, body, TakeToken, property_id, timeout=1.5)
            except Exception:  # noqa: BLE001 - whatever the outage looks like to the client, the id is sent again
                await asyncio.sleep(0.1)
                continue
            if answer.outcome in ("done", "refused"):
                return
            assert answer.error is not None
            assert answer.error["code"] in ("busy", "unknown"), answer.error
            await asyncio.sleep(0.1)
        raise TimeoutError(f"I8: {command_id} was not answered within {ANSWER_SECONDS} s")

    async def check(self, limit_seconds: float = 60) -> Evidence:
        """Drain, gather the evidence, and hold every invariant against it."""
        begun = time.monotonic()
        client = await self.client()
        supervising = asyncio.create_task(self._supervising())
        try:
            await self._drained(client, begun + limit_seconds)
            seen = await self._evidence(client, time.monotonic() - begun, limit_seconds)
        finally:
            supervising.cancel()
            await client.close()
            _forget_broken_lines()
        hold(seen)
        return seen

    async def _drained(self, client: Client, deadline: float) -> None:
        js = client.jetstream(timeout=5)
        toy, echo = self.store("toy"), self.store("echo")
        said = "nothing was looked at"
        try:
            while time.monotonic() < deadline:
                try:
                    stored = await asyncio.to_thread(toy.max_notification_id) or 0
                    heads = {p: head.number for p, head in toy.heads().items()}
                    with echo.reading() as connection:
                        taken = {s.partition(":")[2]: n for s, (n, _) in echo.tracked(connection).items()}
                    state = (await js.stream_info(stream_of("toy"))).state
                    last = await js.get_msg(stream_of("toy"), state.last_seq) if state.messages else None
                    published = int((last.headers or {})[POSITION_HEADER]) if last is not None else 0
                    if self.aged_out and not state.messages and state.last_seq:
                        published = stored
                except Exception as error:  # noqa: BLE001 - the broker or the database is still coming back
                    said = f"{type(error).__name__}: {error}"
                else:
                    if published == stored and taken == heads:
                        return
                    said = f"stored {stored}, published {published}, heads {heads}, taken in {taken}"
                await asyncio.sleep(0.1)
        finally:
            toy.close()
            echo.close()
        raise AssertionError(f"I8: not drained: {said}")

    async def _evidence(self, client: Client, seconds: float, limit: float) -> Evidence:
        toy, echo = self.store("toy"), self.store("echo")
        try:
            with toy.reading() as connection:
                tokens = [dict(row._mapping) for row in connection.execute(sa.select(TOKENS))]
            with echo.reading() as connection:
                noted = [dict(row._mapping) for row in connection.execute(sa.select(NOTED))]
            facts: list[list[StoredFact]] = [toy.after(0, 10_000_000), echo.after(0, 10_000_000)]
            heads = {"toy": toy.heads(), "echo": echo.heads()}
        finally:
            toy.close()
            echo.close()
        logs = {path.name: path.read_text(errors="replace") for path in self.directory.glob("*.log")}
        return Evidence(
            accepted=self.accepted, toy=facts[0], echo=facts[1], heads=heads, published=await _stream(client),
            tokens=tokens, noted=noted, seconds_to_drain=seconds, drain_limit_seconds=limit, ends=self.ends,
            growth=self._growth(), logs=logs, secrets=self.secrets, aged_out=self.aged_out,
        )  # fmt: skip

    def _growth(self) -> dict[str, tuple[int, int]]:
        found = {}
        for name in PARTS:
            process = self.processes[name]
            if process.poll() is None:
                now = psutil.Process(process.pid)
                files, threads = now.num_fds(), now.num_threads()
                pid, files_before, threads_before = self.baseline.get(name, (0, 0, 0))
                if pid != process.pid:
                    self.baseline[name] = (process.pid, files, threads)
                else:
                    found[name] = (files - files_before, threads - threads_before)
        return found


def _forget_broken_lines() -> None:
    """The client leaves the sockets of lines that broke; they are collected here, where nobody takes it for a leak of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def _stream(client: Client) -> list[Published]:
    js = client.jetstream(timeout=5)
    state = (await js.stream_info(stream_of("toy"))).state
    found: list[Published] = []
    if not state.messages:
        return found
    subscription = await js.subscribe("bailiwick.*.toy.event.>", ordered_consumer=True)
    for _ in range(state.messages):
        message = await subscription.next_msg(timeout=5)
        headers = message.headers or {}
        found.append(Published(message.subject, headers, message.data, int(headers[POSITION_HEADER])))
    await subscription.unsubscribe()
    return found
