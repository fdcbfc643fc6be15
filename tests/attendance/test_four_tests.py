"""Every command of the service answers the four tests: done, refused, ignored when repeated, lost race; on PostgreSQL, at two writers."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.message import Request

from services.attendance.app import SERVICE
from services.kernel.store import Store
from services.kernel.writer import Writer
from tests import servers
from tests.attendance import races_of_days, races_of_people
from tests.attendance.house import RULES
from tests.attendance.office import NORTH, Office, local
from tests.attendance.race import CASES, EMPLOYEE, REFUSED_OTHERWISE, Case, Scene

NOW = local("10:00", date(2026, 7, 10))
pytestmark = [pytest.mark.xdist_group("attendance-races"), pytest.mark.timeout(300)]
NUMBERS = itertools.count()
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.request.__name__)


class Two:
    """One office on one database, and two writers that each remember what they saw."""

    def __init__(self, url: str, directory: Path) -> None:
        self.office = Office(url, directory).set_up(people=(EMPLOYEE,))
        self.office.staff_the_company()
        self.office.adopt(RULES)
        self.office.now = NOW
        self.store = Store(url, schema="attendance", views=[table for view in SERVICE.views for table in view.tables])
        self.second = Writer(SERVICE, self.store, self.office.keys, clock=lambda: self.office.now)

    def scene(self) -> Scene:
        """Somebody to whom nothing happened yet."""
        number = next(NUMBERS)
        self.office.hire(f"person-{number}")
        return Scene(self.office, f"person-{number}", number)

    def at_once(self, first: Request, second: Request, by: str, channel: str) -> list[Answer]:
        """Both at the same moment, each at a writer of its own that has just read what stands."""
        actor = Actor.model_validate({"actor": by, "channel": channel})
        commands = [self.office.sign(request, actor, NORTH) for request in (first, second)]
        gate = threading.Barrier(2)

        def send(writer: Writer, command: Any) -> Answer:
            gate.wait()
            (answer,) = writer.process([command])
            assert isinstance(answer, Answer), answer
            return answer

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(send, (self.office.attendance, self.second), commands))

    def count(self, fact: str) -> int:
        return len(self.office.facts(f"attendance.{fact}."))

    def close(self) -> None:
        self.second.close()
        self.store.close()
        self.office.close()


@pytest.fixture(scope="module")
def two(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with servers.database(postgres_server) as url:
        made = Two(url, tmp_path_factory.mktemp("races"))
        yield made
        made.close()


def test_every_command_of_the_service_stands_in_the_table() -> None:
    assert {case.make.__module__ for case in CASES.values()} == {races_of_days.__name__, races_of_people.__name__}
    assert set(CASES) == set(SERVICE.commands)
    assert set(REFUSED_OTHERWISE) == {case.request for case in CASES.values() if case.not_allowed is None}


@EVERY
def test_of_two_at_once_one_is_done_and_the_other_is_decided_on_what_that_stored(two: Two, case: Case) -> None:
    race = case.make(two.scene())
    before = two.count(case.fact)
    answers = two.at_once(race.first, race.second, race.by, race.channel)
    assert Counter(one.outcome for one in answers) == Counter({"done": 1}) + Counter([case.second]), case.invariant
    assert two.count(case.fact) == before + 1, case.invariant
    done = (race.first, race.second)[[one.outcome for one in answers].index("done")]
    again = two.office.ask(done, by=race.by, channel=race.channel)
    assert again.outcome == "ignored", "repeated under a new command id it is nothing new"
    assert two.count(case.fact) == before + 1, case.invariant


@EVERY
def test_the_same_command_again_is_answered_as_before_by_either_writer(two: Two, case: Case) -> None:
    race = case.make(two.scene())
    command_id = two.scene().named("again")
    first = two.office.ask(race.first, by=race.by, channel=race.channel, command_id=command_id)
    assert first.outcome == "done", first
    before = len(two.office.facts())
    actor = Actor.model_validate({"actor": race.by, "channel": race.channel})
    (again,) = two.second.process([two.office.sign(race.first, actor, NORTH, command_id)])
    assert isinstance(again, Answer)
    assert (again.outcome, [one.id for one in again.facts]) == ("done", [one.id for one in first.facts])
    assert len(two.office.facts()) == before


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.not_allowed is not None], ids=lambda case: case.request.__name__
)
def test_whoever_has_not_the_power_is_refused_by_a_recorded_fact_and_nothing_else_happens(two: Two, case: Case) -> None:
    race = case.make(two.scene())
    before, stored = two.count(case.fact), len(two.office.facts())
    assert case.not_allowed is not None
    answer = two.office.ask(race.first, by=case.not_allowed)
    assert answer.outcome == "refused", answer
    (refusal,) = two.office.facts()[stored:]
    assert refusal.type.split(".")[1].endswith("_refused")
    assert refusal.data.ruling.outcome != "granted"
    assert two.count(case.fact) == before


def test_everything_that_was_decided_in_the_races_is_judged_alike_again(two: Two) -> None:
    assert two.office.judged_again().judged > 0
