"""Chains of stored facts written by hand, as the store would write them, for tests that need no store."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bailiwick_contracts.envelope import FIRST_HASH, hash_of, render, schema_address
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import seal_field, sealed_fields
from pydantic_core import from_json, to_json

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Chain:
    """One (log, service, property): every `add` renders the next fact of it and answers its stored bytes."""

    service: str
    property_id: str = "north-court"
    log: str = "main"
    keys: dict[str, bytes] = field(default_factory=dict)
    at: datetime = START
    number: int = 0
    previous: str = FIRST_HASH
    raws: list[bytes] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        stream: str,
        fact: Fact,
        *,
        id: str | None = None,  # noqa: A002 - the attribute's own name
        actor: str = "system-test",
        at: datetime | None = None,
        **attributes: Any,
    ) -> bytes:
        """Store one fact: sealed, numbered, chained and timed one second after the last unless `at` says when."""
        self.at = at or self.at + timedelta(seconds=1)
        self.number += 1
        self.versions[stream] = self.versions.get(stream, 0) + 1
        event_id = id or f"{self.service}-{self.property_id}-{self.number:06d}"
        wire = type(fact).wire()
        head = {
            "specversion": "1.0",
            "id": event_id,
            "type": wire,
            "source": f"/properties/{self.property_id}/{self.service}",
            "subject": stream,
            "time": self.at,
            "datacontenttype": "application/json",
            "dataschema": schema_address(wire),
            "sequence": f"{self.versions[stream]:010d}",
            "recordedat": self.at,
            "log": self.log,
            "chainnumber": self.number,
            "previoushash": self.previous,
            "correlationid": f"command-{event_id}",
            "actor": actor,
            "authmethod": "local",
            "channel": "live",
            "commandid": f"command-{event_id}",
            "commandtype": "attendance.decide_penalty.v1",
            "commanddigest": FIRST_HASH,
            "door": "door-test",
            "doorsignature": "system",
        }
        raw = render(head | attributes, sealed_json(fact, event_id, self.keys))
        self.previous = hash_of(raw)
        self.raws.append(raw)
        return raw


def sealed_json(fact: Fact, event_id: str, keys: dict[str, bytes]) -> bytes:
    """The fact's data with each open value sealed under a key made from its name."""
    closed = {}
    for path, sealed in sealed_fields(fact):
        key = keys.setdefault(sealed.key, hash_of(sealed.key.encode())[:32].encode())
        closed[path] = seal_field(sealed, event_id=event_id, path=path, key=key, nonce=b"\0" * 12)
    for path, sealed in sealed_fields(fact):
        for name, value in closed[path].items():
            object.__setattr__(sealed, name, value)
    data = fact.as_json()
    for _, sealed in sealed_fields(fact):
        object.__setattr__(sealed, "nonce", "")
        object.__setattr__(sealed, "ciphertext", "")
    return data


def rewritten(raw: bytes, **changes: Any) -> bytes:
    """The same document with attributes, or with fields of its data (`data=…`), changed by hand."""
    document = from_json(raw)
    document["data"] = document["data"] | changes.pop("data", {})
    return to_json(document | changes)


def rechained(raws: Iterable[bytes]) -> list[bytes]:
    """The same facts numbered and chained afresh, as a thorough forger would."""
    chained: list[bytes] = []
    previous = FIRST_HASH
    for number, raw in enumerate(raws, start=1):
        chained.append(to_json(from_json(raw) | {"chainnumber": number, "previoushash": previous}))
        previous = hash_of(chained[-1])
    return chained
