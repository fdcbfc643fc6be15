"""Other people's programs and libraries, installed as their users install them: a subscriber in Node, a handler in Python, and judges."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.subjects import SERVICES

from tests.gateway.conftest import System
from tests.gateway.receiver import Receiver
from tests.gateway.test_webhooks import add, complete, happen, remove

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "contracts/examples-node"
README = ROOT / "contracts/README.md"
JUDGES = {"@asyncapi/parser": "3.6.6", "cloudevents": "10.0.0", "standardwebhooks": "1.0.0"}
pytestmark = [pytest.mark.elsewhere, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with what it needs, and the judges beside it, installed from the registry into a directory of its own."""
    if shutil.which("npm") is None:
        pytest.skip("Node is not here")
    directory = tmp_path_factory.mktemp("node") / "examples-node"
    shutil.copytree(EXAMPLE, directory)
    package = json.loads((directory / "package.json").read_text())
    package["dependencies"] |= JUDGES
    (directory / "package.json").write_text(json.dumps(package))
    for script in ("judge.mjs", "verify.mjs"):
        shutil.copy(ROOT / "tests/gateway" / script, directory)
    run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", cwd=directory)
    return directory


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def subscribe(node: Path, system: System, service: str, durable: str, count: int) -> list[dict[str, Any]]:
    said = run(
        "node",
        "subscribe.mjs",
        system.settings.nats_url,
        system.settings.http_url,
        service,
        durable,
        str(count),
        cwd=node,
    )
    return [json.loads(line) for line in said.splitlines()]


def test_a_subscriber_in_node_validates_every_event_and_resumes_where_it_stopped(system: System, node: Path) -> None:
    happen(system, 3)
    store = system.supervisor.runtimes["attendance"].store
    first = subscribe(node, system, "attendance", "elsewhere", 4)
    assert len(first) == 4
    happen(system, 4)
    stored = [json.loads(fact.raw)["id"] for fact in store.after(0, 100_000)]
    rest = subscribe(node, system, "attendance", "elsewhere", len(stored) - 4)
    assert [event["id"] for event in (*first, *rest)] == stored
    for service in SERVICES:
        count = system.supervisor.runtimes[service].store.max_notification_id() or 0
        if count and service != "attendance":
            assert len(subscribe(node, system, service, "elsewhere", count)) == count


def test_the_asyncapi_document_and_the_events_pass_other_people_s_judges(system: System, node: Path) -> None:
    with system.http("auditor") as http:
        (node / "asyncapi.json").write_text(http.get("/asyncapi.json").text)
        page = http.get("/v1/events?limit=500").json()
    (node / "events.ndjson").write_text("\n".join(json.dumps(event, ensure_ascii=False) for event in page["events"]))
    found = json.loads(run("node", "judge.mjs", "asyncapi.json", "events.ndjson", cwd=node))
    assert found["channels"] > 80
    assert found["ids"] == [event["id"] for event in page["events"]]


def test_every_line_of_the_readme_for_node_runs(system: System, node: Path) -> None:
    block = re.search(r"```sh\n(cd contracts/examples-node\n.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    lines = block.group(1).strip().splitlines()
    assert lines[:2] == ["cd contracts/examples-node", "npm install"]
    assert len(lines) == 3
    words = (
        lines[2]
        .replace("nats://127.0.0.1:4222", system.settings.nats_url)
        .replace("http://127.0.0.1:8080", system.settings.http_url)
    )
    with subprocess.Popen(words.split(), cwd=node, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"].startswith("attendance.")
        process.kill()


def test_a_webhook_s_signature_is_verified_by_the_reference_library_in_javascript(system: System, node: Path) -> None:
    receiver = Receiver()
    receiver.start()
    webhook = add(system, receiver)
    complete(receiver, happen(system, 1))
    headers, body = receiver.taken[-1]
    given = json.dumps({"headers": headers, "body": body.decode()})
    done = subprocess.run(
        ["node", "verify.mjs", webhook["secret"]],
        cwd=node,
        input=given,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {"id": json.loads(body)["id"], "refused": True}
    remove(system, webhook)
    receiver.stop()


def test_every_line_of_the_readme_for_python_runs(system: System, tmp_path: Path) -> None:
    """From nothing to a handler, as a stranger would: in an empty directory with a copy of the contracts."""
    shutil.copytree(
        ROOT / "contracts", tmp_path / "contracts", ignore=shutil.ignore_patterns("__pycache__", "node_modules")
    )
    block = next(text for text in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL) if "venv" in text)
    began = time.monotonic()
    for line in block.strip().splitlines():
        run(*line.replace("python3", sys.executable).split(), cwd=tmp_path)
    handler, subscriber = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[:2]
    (tmp_path / "handler.py").write_text(handler)
    assert "penalty_decided" in run("subscriber/bin/python", "handler.py", cwd=tmp_path)
    happen(system, 1)
    (tmp_path / "subscribe.py").write_text(subscriber.replace("nats://127.0.0.1:4222", system.settings.nats_url))
    with subprocess.Popen(
        [str(tmp_path / "subscriber/bin/python"), "subscribe.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "attendance." in process.stdout.readline()
        process.kill()
    assert time.monotonic() - began < 300, "five minutes are what the README is to take"


def test_the_package_installs_alone_and_runs_a_handler(tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "fresh", cwd=tmp_path)
    python = str(tmp_path / "fresh/bin/python")
    wheel = run(
        sys.executable,
        "-m",
        "pip",
        "-q",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "wheel",
        str(ROOT / "contracts"),
        cwd=tmp_path,
    )
    assert wheel is not None
    (built,) = (tmp_path / "wheel").glob("bailiwick_contracts-*.whl")
    run(python, "-m", "pip", "-q", "--disable-pip-version-check", "install", str(built), cwd=tmp_path)
    snippet = next(
        text for text in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "EXAMPLES" in text
    )
    assert "penalty_decided" in run(python, "-c", snippet, cwd=tmp_path)
    schemas = "from bailiwick_contracts.schema import SCHEMAS; print(len(list(SCHEMAS.glob('*.json'))))"
    assert int(run(python, "-c", schemas, cwd=tmp_path)) > 100
