"""How a command of the command line reaches the system: the one that runs, or one started for as long as it is needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime

from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.message import COMPANY, Request
from bailiwick_contracts.registry import GetProperty
from nats.aio.client import Client
from nats.errors import NoRespondersError

from services.kernel.bus import connect
from services.kernel.doors import Door, ask
from services.kernel.settings import Settings, masked
from services.run.catalogue import factories
from services.run.embedded import embedded
from services.run.place import StartError, running_at

ATTEMPTS = 6
CONNECT_SECONDS = 15.0
LOOK_SECONDS = 5.0


@dataclass
class Desk:
    """A connection with a door of its own: asks in the name of an actor."""

    client: Client
    door: Door
    _places: set[str] = field(default_factory=lambda: {COMPANY})
    """Properties that are there, as far as the registry was asked."""

    async def send(
        self,
        request: Request,
        actor: Actor,
        property_id: str,
        *,
        command_id: str | None = None,
        issued_at: datetime | None = None,
        effective_on: date | None = None,
        import_file: str | None = None,
        import_row: int | None = None,
    ) -> Answer:
        """Have a command decided; asks again under the same id while the service is busy or silent."""
        body = self.door.sign(
            request, actor, property_id, command_id=command_id, issued_at=issued_at, effective_on=effective_on,
            import_file=import_file, import_row=import_row,
        )  # fmt: skip
        said = "no answer"
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(TimeoutError, NoRespondersError):
                answer = await ask(self.client, body, type(request), property_id, timeout=10)
                if answer.error is None or answer.error.get("code") not in ("busy", "unknown"):
                    return answer
                said = f"no answer but '{answer.error['message']}'"
            await asyncio.sleep(0.2 * 2**attempt)
        raise TimeoutError(
            f"{said} to {type(request).wire()}: whether it was decided is unknown; bailiwick health says what is wrong"
        )

    async def query(self, request: Request, actor: Actor, property_id: str) -> Answer:
        """Ask what is stored; asks again while the service is busy or not there, or its database failed.

        Of a property that is not there nothing is stored anywhere, and every answer would be empty: the registry's is given then.
        """
        if property_id not in self._places:
            unknown = await self._look_up(property_id, actor)
            if unknown is not None:
                return unknown
        body = self.door.sign(request, actor, property_id)
        said = "its service does not run"
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(NoRespondersError):
                answer = await ask(self.client, body, type(request), property_id, kind="query", timeout=60)
                if answer.error is None or answer.error.get("code") not in ("busy", "unknown"):
                    return answer
                said = "its service is busy" if answer.error["code"] == "busy" else "its database failed"
            await asyncio.sleep(0.2 * 2**attempt)
        raise TimeoutError(f"no answer to {type(request).wire()}: {said}; bailiwick health says why")

    async def _look_up(self, property_id: str, actor: Actor) -> Answer | None:
        """What the registry says of a property that is not there; None where it is, or where the registry is not to be asked."""
        asked = GetProperty(property_id=property_id)
        with contextlib.suppress(TimeoutError, NoRespondersError):
            body = self.door.sign(asked, actor, COMPANY)
            answer = await ask(self.client, body, GetProperty, COMPANY, kind="query", timeout=LOOK_SECONDS)
            if answer.error is not None and answer.error.get("code") == "unknown_property":
                return answer
            self._places.add(property_id)
        return None


@contextlib.asynccontextmanager
async def system(settings: Settings) -> AsyncIterator[Desk]:
    """A desk at the running system; where none runs on the data directory, the embedded one is started meanwhile.

    Raises:
        StartError: its NATS does not answer, or the embedded one does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        found = settings.nats_url if "nats_url" in settings.model_fields_set else running_at(settings.data_dir)
        if found is None:
            started, _ = await stack.enter_async_context(embedded(settings, factories()))
            found = started.nats_url
        connected = settings.model_copy(update={"nats_url": found})
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await connect(found, "command-line", **connected.nats_options("office"))
        except TimeoutError:
            raise StartError(
                f"NATS at {masked(found)} does not answer; start it, or correct BAILIWICK_NATS_URL"
            ) from None
        stack.push_async_callback(client.close)
        yield Desk(client, Door(settings.doors_dir))
