"""An office for each test, on SQLite; the wiring's own tests ask for both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tickets.office import Office


@pytest.fixture
def bare_office(sqlite_url: str, tmp_path: Path) -> Iterator[Office]:
    """An office nobody has set up."""
    made = Office(sqlite_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def office(bare_office: Office) -> Office:
    """An office with its people, the manual's matrix and a deadline policy."""
    return bare_office.set_up()


@pytest.fixture
def any_office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    """The same office on each database in turn."""
    made = Office(database_url, tmp_path)
    yield made.set_up()
    made.close()
