"""What billing's rulings and allocations rest on: charges, receipts and waivers as they stood before a fact."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from bailiwick_contracts.charge import ChargesAccrued, ChargesReversed
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.mark import Mark, Sees, last
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


def standings(fact: Any) -> Iterable[Standing]:
    """Every charge that a fact made or touched, as it stood afterwards."""
    match fact:
        case ChargesAccrued():
            for line in fact.lines:
                yield line.charge
                if line.late_of is not None:
                    yield line.late_of
        case ChargesReversed() | WaiverGranted() | PaymentAllocated() | PaymentReleased():
            for touched in fact.lines:
                yield touched.after
        case _:
            return


class BillingEvidence:
    """The facts of billing that a ruling or an allocation rests on. Facts of one chain are taken in order."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._charges: defaultdict[tuple[str, str], list[Mark]] = defaultdict(list)
        self._of_unit: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._receipts: defaultdict[str, list[Mark]] = defaultdict(list)
        self._waivers: defaultdict[str, list[Mark]] = defaultdict(list)

    def take(self, mark: Mark, event: Event[Any]) -> None:
        """Read one more fact."""
        fact, place = event.data, event.property_id
        for charge in standings(fact):
            self._charges[place, charge.charge_id].append(_with(mark, charge))
            self._of_unit[place, charge.unit_id][charge.charge_id] = None
        match fact:
            case (
                ReceiptPosted()
                | PaymentAllocated()
                | PaymentReleased()
                | ReceiptRefunded()
                | ReceiptBounced()
                | MatchConfirmed()
            ):
                self._receipts[fact.receipt.receipt_id].append(_with(mark, fact.receipt))
            case WaiverForwarded():
                self._waivers[fact.waiver_id].append(mark)
            case _:
                return

    def charge(self, place: str, charge_id: str, sees: Sees) -> Standing | None:
        """A charge as it stood."""
        found = last(self._charges.get((place, charge_id), ()), sees)
        return found.value if found is not None else None

    def open_of(self, place: str, unit_id: str, sees: Sees) -> list[Standing]:
        """What was open of a unit."""
        found = (self.charge(place, charge_id, sees) for charge_id in self._of_unit.get((place, unit_id), ()))
        return [charge for charge in found if charge is not None and charge.open > 0]

    def receipt(self, receipt_id: str, sees: Sees) -> ReceiptStanding | None:
        """A receipt as it stood."""
        found = last(self._receipts.get(receipt_id, ()), sees)
        return found.value if found is not None else None

    def forwarded(self, waiver_id: str, sees: Sees) -> Mark | None:
        """The request for a waiver."""
        return last(self._waivers.get(waiver_id, ()), sees)


def _with(mark: Mark, value: Any) -> Mark:
    return Mark(mark.chain, mark.number, mark.at, mark.fact_id, value)
