"""The penalties that rulings rest on: which stand on an occurrence or in a month, as they stood before a given fact, and their amounts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

from bailiwick_contracts.conduct import ImportedAmount, PenaltyDecided, PenaltyImported, PenaltyReversed
from bailiwick_contracts.deductions import PenaltyFigures, Requested
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.mark import Mark, Sees, last
from bailiwick_contracts.message import Record, built, made
from bailiwick_contracts.penalty_case import StandingPenalty
from bailiwick_contracts.quota import Amount
from bailiwick_contracts.sealed import Keys, open_field, open_record, written

_fact_id = attrgetter("fact_id")


class _WhatWasAsked(Record):
    """As much of the record of a penalty's amounts as a ruling rests on."""

    requested: Requested


@lru_cache(maxsize=4096)
def _asked(text: str) -> Requested:
    return _WhatWasAsked.model_validate_json(text).requested


class PenaltyEvidence:
    """Penalties by person, day and month. Facts of one chain are taken in order."""

    def __init__(self, keys: Keys) -> None:
        """`keys` opens figures."""
        self._keys = keys
        self._on_day: defaultdict[tuple[str, date], list[Mark]] = defaultdict(list)
        self._taken_in: defaultdict[tuple[str, str], list[Mark]] = defaultdict(list)
        self._imported: defaultdict[str, list[Mark]] = defaultdict(list)
        self._by_penalty: defaultdict[str, list[Mark]] = defaultdict(list)
        self._reversals: defaultdict[str, list[Mark]] = defaultdict(list)
        self._amounts: dict[str, Amount | None] = {}
        self._figures: dict[str, PenaltyFigures] = {}
        self._unread: dict[str, str] = {}
        """The records of amounts that were opened and of which no more was read than what was asked for."""

    def take(self, mark: Mark, fact: PenaltyDecided | PenaltyImported, month: str) -> None:
        """Read one more penalty, taken in a wage month."""
        self._on_day[fact.staff_id, fact.day].append(mark)
        self._taken_in[fact.staff_id, month].append(mark)
        if type(fact) is PenaltyImported:
            self._imported[fact.staff_id].append(mark)
        self._by_penalty[fact.penalty_id].append(mark)

    def take_reversal(self, mark: Mark, fact: PenaltyReversed) -> None:
        """Read that a penalty was taken back."""
        self._reversals[fact.penalty_id].append(mark)

    def __contains__(self, penalty_id: str) -> bool:
        """Whether a penalty was read."""
        return penalty_id in self._by_penalty

    def penalty(self, penalty_id: str, sees: Sees) -> Mark | None:
        """The fact that decided or imported a penalty."""
        return last(self._by_penalty.get(penalty_id, ()), sees)

    def standing_on(self, ids: Iterable[str], day: date, occurrence: str, sees: Sees) -> tuple[StandingPenalty, ...]:
        """The penalties that stand on an occurrence."""
        return tuple(
            [
                made(StandingPenalty, clause=clause, fact_id=mark.fact_id)
                for one in ids
                for mark in self._standing(self._on_day.get((one, day), ()), sees)
                for on, clause in (_occurrence(mark.value.data),)
                if on == occurrence
            ]
        )

    def imported(self, staff_id: str, sees: Sees) -> Iterator[Mark]:
        """The penalties of a person that were taken over and stand."""
        return self._standing(self._imported.get(staff_id, ()), sees)

    def month_penalties(self, ids: Iterable[str], month: str, sees: Sees) -> tuple[Amount, ...]:
        """The penalties that stand in a person's wage month, whatever the property, opened. Raises SealingError, ValueError."""
        taken = [mark for one in ids for mark in self._standing(self._taken_in.get((one, month), ()), sees)]
        amounts = [amount for mark in taken if (amount := self._amount(mark)) is not None]
        return tuple(sorted(amounts, key=_fact_id))

    def _standing(self, marks: Iterable[Mark], sees: Sees) -> Iterator[Mark]:
        reversals = self._reversals
        for mark in marks:
            if sees(mark):
                taken_back = reversals.get(mark.value.data.penalty_id, ()) if reversals else ()
                if not any(map(sees, taken_back)):
                    yield mark

    def requested(self, event: Event[Any]) -> Requested:
        """What was asked for, from the record of a penalty's amounts, of which no more is read. Raises SealingError, ValueError."""
        found = self._figures.get(event.id)
        if found is not None:
            return found.requested
        # Whatever the text says beyond this is compared with what comes out, or else read whole.
        before, _, computed = self._opened(event).partition(',"computed":')
        try:
            return _asked(f"{before}}}" if computed else before)
        except ValueError:
            return self.figures(event).requested  # which names all that is wrong with it

    def recorded(self, event: Event[Any], figures: PenaltyFigures) -> bool:
        """Whether the record of a penalty's amounts is, to the letter, what these are written as. Raises SealingError."""
        if event.id in self._figures:
            return self._figures[event.id] == figures
        if self._opened(event) != written(figures):
            return False
        self._unread.pop(event.id)
        self._amounts[event.id] = _amount(figures, event.id)  # of all of them, what other rulings ask for
        return True

    def figures(self, event: Event[Any]) -> PenaltyFigures:
        """The amounts of a penalty, read once. Raises SealingError, ValueError."""
        found = self._figures.get(event.id)
        if found is None:
            found = PenaltyFigures.model_validate_json(self._opened(event))
            self._unread.pop(event.id)
            self._figures[event.id] = found
        return found

    def _opened(self, event: Event[Any]) -> str:
        text = self._unread.get(event.id)
        if text is None:
            text = open_field(event.data.figures, event_id=event.id, path="figures", keys=self._keys)
            self._unread[event.id] = text
        return text

    def _amount(self, mark: Mark) -> Amount | None:
        fact_id = mark.fact_id
        if fact_id not in self._amounts:
            event = mark.value
            if isinstance(event.data, PenaltyImported):
                opened = open_record(
                    event.data.figures, ImportedAmount, event_id=fact_id, path="figures", keys=self._keys
                )
                self._amounts[fact_id] = made(Amount, amount=opened.penalty, fact_id=fact_id)
            else:
                self._amounts[fact_id] = _amount(self.figures(event), fact_id)
        return self._amounts[fact_id]


def _amount(figures: PenaltyFigures, fact_id: str) -> Amount | None:
    computed = figures.computed
    return built(Amount, {"amount": computed.penalty, "fact_id": fact_id}) if computed else None


def _occurrence(fact: PenaltyDecided | PenaltyImported) -> tuple[str, str]:
    return (fact.kind, "imported") if isinstance(fact, PenaltyImported) else (fact.asked.occurrence, fact.clause)
