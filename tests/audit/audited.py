"""An office whose history audit has taken in, to be asked, and altered by hand."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Answer, read_event
from bailiwick_contracts.message import Request

from services.audit import inspection
from services.kernel.tables import FACTS
from tests.audit.office import Office, month


class Audited:
    """An office with a month behind it, asked as the command line asks."""

    def __init__(self, directory: Path) -> None:
        self.office = Office(directory)
        self.office.set_up()
        self.made: dict[str, Answer] = month(self.office)

    def fact_id(self, name: str) -> str:
        return self.made[name].facts[0].id

    async def query(self, request: Request) -> Mapping[str, Any]:
        return self.office.ask_audit(request)

    async def feed(self, service: str, property_id: str, after: int) -> list[bytes]:
        return [fact.raw for fact in self.office.parts[service].store.chain(property_id, after, 40)]

    async def heads(self, service: str) -> dict[str, tuple[int, str]]:
        found = self.office.parts[service].store.heads() if service in self.office.parts else {}
        return {property_id: (head.number, head.hash) for property_id, head in found.items()}

    def complete(self) -> dict[str, Any]:
        return asyncio.run(inspection.complete(self.query, self.feed, self.heads))

    def differences(self) -> list[tuple[str, str, str]]:
        found = self.complete()
        assert found["complete"] is all(
            d["kind"] == "behind" for chain in found["chains"] for d in chain["differences"]
        )
        return [(d["kind"], d["side"], d["event_id"]) for chain in found["chains"] for d in chain["differences"]]

    def by_hand(self, service: str, statement: sa.Executable) -> None:
        """What somebody with a database client does."""
        with self.office.parts[service].store.transaction() as connection:
            connection.execute(statement)

    def alter_in_store(self, event_id: str, change: Callable[[bytes], bytes]) -> None:
        service, raw, position = self.find(event_id)
        self.by_hand(service, sa.update(FACTS).where(FACTS.c.position == position).values(raw=change(raw)))

    def find(self, event_id: str) -> tuple[str, bytes, int]:
        for service in ("registry", "attendance"):
            for fact in self.office.parts[service].store.after(0, 1_000_000):
                if read_event(fact.raw).id == event_id:
                    return service, fact.raw, fact.position
        raise LookupError(event_id)
