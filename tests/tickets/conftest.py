"""An office for each test, on SQLite; the wiring's own tests ask for both databases."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tickets.office import Office, local


@pytest.fixture
def bare_office(sqlite_url: str, tmp_path: Path) -> Iterator[Office]:
    """An office nobody has set up."""
    made = Office(sqlite_url, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An office set up once; each test gets a copy of its files."""
    directory = tmp_path_factory.mktemp("office")
    made = Office(f"sqlite:///{directory / 'store.sqlite'}", directory)
    made.set_up()
    made.close()
    return directory


@pytest.fixture
def office(template: Path, tmp_path: Path) -> Iterator[Office]:
    """An office with its people, the manual's matrix and a deadline policy, on a Monday at ten."""
    copy = tmp_path / "copy"
    shutil.copytree(template, copy)
    made = Office(f"sqlite:///{copy / 'store.sqlite'}", copy)
    made.now = local("10:00")
    made.take_in()
    yield made
    made.close()


@pytest.fixture
def any_office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    """The same office on each database in turn."""
    made = Office(database_url, tmp_path)
    yield made.set_up()
    made.close()
