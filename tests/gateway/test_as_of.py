"""Every view as of an instant: it answers what it answered then, whatever was recorded since."""

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from bailiwick_contracts.consultation import AppointAuditor
from bailiwick_contracts.gateway import AddAccount
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.staff import AssignPosition, RegisterStaff

from services.gateway.surface import Surface
from services.gateway.token import hash_password
from services.kernel.sealing import KeyStore
from services.run.catalogue import others
from tests.gateway.conftest import NORTH, NORTHERN, PASSWORD, SOUTH, SOUTHERN, System, key, running, settle
from tests.gateway.full import fill
from tests.gateway.test_api import problem, roster
from tests.gateway.test_isolation import paths
from tests.gateway.test_webhooks import until

DAY = "staff_id=guard&day=2026-03-02"
STAFF = f"/v1/properties/{COMPANY}/registry/list_staff"


def then(path: str, instant: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode({'as_of': instant})}"


def now() -> str:
    time.sleep(0.05)
    found = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    return found


def shown(answer: httpx.Response) -> tuple[int, Any, str | None]:
    """What was answered, without the instant that was looked at and what is counted up to it."""
    return answer.status_code, without_clock(answer.json()), answer.headers.get("etag")


def without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        # A board that finds more to look through says that there is more, though it may show nothing of it.
        left_out = ("as_of", "at", "late_seconds", *(("next",) if "tickets" in value else ()))
        return {name: without_clock(inside) for name, inside in value.items() if name not in left_out}
    return [without_clock(one) for one in value] if isinstance(value, list) else value


def test_every_view_answers_as_of_an_instant_what_it_answered_then(filled: System) -> None:
    asking = paths(Surface(others(KeyStore(filled.settings.keys_dir))), NORTHERN)
    # As of an instant `get_staff` leaves sealed fields out: its contract says so.
    without = ("as_of=", "list_dead_letters", "get_staff")
    asking = [path for path in asking if not any(one in path for one in without)]
    with filled.http("director") as http:
        before = {path: shown(http.get(path)) for path in asking}
        instant = now()
        fill(filled, NORTH, "ee00ee05", without="letter-")  # a letter's number is given once
        later = {path: shown(http.get(path)) for path in asking}
        again = {path: shown(http.get(then(path, instant))) for path in asking}
    assert len([path for path in asking if later[path] != before[path]]) >= 10, "nothing has changed since"
    # A list that happened to read one record names its version; as of then it may say nothing of it, but nothing else.
    wrong = [
        (path, before[path], again[path])
        for path in asking
        if again[path][:2] != before[path][:2] or again[path][2] not in (None, before[path][2])
    ]
    assert not wrong, [(path, _differing(one, other)) for path, one, other in wrong][:10]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_view_answers_so_on_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    with running(tmp_path, database_url=postgres_url) as made:
        settle(made)
        fill(made, NORTH, NORTHERN)
        fill(made, SOUTH, SOUTHERN)
        test_every_view_answers_as_of_an_instant_what_it_answered_then(made)


def test_a_view_answers_as_of_an_instant_on_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    with running(tmp_path, database_url=postgres_url) as made:
        settle(made)
        test_pages_as_of_an_instant_lead_to_pages_as_of_it(made)
        test_a_record_as_of_an_instant_has_the_version_it_had_then(made)
        test_what_an_auditor_sees_as_of_an_instant_is_what_was_recorded_then(made)


def test_what_an_auditor_sees_as_of_an_instant_is_what_was_recorded_then(system: System) -> None:
    audit = f"/v1/properties/{COMPANY}/audit"
    publish = f"/v1/properties/{NORTH}/attendance/publish_roster"
    with system.http("director") as http:
        made = http.post(publish, json=roster("audited", days=[{"day": "2027-01-05"}]), headers=key()).json()
    decision = made["facts"][0]["id"]
    asking = [
        f"{audit}/list_chains",
        f"/v1/properties/{NORTH}/audit/completeness_check",
        f"{audit}/history_of_person?staff_id=guard&limit=200",
        f"{audit}/history_of_decision?decision_id={decision}",
        f"/v1/properties/{NORTH}/audit/readjudicate",
    ]
    hired = date(2024, 1, 1)
    system.done(RegisterStaff(staff_id="reader", name="樣本reader", home_property=NORTH, hired_on=hired))
    system.done(
        AssignPosition(staff_id="reader", property_id=COMPANY, position="auditor", grade="staff", effective_on=hired)
    )
    system.done(AddAccount(account="reader", staff_id="reader", password_hash=hash_password(PASSWORD)))
    system.done(AppointAuditor(auditor_id="reader", grounds="To look back."))
    system.settled()
    with system.http("reader") as http:
        until(lambda: http.get(asking[3]).status_code == 200, "the ledger holds the decision")
        instant = now()
        before = {path: shown(http.get(then(path, instant))) for path in asking}
        assert {path: one[0] for path, one in before.items()} == dict.fromkeys(asking, 200), before
        with system.http("director") as other:
            more = other.post(publish, json=roster("audited-2", days=[{"day": "2027-01-06"}]), headers=key()).json()
        later = f"{audit}/history_of_decision?decision_id={more['facts'][0]['id']}"
        until(lambda: http.get(later).status_code == 200, "the ledger holds what came later")
        assert http.get(then(later, instant)).status_code == 404
        for path in asking:
            assert shown(http.get(then(path, instant))) == before[path], path
        assert http.get(then(asking[3], "2020-01-01T00:00:00Z")).status_code == 404
        for impossible in (f"{audit}/build_log", f"{audit}/prove_decision?decision_id={decision}"):
            assert problem(http.get(then(impossible, instant)), 422, "rejected")["reason"] == "as_of_impossible", (
                impossible
            )


def _differing(one: Any, other: Any, path: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [line for name in one | other for line in _differing(one.get(name), other.get(name), f"{path}.{name}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [
            line
            for index, pair in enumerate(zip(one, other, strict=True))
            for line in _differing(*pair, f"{path}[{index}]")
        ]
    return [] if one == other else [f"{path}: {one!r} is now {other!r}"]


def test_pages_as_of_an_instant_lead_to_pages_as_of_it(system: System) -> None:
    with system.http("hr") as http:
        ids = {one["staff_id"] for one in http.get(f"{STAFF}?limit=200").json()["staff"]}
        instant = now()
        system.done(
            RegisterStaff(staff_id="aaa-later", name="樣本", home_property=NORTH, hired_on=datetime.now(UTC).date())
        )
        assert "aaa-later" in http.get(f"{STAFF}?limit=200").text
        seen: list[str] = []
        path: str | None = then(f"{STAFF}?limit=3", instant)
        while path:
            answer = http.get(path)
            assert answer.status_code == 200, answer.text
            seen += [one["staff_id"] for one in answer.json()["staff"]]
            found = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
            path = found.group(1) if found else None
        assert (set(seen), len(seen)) == (ids, len(ids))


def test_a_record_as_of_an_instant_has_the_version_it_had_then(system: System) -> None:
    path = f"/v1/properties/{NORTH}/attendance/publish_roster"
    with system.http("director") as http:
        made = http.post(path, json=roster("looked-back", days=[{"day": "2027-01-04"}]), headers=key())
        assert made.status_code == 200, made.text
        record = f"/v1/properties/{NORTH}/records/attendance/roster-looked-back"
        before, instant = http.get(record), now()
        changed = http.post(
            path, json=roster("looked-back", days=[]), headers=key() | {"If-Match": before.headers["etag"]}
        )
        assert changed.status_code in (200, 403, 422), changed.text
        assert shown(http.get(then(record, instant))) == shown(before)
        assert http.get(then(record, "2020-01-01T00:00:00Z")).status_code == 404


def test_an_instant_is_the_same_in_every_zone_for_every_view(system: System) -> None:
    """For those whose request has an `as_of` of its own too: in a message all times are UTC, in a URL none has to be."""
    instant = now()
    elsewhere = datetime.fromisoformat(instant).astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    with system.http("hr") as http:
        for view in (
            "registry/list_staff",
            "registry/get_property",
            f"attendance/get_day?{DAY}",
            "tickets/list_tickets",
        ):
            path = f"/v1/properties/{NORTH}/{view}"
            there, here = http.get(then(path, elsewhere)), http.get(then(path, instant))
            assert there.status_code == 200, there.text
            assert shown(there) == shown(here), view


def test_where_it_is_impossible_a_problem_says_so(system: System) -> None:
    with system.http("hr") as http:
        ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        assert problem(http.get(then(STAFF, ahead)), 422, "rejected")["reason"] == "as_of_ahead"
        for text in ("yesterday", "2026-03-02", "2026-03-02T10:00:00", "0", "9999-99-99T00:00:00Z", ""):
            assert "as_of" in problem(http.get(then(STAFF, text)), 422, "invalid")["detail"], text
        letters = f"/v1/properties/{COMPANY}/tickets/list_dead_letters"
        assert problem(http.get(then(letters, now())), 422, "rejected")["reason"] == "as_of_impossible"
        assert http.get(then(STAFF, "2020-01-01T08:00:00+08:00")).json() == {"staff": []}
        accounts = then("/v1/accounts", "2020-01-01T00:00:00Z")
    with system.http("admin") as http:
        assert http.get("/v1/accounts").json()["accounts"]
        assert http.get(accounts).json() == {"accounts": []}
        for asked in ("/v1/webhooks/w1/deliveries", "/v1/webhooks/w1/deliveries?state=waiting"):
            assert problem(http.get(then(asked, now())), 422, "rejected")["reason"] == "as_of_impossible"
            assert "as_of" in problem(http.get(then(asked, "yesterday")), 422, "invalid")["detail"]
