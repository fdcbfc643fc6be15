"""What every test may ask for: real servers, and a database of its own on each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import servers


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS server with JetStream, shared by the tests of one process: it keeps what earlier tests left in it."""
    with servers.nats(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[servers.NatsServer]:
    """An empty NATS server for one test alone, which may stop, kill, pause and wipe it."""
    with servers.NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """A PostgreSQL server, shared by the tests of one process."""
    with servers.postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """A SQLAlchemy URL of a fresh PostgreSQL database."""
    with servers.database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLAlchemy URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn: what a store does, it does on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def pytest_sessionfinish() -> None:
    """What the last test's lines left is no leak either."""
    servers.forget_broken_lines()
