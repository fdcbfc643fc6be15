"""The interpreter's search for cycles, fitted to a process that remembers much and makes few: a writer's streams are a large heap."""

import gc

YOUNG, MIDDLE, OLD = 100_000, 20, 100


def collect_less() -> None:
    """Look for cycles less often, and not among what was loaded by now.

    A month of billing then takes a third less time (`python -m tests.bench.billing`), and no answer waits for a search through
    every module, a tenth of a second long (`python -m tests.bench.audit`).
    """
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.freeze()
