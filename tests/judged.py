"""A history judged again, by one bench and by several that share the people and streams: the same comes out."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from bailiwick_contracts.finding import Finding
from bailiwick_contracts.readjudicate import Chosen, Summary, readjudicate
from bailiwick_contracts.sealed import Keys
from bailiwick_contracts.shares import History, Share

_SHARES, _AT_ONCE = 4, 100


def judged(raws: Iterable[bytes], keys: Keys, **chosen: Any) -> tuple[list[Finding], Summary]:
    """What comes out, once benches that share the people and streams found the same."""
    facts, summary = list(raws), Summary()
    found = list(readjudicate(facts, keys, summary=summary, **chosen))
    file = BytesIO()
    history = History(file)
    batches = [history.add(facts[start : start + _AT_ONCE]) for start in range(0, len(facts), _AT_ONCE)]
    benches = [Share(file, keys, Chosen(**chosen, share=share, shares=_SHARES)) for share in range(_SHARES)]
    shared = [one for bench in benches for batch in batches for one in bench.take(batch)]
    shared += [one for bench in benches for one in bench.finish()]
    assert sorted(shared, key=repr) == sorted(found, key=repr)
    assert sum(bench.summary.judged for bench in benches) == summary.judged
    assert sum(bench.summary.derivations for bench in benches) == summary.derivations
    named = {ruled for bench in benches for ruled in bench.summary.retracted_since}
    assert sorted(named) == summary.retracted_since
    return found, summary
