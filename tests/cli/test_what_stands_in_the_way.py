"""What stands in the way of a command is said in a line that names it, with an exit code that tells the truth."""

import os
from pathlib import Path

import pytest

from tests.command_line import bailiwick


@pytest.mark.parametrize("given", ["[/x]", "[red]", ":x:"])
def test_what_was_typed_is_shown_as_it_was_typed(tmp_path: Path, given: str) -> None:
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}, "dead-letters", "list", given)
    assert done.returncode == 2
    assert f"error '{given}' is no service" in done.stderr
    assert f"value: {given}" in done.stderr
