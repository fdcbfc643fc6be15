"""pm4py reads what is exported, and counts what the source counts: `make oracles`."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.billing import UnitRegistered
from bailiwick_contracts.charge import ChargesAccrued
from bailiwick_contracts.envelope import Event, read_event
from bailiwick_contracts.subjects import SERVICES
from bailiwick_contracts.ticket import TicketRegistered

from services.audit.mining.export import export
from services.audit.selection import Selection
from tests.audit.mining.test_export import Source, source

__all__ = ["source"]
ROOT = Path(__file__).parents[3]
PYTHON = ROOT / "build/oracles/bin/python"
HELP_DESK = Path(os.environ.get("BAILIWICK_TEST_DATA", str(ROOT.parent / "shared/data"))) / "helpdesk.xes.gz"
TICKETS, ENTRIES, ACTIVITIES = 4_580, 21_348, 14
"""Of the help desk's log, as its publisher states them."""
pytestmark = [pytest.mark.oracles, pytest.mark.timeout(600), pytest.mark.xdist_group("oracles")]


def counted(kind: str, path: Path) -> dict[str, Any]:
    named = path.with_suffix({"ocel2-json": ".json", "ocel2-sqlite": ".sqlite", "xes": ".xes"}[kind])
    path.rename(named)
    script = Path(__file__).with_name("count_with_pm4py.py")
    done = subprocess.run([str(PYTHON), str(script), kind, str(named)], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("COUNTED "))
    found: dict[str, Any] = json.loads(line.removeprefix("COUNTED "))
    return found


@pytest.mark.parametrize("kind", ["ocel2-json", "ocel2-sqlite"])
def test_pm4py_reads_the_objects_and_events_of_an_office(source: Source, kind: str) -> None:
    result, path = source.export(kind)
    found = counted(kind, path)
    assert (found["events"], found["objects"]) == (result["events"], result["objects"])
    assert result["events"] == len(source.raws)
    assert {"person", "decision", "clause", "penalty"} <= set(found["by_type"])


def test_pm4py_reads_the_cases_of_an_office(source: Source) -> None:
    result, path = source.export("xes")
    found = counted("xes", path)
    assert (found["events"], found["cases"]) == (len(source.raws), result["cases"])


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("demonstrated")
    return directory, bailiwick(directory / "data", "demo", "--json")


def bailiwick(data: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "services.cli.entry", *arguments]
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(data)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def stored(data: Path) -> list[Event[Any]]:
    """Every fact of the services' own stores: the source, read past the ledger and the export."""
    found = []
    for name in SERVICES:
        with closing(sqlite3.connect(f"file:{data / name}.sqlite?mode=ro", uri=True)) as store:
            found += [read_event(raw) for (raw,) in store.execute("SELECT raw FROM facts ORDER BY position")]
    return found


@pytest.mark.parametrize("kind", ["ocel2-json", "ocel2-sqlite", "xes"])
def test_pm4py_counts_the_demonstration_s_facts_and_cases(demonstrated: tuple[Path, dict[str, Any]], kind: str) -> None:
    directory, _ = demonstrated
    data, path = directory / "data-demo", directory / f"demo-{kind}"
    result = bailiwick(data, "audit", "export", "--format", kind, "--out", str(path), "--json")
    reached = result["as_of"]
    source = [
        one for one in stored(data) if one.chainnumber <= reached.get(f"{one.service}/{one.log}/{one.property_id}", 0)
    ]
    found = counted(kind, path)
    assert found["events"] == result["facts"] == sum(reached.values()) == len(source)
    if kind == "xes":
        assert found["cases"] == result["cases"] == len({event.subject for event in source})
        return
    assert found["objects"] == result["objects"]
    assert found["by_type"]["unit"] == len(units_of(source))
    assert found["by_type"]["charge"] == len(charges_of(source)) > 0
    assert found["by_type"]["ticket"] == len({e.data.ticket_id for e in source if hasattr(e.data, "ticket_id")})
    assert found["by_type"]["decision"] == sum(getattr(event.data, "ruling", None) is not None for event in source)
    assert {"person", "clause"} <= set(found["by_type"])


def units_of(events: list[Event[Any]]) -> set[str]:
    """The flats and shops that were registered for billing, or are named by a ticket."""
    billed = {event.data.unit.unit_id for event in events if isinstance(event.data, UnitRegistered)}
    return billed | {e.data.unit_id for e in events if isinstance(e.data, TicketRegistered) and e.data.unit_id}


def charges_of(events: list[Event[Any]]) -> set[str]:
    accrued = (event.data for event in events if isinstance(event.data, ChargesAccrued))
    return {line.charge.charge_id for fact in accrued for line in fact.lines}


@pytest.mark.skipif(not HELP_DESK.exists(), reason="the help desk's log is not here")
def test_pm4py_counts_the_imported_help_desk_as_its_publisher_does_in_every_format(tmp_path: Path) -> None:
    data = tmp_path / "data"
    bailiwick(data, "import", "tickets", str(HELP_DESK), "--json")
    chosen = ("--type", "tickets.activity_imported.v1", "--case", "ticket", "--json")
    bailiwick(data, "audit", "export", "--format", "xes", "--out", str(tmp_path / "x"), *chosen)
    found = counted("xes", tmp_path / "x")
    assert (found["cases"], found["events"], found["activities"]) == (TICKETS, ENTRIES, ACTIVITIES)
    for kind in ("ocel2-json", "ocel2-sqlite"):
        result = bailiwick(data, "audit", "export", "--format", kind, "--out", str(tmp_path / kind), *chosen)
        found = counted(kind, tmp_path / kind)
        assert (found["events"], found["objects"]) == (ENTRIES, result["objects"])
        assert found["by_type"]["ticket"] == TICKETS
        assert found["activities"] == ACTIVITIES
        assert found["by_type"]["person"] > 1


def test_an_empty_export_is_still_a_log(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    assert export(iter(()), Selection(), "xes", path)["events"] == 0
