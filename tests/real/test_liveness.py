"""What cannot make progress ends itself with a code that says why; what is asked to end does so, whatever the broker does."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.subjects import subject_of

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.liveness import ExitCode
from services.kernel.settings import Settings
from services.run.nats import free_port
from tests import servers
from tests.kernel.toy import CountTokens, TakeToken

PROMISED_SECONDS = 20
PROGRESS_SECONDS = 4


class Process:
    """One process of ours, what it wrote, and how it ended."""

    def __init__(self, directory: Path, url: str, *command: str) -> None:
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(directory / "data"),
            "BAILIWICK_NATS_URL": url,
            "BAILIWICK_PROGRESS_SECONDS": str(PROGRESS_SECONDS),
        }
        self.settings = Settings(data_dir=directory / "data", nats_url=url)
        self.log = directory / f"{command[-1]}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=log, env=environment
            )

    def until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.log.read_text()

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PROMISED_SECONDS + 5), time.monotonic() - begun


@contextlib.contextmanager
def running(directory: Path, url: str, *command: str) -> Iterator[Process]:
    process = Process(directory, url, *command)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()
        assert process.process.stdout is not None
        process.process.stdout.close()


async def take_token(settings: Settings, timeout: float = 5) -> str:
    client = await connect(settings.nats_url, "test")
    try:
        body = Door(settings.doors_dir).sign(TakeToken(holder_id="ann"), Actor(actor="boss"), "north-court")
        return (await ask(client, body, TakeToken, "north-court", timeout=timeout)).outcome
    finally:
        await client.close()


def test_a_loop_that_stands_still_ends_the_process_with_its_stacks(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "loop") as process:
        process.until_ready()
        assert process.process.wait(30) == ExitCode.STUCK
        assert "most recent call first" in process.log.read_text()


async def test_a_writer_that_hangs_in_a_handler_ends_the_process_with_its_stacks(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "handler") as process:
        await asyncio.to_thread(process.until_ready)
        with pytest.raises(TimeoutError):
            await take_token(process.settings, 1)
        assert process.process.wait(30) == ExitCode.STUCK
        assert "on_slow_token" in process.log.read_text()


def test_a_connection_that_the_client_closed_for_good_ends_the_process(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "closed") as process:
        process.until_ready()
        assert process.process.wait(30) == ExitCode.CLOSED


def test_a_client_that_stopped_reconnecting_ends_the_process_once_the_server_is_back(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "zombie") as process:
        process.until_ready()
        time.sleep(0.6)
        nats_server.kill9()
        time.sleep(PROGRESS_SECONDS * 3)
        assert process.process.poll() is None, "a broker that is away is waited for"
        nats_server.start()
        assert process.process.wait(30) == ExitCode.UNHEALTHY


def test_credentials_that_are_turned_down_end_the_process_at_the_start_and_later(tmp_path: Path) -> None:
    store, port = tmp_path / "nats", free_port()
    who = "authorization {{ user: office, password: {} }}"
    with servers.NatsServer(store, port, who.format("right")) as server:
        with running(tmp_path, f"nats://office:wrong@127.0.0.1:{port}", "tests.real.process", "toy") as process:
            assert process.process.wait(30) == ExitCode.AUTHORISATION
        with running(tmp_path, f"nats://office:right@127.0.0.1:{port}", "tests.real.process", "toy") as process:
            process.until_ready()
            config = store / "nats.conf"
            config.write_text(config.read_text().replace("right", "other"))
            os.kill(server.pid, signal.SIGHUP)
            assert process.process.wait(30) == ExitCode.AUTHORISATION


@pytest.mark.parametrize("state", ["up", "down", "frozen", "never reached"])
@pytest.mark.parametrize("part", ["toy", "echo"])
def test_sigterm_ends_a_service_whatever_state_the_broker_is_in(tmp_path: Path, state: str, part: str) -> None:
    with contextlib.ExitStack() as stack:
        server = servers.NatsServer(tmp_path / "nats", free_port())
        if state != "never reached":
            stack.enter_context(server)
        process = stack.enter_context(running(tmp_path, server.url, "tests.real.process", part))
        if state == "never reached":
            time.sleep(2)
        else:
            process.until_ready()
        if state == "down":
            server.kill9()
            time.sleep(0.5)
        if state == "frozen":
            server.pause()
        code, seconds = process.stop()
        assert (code, seconds < PROMISED_SECONDS) == (0, True), process.log.read_text()


@pytest.mark.parametrize("after_seconds", [0.3, 1, 2])
def test_sigterm_during_the_start_ends_a_service(
    tmp_path: Path, nats_server: servers.NatsServer, after_seconds: float
) -> None:
    with running(tmp_path, nats_server.url, "services.cli.entry", "serve", "registry") as process:
        time.sleep(after_seconds)
        code, seconds = process.stop()
        assert (code, seconds < PROMISED_SECONDS) == (0, True), process.log.read_text()


async def test_sigterm_in_the_middle_of_a_batch_lets_it_be_stored_and_answered(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "slow") as process:
        await asyncio.to_thread(process.until_ready)
        asked = asyncio.create_task(take_token(process.settings, 15))
        await asyncio.sleep(1)
        code, seconds = await asyncio.to_thread(process.stop)
        assert (code, seconds < PROMISED_SECONDS) == (0, True), process.log.read_text()
        assert await asked == "done"


async def test_sigterm_while_queries_take_their_time_waits_for_none_of_them(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    with running(tmp_path, nats_server.url, "tests.real.ailing", "query") as process:
        await asyncio.to_thread(process.until_ready)
        client = await connect(nats_server.url, "test")
        door, boss = Door(process.settings.doors_dir), Actor(actor="boss")
        for _ in range(3):
            body = door.sign(CountTokens(holder_id="ann"), boss, "north-court")
            await client.publish(subject_of(CountTokens.wire(), "north-court", "query"), body)
        assert process.process.stdout is not None
        assert await asyncio.to_thread(process.process.stdout.readline) == b"counting\n"
        code, seconds = await asyncio.to_thread(process.stop)
        assert (code, seconds < PROMISED_SECONDS / 2) == (0, True), process.log.read_text()
        await client.close()


def test_at_rest_a_service_costs_next_to_nothing_with_a_broker_and_without(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    url = nats_server.url
    with (
        running(tmp_path, url, "tests.real.process", "toy") as toy,
        running(tmp_path, url, "tests.real.process", "echo") as echo,
    ):
        toy.until_ready()
        echo.until_ready()
        time.sleep(1)
        assert _busy(toy, echo) < 5
        nats_server.kill9()
        assert _busy(toy, echo) < 5


def _busy(*processes: Process) -> float:
    """Per cent of one core that the busiest used over ten seconds."""
    watched = [psutil.Process(process.process.pid) for process in processes]
    for one in watched:
        one.cpu_percent()
    time.sleep(10)
    return max(one.cpu_percent() for one in watched)
