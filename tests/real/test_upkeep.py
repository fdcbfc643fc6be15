"""What keeps a running system sound, over the demonstration's history: every view equals its rebuild; dead letters by hand."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import read_event

from services.kernel.bus import connect
from services.kernel.parked import PARKED
from services.kernel.reactor import caught_up, read_feed
from services.kernel.rebuild import Rebuild, together
from services.kernel.rebuilding import waited_for
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.settings import Settings
from services.kernel.store import LOG_POSITION, Store
from services.kernel.versions import VIEWS
from services.run.catalogue import factories
from tests.command_line import bailiwick

ROOT = Path(__file__).parents[2]
BAILIWICK = [sys.executable, "-m", "services.cli.entry"]
SERVICES: dict[str, Service] = {n: make(KeyStore(Path(mkdtemp()))) for n, make in factories().items()}
EVERY_VIEW = {
    (name, tuple(one.name for one in together(service, view.name)))
    for name, service in SERVICES.items()
    for view in service.views
}
"""Every view of every service; those that share a table come together."""
pytestmark = [pytest.mark.xdist_group("upkeep"), pytest.mark.timeout(180)]


@dataclass
class Running:
    """The demonstration's data, and the system that runs on it."""

    settings: Settings
    environment: dict[str, str]

    def bailiwick(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return bailiwick(self.environment, *arguments)

    def killed_at(self, point: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | {"BAILIWICK_CRASH_AT": point}
        command = [*BAILIWICK, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)

    def store(self, name: str) -> Store:
        tables = [table for view in SERVICES[name].views for table in view.tables]
        return Store(self.settings.store_url(name), schema=name, views=tables)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("upkeep")
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(directory / "data")}
    done = subprocess.run(
        [*BAILIWICK, "demo", "--json"], env=environment, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    environment["BAILIWICK_DATA_DIR"] = str(directory / "data-demo")
    with subprocess.Popen(
        [*BAILIWICK, "up", "--json"], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        yield Running(Settings(data_dir=directory / "data-demo", nats_url=json.loads(said)["nats_url"]), environment)
        process.terminate()
        assert process.wait(20) == 0


def rows(store: Store, service: Service, name: str) -> dict[str, list[str]]:
    """Everything in the tables of a view and of those that share them."""
    tables = {table for view in together(service, name) for table in view.tables}
    with store.reading() as connection:
        return {t.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(t))) for t in tables}


@pytest.mark.parametrize(
    ("name", "views"), sorted(EVERY_VIEW), ids=lambda part: part if isinstance(part, str) else part[0]
)
async def test_every_view_of_every_service_equals_its_rebuild(
    running: Running, name: str, views: tuple[str, ...]
) -> None:
    service, store, view = SERVICES[name], running.store(name), views[0]
    client = await connect(running.settings.nats_url, "test")
    for source in service.consumes:
        assert await caught_up(client, name, source)
    before = rows(store, service, view)
    feed = waited_for(partial(read_feed, client), asyncio.get_running_loop())
    done = await asyncio.to_thread(Rebuild(service, store, together(service, view), feed).run)
    after = rows(store, service, view)
    assert after == before
    assert done.views == views
    if name in ("registry", "attendance", "audit"):
        assert done.facts > 10
        assert any(after.values())
    await client.close()
    store.close()


@pytest.mark.crash
def test_from_the_command_line_killed_at_any_point_and_begun_again(running: Running) -> None:
    store, service = running.store("attendance"), SERVICES["attendance"]
    view = next(one.name for one in service.views if one.source == "attendance")
    before = rows(store, service, view)
    for point in ("rebuild-page", "rebuild-swap"):
        killed = running.killed_at(point, "rebuild", "attendance", view, "--json")
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        assert rows(store, service, view) == before
    done = running.bailiwick("rebuild", "attendance", view, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (view in told["views"], told["facts"] > 0, told["locked_seconds"] < 2) == (True, True, True)
    assert rows(store, service, view) == before
    shown = running.bailiwick("rebuild", "attendance", view)
    assert "locked_seconds" in shown.stdout
    unknown = running.bailiwick("rebuild", "attendance", "nothing", "--json")
    assert (unknown.returncode, view in json.loads(unknown.stdout)["error"]["message"]) == (2, True)
    store.close()


def test_one_that_is_interrupted_ends_and_swaps_nothing(running: Running) -> None:
    """Begun on a thread, it used to go on to its end, and the command with it."""
    store = running.store("registry")

    def mark() -> str:
        with store.reading() as connection:
            return store.head(connection, LOG_POSITION).hash

    before = mark()
    command = [*BAILIWICK, "rebuild", "registry", SERVICES["registry"].views[0].name]
    # A suite that runs in the background hands on that interrupts are ignored.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command,
        env=running.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        preexec_fn=heard,  # noqa: PLW1509 - no thread of ours runs
    ) as process:
        with store.beside():  # what it writes first waits for this lock
            while not any("registry.sqlite" in file.path for file in psutil.Process(process.pid).open_files()):
                time.sleep(0.05)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        assert process.wait(20) == 130
    assert mark() == before
    store.close()


def test_an_outdated_view_is_rebuilt_when_its_service_starts(running: Running, tmp_path: Path) -> None:
    """On a copy of the data, whose stored version is set back: the next start brings rows and version up to the code."""
    shutil.copytree(
        running.settings.data_dir, tmp_path / "data", ignore=shutil.ignore_patterns("nats", "lock", "running.json")
    )
    settings = Settings(data_dir=tmp_path / "data")
    found: dict[str, Any] = {}
    for name in ("registry", "attendance", "audit"):
        tables = [table for view in SERVICES[name].views for table in view.tables]
        store = Store(settings.store_url(name), schema=name, views=tables)
        view = SERVICES[name].views[-1].name
        found[name] = (view, rows(store, SERVICES[name], view))
        with store.transaction() as connection:
            connection.execute(sa.update(VIEWS).where(VIEWS.c.name == view).values(version=7_000))
            connection.execute(sa.delete(SERVICES[name].views[-1].tables[0]))
        store.close()
    environment = running.environment | {"BAILIWICK_DATA_DIR": str(tmp_path / "data")}
    listed = subprocess.run(
        [*BAILIWICK, "property", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr
    for name, (view, before) in found.items():
        tables = [table for one in SERVICES[name].views for table in one.tables]
        store = Store(settings.store_url(name), schema=name, views=tables)
        assert rows(store, SERVICES[name], view) == before
        with store.reading() as connection:
            versions = {row.name: row.version for row in connection.execute(sa.select(VIEWS))}
        assert versions == {one.name: one.version for one in SERVICES[name].views}
        store.close()


def test_a_dead_letter_is_seen_tried_again_and_dropped_by_two_persons_from_the_command_line(running: Running) -> None:
    """Two facts that attendance took in are parked by hand as given up: no shipped handler fails on the demonstration."""
    registry, attendance = running.store("registry"), running.store("attendance")
    log = read_event(registry.chain("company", 0, 1)[0].raw).log
    by_stream = {event.subject: event for fact in registry.chain("company", 0, 50) for event in (read_event(fact.raw),)}
    first, second = list(by_stream.values())[:2]
    for event in (first, second):
        row = {
            "source": f"{log}:company", "number": event.chainnumber, "lane": f"{log}/{event.subject}", "version": event.version,
            "property_id": "company", "fact_id": event.id, "type": event.type, "copied": True, "tries": 5, "next_us": None,
            "reason": "KeyError: made up", "raised": True, "parked_us": 1_770_000_000_000_000,
        }  # fmt: skip
        with attendance.transaction() as connection:
            attendance.put(connection, PARKED, [row])

    def ran(*arguments: str, code: int = 0) -> Any:
        done = running.bailiwick("dead-letters", *arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    listed = ran("list", "attendance")["letters"]
    assert sorted((one["letter_id"], one["state"], one["number"]) for one in listed) == sorted([
        (first.id, "given_up", first.chainnumber), (second.id, "given_up", second.chainnumber),
    ])  # fmt: skip
    shown = ran("show", "attendance", first.id)
    assert (shown["fact"]["id"], shown["letter"]["reason"], shown["history"]) == (first.id, "KeyError: made up", [])
    said = running.bailiwick("dead-letters", "show", "attendance", first.id).stdout
    assert "made up" in said

    proposal = ("drop", "attendance", first.id, "--grounds", "A trial.")
    assert ran(*proposal, "--by", "ann-sample")["outcome"] == "done"
    assert ran(*proposal, "--by", "ann-sample", "--confirm", code=1)["error"]["reason"] == "same_person"
    assert ran(*proposal, "--by", "ben-sample", "--confirm")["outcome"] == "done"
    tried = ran("retry", "attendance", second.id, "--by", "ann-sample", "--grounds", "Mended.")
    assert tried["facts"][0]["type"] == "attendance.dead_letter_retried.v1"
    for _ in range(100):
        with attendance.reading() as connection:
            if not connection.execute(sa.select(PARKED)).first():
                break
        time.sleep(0.1)
    assert ran("list")["letters"] == []
    done = [
        e.type.split(".")[1]
        for f in attendance.after(0, 100_000)
        if "dead_letter" in f.type
        for e in (read_event(f.raw),)
    ]
    assert done == [
        "dead_letter_drop_proposed", "dead_letter_drop_refused", "dead_letter_dropped", "dead_letter_retried",
        "dead_letter_resolved",
    ]  # fmt: skip
    assert ran("show", "attendance", first.id, code=2)["error"]["code"] == "unknown_letter"
    assert (
        ran("drop", "nobody", first.id, "--grounds", "x", "--by", "ann-sample", code=2)["error"]["field"] == "service"
    )
    registry.close()
    attendance.close()


def test_a_letter_is_shown_though_its_source_is_what_does_not_answer(running: Running) -> None:
    attendance = running.store("attendance")
    row = {
        "source": "away-1:company", "number": 1, "lane": "away-1/staff-1", "version": 1, "property_id": "company", "fact_id": "f-1",
        "type": "away.fact.v1", "copied": True, "tries": 5, "next_us": None, "reason": "KeyError: made up", "raised": True,
        "parked_us": 1_770_000_000_000_000,
    }  # fmt: skip
    with attendance.transaction() as connection:
        attendance.put(connection, PARKED, [row])
    as_json = running.bailiwick("dead-letters", "show", "attendance", "f-1", "--json")
    shown = running.bailiwick("dead-letters", "show", "attendance", "f-1")
    with attendance.transaction() as connection:
        attendance.remove(connection, PARKED, [{"source": row["source"], "number": 1}])
    assert as_json.returncode == 0, as_json.stdout
    found = json.loads(as_json.stdout)
    assert (found["letter"]["reason"], found["fact"]) == ("KeyError: made up", None)
    assert (shown.returncode, shown.stderr) == (0, "the fact is not shown: away does not give it\n")
    attendance.close()
