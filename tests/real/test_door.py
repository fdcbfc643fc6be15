"""What comes in over NATS: malformed, unsigned, unknown or too large, each is told what is wrong; nothing is recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.subjects import subject_of
from nats.aio.client import Client

from services.kernel.doors import Door, ask
from services.kernel.settings import Settings
from services.run.embedded import embedded
from tests.kernel.toy import ECHO, TOY, CountTokens, TakeToken

BOSS = Actor(actor="boss")
SUBJECT = subject_of("toy.take_token.v1", "north-court", "command")


@dataclass
class Office:
    client: Client
    door: Door
    settings: Settings

    def body(self, **more: Any) -> dict[str, Any]:
        signed: dict[str, Any] = json.loads(self.door.sign(TakeToken(holder_id="ann"), BOSS, "north-court"))
        return signed | more

    async def send(self, body: bytes, subject: str = SUBJECT) -> Answer:
        return Answer.model_validate_json((await self.client.request(subject, body, timeout=5)).data)

    async def tokens(self, holder: str = "ann") -> int:
        body = self.door.sign(CountTokens(holder_id=holder), BOSS, "north-court")
        answer = await ask(self.client, body, CountTokens, "north-court", kind="query")
        assert answer.result is not None
        count: int = answer.result["tokens"]
        return count


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with embedded(Settings(data_dir=tmp_path), {"toy": lambda _: TOY, "echo": lambda _: ECHO}) as (settings, _):
        client = Client()
        await client.connect(settings.nats_url)
        yield Office(client, Door(settings.doors_dir), settings)
        await client.close()


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


MALFORMED: dict[str, Callable[[Office], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda o: _dump(o.body())[:-20],
    "not UTF-8": lambda o: _dump(o.body()).replace(b"ann", b"\xff\xfe"),
    "UTF-16": lambda o: json.dumps(o.body()).encode("utf-16"),
    "a list": lambda _: b"[]",
    "deeply nested": lambda _: b"[" * 100_000,
    "unknown attribute": lambda o: _dump(o.body(surprise=1)),
    "unknown field": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": "ann", "extra": 1})),
    "number for text": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": 7})),
    "id with a dot": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": "a.b"})),
    "id with a star": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": "*"})),
    "id with an arrow": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": ">"})),
    "naive time": lambda o: _dump(o.body(issuedat="2026-03-02T09:00:00")),
    "another body": lambda o: _dump(o.body(data={"type": "toy.take_token.v1", "holder_id": "bob"})),
    "another actor": lambda o: _dump(o.body(actor="somebody-else")),
    "another property": lambda o: _dump(o.body(property="south-court")),
    "unknown door": lambda o: _dump(o.body(door="back")),
    "no signature": lambda o: _dump(o.body(doorsignature="x")),
}


async def test_every_malformed_command_is_told_what_is_wrong_and_records_nothing(office: Office) -> None:
    for name, make in MALFORMED.items():
        answer = await office.send(make(office))
        assert answer.outcome == "rejected", name
        assert answer.error is not None, name
        assert answer.error["message"], name
        assert answer.error.get("field"), (name, answer.error)
        assert answer.error.get("rule"), (name, answer.error)
    assert await office.tokens() == 0


async def test_a_message_over_256_kib_is_refused_by_its_size(office: Office) -> None:
    body = _dump(office.body(data={"type": "toy.take_token.v1", "holder_id": "ann", "note": "x" * 262_144}))
    answer = await office.send(body)
    assert answer.error is not None
    assert answer.error["code"] == "too_large"
    assert await office.tokens() == 0


async def test_a_clock_in_the_future_is_named(office: Office) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    answer = await office.send(office.door.sign(TakeToken(holder_id="ann"), BOSS, "north-court", issued_at=ahead))
    assert answer.error is not None
    assert (answer.error["code"], answer.error["field"]) == ("clock_ahead", "issuedat")


@pytest.mark.parametrize("wire", ["toy.take_token.v2", "toy.take_tokens.v1", "toy.count_tokens.v1"])
async def test_an_unknown_type_or_version_is_answered_with_those_there_are(office: Office, wire: str) -> None:
    answer = await office.send(_dump(office.body()), subject_of(wire, "north-court", "command"))
    assert answer.error is not None
    assert answer.error["code"] == "unknown_type"
    assert "toy.take_token.v1" in answer.error["rule"]


async def test_fifty_at_once_with_one_id_have_one_effect_and_equal_answers(office: Office) -> None:
    body = office.door.sign(TakeToken(holder_id="ann"), BOSS, "north-court", command_id="c1")
    answers = await asyncio.gather(*(office.send(body) for _ in range(50)))
    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert await office.tokens() == 1


async def test_twenty_race_for_the_last_one_and_one_wins(office: Office) -> None:
    for _ in range(2):
        await office.send(_dump(office.body()))
    answers = await asyncio.gather(*(office.send(_dump(office.body())) for _ in range(20)))
    assert sorted(answer.outcome for answer in answers) == ["done"] + ["refused"] * 19
    assert await office.tokens() == 3
