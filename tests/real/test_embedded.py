"""The embedded run as a process: how soon it is ready, what it takes, that it resumes, restarts its parts and stops cleanly."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from bailiwick_contracts.subjects import SERVICES

READY_SECONDS = 5
MEMORY_MIB = 300


@contextmanager
def _up(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any], float]]:
    begun = time.monotonic()
    command = [sys.executable, "-m", "services.cli.entry", "up", "--json"]
    with (
        (directory / "up.log").open("ab") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | {"BAILIWICK_DATA_DIR": str(directory / "data")},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            lines = b""
            while not lines.endswith(b"}\n"):
                line = process.stdout.readline()
                assert line, (directory / "up.log").read_text()
                lines += line
            yield process, json.loads(lines), time.monotonic() - begun
        finally:
            if process.poll() is None:
                process.kill()


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(20)


@pytest.mark.parametrize("name", ["物業 北苑", "100%20 ?of=all#it"])
def test_it_runs_wherever_the_office_keeps_its_data_and_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    """Under a Chinese name nothing started; with ? in it every service's tables lay in one file beside the data directory."""
    place = tmp_path / name
    place.mkdir()
    with _up(place) as (process, said, _):
        assert httpx.get(said["http_url"]).status_code == 200
        assert _stop(process) == 0
    assert {f"{service}.sqlite" for service in SERVICES} <= {file.name for file in (place / "data").iterdir()}
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_it_is_ready_in_five_seconds_within_its_memory_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, said, seconds):
        children = psutil.Process(process.pid).children(recursive=True)
        assert said["services"] == sorted(SERVICES)
        assert httpx.get(said["http_url"]).status_code == 200
        assert seconds < READY_SECONDS * (3 if os.environ.get("PYTEST_XDIST_WORKER") else 1)
        assert psutil.Process(process.pid).memory_info().rss < MEMORY_MIB * 2**20
        assert _stop(process) == 0
        assert not psutil.wait_procs(children, timeout=10)[1]


@pytest.mark.parametrize("after_seconds", [0.5, 2, 6])
def test_while_it_waits_for_a_part_that_does_not_start_a_signal_ends_it(tmp_path: Path, after_seconds: float) -> None:
    environment = os.environ | {
        "BAILIWICK_DATA_DIR": str(tmp_path / "data"),
        "BAILIWICK_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
    }
    with subprocess.Popen([sys.executable, "-m", "services.cli.entry", "up"], env=environment) as process:
        time.sleep(after_seconds)
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(20) == 0
        assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_second_start_resumes_and_a_second_one_beside_it_is_told_so(tmp_path: Path) -> None:
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "services.cli.entry"]

    def bailiwick(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)

    with _up(tmp_path) as (process, _, _):
        added = bailiwick("property", "add", "north-court", "--json")
        assert added.returncode == 0, added.stdout + added.stderr
        assert bailiwick("up").returncode == 3
        assert _stop(process) == 0
    with _up(tmp_path) as (process, _, _):
        listed = json.loads(bailiwick("property", "list", "--json").stdout)
        assert [row["property_id"] for row in listed["properties"]] == ["north-court"]
        assert _stop(process) == 0


@pytest.mark.parametrize("lost", [False, True], ids=["alone", "with-its-directory"])
async def test_the_nats_server_that_dies_is_started_again_and_work_goes_on(tmp_path: Path, lost: bool) -> None:
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path / "data")}
    with _up(tmp_path) as (process, _, _):
        (nats,) = (child for child in psutil.Process(process.pid).children() if "nats" in child.name())
        nats.kill()
        if lost:
            shutil.rmtree(tmp_path / "data" / "nats")
        await asyncio.sleep(1.5)
        added = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli.entry", "property", "add", "south-court", env=environment, stdout=subprocess.PIPE
        )  # fmt: skip
        assert await asyncio.wait_for(added.wait(), 40) == 0
        assert _stop(process) == 0


@pytest.mark.parametrize("variable", ["BAILIWICK_DATA_DIR"])
def test_a_killed_run_leaves_nothing_behind_that_keeps_the_next_from_starting(tmp_path: Path, variable: str) -> None:
    with _up(tmp_path) as (process, _, _):
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert not psutil.wait_procs(children, timeout=10)[1], f"{variable}: the server outlived its parent"
    with _up(tmp_path) as (process, _, _):
        assert _stop(process) == 0
