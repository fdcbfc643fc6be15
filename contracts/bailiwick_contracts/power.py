"""A power under judgement: by which row a kind of fact is decided and what it shows, and the judge that follows from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bailiwick_contracts.authority import Outcome, rule
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.evidence import Evidence
from bailiwick_contracts.finding import Finding, Skipped, compared, ruling_compared
from bailiwick_contracts.judgement import Ground, Judge, beyond_reach, ground_of
from bailiwick_contracts.mark import Sees, copied, recorded_by
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.showing import Showing, shown

GRANTED: tuple[Outcome, ...] = ("granted",)
OPENED: tuple[Outcome, ...] = ("recommend_only",)
BEYOND: tuple[Outcome, ...] = ("escalated", "recommend_only")


@dataclass(frozen=True)
class Case:
    """A decision under judgement, with everything it may have rested on."""

    event: Event[Any]
    evidence: Evidence
    ground: Ground

    @property
    def fact(self) -> Any:
        """What was recorded."""
        return self.event.data

    @property
    def sees(self) -> Sees:
        """What of attendance had been recorded before it."""
        return self.ground.sees

    @property
    def knows(self) -> Sees:
        """What of the registry its copy held."""
        return copied(self.ground.positions) if self.ground.positions else recorded_by(self.event.recordedat)


def nothing_shown(_: Case) -> Showing:
    """Nothing beside who asks."""
    return Showing()


def its_person(fact: Any) -> str | None:
    """Whom a fact is about."""
    found: str | None = getattr(fact, "staff_id", None)
    return found


def nobody(_: Any) -> str | None:
    """A fact about no person."""
    return None


@dataclass(frozen=True)
class Power:
    """Under which row a kind of fact is decided, and what it shows."""

    row_id: str | Callable[[Case], tuple[str, Verb]]
    verb: Verb = "decide"
    shows: Callable[[Case], Showing] = nothing_shown
    subject: Callable[[Any], str | None] = its_person
    expects: tuple[Outcome, ...] = ()
    """The outcomes of which this kind of fact comes; empty: any."""
    also: Callable[[Case], Iterator[Finding]] | None = None
    """What else of the fact comes out again."""


def judged_by(power: Power) -> Judge:
    """The judge of one kind of fact."""

    def judge(event: Event[Any], evidence: Evidence, under: str | None) -> Iterator[Finding]:
        fact = event.data
        if fact.ruling is None:
            raise Skipped("taken_over_without_ruling" if not hasattr(fact, "reason") else "refused_without_ruling")
        yield from beyond_reach(event, evidence)
        named = power.row_id if isinstance(power.row_id, str) else "A1"
        ground = ground_of(event, evidence, under, named, power.verb, power.subject(fact))
        case = Case(event, evidence, ground)
        row_id, verb = (power.row_id, power.verb) if isinstance(power.row_id, str) else power.row_id(case)
        asked = shown(ground.asked, row_id, verb, power.shows(case))
        again = rule(ground.matrix, asked, selected_at=event.recordedat, positions=ground.positions)
        if under is not None:
            for name in ("outcome", "reason", "escalate_to"):
                yield from compared(event, name, "different", getattr(fact.ruling, name), getattr(again, name))
            return
        yield from ruling_compared(event, again)
        if power.expects and again.outcome not in power.expects:
            yield Finding.about(event, field="outcome", kind="ruling", was=fact.ruling.outcome, would_be=again.outcome)
        if power.also is not None:
            yield from power.also(case)

    return judge
