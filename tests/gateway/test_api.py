"""The HTTP API made from the contracts: each command once, on the version that was read, and every failure a problem with a page."""

import gzip
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import DelegateAuthority
from bailiwick_contracts.schema import EXAMPLES
from bailiwick_contracts.staff import AssignPosition, RegisterStaff

from services.gateway import problem as problems
from tests.gateway.conftest import NORTH, SOUTH, System, key

PENALTIES = f"/v1/properties/{NORTH}/attendance/decide_penalty"
ROSTERS = f"/v1/properties/{NORTH}/attendance/publish_roster"

CLAIMS = {f"bailiwick-{one}" for one in ("on-behalf-of", "delegation", "occurred-at", "issued-at", "effective-on")}


def roster(name: str, **more: Any) -> dict[str, Any]:
    body = {
        "type": "attendance.publish_roster.v1",
        "roster_id": name,
        "staff_ids": ["guard"],
        "days": [{"day": "2026-03-02"}],
    }
    return body | more


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == (f"/problems/{code}", status)
    return body


def test_a_command_is_decided_once_however_often_it_is_sent(system: System) -> None:
    with system.http("director") as http:
        used = key()
        first = http.post(ROSTERS, json=roster("once"), headers=used)
        assert first.status_code == 200, first.text
        assert first.json()["outcome"] == "done"
        again = http.post(ROSTERS, json=roster("once"), headers=used)
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        assert "idempotency-replayed" not in first.headers
        problem(http.post(ROSTERS, json=roster("other"), headers=used), 422, "idempotency_key_reused")
        problem(http.post(ROSTERS, json=roster("none")), 400, "idempotency_key_missing")
        problem(http.post(ROSTERS, json=roster("none"), headers={"Idempotency-Key": ""}), 400, "malformed")


def test_a_refusal_names_the_clause_who_may_and_the_fact_that_records_it(system: System) -> None:
    with system.http("guard") as http:
        used = key()
        refused = problem(
            http.post(ROSTERS, json=roster("not-his", days=[{"day": "2026-04-01"}]), headers=used), 403, "refused"
        )
        assert refused["clause"]["row_id"] == "A5"
        assert refused["asked"]["actor_id"] == "guard"
        assert refused["fact"]["type"] == "attendance.roster_refused.v1"
        assert {"reason", "who_may", "commandid"} & set(refused)
        again = http.post(ROSTERS, json=roster("not-his", days=[{"day": "2026-04-01"}]), headers=used)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json()["fact"]["id"] == refused["fact"]["id"]


def test_a_refusal_before_any_ruling_says_what_was_asked_and_under_which_clause(system: System) -> None:
    asked = {
        "type": "attendance.decide_penalty.v1", "penalty_id": "no-day", "staff_id": "guard", "day": "2026-01-07",
        "occurrence": "late", "clause": "A14", "requested": {"share": {"numerator": 1, "denominator": 10}}, "grounds": "Late.",
    }  # fmt: skip
    with system.http("director") as http:
        refused = problem(http.post(PENALTIES, json=asked, headers=key()), 403, "refused")
        assert "ruling" not in {name for name, value in refused["fact"]["data"].items() if value is not None}
        assert refused["reason"] == "day_not_derived"
        assert refused["clause"] == {"row_id": "A14", "matrix_version": None}
        assert (refused["asked"]["occurrence"], refused["asked"]["requested_share"]) == (
            "late",
            {"numerator": 1, "denominator": 10},
        )


def test_somebody_acts_for_another_who_is_seen_there_and_names_the_delegation(system: System) -> None:
    tickets = f"/v1/properties/{NORTH}/tickets/register_ticket"

    def said(name: str) -> dict[str, Any]:
        return {"type": "tickets.register_ticket.v1", "ticket_id": name, "kind": "repair", "description": "Wet."}

    def acting(behalf: str, delegation: str = "lent-door") -> dict[str, str]:
        return key() | {"Bailiwick-On-Behalf-Of": behalf, "Bailiwick-Delegation": delegation}

    lent = DelegateAuthority(
        delegation_id="lent-door", from_staff_id="director", to_staff_id="guard", property_id=NORTH,
        first_on=date(2024, 1, 1), last_on=date(2099, 12, 31),
    )  # fmt: skip
    system.done(lent, COMPANY, Actor(actor="director"))
    system.settled()
    with system.http("guard") as http, system.http("admin") as office:
        for alone in ("Bailiwick-On-Behalf-Of", "Bailiwick-Delegation"):
            answer = http.post(tickets, json=said("for-nobody"), headers=key() | {alone: "director"})
            assert "both" in problem(answer, 400, "malformed")["detail"]
        lines = {"Content-Type": "application/x-ndjson"}
        for unseen in ("system-setup", "southern", "southguard", "nobody", "never-there"):
            answer = http.post(tickets, json=said("for-nobody"), headers=acting(unseen))
            never = http.post(tickets.replace("register", "no"), headers=key())
            assert problem(answer, 404, "not_found") == never.json() | {"instance": tickets}
            many = http.post(tickets, content=json.dumps(said("for-nobody")), headers=acting(unseen) | lines)
            problem(many, 404, "not_found")
        # A position at the company sees everybody, and nobody who is none.
        problem(office.post(tickets, json=said("for-nobody"), headers=acting("system-setup")), 404, "not_found")
        assert office.post(tickets, json=said("for-southern"), headers=acting("southern")).status_code == 200
        record = f"/v1/properties/{NORTH}/records/tickets/ticket-for-nobody"
        assert office.get(record).status_code == 404, "nothing was recorded"
        done = http.post(ROSTERS, json=roster("lent", days=[{"day": "2026-04-02"}]), headers=acting("director"))
        assert (done.status_code, done.json()["outcome"]) == (200, "done"), done.text
        # Whether the power is lent at all is the ruling's to say, and is recorded.
        other = http.post(
            ROSTERS, json=roster("unlent", days=[{"day": "2026-04-03"}]), headers=acting("director", "none")
        )
        assert problem(other, 403, "refused")["reason"] == "no_delegation"


def test_a_change_of_a_record_names_the_version_that_was_read(system: System) -> None:
    path = "/v1/properties/company/registry/{}?staff_id=guard"
    with system.http("hr") as http:
        read = http.get(path.format("get_staff"))
        assert read.status_code == 200, read.text
        tag = read.headers["etag"]
        for given in (tag, f"W/{tag}", f'"other.1", {tag}', "*"):
            assert http.get(path.format("get_staff"), headers={"If-None-Match": given}).status_code == 304, given
        assert http.get(path.format("get_staff"), headers={"If-None-Match": '"other.1"'}).status_code == 200
        record = "/v1/properties/company/records/registry/staff-guard"
        assert http.get(record, headers={"If-None-Match": http.get(record).headers["etag"]}).status_code == 304
        wage = {
            "type": "registry.set_base_wage.v1",
            "staff_id": "guard",
            "base_wage": {"amount": "5000.00"},
            "effective_on": "2026-01-01",
        }
        target = "/v1/properties/company/registry/set_base_wage"
        missing = problem(http.post(target, json=wage, headers=key()), 428, "precondition_required")
        assert f'"{missing["record"]}.{missing["version"]}"' == tag
        done = http.post(target, json=wage, headers=key() | {"If-Match": tag})
        assert done.status_code == 200, done.text
        assert done.headers["etag"] != tag
        stale = problem(http.post(target, json=wage, headers=key() | {"If-Match": tag}), 412, "precondition_failed")
        assert [fact["type"] for fact in stale["since"]] == ["registry.base_wage_set.v1"]
        other = wage | {"base_wage": {"amount": "5100.00"}}
        assert http.post(target, json=other, headers=key() | {"If-Match": "*"}).status_code == 200
        problem(http.post(target, json=other, headers=key() | {"If-Match": "guard"}), 400, "malformed")


def test_pages_are_walked_by_their_links_and_each_row_comes_once(system: System) -> None:
    with system.http("hr") as http:
        seen: list[str] = []
        path: str | None = "/v1/properties/company/registry/list_staff?limit=3"
        while path:
            answer = http.get(path)
            seen += [one["staff_id"] for one in answer.json()["staff"]]
            found = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
            path = found.group(1) if found else None
        assert len(seen) == len(set(seen)) >= 7


def test_a_record_is_read_as_of_an_instant_and_by_its_facts(system: System) -> None:
    with system.http("hr") as http:
        answer = http.get(
            "/v1/properties/company/registry/get_staff", params={"staff_id": "guard", "as_of": "2020-01-01T00:00:00Z"}
        )
        problem(answer, 404, "not_found")
        facts = http.get("/v1/properties/company/records/registry/staff-guard")
        assert facts.json()["facts"][0]["type"] == "registry.staff_registered.v1"
        assert facts.headers["etag"].startswith('"staff-guard.')
        problem(http.get("/v1/properties/company/records/registry/staff-unheard-of"), 404, "not_found")


def test_rows_come_as_csv_and_each_is_answered_for_itself(system: System) -> None:
    path = f"/v1/properties/{NORTH}/attendance/record_punches"
    lines = "punch_id,staff_id,at,direction\np1,guard,2026-03-02T01:00:00Z,in\np2,guard,yesterday,in\np3,guard,2026-03-02T09:00:00Z,out\n"
    with system.http("director") as http:
        answer = http.post(path, content=lines, headers=key() | {"Content-Type": "text/csv"})
        assert answer.status_code == 200, answer.text
        rows = sorted((json.loads(line) for line in answer.text.splitlines()), key=lambda row: row["line"])
        assert [(row["line"], row["outcome"]) for row in rows] == [(2, "done"), (3, "rejected"), (4, "done")]
        assert rows[1]["problems"][0]["field"] == "at"
        problem(http.post(path, content="a,b\n1,2\n", headers=key() | {"Content-Type": "text/csv"}), 400, "malformed")


def test_whole_requests_come_as_lines_and_a_refused_one_stops_no_other(system: System) -> None:
    lines = [
        json.dumps(roster("line-1")),
        "{",
        json.dumps(roster("line-3", staff_ids=["southguard"])),
        json.dumps(roster("line-4")),
    ]
    with system.http("director") as http:
        used = key() | {"Content-Type": "application/x-ndjson"}
        answer = http.post(ROSTERS, content="\n".join(lines), headers=used)
        rows = [json.loads(line) for line in answer.text.splitlines()]
        assert [(row["line"], row["status"]) for row in rows] == [(1, 200), (2, 400), (3, 404), (4, 200)]
        again = [
            json.loads(line) for line in http.post(ROSTERS, content="\n".join(lines), headers=used).text.splitlines()
        ]
        assert [row.get("facts") for row in again] == [row.get("facts") for row in rows]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'{"type":"x","type":"y"}', 400, "malformed"),
        (b'{"roster_id":NaN}', 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b'{"type":"attendance.publish_roster.v1"}', 422, "invalid"),
        (b'"' + b"x" * 260_000 + b'"', 413, "too_large"),
    ],
)
def test_what_cannot_be_read_is_a_problem_and_records_nothing(
    system: System, body: bytes, status: int, code: str
) -> None:
    with system.http("director") as http:
        answer = http.post(ROSTERS, content=body, headers=key() | {"Content-Type": "application/json"})
        problem(answer, status, code)


def test_what_is_compressed_or_of_another_kind_is_not_unpacked(system: System) -> None:
    with system.http("director") as http:
        bomb = gzip.compress(b"0" * 10_000_000)
        packed = key() | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        problem(http.post(ROSTERS, content=bomb, headers=packed), 415, "unsupported_media_type")
        problem(
            http.post(ROSTERS, content=b"a=1", headers=key() | {"Content-Type": "text/plain"}),
            415,
            "unsupported_media_type",
        )


def test_every_failure_says_its_kind_and_every_kind_has_its_page(system: System) -> None:
    with system.http("director") as http:
        problem(http.get("/v1/nothing"), 404, "not_found")
        problem(http.get(f"/v1/properties/{NORTH}/attendance/no_such_thing"), 404, "not_found")
        assert problem(http.delete(PENALTIES), 405, "method_not_allowed")
        assert http.get(PENALTIES).headers["allow"] == "POST"
        problem(http.get(f"/v1/properties/{NORTH}/attendance/list_days?no_such=1"), 422, "invalid")
        problem(
            http.get(f"/v1/properties/{NORTH}/attendance/list_days?first_on=soon&last_on=2026-01-01"), 422, "invalid"
        )
        codes = re.findall(r'href="(/problems/[a-z_]+)"', http.get("/problems").text)
        assert len(codes) >= 20
        for page in codes:
            shown = http.get(page)
            assert shown.status_code == 200
            assert 'lang="zh-Hant"' in shown.text
    with system.http() as http:
        answer = http.get(f"/v1/properties/{NORTH}/attendance/list_days")
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_every_problem_that_has_a_page_is_one_that_something_answers() -> None:
    # A row of the table is `"code": Kind(…`; whatever else names a code answers it.
    raising = "".join(one.read_text() for one in Path(problems.__file__).parent.glob("*.py"))
    assert [code for code in problems.KINDS if not re.search(f'"{code}"(?!: Kind)', raising)] == []


def test_the_document_names_every_body_and_every_header_that_a_command_takes(system: System) -> None:
    with system.http() as http:
        paths = http.get("/openapi.json").json()["paths"]
    commands = [one["post"] for path, one in paths.items() if "/properties/" in path and "post" in one]
    assert len(commands) > 100
    for command in commands:
        assert set(command["requestBody"]["content"]) == {"application/json", "application/x-ndjson", "text/csv"}
        headers = {one["name"].lower() for one in command["parameters"] if one["in"] == "header"}
        assert headers == {"idempotency-key", "if-match", *CLAIMS}
    assert "Last-Event-ID" in {one["name"] for one in paths["/v1/events"]["get"]["parameters"]}


def test_no_page_has_a_script_or_asks_another_host_for_anything(system: System) -> None:
    with system.http() as http:
        for path in (
            "/",
            "/docs",
            "/docs/events",
            "/docs/asyncapi",
            "/docs/events/attendance.penalty_decided.v1",
            "/problems",
        ):
            page = http.get(path)
            assert page.status_code == 200
            assert "<script" not in page.text.lower()
            assert not re.findall(r'(?:src|href)="(?!/)', page.text)
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["referrer-policy"] == "no-referrer"
        answer = http.get("/openapi.json").headers
        assert answer["x-content-type-options"] == "nosniff"
        assert "referrer-policy" not in answer


def test_every_schema_lies_at_the_address_that_the_events_name(system: System) -> None:
    with system.http() as http:
        for path in sorted(EXAMPLES.glob("*_decided.v1.json")):
            address = json.loads(path.read_text())["dataschema"]
            assert http.get(address).json()["$id"] == address
        for shared in (
            "/schemas/command.json",
            "/schemas/answer.json",
            "/schemas/attendance.list_dead_letters.v1.json",
        ):
            assert http.get(shared).status_code == 200
        assert http.get("/schemas/../../etc/passwd").status_code == 404


def test_too_many_requests_are_told_when_to_come_again(system: System) -> None:
    with system.http() as http:
        answers = [http.post("/v1/tokens", json={"account": "guesser", "password": "wrong"}) for _ in range(12)]
        assert answers[0].status_code == 401
        problem(answers[-1], 429, "too_many_requests")
        assert int(answers[-1].headers["retry-after"]) > 0


def test_a_record_of_another_property_is_answered_like_one_that_never_was(system: System) -> None:
    with system.http("southern") as http:
        elsewhere = roster("elsewhere", staff_ids=["southguard"])
        path = f"/v1/properties/{SOUTH}/attendance"
        assert http.post(f"{path}/publish_roster", json=elsewhere, headers=key()).status_code == 200
    with system.http("director") as http:
        path = f"/v1/properties/{NORTH}"
        for real, made_up in (
            (
                "attendance/get_day?staff_id=southguard&day=2026-03-02",
                "attendance/get_day?staff_id=never-was&day=2026-03-02",
            ),
            ("registry/get_staff?staff_id=southguard", "registry/get_staff?staff_id=never-was"),
            ("records/attendance/roster-elsewhere", "records/attendance/roster-never-was"),
        ):
            left, right = http.get(f"{path}/{real}"), http.get(f"{path}/{made_up}")
            assert (left.status_code, right.status_code) == (404, 404), (real, left.text)
            assert {**left.json(), "instance": ""} == {**right.json(), "instance": ""}
        places = (SOUTH, "never-was")
        answers = [http.get(f"/v1/properties/{place}/registry/get_property") for place in places]
        assert [answer.status_code for answer in answers] == [404, 404]
        listed = http.get(f"{path}/registry/list_staff?limit=500").json()["staff"]
        assert "southguard" not in {one["staff_id"] for one in listed}


def test_a_property_that_is_not_there_is_told_to_whoever_sees_all(system: System) -> None:
    logs = system.settings.data_dir / "tlog"
    with system.http("admin") as http:
        for view in ("registry/list_staff", "billing/list_receipts", "audit/completeness_check", "audit/build_log"):
            answer = http.get(f"/v1/properties/nort-court/{view}")
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not_found"), view
        assert not (logs / "nort-court").exists(), "nothing is made for it either"
        new = f"p-{key()['Idempotency-Key'][:12]}"
        body = {"property_id": new, "name": new}
        assert http.post(f"/v1/properties/{new}/registry/add_property", json=body, headers=key()).status_code == 200
        assert http.get(f"/v1/properties/{new}/registry/list_staff").json() == {"staff": []}


def test_the_version_in_if_match_finds_out_nothing_of_another_property_s_people(system: System) -> None:
    wage = {"type": "registry.set_base_wage.v1", "base_wage": {"amount": "5000.00"}, "effective_on": "2026-01-01"}
    path = f"/v1/properties/{NORTH}/registry/set_base_wage"
    hired = date(2024, 1, 1)
    system.done(RegisterStaff(staff_id="lent", name="樣本", home_property=NORTH, hired_on=hired))
    system.done(AssignPosition(staff_id="lent", property_id=SOUTH, position="guard", grade="staff", effective_on=hired))
    system.settled()
    with system.http("director") as http:

        def asked(stream: str, version: int, about: str) -> dict[str, Any]:
            headers = key() | {"If-Match": f'"{stream}.{version}"'}
            answer = http.post(path, json=wage | {"staff_id": about}, headers=headers)
            assert SOUTH not in answer.text
            return {**answer.json(), "etag": answer.headers.get("etag", "").partition(".")[0]}

        for version in range(4):
            found = [asked(stream, version, "guard") for stream in ("staff-southern", "staff-never-was")]
            assert [(one["type"], one["etag"]) for one in found] == [
                ("/problems/refused", f'"registry-refusals-{NORTH}')
            ] * 2
        # Of somebody who serves at both, what changed here is told, and neither the other change nor how many there were.
        stale = asked("staff-lent", 0, "lent")
        assert (stale["type"], stale["etag"]) == ("/problems/precondition_failed", "")
        assert [fact["type"] for fact in stale["since"]] == ["registry.staff_registered.v1"]
        assert not {"version", "detail"} & set(stale)


def test_an_answer_waits_for_nothing_but_its_making(system: System) -> None:
    """On a line that is kept, head and body of an answer leave together: a system acknowledges a lone head after 40 ms."""
    with system.http("director") as http:
        taken = [http.get(f"/v1/properties/{NORTH}/attendance/never_was").elapsed.total_seconds() for _ in range(20)]
    assert min(taken) < 0.03
