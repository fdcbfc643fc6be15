"""An office grown to any size whose rulings come out again: the same month lived by ever more people, in one ledger.

Everybody and everything of a month has a name of its own per copy; who is in the registry, which matrix holds and where the
property lies is told once. Copies of a fact follow each other in its chain, so positions and numbers stay true.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bailiwick_contracts.envelope import hash_of, read_event
from bailiwick_contracts.sealed import Keys, open_field, seal_field, sealed_fields
from pydantic_core import from_json

_NAMES = ("staff_id", "staff_ids", "penalty_id", "confirmation_id", "roster_id", "punch_id", "delegation_id",
          "from_staff_id", "to_staff_id", "commandid", "id")  # fmt: skip
_NONCE = bytes(12)


@dataclass
class _Shape:
    """One fact of the office, ready to be written for anybody."""

    chain: tuple[str, str]
    parts: list[str]
    names: list[str]
    shared: bool
    sealed: list[tuple[str, Any, str, str]] = field(default_factory=list)
    """Path, open value, the nonce and the ciphertext as they stand."""


class Company:
    """The facts of an office, multiplied."""

    def __init__(self, raws: list[bytes], keys: Keys) -> None:
        """`raws` in the order recorded; `keys` open the amounts, which are sealed again for each copy."""
        self._keys = keys
        documents = [from_json(raw) for raw in raws]
        names = {name for one in documents for name in _names_in(one)}
        told_once = [one for one in documents if not _is_of_somebody(one)]
        names -= {one[name] for one in told_once for name in ("id", "commandid", "correlationid")}
        listed = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])({listed})(?![A-Za-z0-9])")
        self._shapes = [self._shape(raw, document) for raw, document in zip(raws, documents, strict=True)]
        self.per_copy = sum(not shape.shared for shape in self._shapes)
        self.once = len(self._shapes) - self.per_copy

    def copies_of(self, facts: int) -> int:
        """How many copies come to about so many facts."""
        return max(1, (facts - self.once) // self.per_copy)

    def raws(self, copies: int) -> Iterator[bytes]:
        """Every fact, in the order recorded."""
        heads: dict[tuple[str, str], tuple[int, str]] = {}
        reached = self._reached(copies)
        for shape in self._shapes:
            number, previous = heads.get(shape.chain, (0, "0" * 64))
            for copy in range(1 if shape.shared else copies):
                number += 1
                raw = self._written(shape, copy, number, previous, reached)
                previous = hash_of(raw)
                yield raw
            heads[shape.chain] = (number, previous)

    def _reached(self, copies: int) -> dict[str, list[int]]:
        """By chain as rulings name it: number of the office's fact to the number of its last copy."""
        reached: dict[str, list[int]] = {}
        for shape in self._shapes:
            numbers = reached.setdefault(":".join(shape.chain), [0])
            numbers.append(numbers[-1] + (1 if shape.shared else copies))
        return reached

    def _shape(self, raw: bytes, document: dict[str, Any]) -> _Shape:
        text = raw.decode()
        shared = not _is_of_somebody(document)
        text = re.sub(r'"chainnumber":\d+', '"chainnumber":@number@', text)
        text = re.sub(r'"previoushash":"[0-9a-f]+"', '"previoushash":"@previous@"', text)
        text = re.sub(r'"chain":"([^"]+)","number":(\d+)', r'"chain":"\1","number":@reached:\1:\2@', text)
        pieces = self._pattern.split(text)
        event = read_event(raw)
        sealed = [
            (path, one, one.nonce, one.ciphertext)
            for path, one in sealed_fields(event.data)
            if one.key.startswith("payroll/")
        ]
        opened = [
            (
                path,
                type(one)._of(one.key, open_field(one, event_id=event.id, path=path, keys=self._keys)),
                nonce,
                secret,
            )
            for path, one, nonce, secret in sealed
        ]
        return _Shape((event.log, event.property_id), pieces[0::2], pieces[1::2], shared, opened)

    def _written(self, shape: _Shape, copy: int, number: int, previous: str, reached: dict[str, list[int]]) -> bytes:
        end = "" if shape.shared else f"x{copy}"
        pieces = [
            *itertools.chain.from_iterable(zip(shape.parts, (f"{n}{end}" for n in shape.names), strict=False)),
            shape.parts[-1],
        ]
        text = "".join(pieces).replace("@number@", str(number)).replace("@previous@", previous)
        text = re.sub(r"@reached:(.+?):(\d+)@", lambda one: str(reached[one[1]][int(one[2])]), text)
        event_id = from_json(text)["id"] if shape.sealed else ""
        for path, value, nonce, secret in shape.sealed:
            closed = seal_field(value, event_id=event_id, path=path, key=self._keys(value.key), nonce=_NONCE)
            text = text.replace(secret, closed["ciphertext"]).replace(nonce, closed["nonce"])
        return text.encode()


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inside in value.items():
            if name in _NAMES:
                yield from (one for one in (inside if isinstance(inside, list) else [inside]) if isinstance(one, str))
            yield from _names_in(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _names_in(inside)


def _is_of_somebody(document: dict[str, Any]) -> bool:
    return any(True for _ in _names_in(document["data"]))
