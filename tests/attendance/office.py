"""An office on a real database: registry and attendance, without a bus. People and figures are made up."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bailiwick_contracts.attendance import (
    ConfirmMissedPunch,
    DeriveDays,
    PublishRoster,
    PunchRow,
    RecordPunches,
    RosterDay,
)
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.confirmation import ArrivalEvidence
from bailiwick_contracts.deductions import PenaltyFigures, Requested
from bailiwick_contracts.envelope import Actor, Answer, Event, read_command, read_event
from bailiwick_contracts.house_rules import AdoptHouseRules, HouseRules
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.readjudicate import Summary, in_recorded_order
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, AdoptLegalPolicy, SetReportingLine
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.staff import AssignPosition, RegisterStaff, SetBaseWage

from services.attendance.app import SERVICE
from services.kernel.doors import Door
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from services.registry.app import service as registry_service
from tests.judged import judged

NORTH, SOUTH = "north-court", "south-court"
ZONE = ZoneInfo("Asia/Shanghai")
SETUP = Actor(actor="system-setup", channel="system", authmethod="system")
DIRECTOR, ANN, BEN = "director-sample", "ann-sample", "ben-sample"
HR, MANAGER = "hr-sample", "manager-sample"
MONDAY = date(2026, 3, 2)
CAMERA = ArrivalEvidence(kind="camera", reference="gate 3")
UNBLOCKED = manual_matrix("manual-unblocked", Readings())
"""The manual's matrix as it was first shipped: a month need not be confirmed before something is deducted."""
CAPPED = LegalPolicy(
    version="law-1",
    mode="cap",
    cap_per_occurrence=Ratio(numerator=1, denominator=5),
    monthly_cap=Ratio(numerator=1, denominator=5),
    minimum_wage=Money.model_validate({"amount": "2000.00"}),
)


def local(clock: str, day: date = MONDAY) -> datetime:
    """A wall-clock time in Shanghai as an instant."""
    return datetime.combine(day, time.fromisoformat(clock), ZONE).astimezone(UTC)


def shift(start: str = "09:00", end: str = "17:00", day: date = MONDAY, **more: Any) -> Shift:
    ends = local(end, day if end > start else day + timedelta(days=1))
    return Shift(starts_at=local(start, day), ends_at=ends, zone="Asia/Shanghai", **more)


def punch(punch_id: str, who: str, direction: str, at: datetime) -> PunchRow:
    return PunchRow.model_validate({"punch_id": punch_id, "staff_id": who, "direction": direction, "at": at})


def hiring(
    who: str, place: str = NORTH, *, grade: str | None = "staff", position: str = "property_assistant",
    wage: str | None = "4350.00",
) -> list[Request]:  # fmt: skip
    """What the registry is asked for when somebody is taken on."""
    since = date(2020, 1, 6)
    hired: list[Request] = [
        RegisterStaff(staff_id=who, name=f"Sample {who}", home_property=place, hired_on=since),
        AssignPosition(staff_id=who, property_id=place, position=position, grade=grade, effective_on=since),
    ]
    if wage is not None:
        amount = Money.model_validate({"amount": wage})
        hired.append(SetBaseWage(staff_id=who, base_wage=amount, effective_on=since))
    return hired


class Office:
    """Two properties, a director of each, some staff; 4,350.00 a month, 200.00 a day."""

    def __init__(self, url: str, directory: Path, door: str = "local") -> None:
        self.now = local("08:00", date(2026, 3, 1))
        self.keys = KeyStore(directory / "keys")
        self.door = Door(directory / "doors", door)
        self._reached: dict[str, int] = {}
        self.registry_store, self.registry = self._open(registry_service(self.keys), f"{url}-registry", "registry")
        self.store, self.attendance = self._open(SERVICE, url, "attendance")
        self._commands = 0

    def _open(self, service: Service, url: str, schema: str) -> tuple[Store, Writer]:
        place = url if url.startswith("sqlite") else url.removesuffix("-registry")
        store = Store(place, schema=schema, views=[table for view in service.views for table in view.tables])
        return store, Writer(service, store, self.keys, clock=lambda: self.now)

    def close(self) -> None:
        for one in (self.registry, self.attendance, self.registry_store, self.store):
            one.close()

    def sign(self, request: Request, actor: Actor, place: str, command_id: str | None = None) -> Any:
        body = self.door.sign(request, actor, place, command_id=command_id, issued_at=self.now)
        return read_command(body, type(request))

    def register(self, *requests: Request) -> None:
        """Ask the registry, in one batch, and let attendance take it in."""
        for answer in self.registry.process([self.sign(request, SETUP, COMPANY) for request in requests]):
            assert answer.outcome in ("done", "ignored"), answer
        self.take_in()

    def adopt(self, rules: HouseRules, at: str = COMPANY) -> None:
        """Adopt house rules as whoever sets the installation up."""
        assert self.ask(AdoptHouseRules(rules=rules), by="system-setup", channel="system", at=at).outcome == "done"

    def staff_the_company(self) -> None:
        """HR and the manager of the office."""
        self.hire(HR, grade="supervisor", position="hr")
        self.hire(MANAGER, grade="manager", position="property_manager")

    def judged_again(self) -> Summary:
        """The whole history judged again, from facts and keys alone; nothing may come out otherwise."""
        chains = [
            [fact.raw for fact in store.chain(place, 0, 100_000)]
            for store in (self.registry_store, self.store)
            for place in store.heads()
        ]
        found, summary = judged(in_recorded_order(*chains), self.keys)
        assert found == [], found
        return summary

    def take_in(self) -> None:
        with self.registry_store.reading() as connection:
            log = self.registry_store.setting(connection, "log")
        for place in self.registry_store.heads():
            facts = self.registry_store.chain(place, self._reached.get(place, 0), 10_000)
            if facts:
                (error,) = self.attendance.process([Intake(f"{log}:{place}", tuple(fact.raw for fact in facts))])
                assert error is None, error
                self._reached[place] = facts[-1].number or 0

    def set_up(
        self,
        policy: LegalPolicy | None = CAPPED,
        people: Iterable[str] = (ANN, BEN),
        matrix: AuthorityMatrix = UNBLOCKED,
    ) -> "Office":
        places = [AddProperty(property_id=place, name=place) for place in (NORTH, SOUTH)]
        lines = [
            SetReportingLine(property_id=place, position="office_director", reports_to="property_manager")
            for place in (NORTH, SOUTH)
        ]
        director = {"grade": "director", "position": "office_director"}
        self.register(
            *places,
            *lines,
            *hiring(DIRECTOR, **director),
            *hiring("south-director", SOUTH, **director),
            *(request for one in people for request in hiring(one)),
            AdoptAuthorityMatrix(matrix=matrix, lead_seconds=1),
            *([AdoptLegalPolicy(policy=policy, lead_seconds=1)] if policy is not None else []),
        )
        self.now += timedelta(minutes=1)
        return self

    def hire(self, who: str, **more: Any) -> None:
        self.register(*hiring(who, **more))

    def ask(
        self, request: Request, *, by: str = DIRECTOR, at: str = NORTH, channel: str = "live", command_id: str | None = None,
        on_behalf_of: str | None = None, delegation: str | None = None,
    ) -> Answer:  # fmt: skip
        lent = {"onbehalfof": on_behalf_of, "delegation": delegation}
        actor = Actor.model_validate({"actor": by, "channel": channel} | lent)
        (answer,) = self.attendance.process([self.sign(request, actor, at, command_id)])
        assert isinstance(answer, Answer), answer
        return answer

    def read(self, request: Request, at: str = NORTH) -> Any:
        with self.store.reading() as connection:
            reading = QueryReading(SERVICE, self.store, self.keys, connection)
            return SERVICE.queries[type(request)](reading, self.sign(request, Actor(actor=DIRECTOR), at))

    def facts(self, kind: str = "", at: str = NORTH) -> list[Event[Any]]:
        """What attendance stored at a property, of one kind, as it was stored."""
        events = (read_event(fact.raw) for fact in self.store.chain(at, 0, 100_000))
        return [event for event in events if kind in event.type]

    def last(self, kind: str) -> Event[Any]:
        return self.facts(kind)[-1]

    def figures(self, event: Event[Any]) -> PenaltyFigures:
        return open_record(event.data.figures, PenaltyFigures, event_id=event.id, path="figures", keys=self.keys)

    # -- what happens in the office ----------------------------------------------------------------------------------

    def roster(self, *days: date, who: Iterable[str] = (ANN,), shifts: Any = None, at: str = NORTH) -> Answer:
        self._commands += 1
        rows = tuple(RosterDay(day=one, shifts=(shift(day=one),) if shifts is None else shifts(one)) for one in days)
        request = PublishRoster(roster_id=f"r{self._commands}", staff_ids=tuple(who), days=rows)
        return self.ask(request, at=at, by=DIRECTOR if at == NORTH else "south-director")

    def punches(self, *rows: PunchRow, at: str = NORTH) -> Answer:
        return self.ask(RecordPunches(rows=rows), by="device-sample", at=at)

    def came(
        self, arrival: str | None, left: str | None = "17:00", *, day: date = MONDAY, who: str = ANN, at: str = NORTH
    ) -> None:
        """A rostered day with the punches given, over now."""
        self.roster(day, who=(who,), at=at)
        self.now = max(self.now, local("20:00", day))
        rows = [(direction, clock) for direction, clock in (("in", arrival), ("out", left)) if clock is not None]
        if rows:
            seen = [punch(f"{who}-{day}-{kind}", who, kind, local(clock, day)) for kind, clock in rows]
            assert self.punches(*seen, at=at).outcome == "done"
        else:
            self.ask(DeriveDays(first_on=day, last_on=day), at=at)

    def penalise(
        self, penalty_id: str = "p1", *, who: str = ANN, day: date = MONDAY, occurrence: str = "late", share: int = 10,
        by: str = DIRECTOR, at: str = NORTH, **more: Any,
    ) -> Answer:  # fmt: skip
        requested = Requested(share=Ratio(numerator=share, denominator=100))
        request = DecidePenalty(
            penalty_id=penalty_id,
            staff_id=who,
            day=day,
            occurrence=occurrence,
            requested=requested,
            grounds="Sample.",
            **more,
        )
        return self.ask(request, by=by, at=at)

    def confirm(
        self, confirmation_id: str, *, day: date = MONDAY, direction: str = "in", who: str = ANN, by: str = DIRECTOR,
        evidence: tuple[ArrivalEvidence, ...] = (CAMERA,), command_id: str | None = None, at: str = NORTH,
    ) -> Answer:  # fmt: skip
        request = ConfirmMissedPunch.model_validate(
            {"confirmation_id": confirmation_id, "staff_id": who, "day": day, "direction": direction,
             "evidence": tuple(one.model_dump() for one in evidence), "grounds": "Seen at the gate."}
        )  # fmt: skip
        return self.ask(request, by=by, command_id=command_id, at=at)
