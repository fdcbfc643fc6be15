"""Two properties full of data: whoever heads one office learns nothing of the other, in no byte of any answer."""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from services.gateway.surface import Operation, Surface
from services.kernel.sealing import KeyStore
from services.run.catalogue import others
from tests.gateway.conftest import NORTH, NORTHERN, NOWHERE, SOUTH, SOUTHERN, System, key
from tests.gateway.full import SEEDED, asked, body_of, fill

INSTANT = re.compile(r"\d{4}-\d\d-\d\d(T| )[\d:.]+(Z|\+00:00)?")
FOREIGN = (SOUTHERN, SOUTH, "southern", "southguard")


@pytest.fixture(scope="module")
def surface(filled: System) -> Surface:
    return Surface(others(KeyStore(filled.settings.keys_dir)))


def seen(answer: httpx.Response) -> str:
    """Everything that an answer shows of what there is; instants are left out, for some are now."""
    headers = {
        name: value for name, value in answer.headers.items() if name in ("etag", "link", "retry-after", "location")
    }
    text = re.sub(r'"late_seconds":\d+', '"late_seconds":0', answer.text)
    return INSTANT.sub("INSTANT", f"{answer.status_code} {json.dumps(headers)} {text}")


def queries(surface: Surface) -> list[Operation]:
    return [one for one in surface.operations if one.kind == "query" and one.service in SEEDED]


def variants(operation: Operation, place: str, mark: str) -> Iterator[str]:
    """The kept example, each of its filters left out in turn, and a page of one."""
    pairs = asked(operation, place, mark)
    if pairs is None:
        return
    needed = {one.name for one in operation.parameters if one.required}
    known = {one.name for one in operation.parameters}
    yield urlencode(pairs)
    for left_out in sorted({name for name, _ in pairs} - needed):
        yield urlencode([(name, value) for name, value in pairs if name != left_out])
    bare = [(name, value) for name, value in pairs if name in needed]
    yield urlencode(bare)
    if "limit" in known:
        yield urlencode([*bare, ("limit", "1")])


def paths(surface: Surface, mark: str) -> list[str]:
    """Every view of the northern property with every filter, naming what bears the mark."""
    found = []
    for operation in queries(surface):
        path = operation.path.format(property=NORTH)
        found += list(dict.fromkeys(f"{path}?{query}".rstrip("?") for query in variants(operation, NORTH, mark)))
    return found


def walked(http: httpx.Client, path: str) -> Iterator[httpx.Response]:
    """A view with the pages that follow it."""
    link: str | None = path
    for _ in range(30):
        if link is None:
            return
        answer = http.get(link)
        yield answer
        found = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        link = found.group(1) if found else None


def test_no_view_of_a_property_shows_anything_of_another(filled: System, surface: Surface) -> None:
    """And each shows its own, so that nothing is only hidden because nothing is there."""
    full: set[str] = set()
    faults = []
    with filled.http("director") as http:
        for path in paths(surface, NORTHERN):
            for answer in walked(http, path):
                text = seen(answer)
                faults += [(path, one, text[:2000]) for one in FOREIGN if one in text]
                if answer.status_code >= 500:
                    faults.append((path, "failed", text[:600]))
                if NORTHERN in answer.text:
                    full.add(path.partition("?")[0].rpartition("/")[2])
    assert not faults, json.dumps(faults[:6], indent=1)
    assert len(full) >= 25, sorted(full)


def test_what_is_another_property_s_is_answered_like_what_never_was(filled: System, surface: Surface) -> None:
    faults = []
    with filled.http("director") as http:
        for theirs, nobody_s in zip(paths(surface, SOUTHERN), paths(surface, NOWHERE), strict=True):
            one, other = seen(http.get(theirs)), seen(http.get(nobody_s))
            if one.replace(SOUTHERN, NOWHERE) != other:
                faults.append((theirs, one[:600], other[:600]))
    assert not faults, json.dumps(faults[:4], indent=1)


def test_no_event_and_no_record_of_another_property_is_handed_out(filled: System) -> None:
    with filled.http("director") as http:
        for path in (
            "/v1/events?limit=500",
            f"/v1/events?limit=500&property={NORTH}",
            "/v1/events?type=tickets.*&limit=500",
        ):
            events: list[Any] = []
            cursor = ""
            for _ in range(40):
                page = http.get(f"{path}{cursor}")
                assert page.status_code == 200, page.text
                assert not [one for one in FOREIGN if one in page.text], path
                if not page.json()["events"]:
                    break
                events += page.json()["events"]
                cursor = f"&after={page.json()['next']}"
            assert len(events) > 20
            assert {event["source"].split("/")[2] for event in events} == {NORTH}
        assert http.get(f"/v1/events?property={SOUTH}").text == http.get("/v1/events?property=west-court").text.replace(
            "west-court", SOUTH
        )
        headers = {"Accept": "text/event-stream"}
        taken = b""
        with http.stream("GET", "/v1/events?after=start", headers=headers, timeout=5) as stream:
            assert stream.status_code == 200
            until = time.monotonic() + 3
            with contextlib.suppress(httpx.ReadTimeout):
                for part in stream.iter_bytes():
                    taken += part
                    if time.monotonic() > until:
                        break
        assert NORTHERN.encode() in taken
        assert not [one for one in FOREIGN if one.encode() in taken]
        for service in SEEDED:
            store = filled.supervisor.runtimes[service].store
            streams = {fact.stream for fact in store.after(0, 10_000)}
            shown = 0
            for name in sorted(streams):
                record = http.get(f"/v1/properties/{NORTH}/records/{service}/{name}")
                shown += record.status_code == 200
                if any(one in name for one in FOREIGN):
                    assert record.status_code == 404, (name, record.text[:300])
                else:
                    assert not [one for one in FOREIGN if one in seen(record)], (name, record.text[:2000])
            assert shown > 2, service


def test_what_happens_at_another_property_changes_no_answer(filled: System, surface: Surface) -> None:
    """Counts, pages, links and tags are the same before and after; and what is asked as of before is so too."""
    asking = [path for path in paths(surface, NORTHERN) if "get_matrix" not in path]
    with filled.http("director") as http:
        before = {path: seen(http.get(path)) for path in asking}
        fill(filled, "west-court", "dd00dd04")
        after = {path: seen(http.get(path)) for path in asking}
    changed = [(path, before[path][:500], after[path][:500]) for path in asking if before[path] != after[path]]
    assert not changed, json.dumps(changed[:5], indent=1)


def test_a_position_at_the_company_sees_both(filled: System, surface: Surface) -> None:
    with filled.http("hr") as http:
        for place, mark in ((NORTH, NORTHERN), (SOUTH, SOUTHERN)):
            text = "".join(
                http.get(f"/v1/properties/{place}/{one.service}/{one.name}").text
                for one in queries(surface)
                if not any(parameter.required for parameter in one.parameters)
            )
            assert mark in text


def test_no_command_tells_what_another_property_has_under_the_id_it_names(filled: System, surface: Surface) -> None:
    """Where nothing would be recorded both are answered alike. Under an id that is taken elsewhere nothing can be begun: 404."""
    faults: list[Any] = []
    asked_for: list[str] = []
    with filled.http("director") as http:
        for operation in surface.operations:
            if operation.kind != "command" or operation.service not in SEEDED:
                continue
            answers = []
            # What is begun under an id that nothing had is there afterwards, so each is asked for once.
            nowhere = f"{NOWHERE[:5]}{len(asked_for):03x}"
            asked_for.append(operation.wire)
            for mark in (SOUTHERN, nowhere):
                body = body_of(operation, NORTH, mark)
                answer = http.post(operation.path.format(property=NORTH), json=body, headers=key())
                answers.append(_without_chance(answer, mark))
            taken_elsewhere = answers[0].startswith("404 ") and answers[1].startswith(("200 ", "403 "))
            if answers[0] != answers[1] and not taken_elsewhere:
                faults.append((operation.wire, *answers))
    assert not faults, json.dumps(faults[:6], indent=1)


def _without_chance(answer: httpx.Response, mark: str) -> str:
    """An answer without what differs from one time to the next."""
    text = f"{answer.status_code} {answer.text}".replace(mark, "MARK")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|http-[0-9a-f]{48}", "ID", text)
    text = INSTANT.sub("INSTANT", text)
    return re.sub(r'"(chainnumber|number|sequence|version)":\d+|"digest":"[0-9a-f]+"', "NUMBER", text)[:1500]
