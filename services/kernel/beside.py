"""A running service as the tasks alongside it see it: what is committed, and a way to ask the service itself."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bailiwick_contracts.envelope import Answer, Command, hash_of
from bailiwick_contracts.message import Request
from bailiwick_contracts.sealed import Keys

from services.kernel.ids import uuid7
from services.kernel.reading import QueryReading
from services.kernel.service import Reading, Service
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.writer import Writer


class Beside:
    """One service with its store and writer, as a task of `Service.alongside` needs them."""

    def __init__(self, service: Service, store: Store, writer: Writer, keys: Keys, settings: Settings) -> None:
        """The parts of a runtime."""
        self._service, self._store, self._writer, self._keys, self._settings = service, store, writer, keys, settings

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """What is committed, as one consistent state."""
        with self._store.reading() as connection:
            yield QueryReading(self._service, self._store, self._keys, connection)

    async def ask(self, request: Request, property_id: str, command_id: str | None = None) -> Answer:
        """Have the service itself decide a request."""
        answer: Answer = await self._writer.submit(
            system_command(self._service.name, request, property_id, command_id or uuid7(), datetime.now(UTC)), own=True
        )
        return answer

    def setting(self, name: str) -> Any:
        """A setting of this process."""
        return getattr(self._settings, name)


def system_command(service: str, request: Request, property_id: str, command_id: str, now: datetime) -> Command[Any]:
    """A command that a service gives itself: no door signed it, and the fact says so."""
    system = f"system-{service}"
    return Command[Any].model_construct(
        None,
        actor=system,
        onbehalfof=None,
        delegation=None,
        authmethod="system",
        channel="system",
        commandid=command_id,
        commandtype=type(request).wire(),
        commanddigest=hash_of(request.model_dump_json().encode()),
        door=system,
        property=property_id,
        salt="system",
        issuedat=now,
        occurredat=None,
        effectiveon=None,
        correlationid=None,
        causationid=None,
        importfile=None,
        importrow=None,
        traceparent=None,
        doorsignature="system",
        data=request,
    )
