"""A run killed at a random moment and started again ends with the same totals to the cent, on both databases."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import servers
from tests.bench.billing import Company
from tests.billing.office import Accounts, local

ROOT = Path(__file__).parents[2]
UNITS, SEED = 240, 20261124
REQUESTS = {"charge": 24, "allocate": 27}
"""How many requests each stage makes."""


def _work(url: str, directory: Path, units: int = UNITS) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.billing.worker", url, str(directory), str(units)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def _finish(process: subprocess.Popen[str]) -> str:
    said, wrong = process.communicate(timeout=200)
    assert process.returncode == 0, wrong
    return said.splitlines()[-1]


@contextmanager
def _prepared(kind: str, directory: Path, server: sa.URL | None) -> Iterator[str]:
    with ExitStack() as stack:
        url = f"sqlite:///{directory / 'store.sqlite'}"
        if kind == "postgres":
            assert server is not None
            url = stack.enter_context(servers.database(server))
        company = Company(url, directory, UNITS)
        company.accounts.now = local(date(2026, 3, 2))
        company.prepare()
        company.read_meters()
        company.accounts.close()
        yield url


def _doubles(url: str, directory: Path) -> list[str]:
    accounts = Accounts(url, directory)
    charged = [
        line.charge.charge_id for event in accounts.facts("charges_accrued", "court-00") for line in event.data.lines
    ]
    accounts.close()
    return [one for one in set(charged) if charged.count(one) > 1]


def _reach(process: subprocess.Popen[str], stage: str, answered: int) -> None:
    """Wait until so many requests of a stage were answered."""
    assert process.stdout is not None
    left = -1
    for line in process.stdout:
        if line.strip() == stage:
            left = answered
        elif left > 0 and line.strip() == "answered":
            left -= 1
        if left == 0:
            return
    raise AssertionError(f"{stage} never got to {answered}")


def _round(kind: str, directory: Path, stage: str, dice: random.Random, server: sa.URL | None) -> tuple[str, bool]:
    """What the run came to after a kill at a random moment of a stage, and whether the kill met it at work."""
    directory.mkdir()
    with _prepared(kind, directory, server) as url:
        process = _work(url, directory)
        _reach(process, stage, dice.randrange(REQUESTS[stage] - 1))
        time.sleep(dice.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        said = _finish(_work(url, directory))
        assert _doubles(url, directory) == []
        assert _finish(_work(url, directory)) == said
    return said, process.returncode == -signal.SIGKILL


def _undisturbed(kind: str, directory: Path, server: sa.URL | None) -> str:
    """What the run comes to."""
    directory.mkdir()
    with _prepared(kind, directory, server) as url:
        return _finish(_work(url, directory))


@pytest.mark.timeout(240)
def test_a_run_killed_once_ends_with_the_same_totals(tmp_path: Path) -> None:
    expected = _undisturbed("sqlite", tmp_path / "whole", None)
    said, _ = _round("sqlite", tmp_path / "killed", "charge", random.Random(SEED), None)
    assert said == expected


@pytest.mark.crash
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("stage", REQUESTS)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_twenty_runs_killed_at_random_end_with_the_same_totals(
    kind: str, stage: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server") if kind == "postgres" else None
    expected, dice = _undisturbed(kind, tmp_path / "whole", server), random.Random(f"{SEED}{stage}")
    rounds = [_round(kind, tmp_path / f"killed-{number}", stage, dice, server) for number in range(20)]
    assert {said for said, _ in rounds} == {expected}, rounds
    assert sum(met for _, met in rounds) >= 15, "the kills came too late"
