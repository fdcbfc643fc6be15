"""`bailiwick import staff` on a registry: whoever it takes has a position and a wage, wherever it was interrupted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from bailiwick_contracts.envelope import Actor, Answer, read_command
from bailiwick_contracts.message import Request
from bailiwick_contracts.registry import AddProperty
from bailiwick_contracts.staff import BaseWageSet, PositionAssigned, StaffRegistered

from services.attendance.imports import StaffMapping
from services.cli import taking_in
from services.cli.given import Report
from services.kernel.decision import Rejected
from services.kernel.tables import FACTS
from services.run.desk import Desk
from tests.registry.test_wiring import Office

HEADER = "staff_id,department,job_role,job_level,monthly_income\n"
EACH = (StaffRegistered, PositionAssigned, BaseWageSet)


class InterruptedImportError(Exception):
    """What ends an import between two requests."""


class Straight:
    """A desk whose requests the registry decides at once, until `left` were sent."""

    def __init__(self, office: Office) -> None:
        self._office, self.left = office, 1_000

    async def send(
        self, request: Request, actor: Actor, place: str, *, command_id: str | None = None, **provenance: Any
    ) -> Answer:
        if self.left == 0:
            raise InterruptedImportError
        self.left -= 1
        signed = self._office.door.sign(request, actor, place, command_id=command_id, **provenance)
        (answer,) = self._office.writer.process([read_command(signed, type(request))])
        return cast("Answer", answer)

    async def query(self, request: Request, _: Actor, __: str) -> Answer:
        try:
            return Answer(commandid="asked", outcome="done", result=self._office.query(request))
        except Rejected as rejection:
            return Answer(commandid="asked", outcome="rejected", error=rejection.as_error())


@pytest.fixture
def office(sqlite_url: str, tmp_path: Path) -> Iterator[Office]:
    made = Office(sqlite_url, tmp_path)
    made.done(AddProperty(property_id="north-court", name="North Court"))
    yield made
    made.writer.close()
    made.store.close()


def imported(
    office: Office, rows: str, *, desk: Straight | None = None, place: str = "north-court", ladder: str = "staff"
) -> Report:
    file = office.directory / "staff.csv"
    file.write_text(HEADER + rows)
    asked = taking_in.Asked(place, "device", dry_run=False, quiet=True, shift=None, workdays=None)
    used = cast("Desk", desk or Straight(office))
    return asyncio.run(taking_in.staff(used, asked, file, None, {"1": ladder}, StaffMapping()))


def facts(office: Office) -> list[int]:
    """How many people were registered, positions assigned and wages set."""
    with office.store.reading() as connection:
        counted = sa.select(FACTS.c.type, sa.func.count()).group_by(FACTS.c.type)
        found: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    return [found.get(kind.wire(), 0) for kind in EACH]


def test_a_wage_is_in_the_currency_of_the_property(office: Office) -> None:
    office.done(AddProperty(property_id="harbour", name="Harbour", currency="HKD"))
    report = imported(office, "7,Care,guard,1,4350.00\n8,Care,guard,1,4350.00\n", place="harbour")
    assert (report["accepted"], facts(office)) == (2, [2, 2, 2])


@pytest.mark.parametrize("left", [1, 2, 3, 4, 5])
def test_an_import_that_was_interrupted_is_gone_on_with_by_the_next_one(office: Office, left: int) -> None:
    rows = "7,Care,guard,1,4350.00\n8,Care,cleaner,1,4350.00\n"
    desk = Straight(office)
    desk.left = left
    with pytest.raises(InterruptedImportError):
        imported(office, rows, desk=desk)
    report = imported(office, rows.replace("4350", "4400"))
    assert (report["accepted"] + report["duplicates"], facts(office)) == (2, [2, 2, 2])
    again = imported(office, rows)
    assert (again["duplicates"], facts(office)) == (2, [2, 2, 2])


def test_whom_a_row_cannot_make_is_not_registered_and_comes_in_once_it_is_corrected(office: Office) -> None:
    report = imported(office, "7,Care,guard,1,4350.00\n", ladder="no grade")
    assert ([row["field"] for row in report["bad_rows"]], facts(office)) == (["grade"], [0, 0, 0])
    assert (imported(office, "7,Care,guard,1,4350.00\n")["accepted"], facts(office)) == (1, [1, 1, 1])
