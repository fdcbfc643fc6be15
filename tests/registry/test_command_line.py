"""`bailiwick registry`: a command for everything that may be asked, and from an empty directory to somebody at the door."""

import json
import os
import re
import shlex
import uuid
from pathlib import Path

import httpx
import pytest
from bailiwick_contracts.registry import AddProperty, ListProperties

from services.cli.registry import VERBS
from services.kernel.sealing import KeyStore
from services.registry.app import service
from tests.command_line import bailiwick, missing
from tests.gateway.conftest import running

README = Path(__file__).parents[2] / "services/registry/README.md"


def test_everything_that_may_be_asked_of_the_registry_has_a_command(tmp_path: Path) -> None:
    asked = service(KeyStore(tmp_path))
    commanded = {verb.request for verbs in VERBS.values() for verb in verbs.values()}
    assert {*asked.commands, *asked.queries} - commanded == {AddProperty, ListProperties}


@pytest.mark.parametrize(("noun", "verb"), [(noun, verb) for noun, verbs in VERBS.items() for verb in verbs])
def test_each_command_takes_every_field_of_its_request(noun: str, verb: str) -> None:
    assert missing(VERBS[noun][verb].request, "registry", noun, verb) == set()


@pytest.mark.timeout(120)
def test_what_the_readme_says_of_setting_up_brings_the_first_person_in_at_the_door(tmp_path: Path) -> None:
    block = re.search(r"beside `bailiwick up` or without it:\n\n```\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    with running(tmp_path) as system:
        settings = system.settings
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(settings.data_dir),
            "BAILIWICK_NATS_URL": settings.nats_url,
        }
        said = {}
        for line in block.group(1).splitlines():
            _, *words = shlex.split(line)
            more = ["--lead-seconds", "1"] if "adopt" in words else []
            done = bailiwick(environment, *words, *more, *(() if "--json" in words else ("--json",)))
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            said[tuple(words[:3])] = json.loads(done.stdout)
        assert [one["staff_id"] for one in said["registry", "staff", "list"]["staff"]] == ["s-1"]
        assert said["registry", "matrix", "show"]["matrix"]["version"] == "manual-2"
        nobody = bailiwick(environment, "account", "add", "ghost", "--staff", "s-9", "--json")
        assert (nobody.returncode, json.loads(nobody.stdout)["error"]["code"]) == (2, "unknown_staff")
        system.settled()
        password = said["account", "add", "admin"]["password"]
        with httpx.Client(base_url=settings.http_url) as http:
            token = http.post("/v1/tokens", json={"account": "admin", "password": password}).json()["access_token"]
            person = {"type": "registry.register_staff.v1", "name": "樣本", "home_property": "east-court"}
            answer = http.post(
                "/v1/properties/company/registry/register_staff",
                json=person | {"staff_id": "s-2", "hired_on": "2026-01-01"},
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex},
            )
    assert (answer.status_code, answer.json()["outcome"]) == (200, "done"), answer.text
