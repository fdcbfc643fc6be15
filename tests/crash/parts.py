"""The parts of a system under faults: NATS, toy, its relay and echo as processes, restarted when they end, and a database to break."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import sqlalchemy as sa

from services.run.nats import nats_binary
from tests.real.harness import Installation
from tests.servers import PostgresServer

PARTS = ("toy", "relay", "echo")
PASSWORD = "right"
PROGRESS_SECONDS = 6.0

# A few kilobytes more than what is there, in a mount namespace of the server's own.
_ON_A_SMALL_DISK = """
set -e
kept=$(mktemp -d) && cp -a "$1/." "$kept"
mount -t tmpfs -o size=$(($(du -sk "$1" | cut -f1) + 64))k tmpfs "$1"
cp -a "$kept/." "$1" && rm -rf "$kept"
head -c $((($(df -k --output=avail "$1" | tail -1) - 8) * 1024)) /dev/zero >"$1/filler"
shift && exec "$@"
"""


class Parts(Installation):
    """The processes of one installation, its files and its databases."""

    parts: tuple[str, ...] = PARTS
    """The processes of ours."""
    servers: tuple[str, ...] = ("nats",)
    """Who else is started, killed and started again."""

    def __init__(self, directory: Path, database_url: str | None, postgres: PostgresServer | None = None) -> None:
        """`postgres` is the server of the database, where a fault may kill it."""
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory, database_url)
        self.postgres = postgres
        self.ends: dict[str, list[int]] = {}
        self.baseline: dict[str, tuple[int, int, int]] = {}
        self.small_disk = False
        """Whether the server keeps its streams on a disk that is nearly full."""
        self.through: dict[str, int] = {}
        """Ports that parts connect to instead of the server's own."""
        self.held: set[str] = set()
        """Parts that an operator works on: nobody starts them again."""
        self.tls: tuple[Path, Path, Path] | None = None
        """The server's certificate and key, and whom its clients trust."""
        self.environment: dict[str, dict[str, str]] = {}
        """What a part is started with besides, by its name."""

    def __enter__(self) -> Self:
        for name in (*self.servers, *self.parts):
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()

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
            command = self.command(name)
            environment = os.environ | {
                "BAILIWICK_DATA_DIR": str(self.directory),
                "BAILIWICK_NATS_URL": self._url(self.through.get(name, self.port)),
                "BAILIWICK_CRASH_AT": crash_at,
                "BAILIWICK_RELAY": "false" if name.startswith("toy") else "true",
                "BAILIWICK_PROGRESS_SECONDS": str(PROGRESS_SECONDS),
            }
            if self.database_url is not None:
                environment["BAILIWICK_DATABASE_URL"] = self.database_url
            if self.tls is not None:
                environment["BAILIWICK_NATS_CA_FILE"] = str(self.tls[2])
            environment |= self.environment.get(name, {})
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def command(self, name: str) -> list[str | Path]:
        """How a part of ours is started."""
        known_as = {"relay2": "relay-alone", "toy2": "toy-2"}.get(name, name)
        return [sys.executable, "-m", "tests.real.process", known_as]

    def write_config(self, password: str) -> None:
        """What the server is configured with; read again on SIGHUP."""
        (self.directory / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 512KB\n'
            f"authorization {{ user: office, password: {json.dumps(password)} }}\n"
            f'jetstream {{ store_dir: "{self.directory / "jetstream"}" }}\n'
            + ("" if self.tls is None else f'tls {{ cert_file: "{self.tls[0]}", key_file: "{self.tls[1]}" }}\n')
        )

    def supervise(self) -> None:
        """Start again what ended, and remember how."""
        for name in {*self.servers, *self.parts} - self.held:
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

    def growth(self) -> dict[str, tuple[int, int]]:
        """By part: files and threads more than when it was first looked at."""
        found = {}
        for name in self.parts:
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
