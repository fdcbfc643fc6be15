"""Reports as files, and every command of the officer's page, run."""

import csv
import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.cli.report_file import Report, csv_bytes, write, xlsx_bytes
from tests.tickets.running import Running, reported
from tests.tickets.test_import import at, trace, xes

ROOT = Path(__file__).parents[2]
README = (ROOT / "services" / "tickets" / "README.md").read_text(encoding="utf-8")
REPORT = Report(
    "board",
    {
        "property": "north-court",
        "kind": "repair",
        "as of": "log:north-court number 7, 2026-03-02T10:00:00Z",
        "zone": "Asia/Shanghai",
    },
    ("ticket_id", "topic", "late_seconds", "accountable_id"),
    [
        {"ticket_id": "t1", "topic": "=HYPERLINK(1)", "late_seconds": 3600, "accountable_id": "ann-sample"},
        {"ticket_id": "t2", "topic": "漏水", "late_seconds": 0, "accountable_id": None},
    ],
)


def test_a_csv_says_what_it_is_and_holds_nothing_that_a_spreadsheet_runs() -> None:
    made = csv_bytes(REPORT)
    assert made.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(made.decode("utf-8-sig"), newline="")))
    assert lines[:6] == [
        ["report", "board"],
        ["property", "north-court"],
        ["kind", "repair"],
        ["as of", "log:north-court number 7, 2026-03-02T10:00:00Z"],
        ["zone", "Asia/Shanghai"],
        ["rows", "2"],
    ]
    assert lines[8] == ["t1", "'=HYPERLINK(1)", "3600", "ann-sample"]
    assert lines[9] == ["t2", "漏水", "0", ""]


def test_a_workbook_says_the_same_and_keeps_text_text() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(REPORT))).active
    assert sheet is not None
    rows: list[Any] = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[5][:2] == ["rows", "2"]
    assert rows[7][:2] == ["ticket_id", "topic"]
    assert rows[8] == ["t1", "'=HYPERLINK(1)", 3600, "ann-sample"]
    assert sheet.auto_filter.ref == "A8:D10"


def test_only_a_csv_or_a_workbook_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.csv or \.xlsx"):
        write(REPORT, tmp_path / "report.pdf")


def shown_commands() -> list[list[str]]:
    """The command lines of the page's shell blocks, without what is said about them."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("bailiwick ")]


@pytest.mark.timeout(300)
async def test_every_command_of_the_officers_page_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with Running(data) as running:
        client = await running.client()
        await running.set_up(client)
        await running.until_answered(client, reported(1))
        await client.close()
        log = xes(
            trace("Case 1", ("Insert ticket", at("09:00")), ("Resolve ticket", at("11:30")), ("Closed", at("12:00")))
        )
        (tmp_path / "helpdesk.xes.gz").write_bytes(gzip.compress(log))
        (tmp_path / "tickets.csv").write_text(
            "工單號,動作,時間,經手人,類別,類型\nA1,受理,2020/1/1 9:00,甲,漏水,維修\n", encoding="utf-8"
        )
        mapping = re.search(r"```json\n(.*?)```", README, re.DOTALL)
        assert mapping is not None
        (tmp_path / "mapping.json").write_text(mapping.group(1), encoding="utf-8")
        commands = shown_commands()
        assert len(commands) == 10
        answers = [
            run(tmp_path, running, *(word.replace("TICKET", "burst-1") for word in command[1:])) for command in commands
        ]
        assert [answer.returncode for answer in answers] == [0] * len(commands), [a.stdout + a.stderr for a in answers]
        assert openpyxl.load_workbook(tmp_path / "due.xlsx").active is not None
        imported = next(json.loads(answer.stdout) for answer in answers if answer.stdout.startswith('{\n  "tickets"'))
        wanted = {
            "tickets": 1,
            "events": 3,
            "closed": 1,
            "open": 0,
            "reopened": 0,
            "median_hours_to_resolve": "2.50",
            "rejected": 0,
        }
        assert imported.items() >= wanted.items()
        whose = run(tmp_path, running, "tickets", "accountability", "burst-1", "--property", "north-court", "--json")
        assert (whose.returncode, json.loads(whose.stdout)["faults"]) == (0, [])
        unknown = run(tmp_path, running, "tickets", "show", "t9", "--property", "north-court", "--json")
        assert (unknown.returncode, json.loads(unknown.stdout)["error"]["code"]) == (2, "no_such_ticket")


def run(directory: Path, running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "BAILIWICK_DATA_DIR": str(running.directory),
        "BAILIWICK_NATS_URL": f"nats://127.0.0.1:{running.port}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "services.cli.entry", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=directory)
