"""Simulated histories: whatever crashes, is lost, doubled or overtaken, the invariants hold; without a guard, one of them does not."""

import os
import random
import sys
import time

import pytest
import structlog
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.sim.world import Plan, simulate

SOME, MANY = 100, int(os.environ.get("BAILIWICK_TEST_SCHEDULES", "2000"))
PLANS = st.builds(
    Plan,
    seed=st.integers(0, 2**32 - 1),
    drop=st.sampled_from([0.0, 0.01, 0.05]),
    duplicate=st.sampled_from([0.0, 0.02, 0.1]),
    reorder=st.sampled_from([0.0, 0.02, 0.1]),
    commits_fail=st.sampled_from([0.0, 0.05, 0.2]),
    crashes=st.integers(0, 4),
    tail_losses=st.integers(0, 2),
    wipes=st.integers(0, 1),
    cuts=st.integers(0, 2),
    two_relays=st.booleans(),
    two_writers=st.booleans(),
)
QUICK = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.mark.timeout(300)
@seed(20261124)
@settings(QUICK, max_examples=SOME)
@given(plan=PLANS)
def test_some_hundred_schedules(plan: Plan) -> None:
    simulate(plan)


@pytest.mark.crash
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("half", [1, 2])
def test_two_thousand_schedules(half: int) -> None:
    given_seed = os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32)))
    said = sys.__stderr__ or sys.stderr
    print(f"\nBAILIWICK_TEST_SEED={given_seed} simulator, half {half}: {MANY // 2} schedules", file=said, flush=True)
    begun, count = time.monotonic(), 0

    @seed(int(given_seed) * 2 + half)
    @settings(QUICK, max_examples=MANY // 2)
    @given(plan=PLANS)
    def schedules(plan: Plan) -> None:
        nonlocal count
        simulate(plan)
        count += 1
        if count % 100 == 0:
            print(f"simulator {half}: {count}/{MANY // 2} at {time.monotonic() - begun:.0f} s", file=said, flush=True)

    schedules()
    assert count >= MANY // 2


def test_a_seed_tells_the_same_history_again() -> None:
    plan = Plan(7, two_relays=True)
    one, other = simulate(plan), simulate(plan)
    assert [(f.stream, f.version, f.type) for f in one.toy] == [(f.stream, f.version, f.type) for f in other.toy]
    assert one.accepted == other.accepted
