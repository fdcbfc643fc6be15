"""Many at once: a line may name the version that it rests on, and is answered for itself."""

import csv
import io
import json
import threading
import time
from typing import Any
from urllib.parse import quote

from tests.gateway.conftest import NORTH, System, key
from tests.gateway.test_api import ROSTERS, problem

WAGES = "/v1/properties/company/registry/set_base_wage"
STAFF = "/v1/properties/company/registry/get_staff?staff_id={}"
PUNCHES = f"/v1/properties/{NORTH}/attendance/record_punches"
NDJSON = {"Content-Type": "application/x-ndjson"}


def wage(staff_id: str, amount: str, **more: Any) -> dict[str, Any]:
    body = {
        "type": "registry.set_base_wage.v1",
        "staff_id": staff_id,
        "base_wage": {"amount": amount},
        "effective_on": "2026-02-01",
    }
    return body | more


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_may_rest_on_a_version_and_is_answered_for_itself(system: System) -> None:
    with system.http("hr") as http:
        tags = {one: http.get(STAFF.format(one)).headers["etag"] for one in ("southern", "director")}
        lines = [
            wage("southern", "7100.00", if_match=tags["southern"]),
            wage("southern", "7200.00", if_match=tags["southern"]),
            wage("director", "7300.00"),
            wage("director", "7300.00", if_match="*"),
            wage("director", "7400.00", if_match="anything"),
            wage("director", "7400.00", if_match=7),
        ]
        sent = "\n".join(map(json.dumps, lines))
        used = key()
        found = answers(http.post(WAGES, content=sent, headers=NDJSON | used).text)
        assert [one["status"] for one in found] == [200, 412, 428, 200, 400, 400]
        assert [one["line"] for one in found] == [1, 2, 3, 4, 5, 6]
        stale = found[1]
        assert (stale["type"], stale["outcome"]) == ("/problems/precondition_failed", "rejected")
        assert [fact["type"] for fact in stale["since"]] == ["registry.base_wage_set.v1"]
        # What a line was answered with is what the next change of that record rests on.
        assert stale["etag"] == found[0]["etag"] == http.get(STAFF.format("southern")).headers["etag"]
        again = answers(http.post(WAGES, content=sent, headers=NDJSON | used).text)
        assert [one["status"] for one in again][:2] == [200, 412]
        assert again[0]["facts"][0]["id"] == found[0]["facts"][0]["id"]


def test_a_column_of_a_csv_file_holds_the_versions(system: System) -> None:
    with system.http("hr") as http:
        tag = http.get(STAFF.format("auditor")).headers["etag"]
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(["staff_id", "base_wage.amount", "effective_on", "if_match"])
        for amount, given in (("6100.00", tag), ("6200.00", tag.strip('"')), ("6300.00", "*"), ("6400.00", "")):
            writer.writerow(["auditor", amount, "2026-02-01", given])
        found = answers(http.post(WAGES, content=file.getvalue(), headers={"Content-Type": "text/csv"} | key()).text)
        assert [one["status"] for one in found] == [200, 412, 200, 428], found


def test_a_line_ends_where_its_file_ends_it(system: System) -> None:
    """Not within a text that holds a line separator, which JSON takes as it is."""
    with system.http("hr") as http:
        lines = [wage("guard\u2028", "1.00"), wage("gu\u0085ard", "1.00"), wage("guard", "1")]
        sent = "\r\n".join(json.dumps(one, ensure_ascii=False) for one in lines)
        found = answers(http.post(WAGES, content=sent.encode(), headers=NDJSON | key()).text)
        assert [(one["line"], one["status"]) for one in found] == [(1, 422), (2, 422), (3, 428)], found


def test_the_key_of_many_is_the_key_of_no_other_request(system: System) -> None:
    with system.http("hr") as http:
        used = key()["Idempotency-Key"]
        line = wage("guard", "5400.00", if_match="*")
        (done,) = answers(http.post(WAGES, content=json.dumps(line), headers=NDJSON | {"Idempotency-Key": used}).text)
        assert done["status"] == 200
        headers = {"Idempotency-Key": f"{used}:1", "If-Match": "*"}
        assert http.post(WAGES, json=wage("guard", "5500.00"), headers=headers).status_code == 200


def test_what_is_wrong_with_one_row_of_a_file_spoils_no_other(system: System) -> None:
    """A byte order mark is none of its columns; a huge cell, a short row, a wrong amount and a blank line are their own."""
    head = "\ufeffstaff_id,base_wage.amount,effective_on,if_match"
    rows = [f"guard,{'1' * 200_000},2026-02-01,*", "guard", "guard,x,2026-02-01,*", "", "guard,5300.00,2026-02-01,*"]
    with system.http("hr") as http:
        headers = {"Content-Type": "text/csv"} | key()
        found = answers(http.post(WAGES, content="\r\n".join([head, *rows]).encode(), headers=headers).text)
        assert [(one["line"], one["status"]) for one in found] == [(2, 422), (3, 400), (4, 422), (6, 200)], found
        for empty in (
            "",
            "\ufeff",
            "staff_id,nonsense\nguard,1",
            "staff_id,staff_id\nguard,guard",
            head,
            f'{head}\n"guard',
        ):
            problem(
                http.post(WAGES, content=empty.encode(), headers={"Content-Type": "text/csv"} | key()), 400, "malformed"
            )


def test_a_row_that_fits_no_contract_is_told_in_its_place(system: System) -> None:
    rows = [
        {"punch_id": f"place-{one}", "staff_id": "guard", "at": f"2026-06-0{one}T01:00:00Z", "direction": "in"}
        for one in (1, 2, 3)
    ]
    sent = "\n".join(
        [json.dumps(rows[0]), "{", json.dumps(rows[1]), json.dumps({"punch_id": "x"}), json.dumps(rows[2])]
    )
    path = f"/v1/properties/{NORTH}/attendance/record_punches"
    with system.http("director") as http:
        found = answers(http.post(path, content=sent, headers=NDJSON | key()).text)
    assert [(one["line"], one["status"]) for one in found] == [(1, 200), (2, 400), (3, 200), (4, 422), (5, 200)], found


def test_a_row_that_is_not_taken_is_told_the_rule_and_the_way_out(system: System) -> None:
    """As a request that is not: the reason alone says neither."""
    rows = [
        {"punch_id": "told-1", "staff_id": "guard", "at": "2026-06-05T01:00:00Z", "direction": "in"},
        {"punch_id": "told-1", "staff_id": "guard", "at": "2026-06-05T09:00:00Z", "direction": "out"},
        {"punch_id": "told-2", "staff_id": "guard", "at": "2099-06-05T09:00:00Z", "direction": "out"},
    ]
    path = f"/v1/properties/{NORTH}/attendance/record_punches"
    with system.http("director") as http:
        taken, reused, ahead = answers(
            http.post(path, content="\n".join(map(json.dumps, rows)), headers=NDJSON | key()).text
        )
    assert taken == {"line": 1, "status": 200, "row": "told-1", "outcome": "done"}
    said = {name: reused[name] for name in ("status", "reason", "field", "value", "rule")}
    assert said == {
        "status": 422,
        "reason": "punch_id_reused",
        "field": "punch_id",
        "value": "told-1",
        "rule": "one id, one punch",
    }
    assert reused["remedy"]
    assert (ahead["reason"], ahead["field"], ahead["value"]) == ("clock_in_future", "at", "2099-06-05T09:00:00Z")
    assert ahead["rule"]
    assert ahead["remedy"]


def test_a_file_of_nothing_but_wrong_lines_leaves_everybody_else_a_turn(system: System) -> None:
    path = f"/v1/properties/{NORTH}/attendance/record_punches"
    waited: list[float] = []
    with system.http("director") as http, system.http("hr") as other:
        sender = threading.Thread(
            target=lambda: http.post(path, content="{}\n" * 30_000, headers=NDJSON | key()).raise_for_status()
        )
        sender.start()
        while sender.is_alive():
            begun = time.monotonic()
            assert other.get(STAFF.format("guard")).status_code == 200
            waited.append(time.monotonic() - begun)
        sender.join()
    assert len(waited) > 5, waited


def test_what_has_parts_stands_as_json_in_a_cell_and_in_a_query(system: System) -> None:
    """A roster's days fit no cell otherwise, and a view that takes rows could be asked for by nobody."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["roster_id", "staff_ids", "days"])
    days = [{"day": "2026-11-02"}, {"day": "2026-11-03"}]
    for name, cell in (
        ("cell-list", days),
        ("cell-one", {"day": "2026-11-04"}),
        ("cell-none", "monday"),
        ("cell-nan", "[NaN]"),
    ):
        writer.writerow([name, "guard", cell if isinstance(cell, str) else json.dumps(cell)])
    preview = f"/v1/properties/{NORTH}/billing/preview_statement_rows"
    row = {"row": 1, "key": "0" * 32, "ordinal": 0, "on": "2026-03-02", "direction": "in", "amount": "120.00"}
    rows = [json.dumps(row), json.dumps(row | {"row": 2, "ordinal": 1})]
    with system.http("director") as http:
        found = answers(http.post(ROSTERS, content=file.getvalue(), headers={"Content-Type": "text/csv"} | key()).text)
        assert [one["status"] for one in found] == [200, 200, 422, 422], found
        assert [one["factcount"] for one in found[:2]] == [3, 2]
        for given in (rows, f"[{','.join(rows)}]"):
            looked = http.get(preview, params={"statement_id": "s-1", "rows": given})
            assert looked.json() == {"matched": 0, "unapplied": "240.00", "duplicates": 0}, looked.text
        problem(http.get(preview, params={"statement_id": "s-1", "rows": "{"}), 422, "invalid")
        parameters = http.get("/openapi.json").json()["paths"][preview.replace(NORTH, "{property}")]["get"][
            "parameters"
        ]
        items = next(one for one in parameters if one["name"] == "rows")["schema"]["items"]
        assert (items["type"], items["contentMediaType"]) == ("string", "application/json")


def test_what_no_line_would_take_from_the_query_is_refused(system: System) -> None:
    """Whole requests come as lines: what stands in the query beside them would be left out of every one, and nobody told."""
    sent = json.dumps(wage("guard", "7000.00", if_match="*"))
    with system.http("hr") as http:
        answer = http.post(f"{WAGES}?base_wage.currency=USD", content=sent, headers=NDJSON | key())
        assert "query" in problem(answer, 400, "malformed")["detail"]
    line = json.dumps({"punch_id": "p-1", "staff_id": "guard", "at": "2026-03-02T01:30:00Z", "direction": "in"})
    with system.http("director") as http:
        answer = http.post(f"{PUNCHES}?rows={quote(line)}", content=line, headers=NDJSON | key())
        assert problem(answer, 422, "invalid")["problems"][0]["field"] == "rows"


def test_for_all_lines_the_header_may_only_say_whatever_version(system: System) -> None:
    with system.http("hr") as http:
        line = json.dumps(wage("admin", "8000.00"))
        tag = http.get(STAFF.format("admin")).headers["etag"]
        problem(http.post(WAGES, content=line, headers=NDJSON | key() | {"If-Match": tag}), 400, "malformed")
        (done,) = answers(http.post(WAGES, content=line, headers=NDJSON | key() | {"If-Match": "*"}).text)
        assert done["status"] == 200


def test_a_row_of_a_request_about_many_may_rest_on_a_version_too(system: System) -> None:
    path = f"/v1/properties/{NORTH}/attendance/record_punches"
    with system.http("director") as http:
        rows = [
            {"punch_id": f"row-{n}", "staff_id": "guard", "at": f"2026-06-01T0{n}:00:00Z", "direction": "in"}
            for n in range(3)
        ]
        rows[1]["if_match"] = '"day-guard-20260601.7"'
        answer = http.post(path, content="\n".join(map(json.dumps, rows)), headers=NDJSON | key())
        found = answers(answer.text)
        assert [one["line"] for one in found] == [1, 2, 3], answer.text
        assert found[1]["status"] == 412, answer.text
        assert [found[0]["status"], found[2]["status"]] == [200, 200], answer.text
