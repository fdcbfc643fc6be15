"""Every command and snippet that a reader is told to run, run: the newcomer's, the subscriber's and the auditor's way."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from tests.command_line import bailiwick

ROOT = Path(__file__).parents[2]
BAILIWICK = [sys.executable, "-m", "services.cli.entry"]


@dataclass
class Shown:
    """What the demonstration printed, and the system that runs on its data."""

    output: str
    result: dict[str, Any]
    environment: dict[str, str]
    nats_url: str

    def bailiwick(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return bailiwick(self.environment, *arguments)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    directory = tmp_path_factory.mktemp("documents")
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(directory / "data")}

    def demo(*options: str) -> str:
        done = subprocess.run(
            [*BAILIWICK, "demo", *options], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    output = demo("--only", "A10")
    result = json.loads(demo("--json"))
    environment["BAILIWICK_DATA_DIR"] = str(directory / "data-demo")
    with subprocess.Popen(
        [*BAILIWICK, "up", "--json"], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            said += process.stdout.readline()
        yield Shown(output, result, environment, json.loads(said)["nats_url"])
        process.terminate()
        assert process.wait(20) == 0


def _snippets(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(120)
def test_the_first_refusal_of_the_readme_is_what_the_demonstration_prints(shown: Shown) -> None:
    block = re.search(r"<!-- first-refusal -->\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    printed = {line.rstrip() for line in shown.output.splitlines()}
    assert [line for line in block.group(1).splitlines() if line not in printed] == []
    (closer,) = re.findall(r"^look closer: BAILIWICK_DATA_DIR=(\S+) (\S+) audit history", shown.output, re.MULTILINE)
    assert (closer[0], Path(closer[1]).exists()) == (shown.environment["BAILIWICK_DATA_DIR"], True)


@pytest.mark.xdist_group("documents")
@pytest.mark.parametrize("document", ["README.md", "contracts/README.md"])
def test_the_subscriber_s_snippet_prints_events_of_the_demonstration(shown: Shown, document: str) -> None:
    snippet = next(text for text in _snippets(ROOT / document) if "jetstream" in text)
    assert len([line for line in snippet.splitlines() if line]) <= 8
    connected = re.sub(r"nats\.connect\(.*?\)", f'nats.connect("{shown.nats_url}")', snippet)
    with subprocess.Popen([sys.executable, "-u", "-c", connected], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.kill()
    assert all(lines)
    assert not [line for line in lines if "Unknown" in line]


@pytest.mark.xdist_group("documents")
def test_a_handler_runs_over_the_shipped_examples() -> None:
    snippet = next(text for text in _snippets(ROOT / "contracts/README.md") if "EXAMPLES" in text)
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=True)
    assert "penalty_decided" in done.stdout


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(120)
def test_the_auditor_s_walk_gives_the_answer_that_the_office_got(shown: Shown) -> None:
    fined = next(row for row in shown.result["decisions"] if row["fact"] == "penalty_decided")
    history = json.loads(shown.bailiwick("audit", "history", fined["id"], "--json").stdout)
    assert history["decision"]["id"] == fined["id"]
    assert shown.bailiwick("audit", "history", fined["id"], "--language", "zh-Hant").returncode == 0
    assert shown.bailiwick("audit", "history", "nobody-knows").returncode == 2
    person = json.loads(shown.bailiwick("audit", "person", "north-13", "--json").stdout)
    assert person["facts"]
    judged = shown.bailiwick("audit", "readjudicate", "--json")
    assert shown.bailiwick("audit", "readjudicate", "--json", "--processes", "2").stdout == judged.stdout
    assert judged.returncode == 0
    assert json.loads(judged.stdout)["judged"] == shown.result["judged"]
    assert shown.bailiwick("audit", "readjudicate", "--since", "yesterday").returncode == 2
    complete = shown.bailiwick("audit", "complete", "--json")
    assert complete.returncode == 0
    assert json.loads(complete.stdout)["complete"]


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(120)
def test_a_history_that_several_cannot_judge_for_want_of_room_is_said_in_a_line(shown: Shown, tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", tmp_path, *BAILIWICK, "audit", "readjudicate", "--processes", "2"],
        env=shown.environment | {"TMPDIR": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip(f"no disk of our own can be made here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{tmp_path}: no room for a copy of the history (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(120)
def test_the_operator_s_commands_answer_and_say_by_their_exit_code_how_it_went(shown: Shown, tmp_path: Path) -> None:
    for _ in range(5):
        doctor = json.loads(shown.bailiwick("doctor", "--json").stdout)
        if doctor["healthy"]:
            break
        time.sleep(1)  # what was just sent may not have been taken in everywhere
    assert doctor["healthy"], [finding for finding in doctor["findings"] if not finding["ok"]]
    assert "attendance: published" in {finding["check"] for finding in doctor["findings"]}
    assert json.loads(shown.bailiwick("config", "show", "--json").stdout)["BAILIWICK_DATA_DIR"].endswith("data-demo")
    shown.environment["BAILIWICK_NATS_URL"] = shown.nats_url
    assert json.loads(shown.bailiwick("provision", "--json").stdout)["as_described"]
    del shown.environment["BAILIWICK_NATS_URL"]
    added = shown.bailiwick(
        "property", "add", "east-court", "--language", "en", "--zone", "Europe/London", "--calendar", "GB"
    )
    assert added.returncode == 0, added.stdout + added.stderr
    wrong = shown.bailiwick("property", "add", "East.Court", "--json")
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["error"]["field"] == "property_id"
    people = tmp_path / "people.csv"
    people.write_text(
        "staff_id,department,job_role,job_level,monthly_income\n7,Security,guard,1,3800.00\n8,Security,guard,1,1e3\n"
    )
    taken = shown.bailiwick(
        "import", "staff", str(people), "--property", "east-court", "--hired-on", "2026-01-01", "--json"
    )
    assert taken.returncode == 1
    report = json.loads(taken.stdout)
    assert (report["accepted"], report["rejected"], report["bad_rows"][0]["row"]) == (1, 1, 3)
    days = tmp_path / "days.csv"
    days.write_text("date\n2026-03-02\n")
    roster = ("import", "roster", str(days), "--property", "east-court", "--shift", "09:00-18:00", "--json")
    assert json.loads(shown.bailiwick(*roster).stdout)["accepted"] == 1
    punches = tmp_path / "punches.csv"
    lines = "staff_id,at,direction\n"
    punches.write_bytes(
        (lines + "7,2026-03-02T09:10:00,in\n7,2026-03-02T09:10:00,in\n=1+1,2026-03-02T18:00:00,out\n").encode(
            "utf-8-sig"
        )
    )
    first = json.loads(shown.bailiwick("import", "punches", str(punches), "--property", "east-court", "--json").stdout)
    assert (first["rows"], first["accepted"], first["duplicates"], first["rejected"]) == (3, 1, 1, 1)
    again = json.loads(shown.bailiwick("import", "punches", str(punches), "--property", "east-court", "--json").stdout)
    assert (again["accepted"], again["duplicates"]) == (0, 2)


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(900)
def test_an_auditor_reads_on_record_changes_nothing_and_opens_nothing_without_a_key(
    shown: Shown, tmp_path: Path
) -> None:
    def as_auditor(*words: str) -> tuple[int, dict[str, Any]]:
        done = shown.bailiwick("audit", "--as", "north-06", *words, "--json")
        return done.returncode, json.loads(done.stdout)

    code, told = as_auditor("person", "north-05")
    assert (code, told["error"]["code"]) == (2, "not_an_auditor")
    assert shown.bailiwick("audit", "appoint", "north-06", "--grounds", "yearly").returncode == 0
    code, told = as_auditor("person", "north-05")
    assert (code, bool(told["facts"])) == (0, True)
    code, told = as_auditor("state", "person", "north-05")
    assert code == 0
    assert "樣本" not in json.dumps(told, ensure_ascii=False)
    code, told = as_auditor("state", "office", "north-court")
    assert code == 0
    assert {"positions", "versions", "open_tickets", "open_cases", "months"} <= set(told["state"])
    code, told = as_auditor("readjudicate")
    assert (code, told["judged"] - told["equal"]) == (0, 0)
    assert told["skipped"]["key_not_held"] > 0
    keys = str(Path(shown.environment["BAILIWICK_DATA_DIR"]) / "keys")
    assert as_auditor("readjudicate", "--keys", keys)[1]["judged"] == shown.result["judged"]
    for change in (
        ("appoint", "north-07", "--grounds", "x"),
        ("dismiss", "north-06", "--grounds", "x"),
        ("log", "change-key", "north-court", "--reason", "x"),
        ("archive", "--out", str(tmp_path / "a.tar")),
    ):
        assert as_auditor(*change)[0] == 1, change
    facts = json.loads(shown.bailiwick("audit", "person", "north-06", "--json").stdout)["facts"]
    types = [fact["type"] for fact in facts]
    assert types.count("audit.audit_change_refused.v1") == 3
    assert {"audit.auditor_appointed.v1", "audit.personal_data_consulted.v1", "audit.consultation_refused.v1"} <= set(
        types
    )


WALK = (ROOT / "services/audit/README.md").read_text(encoding="utf-8")


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(900)
def test_every_command_of_the_auditor_s_walk_runs(shown: Shown, tmp_path: Path) -> None:
    block = re.search(r"## An auditor's walk\n\n```\n(.*?)```", WALK, re.DOTALL)
    assert block is not None
    commands = [line.split("   ")[0].split() for line in block.group(1).splitlines() if line.startswith("bailiwick ")]
    assert len(commands) == 25
    decision = next(row["id"] for row in shown.result["decisions"] if row["fact"] == "penalty_decided")
    data = Path(shown.environment["BAILIWICK_DATA_DIR"])
    log = data / "tlog" / "north-court"
    version = json.loads(shown.bailiwick("audit", "history", decision, "--json").stdout)["versions"]["matrix"][
        "version"
    ]
    meant = {"DECISION": decision, "STAFF": "north-05", "VERSION": version, "LOG": str(log), "DIR": str(tmp_path)}
    for command in commands:
        words = [re.sub(r"[A-Z]{3,}", lambda found: meant[found.group()], word) for word in command[1:]]
        done = shown.bailiwick(*words)
        assert done.returncode == 0, (words, done.stdout[-2_000:], done.stderr[-2_000:])
    key = (log / "policy").read_text().split()[1]
    script = [sys.executable, str(ROOT / "services/audit/log/with_tlog_scales.py"), str(log), key]
    assert "give the signed root" in subprocess.run(script, capture_output=True, text=True, check=True).stdout


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(120)
def test_a_deadline_moved_in_the_database_is_named_with_what_the_facts_say(shown: Shown) -> None:
    if "BAILIWICK_DATABASE_URL" in shown.environment:
        pytest.skip("moves it in a file of SQLite")
    place = Path(shown.environment["BAILIWICK_DATA_DIR"]) / "tickets.sqlite"

    def moved(seconds: int) -> str:
        with closing(sqlite3.connect(place)) as database, database:
            (timer,) = database.execute("SELECT timer_id FROM timers ORDER BY due_us DESC LIMIT 1").fetchone()
            by = {"timer": timer, "us": seconds * 1_000_000}
            database.execute(
                "UPDATE timers SET due_us = due_us + :us, next_us = next_us + :us WHERE timer_id = :timer", by
            )
        return str(timer)

    assert shown.bailiwick("audit", "views", "tickets").returncode == 0
    timer = moved(86_400)
    done = shown.bailiwick("audit", "views", "tickets", "--json")
    assert moved(-86_400) == timer
    told = json.loads(done.stdout)
    (found,) = [one for view in told["views"] for one in view["differences"]]
    assert (done.returncode, told["holds"]) == (1, False)
    assert (found["table"], found["kind"], found["key"]) == ("timers", "altered", {"timer_id": timer})
    assert found["columns"] == ["due_us"]


DESK = (ROOT / "services/attendance/README.md").read_text(encoding="utf-8")


@pytest.mark.xdist_group("documents")
@pytest.mark.timeout(900)
def test_every_command_of_the_office_s_desk_runs_and_ends_as_it_says(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = re.search(r"## At the office's desk\n.*?```\n(.*?)```", DESK, re.DOTALL)
    assert block is not None
    lines = [line.partition("   ") for line in block.group(1).splitlines()]
    assert len(lines) == 32
    monkeypatch.setenv("BAILIWICK_DATA_DIR", shown.environment["BAILIWICK_DATA_DIR"])
    for command, _, remark in lines:
        done = CliRunner().invoke(app, [*command.split()[1:], "--json"])
        wanted = {"refused": 1, "wrong": 2}.get(remark.strip().partition(":")[0], 0)
        assert done.exit_code == wanted, (command, done.output)
        assert json.loads(done.stdout), command
