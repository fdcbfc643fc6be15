"""Two services on a real NATS and a real database: what is asked is stored, published and taken in, and what is lost is made anew.

`make containers` runs this on servers in containers.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from bailiwick_contracts.envelope import Actor, Answer, check_chain
from bailiwick_contracts.subjects import feed_of, stream_of
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from services.kernel.app import Runtime
from services.kernel.beside import Beside, system_command
from services.kernel.bus import DriftError, connect, provision
from services.kernel.doors import Door, ask
from services.kernel.health import Health
from services.kernel.reactor import Reactor, caught_up, read_heads
from services.kernel.relay import POSITION_HEADER, Relay, RestoredStoreError
from services.kernel.settings import Settings
from services.kernel.tables import HEADS
from tests.kernel.toy import ECHO, TOY, CountTokens, TakeToken

PLACE = "north-court"
SECONDS = 30


@dataclass
class Pair:
    """Toy and echo, running."""

    toy: Runtime
    echo: Runtime
    client: Client
    door: Door

    async def take(self, holder: str = "ann", command_id: str | None = None, **more: Any) -> Answer:
        body = self.door.sign(TakeToken(holder_id=holder, **more), Actor(actor="boss"), PLACE, command_id=command_id)
        return await ask(self.client, body, TakeToken, PLACE, timeout=SECONDS)

    async def noted(self) -> list[int]:
        """The numbers of toy's facts that echo reacted to, in the order in which it did."""
        assert await caught_up(self.client, "echo", "toy", seconds=SECONDS)
        return [event.data.number for event in check_chain(f.raw for f in self.echo.store.chain(PLACE, 0, 1_000))]

    async def published(self) -> int:
        js = self.client.jetstream(timeout=5)
        for _ in range(10 * SECONDS):
            with contextlib.suppress(NotFoundError):
                messages: int = (await js.stream_info(stream_of("toy"))).state.messages
                if messages == (self.toy.store.max_notification_id() or 0):
                    return messages
            await asyncio.sleep(0.1)
        raise TimeoutError("not everything was published")


async def emptied(client: Client) -> None:
    """Other tests leave their streams on a server that is shared."""
    for name in ("toy", "echo"):
        with contextlib.suppress(NotFoundError):
            await client.jetstream(timeout=5).delete_stream(stream_of(name))


@pytest.fixture
async def pair(database_url: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    database = None if database_url.startswith("sqlite") else database_url
    # A container has an address of its own, on this machine all the same.
    settings = Settings(data_dir=tmp_path, nats_url=nats_url, database_url=database, unsafe_nats_without_tls=True)
    client = await connect(nats_url, "test")
    await emptied(client)
    runtimes = [Runtime(TOY, settings), Runtime(ECHO, settings)]
    running = [asyncio.create_task(runtime.run()) for runtime in runtimes]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(runtime.ready.wait() for runtime in runtimes))
    yield Pair(runtimes[0], runtimes[1], client, Door(settings.doors_dir))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await emptied(client)
    await client.close()


async def test_what_is_asked_is_stored_published_and_taken_in_once(pair: Pair) -> None:
    answers = await asyncio.gather(*(pair.take(f"holder-{number}", f"c{number}") for number in range(20)))
    again = await asyncio.gather(*(pair.take(f"holder-{number}", f"c{number}") for number in range(20)))
    assert [one.facts[0].id for one in again] == [one.facts[0].id for one in answers]
    assert await pair.noted() == list(range(1, 21))
    assert await pair.published() == 20


async def test_a_limit_holds_for_callers_at_once_and_a_query_shows_it(pair: Pair) -> None:
    outcomes = [one.outcome for one in await asyncio.gather(*(pair.take() for _ in range(10)))]
    assert (outcomes.count("done"), outcomes.count("refused")) == (3, 7)
    body = pair.door.sign(CountTokens(holder_id="ann"), Actor(actor="boss"), PLACE)
    answer = await ask(pair.client, body, CountTokens, PLACE, kind="query", timeout=SECONDS)
    assert answer.result == {"tokens": 3}


async def test_a_feed_that_fails_says_so_in_the_log_for_whoever_asked_waits_in_vain(pair: Pair) -> None:
    with structlog.testing.capture_logs() as logged, pytest.raises(TimeoutError):
        await pair.client.request(feed_of("toy"), b"no document", timeout=1)
    (line,) = [one for one in logged if one["event"] == "feed.failed"]
    assert (line["service"], line["log_level"]) == ("toy", "error")
    assert line["error"].startswith("ValueError")


def _by_a_stranger(pair: Pair, directory: Path) -> bytes:
    """Signed by a door of the same name with another key."""
    return Door(directory / "elsewhere").sign(TakeToken(holder_id="ann"), Actor(actor="boss"), PLACE)


def _by_an_unknown_door(pair: Pair, directory: Path) -> bytes:
    return Door(directory / "elsewhere", "stranger").sign(TakeToken(holder_id="ann"), Actor(actor="boss"), PLACE)


def _with_another_body(pair: Pair, directory: Path) -> bytes:
    body = json.loads(pair.door.sign(TakeToken(holder_id="ann"), Actor(actor="boss"), PLACE))
    body["data"]["holder_id"] = "bob"
    return json.dumps(body).encode()


def _by_another_actor(pair: Pair, directory: Path) -> bytes:
    body = json.loads(pair.door.sign(TakeToken(holder_id="ann"), Actor(actor="boss"), PLACE))
    body["actor"] = "bigger-boss"
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        (_by_a_stranger, "wrong_signature"),
        (_by_an_unknown_door, "unknown_door"),
        (_with_another_body, "wrong_digest"),
        (_by_another_actor, "wrong_signature"),
    ],
)
async def test_what_no_trusted_door_signed_is_turned_away_beside_what_one_did(
    pair: Pair, tmp_path: Path, forged: Callable[[Pair, Path], bytes], code: str
) -> None:
    body = forged(pair, tmp_path)
    asked = [ask(pair.client, body, TakeToken, PLACE, timeout=SECONDS) for _ in range(5)]
    *turned_away, done = await asyncio.gather(*asked, pair.take("carol"))
    assert {(one.outcome, (one.error or {})["code"]) for one in turned_away} == {("rejected", code)}
    assert done.outcome == "done"
    assert pair.toy.store.max_notification_id() == 1


async def test_what_a_service_asks_of_itself_no_door_has_to_sign_and_nobody_else_may_ask_so(pair: Pair) -> None:
    toy = pair.toy
    beside = Beside(toy.service, toy.store, toy.writer, toy.keys, toy.settings)
    assert (await beside.ask(TakeToken(holder_id="ann"), PLACE)).outcome == "done"
    own = system_command("toy", TakeToken(holder_id="bob"), PLACE, "forged", datetime.now(UTC))
    body = own.model_dump_json(exclude_none=True).encode()
    answer = await ask(pair.client, body, TakeToken, PLACE, timeout=SECONDS)
    assert (answer.outcome, toy.store.max_notification_id()) == ("rejected", 1)


@pytest.mark.parametrize("as_of", [None, datetime.now(UTC)])
async def test_a_query_that_no_trusted_door_signed_is_turned_away(
    pair: Pair, tmp_path: Path, as_of: datetime | None
) -> None:
    elsewhere = Door(tmp_path / "elsewhere")
    body = elsewhere.sign(CountTokens(holder_id="ann"), Actor(actor="boss"), PLACE, as_of=as_of)
    answer = await ask(pair.client, body, CountTokens, PLACE, kind="query", timeout=SECONDS)
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "wrong_signature")


async def _delete_stream(pair: Pair) -> None:
    await pair.client.jetstream(timeout=5).delete_stream(stream_of("toy"))


async def _delete_durable(pair: Pair) -> None:
    await pair.client.jetstream(timeout=5).delete_consumer(stream_of("toy"), "echo")


@pytest.mark.parametrize("lose", [_delete_stream, _delete_durable])
async def test_a_stream_or_a_durable_that_is_gone_is_made_anew_and_nothing_is_lost(
    pair: Pair, lose: Callable[[Pair], Any]
) -> None:
    await asyncio.gather(*(pair.take("unbounded") for _ in range(5)))
    await pair.noted()
    await lose(pair)
    await asyncio.gather(*(pair.take("unbounded") for _ in range(5)))
    assert await pair.noted() == list(range(1, 11))
    assert await pair.published() == 10


async def test_a_durable_that_refuses_each_pull_costs_little_and_its_facts_come_from_the_feed(pair: Pair) -> None:
    durable = f"{stream_of('toy')}.echo"
    info = json.loads((await pair.client.request(f"$JS.API.CONSUMER.INFO.{durable}", b"")).data)
    limited = {"stream_name": stream_of("toy"), "config": info["config"] | {"max_batch": 10}, "action": "update"}
    reply = await pair.client.request(f"$JS.API.CONSUMER.CREATE.{durable}", json.dumps(limited).encode())
    assert json.loads(reply.data)["config"]["max_batch"] == 10
    await pair.take()
    assert await pair.noted() == [1]
    await asyncio.sleep(6)  # a pull of before it was limited is over by then
    (reactor,) = pair.echo.reactors
    before = reactor.turns
    await asyncio.sleep(2)
    assert reactor.turns - before < 20, "some hundreds, and half of a processor"


async def test_what_others_publish_on_a_service_s_subjects_stops_neither_relay_nor_start(pair: Pair) -> None:
    await pair.take()
    assert await pair.published() == 1
    js = pair.client.jetstream(timeout=5)
    subject = f"bailiwick.{PLACE}.toy.event.token_taken.v1"
    for headers in (None, {"Bailiwick-Position": "many"}):
        await js.publish(subject, b"{no fact", headers=headers)
    assert (await Relay(pair.client, "toy", pair.toy.store, asyncio.Event(), _nothing).check()) == (1, 3)
    await pair.take()
    following = await js.subscribe(subject, ordered_consumer=True)
    async with asyncio.timeout(SECONDS):
        bodies = [(await following.next_msg(SECONDS)).data for _ in range(4)]
    await following.unsubscribe()
    assert [body == b"{no fact" for body in bodies] == [False, True, True, False]
    assert await pair.noted() == [1, 2]
    await js.publish(subject, b"{no fact")
    for position in ("²", "1" * 5_000, "-1", ""):
        await js.publish(subject, b"", headers={POSITION_HEADER: position})
    assert pair.toy.checkup is not None
    health = await pair.toy.checkup.look()
    assert (health.published, health.problems) == (2, ())


async def test_another_installation_on_the_same_nats_is_refused_also_where_it_stored_more(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.take()
    assert await pair.published() == 1
    elsewhere = pair.toy.settings.model_copy(update={"data_dir": tmp_path / "elsewhere", "database_url": None})
    other, now = Runtime(TOY, elsewhere), datetime.now(UTC)
    asked = [system_command("toy", TakeToken(holder_id=name), PLACE, name, now) for name in ("bob", "carol", "dan")]
    assert [answer.outcome for answer in other.writer.process(asked)] == ["done"] * 3
    with pytest.raises(RestoredStoreError, match="another installation publishes to this NATS server"):
        async with asyncio.timeout(SECONDS):
            await other.run()
    assert (await pair.published(), await pair.noted()) == (1, [1])


async def test_a_database_that_cannot_be_written_though_it_is_read_is_a_problem_and_takes_no_commands(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise sa.exc.OperationalError("", None, Exception("database or disk is full"))

    async def until(ready: bool) -> Health:
        assert pair.toy.checkup is not None
        async with asyncio.timeout(SECONDS):
            while (health := await pair.toy.checkup.look()).ready is not ready:  # noqa: ASYNC110 - nothing tells that it changed
                await asyncio.sleep(0.2)
        return health

    await until(ready=True)
    with monkeypatch.context() as patched:
        patched.setattr(pair.toy.store, "beside", full)
        health = await until(ready=False)
    assert health.problems[0].startswith("the database cannot be written (OperationalError")
    assert (await until(ready=True)).problems == ()


async def test_facts_that_somebody_else_holds_locked_are_a_problem_for_as_long_as_they_are(pair: Pair) -> None:
    """As an operator does on PostgreSQL, whose lease is another table; on SQLite there is one lock for all."""
    assert pair.toy.checkup is not None
    other = sa.create_engine(pair.toy.settings.store_url("toy"))
    sqlite = other.dialect.name == "sqlite"
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "LOCK TABLE toy.facts IN EXCLUSIVE MODE")
        answer = await pair.take()
        health = await pair.toy.checkup.look()
        connection.rollback()
    other.dispose()
    assert (answer.error or {})["code"] == "unknown"
    assert health.ready is False
    assert health.problems[0].startswith("the database cannot be written (OperationalError")
    async with asyncio.timeout(SECONDS):
        while not (await pair.toy.checkup.look()).ready:  # noqa: ASYNC110 - nothing tells that it changed
            await asyncio.sleep(0.2)
    assert (await pair.take()).outcome == "done"


async def _nothing() -> None:
    pass


async def test_a_durable_with_other_settings_is_named_and_nothing_is_changed(pair: Pair) -> None:
    js = pair.client.jetstream(timeout=5)
    config = (await js.consumer_info(stream_of("toy"), "echo")).config
    await js.add_consumer(stream_of("toy"), ConsumerConfig(**{**config.__dict__, "max_ack_pending": 7}))
    with pytest.raises(DriftError, match="max_ack_pending is 7"):
        await provision(js, "echo", ("toy",))
    assert (await js.consumer_info(stream_of("toy"), "echo")).config.max_ack_pending == 7


@pytest.mark.parametrize("older", [{"number": 1}, {"hash": "0" * 64}])
async def test_a_source_whose_database_is_older_than_what_was_taken_in_is_named_though_its_stream_was_lost_too(
    pair: Pair, older: dict[str, Any]
) -> None:
    await pair.take("unbounded")
    await pair.take("unbounded")
    await pair.noted()
    with pair.toy.store.reading() as connection:
        (row,) = connection.execute(sa.select(HEADS).where(HEADS.c.property == PLACE))

    async def put_back(values: dict[str, Any], told: int) -> tuple[str, ...]:
        with pair.toy.store.beside() as connection:
            connection.execute(sa.update(HEADS).where(HEADS.c.property == PLACE).values(values))
        for _ in range(10 * SECONDS):
            if len(pair.echo.health().problems) == told:
                return pair.echo.health().problems
            await asyncio.sleep(0.1)
        raise TimeoutError(pair.echo.health().problems)

    (said,) = await put_back(older, 1)
    assert f"toy's chain of {PLACE} ends at {older.get('number', 2)}" in said
    await put_back(dict(row._mapping), 0)


async def test_a_source_that_stops_between_its_heads_and_its_feed_ends_no_reactor(pair: Pair) -> None:
    """It was asked for heads while it ran; that nobody answered for the facts a moment later ended the service."""
    reactor = Reactor(pair.client, "echo", "gone", pair.echo.writer, _nothing)
    asked = []

    async def heads_alone(message: Msg) -> None:
        asked.append(message.data)
        await message.respond(b"" if b"taken_in" in message.data else f"{PLACE} 7 {'0' * 64}".encode())
        if len(asked) == 1:
            await only.unsubscribe()

    only = await pair.client.subscribe(feed_of("gone"), cb=heads_alone)
    running = asyncio.create_task(reactor.run())
    async with asyncio.timeout(SECONDS):
        while not reactor.turns:  # noqa: ASYNC110 - told by the reactor itself
            await asyncio.sleep(0.01)
    assert (len(asked), running.done()) == (1, False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_service_says_where_its_chains_stand(pair: Pair) -> None:
    await pair.take()
    heads = await read_heads(pair.client, "toy")
    assert {place: number for place, (number, _) in heads.items()} == {PLACE: 1}
