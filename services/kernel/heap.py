"""The interpreter's search for cycles, fitted to a process that remembers much and makes few: a writer's streams are a large heap."""

import gc

YOUNG, MIDDLE, OLD = 100_000, 20, 100


def collect_less() -> None:
    """Look for cycles less often; a month of billing then takes a third less time (`python -m tests.bench.billing`)."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
