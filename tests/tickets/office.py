"""An office whose tickets are handled, on a real database: registry and tickets, without a bus. Everybody is made up."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bailiwick_contracts.deadline import DeadlinePolicy, EscalationStep, Terms
from bailiwick_contracts.deadline_adoption import AdoptDeadlinePolicy
from bailiwick_contracts.envelope import Actor, Answer, Event, read_command, read_event
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import (
    AddProperty,
    AddUnitOfOrganisation,
    AdoptAuthorityMatrix,
    SetReportingLine,
)
from bailiwick_contracts.staff import AssignPosition, RegisterStaff
from bailiwick_contracts.ticket import Attachment, RegisterTicket, ticket_stream
from bailiwick_contracts.working_time import WorkingSpan

from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from services.registry.app import service as registry_service
from services.tickets.app import SERVICE
from services.tickets.state import Ticket
from services.tickets.ticket import TICKET
from tests.kernel.due import fire_due

NORTH, SOUTH, LONDON = "north-court", "south-court", "london-court"
ZONE = ZoneInfo("Asia/Shanghai")
SETUP = Actor(actor="system-setup", channel="system", authmethod="system")
DIRECTOR, MANAGER, ANN, BEN, EVA = "director-sample", "manager-sample", "ann-sample", "ben-sample", "eva-sample"
"""Ann and Ben are assistants, Eva works for engineering."""
MONDAY = date(2026, 3, 2)
HOURS = (WorkingSpan(weekdays=(1, 2, 3, 4, 5), starts="09:00", ends="18:00"),)
HOUR = 3_600
UP = (EscalationStep(after_seconds=0), EscalationStep(after_seconds=2 * HOUR))
POLICY = DeadlinePolicy(
    version="terms-test",
    hours=HOURS,
    terms=(
        Terms(kind="complaint", response_seconds=HOUR, resolution_seconds=8 * HOUR, escalation=UP,
              follow_up_seconds=9 * HOUR),
        Terms(kind="complaint", severity="major", response_seconds=HOUR // 2, resolution_seconds=4 * HOUR, escalation=UP,
              progress_seconds=2 * HOUR, follow_up_seconds=9 * HOUR),
        Terms(kind="repair", response_seconds=HOUR, resolution_seconds=8 * HOUR, escalation=UP, follow_up_seconds=9 * HOUR),
        Terms(kind="help_request", response_seconds=HOUR, resolution_seconds=4 * HOUR, follow_up_seconds=9 * HOUR),
        Terms(kind="violation", resolution_seconds=18 * HOUR),
        Terms(kind="incident", response_seconds=900, resolution_seconds=24 * HOUR, counts="elapsed", update_seconds=HOUR,
              closing=("work_orders_done", "verified")),
        Terms(kind="renovation", resolution_seconds=9 * HOUR, closing=()),
        Terms(kind="support_request", response_seconds=4 * HOUR, resolution_seconds=9 * HOUR, closing=()),
    ),
)  # fmt: skip
PHOTO = Attachment(sha256="a" * 64, media_type="image/jpeg", size_bytes=1024)
SINCE = date(2020, 1, 6)


def local(clock: str, day: date = MONDAY, zone: ZoneInfo = ZONE) -> datetime:
    """A wall-clock time in Shanghai as an instant."""
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


def hiring(who: str, position: str, place: str = NORTH, unit: str | None = None) -> list[Request]:
    return [
        RegisterStaff(staff_id=who, name=f"Sample {who}", home_property=place, hired_on=SINCE),
        AssignPosition(
            staff_id=who, property_id=place, position=position, grade="staff", unit_id=unit, effective_on=SINCE
        ),
    ]


class Office:
    """A property with a director, a manager, two assistants and an engineer; another with nobody; a third in London."""

    def __init__(self, url: str, directory: Path, *, door: str = "local") -> None:
        self.now = local("08:00", date(2026, 3, 1))
        self.keys = KeyStore(directory / "keys")
        self.door = Door(directory / "doors", door)
        self._reached: dict[str, int] = {}
        self.registry_store, self.registry = self._open(registry_service(self.keys), f"{url}-registry", "registry")
        self.store, self.tickets = self._open(SERVICE, url, "tickets")

    def _open(self, service: Service, url: str, schema: str) -> tuple[Store, Writer]:
        place = url if url.startswith("sqlite") else url.removesuffix("-registry")
        store = Store(place, schema=schema, views=[table for view in service.views for table in view.tables])
        return store, Writer(service, store, self.keys, clock=lambda: self.now)

    def close(self) -> None:
        for one in (self.registry, self.tickets, self.registry_store, self.store):
            one.close()

    def sign(self, request: Request, actor: Actor, place: str, command_id: str | None = None, **more: Any) -> Any:
        body = self.door.sign(request, actor, place, command_id=command_id, issued_at=self.now, **more)
        return read_command(body, type(request))

    def register_in_registry(self, *requests: Request) -> None:
        """Ask the registry, in one batch, and let tickets take it in."""
        for answer in self.registry.process([self.sign(request, SETUP, COMPANY) for request in requests]):
            assert answer.outcome in ("done", "ignored"), answer
        self.take_in()

    def take_in(self) -> None:
        with self.registry_store.reading() as connection:
            log = self.registry_store.setting(connection, "log")
        for place in self.registry_store.heads():
            facts = self.registry_store.chain(place, self._reached.get(place, 0), 10_000)
            if facts:
                (error,) = self.tickets.process([Intake(f"{log}:{place}", tuple(fact.raw for fact in facts))])
                assert error is None, error
                self._reached[place] = facts[-1].number or 0

    def set_up(self, policy: DeadlinePolicy | None = POLICY) -> "Office":
        self.register_in_registry(
            AddProperty(property_id=NORTH, name=NORTH),
            AddProperty(property_id=SOUTH, name=SOUTH),
            AddProperty(property_id=LONDON, name=LONDON, time_zone="Europe/London", calendar="GB", language="en"),
            *(
                SetReportingLine(property_id=NORTH, position=position, reports_to=above)
                for position, above in (
                    ("property_assistant", "office_director"),
                    ("office_director", "property_manager"),
                    ("engineer", "office_director"),
                )
            ),
            AddUnitOfOrganisation(property_id=NORTH, unit_id="engineering", name="工程部"),
            *hiring(DIRECTOR, "office_director"),
            *hiring(MANAGER, "property_manager"),
            *hiring(ANN, "property_assistant"),
            *hiring(BEN, "property_assistant"),
            *hiring(EVA, "engineer", unit="engineering"),
            *hiring("mia-sample", "property_assistant", LONDON),
            AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1),
        )
        if policy is not None:
            answer = self.ask(
                AdoptDeadlinePolicy(policy=policy, lead_seconds=1), by="system-setup", at=COMPANY, channel="system"
            )
            assert answer.outcome == "done", answer
        self.now = local("10:00")
        return self

    def ask(
        self, request: Request, *, by: str = ANN, at: str = NORTH, channel: str = "live", command_id: str | None = None,
        **more: Any,
    ) -> Answer:  # fmt: skip
        actor = Actor.model_validate({"actor": by, "channel": channel})
        (answer,) = self.tickets.process([self.sign(request, actor, at, command_id, **more)])
        assert isinstance(answer, Answer), answer
        return answer

    def read(self, request: Request, at: str = NORTH) -> Any:
        with self.store.reading() as connection:
            reading = QueryReading(SERVICE, self.store, self.keys, connection)
            reading.now = self.now
            return SERVICE.queries[type(request)](reading, self.sign(request, Actor(actor=DIRECTOR), at))

    def facts(self, kind: str = "", at: str = NORTH) -> list[Event[Any]]:
        """What tickets stored at a property, of one kind, as it was stored."""
        events = (read_event(fact.raw) for fact in self.store.chain(at, 0, 1_000_000))
        return [event for event in events if kind in event.type]

    def last(self, kind: str) -> Event[Any]:
        return self.facts(kind)[-1]

    def history(self, ticket_id: str = "t1") -> list[Event[Any]]:
        return [read_event(stored.state, stored.topic) for stored in self.store.select_events(ticket_stream(ticket_id))]

    def ticket(self, ticket_id: str = "t1") -> Ticket:
        return TICKET.fold(self.history(ticket_id))

    # -- what happens in the office ----------------------------------------------------------------------------------

    def report(
        self, ticket_id: str = "t1", kind: str = "complaint", *, by: str = ANN, at: str = NORTH, **more: Any
    ) -> Answer:
        """Somebody reports something."""
        said = {"ticket_id": ticket_id, "kind": kind, "description": "Water from the ceiling.", "unit_id": "A-1201"}
        return self.ask(RegisterTicket.model_validate(said | more), by=by, at=at)

    def wait_until(self, at: datetime) -> list[str]:
        """Let time pass, each timer fired at its own second; answers the kinds of fact the timers led to."""
        before = len(self.facts())
        while True:
            due = self._next_due()
            if due is None or due > at:
                break
            self.now = max(self.now, due)
            fire_due(self.tickets, self.store, self.now)
        self.now = max(self.now, at)
        return [event.type.split(".")[1] for event in self.facts()[before:]]

    def _next_due(self) -> datetime | None:
        from services.kernel.due import next_due  # noqa: PLC0415

        with self.store.reading() as connection:
            return next_due(connection)

    def later(self, **delta: float) -> list[str]:
        return self.wait_until(self.now + timedelta(**delta))
