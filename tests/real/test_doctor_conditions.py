"""Every condition that `bailiwick doctor` looks for, brought about for real: each is found, and its remedy named."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, read_command
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import AddProperty
from bailiwick_contracts.subjects import stream_of, subject_of
from nats.aio.client import Client

from services.kernel.bus import connect, provision
from services.kernel.doors import Door
from services.kernel.due import TIMERS, microseconds
from services.kernel.parked import PARKED
from services.kernel.relay import POSITION_HEADER
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.writer import Writer
from services.registry.app import service as registry_of
from tests.cluster import NODES, NatsCluster
from tests.damage import damage
from tests.real.test_doctor import examined
from tests.servers import NatsServer, PostgresServer, database, forget_broken_lines

LONG_AGO = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def registered(settings: Settings) -> None:
    """A fact of the registry, recorded long ago, that nobody publishes."""
    keys = KeyStore(settings.keys_dir)
    service = registry_of(keys)
    store = Store(settings.store_url("registry"), schema="registry", views=[t for v in service.views for t in v.tables])
    writer = Writer(service, store, keys, clock=lambda: LONG_AGO)
    request = AddProperty(property_id="north-court", name="north-court")
    body = Door(settings.doors_dir).sign(request, Actor(actor="system-setup", channel="system"), COMPANY)
    (answer,) = writer.process([read_command(body, AddProperty)])
    assert answer.outcome == "done", answer
    writer.close()
    store.close()


def gone_wrong(settings: Settings) -> None:
    """A timer that nobody fired, one that was given up like a fact that no handler took, a clock that was set back."""
    store = Store(settings.store_url("attendance"), schema="attendance")
    timer: dict[str, Any] = {
        "timer_id": "late", "due_us": microseconds(LONG_AGO), "next_us": microseconds(LONG_AGO), "setting": "s", "tries": 0,
        "property_id": "north-court", "wire": "attendance.check_appraisals.v1", "body": b"{}", "raised": False,
    }  # fmt: skip
    letter: dict[str, Any] = {
        "source": "registry-log:north-court", "number": 1, "lane": "registry-log/staff-1", "version": 1, "fact_id": "f1",
        "property_id": "north-court", "type": "registry.staff_registered.v1", "copied": True, "tries": 5, "raised": True,
        "parked_us": microseconds(LONG_AGO),
    }  # fmt: skip
    with store.transaction() as connection:
        connection.execute(sa.insert(TIMERS).values(timer))
        given_up = {"timer_id": "given-up", "next_us": None, "tries": 5, "raised": True}
        connection.execute(sa.insert(TIMERS).values(timer | given_up))
        connection.execute(sa.insert(PARKED).values(letter))
        store.set_setting(connection, "recorded_at", (datetime.now(UTC) + timedelta(hours=1)).isoformat())
    store.close()


def holds(found: dict[str, dict[str, Any]], check: str, said: str, remedy: str) -> None:
    row = found[check]
    assert not row["ok"], row
    assert said in row["found"], row
    assert remedy in row["remedy"], row


async def test_what_waits_is_late_or_was_refused_is_found_and_a_server_that_takes_too_little(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", config="max_payload: 64KB") as server:
        settings = Settings(data_dir=tmp_path / "data", nats_url=server.url)
        registered(settings)
        gone_wrong(settings)
        client = await connect(server.url, "test")
        await provision(client.jetstream(), "registry", ())
        code, found = await asyncio.to_thread(examined, tmp_path, BAILIWICK_NATS_URL=server.url)
        assert code == 1
        holds(found, "registry: published", "0 of 3, the oldest waits", "see that registry runs")
        holds(found, "attendance: dead letters", "2", "bailiwick dead-letters list")
        holds(found, "attendance: overdue timers", "1", "see that attendance runs")
        holds(found, "attendance: clock", "behind the last fact", "set this machine's clock")
        holds(found, "attendance: stream", "missing", "bailiwick provision")
        holds(found, "nats max_payload", "65536", "max_payload: 512KB")
        await _ahead_of_its_store(client)
        code, found = await asyncio.to_thread(examined, tmp_path, BAILIWICK_NATS_URL=server.url)
        holds(found, "registry: published", "99 of 3", "Restore a newer backup")
        gone = {
            "BAILIWICK_NATS_URL": server.url,
            "BAILIWICK_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
        }
        code, found = await asyncio.to_thread(examined, tmp_path, **gone)
        holds(found, "registry: published", "OperationalError", "put right what is said of registry: database")
        assert "registry: stream" not in found
        await client.close()


async def _ahead_of_its_store(client: Client) -> None:
    subject = subject_of("registry.property_added.v1", COMPANY, "event")
    await client.jetstream().publish(subject, b"{}", headers={POSITION_HEADER: "99"})


def test_a_disk_that_is_nearly_full_is_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    script = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" -m services.cli.entry doctor --json'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", data, sys.executable],
        env=os.environ | {"BAILIWICK_DATA_DIR": str(data)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or not done.stdout:
        pytest.skip(f"no disk of our own can be made here: {done.stderr.strip()[-200:]}")
    found = {row["check"]: row for row in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    holds(found, "disk", "MiB free", "make room below")


def test_a_database_that_confirms_what_it_may_lose_is_found(tmp_path: Path) -> None:
    with PostgresServer() as server, database(server.url) as url:
        code, found = examined(tmp_path, BAILIWICK_DATABASE_URL=url)
    assert code == 1
    # Every server of the tests is started so; what a connection can set for itself, ours do.
    assert found["registry: synchronous_commit"]["ok"]
    for setting in ("fsync", "full_page_writes"):
        holds(found, f"registry: {setting}", "off", f"set {setting} = on")


def test_a_database_that_does_not_answer_is_found(tmp_path: Path) -> None:
    code, found = examined(tmp_path, BAILIWICK_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert code == 1
    holds(found, "registry: database", "OperationalError", "see that it runs")


@pytest.mark.parametrize(
    ("table", "check", "said"),
    [("parked", "registry: database", "malformed"), ("facts", "registry: pages", "error code 11")],
)
def test_a_database_that_is_damaged_is_found(tmp_path: Path, table: str, check: str, said: str) -> None:
    """It opens, and fails where it is read; what the doctor has no reason to read is looked at all the same."""
    settings = Settings(data_dir=tmp_path / "data")
    Store(settings.store_url("registry"), schema="registry").close()
    damage(settings.data_dir / "registry.sqlite", table)
    code, found = examined(tmp_path)
    assert code == 1
    holds(found, check, said, "put a backup back")


async def test_a_server_that_does_not_answer_or_is_too_old_is_found(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"old","version":"2.9.25","max_payload":1048576,"headers":true}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code, found = await asyncio.to_thread(examined, tmp_path, BAILIWICK_NATS_URL=f"nats://127.0.0.1:{port}")
    assert code == 1
    holds(found, "nats version", "2.9.25", "2.10 or later")
    holds(found, "jetstream", "does not answer", "see the server's log")
    server.close()
    code, found = await asyncio.to_thread(examined, tmp_path, BAILIWICK_NATS_URL=f"nats://127.0.0.1:{port}")
    assert code == 1
    holds(found, "nats", "does not answer", "start it, or correct BAILIWICK_NATS_URL")


@pytest.mark.crash
@pytest.mark.containers
@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.xdist_group("cluster")
async def test_on_a_cluster_every_way_to_lose_a_copy_is_found(tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path / "cluster", sync="2m")
    with cluster:
        known = {
            "BAILIWICK_NATS_URL": cluster.url,
            "BAILIWICK_NATS_MONITOR_URL": f"http://127.0.0.1:{cluster.monitors['one']}",
        }

        async def look(**more: str) -> dict[str, dict[str, Any]]:
            return (await asyncio.to_thread(examined, tmp_path, **known | more))[1]

        client = await connect(cluster.url, "test")
        await provision(client.jetstream(timeout=5), "registry", (), replicas=3)
        found = await look(BAILIWICK_REPLICAS="1")
        holds(found, "replicas", "1", "BAILIWICK_REPLICAS=3")
        holds(found, "registry: as described", "num_replicas is 3", "put the settings back")
        holds(found, "sync_interval", "", "sync_interval: always")
        found = await look(BAILIWICK_REPLICAS="3")
        assert found["registry: stream: copies"]["ok"], found["registry: stream: copies"]
        assert found["replicas"]["ok"]
        leader = await cluster.leader(stream_of("registry"))
        follower = next(name for name in NODES if name != leader)
        cluster.servers[follower].kill9()
        await asyncio.sleep(2)
        for number in range(20):
            headers = {POSITION_HEADER: str(number)}
            await client.jetstream(timeout=10).publish(
                subject_of("registry.x.v1", COMPANY, "event"), b"{}", headers=headers
            )
        await asyncio.sleep(10)
        found = await look(BAILIWICK_REPLICAS="3")
        holds(found, "registry: stream: copies", follower, f"start {follower}")
        assert "behind" in found["registry: stream: copies"]["found"]
        cluster.servers[next(name for name in NODES if name not in (leader, follower))].kill9()
        # A node that led goes on answering until it gives up waiting for the others, which takes it its time.
        for _ in range(20):
            found = await look(BAILIWICK_REPLICAS="3")
            if "jetstream" in found:
                break
            await asyncio.sleep(2)
        holds(found, "jetstream", "does not answer", "more than half must run")
        await client.close()
        forget_broken_lines()
