"""The events: pages and a stream from any place, which holds whatever happens to the broker."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.subjects import SERVICES, stream_of

from tests.gateway.conftest import NORTH, System
from tests.gateway.test_webhooks import door, happen


def pages(http: httpx.Client, **query: Any) -> Iterator[dict[str, Any]]:
    after = query.pop("after", None)
    while True:
        answer = http.get("/v1/events", params=query | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page
        if not page["events"]:
            return
        after = page["next"]


def test_every_event_comes_once_and_each_log_in_order(system: System) -> None:
    happen(system, 3, 3)
    with system.http("auditor") as http:
        seen = [event for page in pages(http, limit=37) for event in page["events"]]
    stores = [system.supervisor.runtimes[name].store for name in SERVICES]
    assert (
        len(seen) == len({event["id"] for event in seen}) == sum(store.max_notification_id() or 0 for store in stores)
    )
    numbers: dict[str, list[int]] = {}
    for event in seen:
        numbers.setdefault(event["source"], []).append(event["chainnumber"])
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_a_filter_by_type_and_property_leaves_the_rest_out(system: System) -> None:
    with system.http("director") as http:
        for wanted in ("attendance.*", "attendance.shift_rostered.v1"):
            seen = [event for page in pages(http, type=wanted, property=NORTH) for event in page["events"]]
            assert seen
            assert all(event["type"].startswith(wanted.removesuffix("*")) for event in seen)
        both = [e for page in pages(http, type=["registry.*", "attendance.*"]) for e in page["events"]]
        assert {event["source"].split("/")[2] for event in both} == {NORTH}


def test_a_cursor_holds_although_the_stream_is_made_anew(system: System) -> None:
    with system.http("director") as http:
        *_, last = pages(http, property=NORTH)
        js = system.desk.client.jetstream()
        system.call(js.delete_stream(stream_of("attendance")))
        ids = happen(system, 2)
        seen = [event["id"] for page in pages(http, after=last["next"], property=NORTH) for event in page["events"]]
        assert [one for one in seen if one in ids] == ids
        assert len(seen) == len(set(seen))


def test_a_cursor_of_another_installation_is_told_so(system: System) -> None:
    with system.http("director") as http:
        for after in ("attendance-ffffffffffff.3", "nonsense", "attendance-1.2~x"):
            answer = http.get("/v1/events", params={"after": after})
            assert (answer.status_code, answer.json()["type"]) == (400, "/problems/cursor_unknown")


def read_stream(http: httpx.Client, count: int, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    given = {"accept": "text/event-stream", **headers}
    with http.stream(
        "GET", "/v1/events", params={"property": NORTH, "type": "attendance.*"}, headers=given, timeout=30
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        place = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                place = value
            if name == "data":
                found.append((place, json.loads(value)))
                if len(found) == count:
                    break
    return found


def test_a_listener_that_was_away_resumes_with_the_event_after_its_last(system: System) -> None:
    with system.http("director") as http:
        start = list(pages(http, property=NORTH))[-1]["next"]
        ids = happen(system, 3)
        first = read_stream(http, 2, **{"last-event-id": start})
        assert [event["id"] for _, event in first] == ids[:2]
        rest = read_stream(http, len(ids) - 2, **{"last-event-id": first[-1][0]})
        assert [event["id"] for _, event in rest] == ids[2:]


def announced(system: System) -> None:
    """Wait until the door was told of everything that is stored: a stream made anew is filled again after a while."""
    tail, store = door(system).tail, system.supervisor.runtimes["attendance"].store
    for _ in range(300):
        if tail.heads.get("attendance", ("", 0))[1] == store.max_notification_id():
            return
        time.sleep(0.1)
    raise TimeoutError("the door was not told of everything")


def test_what_happens_is_seen_at_once(system: System) -> None:
    import threading  # noqa: PLC0415

    announced(system)
    arrived: list[tuple[float, str]] = []

    def listen() -> None:
        with system.http("director") as http:
            arrived.extend((time.monotonic(), event["id"]) for _, event in read_stream(http, 2))

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(1)
    ids = happen(system, 1)
    listener.join(20)
    assert [one for _, one in arrived] == ids


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "type=", "no=1"])
def test_a_wrong_question_is_told_so(system: System, query: str) -> None:
    with system.http("director") as http:
        assert http.get(f"/v1/events?{query}").status_code == 422


def test_the_events_are_read_by_the_contracts_and_by_the_cloudevents_sdk(system: System) -> None:
    from cloudevents.core.bindings.http import HTTPMessage, from_structured  # noqa: PLC0415
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415

    with system.http("auditor") as http:
        raws = [json.dumps(event).encode() for page in pages(http) for event in page["events"]][:200]
    for raw in raws:
        ours = read_event(raw)
        message = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=raw)
        theirs = from_structured(message, JSONFormat())
        assert (theirs.get_id(), theirs.get_type(), theirs.get_source()) == (ours.id, ours.type, ours.source)
