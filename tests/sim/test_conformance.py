"""The fakes are as the real ones: the same scripts against the fake broker and NATS, the fake store, SQLite and PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Actor, read_command
from bailiwick_contracts.subjects import stream_of, subject_of
from eventsourcing.persistence import IntegrityError, OperationalError
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from pydantic_core import from_json, to_json

from services.kernel.bus import connect, durable_config, provision, stream_config
from services.kernel.doors import Door
from services.kernel.sealing import KeyStore
from services.kernel.store import Head, Store, StoredFact
from services.kernel.writer import Writer
from tests.kernel.toy import TOKENS, TOY, TakeToken, TokenTaken
from tests.servers import NatsServer
from tests.sim.broker import FakeServer, Weather
from tests.sim.world import FailingStore

SUBJECT = subject_of(TokenTaken.wire(), "north-court", "event")
PULL = f"$JS.API.CONSUMER.MSG.NEXT.{stream_of('toy')}.echo"
SECOND = 1_000_000_000


@dataclass
class Bus:
    """A client of either broker, and how its streams are lost."""

    client: Any
    wipe: Callable[[], Awaitable[None]]

    async def publish(self, text: str, *, expected: int | None = None, message_id: str | None = None) -> dict[str, Any]:
        """What a publisher is acknowledged, without what names the server."""
        headers = {"Bailiwick-Position": text}
        if expected is not None:
            headers["Nats-Expected-Last-Sequence"] = str(expected)
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        (acknowledged,) = await self.exchange(SUBJECT, text.encode(), headers, 1)
        return {k: v for k, v in from_json(acknowledged.data).items() if k in ("seq", "duplicate", "error")}

    async def exchange(
        self, subject: str, data: bytes, headers: dict[str, str] | None, count: int, seconds: float = 5
    ) -> list[Msg]:
        """Publish with a reply subject, and the first `count` messages that arrive there."""
        inbox = self.client.new_inbox()
        arrived: asyncio.Queue[Msg] = asyncio.Queue()

        async def on_message(message: Msg) -> None:
            arrived.put_nowait(message)

        subscription = await self.client.subscribe(inbox, cb=on_message)
        try:
            await self.client.publish(subject, data, reply=inbox, headers=headers)
            return [await asyncio.wait_for(arrived.get(), seconds) for _ in range(count)]
        finally:
            await subscription.unsubscribe()

    async def pull(self, batch: int, count: int, expires: float = 3) -> list[Msg]:
        """A pull of the durable."""
        request = to_json({"batch": batch, "expires": int(expires * SECOND)})
        return await self.exchange(PULL, request, None, count)


@pytest.fixture(params=["fake", "real"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    if request.param == "fake":
        server = FakeServer(Weather(random.Random(1)))

        async def wipe() -> None:
            server.wipe()

        yield Bus(server.client(), wipe)
        return
    with NatsServer(tmp_path / "nats") as real:
        client = await connect(real.url, "conformance")

        async def wipe_real() -> None:
            await client.jetstream().delete_stream(stream_of("toy"))

        yield Bus(client, wipe_real)
        await client.close()


async def test_what_is_missing_is_said_to_be_missing(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    with pytest.raises(NotFoundError) as error:
        await js.stream_info(stream_of("toy"))
    assert error.value.err_code == 10059
    await js.add_stream(stream_config("toy"))
    with pytest.raises(NotFoundError) as error:
        await js.consumer_info(stream_of("toy"), "echo")
    assert error.value.err_code == 10014
    with pytest.raises(NotFoundError):
        await js.get_msg(stream_of("toy"), 1)
    (nobody,) = await bus.pull(1, 1)
    assert (nobody.headers or {}).get("Status") == "503"


async def test_provisioning_finds_what_it_made_as_described(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    await js.add_stream(stream_config("toy"))
    assert await provision(js, "echo", ["toy"]) == ["stream BAILIWICK_ECHO", "durable echo of BAILIWICK_TOY"]
    assert await provision(js, "echo", ["toy"]) == []


async def test_the_expected_sequence_lets_only_one_through_and_an_id_is_stored_once(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    await js.add_stream(stream_config("toy"))
    assert await bus.publish("1", expected=0, message_id="a") == {"seq": 1}
    assert (await bus.publish("2", expected=0, message_id="b"))["error"]["err_code"] == 10071
    assert await bus.publish("1", expected=1, message_id="a") == {"seq": 1, "duplicate": True}
    assert (await bus.publish("1", expected=0, message_id="a"))["error"]["err_code"] == 10071
    assert await bus.publish("2", expected=1, message_id="b") == {"seq": 2}
    state = (await js.stream_info(stream_of("toy"))).state
    assert (state.messages, state.first_seq, state.last_seq) == (2, 1, 2)
    last = await js.get_msg(stream_of("toy"), 2)
    assert (last.data, (last.headers or {})["Bailiwick-Position"]) == (b"2", "2")


async def test_a_stream_that_was_lost_begins_at_one_and_knows_no_id(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    await js.add_stream(stream_config("toy"))
    assert await bus.publish("1", expected=0, message_id="a") == {"seq": 1}
    await bus.wipe()
    (nobody,) = await bus.exchange(SUBJECT, b"x", {}, 1)
    assert (nobody.headers or {}).get("Status") == "503"
    await js.add_stream(stream_config("toy"))
    assert (await js.stream_info(stream_of("toy"))).state.last_seq == 0
    assert await bus.publish("1", expected=0, message_id="a") == {"seq": 1}


async def test_a_pull_brings_what_is_there_in_order_waits_for_more_and_ends_with_its_time(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    await js.add_stream(stream_config("toy"))
    await js.add_consumer(stream_of("toy"), durable_config("echo"))
    for number in range(3):
        await bus.publish(str(number), expected=number)
    messages = await bus.pull(10, 4, expires=0.7)
    assert [message.data for message in messages] == [b"0", b"1", b"2", b""]
    assert (messages[3].headers or {}).get("Status") == "408"
    waiting = asyncio.ensure_future(bus.pull(1, 1))
    await asyncio.sleep(0.2)
    await bus.publish("3")
    assert [message.data for message in await waiting] == [b"3"]


async def test_an_acknowledgement_covers_what_came_before_and_what_was_not_covered_comes_again(bus: Bus) -> None:
    js = bus.client.jetstream(timeout=2)
    await js.add_stream(stream_config("toy"))
    await js.add_consumer(stream_of("toy"), durable_config("echo").evolve(ack_wait=1))
    for number in range(4):
        await bus.publish(str(number), expected=number)
    messages = await bus.pull(4, 4)
    await messages[1].ack()
    await asyncio.sleep(1.4)
    assert [message.data for message in await bus.pull(2, 2)] == [b"2", b"3"]
    info = await js.consumer_info(stream_of("toy"), "echo")
    assert info.ack_floor is not None
    assert info.ack_floor.stream_seq == 2


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "fake":
        made: Store = FailingStore(f"sqlite:///{tmp_path / 'fake.sqlite'}", schema="toy", views=[TOKENS])
    else:
        made = Store(request.getfixturevalue(f"{request.param}_url"), schema="toy", views=[TOKENS])
    yield made
    made.close()


def test_a_log_is_appended_to_read_and_refuses_a_taken_version(store: Store) -> None:
    facts = [StoredFact(n, "s", n, "t", str(n).encode(), "p", n) for n in (1, 2, 3)]
    with store.transaction() as connection:
        store.append(connection, facts)
        store.set_heads(connection, {"p": Head(3, "h")})
    with pytest.raises(IntegrityError), store.transaction() as connection:
        store.append(connection, [StoredFact(4, "s", 3, "t", b"x", "p", 4)])
    assert store.max_notification_id() == 3
    assert [fact.raw for fact in store.after(1, 10)] == [b"2", b"3"]
    assert [fact.raw for fact in store.chain("p", 2, 10)] == [b"3"]


def test_a_writer_answers_the_same_command_the_same_way(store: Store, tmp_path: Path) -> None:
    writer = Writer(TOY, store, KeyStore(tmp_path / "keys"))
    signed = Door(tmp_path / "doors").sign(
        TakeToken(holder_id="ann"), Actor(actor="boss"), "north-court", command_id="c"
    )
    command = read_command(signed, TakeToken)
    first, again = writer.process([command])[0], writer.process([command])[0]
    assert (first.outcome, first.facts[0].id) == (again.outcome, again.facts[0].id) == ("done", first.facts[0].id)
    assert store.max_notification_id() == 1
    writer.close()


@pytest.mark.parametrize(("dice", "stored"), [(0.01, 0), (0.15, 1)])
def test_a_commit_that_fails_is_stored_or_not_as_the_dice_say(tmp_path: Path, dice: float, stored: int) -> None:
    """What the fake adds to a real store: both are what a broken connection looks like (experiment c3)."""

    class Dice(random.Random):
        def random(self) -> float:
            return dice

    made = FailingStore(f"sqlite:///{tmp_path / 'fake.sqlite'}")
    made.chance, made.fails = Dice(), 0.2
    with pytest.raises(OperationalError), made.transaction() as connection:
        made.append(connection, [StoredFact(1, "s", 1, "t", b"1", "p", 1)])
    assert len(made.after(0, 10)) == stored
    made.close()
