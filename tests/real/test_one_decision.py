"""One decision, all the way: the made-up office on real servers, judged again, tampered with, and partly erased."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix, Bound, Ratio
from bailiwick_contracts.registry import AdoptAuthorityMatrix
from bailiwick_contracts.sealed import SealingError
from bailiwick_contracts.staff import ErasePerson

from services.cli import audit, audit_desk
from services.demo import office as made_up
from services.demo import stage
from services.demo.cases import confirmation, of_our_office
from services.kernel.bus import connect
from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.tables import FACTS
from services.run.catalogue import factories
from services.run.desk import Desk
from services.run.embedded import embedded
from services.run.logs import configure

STRICTER = "stricter-2"


def stricter() -> AuthorityMatrix:
    """The manual, but A13 ends at 15 minutes."""
    matrix = manual_matrix(STRICTER)
    rows = []
    for row in matrix.rows:
        limits = tuple(
            limit.model_copy(update={"upper": Bound(value=Ratio(numerator=15))})
            if limit.measure == "late_minutes"
            else limit
            for limit in row.limits
        )
        rows.append(row.model_copy(update={"limits": limits}) if row.row_id == "A13" else row)
    return matrix.model_copy(update={"rows": tuple(rows)})


@dataclass
class Stage:
    desk: Desk
    settings: Settings
    decided: dict[str, tuple[str, Answer]]

    async def judged(self, **chosen: Any) -> dict[str, Any]:
        return await audit.readjudicated(
            self.desk, audit_desk.query_of(self.desk), keys=self.settings.keys_dir, quiet=True, **chosen
        )

    async def complete(self) -> dict[str, Any]:
        return await audit.completeness(self.desk, audit_desk.query_of(self.desk), quiet=True)

    def store(self, service: str) -> Store:
        return Store(self.settings.store_url(service), schema=service)


@pytest.fixture
async def played(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    """The demonstration's month, on each database."""
    configure("ERROR")
    url = None if database_url.startswith("sqlite") else database_url
    given = Settings(data_dir=tmp_path / "data", database_url=url)
    async with embedded(given, factories()) as (settings, _):
        client = await connect(settings.nats_url, "test")
        desk = Desk(client, Door(settings.doors_dir))
        office = stage.our_office()

        def silent(_: str, __: int, ___: int) -> None:
            """Nobody watches."""

        await stage.set_up(desk, office, silent)
        await stage.in_force(desk)
        counts = await stage.take_in(desk, office, silent)
        await stage.confirm_months(desk, office, silent)
        assert counts["ignored"] == len(made_up.TWICE) * 2, "each doubled punch is known, once per property"
        decided = {}
        for number, case in enumerate(of_our_office(list(office.days))):
            answer = await stage.decide(desk, case.request, case.actor, case.property_id)
            decided[f"{number} {case.title}"] = (case.expected, answer)
        yield Stage(desk, settings, decided)
        await client.close()


@pytest.mark.timeout(240)
async def test_every_decision_comes_out_as_the_manual_says_and_comes_out_again(played: Stage) -> None:
    for title, (expected, answer) in played.decided.items():
        assert answer.facts[0].type.split(".")[1] == expected, title
    found = await played.judged()
    assert found["agrees"], found["findings"][:3]
    assert found["judged"] >= len(played.decided)
    assert (await played.complete())["complete"]

    # A stricter matrix rewrites nothing; judged under it, the lateness over 15 minutes would have come out differently.
    await played.desk.send(AdoptAuthorityMatrix(matrix=stricter(), lead_seconds=1), stage.SETUP, "company")
    await stage.in_force(played.desk)
    assert (await played.judged())["agrees"]
    under = await played.judged(under=STRICTER)
    half_hours = {
        a.facts[0].id for title, (_, a) in played.decided.items() if "29 min" in title or "30 min late" in title
    }
    assert len(half_hours) == 2
    assert half_hours <= set(under["by_clause"]["A13"])
    again = next(case for case in of_our_office(made_up.workdays()) if case.title == "29 min late, 10 %")
    request = again.request.model_copy(
        update={"penalty_id": "later", "day": made_up.workdays()[5], "staff_id": "north-09"}
    )
    assert (await stage.decide(played.desk, request, again.actor, again.property_id)).outcome == "done"
    assert (await played.judged())["agrees"]

    # A person is erased: no byte of the name or phone is left, and everything still comes out the same.
    person = next(p for p in made_up.staff() if p.staff_id == "north-05")
    answer = await played.desk.send(ErasePerson(staff_id=person.staff_id), stage.SETUP, "company")
    assert answer.outcome == "done"
    for word in (person.name.encode(), person.phone.encode()):
        assert not [path for path in _files(played.settings.data_dir) if word in path.read_bytes()], word
    with pytest.raises(SealingError):
        KeyStore(played.settings.keys_dir)(f"person/{person.staff_id}")
    for service in ("registry", "attendance", "audit"):
        store = played.store(service)
        assert not [
            f for f in store.after(0, 100_000) if person.name.encode() in f.raw or person.phone.encode() in f.raw
        ]
        store.close()
    assert (await played.judged())["agrees"]


@pytest.mark.timeout(240)
async def test_twenty_ask_at_once_for_the_third_forgotten_punch_and_one_gets_it(played: Stage) -> None:
    days = made_up.workdays()

    async def ask(number: int, day: int) -> Answer:
        request = confirmation(900 + number, "south-13", days[day])
        return await stage.decide(played.desk, request, "south-00", "south-court")

    assert (await ask(0, 4)).outcome == "done"
    answers = await asyncio.gather(*(ask(number, (7, 9)[number % 2]) for number in range(1, 21)))
    assert sorted(answer.outcome for answer in answers) == ["done"] + ["refused"] * 19
    assert len({answer.facts[0].id for answer in answers}) == 20
    assert (await played.judged())["agrees"]


def _files(directory: Path) -> list[Path]:
    return [Path(where) / name for where, _, names in os.walk(directory) for name in names]


@pytest.mark.timeout(240)
async def test_a_fact_altered_or_deleted_in_a_store_by_hand_is_found_and_named(played: Stage) -> None:
    penalty = next(a for expected, a in played.decided.values() if expected == "penalty_decided").facts[0]
    refusal = next(a for expected, a in played.decided.values() if expected == "penalty_refused").facts[0]
    await audit_desk.caught_up(played.desk)
    store = played.store("attendance")
    with store.transaction() as connection:
        raw = connection.execute(FACTS.select().where(FACTS.c.stream == penalty.stream)).one().raw
        altered = bytes(raw).replace(b'"clause":"A13"', b'"clause":"A15"')
        assert altered != raw
        connection.execute(FACTS.update().where(FACTS.c.stream == penalty.stream).values(raw=altered))
        connection.execute(FACTS.delete().where(FACTS.c.stream == refusal.stream))
    store.close()
    found = await played.complete()
    assert not found["complete"]
    named = {
        (difference["kind"], difference["event_id"]): difference["number"]
        for chain in found["chains"]
        for difference in chain["differences"]
        if difference["kind"] != "behind"  # checkpoints are issued meanwhile
    }
    assert named == {("altered", penalty.id): penalty.chainnumber, ("deleted", refusal.id): refusal.chainnumber}
