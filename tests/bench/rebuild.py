"""A view folded anew from the log beside the one in use, and swapped with it."""

import time

from services.kernel.rebuild import Rebuild, together
from tests.bench.figures import Figures
from tests.bench.place import Place
from tests.bench.streams import filled
from tests.bench.toys import TOY

FACTS = 20_000


def rebuild(place: Place) -> Figures:
    """Facts a second of a rebuild, and for how long commands waited for the swap."""
    store = filled(place, FACTS)
    begun = time.perf_counter()
    done = Rebuild(TOY, store, together(TOY, "tokens"), lambda *_: ()).run()
    if done.facts != FACTS:
        raise RuntimeError(f"{done.facts} of {FACTS} facts were folded")
    return {
        "view rebuilt, facts/s": FACTS / (time.perf_counter() - begun),
        "view rebuilt, ms that commands waited": done.locked_seconds * 1_000,
    }
