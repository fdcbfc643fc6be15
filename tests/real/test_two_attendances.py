"""Attendance twice, as processes of their own beside one broker, on PostgreSQL: every limit holds against twenty callers at once."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.attendance import ConfirmMissedPunch
from bailiwick_contracts.conduct import DecidePenalty
from bailiwick_contracts.deductions import Requested
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.matrix import LegalPolicy, Ratio
from bailiwick_contracts.message import Request
from bailiwick_contracts.registry import AdoptLegalPolicy
from bailiwick_contracts.temporary import HireTemp
from nats.aio.client import Client

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.run.nats import free_port, nats_binary
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, CAMERA, DIRECTOR, MONDAY, NORTH, Office

CALLERS = 20
DAYS = [MONDAY + timedelta(days=offset) for offset in range(CALLERS)]
LATE_ON = MONDAY + timedelta(days=25)
TIGHT = LegalPolicy(version="tight", mode="cap", monthly_cap=Ratio(numerator=1, denominator=29))
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("attendance-races")]


class Running:
    """NATS, the registry, and two instances of attendance on one database, with an office that was set up before."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url
        self.port, self.watched = free_port(), free_port()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        self._run([nats_binary(), "-js", "-sd", str(self.directory / "jetstream"), "-a", "127.0.0.1",
                   "-p", str(self.port), "-m", str(self.watched)], "nats")  # fmt: skip
        entry = [sys.executable, "-m", "services.cli.entry", "serve"]
        both = [
            self._run([*entry, *services], services[-1]) for services in (("registry", "attendance"), ("attendance",))
        ]
        for process in both:
            assert process.stdout is not None
            while (line := process.stdout.readline()) != "ready\n":
                assert line, "an instance ended before it was ready"

    def _run(self, command: Sequence[str], name: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "BAILIWICK_DATA_DIR": str(self.directory),
            "BAILIWICK_NATS_URL": f"nats://127.0.0.1:{self.port}",
            "BAILIWICK_DATABASE_URL": self.url,
            "BAILIWICK_LOG_LEVEL": "ERROR",
        }
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=ROOT
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()

    def delivered(self) -> list[int]:
        """How many messages the broker delivered to each connection of attendance."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.watched}/connz", timeout=10) as answer:
            found = json.load(answer)["connections"]
        return [one["out_msgs"] for one in sorted(found, key=lambda one: one["cid"]) if one.get("name") == "attendance"]

    async def at_once(self, requests: Sequence[Request]) -> Counter[str]:
        """Every request by a caller of its own; what they were answered."""
        clients = [await connect(f"nats://127.0.0.1:{self.port}", "caller") for _ in requests]
        door = Door(self.directory / "doors")
        before = self.delivered()

        async def call(client: Client, request: Request) -> Answer:
            body = door.sign(request, Actor(actor=DIRECTOR), NORTH)
            return await ask(client, body, type(request), NORTH, timeout=60)

        answers = await asyncio.gather(*map(call, clients, requests))
        shares = [after - was for after, was in zip(self.delivered(), before, strict=True)]
        assert len(shares) == 2
        assert all(share > 0 for share in shares), f"one instance was asked nothing: {shares}"
        for client in clients:
            await client.close()
        return Counter(answer.outcome for answer in answers)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two-attendances")


@pytest.fixture(scope="module")
def url(postgres_server: Any) -> Iterator[str]:
    from tests import servers  # noqa: PLC0415

    with servers.database(postgres_server) as found:
        yield found


@pytest.fixture(scope="module")
def office(url: str, directory: Path) -> Iterator[Office]:
    made = Office(url, directory).set_up()
    made.adopt(RULES)
    made.register(AdoptLegalPolicy(policy=TIGHT, lead_seconds=1))
    made.now += timedelta(minutes=1)
    for day in DAYS:
        made.came(None, day=day)
        made.came("09:10", day=day, who=BEN)
    made.came("09:20", day=LATE_ON)
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(office: Office, url: str, directory: Path) -> Iterator[Running]:
    made = Running(directory, url)
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def test_three_forgotten_punches_of_a_year_are_confirmed_of_twenty(running: Running, office: Office) -> None:
    asked = [
        ConfirmMissedPunch.model_validate(
            {"confirmation_id": f"c{number}", "staff_id": ANN, "day": day, "direction": "in",
             "evidence": (CAMERA.model_dump(),), "grounds": "Seen."}
        )
        for number, day in enumerate(DAYS)
    ]  # fmt: skip
    assert await running.at_once(asked) == {"done": 3, "refused": 17}
    assert sorted(event.data.times_in_year for event in office.facts("missed_punch_confirmed")) == [1, 2, 3]
    assert len(office.facts("missed_punch_refused")) == 17


async def test_two_approved_posts_are_filled_of_twenty(running: Running, office: Office) -> None:
    asked = [
        HireTemp(hire_id=f"h{number}", position="cleaner", first_on=DAYS[0], last_on=DAYS[9], why="leaves")
        for number in range(CALLERS)
    ]
    assert await running.at_once(asked) == {"done": 2, "refused": 18}
    assert len(office.facts("temp_hired")) == 2


async def test_the_cap_of_the_month_holds_to_the_cent_whatever_twenty_decide(running: Running, office: Office) -> None:
    requested = Requested(share=Ratio(numerator=1, denominator=5))
    asked = [
        DecidePenalty(
            penalty_id=f"p{number}", staff_id=BEN, day=day, occurrence="late", requested=requested, grounds="Late."
        )
        for number, day in enumerate(DAYS)
    ]
    assert await running.at_once(asked) == {"done": CALLERS}
    figures = [found for event in office.facts("penalty_decided") if (found := office.figures(event).computed)]
    total = sum(one.penalty.amount for one in figures)
    due = min(one.month_base_wage.amount - one.month_unpaid.amount for one in figures)
    assert total == (due / 29).quantize(total)
    assert total * 29 <= due


async def test_one_occurrence_is_punished_once_of_twenty(running: Running, office: Office) -> None:
    requested = Requested(share=Ratio(numerator=1, denominator=10))
    asked = [
        DecidePenalty(
            penalty_id=f"a{number}", staff_id=ANN, day=LATE_ON, occurrence="late", requested=requested, grounds="x"
        )
        for number in range(CALLERS)
    ]
    assert await running.at_once(asked) == {"done": 1, "refused": CALLERS - 1}
    office.judged_again()
