"""The API as its own document describes it, asked by somebody who tries everything: no fault, no status and no shape that is not in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import System

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


SEED = os.environ.get("BAILIWICK_SCHEMATHESIS_SEED", "1")


def tried(system: System, directory: Path, examples: int, *more: str) -> None:
    token = system.http("admin").headers["authorization"]
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{system.settings.http_url}/openapi.json",
        "--header", f"Authorization: {token}", "--checks", CHECKS, "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing",
        "--seed", SEED, "--workers", "2", "--request-timeout", "60", "--no-color", *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    found = re.search(r"Operations:\s+(.*)", done.stdout)
    # What failed stands between its headings; the warnings after it name most operations of the API.
    told = done.stdout[
        done.stdout.find("= ERRORS =") if "= ERRORS =" in done.stdout else done.stdout.find("= FAILURES =") :
    ]
    assert done.returncode == 0, told[:12_000] + done.stdout[-800:] + done.stderr[-2000:]
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
    tried(system, tmp_path, int(os.environ.get("BAILIWICK_SCHEMATHESIS_EXAMPLES", "20")))
