"""The door stands open: everything put together and served until the service stops."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
import uvicorn
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.gateway import DisableWebhook
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.subjects import SERVICES
from nats.aio.client import Client

from services.gateway.administration import Administration
from services.gateway.ask import Allowance, Asker
from services.gateway.cursor import Veil
from services.gateway.deliverer import Deliverer
from services.gateway.delivery import Deliveries
from services.gateway.events import Events
from services.gateway.http import Parts, application, served
from services.gateway.identity import Identity
from services.gateway.limits import Rates
from services.gateway.login import Doorway
from services.gateway.oidc import Provider
from services.gateway.operations import Operations
from services.gateway.pages import Pages
from services.gateway.problem import ProblemError
from services.gateway.standing import Standing
from services.gateway.surface import Surface
from services.gateway.tail import Tail
from services.gateway.target import Target
from services.gateway.token import Tokens
from services.kernel.doors import Door
from services.kernel.settings import Settings

LOG = structlog.get_logger()
DOOR = "gateway"
_ITSELF = Actor(actor="system-gateway", authmethod="system", channel="system")


class UnprotectedError(ValueError):
    """It would be served to other machines in clear text."""


def _protection(settings: Settings) -> dict[str, Any]:
    """Uvicorn's TLS options. Raises UnprotectedError, and ValueError for files that no TLS can be spoken with."""
    if settings.http_certificate_file is not None or settings.http_key_file is not None:
        try:
            if settings.http_certificate_file is None or settings.http_key_file is None:
                raise FileNotFoundError(errno.ENOENT, "one of the two is not set")
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                settings.http_certificate_file, settings.http_key_file
            )
        except OSError as error:
            raise ValueError(
                f"BAILIWICK_HTTP_CERTIFICATE_FILE, BAILIWICK_HTTP_KEY_FILE: {error.strerror}; give a certificate and its key, in PEM"
            ) from None
        return {"ssl_certfile": str(settings.http_certificate_file), "ssl_keyfile": str(settings.http_key_file),
                "ssl_version": ssl.PROTOCOL_TLS_SERVER}  # fmt: skip
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(settings.http_host).is_loopback:
            return {}
    if settings.http_host == "localhost" or settings.unsafe_http_without_tls:
        return {}
    raise UnprotectedError(
        f"BAILIWICK_HTTP_HOST is {settings.http_host}: give BAILIWICK_HTTP_CERTIFICATE_FILE and BAILIWICK_HTTP_KEY_FILE, or set "
        "BAILIWICK_UNSAFE_HTTP_WITHOUT_TLS behind something that speaks TLS"
    )


def check(settings: Settings) -> None:
    """Raises ValueError, saying what to do, for settings under which the door would never open."""
    _protection(settings)
    Provider(settings)


def check_port(settings: Settings) -> None:
    """Raises ValueError, saying what to do, where another has the address now; whoever serves again in place of another waits for it."""
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        socket.create_server((settings.http_host, settings.http_port), family=family).close()
    except OSError as error:
        if not settings.http_port:
            said = f"BAILIWICK_HTTP_HOST is {settings.http_host}: {error.strerror}; give an address of this machine"
            raise ValueError(said) from None
        raise ValueError(
            f"BAILIWICK_HTTP_PORT is {settings.http_port}: {error.strerror}; give another, or 0 for a free one"
        ) from None


class Open:
    """The parts of an open gateway."""

    def __init__(self, runtime: Any, client: Client, surface: Surface, now: Any = lambda: datetime.now(UTC)) -> None:
        """Put the parts together; nothing runs yet."""
        settings, keys = runtime.settings, runtime.keys
        self.settings = settings
        self.door = Door(settings.doors_dir, DOOR)
        self.asker = Asker(client, self.door)
        self.standing = Standing(runtime.store, keys)
        tokens = Tokens(keys.ensure("gateway/tokens"))
        secret = keys.ensure("gateway/secrets")
        self.identity = Identity(self.standing, tokens, Provider(settings), secret)
        self.rates = Rates(settings.http_rate_per_second, settings.http_burst)
        veil = Veil(keys.ensure("gateway/cursors"))
        self.tail = Tail(client, SERVICES, veil.hidden)
        self.target = Target(settings.webhook_networks)
        self.deliveries = Deliveries(settings.store_url("gateway_deliveries"))
        self.deliverer = Deliverer(
            client, runtime.store, keys, self.deliveries, self.tail, self.target, self.disable,
            timedelta(days=settings.webhook_log_days), now,
        )  # fmt: skip
        self.pages = Pages(surface)
        allowance = Allowance(self.standing)
        events = Events(self.tail, self.identity, self.standing, self.rates, self.asker, allowance, veil)
        administration = Administration(
            self.identity, self.standing, self.asker, self.rates, self.target, self.deliveries, self.deliverer,
            events.place, secret,
        )  # fmt: skip
        parts = Parts(
            Operations(surface, self.identity, self.asker, self.rates, allowance),
            events,
            Doorway(self.standing, tokens, self.identity, is_behind_tls=settings.unsafe_http_without_tls),
            administration,
            self.pages,
        )
        self.protection = _protection(settings)
        self.app = application(parts)
        self.served = served(self.app, parts, secure=bool(self.protection))

    async def disable(self, webhook_id: str, why: str) -> None:
        """Record that a webhook is disabled, because it failed for too long."""
        with contextlib.suppress(ProblemError):
            await self.asker.ask(DisableWebhook(webhook_id=webhook_id, why=why[:128]), _ITSELF, COMPANY, "command")


async def serve_http(runtime: Any, client: Client, surface: Surface) -> None:
    """Serve until cancelled."""
    made = runtime.open_door = Open(runtime, client, surface)
    config = uvicorn.Config(
        made.served, made.settings.http_host, made.settings.http_port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, lifespan="off", timeout_graceful_shutdown=2, timeout_keep_alive=30, h11_max_incomplete_event_size=64 * 1024,
        **made.protection,
    )  # fmt: skip
    server = _Server(config)
    family = socket.AF_INET6 if ":" in made.settings.http_host else socket.AF_INET
    listening = socket.create_server((made.settings.http_host, made.settings.http_port), family=family, backlog=1_024)
    # asyncio does this for sockets of its own making alone. Without it the body of an answer waits for the caller's system to
    # acknowledge its head, and that takes its time: 40 ms on Linux.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(made.tail.run())
            group.create_task(made.deliverer.run())
            group.create_task(_until_cancelled(server, listening, made.tail))
    finally:
        listening.close()
        made.deliveries.close()


async def _until_cancelled(server: uvicorn.Server, listening: socket.socket, tail: Tail) -> None:
    """Serve, and let what is being answered come to its end: who listens to events would never come to one."""
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        tail.close()
        server.should_exit = True
        with contextlib.suppress(Exception):
            await asyncio.wait_for(serving, 5)


class _Server(uvicorn.Server):
    """uvicorn without hands on the process's signals: those belong to whoever runs the services."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave them alone."""
        yield
