"""The API as its own document describes it, asked by somebody who tries everything: no fault, no status and no shape that is not in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import System

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def tried(system: System, directory: Path, examples: int, *more: str) -> None:
    token = system.http("admin").headers["authorization"]
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{system.settings.http_url}/openapi.json",
        "--header", f"Authorization: {token}", "--checks", CHECKS, "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing",
        "--seed", "1", "--workers", "2", "--request-timeout", "60", "--no-color", *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    found = re.search(r"Operations:\s+(.*)", done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert found, done.stdout


@pytest.mark.timeout(600)
def test_a_share_of_the_operations_keeps_to_the_document(system: System, tmp_path: Path) -> None:
    tried(
        system,
        tmp_path,
        2,
        "--include-path-regex",
        "(events$|webhooks$|publish_roster|get_staff|list_days)",
        "--phases",
        "examples,fuzzing",
    )


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_operation_keeps_to_the_document(system: System, tmp_path: Path) -> None:
    tried(system, tmp_path, 20)
