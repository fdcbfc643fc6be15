"""Re-adjudication: from stored facts and keys alone, derive every input of every ruling again, rule again, and compare.

Nothing that a ruling says about itself is believed: lateness comes from punches and shifts, counts and sums from what stood
before the fact, grade, wage, delegation and versions from the registry as it stood at the positions that the ruling names.
Facts recorded later change nothing.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any, NamedTuple

from bailiwick_contracts.billing_judgement import JUDGES
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped
from bailiwick_contracts.judgement import DERIVATIONS, positions_of
from bailiwick_contracts.sealed import Keys, SealingError
from bailiwick_contracts.stored import read_evidence, recorded_at
from bailiwick_contracts.unread import Fetch, Place, about, is_about


@dataclass
class Summary:
    """What a re-adjudication came to."""

    read: int = 0
    judged: int = 0
    equal: int = 0
    differing: int = 0
    derivations: int = 0
    """Days derived again on the way."""
    derivations_differing: int = 0
    unreadable: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Decisions not judged, by reason: `imported_without_ruling`, `taken_over_without_ruling`,
    `refused_without_ruling`, `key_not_held`,
    `evidence_missing`, `version_not_in_the_ledger`."""
    retracted_since: list[str] = field(default_factory=list)
    """Rulings that stand on a fact which was retracted after them, by id: they stand, and somebody should look."""

    @property
    def agrees(self) -> bool:
        """Whether everything came out again as it was recorded."""
        return not (self.differing or self.derivations_differing or self.unreadable)


def in_recorded_order(*chains: Iterable[bytes]) -> Iterator[bytes]:
    """Chains, each in its own order, as one sequence by the instant of recording: what `readjudicate` wants."""

    def keyed(chain: Iterable[bytes]) -> Iterator[tuple[datetime, bytes]]:
        for raw in chain:
            yield recorded_at(raw), raw

    return (raw for _, raw in merge(*map(keyed, chains), key=lambda item: item[0]))


def readjudicate(
    raws: Iterable[bytes],
    keys: Keys,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    property_id: str | None = None,
    under: str | None = None,
    summary: Summary | None = None,
) -> Iterator[Finding]:
    """Judge every ruling again and yield each difference.

    Args:
        raws: stored facts of every service by instant of recording, each chain in its own order (`in_recorded_order`).
            An unreadable one is a finding.
        keys: the payroll keys; no personal key is asked for.
        since: judge rulings recorded at or after this instant. Earlier facts are still evidence.
        until: judge rulings recorded before this instant.
        property_id: judge rulings of this property alone.
        under: judge under this version of the matrix, whenever a ruling was given; what differs is then what would have
            come out differently. The version may have been adopted at any time.
        summary: filled in meanwhile, complete when the iterator ends.
    """
    chosen = Chosen(since, until, property_id, under)
    bench = Bench(keys, chosen, summary if summary is not None else Summary())
    for raw in raws:
        yield from bench.read(raw)
    yield from bench.finish()


class Chosen(NamedTuple):
    """Which rulings are judged, and under what; see `readjudicate`."""

    since: datetime | None = None
    until: datetime | None = None
    property_id: str | None = None
    under: str | None = None
    share: int = 0
    """Of the people and streams, when `shares` benches judge side by side, the one that is judged here."""
    shares: int = 1

    def picks(self, event: Event[Any]) -> bool:
        """Whether a decision or a derivation is judged, by whichever bench."""
        return (
            (self.property_id is None or event.property_id == self.property_id)
            and (self.since is None or event.recordedat >= self.since)
            and (self.until is None or event.recordedat < self.until)
        )


class Bench:
    """Evidence read so far, and the rulings that wait for theirs to be complete."""

    def __init__(self, keys: Keys, chosen: Chosen, summary: Summary, fetch: Fetch | None = None) -> None:
        """`summary` is filled in meanwhile; `fetch` reads what was left where it stands."""
        self._evidence = Evidence(keys, fetch)
        self._chosen, self._under = chosen, chosen.under
        self._waiting: deque[Event[Any]] = deque()
        self._behind: list[Event[Any]] = []
        self._dealt: dict[str, int] = {}
        self._given = [0] * chosen.shares
        """How many facts each share has had of what was dealt to it."""
        self.summary = summary

    def read(self, raw: bytes, alone: str | None = None) -> Sequence[Finding]:
        """Read one more stored fact, where it is known what it is about alone (`unread.whose`); what cannot be read is a finding."""
        self.summary.read += 1
        try:
            event = read_evidence(raw)
            if alone is not None and not is_about(event, alone):
                raise ValueError(
                    "type, source, subject and staff_id: each is said once, and where every fact of its kind says it"
                )
        except ValueError as error:
            if alone is None and self._chosen.share:
                return ()  # the bench of the first share says so
            self.summary.unreadable += 1
            return (Finding(fact_id=_id_of(raw), field="event", kind="unreadable", was=str(error)[:200]),)
        return self._take(event, is_ours=alone is not None)

    def finish(self) -> Sequence[Finding]:
        """Judge what is left."""
        found = [finding for event in (*self._behind, *self._waiting) for finding in self._judge(event)]
        self._waiting.clear()
        self._behind.clear()
        self.summary.retracted_since.extend(sorted(self._evidence.retracted_since()))
        return found

    def leave(self, alone: str, place: Place) -> None:
        """Leave a fact that another bench judges where it stands; if about a person, until something is asked of the person."""
        self.summary.read += 1
        self._evidence.unread.keep(alone, place)

    def holds(self, what: str) -> bool:
        """Whether one more fact about this (`unread.about`) is judged here.

        What comes anew is dealt to the share that had fewest facts: alike wherever the same facts are asked for in the same order.
        """
        share = self._dealt.get(what)
        if share is None:
            share = self._dealt[what] = self._given.index(min(self._given))
        self._given[share] += 1
        return share == self._chosen.share

    def _picks(self, event: Event[Any], *, is_ours: bool) -> bool:
        return self._chosen.picks(event) and (is_ours or self._chosen.shares == 1 or self.holds(about(event)))

    def _take(self, event: Event[Any], *, is_ours: bool) -> Sequence[Finding]:
        """One more fact; whatever was recorded before it can be judged now."""
        found: list[Finding] = []
        while self._waiting and self._waiting[0].recordedat < event.recordedat:
            found += self._judge_or_wait(self._waiting.popleft())
        self._evidence.take(event)
        if event.type in JUDGES and self._picks(event, is_ours=is_ours):
            self._waiting.append(event)
        elif event.type in DERIVATIONS:
            self._evidence.unasked(event)
        return found

    def _judge_or_wait(self, event: Event[Any]) -> Sequence[Finding]:
        if event.type not in DERIVATIONS and (
            self._evidence.registry.missing(positions_of(event))
            or (self._under is not None and self._evidence.registry.version(self._under) is None)
        ):
            self._behind.append(event)
            return ()
        return self._judge(event)

    def _judge(self, event: Event[Any]) -> Sequence[Finding]:
        try:
            findings = list(JUDGES[event.type](event, self._evidence, self._under))
        except Skipped as skipped:
            self.summary.skipped[skipped.reason] += 1
            return ()
        except SealingError as error:
            if "no key named" in str(error):
                self.summary.skipped["key_not_held"] += 1
                return ()
            findings = [Finding.about(event, field="figures", kind="unreadable", was=str(error))]
        except (ValueError, ArithmeticError) as error:
            findings = [Finding.about(event, field="ruling", kind="unreadable", was=str(error)[:500])]
        if event.type in DERIVATIONS:
            self.summary.derivations += 1
            self.summary.derivations_differing += bool(findings)
        else:
            self.summary.judged += 1
            self.summary.equal += not findings
            self.summary.differing += bool(findings)
        return findings


def _id_of(raw: bytes) -> str:
    marker = b'"id":"'
    start = raw.find(marker)
    found = raw[start + len(marker) : raw.find(b'"', start + len(marker))] if start >= 0 else b""
    return found.decode(errors="replace")[:64] or "unknown"
