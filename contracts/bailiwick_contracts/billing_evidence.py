"""What billing's rulings and allocations rest on: charges, receipts and waivers as they stood before a fact."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.mark import Mark, Sees, Stood, latest, stand
from bailiwick_contracts.message import built
from bailiwick_contracts.receipt import (
    MatchConfirmed,
    PaymentAllocated,
    PaymentReleased,
    ReceiptBounced,
    ReceiptPosted,
    ReceiptRefunded,
    ReceiptStanding,
)
from bailiwick_contracts.tariff import Standing
from bailiwick_contracts.waiver import WaiverForwarded, WaiverGranted

_TOUCHING: frozenset[type] = frozenset({ChargesReversed, WaiverGranted, PaymentAllocated, PaymentReleased})
_OF_RECEIPTS: frozenset[type] = frozenset(
    {ReceiptPosted, PaymentAllocated, PaymentReleased, ReceiptRefunded, ReceiptBounced, MatchConfirmed}
)


def standings(fact: Any) -> Iterable[Standing]:
    """Every charge that a fact made or touched, as it stood afterwards."""
    if type(fact) in _TOUCHING:
        for touched in fact.lines:
            yield touched.after
    elif type(fact) is ChargesAccrued:
        for line in fact.lines:
            yield line.charge
            if line.late_of is not None:
                yield line.late_of


class BillingEvidence:
    """By property, the facts of billing that a ruling or an allocation rests on. Facts of one chain are taken in order."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._charges: defaultdict[str, _Charges] = defaultdict(_Charges)
        self._receipts: defaultdict[tuple[str, str], list[Stood]] = defaultdict(list)
        self._waivers: defaultdict[tuple[str, str], list[Stood]] = defaultdict(list)

    def take(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact."""
        fact, place = event.data, event.property_id
        charges = self._charges[place]
        stood_at = Mark(mark.chain, mark.number, mark.at, mark.fact_id, None)  # the fact itself need not be kept
        for standing in standings(fact):
            charges.take(stood_at, standing)
        if type(fact) in _OF_RECEIPTS:
            stand(self._receipts[place, fact.receipt.receipt_id], stood_at, fact.receipt)
        elif type(fact) is WaiverForwarded:
            stand(self._waivers[place, fact.waiver_id], mark, fact)

    def charge(self, place: str, charge_id: str, sees: Sees) -> Standing | None:
        """A charge as it stood."""
        found = latest(self._charges[place].stood.get(charge_id, ()), sees)
        return found[1] if found is not None else None

    def open_of(self, place: str, unit_id: str, sees: Sees) -> list[Standing]:
        """What was open of a unit, in no order."""
        debts = self._charges[place].of_units.get(unit_id)
        return debts.open(sees) if debts is not None else []

    def receipt(self, place: str, receipt_id: str, sees: Sees) -> ReceiptStanding | None:
        """A receipt as it stood."""
        found = latest(self._receipts.get((place, receipt_id), ()), sees)
        return found[1] if found is not None else None

    def forwarded(self, place: str, waiver_id: str, sees: Sees) -> Mark | None:
        """The request for a waiver."""
        found = latest(self._waivers.get((place, waiver_id), ()), sees)
        return found[0] if found is not None else None


class _Charges:
    """The charges of a property, by id and by unit."""

    def __init__(self) -> None:
        self.stood: defaultdict[str, list[Stood]] = defaultdict(list)
        self.of_units: defaultdict[str, _Debts] = defaultdict(_Debts)
        self._unit_of: dict[str, str] = {}
        """Of which unit a charge was said to be first."""

    def take(self, mark: Mark, standing: Standing) -> None:
        charge_id, unit_id = standing.charge_id, standing.unit_id
        stood = self.stood[charge_id]
        stand(stood, mark, built(Standing, standing.__dict__))  # as every other, without its own list of what was said
        self.of_units[unit_id].touch(charge_id, stood)
        first = self._unit_of.setdefault(charge_id, unit_id)
        if first != unit_id:
            for one in (first, unit_id):
                self.of_units[one].share(charge_id, stood)


class _Debts:
    """The charges of a unit. Those settled before whatever is asked about are passed over, however many they are."""

    def __init__(self) -> None:
        self._every: dict[str, list[Stood]] = {}
        self._looked_at: dict[str, list[Stood]] = {}
        """All but those that were found settled and that no fact touched since."""
        self._settled: dict[str, Mark] = {}
        """By chain, a place behind which none of the others stood last."""
        self._shared: set[str] = set()

    def touch(self, charge_id: str, stood: list[Stood]) -> None:
        """A charge stands otherwise than it did."""
        self._every[charge_id] = self._looked_at[charge_id] = stood

    def share(self, charge_id: str, stood: list[Stood]) -> None:
        """A charge is said to be of another unit as well, whose facts touch it too: it is looked at always."""
        self._shared.add(charge_id)
        self.touch(charge_id, stood)

    def open(self, sees: Sees) -> list[Standing]:
        """What was open. Where not all that was settled counts, every charge is looked at."""
        settled_counts = all(map(sees, self._settled.values()))
        found: list[Standing] = []
        settled: list[tuple[str, Mark]] = []
        for charge_id, stood in (self._looked_at if settled_counts else self._every).items():
            mark, standing = stood[-1]
            if not sees(mark):
                known = latest(stood, sees)
                if known is not None and known[1].open > 0:
                    found.append(known[1])
            elif standing.open > 0:
                found.append(standing)
            elif charge_id not in self._shared:
                settled.append((charge_id, mark))
        for charge_id, mark in settled:
            if self._looked_at.pop(charge_id, None) is not None:
                self._settle(mark)
        return found

    def _settle(self, mark: Mark) -> None:
        known = self._settled.get(mark.chain)
        if known is None:
            self._settled[mark.chain] = Mark(mark.chain, mark.number, mark.at, "", None)
        elif mark.number > known.number or mark.at > known.at:
            number, at = max(mark.number, known.number), max(mark.at, known.at)
            self._settled[mark.chain] = Mark(mark.chain, number, at, "", None)
