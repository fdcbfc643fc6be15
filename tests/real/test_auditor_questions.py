"""Odd questions of an auditor, asked of the demonstration at the command line: each answered, or told what is wrong with it."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.staff import ErasePerson
from typer.testing import CliRunner

from services.cli.main import app
from services.cli.properties import SETUP
from services.kernel.settings import Settings
from services.run.desk import system
from tests.real.test_documents import BAILIWICK, ROOT

pytestmark = [pytest.mark.xdist_group("auditor-questions"), pytest.mark.timeout(300)]
MOMENT = timedelta(microseconds=1)


class Asked:
    """The demonstration's system, asked in this process."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["audit", *words, "--json"])
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        return done.exit_code, json.loads(done.stdout)

    def first(self, staff_id: str) -> datetime:
        """When the first fact was recorded of which a person is the subject."""
        told = self("person", staff_id)[1]["facts"]
        return datetime.fromisoformat(
            next(one["recorded_at"] for one in told if one["type"] == "registry.staff_registered.v1")
        )


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    data = tmp_path_factory.mktemp("questions") / "data"
    before = os.environ.get("BAILIWICK_DATA_DIR")
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(data)}
    done = subprocess.run(
        [*BAILIWICK, "demo", "--json"], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    os.environ["BAILIWICK_DATA_DIR"] = environment["BAILIWICK_DATA_DIR"] = str(data.with_name("data-demo"))
    with subprocess.Popen([*BAILIWICK, "up", "--json"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "}\n":
            pass
        yield Asked(data.with_name("data-demo"))
        process.terminate()
        assert process.wait(20) == 0
    if before is None:
        del os.environ["BAILIWICK_DATA_DIR"]
    else:
        os.environ["BAILIWICK_DATA_DIR"] = before


def test_a_person_is_there_from_the_very_instant_of_the_first_fact_on(asked: Asked) -> None:
    first = asked.first("north-05")
    code, told = asked("state", "person", "north-05", "--as-of", first.isoformat())
    assert (code, told["state"]["person"]["state"], told["recorded_until"]) == (0, "employed", first.isoformat())
    code, told = asked("state", "person", "north-05", "--as-of", (first - MOMENT).isoformat())
    assert (code, told["error"]["code"]) == (2, "unknown_staff")
    assert (first - MOMENT).isoformat() in told["error"]["rule"]


def test_an_instant_is_the_same_however_its_offset_is_written(asked: Asked) -> None:
    first = asked.first("north-05")
    elsewhere = first.astimezone(timezone(timedelta(hours=-11))).isoformat()
    states = [asked("state", "person", "north-05", "--as-of", at) for at in (elsewhere, first.isoformat())]
    assert states[0][1]["state"] == states[1][1]["state"]
    assert states[0][1]["recorded_until"] == states[1][1]["recorded_until"]


@pytest.mark.parametrize(
    ("kind", "thing"), [("person", "north-05"), ("property", "north-court"), ("ticket", "demo-1"), ("account", "3-1502"), ("office", "north-court")]
)  # fmt: skip
def test_before_the_first_fact_there_is_nothing_and_an_instant_to_come_is_said_to_be_so(
    asked: Asked, kind: str, thing: str
) -> None:
    where = ("--property", "north-court") if kind == "ticket" else ()
    code, told = asked("state", kind, thing, *where, "--as-of", "2020-01-01")
    assert code == 2
    assert "2020-01-01T00:00:00+00:00" in json.dumps(told["error"])
    code, now = asked("state", kind, thing, *where)
    assert (code, "note" in now) == (0, False)
    code, later = asked("state", kind, thing, *where, "--as-of", "2090-01-01T00:00:00+08:00")
    assert (code, "still to come" in later["note"]) == (0, True)
    assert datetime.fromisoformat(later["recorded_until"]) <= datetime.now(UTC)


WRONG: dict[str, tuple[str, ...]] = {
    "as_of": ("state", "person", "north-05", "--as-of", "yesterday"),
    "as_of ": ("state", "person", "north-05", "--as-of", "2026-03-01T08:00"),
    "as_of  ": ("state", "person", "north-05", "--as-of", "2026-W10-1"),
    "as_of   ": ("state", "person", "north-05", "--as-of", "9999-12-31T23:59:59-14:00"),
    "kind": ("state", "lift", "north-05"),
    "id": ("state", "person", "no body"),
    "property": ("state", "ticket", "demo-1"),
    "property ": ("state", "ticket", "demo-1", "--property", "No Where"),
    "property  ": ("readjudicate", "--property", "east-court"),
    "property   ": ("complete", "--property", "east-court"),
    "property    ": ("report", "--property", "east-court"),
    "until": ("readjudicate", "--since", "2026-12-01", "--until", "2026-01-01"),
    "keys": ("readjudicate", "--keys", "/there/is/none"),
    "report": ("report", "everything"),
    "until  ": ("archive", "--since", "2026-12-01", "--until", "2026-12-01", "--out", "x"),
    "type": ("export", "--type", "attendance.record_punches.v1", "--out", "x"),
    "type ": ("export", "--type", "answer", "--out", "x"),
    "type  ": ("export", "--type", "tickets.*", "--out", "x"),
    "service": ("export", "--service", "lifts", "--out", "x"),
    "service ": ("views", "lifts"),
    "out": ("export", "--out", "/there/is/none"),
    "out ": ("bundle", "--person", "north-05", "--out", "/there/is/none"),
    "out  ": ("archive", "--out", "/there/is/none"),
    "property     ": ("bundle", "--decision", "x", "--property", "north-court", "--out", "x"),
    "period": ("bundle", "--period", "2026-02-01..2026-01-01", "--out", "x"),
    "staff_id": ("person", "nobody"),
    "decision_id": ("replay", "nothing"),
    "decision_id ": ("proof", "nothing"),
    "auditor_id": ("appoint", "no body", "--grounds", "x"),
    "grounds": ("appoint", "north-05", "--grounds", ""),
    "until ": ("appoint", "north-05", "--grounds", "x", "--until", "2020-01-01"),
    "adopt": ("oversight", "--adopt", "/there/is/none"),
    "place": ("verify", "/there/is/none"),
    "place ": ("cosign", "/there/is/none", "--witness", "w", "--name", "witness.example/w1"),
    "checkpoint": ("verify", "LOG", "--checkpoint", "PAGE"),
    "checkpoint ": ("verify", "LOG", "--checkpoint", "LIST"),
    "name": ("cosign", "LOG", "--witness", "w", "--name", "two words"),
}
"""What the answer has to name, and the question."""


@pytest.mark.parametrize("field", WRONG)
def test_a_question_that_cannot_be_answered_says_what_is_wrong_with_it(
    asked: Asked, field: str, tmp_path: Path
) -> None:
    meant = {"LOG": asked.data / "tlog" / "north-court", "PAGE": tmp_path / "page.json", "LIST": tmp_path / "list.json"}
    meant["PAGE"].write_text('{"events": [{"type": "audit.checkpoint_issued.v1"}], "next": "start", "more": false}')
    meant["LIST"].write_text('{"type": "attendance.punch_recorded.v1"}\n["no event"]\n')
    code, told = asked(*(str(meant.get(word, word)) for word in WRONG[field]))
    assert (code, told["error"]["field"]) == (2, field.strip())
    assert told["error"]["message"]


def test_an_unknown_version_and_an_empty_period_are_no_clean_bill(asked: Asked, tmp_path: Path) -> None:
    code, told = asked("readjudicate", "--under", "no-such-version")
    assert (code, told["skipped"]["version_not_in_the_ledger"] > 0) == (2, True)
    done = CliRunner().invoke(app, ["audit", "readjudicate", "--since", "2090-01-01"])
    assert (done.exit_code, "Nothing was ruled" in done.stdout) == (0, True)
    assert asked("archive", "--until", "2001-01-01", "--out", str(tmp_path / "a.tar"))[0] == 2
    assert not (tmp_path / "a.tar").exists()
    period = ("bundle", "--period", "2001-01-01..2001-01-02", "--out", str(tmp_path / "b.zip"))
    assert asked(*period)[0] == 2


def test_what_every_service_says_is_exported_by_its_type_too(asked: Asked, tmp_path: Path) -> None:
    code, told = asked("export", "--type", "tickets.dead_letter_raised.v1", "--out", str(tmp_path / "letters.json"))
    assert (code, told["facts"]) == (0, 0)


def test_a_period_that_is_one_instant_is_not_told_to_be_turned_round(asked: Asked) -> None:
    code, told = asked("readjudicate", "--since", "2026-12-01", "--until", "2026-12-01")
    assert (code, told["error"]["remedy"]) == (2, "name a later one")


def test_a_period_may_reach_to_the_end_of_the_calendar(asked: Asked, tmp_path: Path) -> None:
    for last in ("9999-12-31", "9999-12-30"):
        period = ("bundle", "--property", "south-court", "--period", f"0001-01-01..{last}", "--as-of", "2001-01-01")
        code, told = asked(*period, "--out", str(tmp_path / "b.zip"))
        assert (code, told["error"]["message"]) == (2, "nothing in the ledger belongs to this")


def test_after_an_erasure_every_state_is_told_and_nothing_personal_comes_back(asked: Asked) -> None:
    who = "north-11"
    first = asked.first(who)
    before = datetime.now(UTC)
    code, told = asked("state", "person", who)
    assert (code, "name" in told["state"]["person"]) == (0, True)

    async def erase() -> None:
        async with system(Settings()) as desk:
            answer = await desk.send(ErasePerson(staff_id=who), SETUP, COMPANY)
            assert answer.outcome == "done", answer

    asyncio.run(erase())
    code, now = asked("state", "person", who)
    assert (code, now["state"]["person"]["state"]) == (0, "erased")
    for at in (first, before):
        code, told = asked("state", "person", who, "--as-of", at.isoformat())
        assert (code, told["state"]["person"]["state"]) == (0, "employed")
        assert "樣本" not in json.dumps([told, now], ensure_ascii=False)
    code, told = asked("state", "office", "north-court", "--as-of", before.isoformat())
    assert (code, who in {one["staff_id"] for one in told["state"]["positions"]}) == (0, True)
    assert asked("state", "office", "north-court")[0] == 0
    assert asked("readjudicate")[1]["agrees"]
