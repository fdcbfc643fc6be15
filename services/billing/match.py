"""Matching: to which unit a receipt may belong, why, and how sure that is; a person has the last word below the threshold."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.receipt import Proposal
from bailiwick_contracts.tariff import BilledUnit

_PLACE = re.compile(r"(?<=[0-9A-Za-z])(?:\s*(?:栋|棟|幢|座|号楼|號樓|单元|單元|楼|樓|层|層|#)\s*|[/—–])(?=[0-9A-Za-z])")
_TOKEN = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")
_SURE = {"reference": 99, "room": 97, "known_payer": 96, "amount": 60}
"""Confidence in hundredths, each where nothing else is possible."""
_SHARED, _PART = 50, 80
_SHORTEST = 3


def normal(text: str) -> str:
    """One spelling of a room or reference: half-width, upper case, `3栋1502` as `3-1502`."""
    flat = unicodedata.normalize("NFKC", text).upper()
    flat = _PLACE.sub("-", flat)
    return re.sub(r"(?<=[0-9A-Z])[室房号號]", "", flat).strip()


@dataclass(frozen=True)
class Directory:
    """Every name by which a unit may be meant, and who paid for which unit before."""

    references: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rooms: Mapping[str, frozenset[str]] = field(default_factory=dict)
    payers: Mapping[str, str] = field(default_factory=dict)
    amounts: Mapping[Decimal, frozenset[str]] = field(default_factory=dict)
    """Units by what they owe in all."""


def directory(
    units: Iterable[BilledUnit], payers: Mapping[str, str] | None = None, owed: Mapping[str, Decimal] | None = None
) -> Directory:
    """The directory of a property's units."""
    references: dict[str, set[str]] = {}
    rooms: dict[str, set[str]] = {}
    for unit in units:
        for reference in unit.references:
            references.setdefault(normal(reference), set()).add(unit.unit_id)
        for room in {normal(unit.unit_id), normal(unit.label)}:
            rooms.setdefault(room, set()).add(unit.unit_id)
    amounts: dict[Decimal, set[str]] = {}
    for unit_id, amount in (owed or {}).items():
        amounts.setdefault(amount, set()).add(unit_id)
    return Directory(
        {name: frozenset(ids) for name, ids in references.items()},
        {name: frozenset(ids) for name, ids in rooms.items()},
        payers or {},
        {amount: frozenset(ids) for amount, ids in amounts.items()},
    )


def propose(said: str, payer: str | None, amount: Decimal, known: Directory) -> tuple[Proposal, ...]:
    """Up to five units a receipt may belong to, the surest first.

    A reference or room named whole is nearly sure; of several different ones named, none is. A payer whose receipt a person
    once put to a unit is known. An amount that just one unit owes is a hint.
    """
    tokens = [token for token in _TOKEN.findall(normal(said)) if len(token) >= _SHORTEST]
    found: dict[str, tuple[str, int]] = {}
    inside = [part for token in tokens if token not in known.rooms for part in _inside(token)]
    for reason, names in (("reference", known.references), ("room", known.rooms)):
        named = [ids for token in dict.fromkeys(tokens) if (ids := names.get(token))]
        units = sorted({unit_id for ids in named for unit_id in ids})
        confidence = _SURE[reason] if len(units) == 1 else _SHARED
        for unit_id in units:
            found.setdefault(unit_id, (reason, confidence))
    parts = sorted({unit_id for part in inside for unit_id in known.rooms.get(part, ())})
    for unit_id in parts:
        found.setdefault(unit_id, ("room", _PART if len(parts) == 1 and not found else _SHARED))
    sure = [unit_id for unit_id, (_, confidence) in found.items() if confidence > _SHARED]
    if len(sure) > 1:
        found = {unit_id: (reason, _SHARED) for unit_id, (reason, _) in found.items()}
    if payer is not None and payer in known.payers:
        found.setdefault(known.payers[payer], ("known_payer", _SURE["known_payer"] if not found else _SHARED))
    owing = known.amounts.get(amount, frozenset())
    if not found and owing:
        hint = _SURE["amount"] if len(owing) == 1 else _SURE["amount"] // len(owing)
        found.update(dict.fromkeys(owing, ("amount", hint)))
    ranked = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))[:5]
    return tuple(_proposal(unit_id, reason, confidence) for unit_id, (reason, confidence) in ranked if confidence > 0)


def _inside(token: str) -> list[str]:
    """Two or more neighbouring parts of `3-1502-3-1503` or `2026-3-1502`: a room may stand in it."""
    parts = token.split("-")
    return [
        "-".join(parts[start : start + size]) for size in range(2, len(parts)) for start in range(len(parts) - size + 1)
    ]


def _proposal(unit_id: str, reason: str, confidence: int) -> Proposal:
    ratio = Ratio(numerator=confidence, denominator=100)
    return Proposal.model_validate({"unit_id": unit_id, "reason": reason, "confidence": ratio})


def surest(proposals: Sequence[Proposal], threshold: Ratio) -> str | None:
    """The unit of the surest proposal where it is alone at or above the threshold."""
    sure = [one for one in proposals if one.confidence.fraction >= threshold.fraction]
    return sure[0].unit_id if len(sure) == 1 else None
