"""One running service: commands and queries come in over NATS, the kernel does the rest. `services/<name>/app.py` declares."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import MESSAGE_LIMIT_BYTES, Answer, Command, read_command
from bailiwick_contracts.message import Request, made
from bailiwick_contracts.subjects import feed_of, parse
from faststream.nats import NatsBroker, NatsNKey
from faststream.security import BaseSecurity
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError
from pydantic_core import from_json

from services.kernel.bus import CONNECT_OPTIONS, connect, nodes, provision
from services.kernel.dead_letter_requests import with_dead_letters
from services.kernel.dead_letters import DeadLetters
from services.kernel.decision import Rejected
from services.kernel.doors import Doors
from services.kernel.failure import told
from services.kernel.feed import log_page, page, stream_page
from services.kernel.going import go_on
from services.kernel.health import Checkup, Health, encoded, not_started
from services.kernel.heap import collect_less
from services.kernel.lease import Lease, Leased
from services.kernel.liveness import Part, Watch
from services.kernel.moment import Moments
from services.kernel.moving import Moving
from services.kernel.nudge import Nudge
from services.kernel.reactor import Reactor, read_feed
from services.kernel.readers import Readers
from services.kernel.reading import QueryReading, plain
from services.kernel.rebuilding import Rebuilding
from services.kernel.relay import Relay
from services.kernel.scope import ScopedReading
from services.kernel.sealing import KeyStore
from services.kernel.service import Service
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.timers import Timers
from services.kernel.turns import take_short_turns
from services.kernel.work import BusyError
from services.kernel.writer import Writer

LOG = structlog.get_logger()
STOP_SECONDS = 5
Handle = Callable[[Command[Any]], Awaitable[Answer]]


class Runtime:
    """A service with its store, writer, relay, reactors and subscribers, from start to stop."""

    def __init__(
        self, service: Service, settings: Settings, keys: KeyStore | None = None, watch: Watch | None = None
    ) -> None:
        """Open the store; nothing runs before `run`. `watch` ends the process when a part of this service is stuck."""
        self.watch = watch or Watch(settings.progress_seconds)
        self.service, self.settings = with_dead_letters(service), settings
        self.keys = keys or KeyStore(settings.keys_dir)
        tables = [table for view in service.views for table in view.tables]
        self.store = Store(settings.store_url(service.name), schema=service.name, views=tables)
        self.doors = Doors(settings.doors_dir)
        self.writer = Writer(
            service, self.store, self.keys, limit=settings.batch_limit, check=self.doors.check_signature
        )
        self.readers = Readers(service.name, self.store, self._query)
        self.ready = asyncio.Event()
        self.ended_before: str | None = None
        """Why the one before this ended, where it did; told as long as this one is not ready."""
        self.relay: Relay | None = None
        self.reactors: list[Reactor] = []
        self._answering: set[asyncio.Task[None]] = set()
        self.rebuilding: Rebuilding | None = None
        self.moments: Moments | None = None
        self.checkup: Checkup | None = None
        self.broker = NatsBroker(
            nodes(settings.nats_url),
            apply_types=False,
            graceful_timeout=STOP_SECONDS,
            logger=None,
            **CONNECT_OPTIONS,
            **_broker_options(settings.nats_options(service.name)),
        )
        self._declare()

    def _declare(self) -> None:
        name = self.service.name

        @self.broker.subscriber(feed_of(name), queue=name, decoder=_undecoded, title=f"{name}.feed", max_workers=4)
        async def on_feed(message: Msg) -> bytes:
            try:
                return await asyncio.to_thread(self._feed, message.data)
            except Exception as error:
                # Whoever asked waits in vain and asks again; only here it can be said why.
                LOG.error("feed.failed", service=name, error=told(error))
                raise

    async def _take_requests(self) -> None:
        """One subscription each for all commands and all queries, on the broker's connection (decision 30).

        What no handler takes is answered too, so that a wrong name or version is told apart from a service that is down.
        """
        connection = self.broker.connection
        for kind in ("command", "query"):
            takes = self.service.commands if kind == "command" else self.service.queries
            handle = self._on_command if kind == "command" else self._on_query
            await connection.subscribe(
                f"bailiwick.*.{self.service.name}.{kind}.>",
                queue=self.service.name,
                cb=partial(self._on_request, {request.wire(): request for request in takes}, handle),
            )

    async def _on_request(self, takes: Mapping[str, type[Request]], handle: Handle, message: Msg) -> None:
        # A handler that awaited its answer would hold up the next message.
        task = asyncio.create_task(self._respond(message, takes, handle))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _respond(self, message: Msg, takes: Mapping[str, type[Request]], handle: Handle) -> None:
        try:
            place = parse(message.subject)
            request = takes.get(place.wire)
        except ValueError:
            request = None
        if request is None:
            answer = self._unknown(message)
        else:
            answer = await self._answer(place.property_id, message.data, request, handle)
        if message.reply:
            await message.respond(answer.model_dump_json(exclude_none=True).encode())

    async def _answer(self, property_id: str, body: bytes, request: type[Request], handle: Handle) -> Answer:
        if len(body) > MESSAGE_LIMIT_BYTES:
            return _error(body[:2048], "too_large", f"the message has {len(body)} bytes", field="body",
                          rule=f"at most {MESSAGE_LIMIT_BYTES} bytes", remedy="send it in smaller parts")  # fmt: skip
        try:
            command = read_command(body, request)
            self._check(command, request, property_id, body)
            return await handle(command)
        except ValidationError as error:
            return _invalid(body, error)
        except Rejected as rejection:
            return _error(body, **rejection.as_error())
        except BusyError as error:
            return _error(body, "busy", str(error), remedy="send the same command id again in a second")
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller learns that the outcome is not known
            LOG.error("command.unknown", service=self.service.name, error=type(error).__name__)
            return _error(body, "unknown", "the store failed while this was decided; it may or may not be recorded",
                          remedy="send the same command id again: it answers what was recorded")  # fmt: skip

    def _check(self, command: Command[Any], request: type[Request], property_id: str, body: bytes) -> None:
        if command.property != property_id:
            raise Rejected("the command names another property than its subject", code="wrong_property", field="property",
                           value=command.property, rule=f"the subject says {property_id}", remedy="send it on its own subject")  # fmt: skip
        if command.commandtype != request.wire():
            raise Rejected("the command names another type than its subject", code="wrong_type", field="commandtype",
                           value=command.commandtype, rule=f"the subject says {request.wire()}", remedy="send it on its own subject")  # fmt: skip
        self.doors.check_body(command, from_json(body)["data"])

    async def _on_command(self, command: Command[Any]) -> Answer:
        self._check_ready()
        answer: Answer = await self.writer.submit(command)
        return answer

    def _check_ready(self) -> None:
        """Nothing is decided or read on views of another version. Raises BusyError meanwhile."""
        if not self.ready.is_set():
            raise BusyError("this service is starting; send this one again in a second")

    async def _on_query(self, command: Command[Any]) -> Answer:
        self._check_ready()
        if command.asof is not None and self.moments is not None:
            self.doors.check_signature(command)
            return await self.moments.answer(command, command.asof)
        return await self.readers.answer(command)

    def _query(self, connection: sa.Connection, command: Command[Any]) -> Answer:
        self.doors.check_signature(command)
        scoped = ScopedReading(QueryReading(self.service, self.store, self.keys, connection), command.property)
        result = self.service.queries[type(command.data)](scoped, command)
        found = plain(dict(result))
        return made(Answer, commandid=command.commandid, outcome="done", result=found, record=scoped.record())

    def _feed(self, body: bytes) -> bytes:
        asked = from_json(body)
        if asked.get("stored"):
            return b""
        if asked.get("health"):
            return encoded(self.health())
        if asked.get("heads"):
            return b"\n".join(f"{p} {h.number} {h.hash}".encode() for p, h in self.store.heads().items())
        if asked.get("taken_in"):
            with self.store.reading() as connection:
                tracked = self.store.tracked(connection)
            return b"\n".join(f"{source} {position} {link}".encode() for source, (position, link) in tracked.items())
        if asked.get("log"):
            return log_page(self.store, asked["after"])
        if "stream" in asked:
            return stream_page(self.store, asked["stream"], asked["property"], asked["after"])
        return page(fact.raw for fact in self.store.chain(asked["property"], asked["after"], 500))

    def _unknown(self, message: Msg) -> Answer:
        try:
            wire = parse(message.subject).wire
        except ValueError:
            wire = message.subject
        known = sorted(request.wire() for request in (*self.service.commands, *self.service.queries))
        return _error(message.data[:2048], "unknown_type", f"{self.service.name} takes no {wire}", field="commandtype", value=wire,
                      rule=f"one of {', '.join(known)}", remedy="use a name and version of that list")  # fmt: skip

    async def run(self) -> None:
        """Run until cancelled or until a part fails for good; every part stops with it."""
        collect_less()
        take_short_turns()
        name, url = self.service.name, self.settings.nats_url
        client = await connect(
            url,
            name,
            made=lambda client: self.watch.line(f"{name} connection", client, url),
            **self.settings.nats_options(name),
        )
        try:

            async def heal() -> object:
                js = client.jetstream(timeout=5)
                return await provision(js, name, self.service.consumes, replicas=self.settings.replicas)

            await heal()
            await asyncio.to_thread(self.writer.repeat_effects)
            self.rebuilding = Rebuilding(self.service, self.store, partial(read_feed, client))
            self.moments = Moments(self.service, self.store, self.keys, partial(read_feed, client))
            self.watch.part(f"{name} views", self.rebuilding)
            parts = self._parts(client, heal)
            go_on()
            if self.relay is not None:
                # Before any command is taken: a database older than its stream would give positions out a second time.
                await self.relay.check()
            async with asyncio.TaskGroup() as group:
                await self.broker.start()
                await self._take_requests()
                self.watch.line(f"{name} requests", self.broker.connection, url)
                await self.rebuilding.until_current()
                group.create_task(self.rebuilding.run())
                for label, part in parts.items():
                    self.watch.part(f"{name} {label}", part)
                    group.create_task(part.run())
                for beside in self.service.alongside:
                    group.create_task(beside(self, client))
                self.ready.set()
                if self.checkup is not None:
                    await self.checkup.look()
                go_on()
        finally:
            self.ready.clear()
            self.watch.forget(name)
            await self._stop(client)

    def _parts(self, client: Client, heal: Callable[[], Awaitable[object]]) -> dict[str, Part]:
        """What runs side by side for this service."""
        name, store, writer = self.service.name, self.store, self.writer
        limit = self.settings.batch_limit
        self.relay = Relay(client, name, store, writer.committed, heal, limit)
        self.reactors = [Reactor(client, name, source, writer, heal, limit) for source in self.service.consumes]
        active: dict[str, Part] = {}
        active |= {f"reactor {source}": one for source, one in zip(self.service.consumes, self.reactors, strict=True)}
        if self.service.timers:
            active["timers"] = Timers(name, store, writer)
        if self.service.consumes:
            active["dead letters"] = DeadLetters(name, store, writer, partial(read_feed, client))
        if self.settings.relay:
            active["relay"] = self.relay
        lease = Lease(store, "active")
        self.checkup = Checkup(
            self.service,
            store,
            writer,
            client,
            self.watch,
            lease,
            self.ready,
            self.settings.replicas,
            self.settings.health_seconds,
        )
        parts: dict[str, Part] = {
            "writer": writer,
            "health": self.checkup,
            "lease": lease,
            "nudge": Nudge(client, name, writer, lease),
            "moving": Moving(name, lambda: (client, self.broker.connection)),
        }
        return parts | {label: Leased(lease, part) for label, part in active.items()}

    async def _stop(self, client: Client) -> None:
        """Stop taking requests and close; a broker that does not answer is not waited for."""
        name, is_there = self.service.name, client.is_connected
        for what, closing, seconds in (
            ("hello", partial(client.flush, 1), 1.5),  # who does not return it is not there
            ("answers", self._answered, STOP_SECONDS),
            ("requests", self.broker.stop, STOP_SECONDS),
            ("connection", client.close, STOP_SECONDS),
        ):
            # A flush that is told to end may wait its own ten seconds all the same, so none is waited for beyond its time.
            step = asyncio.ensure_future(closing())
            await asyncio.wait({step}, timeout=seconds if is_there and client.is_connected else 1)
            (error,) = await asyncio.gather(step, return_exceptions=True) if step.done() else (TimeoutError(),)
            if not isinstance(error, BaseException):
                continue
            step.cancel()
            is_there = is_there and what != "hello"
            LOG.warning("service.stop", service=name, what=what, error=told(error))
        for task in self._answering:
            task.cancel()
        if self.moments is not None:
            self.moments.close()
        self.readers.close()
        self.writer.close()
        self.store.close()

    def health(self) -> Health:
        """How it was when it was last looked at."""
        if self.checkup is None or (not self.ready.is_set() and self.ended_before is not None):
            return not_started(self.service.name, self.ended_before)
        heals, gaps = self.relay.heals if self.relay is not None else 0, sum(reactor.gaps for reactor in self.reactors)
        ready = self.checkup.last.ready and self.ready.is_set()
        diverged = tuple(said for reactor in self.reactors for said in reactor.diverged.values())
        problems = (*self.checkup.last.problems, *diverged)
        return replace(self.checkup.last, ready=ready, heals=heals, gaps=gaps, problems=problems)

    async def _answered(self) -> None:
        if self._answering:
            await asyncio.wait(self._answering)


def _broker_options(options: dict[str, Any]) -> dict[str, Any]:
    """FastStream takes the key and the context of TLS under a name of its own."""
    seed, context = options.pop("nkeys_seed", None), options.pop("tls", None)
    if seed is not None:
        return options | {"security": NatsNKey.from_file(seed, ssl_context=context)}
    return options if context is None else options | {"security": BaseSecurity(ssl_context=context, use_ssl=True)}


async def _undecoded(message: Any) -> Msg:
    return message.raw_message  # type: ignore[no-any-return]


def _command_id(body: bytes) -> str:
    try:
        found = from_json(body).get("commandid")
    except (ValueError, AttributeError):
        return "unknown"
    return found if isinstance(found, str) and 0 < len(found) <= 64 and found.replace("-", "").replace("_", "").isalnum() else "unknown"  # fmt: skip


def _error(body: bytes, code: str, message: str, **more: Any) -> Answer:
    extra = {name: value for name, value in more.items() if value not in ("", None)}
    return Answer(commandid=_command_id(body), outcome="rejected", error={"code": code, "message": message, **extra})


def _invalid(body: bytes, error: ValidationError) -> Answer:
    problems = [
        {"field": ".".join(map(str, p["loc"])) or "body", "value": _shown(p["input"]), "rule": p["msg"]}
        for p in error.errors(include_url=False)[:20]
    ]
    first = problems[0]
    return _error(body, "invalid", f"{first['field']}: {first['rule']}", **first, problems=problems,
                  remedy="correct the fields named in problems and send the command again; nothing was recorded")  # fmt: skip


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
