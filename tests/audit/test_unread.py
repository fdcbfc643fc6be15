"""What a fact is about alone is told by its bytes as by the fact that was read; it is read once, and saying it twice is found."""

import gc
import json
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO

import pytest
from bailiwick_contracts import readjudicate
from bailiwick_contracts.deadline_adoption import DeadlinePolicyAdopted
from bailiwick_contracts.envelope import Event, render
from bailiwick_contracts.finding import Finding
from bailiwick_contracts.message import Fact
from bailiwick_contracts.readjudicate import Chosen
from bailiwick_contracts.schema import EXAMPLES, messages
from bailiwick_contracts.sealed import keys_from
from bailiwick_contracts.shares import History, Share
from bailiwick_contracts.stored import read_evidence
from bailiwick_contracts.unread import OF_ONE_PERSON, is_about, whose
from pydantic_core import to_json

SHARES = 3


def stored(wire: str) -> bytes:
    """The example of a fact, as a store holds it."""
    document = json.loads((EXAMPLES / f"{wire}.json").read_bytes())
    return render({name: value for name, value in document.items() if name != "data"}, to_json(document["data"]))


FACTS = {wire: stored(wire) for wire, message in messages().items() if issubclass(message, Fact)}


def shared(raws: Sequence[bytes]) -> Iterator[Finding]:
    """What several shares of a history find."""
    file = BytesIO()
    batch = History(file).add(raws)
    for share in range(SHARES):
        judge = Share(file, keys_from({}), Chosen(share=share, shares=SHARES))
        yield from judge.take(batch)
        yield from judge.finish()


@pytest.mark.parametrize("wire", FACTS)
def test_the_bytes_of_a_fact_tell_what_it_is_about_alone(wire: str) -> None:
    alone = whose(FACTS[wire])
    is_apart = wire.partition(".")[0] in ("tickets", "billing") and wire != DeadlinePolicyAdopted.wire()
    assert (alone is not None) == (wire in OF_ONE_PERSON or is_apart)
    assert alone is None or is_about(read_evidence(FACTS[wire]), alone)


def test_a_fact_about_one_thing_alone_is_read_by_one_share(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[bytes] = Counter()

    def counting(raw: bytes) -> Event[Fact]:
        reads[raw] += 1
        return read_evidence(raw)

    monkeypatch.setattr(readjudicate, "read_evidence", counting)
    list(shared(list(FACTS.values())))
    assert {wire: reads[raw] for wire, raw in FACTS.items()} == {
        wire: SHARES if whose(raw) is None else 1 for wire, raw in FACTS.items()
    }


def test_a_share_that_was_judged_is_let_go_at_once() -> None:
    """The processes that judge collect no cycles."""
    file = BytesIO()
    batch = History(file).add(list(FACTS.values()))
    share = Share(file, keys_from({}), Chosen(shares=SHARES))
    share.take(batch)
    share.finish()
    gone, is_collecting = weakref.ref(share), gc.isenabled()
    gc.disable()
    try:
        del share
        assert gone() is None
    finally:
        if is_collecting:
            gc.enable()


@pytest.mark.parametrize("wire", ["tickets.ticket_assigned.v1", "billing.payment_allocated.v1"])
@pytest.mark.parametrize(
    "said",
    [
        b'"type":"tickets.deadline_policy_adopted.v1"',
        b'"source":"/properties/another-court/registry"',
        b'"source":"/properties/another-court/billing","subject":"another"',
    ],
)
def test_a_fact_that_says_twice_what_it_is_about_is_a_finding(wire: str, said: bytes) -> None:
    raw = FACTS[wire].replace(b',"data":', b"," + said + b',"data":', 1)
    found = [one for one in shared([raw]) if one.kind == "unreadable"]
    assert len(found) == 1
