"""Dunning: which units are told what, by stages that are data; arrears by age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from bailiwick_contracts.billing import DunningStage
from bailiwick_contracts.collection import Aged
from bailiwick_contracts.dunning import NoticesPrinted
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.receipt import age
from bailiwick_contracts.tariff import Standing

from services.kernel.decision import Noun


class Due(NamedTuple):
    """A notice that is due."""

    unit_id: str
    stage: DunningStage
    overdue_days: int
    charges: list[Standing]


def notices(
    owed: Mapping[str, Sequence[Standing]],
    told: Mapping[tuple[str, str], int],
    stages: Sequence[DunningStage],
    as_of: date,
) -> list[Due]:
    """The notices that are due on a date: the highest stage that a unit's oldest debt has reached, each once.

    Args:
        owed: overdue charges by unit, none of a unit in dispute.
        told: by unit and due date of its oldest debt, the highest stage it was told of.
        stages: the stages of the terms.
        as_of: the date of the letters.
    """
    found = []
    for unit_id in sorted(owed):
        charges = sorted(owed[unit_id], key=age)
        oldest = charges[0].due_on
        overdue = (as_of - oldest).days
        reached = [stage for stage in stages if stage.overdue_days <= overdue]
        stage = max(reached, key=lambda one: (one.overdue_days, one.stage), default=None)
        if stage is not None and told.get((unit_id, oldest.isoformat()), 0) < stage.stage:
            found.append(Due(unit_id, stage, overdue, charges))
    return found


_BUCKETS = ((0, "not_due"), (30, "up_to_30"), (90, "up_to_90"), (365, "up_to_365"))


def aged(charges: Sequence[Standing], disputed: frozenset[str], on: date) -> tuple[Aged, ...]:
    """Arrears by fee class and payer class, by days overdue."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = {}
    units: dict[tuple[str, str], set[str]] = {}
    for charge in charges:
        key = (charge.fee_class, charge.payer_class)
        overdue = (on - charge.due_on).days
        bucket = next((name for days, name in _BUCKETS if overdue <= days), "over_365")
        of_key = sums.setdefault(key, {})
        of_key[bucket] = of_key.get(bucket, Decimal(0)) + charge.open
        if charge.unit_id in disputed:
            of_key["disputed"] = of_key.get("disputed", Decimal(0)) + charge.open
        units.setdefault(key, set()).add(charge.unit_id)
    return tuple(
        Aged.model_validate(
            {"fee_class": fee, "payer_class": payer, "units": len(units[fee, payer]), **sums[fee, payer]}
        )
        for fee, payer in sorted(sums)
    )


@dataclass(frozen=True)
class Batch:
    """What was printed of a batch: the hashes of the letters and of their fonts."""

    printed: frozenset[tuple[str, str]] = frozenset()


def evolve(batch: Batch, event: Event[Any]) -> Batch:
    """Remember what was printed."""
    if isinstance(event.data, NoticesPrinted):
        return Batch(batch.printed | {(event.data.pdf_sha256, event.data.fonts_sha256)})
    return batch


BATCH = Noun("batch", Batch(), evolve)
