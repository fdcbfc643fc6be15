"""Accounts for each test, on SQLite; what must hold on both databases asks for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.billing.office import Accounts


@pytest.fixture
def bare(sqlite_url: str, tmp_path: Path) -> Iterator[Accounts]:
    """Accounts nobody has set up."""
    made = Accounts(sqlite_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def accounts(bare: Accounts) -> Accounts:
    """Accounts with their people, the manual's matrix, a tariff and terms."""
    return bare.set_up()


@pytest.fixture
def any_accounts(database_url: str, tmp_path: Path) -> Iterator[Accounts]:
    """The same on each database in turn."""
    made = Accounts(database_url, tmp_path)
    yield made.set_up()
    made.close()
