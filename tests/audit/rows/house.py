"""Tickets' store in the middle of its life: timers that wait, one given up, facts parked behind others, other services' facts taken in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.escalation import WarnOfDeadline
from bailiwick_contracts.handling import AcceptTicket, CompleteTicket, HoldTicket
from bailiwick_contracts.money import Money
from bailiwick_contracts.staff import EmploymentEnded, EndEmployment, RehireStaff, SetBaseWage

from services.audit.rows.comparison import RowComparison
from services.audit.rows.finding import RowFinding
from services.kernel.compared import Comparison
from services.kernel.parked import PARKED, Again
from services.kernel.rebuild import together
from services.kernel.store import Store
from services.kernel.writer import Writer
from services.tickets.app import SERVICE
from tests.kernel.due import fire_due
from tests.tickets.office import BEN, EVA, NORTH, Office, hiring

UNLUCKY = ("bad-1", "bad-2", "bad-3")
GIVEN_UP, RETRIED, LAST = UNLUCKY


def _fails_for_some(unit: Any, about: Any) -> None:
    data = about.data
    if getattr(data, "staff_id", "") in UNLUCKY or getattr(data, "ticket_id", "") == "unlucky":
        raise RuntimeError("a bug")
    kind = type(data)
    (SERVICE.timers[kind] if kind in SERVICE.timers else SERVICE.reactions[kind])(unit, about)


BROKEN = replace(
    SERVICE,
    reactions={EmploymentEnded: _fails_for_some},
    timers={**SERVICE.timers, WarnOfDeadline: _fails_for_some},
)


class House:
    """The office, and its tickets' rows held against their facts."""

    def __init__(self, directory: Path, url: str | None = None) -> None:
        self.office = Office(url or f"sqlite:///{directory / 'store.sqlite'}", directory)
        self.office.set_up()
        self._live()

    def _live(self) -> None:
        office = self.office
        for number, kind in enumerate(("complaint", "repair", "incident", "help_request", "renovation", "complaint")):
            office.report(f"t{number}", kind)
        office.report("major", "complaint", severity="major")
        office.report("unlucky", "complaint")
        office.ask(AcceptTicket(ticket_id="t1"))
        office.ask(AcceptTicket(ticket_id="t5"))
        office.ask(CompleteTicket(ticket_id="t5", outcome="mended"))
        office.ask(HoldTicket(ticket_id="t1", waits_for="parts"))
        office.tickets.close()
        office.tickets = Writer(BROKEN, office.store, office.keys, clock=lambda: office.now)
        office.later(hours=7)
        for who in UNLUCKY:
            office.register_in_registry(*hiring(who, "property_assistant"))
        ended = office.now.date() + timedelta(days=40)
        office.register_in_registry(EndEmployment(staff_id=GIVEN_UP, last_on=ended))
        office.register_in_registry(*(EndEmployment(staff_id=who, last_on=ended) for who in (EVA, BEN)))
        for _ in range(6):
            office.now += timedelta(seconds=100)
            self.try_again()
            fire_due(office.tickets, office.store, office.now)
        for who in (RETRIED, LAST):
            office.register_in_registry(EndEmployment(staff_id=who, last_on=ended))
        again = office.now.date() + timedelta(days=90)
        office.register_in_registry(
            *(RehireStaff(staff_id=who, home_property=NORTH, hired_on=again) for who in (GIVEN_UP, RETRIED))
        )
        for amount in ("5000.00", "5100.00", "5200.00"):
            wages = [SetBaseWage(staff_id=who, base_wage=Money(amount=amount), effective_on=again)
                     for who in (GIVEN_UP, RETRIED)]  # fmt: skip
            office.register_in_registry(*wages)
        office.now += timedelta(seconds=1)

    def try_again(self) -> None:
        """Handle what is parked and due, once."""
        with self.office.store.reading() as connection:
            rows = list(connection.execute(sa.select(PARKED).where(PARKED.c.next_us.is_not(None))))
        for row in rows:
            raw = self.feed("registry", row.source.partition(":")[2], row.number - 1)[0]
            self.office.tickets.process([Again(row.source, row.number, raw)])

    def feed(self, service: str, property_id: str, after: int) -> list[bytes]:
        assert service == "registry"
        return [fact.raw for fact in self.office.registry_store.chain(property_id, after, 50)]

    def heads(self, service: str) -> Mapping[str, tuple[int, str]]:
        assert service == "registry"
        return {name: (head.number, head.hash) for name, head in self.office.registry_store.heads().items()}

    def findings(self) -> list[RowFinding]:
        comparison = RowComparison(SERVICE, self.office.store, self.feed, self.heads, clock=lambda: self.office.now)
        return list(comparison.compare().differences)

    def in_views(self) -> list[Any]:
        found, seen = list[Any](), set[str]()
        for view in SERVICE.views:
            if view.name not in seen:
                group = together(SERVICE, view.name)
                seen.update(one.name for one in group)
                found.extend(Comparison(SERVICE, self.office.store, group, self.feed).compare().differences)
        return found

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.store.reading() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def put(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Make a table hold these rows and no others, as somebody with the database's password would."""
        with self.store.transaction() as connection:
            connection.execute(sa.delete(table))
            if rows:
                connection.execute(sa.insert(table), rows)

    @property
    def store(self) -> Store:
        return self.office.store
