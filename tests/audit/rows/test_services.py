"""What each service says that its facts ask for is what it set: its due table agrees with it at every turn, on either database."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from bailiwick_contracts.appraisal import OpenAppraisals, Score, SubmitAppraisal
from bailiwick_contracts.collection import RequestCollectionStatus, SupplyCollectionStatus

from services.attendance.app import SERVICE as ATTENDANCE
from services.audit.rows.comparison import RowComparison
from services.audit.rows.finding import RowFinding
from services.billing.app import SERVICE as BILLING
from services.kernel.due import TIMERS
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.store import Store
from services.run.catalogue import factories
from tests.attendance.house import RULES
from tests.attendance.office import ANN, BEN, Office, local
from tests.audit.rows.house import House
from tests.billing.office import DIRECTOR, Accounts
from tests.kernel.due import fire_due


@pytest.fixture
def any_office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    made = Office(database_url, tmp_path)
    yield made.set_up()
    made.close()


@pytest.fixture
def any_accounts(database_url: str, tmp_path: Path) -> Iterator[Accounts]:
    made = Accounts(database_url, tmp_path)
    yield made.set_up()
    made.close()


def differing(service: Service, store: Store, registry: Store, now: object) -> list[RowFinding]:
    def feed(_: str, property_id: str, after: int) -> list[bytes]:
        return [fact.raw for fact in registry.chain(property_id, after, 500)]

    def heads(_: str) -> Mapping[str, tuple[int, str]]:
        return {name: (head.number, head.hash) for name, head in registry.heads().items()}

    comparison = RowComparison(service, store, feed, heads, clock=lambda: now)  # type: ignore[arg-type, return-value]
    return list(comparison.compare().differences)


def timers(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.execute(sa.select(TIMERS.c.timer_id).order_by(TIMERS.c.timer_id)).scalars())


def empty(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(sa.delete(TIMERS))


def test_the_due_day_of_appraisals_follows_from_their_opening(any_office: Office) -> None:
    office = any_office
    office.adopt(RULES)

    def found() -> list[RowFinding]:
        return differing(ATTENDANCE, office.store, office.registry_store, office.now)

    office.ask(OpenAppraisals(month="2026-03", staff_ids=(ANN,)))
    office.now += timedelta(hours=1)
    office.ask(OpenAppraisals(month="2026-03", staff_ids=(BEN,)))
    scores = tuple(Score(section=section, score=80) for section in ("duty", "service", "conduct"))
    office.ask(SubmitAppraisal(month="2026-03", staff_id=ANN, scores=scores, signed=True))
    assert (timers(office.store), found()) == (["appraisal-north-court-2026-03"], [])
    office.now = local("00:00", date(2026, 4, 3))
    fire_due(office.attendance, office.store, office.now)
    assert (timers(office.store), found()) == ([], [])


def test_a_due_day_that_was_taken_out_is_missing_before_and_after_it(any_office: Office) -> None:
    office = any_office
    office.adopt(RULES)
    office.ask(OpenAppraisals(month="2026-03", staff_ids=(ANN, BEN)))
    empty(office.store)
    for instant in (office.now, local("00:00", date(2026, 5, 3))):
        office.now = instant
        (found,) = differing(ATTENDANCE, office.store, office.registry_store, office.now)
        assert (found.kind, found.key) == ("missing", {"timer_id": "appraisal-north-court-2026-03"})


def test_a_demand_for_the_status_asks_for_its_timer_until_it_is_answered_or_overdue(any_accounts: Accounts) -> None:
    accounts = any_accounts

    def found() -> list[RowFinding]:
        return differing(BILLING, accounts.store, accounts.registry_store, accounts.now)

    for number in ("s1", "s2", "s3"):
        accounts.done(RequestCollectionStatus(request_id=number), by=DIRECTOR)
    accounts.done(SupplyCollectionStatus(request_id="s1"))
    assert (timers(accounts.store), found()) == (["collection-status-s2", "collection-status-s3"], [])
    accounts.fire(accounts.now + timedelta(days=2))
    assert (timers(accounts.store), found()) == ([], [])
    accounts.done(RequestCollectionStatus(request_id="s4"), by=DIRECTOR)
    empty(accounts.store)
    assert [one.key for one in found()] == [{"timer_id": "collection-status-s4"}]


def test_tickets_in_the_middle_of_their_life_agree_and_a_moved_deadline_does_not(
    database_url: str, tmp_path: Path
) -> None:
    house = House(tmp_path, database_url)
    assert house.findings() == []
    with house.store.transaction() as connection:
        connection.execute(sa.update(TIMERS).where(TIMERS.c.timer_id == "t0/judge/resolution").values(due_us=1))
    assert [(one.kind, one.key) for one in house.findings()] == [("altered", {"timer_id": "t0/judge/resolution"})]
    house.office.close()


def test_every_service_with_timers_says_what_its_facts_ask_for(tmp_path: Path) -> None:
    made = [make(KeyStore(tmp_path / "keys")) for make in factories().values()]
    assert {one.name for one in made if one.timers} == {one.name for one in made if one.asks}
    assert {one.name for one in made if one.timers} == {"attendance", "tickets", "billing"}
