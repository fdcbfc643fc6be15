"""The connection to NATS and what lies in it: safe settings, streams and durables made from one description."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from typing import Any

import nats
import structlog
from bailiwick_contracts.subjects import events_of, stream_of
from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError, ServiceUnavailableError

from services.kernel.going import go_on, rest
from services.kernel.settings import is_here

LOG = structlog.get_logger()
DUPLICATE_WINDOW_SECONDS = 600
ACK_WAIT_SECONDS = 10
CLOSE_SECONDS = 2.0
JETSTREAM_ON = "give the NATS server a block jetstream { store_dir: … } and start it again"
"""What to do where a server has no JetStream."""
CONNECT_OPTIONS: dict[str, Any] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 1,
    "ping_interval": 5,
    "max_outstanding_pings": 2,
    "connect_timeout": 3,
    # The next of the list instead of any, so that nobody comes back to the node it moves away from.
    "dont_randomize": True,
}


class _Transport(TcpTransport):
    """A line whose TLS never came about is never told that it is closed; who waits for that waits for ever."""

    async def wait_closed(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await super().wait_closed()  # type: ignore[no-untyped-call]


class SteadyClient(Client):
    """Client of NATS that leaves no task behind when a connection breaks while it is being made, and never stops trying.

    nats-py 2.16 starts three tasks for each connection and ends them only where that connection had stood: of 500
    reconnects 2 to 8 left a pair of them running for ever. And a process that started while the server's certificate was
    over tried once and hung.
    """

    async def _connect_to_server(self, s: Any) -> None:
        await super()._connect_to_server(s)
        # The library replaces a transport that is not connected yet, so it cannot be given one of ours before.
        if type(self._transport) is TcpTransport:
            self._transport.__class__ = _Transport

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """The library takes a server at its word that it speaks no TLS, and tells it the password in clear text then."""
        uri = self._current_server.uri  # type: ignore[union-attr]
        protected = uri.scheme == "tls" or ("tls" in self.options and not is_here(uri.hostname or ""))
        if initial_connection and protected and not info.get("tls_required"):
            self._transport.close()  # type: ignore[union-attr]
            raise Error(
                "nats: TLS is asked for and the server does not ask for it: nothing is said to it in clear text"
            )
        await super()._process_info(info, initial_connection)

    async def _process_connect_init(self) -> None:
        for task in (self._reading_task, self._ping_interval_task, self._flusher_task):
            if task is not None:
                task.cancel()
        await super()._process_connect_init()


# FastStream connects by `nats.connect`, which makes its client by this name.
nats.NATS = SteadyClient  # type: ignore[attr-defined]


def nodes(url: str) -> list[str]:
    """Each server of a comma-separated list, in an order of this process, so that not everyone is on the first."""
    listed = url.split(",")
    return random.sample(listed, len(listed))


class DriftError(Exception):
    """What lies in JetStream is not what is described; the message names each difference and the way out."""


class NoJetStreamError(Error):
    """Nobody answers for JetStream."""


async def connect(url: str, name: str, *, made: Callable[[Client], None] | None = None, **options: Any) -> Client:
    """A connection that never gives up, trying until the server is there.

    Args:
        url: where the server is, or each node of a cluster, separated by commas.
        name: under which the server lists the connection.
        made: gets the client before it is connected, so that it can be watched.
        options: whose it is and how it is protected (`Settings.nats_options`).
    """
    client = SteadyClient()
    if made is not None:
        made(client)

    async def on_error(error: Exception) -> None:
        LOG.warning("nats.error", connection=name, error=f"{type(error).__name__}: {error}")

    while True:
        go_on()
        try:
            await client.connect(
                nodes(url), name=name, error_cb=on_error, allow_reconnect=True, **CONNECT_OPTIONS, **options
            )
        except (OSError, TimeoutError) as error:
            LOG.warning("nats.waiting", connection=name, error=str(error))
            await rest(0.5)
        except Exception as error:  # noqa: BLE001 - the client raises its own kinds while no server answers
            LOG.warning("nats.waiting", connection=name, error=str(error))
            await rest(0.5)
        else:
            return client


def stream_config(service: str, replicas: int = 1) -> StreamConfig:
    """The stream of a service's events: nothing ages out, nothing can be deleted or rolled up."""
    return StreamConfig(
        name=stream_of(service),
        subjects=[events_of(service)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=0,
        deny_delete=True,
        deny_purge=True,
        allow_rollup_hdrs=False,
        allow_direct=False,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        num_replicas=replicas,
    )


def durable_config(consumer: str) -> ConsumerConfig:
    """The durable through which a service takes in another's events."""
    return ConsumerConfig(
        durable_name=consumer,
        ack_policy=AckPolicy.ALL,
        ack_wait=ACK_WAIT_SECONDS,
        max_ack_pending=5_000,
        max_deliver=-1,
    )


_STREAM_FIELDS = (
    "subjects", "retention", "storage", "discard", "max_age", "deny_delete", "deny_purge", "allow_rollup_hdrs",
    "allow_direct", "duplicate_window", "num_replicas", "max_msgs", "max_bytes", "max_msg_size", "max_msgs_per_subject",
    "sealed", "no_ack", "mirror", "sources", "republish", "subject_transform",
)  # fmt: skip
_DURABLE_FIELDS = (
    "ack_policy", "ack_wait", "max_ack_pending", "max_deliver", "filter_subject", "filter_subjects", "headers_only",
    "inactive_threshold", "backoff", "rate_limit_bps", "replay_policy",
)  # fmt: skip


def _differences(found: object, wanted: object, fields: Iterable[str], name: str) -> list[str]:
    return [
        f"{name}: {field} is {getattr(found, field)!r}, should be {getattr(wanted, field)!r}"
        for field in fields
        if _limit(getattr(found, field)) != _limit(getattr(wanted, field))
    ]


def _limit(value: Any) -> Any:
    """A setting that limits nothing is -1, 0 or nothing at all, as the server likes."""
    return None if value == -1 else value or None


async def drift(js: JetStreamContext, service: str, consumes: Iterable[str], *, replicas: int = 1) -> list[str]:
    """How what exists differs from what is described, one text a difference; what is missing is no difference."""
    found = []
    for name in (service, *consumes):
        with contextlib.suppress(NotFoundError):
            info = await js.stream_info(stream_of(name))
            found += _differences(
                info.config, stream_config(name, replicas), _STREAM_FIELDS, f"stream {stream_of(name)}"
            )
    for source in consumes:
        with contextlib.suppress(NotFoundError):
            consumer = await js.consumer_info(stream_of(source), service)
            durable = f"durable {service} of {stream_of(source)}"
            found += _differences(consumer.config, durable_config(service), _DURABLE_FIELDS, durable)
    return found


async def provision(js: JetStreamContext, service: str, consumes: Iterable[str], *, replicas: int = 1) -> list[str]:
    """Make what is missing; answers what was made.

    Raises:
        DriftError: something exists with other settings. Nothing existing is ever changed.
        NoJetStreamError: the server has no JetStream.
    """
    try:
        made, drift = await _made(js, service, consumes, replicas)
    except ServiceUnavailableError as error:
        if error.err_code is not None:
            raise
        raise NoJetStreamError(f"nobody answers for JetStream: {JETSTREAM_ON}") from error
    if drift:
        raise DriftError(
            "; ".join(drift) + ". Put the settings back, or delete the durable: it is made anew and nothing is lost"
        )
    return made


async def _made(
    js: JetStreamContext, service: str, consumes: Iterable[str], replicas: int
) -> tuple[list[str], list[str]]:
    made: list[str] = []
    drift: list[str] = []
    for name in (service, *consumes):
        wanted = stream_config(name, replicas)
        try:
            info = await js.stream_info(stream_of(name))
            drift += _differences(info.config, wanted, _STREAM_FIELDS, f"stream {wanted.name}")
        except NotFoundError:
            await js.add_stream(wanted)
            made.append(f"stream {wanted.name}")
    for source in consumes:
        durable = durable_config(service)
        try:
            consumer = await js.consumer_info(stream_of(source), service)
            drift += _differences(
                consumer.config, durable, _DURABLE_FIELDS, f"durable {service} of {stream_of(source)}"
            )
        except NotFoundError:
            await js.add_consumer(stream_of(source), durable)
            made.append(f"durable {service} of {stream_of(source)}")
    return made, drift
