"""`bailiwick import` on a system that runs for it: a made-up week in the build, the real year where its files lie."""

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import command_line

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FIGURES = ("present", "absent", "late_up_to_30", "late_over_30", "early_up_to_30", "early_over_30")
STAFF = "staff_id,department,job_role,job_level,monthly_income\n7,Care,guard,1,4350\n8,Care,guard,1,4350\n"
PUNCHES = (
    "staff_id,at,direction\n"
    "7,2026-03-02T09:30:00,in\n7,2026-03-02T17:00:00,out\n"
    "8,2026-03-02T09:30:01,in\n8,2026-03-02T16:29:59,out\n"
    "7,2026-03-03T08:59:00,in\n7,2026-03-03T16:30:00,out\n7,2026-03-03T08:59:00,in\n"
    "9,2026-03-03T08:59:00,in\n=8,2026-03-03T08:59:00,in\n"
)


def bailiwick(directory: Path, *arguments: str) -> dict[str, Any]:
    done = command_line.bailiwick({"BAILIWICK_DATA_DIR": str(directory)}, *arguments, "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "error" not in found, found
    return found


@contextlib.contextmanager
def up(directory: Path) -> Iterator[None]:
    """The embedded system on a directory, so that each command finds it running."""
    command = [sys.executable, "-m", "services.cli.entry", "up", "--json"]
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(directory)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "it ended before it was up"
            said += line
        yield
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.timeout(240)
def test_punches_come_in_with_their_people_and_shifts_and_a_second_time_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "staff.csv").write_text(STAFF)
    (tmp_path / "punches.csv").write_text(PUNCHES, encoding="utf-8-sig")
    (tmp_path / "days.csv").write_text("date\n2026-03-02\n2026-03-03\n")
    (tmp_path / "more.csv").write_text(STAFF + "10,Care,guard,1,4.3e3\n")
    data = tmp_path / "data"
    command = (
        "import", "punches", str(tmp_path / "punches.csv"), "--property", "north-court", "--staff", str(tmp_path / "staff.csv"),
        "--shift", "09:00-17:00", "--workdays", str(tmp_path / "days.csv"),
    )  # fmt: skip
    with up(data):
        bailiwick(data, "property", "add", "north-court")
        first, second = bailiwick(data, *command), bailiwick(data, *command)
        dry = bailiwick(data, *command, "--dry-run")
        more = bailiwick(data, *(word.replace("staff.csv", "more.csv") for word in command))
        made = [bailiwick(data, "payroll", str(tmp_path / f"march.{name}"), "--property", "north-court", "--month", "2026-03")
                for name in ("csv", "xlsx")]  # fmt: skip
        nobodys = command_line.bailiwick(
            {"BAILIWICK_DATA_DIR": str(data)},
            "payroll",
            str(tmp_path / "no.csv"),
            "--property",
            "nort-court",
            "--month",
            "2026-03",
        )
        nowhere = command_line.bailiwick(
            {"BAILIWICK_DATA_DIR": str(data)}, "payroll", str(tmp_path / "no" / "m.csv"), "--property", "north-court", "--month", "2026-03"
        )  # fmt: skip
    assert (nobodys.returncode, (tmp_path / "no.csv").exists()) == (2, False)
    assert "there is no property nort-court" in nobodys.stderr
    assert (nowhere.returncode, "No such file or directory" in " ".join(nowhere.stderr.split())) == (2, True)
    assert {name: first[name] for name in ("rows", "accepted", "rejected", "duplicates", "days")} == {
        "rows": 9, "accepted": 6, "rejected": 2, "duplicates": 1, "days": 2,
    }  # fmt: skip
    assert [first[name] for name in FIGURES] == [3, 1, 1, 1, 1, 1]
    assert [(row["row"], row["field"]) for row in first["bad_rows"]] == [(9, "staff_id"), (10, "staff_id")]
    assert (second["accepted"], second["duplicates"], second["rejected"]) == (0, 7, 2)
    assert [second[name] for name in FIGURES] == [first[name] for name in FIGURES]
    assert (more["rejected"], more["bad_rows"][0]["row"], more["bad_rows"][0]["field"]) == (
        3,
        4,
        "more.csv: monthly_income",
    )
    assert dry["dry_run"] is True
    assert {one["lines"] for one in made} == {4}
    assert (tmp_path / "march.csv").read_bytes().startswith(b'\xef\xbb\xbf"staff_id","kind"')
    assert (tmp_path / "march.xlsx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize("shift", ["10:00Z-17:00Z", "10:00+08:00-17:00", "10:00"])
def test_a_shift_is_a_wall_clock_without_an_offset(tmp_path: Path, shift: str) -> None:
    (tmp_path / "punches.csv").write_text(PUNCHES)
    command = ("import", "punches", str(tmp_path / "punches.csv"), "--property", "north-court", "--shift", shift)
    done = command_line.bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path / "data")}, *command, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["field"], error["value"]) == (2, "shift", shift)
    assert not (tmp_path / "data").exists()


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not here")
def test_the_real_year_comes_in_by_one_command_twice_and_in_any_order_to_the_same_figures(tmp_path: Path) -> None:
    command = ("--property", "real-office", "--staff", str(DATA / "staff-2015.csv"), "--shift", "10:00-17:00",
               "--workdays", str(DATA / "workdays-2015.csv"))  # fmt: skip
    head, *rows = (DATA / "punches-2015.csv").read_text().splitlines(keepends=True)
    random.Random(7).shuffle(rows)
    shuffled = tmp_path / "shuffled.csv"
    shuffled.write_text("".join([head, *rows]))
    found = []
    for name, file in (("plain", DATA / "punches-2015.csv"), ("mixed", shuffled)):
        with up(tmp_path / name):
            bailiwick(tmp_path / name, "property", "add", "real-office")
            found += [bailiwick(tmp_path / name, "import", "punches", str(file), *command) for _ in range(2)]
    assert [(one["rows"], one["accepted"], one["duplicates"], one["rejected"], one["days"]) for one in found] == [
        (23_648, 23_648, 0, 0, 249), (23_648, 0, 23_648, 0, 249),
    ] * 2  # fmt: skip
    assert len({tuple(one[name] for name in FIGURES) for one in found}) == 1
    assert (found[0]["present"], found[0]["absent"]) == (11_824, 50 * 249 - 11_824)
