"""Commands that are imported when they are asked for: listed as they are, and nothing else is loaded for the list."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from services.cli.main import Bailiwick, app


@pytest.mark.parametrize("name", Bailiwick.LATER)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    later = Bailiwick.LATER[name]
    assert later.made(name).get_short_help_str(200).startswith(later.told.rstrip("."))
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"bailiwick {name}" in shown.output.replace("root", "bailiwick")


def test_every_command_is_listed_and_a_mistyped_one_is_told_the_nearest() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    assert all(f" {name} " in listed for name in (*Bailiwick.LATER, "up", "serve", "doctor", "health", "config"))
    mistyped = CliRunner().invoke(app, ["audti", "verify"])
    assert mistyped.exit_code == 2
    assert "Did you mean 'audit'" in mistyped.output


def test_the_list_loads_nothing_of_a_service() -> None:
    asked = (
        "import sys; from typer.testing import CliRunner; from services.cli.main import app;"
        "CliRunner().invoke(app, ['--help']); print([name for name in ('faststream',"
        " 'bailiwick_contracts.attendance') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
