"""What a process says of itself: ready apart from alive, what waits, what is wrong and how to put it right; and its numbers."""

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from bailiwick_contracts.subjects import stream_of, subject_of
from eventsourcing.persistence import OperationalError
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from services.kernel.app import Runtime
from services.kernel.bus import connect, drift, provision, stream_config
from services.kernel.health import Checkup
from services.kernel.lease import Lease
from services.kernel.liveness import ExitCode, Watch
from services.kernel.relay import POSITION_HEADER
from services.kernel.settings import Settings, sqlite_url
from services.kernel.store import Store
from services.kernel.telemetry import Numbers
from services.run import observe
from services.run.embedded import Supervisor
from services.run.nats import free_port
from tests import servers
from tests.kernel.toy import ECHO, TOY
from tests.real.test_liveness import running, take_token


def ask(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def until(port: int, path: str, status: int, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found, body = ask(port, path)
        if found == status:
            return json.loads(body)
        assert time.monotonic() < deadline, body
        time.sleep(0.1)


async def test_readiness_is_apart_from_liveness_and_the_numbers_count_what_was_answered(
    tmp_path: Path, nats_server: servers.NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("BAILIWICK_HEALTH_PORT", str(port))
    monkeypatch.setenv("BAILIWICK_HEALTH_SECONDS", "0.3")
    with running(tmp_path, nats_server.url, "tests.real.process", "toy") as toy:
        await asyncio.to_thread(toy.until_ready)
        assert await take_token(toy.settings) == "done"
        (service,) = until(port, "/health/ready", 200)["services"]
        assert service["healthy"], service["problems"]
        assert "bailiwick" in json.loads(ask(port, "/version")[1])
        nats_server.kill9()
        (service,) = until(port, "/health/ready", 503)["services"]
        assert "NATS is away" in service["problems"][0]
        assert ask(port, "/health/live")[0] == 200, "a broker that is away is no reason to end"
        nats_server.start()
        until(port, "/health/ready", 200)
        families = {f.name: f for f in text_string_to_metric_families(ask(port, "/metrics")[1].decode())}
        (sample,) = families["bailiwick_commands"].samples
        assert (sample.labels["type"], sample.labels["outcome"], sample.value) == ("toy.take_token.v1", "done", 1)
        assert {"bailiwick_relay_lag_facts", "bailiwick_dead_letters", "bailiwick_timers_overdue", "bailiwick_heals",
                "bailiwick_batch_size", "bailiwick_batch_seconds"} <= set(families)  # fmt: skip


async def test_a_service_that_was_never_made_is_on_the_list_and_among_the_numbers_with_what_keeps_it(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=SecretStr("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    supervisor = Supervisor(settings, {"toy": lambda _: TOY})
    numbers = Numbers(lambda: list(supervisor.runtimes.values()), supervisor.healths)
    running = asyncio.create_task(supervisor.run())
    try:
        for _ in range(400):
            if supervisor.failures:
                break
            await asyncio.sleep(0.05)
        status, _, body = observe.answer("/health/ready", numbers, supervisor.healths, lambda: True)
        _, _, shown = observe.answer("/metrics", numbers, supervisor.healths, lambda: True)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    (service,) = json.loads(body)["services"]
    assert (status, service["service"], service["healthy"], service["ready"]) == (503, "toy", False, False)
    assert (
        "does not start, and is started again and again: OperationalError: connection failed" in service["problems"][0]
    )
    families = {family.name: family for family in text_string_to_metric_families(shown.decode())}
    (ready,), (problems,) = families["bailiwick_ready"].samples, families["bailiwick_problems"].samples
    assert (ready.labels, ready.value, problems.value) == ({"service": "toy"}, 0, 1)


async def test_a_service_of_which_a_part_failed_is_started_again_and_says_what_failed(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    """As the gateway did where its database was away for a moment: it ended, and nobody began it again."""
    again = asyncio.Event()

    async def failing_once(runtime: Runtime, _: Client) -> None:
        if runtime.ended_before is None:
            await runtime.ready.wait()
            await asyncio.sleep(1)  # it has looked at its health, and only waits for its parts now
            async with asyncio.TaskGroup() as group:
                group.create_task(_fail())
        again.set()
        await asyncio.Event().wait()

    async def _fail() -> None:
        raise LookupError("the database was away")

    settings = Settings(data_dir=tmp_path, nats_url=nats_server.url)
    supervisor = Supervisor(settings, {"toy": lambda _: replace(TOY, alongside=(failing_once,))})
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(20):
            await again.wait()
            await supervisor.runtimes["toy"].ready.wait()
    finally:
        running.cancel()
        await asyncio.wait({running}, timeout=20)
    assert running.cancelled()
    assert supervisor.failures == {"toy": "LookupError: the database was away"}


async def test_what_keeps_a_service_from_starting_is_named_a_database_older_than_its_stream(
    tmp_path: Path, nats_server: servers.NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("BAILIWICK_HEALTH_PORT", str(port))
    client = await connect(nats_server.url, "test")
    await provision(client.jetstream(), "registry", ())
    subject = subject_of("registry.property_added.v1", "north-court", "event")
    await client.jetstream().publish(subject, b"{}", headers={POSITION_HEADER: "99"})
    with running(tmp_path, nats_server.url, "services.cli.entry", "serve", "registry") as registry:
        deadline, said = time.monotonic() + 30, ""
        while "Restore a newer backup" not in said:
            assert time.monotonic() < deadline, said
            await asyncio.sleep(0.2)
            with contextlib.suppress(urllib.error.URLError):
                code, body = await asyncio.to_thread(ask, port, "/health/ready")
                said = body.decode()
        assert (code, ask(port, "/health/live")[0]) == (503, 200)
        assert (await client.jetstream().stream_info(stream_of("registry"))).state.messages == 1
        assert (await asyncio.to_thread(registry.stop))[0] == 0
    await client.close()


async def test_settings_that_drift_while_it_runs_are_named_and_end_the_process(
    tmp_path: Path, nats_server: servers.NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAILIWICK_HEALTH_SECONDS", "0.3")
    with (
        running(tmp_path, nats_server.url, "tests.real.process", "toy") as toy,
        running(tmp_path, nats_server.url, "tests.real.process", "echo") as echo,
    ):
        await asyncio.to_thread(toy.until_ready)
        await asyncio.to_thread(echo.until_ready)
        client = await connect(nats_server.url, "operator")
        js = client.jetstream()
        config = (await js.consumer_info(stream_of("toy"), "echo")).config
        await js.add_consumer(stream_of("toy"), ConsumerConfig(**{**config.__dict__, "max_ack_pending": 7}))
        await client.close()
        assert await asyncio.to_thread(echo.process.wait, 30) == ExitCode.UNHEALTHY
        assert "max_ack_pending is 7, should be 5000" in echo.log.read_text()
        assert toy.process.poll() is None


async def test_a_limit_that_would_lose_or_stop_facts_is_drift_too(nats_server: servers.NatsServer) -> None:
    client = await connect(nats_server.url, "operator")
    js = client.jetstream()
    await provision(js, "registry", ())
    await provision(js, "attendance", ("registry",))
    assert await drift(js, "attendance", ("registry",)) == []
    stream = (await js.stream_info(stream_of("registry"))).config
    stream.max_msgs, stream.max_bytes = 5, 10**6
    await js.update_stream(stream)
    durable = (await js.consumer_info(stream_of("registry"), "attendance")).config
    durable.headers_only, durable.inactive_threshold = True, 5.0
    await js.add_consumer(stream_of("registry"), durable)
    found = "; ".join(await drift(js, "attendance", ("registry",)))
    for said in ("max_msgs is 5", "max_bytes is 1000000", "headers_only is True", "inactive_threshold is 5.0"):
        assert said in found
    await client.close()


async def test_what_waits_is_counted_with_its_age(
    tmp_path: Path, nats_server: servers.NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("BAILIWICK_HEALTH_PORT", str(port))
    monkeypatch.setenv("BAILIWICK_HEALTH_SECONDS", "0.3")
    monkeypatch.setenv("BAILIWICK_RELAY", "false")
    with running(tmp_path, nats_server.url, "tests.real.process", "toy") as toy:
        await asyncio.to_thread(toy.until_ready)
        assert await take_token(toy.settings) == "done"
        await asyncio.sleep(1.5)
        (service,) = until(port, "/health/ready", 200)["services"]
        assert service["unpublished"]["waiting"] == 1
        assert service["unpublished"]["oldest_seconds"] > 1


@pytest.mark.parametrize("meanwhile", [5, OperationalError("it went away")])
async def test_a_database_is_not_taken_for_an_older_one_by_what_is_published_while_it_is_looked_at(
    tmp_path: Path, nats_server: servers.NatsServer, monkeypatch: pytest.MonkeyPatch, meanwhile: Any
) -> None:
    client = await connect(nats_server.url, "operator")
    await provision(client.jetstream(), "toy", ())
    await client.jetstream().publish(
        subject_of("toy.token_taken.v1", "north-court", "event"), b"{}", headers={POSITION_HEADER: "5"}
    )
    with contextlib.closing(Store(sqlite_url(tmp_path / "toy.sqlite"))) as store:
        stored = Mock(side_effect=[4, meanwhile] if meanwhile == 5 else meanwhile)
        monkeypatch.setattr(store, "max_notification_id", stored)
        looking = Checkup(
            TOY, store, SimpleNamespace(failed=None), client, Watch(), Lease(store, "x"), asyncio.Event(), 1, 1
        )
        said = (await looking.look()).problems
    assert not any("older" in one for one in said)
    assert bool(said) == (meanwhile != 5)
    await client.close()


async def test_settings_that_let_facts_age_out_are_named_also_where_the_next_one_to_be_taken_in_is_gone(
    tmp_path: Path, nats_server: servers.NatsServer
) -> None:
    """As while its source is away, from whose feed alone it comes then."""
    store, client = Store(f"sqlite:///{tmp_path / 'echo.sqlite'}"), await connect(nats_server.url, "test")
    js = client.jetstream(timeout=5)
    await provision(js, "echo", ("toy",))
    await js.update_stream(stream_config("toy").evolve(max_age=2, duplicate_window=1))
    subject = subject_of("toy.token_taken.v1", "north-court", "event")
    await js.publish(subject, b"{}")
    while (await js.stream_info(stream_of("toy"))).state.messages:  # noqa: ASYNC110 - nothing tells that it changed
        await asyncio.sleep(0.2)
    await js.publish(subject, b"{}")
    writer, watch, lease = SimpleNamespace(failed=None), Watch(), Lease(store, "active")
    health = await Checkup(ECHO, store, writer, client, watch, lease, asyncio.Event(), 1, 1).look()
    assert (health.untaken["toy"].waiting, len(health.drift)) == (1, 2), health.problems
    assert all("put the settings back" in problem for problem in health.problems)
    store.close()
    await client.close()
