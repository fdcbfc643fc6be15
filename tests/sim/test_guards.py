"""Each guard is needed: with one of them taken away, a named invariant fails; with all of them, none does."""

import subprocess
import sys

import pytest

SCHEDULES = 60
CAUGHT_BY = {
    "expected-sequence": ("I2", "I8"),
    "tracking-row": ("I3", "I4"),
    "command-id": ("I1",),
    "lock-before-deciding": ("I5", "I8"),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("guard", CAUGHT_BY)
def test_a_history_without_this_guard_breaks_an_invariant(guard: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.unguarded", guard, str(SCHEDULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"nobody noticed that {guard} was missing: {done.stderr[-500:]}"
    assert done.stdout.startswith(CAUGHT_BY[guard]), done.stdout


def test_with_every_guard_the_same_histories_break_none() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.unguarded", "none", "10"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr[-2_000:]
