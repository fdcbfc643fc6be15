"""JetStream as a plain object: as much of it as the relay, the reactor and provisioning use, at the level of its messages.

`tests/sim/test_conformance.py` runs the same scripts against it and against the real server. Faults come from `Weather`.
"""

import asyncio
import base64
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

Callback = Callable[[Msg], Awaitable[None]]
NANO = 1_000_000_000
WINDOW_SECONDS = 600.0


@dataclass
class Weather:
    """How often what happens to a message, and the dice."""

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    slow_seconds: float = 0.001

    def calm(self) -> None:
        """From now on nothing happens."""
        self.drop = self.duplicate = self.reorder = 0.0


@dataclass
class Stored:
    """One message of a stream."""

    seq: int
    subject: str
    headers: dict[str, str]
    data: bytes


@dataclass
class Durable:
    """A durable with cumulative acknowledgement, its waiting pulls, and what it delivered."""

    config: dict[str, Any]
    delivered: int = 0
    floor: int = 0
    pulls: list[tuple["FakeClient", str, int, float]] = field(default_factory=list)
    due: float = 0.0


@dataclass
class Stream:
    """A stream with its de-duplication window."""

    config: dict[str, Any]
    messages: list[Stored] = field(default_factory=list)
    last_seq: int = 0
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)
    durables: dict[str, Durable] = field(default_factory=dict)


class FakeServer:
    """Streams, durables and responders, shared by the clients of one simulation."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.streams: dict[str, Stream] = {}
        self.responders: dict[str, Callable[[bytes], bytes]] = {}
        self.clients: list[FakeClient] = []
        self.names = itertools.count(1)

    def client(self) -> "FakeClient":
        """A new connection."""
        self.clients.append(FakeClient(self))
        return self.clients[-1]

    def wipe(self) -> None:
        """Everything that JetStream kept is gone."""
        self.streams.clear()

    def lose_tail(self, name: str, count: int) -> None:
        """The newest messages were never synced: sequences are used again, and durables beyond the end are put back to it."""
        stream = self.streams.get(name)
        if stream is None or not stream.messages:
            return
        stream.messages = stream.messages[: max(0, len(stream.messages) - count)]
        stream.last_seq = stream.messages[-1].seq if stream.messages else 0
        stream.ids = {id_: at for id_, at in stream.ids.items() if at[0] <= stream.last_seq}
        for durable in stream.durables.values():
            durable.floor = min(durable.floor, stream.last_seq)
            durable.delivered = durable.floor

    def _of(self, subject: str) -> Stream | None:
        for stream in self.streams.values():
            if any(_matches(filter_, subject) for filter_ in stream.config.get("subjects", ())):
                return stream
        return None

    def take(self, subject: str, headers: dict[str, str], data: bytes) -> dict[str, Any]:
        """Store a message, or say why not; what a publisher is acknowledged."""
        stream = self._of(subject)
        if stream is None:
            raise NoRespondersError
        name, now = stream.config["name"], asyncio.get_running_loop().time()
        expected = headers.get("Nats-Expected-Last-Sequence")
        if expected is not None and int(expected) != stream.last_seq:
            said = f"wrong last sequence: {stream.last_seq}"
            return {"error": {"code": 400, "err_code": 10071, "description": said}, "stream": name, "seq": 0}
        message_id = headers.get("Nats-Msg-Id")
        if message_id is not None and message_id in stream.ids and now - stream.ids[message_id][1] < WINDOW_SECONDS:
            return {"stream": name, "seq": stream.ids[message_id][0], "duplicate": True}
        stream.last_seq += 1
        stream.messages.append(Stored(stream.last_seq, subject, headers, data))
        if message_id is not None:
            stream.ids[message_id] = (stream.last_seq, now)
        for durable in stream.durables.values():
            self.deliver(stream, durable)
        return {"stream": name, "seq": stream.last_seq}

    def pull(self, client: "FakeClient", subject: str, reply: str, request: dict[str, Any]) -> bool:
        """Queue a pull; False where stream or durable is missing."""
        name, consumer = subject.split(".")[-2:]
        stream = self.streams.get(name)
        durable = stream.durables.get(consumer) if stream is not None else None
        if stream is None or durable is None:
            return False
        loop = asyncio.get_running_loop()
        until = loop.time() + request["expires"] / NANO
        pull = (client, reply, int(request["batch"]), until)
        durable.pulls.append(pull)
        loop.call_at(until, self._expire, durable, pull)
        self.deliver(stream, durable)
        return True

    def _expire(self, durable: Durable, pull: Any) -> None:
        for waiting in list(durable.pulls):
            if waiting[:2] == pull[:2] and waiting[3] == pull[3]:
                durable.pulls.remove(waiting)
                client, reply, _, _ = waiting
                client.arrive(reply, b"", {"Status": "408", "Description": "Request Timeout"}, "")

    def deliver(self, stream: Stream, durable: Durable) -> None:
        """Hand out what is new, and again what was not acknowledged in time."""
        loop = asyncio.get_running_loop()
        wait = float(durable.config.get("ack_wait", 10 * NANO)) / NANO
        if durable.delivered > durable.floor and loop.time() >= durable.due:
            durable.delivered = durable.floor
        while durable.pulls and durable.delivered < stream.last_seq:
            client, reply, left, until = durable.pulls[0]
            if until < loop.time() or not client.is_connected:
                durable.pulls.pop(0)
                continue
            found = [m for m in stream.messages if m.seq > durable.delivered][:1]
            if not found:
                break
            (message,) = found
            durable.delivered = message.seq
            durable.due = loop.time() + wait
            loop.call_at(durable.due + 0.001, self.deliver, stream, durable)
            ack = f"$JS.ACK.{stream.config['name']}.{durable.config['durable_name']}.1.{message.seq}.{message.seq}.1.0"
            client.arrive(reply, message.data, message.headers, ack, subject=message.subject)
            if left <= 1:
                durable.pulls.pop(0)
            else:
                durable.pulls[0] = (client, reply, left - 1, until)

    def acknowledge(self, subject: str) -> None:
        """Everything up to a message was taken in."""
        _, _, name, consumer, _, seq, *_ = subject.split(".")
        stream = self.streams.get(name)
        durable = stream.durables.get(consumer) if stream is not None else None
        if stream is not None and durable is not None:
            durable.floor = max(durable.floor, min(int(seq), stream.last_seq))
            durable.delivered = max(durable.delivered, durable.floor)

    def api(self, subject: str, data: bytes) -> dict[str, Any]:
        """A request to the JetStream API."""
        words = subject.split(".")
        body = json.loads(data) if data else {}
        match words[2:4]:
            case ["STREAM", "INFO"]:
                return self._stream_info(words[4])
            case ["STREAM", "CREATE"]:
                self.streams.setdefault(words[4], Stream(body))
                return self._stream_info(words[4])
            case ["STREAM", "MSG"]:
                return self._message(words[5], int(body["seq"]))
            case ["CONSUMER", "INFO"]:
                return self._consumer_info(words[4], words[5])
            case ["CONSUMER", "CREATE" | "DURABLE"]:
                config = body["config"]
                stream = self.streams.get(body["stream_name"])
                if stream is None:
                    return _MISSING
                stream.durables.setdefault(config["durable_name"], Durable(config))
                return self._consumer_info(body["stream_name"], config["durable_name"])
        raise AssertionError(f"the fake knows no {subject}")

    def _stream_info(self, name: str) -> dict[str, Any]:
        stream = self.streams.get(name)
        if stream is None:
            return _MISSING
        first = stream.messages[0].seq if stream.messages else stream.last_seq + 1
        state = {
            "messages": len(stream.messages),
            "bytes": 0,
            "first_seq": first,
            "last_seq": stream.last_seq,
            "consumer_count": len(stream.durables),
        }
        return {"config": stream.config, "state": state, "created": "2026-01-01T00:00:00Z"}

    def _message(self, name: str, seq: int) -> dict[str, Any]:
        stream = self.streams.get(name)
        if stream is None:
            return _MISSING
        for message in stream.messages:
            if message.seq == seq:
                headers = "NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in message.headers.items()) + "\r\n"
                return {
                    "message": {
                        "subject": message.subject,
                        "seq": seq,
                        "hdrs": base64.b64encode(headers.encode()).decode(),
                        "data": base64.b64encode(message.data).decode(),
                        "time": "2026-01-01T00:00:00Z",
                    }
                }
        return {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}

    def _consumer_info(self, name: str, consumer: str) -> dict[str, Any]:
        stream = self.streams.get(name)
        if stream is None:
            return _MISSING
        durable = stream.durables.get(consumer)
        if durable is None:
            return {"error": {"code": 404, "err_code": 10014, "description": "consumer not found"}}
        sequence = {"consumer_seq": durable.delivered, "stream_seq": durable.delivered}
        floor = {"consumer_seq": durable.floor, "stream_seq": durable.floor}
        return {
            "stream_name": name, "name": consumer, "config": durable.config, "delivered": sequence, "ack_floor": floor,
            "num_pending": stream.last_seq - durable.delivered, "num_ack_pending": durable.delivered - durable.floor,
            "num_redelivered": 0, "num_waiting": len(durable.pulls), "created": "2026-01-01T00:00:00Z",
        }  # fmt: skip


_MISSING: dict[str, Any] = {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}


class _Subscription:
    def __init__(self, client: "FakeClient", subject: str, cb: Callback) -> None:
        self.client, self.subject, self.cb = client, subject, cb

    async def unsubscribe(self) -> None:
        if self in self.client.subscriptions:
            self.client.subscriptions.remove(self)


class FakeClient:
    """What the relay and the reactor use of `nats.aio.client.Client`."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.subscriptions: list[_Subscription] = []
        self.is_connected = True
        self.connected_server_version = SimpleNamespace(major=2, minor=15, patch=1)
        self.cut_off = False
        """Whether nothing goes through, in either direction, while the client does not know."""
        self._last = 0.0

    def new_inbox(self) -> str:
        return f"_INBOX.{next(self.server.names)}"

    def jetstream(self, **options: Any) -> JetStreamContext:
        return JetStreamContext(self, **options)  # type: ignore[arg-type]

    def kill(self) -> None:
        """The process of this client is gone."""
        self.is_connected = False
        self.subscriptions.clear()

    async def subscribe(self, subject: str, cb: Callback) -> _Subscription:
        made = _Subscription(self, subject, cb)
        self.subscriptions.append(made)
        return made

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        await asyncio.sleep(0)
        weather, loop = self.server.weather, asyncio.get_running_loop()
        if self.cut_off or weather.chance.random() < weather.drop:
            return
        copies = 2 if weather.chance.random() < weather.duplicate else 1
        for _ in range(copies):
            loop.call_at(self._when(), self._arrived, subject, payload, reply, dict(headers or {}))

    def _when(self) -> float:
        """A line keeps order, unless it breaks and what was sent again overtakes."""
        weather = self.server.weather
        when = asyncio.get_running_loop().time() + weather.chance.uniform(0, weather.slow_seconds)
        if weather.chance.random() >= weather.reorder:
            when = self._last = max(self._last, when)
        return when

    def _arrived(self, subject: str, payload: bytes, reply: str, headers: dict[str, str]) -> None:
        if subject.startswith("$JS.ACK."):
            self.server.acknowledge(subject)
        elif subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            if not self.server.pull(self, subject, reply, json.loads(payload)):
                self.arrive(reply, b"", {"Status": "503"}, "")
        else:
            try:
                acknowledged = self.server.take(subject, headers, payload)
            except NoRespondersError:
                self.arrive(reply, b"", {"Status": "503"}, "")
            else:
                self.arrive(reply, json.dumps(acknowledged).encode(), None, "")

    def arrive(self, to: str, data: bytes, headers: dict[str, str] | None, reply: str, subject: str = "") -> None:
        """A message for whoever listens on `to`, some time later."""
        weather = self.server.weather
        if self.cut_off or weather.chance.random() < weather.drop:
            return
        for _ in range(2 if weather.chance.random() < weather.duplicate else 1):
            asyncio.get_running_loop().call_at(self._when(), self._hand, to, subject or to, data, headers, reply)

    def _hand(self, to: str, subject: str, data: bytes, headers: dict[str, str] | None, reply: str) -> None:
        for subscription in list(self.subscriptions):
            if _matches(subscription.subject, to):
                message = Msg(_client=self, subject=subject, reply=reply, data=data, headers=headers)  # type: ignore[arg-type]
                task = asyncio.ensure_future(subscription.cb(message))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def request(self, subject: str, payload: bytes = b"", timeout: float = 5, **_: Any) -> Msg:
        weather = self.server.weather
        await asyncio.sleep(weather.chance.uniform(0, weather.slow_seconds))
        if self.cut_off or weather.chance.random() < weather.drop:
            await asyncio.sleep(timeout)
            raise NatsTimeoutError
        if subject.startswith("$JS.API."):
            data = json.dumps(self.server.api(subject, payload)).encode()
        elif subject in self.server.responders:
            data = self.server.responders[subject](payload)
        else:
            raise NoRespondersError
        await asyncio.sleep(weather.chance.uniform(0, weather.slow_seconds))
        return Msg(_client=self, subject="", reply="", data=data, headers=None)  # type: ignore[arg-type]


def _matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    for index, word in enumerate(wanted):
        if word == ">":
            return len(given) > index
        if index >= len(given) or word not in ("*", given[index]):
            return False
    return len(wanted) == len(given)
