"""Object-centric event logs, OCEL 2.0 (ocel-standard.org): as JSON and as SQLite. The export says what it is of."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from services.audit.mining.events import MinedEvent

ATTRIBUTES = (
    "actor",
    "onbehalfof",
    "channel",
    "recordedat",
    "decidedat",
    "property",
    "service",
    "row_id",
    "outcome",
    "reason",
    "matrix_version",
    "activity",
)
"""Attributes of every event type, all strings; one that an event has not is left out."""
_EPOCH = "1970-01-01T00:00:00Z"


def write_json(events: Iterable[MinedEvent], about: Mapping[str, Any], file: IO[str]) -> dict[str, int]:
    """Write OCEL 2.0 JSON, event by event; answers how many events and objects. `about` is written as a member of its own."""
    objects: dict[str, str] = {}
    types: set[str] = set()
    count = 0
    file.write('{"about":' + text_of(about) + ',"events":[')
    for event in events:
        file.write(("," if count else "") + "\n" + text_of(_event(event)))
        objects.update((touched.key, touched.type) for touched in event.objects)
        types.add(event.type)
        count += 1
    named = [{"id": key, "type": kind, "attributes": [], "relationships": []} for key, kind in sorted(objects.items())]
    file.write('\n],"objects":' + text_of(named))
    file.write(
        ',"objectTypes":' + text_of([{"name": kind, "attributes": []} for kind in sorted(set(objects.values()))])
    )
    attributes = [{"name": name, "type": "string"} for name in ATTRIBUTES]
    file.write(',"eventTypes":' + text_of([{"name": kind, "attributes": attributes} for kind in sorted(types)]) + "}\n")
    return {"events": count, "objects": len(objects)}


def _event(event: MinedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "time": event.time,
        "attributes": [{"name": n, "value": event.attributes[n]} for n in ATTRIBUTES if n in event.attributes],
        "relationships": [{"objectId": one.key, "qualifier": one.qualifier} for one in event.objects],
    }


def text_of(value: Any) -> str:
    """JSON on one line, Chinese as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_sqlite(events: Iterable[MinedEvent], about: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Write OCEL 2.0 SQLite: tables of the standard, and `about` as a table of its own."""
    path.unlink(missing_ok=True)
    objects: dict[str, str] = {}
    tables: dict[str, str] = {}
    count = 0
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(
            """
            CREATE TABLE event (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
            CREATE TABLE object (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
            CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT,
                PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier));
            CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT,
                PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier));
            CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
            CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
            CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT);
            """
        )
        connection.executemany("INSERT INTO about VALUES (?, ?)", [(n, text_of(v)) for n, v in sorted(about.items())])
        for event in events:
            count += 1
            if event.type not in tables:
                tables[event.type] = _mapped(event.type)
                columns = ", ".join(f'"{name}" TEXT' for name in ATTRIBUTES)
                connection.execute(
                    f'CREATE TABLE "event_{tables[event.type]}" (ocel_id TEXT PRIMARY KEY, ocel_time TIMESTAMP, {columns})'
                )
                connection.execute("INSERT INTO event_map_type VALUES (?, ?)", (event.type, tables[event.type]))
            connection.execute("INSERT INTO event VALUES (?, ?)", (event.id, event.type))
            marks = ", ".join("?" * (2 + len(ATTRIBUTES)))
            values = (event.id, event.time, *(event.attributes.get(name) for name in ATTRIBUTES))
            connection.execute(f'INSERT INTO "event_{tables[event.type]}" VALUES ({marks})', values)  # noqa: S608 - a name of ours
            links = [(event.id, one.key, one.qualifier) for one in event.objects]
            connection.executemany("INSERT INTO event_object VALUES (?, ?, ?)", links)
            objects.update((one.key, one.type) for one in event.objects)
        connection.executemany("INSERT INTO object VALUES (?, ?)", sorted(objects.items()))
        for kind in sorted(set(objects.values())):
            connection.execute(
                f'CREATE TABLE "object_{_mapped(kind)}" (ocel_id TEXT, ocel_time TIMESTAMP, ocel_changed_field TEXT)'
            )
            connection.execute("INSERT INTO object_map_type VALUES (?, ?)", (kind, _mapped(kind)))
            rows = [(key, _EPOCH, None) for key, of in sorted(objects.items()) if of == kind]
            connection.executemany(f'INSERT INTO "object_{_mapped(kind)}" VALUES (?, ?, ?)', rows)  # noqa: S608 - a name of ours
    connection.close()
    return {"events": count, "objects": len(objects)}


def _mapped(kind: str) -> str:
    """The part of a table's name that stands for a type: letters and digits."""
    return "".join(part.capitalize() for part in kind.replace(".", "_").split("_"))
