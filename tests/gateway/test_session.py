"""A browser's session: a cookie that changes nothing without its counterpart, and goes over TLS where TLS is spoken."""

import socket
import time
from typing import Any

import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from services.gateway.identity import Identity
from services.gateway.login import Doorway
from tests.gateway.conftest import NORTH, System, key
from tests.gateway.test_api import ROSTERS, problem, roster


def test_a_session_cookie_changes_nothing_without_its_counterpart(system: System) -> None:
    with system.http() as http:
        entered = http.post("/v1/session", json={"account": "director", "password": "correct horse battery"})
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=strict" in entered.headers["set-cookie"]
        assert http.get(f"/v1/properties/{NORTH}/registry/get_property").status_code == 200
        problem(http.post(ROSTERS, json=roster("csrf"), headers=key()), 403, "csrf")
        with_token = key() | {"X-CSRF-Token": entered.json()["csrf_token"]}
        problem(
            http.post(ROSTERS, json=roster("csrf"), headers=with_token | {"Origin": "https://evil.example"}),
            403,
            "csrf",
        )
        assert http.post(ROSTERS, json=roster("csrf"), headers=with_token).status_code == 200
        # Behind something that speaks TLS the browser names the page as it knows it.
        page = str(http.base_url).replace("http://", "https://").rstrip("/")
        assert (
            http.post(ROSTERS, json=roster("csrf-tls"), headers=with_token | key() | {"Origin": page}).status_code
            == 200
        )


def test_who_hangs_up_in_the_middle_of_a_request_is_no_failure_here(system: System) -> None:
    """Anybody could have filled the log with errors."""
    head = b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with system.http() as http, capture_logs() as said:
        with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as caller:
            caller.sendall(head)
            time.sleep(0.3)
        time.sleep(0.3)
        assert http.get("/problems").status_code == 200
    assert [one for one in said if one["log_level"] == "error"] == []


@pytest.mark.parametrize(("scheme", "is_behind_tls"), [("http", False), ("http", True), ("https", False)])
async def test_over_tls_the_session_cookie_goes_over_tls_alone(scheme: str, is_behind_tls: bool) -> None:
    class Entered(Doorway):
        async def _enter(self, request: Request) -> tuple[str, int]:
            return "token", 3600

    tokens: Any = None
    identity = Identity(tokens, tokens, tokens, b"secret")
    made = Entered(tokens, tokens, identity, is_behind_tls=is_behind_tls)
    scope = {"type": "http", "scheme": scheme, "server": ("door", 443), "path": "/v1/session", "headers": []}
    answer = await made.session(Request(scope))
    assert ("Secure" in answer.headers["set-cookie"]) is (is_behind_tls or scheme == "https")
