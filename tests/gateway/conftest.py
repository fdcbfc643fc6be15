"""A whole system in a thread of its own, with an office of two properties, and somebody of each role who may come in."""

import asyncio
import hashlib
import threading
import uuid
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.gateway import AddAccount, AddApiKey
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import AddProperty, AdoptAuthorityMatrix, SetReportingLine
from bailiwick_contracts.staff import AssignPosition, ExternalId, MapExternalId, RegisterStaff

from services.gateway.token import hash_password
from services.kernel.bus import connect
from services.kernel.doors import Door
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.catalogue import factories
from services.run.desk import Desk
from services.run.embedded import Supervisor, embedded
from tests.gateway.provider import Provider

T = TypeVar("T")
SETUP = Actor(actor="system-setup", authmethod="system", channel="system")
PASSWORD = "correct horse battery"
NORTH, SOUTH = "north-court", "south-court"
NORTHERN, SOUTHERN, NOWHERE = "aa00aa01", "bb00bb02", "cc00cc03"
"""The marks of what is told of either property, and one that nothing has."""
PEOPLE = {
    "admin": (COMPANY, "company_admin"),
    "hr": (COMPANY, "hr"),
    "auditor": (COMPANY, "auditor"),
    "director": (NORTH, "office_director"),
    "guard": (NORTH, "guard"),
    "southern": (SOUTH, "office_director"),
    "southguard": (SOUTH, "guard"),
    "nobody": (NORTH, None),
}
"""Role in the tests to where the position is held, and which."""


@dataclass
class System:
    """The running system, seen from outside."""

    settings: Settings
    supervisor: Supervisor
    loop: asyncio.AbstractEventLoop
    desk: Desk
    tokens: dict[str, str] = field(default_factory=dict)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the system's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def done(self, request: Request, property_id: str = COMPANY, actor: Actor = SETUP) -> Answer:
        """Have something decided over NATS."""
        answer = self.call(self.desk.send(request, actor, property_id))
        assert answer.outcome in ("done", "ignored"), answer
        return answer

    def settled(self) -> None:
        """Wait until every copy of the registry is up to date, and nothing remembered is older than that."""
        for service in ("attendance", "gateway", "tickets"):
            assert self.call(caught_up(self.desk.client, service, "registry"))
        self.call(asyncio.sleep(1.1))

    def http(self, who: str | None = None, **headers: str) -> httpx.Client:
        """A client, with the token of somebody."""
        if who is not None and who not in self.tokens:
            with httpx.Client(base_url=self.settings.http_url) as client:
                answer = client.post("/v1/tokens", json={"account": who, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self.tokens[who] = answer.json()["access_token"]
        if who is not None:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        return httpx.Client(base_url=self.settings.http_url, headers=headers, timeout=40)


def key() -> dict[str, str]:
    """An Idempotency-Key that was never used."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def settle(system: System) -> None:
    """Properties, the manual's matrix, people with their positions, and an account for each."""
    for place in (NORTH, SOUTH):
        system.done(AddProperty(property_id=place, name=place), place)
        system.done(
            SetReportingLine(property_id=place, position="office_director", reports_to="property_manager"), place
        )
    system.done(AdoptAuthorityMatrix(matrix=manual_matrix(), lead_seconds=1))
    hired, hashed = date(2024, 1, 1), hash_password(PASSWORD)
    for name, (place, position) in PEOPLE.items():
        home = NORTH if place == COMPANY else place
        if name != "nobody":
            system.done(RegisterStaff(staff_id=name, name=f"樣本{name}", home_property=home, hired_on=hired))
        if position is not None:
            system.done(
                AssignPosition(staff_id=name, property_id=place, position=position, grade="staff", effective_on=hired)
            )
        system.done(AddAccount(account=name, staff_id=name, password_hash=hashed))
    system.done(
        MapExternalId(staff_id="director", external=ExternalId(system="oidc", property_id=COMPANY, external_id="sub-1"))
    )
    system.done(
        AddApiKey(
            key_id="k-gate",
            name="gate",
            acts_as="gate-1",
            properties=(NORTH,),
            access=("command",),
            secret_hash=GATE_HASH,
        )
    )
    system.settled()


GATE_SECRET = "s" * 43
GATE_HASH = hashlib.sha256(GATE_SECRET.encode()).hexdigest()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here that shares the one system runs in one process, also where a file of these is all that is run."""
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        for fixture, group in (("system", "gateway"), ("filled", "gateway-filled")):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """An identity provider on loopback."""
    with Provider() as made:
        yield made


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[System]:
    """One system for all tests of a process; each test makes what it needs under names of its own."""
    oidc: dict[str, Any] = {"oidc_issuer": provider.issuer, "oidc_jwks_url": f"{provider.issuer}/jwks"}
    with running(tmp_path_factory.mktemp("gateway"), **oidc) as made:
        settle(made)
        yield made


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system with both properties full of data (`tests/gateway/full.py`)."""
    from tests.gateway.full import fill  # noqa: PLC0415 - it takes its system from here

    with running(tmp_path_factory.mktemp("filled")) as made:
        settle(made)
        fill(made, NORTH, NORTHERN)
        fill(made, SOUTH, SOUTHERN)
        yield made


class running:  # noqa: N801 - it reads as one
    """A system below a directory for as long as the context is open, of every service or of some."""

    def __init__(self, directory: Path, services: tuple[str, ...] = (), **settings: Any) -> None:
        self._services = services
        options: dict[str, Any] = {
            "webhook_networks": ("127.0.0.0/8",),
            "http_rate_per_second": 100_000,
            "http_burst": 1_000_000,
        }
        self._settings = Settings(data_dir=directory / "data", **{**options, **settings})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> System:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(90)

    async def _open(self) -> System:
        self._context = embedded(self._settings, factories(*self._services))
        settings, supervisor = await self._context.__aenter__()
        self._client = await connect(settings.nats_url, "tests")
        return System(settings, supervisor, self._loop, Desk(self._client, Door(settings.doors_dir)))

    async def _close(self) -> None:
        await self._client.close()
        await self._context.__aexit__(None, None, None)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
