"""Every command of the cashier's page runs, in its order, on a system of its own; and what it prints is true."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.billing.paper import FONTS_DIRECTORY, FontsMissingError, fonts_in
from services.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "services" / "billing" / "README.md").read_text(encoding="utf-8")
SAMPLES = ROOT / "services" / "billing" / "samples"
SET_UP, *BLOCKS = [block.splitlines() for block in re.findall(r"```\n(bailiwick .*?)```", PAGE, re.DOTALL)]


@dataclass
class System:
    """A running system, and the command line beside it."""

    environment: dict[str, str]
    folder: Path

    def call(self, *arguments: str, code: int = 0) -> str:
        """Called in this process: eighteen interpreters would take longer than all that they do."""
        done = CliRunner().invoke(app, arguments, env=self.environment)
        assert done.exit_code == code, (arguments, done.output, done.exception)
        return done.stdout

    def said(self, *arguments: str, code: int) -> str:
        """What it says of a failure, to people."""
        done = CliRunner().invoke(app, arguments, env=self.environment)
        assert done.exit_code == code, (arguments, done.output, done.exception)
        return done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.call(*arguments, "--json", code=code))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("cashier")
    environment = {"BAILIWICK_DATA_DIR": str(folder / "data")}
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli.entry", "up", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "the system ended before it was ready"
            said += line
        system = System(environment, folder)
        for command in SET_UP:
            system.call(*shlex.split(command)[1:])
        yield system
        process.terminate()
        process.wait(20)


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("cashier")
def test_the_cashiers_page_runs_from_top_to_bottom(running: System) -> None:
    assert len(BLOCKS) == 3
    assert sum(map(len, BLOCKS)) >= 36
    try:
        fonts_in(FONTS_DIRECTORY)
        has_fonts = True
    except FontsMissingError:
        has_fonts = False
    for command in (*BLOCKS[0], *BLOCKS[1]):
        arguments = [one.replace("var/", f"{running.folder}/") for one in shlex.split(command)[1:]]
        expected = 1 if "readings" in arguments else 0
        if not has_fonts and arguments[:2] in (["billing", "dunning"], ["billing", "report"]):
            expected = 2 if "dunning" in arguments else 1
        running.call(*arguments, code=expected)
    place = ("--property", "north-court")
    charged = [one["amount"] for one in running.json("billing", "charges", *place, "--month", "2026-01")["charges"]]
    assert sorted(charged) == ["165.83", "180.00", "247.80", "285.60", "59.80"]
    running.call("billing", "run", *place, "--month", "2026-01", code=1)
    receipts = running.json("billing", "receipts", *place)["totals"]
    assert receipts == {"received": "650.00", "allocated": "487.60", "unapplied": "162.40", "refunded": "0.00"}
    assert running.json("billing", "ledger", *place)["sums"] == {"CNY": "0.00"}
    (waiting,) = running.json("billing", "matches", *place)["matches"]
    running.call("billing", "confirm", waiting["receipt_id"], *place, "--unit", "3-1503")
    assert "3-1503" in running.call("billing", "explain", waiting["receipt_id"], *place)
    if has_fonts:
        assert len(list((running.folder / "letters").glob("*.pdf"))) == 1
        assert {path.suffix for path in (running.folder / "reports").iterdir()} == {".csv", ".xlsx", ".pdf"}

    _a_statement_again(running)
    _at_the_counter(running)


def _at_the_counter(running: System) -> None:
    """Receipts, reversals, waivers and demands: each command does what the page says, and the money still agrees."""
    place = ("--property", "north-court")
    for command in BLOCKS[2]:
        running.call(*shlex.split(command)[1:])
    (waiver,) = running.json("billing", "waivers", *place)["waivers"]
    assert (waiver["status"], waiver["requested_by"], waiver["total"]) == ("granted", "director", "10.00")
    again = running.json("billing", "decide", "W-1", *place, "--grant", "--by", "manager")
    assert again["outcome"] == "ignored"
    refused = running.json("billing", "waive", "W-2", *place, "--grounds", "leak", "--by", "nobody", "--charge",
                           "north-court-3-1503-202602-mgmt-r1=1.00", code=1)  # fmt: skip
    assert refused["error"]["ruling"]["row_id"] == "B4"
    told = running.said("billing", "waive", "W-3", *place, "--grounds", "leak", "--by", "nobody", "--charge",
                        "north-court-3-1503-202602-mgmt-r1=1.00", code=1)  # fmt: skip
    assert "clause: B4\n  who_may: office_director\n" in told
    assert "{" not in told
    demands = {one["request_id"]: one for one in running.json("billing", "status", *place)["requests"]}
    assert demands["S-1"]["status"] == "answered"
    assert "C-0302" not in {one["receipt_id"] for one in running.json("billing", "matches", *place)["matches"]}
    shown = running.json("billing", "receipts", *place)
    receipts = {one["receipt_id"]: one for one in shown["receipts"]}
    assert (receipts["C-0302"]["unapplied"], receipts["C-0302"]["refunded"], receipts["C-0303"]["bounced"]) == (
        "30.00",
        "20.00",
        True,
    )
    totals = {name: Decimal(value) for name, value in shown["totals"].items()}
    assert totals["received"] == totals["allocated"] + totals["unapplied"]
    assert running.json("billing", "ledger", *place)["sums"] == {"CNY": "0.00"}
    wrong = running.json("billing", "refund", "C-0302", *place, "--amount", "1e3", "--grounds", "overpaid", code=2)
    assert wrong["error"]["field"] == "amount"


def _a_statement_again(running: System) -> None:
    """It prints exactly what was promised, twice changes nothing, and a broken chain is held."""
    file = str(SAMPLES / "statement.csv")
    place = ("--property", "north-court")
    again = running.json("import", "statement", file, *place, "--profile", "boc")
    assert again.pop("bad_rows") == again.pop("notes") == []
    assert (again.pop("profile"), again.pop("balance_chain"), again.pop("held")) == ("boc", "closed", False)
    assert again == {
        "rows": 2, "credits": 2, "debits": 0, "credit_total": "650.00", "debit_total": "0.00", "duplicates": 2, "rejected": 0,
        "matched": 0, "unapplied_total": "0.00",
    }  # fmt: skip
    dry = running.json("import", "statement", file, "--dry-run")
    assert (dry["rows"], dry["unapplied_total"]) == (2, "650.00")
    broken = running.folder / "broken.csv"
    broken.write_text(
        (SAMPLES / "statement.csv").read_text(encoding="utf-8").replace("10,650.00", "10,651.00"), encoding="utf-8"
    )
    held = running.json("import", "statement", str(broken), *place, code=1)
    assert (held["matched"], held["unapplied_total"]) == (0, "0.00")
    taken = running.json("import", "statement", str(broken), *place, "--override", "bank_confirmed")
    assert taken["duplicates"] + taken["matched"] >= 1
    unknown = running.json("import", "statement", file, "--profile", "none", code=2)
    assert "no profile is named none" in unknown["error"]["message"]
    running.call("billing", "run", *place, "--month", "2026-13", code=2)
