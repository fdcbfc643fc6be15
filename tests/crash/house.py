"""A real office under faults: registry and attendance as processes, people who punch, come late, are fined and object."""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bailiwick_contracts.attendance import ConfirmMissedPunch, PublishRoster, RecordPunches, RosterDay
from bailiwick_contracts.conduct import DecidePenalty, WithdrawPenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.matrix import Ratio
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, AdoptLegalPolicy, SetReportingLine
from bailiwick_contracts.staff import RegisterStaff
from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client
from nats.errors import NoRespondersError

from services.attendance.app import SERVICE as ATTENDANCE
from services.kernel.doors import Door, ask
from services.kernel.reactor import caught_up
from services.kernel.relay import POSITION_HEADER
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.registry.app import service as registry_of
from tests.attendance.office import (
    CAMERA,
    CAPPED,
    DIRECTOR,
    MONDAY,
    NORTH,
    SETUP,
    SOUTH,
    UNBLOCKED,
    hiring,
    local,
    punch,
    shift,
)
from tests.crash.invariants import Published
from tests.crash.parts import Parts
from tests.crash.system import published_of, supervising

DEVICE = "device-sample"
WAGE = "4351.77"
DIRECTORS = {NORTH: DIRECTOR, SOUTH: "south-director"}
JUDGED = ("registry", "attendance")
CALLERS = 4
ANSWER_SECONDS = 240


@dataclass(frozen=True)
class Asked:
    """A command that was answered: who asked for what about whom, and the outcome."""

    command_id: str
    by: str
    about: str
    request: Request
    outcome: str


class House(Parts):
    """One installation over many rounds."""

    parts = ("registry", "attendance", "audit")

    def __init__(self, directory: Path, database_url: str | None, chance: random.Random, postgres: Any = None) -> None:
        super().__init__(directory, database_url, postgres)
        self._chance = chance
        self.staff = {place: [f"{place[:5]}-{number}" for number in range(6)] for place in (NORTH, SOUTH)}
        self.secrets: list[str] = [WAGE]
        self.asked: list[Asked] = []
        self._days: dict[str, int] = {}
        # Real services start for longer than a toy on a busy machine, and audit asks for some that do not run here.
        self.environment = {name: {"BAILIWICK_PROGRESS_SECONDS": "30"} for name in self.parts}
        self.environment["audit"]["BAILIWICK_CHECKPOINT_SECONDS"] = "0.5"

    def command(self, name: str) -> list[str | Path]:
        """As an installation starts it."""
        return [sys.executable, "-m", "services.cli.entry", "serve", name]

    def secret(self, kind: str) -> str:
        """A text that is to stand in sealed fields alone."""
        made = f"{kind}-{self._chance.randrange(10**12)}"
        self.secrets.append(made)
        return made

    def services(self) -> dict[str, Service]:
        """Those whose every fact is judged, by name."""
        return {"registry": registry_of(KeyStore(self.settings.keys_dir)), "attendance": ATTENDANCE}

    def open(self, name: str) -> Store:
        """A service's store, to look into."""
        tables = [table for view in self.services()[name].views for table in view.tables]
        return Store(self.settings.store_url(name), schema=name, views=tables)

    async def set_up(self) -> None:
        """Two properties with a director and some staff each, the manual's matrix, and a policy that caps at a fifth."""
        client = await self.client()
        director = {"grade": "director", "position": "office_director", "wage": WAGE}
        hired = [request for place, who in DIRECTORS.items() for request in hiring(who, place, **director)]
        for place, people in self.staff.items():
            hired += [request for who in people for request in hiring(who, place, wage=WAGE)]
        requests: list[Request] = [
            *(AddProperty(property_id=place, name=place) for place in DIRECTORS),
            *(
                SetReportingLine(property_id=place, position="office_director", reports_to="property_manager")
                for place in DIRECTORS
            ),
            *(
                one.model_copy(update={"name": self.secret("name")}) if isinstance(one, RegisterStaff) else one
                for one in hired
            ),
            AdoptAuthorityMatrix(matrix=UNBLOCKED, lead_seconds=1),
            AdoptLegalPolicy(policy=CAPPED, lead_seconds=1),
        ]
        try:
            async with supervising(self):
                for request in requests:
                    answer = await self.answered(client, request, SETUP, COMPANY)
                    assert answer.outcome in ("done", "ignored"), answer
                async with asyncio.timeout(120):
                    await self._attendance_takes_in(client)
                await asyncio.sleep(1.5)
        finally:
            await client.close()

    async def _attendance_takes_in(self, client: Client) -> None:
        while True:
            with contextlib.suppress(NoRespondersError):  # each part starts in its own time
                if await caught_up(client, "attendance", "registry"):
                    return
            await asyncio.sleep(0.2)

    async def flow(self, count: int, fault: Any = None) -> None:
        """`count` days of work in each of some offices, while `fault` happens and parts are supervised."""
        client = await self.client()
        try:
            async with supervising(self):
                work = (self._days_of_work(client, count // CALLERS) for _ in range(CALLERS))
                await asyncio.gather(*work, *([] if fault is None else [fault]))
        finally:
            await client.close()

    async def _days_of_work(self, client: Client, count: int) -> None:
        for _ in range(count):
            place = self._chance.choice((NORTH, SOUTH))
            who = self._chance.choice(self.staff[place])
            self._days[who] = self._days.get(who, 0) + 1
            await self._day(client, place, who, MONDAY + timedelta(days=self._days[who]))

    async def _day(self, client: Client, place: str, who: str, day: date) -> None:
        name, director, chance = f"{who}-{day}", DIRECTORS[place], self._chance
        roster = PublishRoster(roster_id=name, staff_ids=(who,), days=(RosterDay(day=day, shifts=(shift(day=day),)),))
        await self.ask(client, roster, director, who, place)
        arrival = f"09:{chance.randrange(1, 50):02d}" if chance.random() < 0.7 else None
        rows = [punch(f"{name}-out", who, "out", local("17:00", day))]
        if arrival is not None:
            rows.append(punch(f"{name}-in", who, "in", local(arrival, day)))
        await self.ask(client, RecordPunches(rows=tuple(rows)), DEVICE, who, place)
        if arrival is None:
            confirmation = ConfirmMissedPunch(
                confirmation_id=name,
                staff_id=who,
                day=day,
                direction="in",
                evidence=(CAMERA,),
                grounds=self.secret("why"),
            )
            # Who was not there confirms it for themselves first.
            await self.ask(client, confirmation.model_copy(update={"confirmation_id": f"{name}-own"}), who, who, place)
            await self.ask(client, confirmation, director, who, place)
            return
        penalty = DecidePenalty(
            penalty_id=name, staff_id=who, day=day, occurrence="late", grounds=self.secret("why"),
            requested=Requested(share=Ratio(numerator=chance.choice((10, 20, 30)), denominator=100)),
        )  # fmt: skip
        own = penalty.model_copy(update={"penalty_id": f"{name}-own"})
        by_colleague = penalty.model_copy(update={"penalty_id": f"{name}-colleague"})
        await self.ask(client, own, who, who, place)
        await self.ask(client, by_colleague, self.staff[place][0], who, place)
        await self.ask(client, penalty, director, who, place)
        if chance.random() < 0.3:
            withdrawal = WithdrawPenalty(
                penalty_id=name, cause="waiver", evidence=("lift",), grounds=self.secret("why")
            )
            await self.ask(client, withdrawal, who, who, place)
            await self.ask(client, withdrawal, director, who, place)

    async def ask(self, client: Client, request: Request, by: str, about: str, place: str) -> None:
        """Ask until it is answered, and remember it."""
        command_id = f"c{len(self.asked)}-{self._chance.randrange(10**12)}"
        answer = await self.answered(client, request, Actor(actor=by), place, command_id)
        self.asked.append(Asked(command_id, by, about, request, answer.outcome))

    async def answered(
        self, client: Client, request: Request, actor: Actor, place: str, command_id: str | None = None
    ) -> Answer:
        """Send one command under its id until it is answered, as the house asks of every caller."""
        body = Door(self.settings.doors_dir).sign(request, actor, place, command_id=command_id)
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask(client, body, type(request), place, timeout=1.5)
            except Exception:  # noqa: BLE001 - whatever the outage looks like to the client, the id is sent again
                await asyncio.sleep(0.1)
                continue
            if answer.outcome != "rejected":
                return answer
            assert answer.error is not None
            code = answer.error["code"]
            assert code != "internal", (request, answer.error)
            if code not in ("busy", "unknown", "not_adopted"):
                return answer
            await asyncio.sleep(0.1)
        raise TimeoutError(f"I8: {type(request).wire()} was not answered within {ANSWER_SECONDS} s")

    async def drained(self, client: Client, seconds: float = 60) -> float:
        """Wait until everything is published and taken in; answers how long it took."""
        begun = time.monotonic()
        said: object = "nothing was looked at"
        while time.monotonic() - begun < seconds:
            try:
                behind = [name for name in JUDGED if not await self._published(client, name)]
                said = f"not published: {behind}"
                ways = (("attendance", "registry"), ("audit", "registry"), ("audit", "attendance"))
                if not behind and all([await caught_up(client, *way, seconds=5) for way in ways]):
                    return time.monotonic() - begun
            except Exception as error:  # noqa: BLE001 - the broker or the database is still coming back
                said = repr(error)
            await asyncio.sleep(0.1)
        raise AssertionError(f"I8: not drained: {said}")

    def log_size(self, place: str) -> int:
        """How many facts the log of a property is signed over, once all of it is verified as a stranger would."""
        command = [
            sys.executable,
            "-m",
            "services.cli.entry",
            "audit",
            "verify",
            str(self.directory / "tlog" / place),
            "--json",
        ]
        environment = os.environ | {"BAILIWICK_DATA_DIR": str(self.directory)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"I7: the log of {place} does not hold: {done.stdout[-2000:]} {done.stderr[-500:]}"
        return int(json.loads(done.stdout)["size"])

    async def _published(self, client: Client, name: str) -> bool:
        store = self.open(name)
        try:
            stored = await asyncio.to_thread(store.max_notification_id) or 0
        finally:
            store.close()
        js = client.jetstream(timeout=5)
        state = (await js.stream_info(stream_of(name))).state
        if not state.messages:
            return not stored
        last = await js.get_msg(stream_of(name), state.last_seq)
        return int((last.headers or {})[POSITION_HEADER]) == stored

    async def streams(self, client: Client) -> dict[str, Sequence[Published]]:
        """What was published, by service."""
        return {name: await published_of(client, name) for name in JUDGED}
