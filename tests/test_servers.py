"""The servers that the other tests stand on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nats
import psutil
import pytest
import sqlalchemy as sa

from tests import containers, servers
from tests.launching import ServerError


async def publish(url: str, text: str) -> int:
    """Store one message in a stream that is made when it is missing; its sequence."""
    client = await nats.connect(url, connect_timeout=3)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="kept", subjects=["kept.>"])
        return (await stream.publish("kept.note", text.encode())).seq
    finally:
        await client.close()


async def kept(url: str) -> list[str]:
    """Every message of the stream."""
    client = await nats.connect(url, connect_timeout=3)
    try:
        stream = client.jetstream()
        last = (await stream.stream_info("kept")).state.last_seq
        return [((await stream.get_msg("kept", number)).data or b"").decode() for number in range(1, last + 1)]
    finally:
        await client.close()


async def test_nats_takes_a_message_into_jetstream(nats_url: str) -> None:
    assert await publish(nats_url, "one") >= 1


async def test_nats_keeps_its_port_and_its_streams_over_a_restart_and_a_kill(nats_server: servers.NatsServer) -> None:
    url = nats_server.url
    await publish(url, "before the restart")
    nats_server.restart()
    assert nats_server.url == url
    await publish(url, "before the kill")
    nats_server.kill9()
    nats_server.start()
    assert await kept(url) == ["before the restart", "before the kill"]


async def test_a_wiped_nats_is_empty_and_serves(nats_server: servers.NatsServer) -> None:
    assert await publish(nats_server.url, "lost") == 1
    nats_server.wipe()
    assert await publish(nats_server.url, "first") == 1


def test_a_paused_nats_is_still_there_resumes_and_stops(nats_server: servers.NatsServer) -> None:
    nats_server.pause()
    deadline = time.monotonic() + 5
    while psutil.Process(nats_server.pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
    nats_server.resume()
    nats_server.pause()
    nats_server.stop()


def test_a_server_that_cannot_start_says_why(nats_server: servers.NatsServer, tmp_path: Path) -> None:
    second = servers.NatsServer(tmp_path / "second", config="no such setting")
    with pytest.raises(ServerError, match="Parse error on line 4"):
        second.start()
    assert nats_server.pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_servers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from tests.servers import NatsServer, PostgresServer\n"
        "one, two = NatsServer(pathlib.Path(sys.argv[1])), PostgresServer()\n"
        "one.start(); two.start(); print(one.pid, two._process.pid, two._directory, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        *pids, directory = parent.stdout.readline().split()
        children = [psutil.Process(int(pid)) for pid in pids]
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    subprocess.run(["rm", "-rf", directory], check=True)
    assert not alive


def test_each_test_gets_a_postgres_database_of_its_own(postgres_server: sa.URL) -> None:
    with servers.database(postgres_server) as one, servers.database(postgres_server) as other:
        assert one != other
        first, second = sa.create_engine(one, poolclass=sa.NullPool), sa.create_engine(other, poolclass=sa.NullPool)
        with first.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE note (text TEXT)")
        assert sa.inspect(second).get_table_names() == []
    with pytest.raises(sa.exc.OperationalError):
        first.connect()


def test_a_database_takes_rows_and_gives_them_back(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT)")
        connection.exec_driver_sql("INSERT INTO note VALUES ('遲到 30 分鐘')")
        assert connection.exec_driver_sql("SELECT text FROM note").scalar_one() == "遲到 30 分鐘"
    engine.dispose()


def test_where_no_engine_answers_it_is_said_plainly(tmp_path: Path) -> None:
    environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    command = [sys.executable, "-m", "tests.containers"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, containers.NO_ENGINE)


@pytest.mark.containers
async def test_both_servers_run_in_containers() -> None:
    assert not containers.missing()
    with containers.nats_container() as url:
        assert await publish(url, "one") == 1
    with containers.postgres_container() as server, servers.database(server) as database:
        engine = sa.create_engine(database, poolclass=sa.NullPool)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
