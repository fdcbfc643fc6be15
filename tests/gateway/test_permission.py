"""Who may do what, cell by cell: every endpoint, every role, its own property, another one, and the company."""

import re

import httpx
import pytest

from services.gateway.permission import Key, Resource, Who, may, role
from services.gateway.surface import Operation, Surface
from services.kernel.sealing import KeyStore
from services.run.catalogue import others
from tests.gateway.conftest import GATE_SECRET, NORTH, SOUTH, System, key

PLACES = (NORTH, SOUTH, "company", "never-was")
EVERYWHERE = {"admin", "hr", "auditor"}
HOME = {"director": NORTH, "guard": NORTH, "southern": SOUTH, "southguard": SOUTH}
LEADING = {"director", "southern"}


def expected(who: str | None, operation: Operation, place: str) -> str:
    """The table as it is meant, written down apart from the code that is tested."""
    if who is None:
        return "unauthenticated"
    if who in EVERYWHERE:
        return "granted"
    if who == "gate":
        if place != NORTH:
            return "hidden"
        return "granted" if operation.kind == "command" and operation.service != "audit" else "forbidden"
    if HOME.get(who) != place:
        return "hidden"
    if operation.service == "audit":
        return "forbidden"
    return "granted" if operation.kind == "command" or who in LEADING else "forbidden"


def found(answer: httpx.Response) -> str:
    if answer.status_code == 401:
        return "unauthenticated"
    kind = answer.json().get("type", "") if answer.status_code >= 400 else ""
    return {"/problems/forbidden": "forbidden", "/problems/not_found": "hidden"}.get(kind, "granted")


def ask(http: httpx.Client, operation: Operation, place: str) -> httpx.Response:
    path = operation.path.replace("{property}", place)
    return http.post(path, json={}, headers=key()) if operation.kind == "command" else http.get(path)


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    return Surface(others(KeyStore(tmp_path_factory.mktemp("keys")))).operations


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "who",
    [
        None, "director", "gate", pytest.param("admin", marks=pytest.mark.long), pytest.param("hr", marks=pytest.mark.long),
        pytest.param("auditor", marks=pytest.mark.long), pytest.param("guard", marks=pytest.mark.long),
        pytest.param("southern", marks=pytest.mark.long), pytest.param("southguard", marks=pytest.mark.long),
        pytest.param("nobody", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_no_cell_of_the_matrix_is_unintended(system: System, operations: list[Operation], who: str | None) -> None:
    client = system.http(authorization=f"Bearer bwk_k-gate.{GATE_SECRET}") if who == "gate" else system.http(who)
    unintended = []
    with client as http, system.http("admin") as admin:
        for operation in operations:
            for place in PLACES:
                wanted, got = expected(who, operation, place), found(ask(http, operation, place))
                if got == "hidden" and wanted == "granted" and found(ask(admin, operation, place)) == "hidden":
                    continue  # what was asked for is not there, for whoever asks
                if got != wanted:
                    unintended.append((operation.wire, place, wanted, got))
    assert unintended == []
    assert len(operations) > 60


ADMINISTRATION = [
    ("GET", "/v1/accounts"), ("POST", "/v1/accounts"), ("PUT", "/v1/accounts/{account}"), ("DELETE", "/v1/accounts/{account}"),
    ("GET", "/v1/api-keys"), ("POST", "/v1/api-keys"), ("POST", "/v1/api-keys/{key_id}/revoke"),
    ("GET", "/v1/webhooks"), ("POST", "/v1/webhooks"), ("DELETE", "/v1/webhooks/{webhook_id}"),
    ("POST", "/v1/webhooks/{webhook_id}/rotate"), ("POST", "/v1/webhooks/{webhook_id}/enable"),
    ("POST", "/v1/webhooks/{webhook_id}/disable"), ("GET", "/v1/webhooks/{webhook_id}/deliveries"),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{event_id}/resend"),
]  # fmt: skip
RECORDS = ("GET", "/v1/properties/{property}/records/{service}/{stream}")
EVENTS = ("GET", "/v1/events")
IN_AND_OUT = [("POST", "/v1/tokens"), ("POST", "/v1/session"), ("DELETE", "/v1/session")]


def test_every_endpoint_of_the_document_and_of_the_server_is_a_row_of_the_matrix(
    system: System, operations: list[Operation]
) -> None:
    """So that an endpoint that is added has no cell, and fails here, until somebody says who may use it."""
    rows = {*ADMINISTRATION, RECORDS, EVENTS, *IN_AND_OUT, *((one.method, one.path) for one in operations)}
    with system.http() as http:
        document = http.get("/openapi.json").json()
    assert {(method.upper(), path) for path, methods in document["paths"].items() for method in methods} == rows
    door = system.supervisor.runtimes["gateway"].open_door  # type: ignore[attr-defined]
    served = {(method, route.path) for route in door.app.router.routes for method in route.methods - {"HEAD"}}
    pages = {("GET", path) for path in door.pages.paths()}
    generated = "/v{version:int}/properties/{property}/{service}/{name}"
    assert served - pages == {*ADMINISTRATION, RECORDS, EVENTS, *IN_AND_OUT, ("GET", generated), ("POST", generated)}


@pytest.mark.parametrize(
    "who", [None, "admin", "hr", "auditor", "director", "guard", "southern", "southguard", "nobody", "gate"]
)
def test_records_are_read_by_those_who_read_the_property(system: System, who: str | None) -> None:
    client = system.http(authorization=f"Bearer bwk_k-gate.{GATE_SECRET}") if who == "gate" else system.http(who)
    with client as http:
        for place in PLACES:
            answer = http.get(f"/v1/properties/{place}/records/registry/property-{place}")
            there = place in (NORTH, SOUTH)
            if who is None:
                wanted = 401
            elif who in EVERYWHERE:
                wanted = 200 if there else 404
            elif who == "gate":
                wanted = 403 if place == NORTH else 404
            elif HOME.get(who) == place:
                wanted = 200 if who in LEADING else 403
            else:
                wanted = 404
            assert answer.status_code == wanted, (place, answer.text)


def test_a_token_is_given_for_a_password_and_taken_back_by_whoever_has_it(system: System) -> None:
    with system.http() as http:
        for path in ("/v1/tokens", "/v1/session"):
            assert http.post(path, json={"account": "director", "password": "wrong"}).status_code == 401
        assert http.delete("/v1/session").status_code == 401


@pytest.mark.parametrize(("method", "template"), ADMINISTRATION)
def test_only_a_doorkeeper_changes_who_comes_in_and_who_is_told(system: System, method: str, template: str) -> None:
    path = re.sub(r"\{[a-z_]+\}", "x", template)
    for who in (None, "hr", "auditor", "director", "guard", "nobody", "gate"):
        client = system.http(authorization=f"Bearer bwk_k-gate.{GATE_SECRET}") if who == "gate" else system.http(who)
        with client as http:
            answer = http.request(method, path, json={} if method != "GET" else None, headers=key())
            wanted = {None: 401, "nobody": 404}.get(who, 403)
            assert answer.status_code == wanted, (who, answer.text)
    with system.http("admin") as http:
        answer = http.request(method, path, json={} if method != "GET" else None, headers=key())
        assert answer.status_code in (200, 404, 422), answer.text


def test_events_are_seen_by_those_who_see_the_property(system: System) -> None:
    for who, place, status in (
        ("director", NORTH, 200), ("director", SOUTH, 404), ("director", "company", 404), ("guard", NORTH, 403),
        ("auditor", SOUTH, 200), ("hr", "company", 200), ("nobody", NORTH, 404), ("director", "never-was", 404),
    ):  # fmt: skip
        with system.http(who) as http:
            assert http.get("/v1/events", params={"property": place}).status_code == status, (who, place)
    with system.http("director") as http:
        seen, path = set(), "/v1/events?limit=500"
        while True:
            page = http.get(path).json()
            seen |= {event["source"].split("/")[2] for event in page["events"]}
            if not page["events"]:
                break
            path = f"/v1/events?limit=500&after={page['next']}"
        assert seen == {NORTH}


def test_whoever_has_no_position_has_no_way_in() -> None:
    assert may(Who("x", "local", "x"), "query", Resource(frozenset({NORTH}))) == "hidden"
    assert may(Who("x", "local", "x"), "query", Resource(frozenset())) == "hidden"
    assert role(Who("x", "local", "x"), NORTH) == "none"


def test_a_key_narrows_what_its_person_may_and_never_widens_it() -> None:
    powers = frozenset({"office_director"})
    narrow = Key("k", frozenset({NORTH}), frozenset({"query"}))
    person = Who("d", "apikey", "k", {NORTH: "office_director", SOUTH: "office_director"}, powers, key=narrow)
    assert may(person, "query", Resource(frozenset({NORTH}))) == "granted"
    assert may(person, "command", Resource(frozenset({NORTH}))) == "forbidden"
    assert may(person, "query", Resource(frozenset({SOUTH}))) == "hidden"
    guard = Who("g", "apikey", "k", {NORTH: "guard"}, powers, key=narrow)
    assert may(guard, "query", Resource(frozenset({NORTH}))) == "forbidden"
    assert may(guard, "query", Resource(frozenset({NORTH}), about="g")) == "granted"
    gone = Who("g", "apikey", "k", {}, powers, key=narrow, is_person=True)
    assert may(gone, "query", Resource(frozenset({NORTH}))) == "hidden"
