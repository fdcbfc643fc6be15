"""By hand, what a generator does not think of: bytes that are no text, names that stand twice, headers without end, cursors bent."""

import json
import re
import socket
import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.gateway.conftest import NORTH, System, key
from tests.gateway.test_api import PENALTIES, ROSTERS, problem, roster

DAYS = f"/v1/properties/{NORTH}/attendance/list_days?first_on=2026-03-02&last_on=2026-03-02"
STAFF = "/v1/properties/company/registry/list_staff"
JSON = {"Content-Type": "application/json"}
PROBLEMS = (400, 401, 403, 404, 405, 409, 412, 413, 414, 415, 422, 428, 431)


def said(answer: Any) -> tuple[int, str]:
    """A status that the document names, and a problem where it is none of the good ones."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.status_code in PROBLEMS, answer.text
        assert answer.headers["content-type"] in ("application/problem+json", "text/plain; charset=utf-8"), answer.text
    return answer.status_code, answer.text


def wire(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as the bytes that are sent, so that one may hold what is no ASCII."""
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]


DOUBLE = b'{"type":"attendance.publish_roster.v1","roster_id":"a","roster_id":"b","staff_ids":["guard"],"days":[]}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"\0", 400), (b"null", 422), (b"[]", 422), (b'"text"', 422), (b"1e999", 422), (b"NaN", 400), (b"{", 400),
        (b"\xff\xfe{\0}\0", 400), ('{"type":"x"}'.encode("utf-16"), 400), (b"\xef\xbb\xbf{}", 400), (b'{"a":"\xc3\x28"}', 400),
        (DOUBLE, 400), (b"[" * 5_000 + b"]" * 5_000, 400), (b'{"days":' * 200 + b"1" + b"}" * 200, 400),
        (json.dumps(roster("x" * 65)).encode(), 422), (json.dumps(roster("nul\0")).encode(), 422),
        (json.dumps(roster("ok", staff_ids=["\ud800"])).encode(), 422), (json.dumps(roster("ok", unasked=1)).encode(), 422),
        (json.dumps(roster("ok", days=[{"day": "2026-02-30"}])).encode(), 422), (json.dumps(roster("ok", days=10**400)).encode(), 422),
        (json.dumps(roster("ok", days=[{"day": "\U0001f600"}])).encode(), 422), (b'{"roster_id":' + b"9" * 5_000 + b"}", 422),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_a_problem_that_says_why(system: System, body: bytes, status: int) -> None:
    with system.http("director") as http:
        answer = http.post(ROSTERS, content=body, headers=JSON | key())
        assert said(answer)[0] in ({400, 422} if status == 422 else {status}), answer.text
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/xml", "application/json-patch+json", "multipart/form-data; boundary=x", "application/*", "a\u00e9/b",
     "application/x-www-form-urlencoded", "application/json, text/csv", ";", "x" * 3_000],
)  # fmt: skip
def test_a_body_of_another_kind_is_not_taken(system: System, kind: str) -> None:
    with system.http("director") as http:
        answer = http.post(ROSTERS, content=b"{}", headers=wire({"Content-Type": kind} | key()))
        problem(answer, 415, "unsupported_media_type")
        odd = http.post(ROSTERS, content=b"{}", headers=JSON | {"Content-Encoding": "gzip"} | key())
        problem(odd, 415, "unsupported_media_type")
        fine = http.post(ROSTERS, json={}, headers={"Content-Type": "Application/JSON; charset=utf-8"} | key())
        problem(fine, 422, "invalid")


@pytest.mark.parametrize(
    "given",
    ["", "W/\"x.1\"", '"x.1", "y.2"', '"x"', "x.1", '"x.-1"', '"x.99999999999"', "**", '"\u00e9.1"', '"' + "x" * 70 + '.1"', '""'],
)  # fmt: skip
def test_an_if_match_that_is_no_tag_of_ours_changes_nothing(system: System, given: str) -> None:
    with system.http("director") as http:
        answer = http.post(ROSTERS, json=roster("tagged"), headers=wire({"If-Match": given} | key()))
        status, _ = said(answer)
        assert status in (400, 412), answer.text
        record = http.get(f"/v1/properties/{NORTH}/records/attendance/roster-tagged")
        assert record.status_code == 404


@pytest.mark.parametrize(
    "text",
    ["x", "start~start", "~", "attendance-x.1~", "attendance-0000.1", "attendance-0000.999999999999999", "attendance.1", "%00",
     "tickets-a.1~tickets-b.2", "nothing-abc.5", "-1", "1" * 3_000, "\u00e9", "attendance-x.1\u00b2", "' OR 1=1 --"],
)  # fmt: skip
def test_a_bent_cursor_is_refused_or_skips_nothing(system: System, text: str) -> None:
    with system.http("auditor") as http:
        answer = http.get(f"/v1/events?after={quote(text)}")
        status, _ = said(answer)
        if status == 200:
            first = http.get("/v1/events")
            assert answer.json()["events"] == first.json()["events"], "read from the beginning"
        if status >= 400:
            headers = wire({"Accept": "text/event-stream", "Last-Event-ID": text})
            assert said(http.get("/v1/events", headers=headers))[0] in (400, 503)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=1e3", "limit=99999999999999999999", "limit=", "limit=1&limit=2", "after=%00", "after=" + "x" * 3_000,
        "unknown=1", "%", "%zz=1", "limit=%C3%28", "=", "&&", "limit", "limit=\u0661", "after=%ED%A0%80", "a=1&" * 150, "limit=1;after=x",
        "as_of=" + "9" * 50, "as_of[]=1", "home_property=../../x", "home_property=company%0d%0aX: y",
    ],
)  # fmt: skip
def test_a_bent_query_is_a_problem(system: System, query: str) -> None:
    with system.http("hr") as http:
        answer = http.get(f"{STAFF}?{quote(query, safe='=&%[];:/')}")
        assert said(answer)[0] in (400, 404, 422), (query, answer.text)
        assert "x:" not in {name.lower() + ":" for name in answer.headers}


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/properties/{NORTH}/attendance/list_days/", "/v1//events", "/v1/events/", "/V1/events", "/v2/events", "/v1/properties//a/b",
        "/v1/properties/%2e%2e/attendance/list_days", f"/v1/properties/{NORTH}%00/attendance/list_days", f"/v1/properties/{'x' * 5_000}/a/b",
        f"/v1/properties/{NORTH}/attendance/list_days%2f", "/v99999999999999999999/properties/x/a/b", "/v1/properties/\u00e9/a/b",
        "/v1/properties/north-court/records/attendance/..%2f..%2fetc", "/schemas/..%2f..%2fexamples%2fkeys.json", "/schemas/%2e%2e/keys.json",
        "/problems/%3Cscript%3E", "/docs/events/%3Cscript%3E", "/v1/webhooks/" + "y" * 300 + "/deliveries", "/v1/accounts/%00",
    ],
)  # fmt: skip
def test_a_path_that_is_none_is_not_found_and_repeated_nowhere_as_markup(system: System, path: str) -> None:
    with system.http("admin") as http:
        for method in ("GET", "POST", "DELETE"):
            answer = http.request(method, path, headers=key())
            assert said(answer)[0] in (400, 404, 405, 414, 415, 422), (method, answer.status_code, answer.text)
            assert answer.headers["x-content-type-options"] == "nosniff"
            # A reference as RFC 3986 has it, which a library of problems reads: no character that it does not know.
            assert re.fullmatch(r"(/([\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?", answer.json()["instance"], re.ASCII), (
                path
            )
            assert "html" not in answer.headers["content-type"] or "<script" not in answer.text


def test_what_looks_may_be_looked_at_without_its_body_and_what_is_not_done_is_said(system: System) -> None:
    with system.http("hr") as http:
        full, head = http.get(STAFF), http.head(STAFF)
        assert (head.status_code, head.text) == (200, "")
        assert head.headers["content-length"] == full.headers["content-length"]
        for path in (STAFF, "/v1/events", "/", "/openapi.json", "/docs"):
            assert http.head(path).status_code == 200, path
        for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "POST"):
            answer = http.request(method, STAFF, headers=key())
            problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == "GET, HEAD"
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = http.request(method, PENALTIES)
            problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == "POST"
        problem(http.put("/v1/properties/north-court/attendance/no_such_thing"), 404, "not_found")
        for path, methods in (("/v1/session", {"POST", "DELETE"}), ("/v1/accounts/x", {"PUT", "DELETE"})):
            assert set(http.options(path).headers["allow"].split(", ")) == methods


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", "x" * 256), ("Idempotency-Key", "\u00e9"), ("Idempotency-Key", "a\tb"), ("Bailiwick-Occurred-At", "yesterday"),
        ("Bailiwick-Occurred-At", "2026-03-02T10:00:00"), ("Bailiwick-Issued-At", "9999-12-31T23:59:59Z"), ("Bailiwick-Effective-On", "2026-13-01"),
        ("Bailiwick-On-Behalf-Of", "x" * 65), ("Bailiwick-Delegation", "../x"), ("Authorization", "Bearer"),
        ("Authorization", "Basic YTpi"), ("Authorization", "Bearer " + "x" * 9_000),
        ("Authorization", "Bearer bwk_.x"), ("Authorization", "Bearer a.b.c"),
        ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
        ("Cookie", "bailiwick_session=x"), ("X-Forwarded-For", "127.0.0.1" * 500),
        ("Host", "elsewhere.example"), ("Accept", "image/png"), ("Range", "bytes=0-1"),
    ],
)  # fmt: skip
def test_a_bent_header_fails_nothing(system: System, name: str, value: str) -> None:
    with system.http("director") as http:
        given = {"idempotency-key": uuid.uuid4().hex, "authorization": http.headers["authorization"]}
        given[name.lower()] = value
        answer = http.post(ROSTERS, json=roster("bent"), headers=wire(given))
        said(answer)
        said(http.get(DAYS, headers=wire({name: value})))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Bailiwick-Occurred-At", "1700000000"), ("Bailiwick-Occurred-At", "-1"), ("Bailiwick-Issued-At", "5"),
        ("Bailiwick-Issued-At", "1700000000.5"), ("Bailiwick-Effective-On", "1700006400"),
    ],
)  # fmt: skip
def test_a_number_in_a_header_is_no_time(system: System, name: str, value: str) -> None:
    with system.http("director") as http:
        answer = http.post(ROSTERS, json=roster("seconds"), headers=key() | {name: value})
        assert "RFC 3339" in problem(answer, 400, "malformed")["detail"]


def test_a_claimed_time_may_have_any_offset_from_utc(system: System) -> None:
    """The document says date-time: whoever writes it as the clock on the wall shows it means the same instant."""
    with system.http("director") as http:
        given = {"Bailiwick-Occurred-At": "2026-03-02T18:00:00+08:00"}
        answer = http.post(ROSTERS, json=roster("zoned", days=[{"day": "2029-05-07"}]), headers=key() | given)
        assert answer.status_code == 200, answer.text
        (fact,) = http.get(f"/v1/properties/{NORTH}/records/attendance/roster-zoned").json()["facts"]
        assert fact["time"] == "2026-03-02T10:00:00Z"
        for given in (
            {"Bailiwick-Occurred-At": "0001-01-01T00:00:00+08:00"},
            {"Bailiwick-Issued-At": "9999-12-31T23:00:00-08:00"},
        ):
            problem(http.post(ROSTERS, json=roster("zoned"), headers=key() | given), 400, "malformed")


def test_a_number_in_a_body_a_line_or_a_query_is_no_time(system: System) -> None:
    wage = {
        "type": "registry.set_base_wage.v1",
        "staff_id": "guard",
        "base_wage": {"amount": "1.00"},
        "effective_on": "1700006400",
    }
    with system.http("director") as http, system.http("hr") as office:
        answer = http.post(ROSTERS, json=roster("seconds", days=[{"day": "1700006400"}]), headers=key())
        assert problem(answer, 422, "invalid")["problems"][0]["field"] == "days.0.day"
        shift = {"starts_at": 1700000000, "ends_at": "1700028800", "zone": "Asia/Shanghai"}
        answer = http.post(
            ROSTERS, json=roster("seconds", days=[{"day": "2026-03-02", "shifts": [shift]}]), headers=key()
        )
        assert problem(answer, 422, "invalid")["problems"][0]["field"] == "days.0.shifts.0.starts_at"
        day = f"/v1/properties/{NORTH}/attendance/get_day?staff_id=guard&day=2026-03-02"
        for query in (DAYS.replace("2026-03-02", "1700006400"), f"{DAYS}&as_of=1700000000", f"{day}&as_of=1700000000"):
            problem(http.get(query), 422, "invalid")
        path = "/v1/properties/company/registry/set_base_wage"
        lines = office.post(path, content=json.dumps(wage), headers=key() | {"Content-Type": "application/x-ndjson"})
        assert json.loads(lines.text)["status"] == 422


def raw(system: System, sent: bytes) -> bytes:
    """What is answered to bytes on the wire, which no client would send."""
    port = int(system.settings.http_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        taken = b""
        while part := line.recv(65_536):
            taken += part
    return taken


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"get / http/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n",
        b"GET /v1/events HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 3_000 + b"\r\n",
    ],
)  # fmt: skip
def test_bytes_that_are_no_http_are_answered_as_such_and_hold_up_nobody(system: System, sent: bytes) -> None:
    answer = raw(system, sent)
    status = answer.split(b" ", 2)[1:2]
    assert not answer or (status and 400 <= int(status[0]) < 500) or answer.startswith(b"HTTP/1.1 200"), answer[:300]
    with system.http() as http:
        assert http.get("/").status_code == 200


def test_a_body_that_goes_on_beyond_its_limit_is_cut_off(system: System) -> None:
    with system.http("director") as http:
        token = http.headers["authorization"]

    def parts() -> Any:
        for _ in range(600):
            yield b" " * 1_024

    with system.http(authorization=token) as client:
        problem(client.post(ROSTERS, content=parts(), headers=JSON | key()), 413, "too_large")
        problem(client.post(ROSTERS, content=b"x" * 300_000, headers=JSON | key()), 413, "too_large")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Idempotency-Key", ("one", "two")),
        ("If-Match", ("*", '"roster-twice.4"')),
        ("Bailiwick-On-Behalf-Of", ("guard", "director")),
        ("Bailiwick-Occurred-At", ("2026-03-02T01:00:00Z", "2026-03-03T01:00:00Z")),
    ],
)
def test_of_two_headers_that_say_how_it_is_meant_none_is_left_unread(
    system: System, name: str, values: tuple[str, str]
) -> None:
    """A list of two is no header of these either; the second was let go of, and a version that was named not kept."""
    given = [(n, v) for n, v in key().items() if n != name] + [(name, value) for value in values]
    with system.http("director") as http, system.http("admin") as admin:
        answer = http.post(ROSTERS, json=roster("twice"), headers=given)
        problem(answer, 400, "malformed")
        assert name.lower() in answer.json()["detail"]
        if name == "Idempotency-Key":
            problem(admin.request("DELETE", "/v1/webhooks/w1", headers=given), 400, "malformed")


def test_a_second_content_type_makes_room_for_no_larger_body(system: System) -> None:
    body = json.dumps(roster("x" * 1_000_000)).encode()
    with system.http("director") as http:
        given = [*JSON.items(), ("Content-Type", "text/csv"), *key().items()]
        problem(http.post(ROSTERS, content=body, headers=given), 413, "too_large")
