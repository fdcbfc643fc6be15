"""Each service's scene, in which it says everything that it can say: every view equals its rebuild."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.attendance.app import SERVICE as ATTENDANCE
from services.billing.app import SERVICE as BILLING
from services.kernel.rebuild import Rebuild, together
from services.kernel.service import Service
from services.kernel.store import Store
from services.registry.app import service as registry_of
from services.tickets.app import SERVICE as TICKETS
from tests.attendance import examples as attendance
from tests.billing import examples as billing
from tests.contracts.examples import DOOR, keys_in
from tests.tickets import examples as tickets
from tests.tickets.office import Office as TicketsOffice


def play_attendance(directory: Path) -> Any:
    office, _ = attendance.play(directory)
    return office


def play_billing(directory: Path) -> Any:
    keys_in(directory)
    return billing.play(directory)


def play_tickets(directory: Path) -> Any:
    keys_in(directory)
    office = TicketsOffice(f"sqlite:///{directory / 'store.sqlite'}", directory, door=DOOR).set_up()
    tickets.play(office)
    return office


def rows(store: Store, tables: Sequence[sa.Table]) -> dict[str, list[str]]:
    with store.reading() as connection:
        return {t.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(t))) for t in tables}


def hold(service: Service, store: Store, sources: dict[str, Store]) -> int:
    """Rebuild each view and hold it against what was in use; answers how many rows there are in all."""
    found = 0
    for view in service.views:
        views = together(service, view.name)
        tables = list(dict.fromkeys(table for one in views for table in one.tables))
        before = rows(store, tables)
        Rebuild(
            service, store, views, lambda source, place, after: [f.raw for f in sources[source].chain(place, after, 50)]
        ).run()
        assert rows(store, tables) == before, f"{service.name}: {view.name}"
        found += sum(map(len, before.values()))
    return found


@pytest.mark.parametrize(
    ("service", "play"),
    [(ATTENDANCE, play_attendance), (BILLING, play_billing), (TICKETS, play_tickets)],
    ids=lambda p: getattr(p, "name", ""),
)
def test_every_view_of_a_service_that_said_everything_equals_its_rebuild(
    service: Service, play: Callable[[Path], Any], tmp_path: Path
) -> None:
    office = play(tmp_path)
    assert hold(service, office.store, {"registry": office.registry_store}) > 20
    assert hold(registry_of(office.keys), office.registry_store, {}) > 5
    office.close()
