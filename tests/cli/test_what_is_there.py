"""A command that meets a damaged database, or is asked about a property that is not there, says so and what to do."""

import json
import os
from pathlib import Path

import pytest
import typer

from services.cli.output import run
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.registry.views import VIEWS
from tests.command_line import bailiwick
from tests.damage import damage


def test_a_damaged_database_is_named_and_no_trace_is_shown(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    tables = [table for view in VIEWS for table in view.tables]
    Store(settings.store_url("registry"), schema="registry", views=tables).close()
    damage(tmp_path / "registry.sqlite", "registry_staff")
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}, "rebuild", "registry", "people")
    said = " ".join(done.stderr.split())
    assert done.returncode == 3, said
    assert "a database is damaged: database disk image is malformed" in said
    assert "remedy: bailiwick doctor names it; put a backup of it back" in said


def test_a_property_that_is_not_there_is_named_instead_of_answered_with_nothing(tmp_path: Path) -> None:
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}, "tickets", "list", "--property", "nowhere")
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (2, ""), said
    assert "there is no property nowhere" in said


def test_a_disk_without_room_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def write() -> None:
        Path("/dev/full").write_text("what lies beside the databases")  # noqa: ASYNC240 - it takes no time

    with pytest.raises(typer.Exit) as ended:
        run(write(), as_json=True)
    assert ended.value.exit_code == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"] == "a file cannot be written: No space left on device"
    assert error["remedy"].startswith("make room below BAILIWICK_DATA_DIR")
