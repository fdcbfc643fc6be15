"""What the README of the contracts shows is run."""

import re
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"
SNIPPETS = re.findall(r"```python\n(.*?)```", (CONTRACTS / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_handler_runs_over_the_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[0]], cwd=CONTRACTS, capture_output=True, text=True, check=True, timeout=60
    )
    assert "north-court attendance.penalty_decided.v1" in done.stdout


def test_the_subscriber_is_eight_lines_of_python_that_compiles() -> None:
    compile(SNIPPETS[1], "README.md", "exec")
    assert len([line for line in SNIPPETS[1].splitlines() if line and not line.startswith(("import", "from"))]) <= 8


def test_every_module_is_explained() -> None:
    text = (CONTRACTS / "README.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (CONTRACTS / "bailiwick_contracts").glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"`{name}`" not in text} == set()
