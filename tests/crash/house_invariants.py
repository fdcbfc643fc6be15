"""The invariants I1 to I11 held against a real office: what registry and attendance stored, published and logged.

I6, that nobody decides on their own request and no step is skipped, has its home here: a toy has nobody to decide.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from bailiwick_contracts.attendance import MissedPunchConfirmed, PunchRecorded
from bailiwick_contracts.conduct import PenaltyDecided, PenaltyReversed
from bailiwick_contracts.deductions import PenaltyFigures
from bailiwick_contracts.envelope import Event, check_chain, read_event
from bailiwick_contracts.readjudicate import Summary, in_recorded_order, readjudicate
from bailiwick_contracts.sealed import Keys, open_record
from bailiwick_contracts.subjects import parse

from services.kernel.store import Head, StoredFact
from tests.crash.house import DIRECTORS, WAGE, Asked
from tests.crash.invariants import (  # fmt: skip
    Evidence,
    Published,
    i8_everything_went_on_or_ended_with_a_reason,
    i9_nothing_is_left_open,
)


@dataclass
class Seen:
    """What is looked at after a drain, by service."""

    asked: Sequence[Asked]
    facts: Mapping[str, Sequence[StoredFact]]
    heads: Mapping[str, Mapping[str, Head]]
    taken: Mapping[str, int]
    """How far attendance took in the registry, by property."""
    published: Mapping[str, Sequence[Published]]
    views_rebuilt: Callable[[], None]
    """Rebuilds every view of every service and raises where one is not what it was."""
    keys: Keys
    logs: Mapping[str, str]
    secrets: Sequence[str]
    process: Evidence
    """How long the drain took, how processes ended and what they hold open."""

    @cached_property
    def events(self) -> list[Event[Any]]:
        """What attendance stored."""
        return [read_event(fact.raw, fact.type) for fact in self.facts["attendance"]]

    def of(self, kind: type[Any]) -> list[Event[Any]]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event.data, kind)]


def i1_what_was_answered_is_stored_once(seen: Seen) -> None:
    stored = {event.commandid for event in seen.events}
    lost = [one for one in seen.asked if one.outcome in ("done", "refused") and one.command_id not in stored]
    assert not lost, f"I1: answered and not stored: {lost[:3]}"


def i2_the_stream_is_the_store(seen: Seen) -> None:
    for service, facts in seen.facts.items():
        published = [(message.position, message.data) for message in seen.published[service]]
        assert published == [(fact.position, fact.raw) for fact in facts], f"I2: {service}"


def i3_each_fact_is_taken_in(seen: Seen) -> None:
    """To the end of every chain; that each was taken in once and in order is what the copies show (I4)."""
    assert seen.taken == {place: head.number for place, head in seen.heads["registry"].items()}, "I3"


def i4_what_is_replayed_is_what_is_shown(seen: Seen) -> None:
    seen.views_rebuilt()
    chains = [[fact.raw for fact in facts] for facts in seen.facts.values()]
    summary = Summary()
    other = list(readjudicate(in_recorded_order(*chains), seen.keys, summary=summary))
    assert not other, f"I4: ruled otherwise when judged again: {other[:3]}"


def i5_no_fine_twice_and_none_beyond_the_law(seen: Seen) -> None:
    """One penalty an occurrence, one record a punch, and at most a fifth of the wage a month."""
    for kind, key in (
        (PenaltyDecided, "penalty_id"),
        (PunchRecorded, "punch_id"),
        (MissedPunchConfirmed, "confirmation_id"),
    ):
        counts = Counter((event.property_id, getattr(event.data, key)) for event in seen.of(kind))
        assert not [one for one, count in counts.items() if count > 1], f"I5: {key} twice"
    reversed_ids = {event.data.reverses for event in seen.of(PenaltyReversed)}
    standing: Counter[tuple[str, Any, str]] = Counter()
    sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for event in seen.of(PenaltyDecided):
        if event.id in reversed_ids:
            continue
        data = event.data
        standing[data.staff_id, data.day, data.kind] += 1
        figures = open_record(data.figures, PenaltyFigures, event_id=event.id, path="figures", keys=seen.keys)
        assert figures.computed is not None
        sums[data.staff_id, str(data.asked.month)] += Fraction(figures.computed.penalty.amount)
    assert not [one for one, count in standing.items() if count > 1], "I5: two penalties stand on one occurrence"
    over = {who: total for who, total in sums.items() if total > Fraction(WAGE) / 5}
    assert not over, f"I5: beyond a fifth of the wage: {over}"


def i6_nobody_decides_on_themselves_and_no_step_is_skipped(seen: Seen) -> None:
    decided: dict[str, Event[Any]] = {}
    for event in seen.events:
        if isinstance(event.data, PenaltyDecided | PenaltyReversed | MissedPunchConfirmed):
            person = event.onbehalfof or event.actor
            assert event.actor != event.data.staff_id, f"I6: {event.type} about themselves: {event.actor}"
            assert person == DIRECTORS[event.property_id], f"I6: {event.type} by {person}, who is not the director"
        if isinstance(event.data, PenaltyDecided):
            decided[event.id] = event
        if isinstance(event.data, PenaltyReversed):
            assert event.data.reverses in decided, "I6: taken back before it was decided"
            assert decided[event.data.reverses].data.penalty_id == event.data.penalty_id, "I6"
    own = [one for one in seen.asked if one.by == one.about]
    assert own, "I6: nobody tried"
    got_through = [one for one in own if one.outcome == "done"]
    assert not got_through, f"I6: decided on their own request: {got_through[:3]}"


def i7_every_chain_verifies_to_its_head(seen: Seen) -> None:
    for service, facts in seen.facts.items():
        chains: dict[str, list[StoredFact]] = defaultdict(list)
        for fact in sorted(facts, key=lambda fact: fact.number or 0):
            chains[fact.property or ""].append(fact)
        assert set(chains) == set(seen.heads[service]), f"I7: chains of {service}"
        for place, chain in chains.items():
            events = list(check_chain(fact.raw for fact in chain))
            assert events[-1].chainnumber == seen.heads[service][place].number, f"I7: the end of {service} at {place}"


def i10_no_personal_data_beside_the_sealed_fields(seen: Seen) -> None:
    beside = b"\n".join(
        f"{message.subject} {dict(message.headers)}".encode() + message.data
        for messages in seen.published.values()
        for message in messages
    )
    stored = b"\n".join(fact.raw for facts in seen.facts.values() for fact in facts)
    for secret in seen.secrets:
        assert secret.encode() not in beside, f"I10: {secret!r} was published"
        assert secret.encode() not in stored, f"I10: {secret!r} is stored in clear text"
        for name, log in seen.logs.items():
            assert secret not in log, f"I10: {secret!r} stands in the log of {name}"


def i11_no_property_sees_another(seen: Seen) -> None:
    for service, facts in seen.facts.items():
        for fact in facts:
            event = read_event(fact.raw, fact.type)
            assert event.property_id == fact.property, f"I11: {service}: a fact lies in another property's chain"
            about = getattr(event.data, "staff_id", "")
            if service == "attendance" and about:
                assert about.startswith(event.property_id[:5]), f"I11: {about} in the chain of {event.property_id}"
    for messages in seen.published.values():
        for message in messages:
            assert parse(message.subject).property_id == read_event(message.data).property_id, "I11: wrong subject"


INVARIANTS: tuple[Callable[[Seen], None], ...] = (
    i1_what_was_answered_is_stored_once,
    i2_the_stream_is_the_store,
    i3_each_fact_is_taken_in,
    i4_what_is_replayed_is_what_is_shown,
    i5_no_fine_twice_and_none_beyond_the_law,
    i6_nobody_decides_on_themselves_and_no_step_is_skipped,
    i7_every_chain_verifies_to_its_head,
    i10_no_personal_data_beside_the_sealed_fields,
    i11_no_property_sees_another,
)


def hold(seen: Seen) -> None:
    """Check them all; I8 and I9 are those of every system."""
    for invariant in INVARIANTS:
        invariant(seen)
    i8_everything_went_on_or_ended_with_a_reason(seen.process)
    i9_nothing_is_left_open(seen.process)
