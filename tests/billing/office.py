"""A property's accounts on a real database: registry and billing, without a bus. People and figures are made up."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bailiwick_contracts.billing import AdoptTariff, AdoptTerms, DunningStage, RegisterUnits, Terms
from bailiwick_contracts.charge import ChargeUnits, FinishChargeRun, StartChargeRun
from bailiwick_contracts.envelope import Actor, Answer, Event, read_command, read_event
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.receipt import PostReceipts, ReceiptRow
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, SetReportingLine
from bailiwick_contracts.staff import AssignPosition, RegisterStaff
from bailiwick_contracts.tariff import BilledUnit, Spell, Tariff

from services.billing.app import SERVICE
from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.scope import ScopedReading
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from services.registry.app import service as registry_service
from tests.kernel.due import fire_due

NORTH, SOUTH = "north-court", "south-court"
ZONE = ZoneInfo("Asia/Shanghai")
SETUP = Actor(actor="system-setup", channel="import", authmethod="system")
DIRECTOR, MANAGER, CASHIER, ANN = "director-sample", "manager-sample", "cashier-sample", "ann-sample"
POSTS = {
    DIRECTOR: (NORTH, "office_director", "director"),
    "south-director": (SOUTH, "office_director", "director"),
    MANAGER: (COMPANY, "property_manager", "manager"),
    CASHIER: (COMPANY, "finance", "staff"),
    ANN: (NORTH, "property_assistant", "staff"),
}


def local(day: date, clock: str = "09:00") -> datetime:
    """A wall-clock time in Shanghai as an instant."""
    return datetime.combine(day, time.fromisoformat(clock), ZONE).astimezone(UTC)


def line(line_id: str = "mgmt", **more: Any) -> dict[str, Any]:
    known = {"line_id": line_id, "fee_class": "management", "basis": "per_area", "price": "2.50"}
    return {name: value for name, value in (known | more).items() if value is not None}


def tariff(version: str = "t1", *lines: dict[str, Any], **more: Any) -> Tariff:
    return Tariff.model_validate({"version": version, "lines": list(lines or (line(),)), **more})


def flat(unit_id: str = "1-101", area: str = "100", *, since: date = date(2020, 1, 1), **more: Any) -> BilledUnit:
    known = {"unit_id": unit_id, "label": more.pop("label", f"Sample {unit_id}"), "area": area}
    spells = more.pop("spells", ({"payer_class": "owner", "first_on": since},))
    return BilledUnit.model_validate({**known, "spells": spells, **more})


def spell(payer: str, first: date, until: date | None = None) -> Spell:
    return Spell.model_validate({"payer_class": payer, "first_on": first, "until_on": until})


TERMS = Terms(
    version="terms-1",
    dunning=(
        DunningStage(stage=1, overdue_days=30, title="Reminder", body="Unit {unit} owes {total} since {due_on}."),
        DunningStage(stage=2, overdue_days=60, title="Second reminder", body="Unit {unit} still owes {total}."),
    ),
)


class Accounts:
    """Two properties, a director of each, a manager and a cashier; one tariff at 2.50 a square metre and month."""

    def __init__(self, url: str, directory: Path, door: str = "local") -> None:
        self.url, self.directory = url, directory
        self.now = local(date(2026, 3, 1))
        self.keys = KeyStore(directory / "keys")
        self.door = Door(directory / "doors", door)
        self.sent: list[Request] = []
        self._reached: dict[str, int] = {}
        self.registry_store, self.registry = self._open(registry_service(self.keys), f"{url}-registry", "registry")
        self.store, self.billing = self._open(SERVICE, url, "billing")

    def _open(self, service: Service, url: str, schema: str) -> tuple[Store, Writer]:
        place = url if url.startswith("sqlite") else url.removesuffix("-registry")
        store = Store(place, schema=schema, views=[table for view in service.views for table in view.tables])
        return store, Writer(service, store, self.keys, clock=lambda: self.now)

    def second(self) -> tuple[Store, Writer]:
        """Another instance of billing on the same database."""
        return self._open(SERVICE, self.url, "billing")

    def close(self) -> None:
        for one in (self.registry, self.billing, self.registry_store, self.store):
            one.close()

    def sign(self, request: Request, actor: Actor, place: str, command_id: str | None = None) -> Any:
        return read_command(
            self.door.sign(request, actor, place, command_id=command_id, issued_at=self.now), type(request)
        )

    def register(self, *requests: Request) -> None:
        """Ask the registry, and let billing take it in."""
        setup = Actor(actor="system-setup", channel="system", authmethod="system")
        for answer in self.registry.process([self.sign(request, setup, COMPANY) for request in requests]):
            assert answer.outcome in ("done", "ignored"), answer
        with self.registry_store.reading() as connection:
            log = self.registry_store.setting(connection, "log")
        for place in self.registry_store.heads():
            facts = self.registry_store.chain(place, self._reached.get(place, 0), 10_000)
            if facts:
                (error,) = self.billing.process([Intake(f"{log}:{place}", tuple(fact.raw for fact in facts))])
                assert error is None, error
                self._reached[place] = facts[-1].number or 0

    def set_up(
        self, *, tariffs: Sequence[tuple[Tariff, date]] | None = None, terms: Terms | None = TERMS
    ) -> "Accounts":
        since = date(2020, 1, 6)
        hired: list[Request] = []
        for who, (place, position, grade) in POSTS.items():
            home = NORTH if place == COMPANY else place
            hired += [
                RegisterStaff(staff_id=who, name=f"Sample {who}", home_property=home, hired_on=since),
                AssignPosition(staff_id=who, property_id=place, position=position, grade=grade, effective_on=since),
            ]
        self.register(
            *(AddProperty(property_id=place, name=place) for place in (NORTH, SOUTH)),
            *(SetReportingLine(property_id=place, position="office_director", reports_to="property_manager")
              for place in (NORTH, SOUTH)),
            *hired,
            AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1),
        )  # fmt: skip
        self.now += timedelta(minutes=1)
        for one, since_on in tariffs if tariffs is not None else ((tariff(), date(2020, 1, 1)),):
            self.done(AdoptTariff(tariff=one, effective_on=since_on))
        if terms is not None:
            self.done(AdoptTerms(terms=terms, effective_on=date(2020, 1, 1)))
        return self

    def ask(
        self, request: Request, *, by: str = CASHIER, at: str = NORTH, command_id: str | None = None, live: bool = True,
        on_behalf_of: str | None = None, delegation: str | None = None,
    ) -> Answer:  # fmt: skip
        actor = Actor(actor=by, onbehalfof=on_behalf_of, delegation=delegation) if live else SETUP
        self.sent.append(request)
        (answer,) = self.billing.process([self.sign(request, actor, at, command_id)])
        assert isinstance(answer, Answer), answer
        return answer

    def done(self, request: Request, **more: Any) -> Answer:
        answer = self.ask(request, **more)
        assert answer.outcome == "done", answer
        return answer

    def read(self, request: Request, at: str = NORTH) -> Any:
        self.sent.append(request)
        with self.store.reading() as connection:
            reading = QueryReading(SERVICE, self.store, self.keys, connection)
            reading.now = self.now
            return SERVICE.queries[type(request)](
                ScopedReading(reading, at), self.sign(request, Actor(actor=CASHIER), at)
            )

    def fire(self, at: datetime) -> list[Answer]:
        """Let time pass until an instant."""
        self.now = at
        return fire_due(self.billing, self.store, at)

    def facts(self, kind: str = "", at: str = NORTH) -> list[Event[Any]]:
        events = (read_event(fact.raw) for fact in self.store.chain(at, 0, 1_000_000))
        return [event for event in events if kind in event.type]

    def last(self, kind: str) -> Event[Any]:
        return self.facts(kind)[-1]

    # -- what happens in the office ----------------------------------------------------------------------------------

    def units(self, *units: BilledUnit, at: str = NORTH) -> None:
        self.ask(RegisterUnits(units=units), at=at)

    def run(self, month: str = "2026-03", unit_ids: Iterable[str] = ("1-101",), at: str = NORTH, **more: Any) -> Answer:
        self.ask(StartChargeRun(month=month), at=at)
        answer = self.ask(ChargeUnits(month=month, unit_ids=tuple(unit_ids), **more), at=at)
        self.ask(FinishChargeRun(month=month), at=at)
        return answer

    def receive(
        self, receipt_id: str, amount: str, unit_id: str | None = "1-101", *, on: date | None = None, at: str = NORTH,
        allocate: bool = True, **more: Any,
    ) -> Answer:  # fmt: skip
        row = ReceiptRow.model_validate(
            {"receipt_id": receipt_id, "amount": amount, "unit_id": unit_id, "received_on": on or self.today, **more}
        )
        return self.ask(PostReceipts(rows=(row,), allocate=allocate), at=at)

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def open(self, unit_id: str = "1-101", at: str = NORTH) -> dict[str, Decimal]:
        from bailiwick_contracts.billing import GetUnit  # noqa: PLC0415

        shown = self.read(GetUnit(unit_id=unit_id), at)
        return {row["charge_id"]: Decimal(row["open"]) for row in shown["open"]}

    def totals(self, at: str = NORTH) -> dict[str, Decimal]:
        from bailiwick_contracts.receipt import ListReceipts  # noqa: PLC0415

        return {name: Decimal(value) for name, value in self.read(ListReceipts(), at)["totals"].items()}

    def last_finished(self, at: str = NORTH, month: str = "2026-03") -> Decimal:
        from bailiwick_contracts.charge import GetChargeRun  # noqa: PLC0415

        return Decimal(self.read(GetChargeRun(month=month), at)["total"])
