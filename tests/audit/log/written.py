"""A log written from made-up facts, for tests that need no ledger."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from services.audit.log.files import LogFiles, Salts, at
from services.audit.log.leaf import leaf_of
from services.audit.log.note import Checkpoint, Policy, Signer

ORIGIN = "log.example/north-court"
CHAINS = ("registry/registry-1/north-court", "attendance/attendance-1/north-court", "tickets/tickets-1/north-court")


def raw_of(chain: str, number: int, **data: Any) -> bytes:
    """A stored fact of our own making."""
    service, log, property_id = chain.split("/")
    return to_json(
        {
            "specversion": "1.0",
            "id": f"{service}-{number:06d}",
            "type": f"{service}.something_noted.v1",
            "source": f"/properties/{property_id}/{service}",
            "subject": f"{service}-1",
            "recordedat": "2026-03-02T01:00:00Z",
            "log": log,
            "chainnumber": number,
            "actor": "s-director",
            "data": {"staff_id": f"s-{number % 7}", "note": "樣本"} | data,
        }
    )


def salt_of(index: int) -> bytes:
    return hashlib.sha256(f"salt {index}".encode()).digest()[:16]


@dataclass
class Written:
    """A log, the facts it was built from, and every checkpoint it ever signed."""

    directory: Path
    signer: Signer = field(default_factory=lambda: Signer(ORIGIN, bytes(range(32))))
    facts: list[tuple[str, int, bytes]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    @property
    def policy(self) -> Policy:
        return Policy((self.signer.key,))

    @property
    def place(self) -> Path:
        return self.directory / "log"

    @property
    def salts(self) -> Salts:
        return Salts(self.directory / "salts.bin")

    def fetch(self, path: str) -> bytes | None:
        return at(self.place)(path)

    def grow(self, count: int) -> "Written":
        """Add so many facts, taken in turn from the chains, and sign."""
        log = LogFiles(self.place, self.salts)
        with log.adding() as files:
            cursors = dict(files.cursors)
            entries, salts, places = [], [], []
            for chain, number, raw in self._next(count, cursors):
                salt = salt_of(len(self.facts))
                entries.append(leaf_of(raw, salt, from_json(raw)))
                salts.append(salt)
                places.append((chain, number))
                self.facts.append((chain, number, raw))
                cursors[chain] = number
            files.append(entries, salts, places)
            self.checkpoints.append(files.commit(ORIGIN, [self.signer], cursors))
        return self

    def _next(self, count: int, cursors: dict[str, int]) -> Iterator[tuple[str, int, bytes]]:
        reached = dict(cursors)
        for n in range(count):
            chain = CHAINS[(len(self.facts) + n) % len(CHAINS)]
            reached[chain] = reached.get(chain, 0) + 1
            yield chain, reached[chain], raw_of(chain, reached[chain])
