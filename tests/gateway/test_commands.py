"""The commands of the door, as an operator types them."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import NORTH, PASSWORD, System, running
from tests.gateway.test_webhooks import happen

ROOT = Path(__file__).parents[2]


def bailiwick(system: System, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "BAILIWICK_DATA_DIR": str(system.settings.data_dir),
        "BAILIWICK_NATS_URL": system.settings.nats_url,
    }
    command = [sys.executable, "-m", "services.cli.entry", *words]
    return subprocess.run(
        command, env=environment, input=said, capture_output=True, text=True, check=False, cwd=ROOT, timeout=100
    )


def shown(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_first_account_comes_from_the_command_line_and_comes_in(system: System) -> None:
    made = shown(bailiwick(system, "account", "add", "first", "--staff", "director", "--json"))
    answer = httpx.post(
        f"{system.settings.http_url}/v1/tokens", json={"account": "first", "password": made["password"]}
    )
    assert answer.status_code == 200
    given = bailiwick(
        system, "account", "add", "second", "--staff", "guard", "--password-stdin", "--json", said=PASSWORD + "\n"
    )
    assert "password" not in shown(given)
    assert (
        bailiwick(system, "account", "add", "third", "--staff", "guard", "--password-stdin", said="short\n").returncode
        == 2
    )
    assert {"first", "second"} <= {
        one["account"] for one in shown(bailiwick(system, "account", "list", "--json"))["accounts"]
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [("HTTP_HOST", "0.0.0.0"), ("OIDC_ISSUER", "https://id.example"), ("HTTP_PORT", "taken")],  # noqa: S104 - refused
)
def test_a_door_that_would_never_open_is_told_before_anything_runs(
    system: System, tmp_path: Path, setting: str, value: str
) -> None:
    given = str(system.settings.http_port) if value == "taken" else value
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path / "data"), f"BAILIWICK_{setting}": given}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.entry", "up", "--json"],
        env=environment, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip
    said = json.loads(done.stderr or done.stdout)["error"]["message"]
    assert (done.returncode, said.startswith(f"BAILIWICK_{setting}") or "JWKS_URL" in said) == (2, True), said
    assert not (tmp_path / "data").exists()


@pytest.mark.long
def test_a_key_for_an_integration_is_shown_once(system: System) -> None:
    words = ("api-key", "add", "payroll", "--acts-as", "payroll-2", "--property", NORTH, "--access", "events", "--json")
    made = shown(bailiwick(system, *words))
    with system.http(authorization=f"Bearer {made['api_key']}") as http:
        assert http.get("/v1/events", params={"property": NORTH}).status_code == 200
    assert (
        bailiwick(
            system, "api-key", "add", "x", "--acts-as", "x", "--property", NORTH, "--access", "everything"
        ).returncode
        == 2
    )


def test_listening_at_a_property_that_is_not_there_is_told_so(system: System) -> None:
    for wrong in ("nope", "No such"):
        told = bailiwick(system, "listen", "--property", wrong, "--count", "1", "--json")
        assert told.returncode == 2, told.stdout + told.stderr
        assert json.loads(told.stdout)["error"]["field"] == "property_id"
    told = bailiwick(system, "listen", "--property", "nope", "--after", "start")
    assert "there is no property nope" in told.stderr
    for right in (NORTH, "company"):
        heard = bailiwick(system, "listen", "--property", right, "--after", "start", "--count", "1", "--json")
        assert (heard.returncode, len(heard.stdout.splitlines())) == (0, 1), heard.stderr


def test_listening_while_a_service_is_away_is_told_so(tmp_path: Path) -> None:
    """Else nothing would be printed, of the others neither, and nobody would know why."""
    with running(tmp_path, ("registry", "attendance", "billing", "tickets", "gateway")) as system:
        told = bailiwick(system, "listen", "--after", "start", "--count", "1")
        assert told.returncode == 3, told.stdout + told.stderr
        assert "audit: no answer" in told.stderr


@pytest.mark.long
def test_listening_prints_what_happens_live_and_from_a_place(system: System) -> None:
    heard: list[subprocess.CompletedProcess[str]] = []
    words = ("listen", "--property", NORTH, "--type", "attendance.*", "--count", "2", "--json")
    listener = threading.Thread(target=lambda: heard.append(bailiwick(system, *words)))
    listener.start()
    ids: list[str] = []
    while listener.is_alive():
        ids += happen(system, 1)
        listener.join(2)
    live = [json.loads(line)["id"] for line in heard[0].stdout.splitlines()]
    assert len(live) == 2, heard[0].stderr
    assert set(live) <= set(ids)
    stored = bailiwick(system, "listen", "--after", "start", "--type", "registry.property_added.v1", "--count", "2")
    assert [line.split()[2] for line in stored.stdout.splitlines()] == ["registry.property_added.v1"] * 2
    assert bailiwick(system, "listen", "--after", "nonsense").returncode == 2
    assert bailiwick(system, "listen", "--type", "attendance.nonsense.v1").returncode == 2
    assert bailiwick(system, "listen", "--count", "0").returncode == 2


@pytest.mark.long
def test_users_of_nats_are_made_by_one_command(system: System, tmp_path: Path) -> None:
    made = shown(
        bailiwick(
            system,
            "nats-accounts",
            str(tmp_path / "made"),
            "--subscriber",
            "payroll:north-court",
            "--host",
            "nats",
            "--json",
        )
    )
    assert {"registry", "gateway", "office", "provision", "payroll"} <= set(made["users"])
    assert {"accounts.conf", "ca.pem", "server.pem", "server.key", "payroll.nk"} <= {
        path.name for path in (tmp_path / "made").iterdir()
    }
    assert bailiwick(system, "nats-accounts", str(tmp_path / "made"), "--subscriber", "A.>").returncode == 2
