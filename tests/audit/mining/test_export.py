"""What process-mining tools are given: each fact one event, each thing it names one object, the filter and the position stated."""

import json
import sqlite3
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import read_event
from jsonschema import Draft202012Validator
from pydantic_core import from_json
from typer.testing import CliRunner

from services.audit.mining.events import mined
from services.audit.mining.export import ExportError, export
from services.audit.selection import Selection
from services.cli.main import app
from tests.audit.office import MONDAY, Office

NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
OCEL2 = {
    "type": "object",
    "required": ["objectTypes", "eventTypes", "objects", "events"],
    "properties": {
        "objectTypes": {"type": "array", "items": {**NAMED, "required": ["name", "attributes"]}},
        "eventTypes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "attributes"],
                "properties": {"attributes": {"type": "array", "items": {**NAMED, "required": ["name", "type"]}}},
            },
        },
        "objects": {"type": "array", "items": {"type": "object", "required": ["id", "type"]}},
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "type", "time"],
                "properties": {
                    "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
                    "attributes": {"type": "array", "items": {**NAMED, "required": ["name", "value"]}},
                    "relationships": {
                        "type": "array",
                        "items": {"type": "object", "required": ["objectId", "qualifier"]},
                    },
                },
            },
        },
    },
}
"""The members that the OCEL 2.0 JSON format demands (ocel-standard.org), in our own words."""


@dataclass
class Source:
    """The facts of an office, and where its exports go."""

    raws: list[bytes]
    directory: Path

    def export(self, kind: str, **more: Any) -> tuple[dict[str, Any], Path]:
        selection = more.pop("selection", Selection())
        path = self.directory / f"export-{kind}"
        return export(iter(self.raws), selection, kind, path, **more), path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    directory = tmp_path_factory.mktemp("mining")
    office = Office(directory)
    office.set_up()
    office.roster(MONDAY)
    for number in range(1, 7):
        office.punch(f"s-{number}", MONDAY, late_seconds=600)
    office.close_day(MONDAY)
    for number in range(1, 7):
        office.penalise(f"p-{number}", f"s-{number}", MONDAY)
    office.penalise("own", "s-director", MONDAY)
    yield Source(office.raws(), directory)
    office.close()


def test_ocel_json_has_the_members_of_the_standard_and_one_event_a_fact(source: Source) -> None:
    result, path = source.export("ocel2-json")
    document = json.loads(path.read_text())
    Draft202012Validator(OCEL2).validate(document)
    assert [event["id"] for event in document["events"]] == [read_event(raw).id for raw in source.raws]
    assert result["events"] == result["facts"] == len(source.raws)
    types = {kind["name"] for kind in document["objectTypes"]}
    assert {"person", "decision", "clause", "property", "penalty"} <= types
    known = {one["id"]: one["type"] for one in document["objects"]}
    assert len(known) == len(document["objects"]) == result["objects"]
    assert {kind["name"] for kind in document["eventTypes"]} == {event["type"] for event in document["events"]}
    for event in document["events"]:
        assert event["relationships"]
        assert all(one["objectId"] in known for one in event["relationships"])
    penalty = next(event for event in document["events"] if event["type"] == "attendance.penalty_decided.v1")
    touched = {known[one["objectId"]]: one for one in penalty["relationships"]}
    assert touched["clause"] == {"objectId": "clause:A13", "qualifier": "granted"}
    assert touched["decision"]["objectId"] == f"decision:{penalty['id']}"
    assert {"person:s-director", "person:s-1"} <= {one["objectId"] for one in penalty["relationships"]}


def test_the_same_log_as_sqlite_has_the_tables_of_the_standard(source: Source) -> None:
    as_json, _ = source.export("ocel2-json")
    result, path = source.export("ocel2-sqlite")
    assert (result["events"], result["objects"]) == (as_json["events"], as_json["objects"])
    with sqlite3.connect(path) as connection:

        def count(table: str) -> int:
            return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])

        assert (count("event"), count("object")) == (result["events"], result["objects"])
        for kind, of in (("event", "event_map_type"), ("object", "object_map_type")):
            maps = dict(connection.execute(f"SELECT ocel_type, ocel_type_map FROM {of}"))
            assert sum(count(f"{kind}_{mapped}") for mapped in maps.values()) == count(kind)
        orphans = "SELECT count(*) FROM event_object WHERE ocel_object_id NOT IN (SELECT ocel_id FROM object)"
        assert connection.execute(orphans).fetchone()[0] == 0
        about = dict(connection.execute("SELECT name, value FROM about"))
    connection.close()
    assert json.loads(about["as_of"]) == result["as_of"]


def test_xes_has_each_fact_in_the_case_of_its_stream_and_says_what_it_is_of(source: Source) -> None:
    result, path = source.export("xes")
    root = ET.parse(path).getroot()  # noqa: S314 - written a line above
    space = "{http://www.xes-standard.org/}"
    traces = root.findall(f"{space}trace")
    events = [event for trace in traces for event in trace.findall(f"{space}event")]
    assert (len(traces), len(events)) == (result["cases"], len(source.raws))
    streams = Counter(read_event(raw).subject for raw in source.raws)
    names = {trace.findall(f"{space}string")[0].get("value"): len(trace.findall(f"{space}event")) for trace in traces}
    assert names == streams
    told = {one.get("key"): one.get("value") for one in root.findall(f"{space}string")}
    assert json.loads(told["about:as_of"] or "") == result["as_of"]
    for event in events:
        keys = {one.get("key"): one.get("value") for one in event}
        assert datetime.fromisoformat(keys["time:timestamp"] or "").utcoffset() is not None
        assert keys["concept:name"]
        assert keys["org:resource"]


def test_a_case_may_be_any_kind_of_object(source: Source) -> None:
    result, _ = source.export("xes", case="penalty")
    about_penalties = [raw for raw in source.raws if "penalty_id" in from_json(raw)["data"]]
    assert (result["cases"], result["events"]) == (7, len(about_penalties))


def test_a_filter_and_a_position_are_kept_to_and_stated(source: Source) -> None:
    middle = read_event(source.raws[-5]).recordedat
    wanted = Selection(property_id="north-court", service="attendance", as_of=middle)
    result, path = source.export("ocel2-json", selection=wanted)
    taken = [
        event
        for event in map(read_event, source.raws)
        if event.property_id == "north-court" and event.service == "attendance" and event.recordedat <= middle
    ]
    assert result["events"] == len(taken) > 0
    document = json.loads(path.read_text())
    assert document["about"]["filter"]["as_of"] == middle.isoformat()
    reached: dict[str, int] = {}
    for event in map(read_event, source.raws):
        if event.recordedat <= middle:
            reached[f"{event.service}/{event.log}/{event.property_id}"] = event.chainnumber
    assert document["about"]["as_of"] == reached


def test_a_service_nobody_here_knows_is_exported_by_its_fields_alone() -> None:
    fact = {
        "id": "x-1", "type": "lifts.lift_stopped.v1", "source": "/properties/north-court/lifts", "subject": "lift-1",
        "time": "2026-03-02T01:00:00Z", "recordedat": "2026-03-02T01:00:01Z", "log": "l", "chainnumber": 1, "actor": "s-1",
        "causationid": None, "data": {"lift_id": "lift-7", "into_ticket_id": "t-9", "seen": {"witness_ids": ["s-1", "w-2"]}},
    }  # fmt: skip
    (event,) = mined([fact])
    assert {(one.type, one.id, one.qualifier) for one in event.objects} == {
        ("person", "s-1", "actor"), ("lift", "lift-7", "lift_id"), ("ticket", "t-9", "into_ticket_id"),
        ("person", "s-1", "witness_id"), ("witness", "w-2", "witness_id"), ("property", "north-court", "property"),
    }  # fmt: skip


def test_cases_of_what_no_fact_names_are_no_log(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="names a nonsense"):
        export(iter(source.raws), Selection(), "xes", tmp_path / "x", case="nonsense")
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_there_is_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    out = tmp_path / "x"
    done = CliRunner().invoke(app, ["audit", "export", "--type", "tickets.nonsense.v1", "--out", str(out)])
    assert (done.exit_code, out.exists()) == (2, False)
