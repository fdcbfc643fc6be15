"""What must hold after any fault: the invariants I1 to I11 of the fault matrix, each a function that raises AssertionError.

`Evidence` is everything they look at: the stores, the stream, the logs and how the processes ended, read once after a drain.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bailiwick_contracts.envelope import Event, Unknown, check_chain, read_event
from bailiwick_contracts.subjects import parse

from services.kernel.liveness import ExitCode
from services.kernel.service import Put
from services.kernel.store import Head, StoredFact
from tests.kernel.toy import LIMIT, NOTED, TOKENS, TokenGivenBack, TokenNoted, TokenTaken, fold, note

ENDS = {0, -9, -15, *ExitCode}
"""How a process of ours may end: as asked, as killed, or with a code that says why."""


@dataclass(frozen=True)
class Published:
    """One message of the stream."""

    subject: str
    headers: Mapping[str, str]
    data: bytes
    position: int


@dataclass
class Evidence:
    """What is looked at after a drain."""

    accepted: set[str]
    """Ids of the commands that were answered."""
    toy: Sequence[StoredFact]
    echo: Sequence[StoredFact]
    heads: Mapping[str, Mapping[str, Head]]
    """Of each service, where each chain stands."""
    published: Sequence[Published]
    tokens: Sequence[Mapping[str, Any]]
    """The rows of the toy's view."""
    noted: Sequence[Mapping[str, Any]]
    """The rows of the echo's local copy."""
    seconds_to_drain: float = 0
    drain_limit_seconds: float = 60
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Exit codes of each process, oldest first."""
    growth: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By process: how many files and threads it has more than when it started."""
    logs: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    """Texts that were given as personal data."""
    aged_out: bool = False
    """Whether the stream was emptied by age once, so that it holds what came since."""

    timed: set[str] = field(default_factory=set)
    """Holders who took one token with a timer to give it back."""
    parked: set[str] = field(default_factory=set)
    """Holders whose tokens a handler of echo failed on for a while."""

    @cached_property
    def toy_events(self) -> list[Event[Any]]:
        """What toy stored, as it is read."""
        return [read_event(fact.raw, fact.type) for fact in self.toy]

    @cached_property
    def echo_events(self) -> list[Event[Any]]:
        """What echo stored."""
        return [read_event(fact.raw, fact.type) for fact in self.echo]


def i1_what_was_answered_is_stored_once(seen: Evidence) -> None:
    counts = Counter(event.commandid for event in seen.toy_events if not isinstance(event.data, Unknown))
    twice = {command_id for command_id, count in counts.items() if count > 1}
    assert not twice, f"I1: stored twice: {sorted(twice)[:5]}"
    lost = seen.accepted - set(counts)
    assert not lost, f"I1: answered and not stored: {sorted(lost)[:5]}"
    given_back = Counter(event.data.holder_id for event in seen.toy_events if isinstance(event.data, TokenGivenBack))
    assert given_back == Counter(seen.timed), "I1: a timer came to nothing, or twice"


def i2_the_stream_is_the_store(seen: Evidence) -> None:
    stored = [(fact.position, fact.raw) for fact in seen.toy]
    published = [(message.position, message.data) for message in seen.published]
    if seen.aged_out:
        stored = stored[len(stored) - len(published) :]
    assert published == stored, (
        f"I2: the stream has {len(published)} messages, the store {len(stored)} facts, or their order differs"
    )


def i3_each_fact_is_taken_in_once_and_in_order(seen: Evidence) -> None:
    """In the order of the chain; what a handler failed on for a while, later, and in the order of its stream all the same."""
    there: dict[str, list[int]] = {}
    for event in seen.toy_events:
        if isinstance(event.data, TokenTaken):
            holder = event.data.holder_id
            there.setdefault(holder if holder in seen.parked else event.property_id, []).append(event.chainnumber)
    lanes = {event.id: event.data.holder_id for event in seen.toy_events if isinstance(event.data, TokenTaken)}
    taken: dict[str, list[int]] = {}
    for event in seen.echo_events:
        if isinstance(event.data, TokenNoted):
            holder = lanes[event.data.token_id]
            taken.setdefault(holder if holder in seen.parked else event.property_id, []).append(event.data.number)
    assert taken == there, "I3: a fact was taken in twice, not at all, or out of order"


def i4_what_is_replayed_is_what_is_shown(seen: Evidence) -> None:
    for name, table, folding, rows in (("tokens", TOKENS, fold, seen.tokens), ("noted", NOTED, note, seen.noted)):
        replayed: dict[Any, Mapping[str, Any]] = {}
        for event, fact in zip(seen.toy_events, seen.toy, strict=True):
            for change in folding(event, fact.raw):
                assert isinstance(change, Put)
                assert change.table is table
                replayed[change.row["id"]] = change.row
        assert {row["id"]: dict(row) for row in rows} == {k: dict(v) for k, v in replayed.items()}, f"I4: view {name}"


def i5_nobody_has_more_than_the_rule_allows(seen: Evidence) -> None:
    held: Counter[str] = Counter()
    for event in seen.toy_events:
        if isinstance(event.data, TokenGivenBack):
            held[event.data.holder_id] -= 1
        if isinstance(event.data, TokenTaken) and not event.data.holder_id.startswith("unbounded"):
            held[event.data.holder_id] += 1
            assert held[event.data.holder_id] == event.data.count, f"I5: {event.data.holder_id} was counted wrongly"
    over = {holder for holder, count in held.items() if count > LIMIT}
    assert not over, f"I5: over the limit: {over}"


def i6_nobody_decides_on_their_own_request(seen: Evidence) -> None:
    """And nothing is given back that was not taken. Penalties and confirmations of a real office: `house_invariants`."""
    held: Counter[str] = Counter()
    for event in seen.toy_events:
        if isinstance(event.data, TokenTaken):
            assert event.actor != event.data.holder_id, f"I6: {event.actor} took a token for themselves"
            held[event.data.holder_id] += 1
        if isinstance(event.data, TokenGivenBack):
            held[event.data.holder_id] -= 1
            assert held[event.data.holder_id] >= 0, f"I6: {event.data.holder_id} gave back what was not taken"


def i7_every_chain_verifies_to_its_head(seen: Evidence) -> None:
    for service, facts in (("toy", seen.toy), ("echo", seen.echo)):
        chains: dict[str, list[StoredFact]] = {}
        for fact in sorted(facts, key=lambda fact: fact.number or 0):
            chains.setdefault(fact.property or "", []).append(fact)
        assert set(chains) == set(seen.heads[service]), f"I7: chains of {service}"
        for property_id, chain in chains.items():
            events = list(check_chain(fact.raw for fact in chain))
            assert events[-1].chainnumber == seen.heads[service][property_id].number, (
                f"I7: the end of {property_id} is missing"
            )


def i8_everything_went_on_or_ended_with_a_reason(seen: Evidence) -> None:
    assert seen.seconds_to_drain <= seen.drain_limit_seconds, f"I8: drained only after {seen.seconds_to_drain:.0f} s"
    odd = {name: codes for name, codes in seen.ends.items() if not set(codes) <= ENDS}
    assert not odd, f"I8: ended without a reason: {odd}"


def i9_nothing_is_left_open(seen: Evidence) -> None:
    leaking = {name: grown for name, grown in seen.growth.items() if grown[0] > 30 or grown[1] > 20}
    assert not leaking, f"I9: files and threads more than at the start: {leaking}"


def i10_no_personal_data_beside_the_sealed_field(seen: Evidence) -> None:
    for secret in seen.secrets:
        for name, log in seen.logs.items():
            assert secret not in log, f"I10: {secret!r} stands in the log of {name}"
        for message in seen.published:
            beside = f"{message.subject} {dict(message.headers)}".encode() + message.data
            assert secret.encode() not in beside, f"I10: {secret!r} stands in what was published"


def i11_no_property_sees_another(seen: Evidence) -> None:
    for facts, events in ((seen.toy, seen.toy_events), (seen.echo, seen.echo_events)):
        for fact, event in zip(facts, events, strict=True):
            assert event.property_id == fact.property, "I11: a fact lies in another property's chain"
    for message in seen.published:
        event = read_event(message.data)
        assert parse(message.subject).property_id == event.property_id, "I11: published under another property"


INVARIANTS: tuple[Callable[[Evidence], None], ...] = (
    i1_what_was_answered_is_stored_once,
    i2_the_stream_is_the_store,
    i3_each_fact_is_taken_in_once_and_in_order,
    i4_what_is_replayed_is_what_is_shown,
    i5_nobody_has_more_than_the_rule_allows,
    i6_nobody_decides_on_their_own_request,
    i7_every_chain_verifies_to_its_head,
    i8_everything_went_on_or_ended_with_a_reason,
    i9_nothing_is_left_open,
    i10_no_personal_data_beside_the_sealed_field,
    i11_no_property_sees_another,
)


def hold(seen: Evidence) -> None:
    """Check them all."""
    for invariant in INVARIANTS:
        invariant(seen)
