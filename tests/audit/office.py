"""A small office, run through the real registry and attendance services without a network: the histories audit is tested on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

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
from bailiwick_contracts.consultation import RecordConsultation
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import FIRST_HASH, Answer, Command
from bailiwick_contracts.lateness import Shift
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, LegalPolicy, Ratio
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings
from bailiwick_contracts.readjudicate import in_recorded_order
from bailiwick_contracts.registry import (
    AddProperty,
    AdoptAuthorityMatrix,
    AdoptLegalPolicy,
    DelegateAuthority,
    SetReportingLine,
)
from bailiwick_contracts.staff import AssignPosition, RegisterStaff, SetBaseWage

from services.attendance.app import SERVICE as ATTENDANCE
from services.audit.app import service as audit_service
from services.audit.gate import Gate
from services.kernel.reading import QueryReading
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.kernel.work import Intake
from services.kernel.writer import Writer
from services.registry.app import service as registry_service

OPENED = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
POLICY = LegalPolicy(
    version="law-1",
    mode="cap",
    cap_per_occurrence=Ratio(numerator=1, denominator=5),
    monthly_cap=Ratio(numerator=1, denominator=5),
    minimum_wage=Money(amount="2300.00"),
)
MONDAY = date(2026, 3, 2)
FIFTH = Ratio(numerator=1, denominator=5)
EVERYBODY = ("s-1", "s-2", "s-3", "s-4", "s-5", "s-6")


@dataclass
class Part:
    """One service with its store."""

    service: Service
    store: Store
    writer: Writer
    taken: dict[str, int] = field(default_factory=dict)


class Office:
    """Registry and services, attendance and audit if none is named, on SQLite below a directory; the clock stands unless it is moved."""

    def __init__(self, directory: Path, *services: Service) -> None:
        self.now = OPENED
        self.keys = KeyStore(directory / "keys")
        self.parts: dict[str, Part] = {}
        usual = (ATTENDANCE, audit_service(self.keys, Gate(self.record)))
        for service in (registry_service(self.keys), *(services or usual)):
            tables = [table for view in service.views for table in view.tables]
            store = Store(f"sqlite:///{directory}/{service.name}.sqlite", views=tables)
            self.parts[service.name] = Part(service, store, Writer(service, store, self.keys, clock=lambda: self.now))
        self._commands = 0
        self.readings: list[RecordConsultation] = []
        """What was read, as the running service would put it on record."""

    def record(self, asked: RecordConsultation) -> None:
        self.readings.append(asked)

    def close(self) -> None:
        for part in self.parts.values():
            part.writer.close()
            part.store.close()

    def ask(
        self,
        request: Request,
        actor: str,
        property_id: str = "north-court",
        *,
        channel: str = "live",
        on_behalf_of: str | None = None,
        delegation: str | None = None,
        command_id: str | None = None,
    ) -> Answer:
        """Have a request decided a second later, and let everybody take in what came of it."""
        (answer,) = self.ask_at_once((request, actor, property_id, channel, on_behalf_of, delegation, command_id))
        return answer

    def ask_at_once(self, *asked: tuple[Any, ...]) -> list[Answer]:
        """Several requests in one transaction: all of them recorded in the same instant."""
        self.now += timedelta(seconds=1)
        service = type(asked[0][0]).wire().partition(".")[0]
        answers = self.parts[service].writer.process([self._command(*one) for one in asked])
        self.deliver(of=service)
        for answer in answers:
            if not isinstance(answer, Answer):
                raise answer
        return answers

    def _command(
        self, request: Request, actor: str, property_id: str, channel: str = "live", on_behalf_of: str | None = None,
        delegation: str | None = None, command_id: str | None = None,
    ) -> Command[Any]:  # fmt: skip
        self._commands += 1
        return Command[Any].model_construct(
            None,
            actor=actor,
            onbehalfof=on_behalf_of,
            delegation=delegation,
            authmethod="local",
            channel=channel,  # type: ignore[arg-type]
            commandid=command_id or f"c-{self._commands:06d}",
            commandtype=type(request).wire(),
            commanddigest=FIRST_HASH,
            door="local",
            doorsignature="signature",
            property=property_id,
            salt="salt",
            issuedat=self.now,
            data=request,
        )

    def deliver(self, *to: str, of: str | None = None) -> None:
        """Let services, all or these, take in what others stored, or one of them."""
        for name, part in self.parts.items():
            if to and name not in to:
                continue
            for source in (one for one in part.service.consumes if one in self.parts and of in (None, one)):
                for chain, head in self._heads(source):
                    taken = part.taken.get(chain, 0)
                    if taken < head:
                        fresh = self.parts[source].store.chain(chain.partition(":")[2], taken, head - taken)
                        (failed,) = part.writer.process([Intake(chain, tuple(fact.raw for fact in fresh))])
                        assert failed is None, failed
                        part.taken[chain] = head

    def _heads(self, service: str) -> Iterator[tuple[str, int]]:
        """Every chain of a service, `<log>:<property>`, with how many facts it has."""
        store = self.parts[service].store
        with store.reading() as connection:
            log = store.setting(connection, "log") or ""
        for property_id, head in store.heads().items():
            yield f"{log}:{property_id}", head.number

    def chains(self, service: str) -> Iterator[tuple[str, str, list[bytes]]]:
        """Every chain of a service: log, property, stored bytes."""
        store = self.parts[service].store
        for chain, head in self._heads(service):
            log, _, property_id = chain.partition(":")
            yield log, property_id, [fact.raw for fact in store.chain(property_id, 0, head)]

    def raws(self) -> list[bytes]:
        """Every stored fact of the services that decide, as recorded."""
        deciding = [name for name in self.parts if name != "audit"]
        return list(in_recorded_order(*(raws for name in deciding for _, _, raws in self.chains(name))))

    def ask_audit(self, request: Request, actor: str = "system-auditor") -> dict[str, Any]:
        """A query to audit; raises what the handler raises."""
        audit = self.parts["audit"]
        with audit.store.reading() as connection:
            reading = QueryReading(audit.service, audit.store, self.keys, connection)
            return dict(audit.service.queries[type(request)](reading, self._command(request, actor, COMPANY)))

    # -- the office's life -------------------------------------------------------------------------------------------

    def set_up(self, matrix: AuthorityMatrix | None = None, policy: LegalPolicy | None = POLICY) -> None:
        """Two properties, a director each with a manager above, and six people in the north."""
        for property_id in ("north-court", "south-court"):
            self._setup(AddProperty(property_id=property_id, name=property_id))
            self._setup(
                SetReportingLine(property_id=property_id, position="office_director", reports_to="property_manager")
            )
        self._setup(AdoptAuthorityMatrix(matrix=matrix or manual_matrix("manual-unblocked", Readings())))
        if policy is not None:
            self._setup(AdoptLegalPolicy(policy=policy))
        self.hire("s-director", "office_director", "director", "9800.00")
        self.hire("s-other-director", "office_director", "director", "9800.00", property_id="south-court")
        self.hire("s-manager", "property_manager", "manager", "15000.00", property_id=COMPANY)
        for number in range(1, 7):
            self.hire(f"s-{number}", "guard", "staff", f"{4350 + 10 * number}.00")
        self.hire("s-supervisor", "clubhouse_supervisor", "supervisor", "6100.00")
        self.now = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)

    def hire(self, staff_id: str, position: str, grade: str, wage: str, *, property_id: str = "north-court") -> None:
        """Register somebody with a position and a wage."""
        home = "north-court" if property_id == COMPANY else property_id
        began = date(2025, 6, 1)
        self._setup(RegisterStaff(staff_id=staff_id, name="樣本 " + staff_id, home_property=home, hired_on=began))
        self._setup(
            AssignPosition(
                staff_id=staff_id, property_id=property_id, position=position, grade=grade, effective_on=began
            )
        )
        self._setup(SetBaseWage(staff_id=staff_id, base_wage=Money(amount=wage), effective_on=began))

    def _setup(self, request: Request) -> None:
        answer = self.ask(request, "system-setup", COMPANY, channel="import")
        assert answer.outcome == "done", answer

    def lend(self, delegation_id: str, to: str, first_on: date, last_on: date) -> None:
        """The director lends everything to somebody."""
        self._setup(
            DelegateAuthority(
                delegation_id=delegation_id,
                from_staff_id="s-director",
                to_staff_id=to,
                property_id="north-court",
                first_on=first_on,
                last_on=last_on,
            )
        )

    def roster(self, *days: date, staff: tuple[str, ...] = EVERYBODY, name: str = "all") -> None:
        """Publish nine to six, local time, for these people and days."""
        rows = tuple(
            RosterDay(day=day, shifts=(Shift(starts_at=at(day, 9), ends_at=at(day, 18), zone="Asia/Shanghai"),))
            for day in days
        )
        answer = self.ask(PublishRoster(roster_id=f"r-{days[0]}-{name}", staff_ids=staff, days=rows), "s-director")
        assert answer.outcome == "done", answer

    def punch(self, staff_id: str, day: date, *, late_seconds: int | None = 0, early_seconds: int | None = 0) -> None:
        """Punch in and out of a day; None leaves a punch out. Recorded in the evening of that day."""
        self.now = max(self.now, at(day, 19))
        rows = []
        if late_seconds is not None:
            rows.append(punch_row(staff_id, at(day, 9) + timedelta(seconds=late_seconds), "in"))
        if early_seconds is not None:
            rows.append(punch_row(staff_id, at(day, 18) - timedelta(seconds=early_seconds), "out"))
        if not rows:
            return
        answer = self.ask(RecordPunches(rows=tuple(rows)), "s-device", channel="import")
        assert answer.outcome == "done", answer

    def close_day(self, day: date) -> None:
        """Derive what is over: absences come to light."""
        self.now = max(self.now, at(day, 20))
        self.ask(DeriveDays(first_on=day, last_on=day), "s-director")

    def penalise(
        self, penalty_id: str, staff_id: str, day: date, occurrence: str = "late", *, actor: str = "s-director",
        share: Ratio | None = FIFTH, amount: str | None = None, clause: str | None = None, cut: bool = False, **more: Any,
    ) -> Answer:  # fmt: skip
        """Decide a penalty."""
        request = DecidePenalty(
            penalty_id=penalty_id,
            staff_id=staff_id,
            day=day,
            occurrence=occurrence,
            clause=clause,
            requested=Requested(amount=Money(amount=amount)) if amount else Requested(share=share),
            beyond_authority="cut" if cut else "recommend",
            grounds="樣本事由",
        )
        return self.ask(request, actor, **more)

    def confirm(self, confirmation_id: str, staff_id: str, day: date, *, evidence: bool = True, **more: Any) -> Answer:
        """Confirm a forgotten punch in."""
        request = ConfirmMissedPunch(
            confirmation_id=confirmation_id,
            staff_id=staff_id,
            day=day,
            direction="in",
            evidence=(ArrivalEvidence(kind="camera", reference="gate-1"),) if evidence else (),
            grounds="忘記打卡",
        )
        return self.ask(request, "s-director", **more)


def at(day: date, hour: int) -> datetime:
    """An hour of the wall clock in Shanghai."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - timedelta(hours=8)


def punch_row(staff_id: str, instant: datetime, direction: Any) -> PunchRow:
    """A punch by an id of its own."""
    return PunchRow(
        punch_id=f"p-{staff_id}-{instant:%Y%m%d%H%M%S}-{direction}", staff_id=staff_id, at=instant, direction=direction
    )


def month(office: Office) -> dict[str, Answer]:
    """Some thirty decisions at, under and over each limit, by name; each name is also the id of its penalty or confirmation."""
    days = [MONDAY + timedelta(days=n) for n in range(12) if (MONDAY + timedelta(days=n)).weekday() < 5]
    office.roster(*days)
    office.roster(days[0], staff=("s-director", "s-supervisor"), name="heads")
    for day in days:
        for number in range(1, 7):
            office.punch(f"s-{number}", day, **_month_of(number, days.index(day)))
        office.close_day(day)
    office.punch("s-director", days[0], late_seconds=300)
    office.punch("s-supervisor", days[0], late_seconds=300)
    made: dict[str, Answer] = {}

    def penalise(name: str, *arguments: Any, **more: Any) -> None:
        made[name] = office.penalise(name, *arguments, **more)

    penalise("under-30-minutes", "s-1", days[0])
    penalise("on-30-minutes", "s-1", days[1])
    penalise("over-30-minutes", "s-1", days[2])
    penalise("same-again", "s-1", days[0])
    penalise("share-under", "s-2", days[0], share=Ratio(numerator=199, denominator=1000))
    penalise("share-on", "s-2", days[1])
    penalise("share-over", "s-2", days[2], share=Ratio(numerator=201, denominator=1000))
    penalise("share-cut", "s-2", days[2], share=Ratio(numerator=1, denominator=2), cut=True)
    penalise("fourth-lateness", "s-2", days[3], clause="A15")
    penalise("third-lateness", "s-3", days[2], clause="A15")
    penalise("fourth-and-long", "s-3", days[3])
    penalise("amount-under", "s-3", days[0], amount="10.00")
    penalise("amount-over", "s-3", days[1], amount="100.00")
    penalise("absence-whole", "s-4", days[0], "absent", share=Ratio(numerator=1, denominator=1))
    penalise("absence-over", "s-4", days[1], "absent", share=Ratio(numerator=101, denominator=100))
    penalise("early-leave", "s-4", days[2], "early")
    penalise("own-case", "s-director", days[0])
    penalise("not-the-holder", "s-5", days[4], actor="s-1")
    penalise("another-office", "s-5", days[4], actor="s-other-director")
    penalise("no-such-occurrence", "s-5", days[6])
    penalise("unknown-clause", "s-5", days[4], clause="A99")
    penalise("above-grade", "s-supervisor", days[0])
    office.lend("lent-1", "s-6", days[0], days[-1])
    penalise("lent", "s-5", days[4], actor="s-6", on_behalf_of="s-director", delegation="lent-1")
    penalise("lent-own-case", "s-6", days[4], actor="s-6", on_behalf_of="s-director", delegation="lent-1")
    for number, day in enumerate(days[5:9], start=1):
        made[f"forgotten-{number}"] = office.confirm(f"forgotten-{number}", "s-6", day)
    made["forgotten-no-evidence"] = office.confirm("forgotten-no-evidence", "s-5", days[7], evidence=False)
    made["forgotten-present"] = office.confirm("forgotten-present", "s-5", days[0])
    return made


def _month_of(number: int, day: int) -> dict[str, int | None]:
    late: dict[tuple[int, int], int] = {
        (1, 0): 1_799, (1, 1): 1_800, (1, 2): 1_801,
        (2, 0): 600, (2, 1): 600, (2, 2): 600, (2, 3): 600,
        (3, 0): 60, (3, 1): 60, (3, 2): 60, (3, 3): 5_400,
        (5, 4): 900, (6, 4): 900,
    }  # fmt: skip
    if number == 4 and day in (0, 1):
        return {"late_seconds": None, "early_seconds": None}
    if (number == 6 and 5 <= day <= 8) or (number == 5 and day == 7):
        return {"late_seconds": None}
    return {"late_seconds": late.get((number, day), 0), "early_seconds": 1_200 if (number, day) == (4, 2) else 0}
