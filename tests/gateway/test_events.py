"""The events: pages and a stream from any place, which holds whatever happens to the broker."""

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.gateway import AddApiKey, RevokeApiKey
from bailiwick_contracts.registry import AddProperty
from bailiwick_contracts.schema import EXAMPLES
from bailiwick_contracts.subjects import SERVICES, stream_of

from services.gateway import tail
from services.gateway.tail import Tail, Wanted
from services.kernel.feed import read_log
from services.kernel.reactor import caught_up
from tests.gateway.conftest import NORTH, System, key, running
from tests.gateway.test_api import problem
from tests.gateway.test_webhooks import door, happen


def pages(http: httpx.Client, **query: Any) -> Iterator[dict[str, Any]]:
    after = query.pop("after", None)
    while True:
        answer = http.get("/v1/events", params=query | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page
        if not page["events"] and not page["more"]:
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


@pytest.mark.parametrize("mistyped", ["attendance.shift_rosterd.v1", "atendance.*", "attendance", "x" * 500, ""])
def test_a_type_that_no_event_has_is_told_and_never_waited_for(system: System, mistyped: str) -> None:
    with system.http("admin") as http:
        told = http.get("/v1/events", params={"type": ["registry.*", mistyped]})
        live = http.get("/v1/events", params={"type": mistyped}, headers={"accept": "text/event-stream"})
        body = {"url": "https://93.184.215.14/hook", "types": ["attendance.*", mistyped]}
        hook = http.post("/v1/webhooks", json=body, headers=key())
    assert [answer.status_code for answer in (told, live, hook)] == [422, 422, 422]
    (problem,) = told.json()["problems"]
    assert (problem["field"], problem["value"]) == ("type", mistyped[:80])


def test_a_near_type_is_offered_and_those_that_every_service_has_are_known(system: System) -> None:
    with system.http("admin") as http:
        told = http.get("/v1/events", params={"type": "attendance.shift_rosterd.v1"}).json()
        assert told["remedy"] == "meant attendance.shift_rostered.v1?"
        assert http.get("/v1/events", params={"type": "tickets.dead_letter_raised.v1"}).status_code == 200


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


def test_a_cursor_ahead_of_its_log_is_told_so_to_whoever_would_wait_there(system: System) -> None:
    """After a backup was put back the log is shorter: whoever waited at the old place would miss all up to it, untold."""
    announced(system)
    with system.http("admin") as http:
        last = list(pages(http))[-1]["next"]
        log, _, position = last.partition("~")[0].rpartition(".")
        ahead = last.replace(f"{log}.{position}", f"{log}.{int(position) + 3}")
        for answer in (
            http.get("/v1/events", params={"after": ahead}),
            http.get("/v1/events", headers={"accept": "text/event-stream", "last-event-id": ahead}),
            http.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "after": ahead}, headers=key()),
        ):
            assert "ahead" in problem(answer, 400, "cursor_unknown")["detail"]


def test_a_director_s_cursor_says_nothing_of_the_logs_and_cannot_be_made_up(system: System) -> None:
    """Positions count what happens everywhere; so do lengths, and whether a place further on is there."""
    with system.http("director") as http, system.http("auditor") as whole:
        before = http.get("/v1/events", params={"limit": 500}).json()["next"]
        system.done(AddProperty(property_id="west-wing", name="西翼"), "west-wing")
        after = http.get("/v1/events", params={"limit": 500}).json()["next"]
        streamed, _ = read_stream(http, 1, **{"last-event-id": "start"})[0]
        assert len({len(one) for one in (before, after, streamed)}) == 1
        known = whole.get("/v1/events", params={"limit": 3}).json()
        service, _, _ = next(part for part in known["next"].split("~") if not part.endswith(".0")).partition(".")
        for made_up in (
            f"{service}.1",
            f"{service}.999999",
            known["next"],
            f"{before[:-2]}AA",
            "v1.",
            "v1.AAAA",
            "v1.é",
        ):
            answer = http.get("/v1/events", params={"after": made_up})
            assert (answer.status_code, answer.json()["type"]) == (400, "/problems/cursor_unknown"), made_up
        # Who sees everything may go on from a director's place, and names only logs that there are.
        assert whole.get("/v1/events", params={"after": before}).status_code == 200
        assert whole.get("/v1/events", params={"after": "nothing-abc.5"}).status_code == 400


def test_who_listens_hears_nothing_more_once_the_key_is_revoked(system: System) -> None:
    secret = "t" * 43
    added = AddApiKey(
        key_id="k-ears", name="ears", acts_as="ears-1", properties=(NORTH,), access=("events",),
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
    )  # fmt: skip
    system.done(added)
    system.settled()
    announced(system)
    headers = {"accept": "text/event-stream", "authorization": f"Bearer bwk_k-ears.{secret}"}
    with system.http() as http, http.stream("GET", "/v1/events", headers=headers, timeout=20) as answer:
        lines = answer.iter_lines()
        heard = happen(system, 1)[-1]
        assert any(heard in line for line in lines)
        system.done(RevokeApiKey(key_id="k-ears", why="no longer needed"))
        system.settled()
        missed = happen(system, 1)
        assert not [line for line in lines if any(one in line for one in missed)]


def test_when_the_door_closes_whoever_listens_is_let_go_at_once_and_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret, heard = "u" * 43, list[str]()
    context = running(tmp_path)
    system = context.__enter__()
    system.done(AddProperty(property_id=NORTH, name=NORTH), NORTH)
    added = AddApiKey(
        key_id="k-open", name="ears", acts_as="ears-1", properties=(NORTH,), access=("events",),
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
    )  # fmt: skip
    system.done(added)
    headers = {"accept": "text/event-stream", "authorization": f"Bearer bwk_k-open.{secret}"}
    with system.http() as http, http.stream("GET", "/v1/events", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        lines = answer.iter_lines()
        heard.append(next(lines))
        began = time.monotonic()
        closing = threading.Thread(target=context.__exit__)
        with caplog.at_level(logging.ERROR):
            closing.start()
            # A stream that is cut off raises.
            heard.extend(lines)
            assert time.monotonic() - began < 1.5
            closing.join(30)
    assert heard[0] == "retry: 2000"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_listener_hears_that_the_line_stands_however_busy_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And at instants of its own, so that it cannot hear when something happened elsewhere."""
    monkeypatch.setattr(tail, "QUIET_SECONDS", 0.3)
    followed = Tail(None, ("registry",))  # type: ignore[arg-type]
    followed.heads["registry"] = ("registry-1", 0)
    raw = (EXAMPLES / "registry.property_added.v1.json").read_bytes()

    async def busy() -> None:
        for position in range(1, 100):
            followed._append("registry", "registry-1", position, raw)
            await asyncio.sleep(0.02)

    others = asyncio.create_task(busy())
    began = asyncio.get_running_loop().time()
    async for found in followed.follow(None, Wanted(properties=frozenset({"nowhere"}))):
        assert not found.events
        break
    assert 0.3 <= asyncio.get_running_loop().time() - began < 1
    assert not others.done()
    others.cancel()


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


def test_an_empty_page_says_whether_it_is_the_last(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at so many facts at most, and none of them may be wanted: whoever stopped there would miss the rest."""

    async def one_by_one(*asked: Any, **more: Any) -> Any:
        name, top, facts = await read_log(*asked, **more)
        return name, top, facts[:1]

    whole = [event for page in every(system, "registry.*") for event in page["events"]]
    monkeypatch.setattr("services.gateway.tail.read_log", one_by_one)
    rare = whole[-1]["type"]
    wanted = [event["id"] for event in whole if event["type"] == rare]
    found = every(system, rare)
    assert any(not page["events"] and page["more"] for page in found)
    assert [event["id"] for page in found for event in page["events"]] == wanted
    assert [page["more"] for page in found][-1] is False


def every(system: System, wanted: str) -> list[dict[str, Any]]:
    with system.http("admin") as http:
        return list(pages(http, type=wanted))


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("limit=000000001" + "9" * 5000, "limit"),
     ("limit=00000000199999", "limit"), ("limit=1&limit=2", "limit"), ("property=south-court&property=north-court", "property"),
     ("type=", "type"), ("no=1", "no")],
)  # fmt: skip
def test_a_wrong_question_is_told_so(system: System, query: str, field: str) -> None:
    with system.http("director") as http:
        answer = http.get(f"/v1/events?{query}")
        assert answer.status_code == 422, answer.text
        (told,) = answer.json()["problems"]
        assert (told["field"], set(told), bool(answer.json()["remedy"])) == (field, {"field", "value", "rule"}, True)


def test_a_property_that_is_not_there_is_told_and_never_waited_for(system: System) -> None:
    hook = {"url": "http://127.0.0.1:9/", "property_id": "nroth-court"}
    with system.http("admin") as http:
        for asked in ("nroth-court", ""):
            problem(http.get("/v1/events", params={"property": asked}), 404, "not_found")
        told = problem(http.post("/v1/webhooks", json=hook, headers=key()), 422, "invalid")
        assert told["problems"][0]["field"] == "property_id"
        # What is new is known at once.
        system.done(AddProperty(property_id="new-court", name="新苑"), "new-court")
        assert system.call(caught_up(system.desk.client, "gateway", "registry"))
        assert http.get("/v1/events?property=new-court").json()["events"]


@pytest.mark.parametrize("query", ["limit=abc", "limit=0", "limit=501"])
def test_a_wrong_question_is_told_who_listens_too(system: System, query: str) -> None:
    headers = {"accept": "text/event-stream"}
    with system.http("director") as http, http.stream("GET", f"/v1/events?{query}", headers=headers) as answer:
        assert answer.status_code == 422
        assert json.loads(answer.read())["problems"][0]["field"] == "limit"


@pytest.mark.parametrize(
    ("accept", "listens"),
    [
        ("Text/Event-Stream", True),
        ("text/event-stream, application/json;q=0.5", True),
        ("text/event-stream;q=0, application/json", False),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-streams", False),
        ("*/*", False),
    ],
)
def test_a_stream_is_answered_to_whoever_prefers_one(system: System, accept: str, listens: bool) -> None:
    """Who excluded it was given one, which never ends."""
    with system.http("director") as http:
        head = http.head("/v1/events", headers={"accept": accept})
        assert head.headers["content-type"].startswith("text/event-stream" if listens else "application/json")


def test_a_stream_that_is_asked_for_without_its_body_ends_at_once(system: System) -> None:
    """Else the connection would go on for ever, and whatever is asked next over it would wait."""
    with system.http("director") as http:
        http.timeout = httpx.Timeout(5)
        head = http.head("/v1/events", headers={"accept": "text/event-stream"})
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert http.get("/problems").status_code == 200


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
