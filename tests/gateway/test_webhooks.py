"""Webhooks: whatever a receiver does, it gets every event, each stream in order, and nobody else waits for it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from bailiwick_contracts.attendance import PublishRoster, RosterDay
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.gateway import AddWebhook
from bailiwick_contracts.lateness import Shift
from nats.errors import NoRespondersError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.gateway import administration, webhook
from services.gateway import target as targets
from services.gateway.delivery import BACK_OFF
from tests.gateway.conftest import NORTH, System, key
from tests.gateway.receiver import (
    Behaviour,
    Receiver,
    bomb,
    dripping,
    endless,
    failing,
    fine,
    garbage,
    gone,
    hanging,
    redirecting,
)
from tests.given import Given

DIRECTOR = Actor(actor="director")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


class Clock:
    """The gateway's clock for retries, which can be put forward."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(system: System, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(door(system).deliverer, "_now", made)
    monkeypatch.setattr(targets, "ATTEMPT_SECONDS", 1)
    return made


def door(system: System) -> Any:
    return system.supervisor.runtimes["gateway"].open_door  # type: ignore[attr-defined]


def add(system: System, receiver: Receiver, **more: Any) -> dict[str, str]:
    with system.http("admin") as http:
        body = {"url": receiver.url, "property_id": NORTH, "types": ["attendance.*"], **more}
        answer = http.post("/v1/webhooks", json=body, headers=key())
        assert answer.status_code == 200, answer.text
        made: dict[str, str] = answer.json()
    until(lambda: door(system).deliveries.place(made["webhook_id"]), "the webhook begins")
    return made


def remove(system: System, webhook: dict[str, str]) -> None:
    with system.http("admin") as http:
        assert http.delete(f"/v1/webhooks/{webhook['webhook_id']}", headers=key()).status_code == 200


_day = date(2027, 1, 1)


def happen(system: System, changes: int = 3, days: int = 1) -> list[str]:
    """Change the roster of new days again and again; answers the ids of the facts of attendance in their order."""
    global _day  # noqa: PLW0603 - each test has days of its own
    ids = []
    for number in range(changes):
        for offset in range(days):
            day = _day + timedelta(days=offset)
            at = datetime(day.year, day.month, day.day, 1 + number, tzinfo=UTC)
            shift = Shift(starts_at=at, ends_at=at + timedelta(hours=8), zone="Asia/Shanghai")
            request = PublishRoster(
                roster_id=f"hook-{day:%Y%m%d}-{number}",
                staff_ids=("guard",),
                days=(RosterDay(day=day, shifts=(shift,)),),
            )
            answer = system.done(request, NORTH, DIRECTOR)
            ids += [fact.id for fact in answer.facts]
    _day += timedelta(days=days)
    return ids


def until(true: Callable[[], Any], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def complete(receiver: Receiver, ids: list[str], seconds: float = 40) -> None:
    """Every event arrived, and within each stream in its order; one that was sent again follows itself, with the same id."""
    until(lambda: set(ids) <= {event["id"] for event in receiver.events()}, "complete", seconds)
    streams: dict[str, list[int]] = {}
    for event in receiver.events():
        streams.setdefault(event["subject"], []).append(int(event["sequence"]))
    for stream, sequences in streams.items():
        assert sequences == sorted(sequences), (stream, sequences)
        assert set(sequences) == set(range(min(sequences), max(sequences) + 1)), (stream, sequences)


def ahead(clock: Clock, system: System, webhook: dict[str, str], by: timedelta) -> None:
    clock.ahead += by
    door(system).deliverer.poke(webhook["webhook_id"])


def test_an_event_arrives_byte_for_byte_and_signed(system: System, receiver: Receiver) -> None:
    webhook = add(system, receiver)
    ids = happen(system)
    complete(receiver, ids)
    headers, body = receiver.taken[0]
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == json.loads(body)["id"]
    Webhook(webhook["secret"]).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook["secret"]).verify(body + b" ", headers)
    stored = {raw for event in receiver.events() for raw in _stored(system, event)}
    assert {body for _, body in receiver.taken} == stored
    with system.http("admin") as http:
        assert webhook["secret"] not in http.get("/v1/webhooks").text
        log = http.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries").json()["deliveries"]
        assert [one["state"] for one in log] == ["delivered"] * len(ids)
        assert log[0]["attempts"][0]["status"] == 204
        again = http.post(f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{ids[0]}/resend", headers=key())
        assert again.json()["delivered"] is True
        assert receiver.events()[-1]["id"] == ids[0]
    remove(system, webhook)


def _stored(system: System, event: dict[str, Any]) -> list[bytes]:
    store = system.supervisor.runtimes["attendance"].store
    return [fact.raw for fact in store.chain(NORTH, event["chainnumber"] - 1, 1)]


@pytest.mark.parametrize(
    "behaviour",
    [
        failing,
        redirecting,
        *(pytest.param(one, marks=pytest.mark.long) for one in (hanging, garbage, endless, bomb, dripping)),
    ],
)
def test_a_receiver_that_misbehaves_gets_everything_later_and_holds_up_nobody(
    system: System, receiver: Receiver, clock: Clock, behaviour: Behaviour
) -> None:
    receiver.behaviour = behaviour
    webhook = add(system, receiver)
    good = Receiver()
    good.start()
    beside = add(system, good)
    ids = happen(system, 3, 2)
    complete(good, ids, 15)
    until(lambda: receiver.asked >= 1, "it was tried")
    assert receiver.taken == []
    with system.http("director") as http:
        began = time.monotonic()
        assert http.get(f"/v1/properties/{NORTH}/registry/get_property").status_code == 200
        assert time.monotonic() - began < 2
    receiver.behaviour = fine
    for wait in BACK_OFF[:4]:
        time.sleep(0.2)
        ahead(clock, system, webhook, wait)
    complete(receiver, ids)
    with system.http("admin") as http:
        log = http.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries").json()["deliveries"]
        failed = next(one for one in log if one["tries"] > 1)["attempts"][0]
        assert failed.get("status") in (None, 302, 500)
        if behaviour is redirecting:
            assert "169.254.169.254" in failed["error"]
    good.stop()
    remove(system, webhook)
    remove(system, beside)


def test_a_receiver_that_comes_back_after_an_hour_gets_everything_in_order(system: System, clock: Clock) -> None:
    receiver = Receiver()
    webhook = add(system, receiver)
    ids = happen(system, 4, 2)
    for wait in BACK_OFF[:3]:
        time.sleep(0.3)
        ahead(clock, system, webhook, wait)
    ids += happen(system, 2, 1)
    time.sleep(0.3)
    with system.http("admin") as http:
        path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries?state=waiting"
        waiting = http.get(path).json()["deliveries"]
        assert [one["event_id"] for one in waiting] == ids
        assert sum(len(one["attempts"]) for one in waiting) <= 4 + len(BACK_OFF), (
            "one that is down is asked once, not for each event"
        )
    receiver.start()
    ahead(clock, system, webhook, timedelta(hours=1))
    complete(receiver, ids)
    receiver.stop()
    remove(system, webhook)


def test_a_webhook_that_failed_for_days_is_disabled_for_all_to_see_and_goes_on_where_it_stopped(
    system: System, receiver: Receiver, clock: Clock
) -> None:
    receiver.behaviour = failing
    webhook = add(system, receiver)
    ids = happen(system, 2, 1)

    def state() -> tuple[str, str | None]:
        with system.http("admin") as http:
            one = next(
                w for w in http.get("/v1/webhooks").json()["webhooks"] if w["webhook_id"] == webhook["webhook_id"]
            )
            return one["state"], one["why"]

    deadline = time.monotonic() + 90
    while state()[0] == "enabled" and time.monotonic() < deadline:
        ahead(clock, system, webhook, timedelta(hours=12))
        time.sleep(0.25)
    assert state()[0] == "disabled"
    assert "in vain" in str(state()[1])
    assert sum(BACK_OFF, timedelta()) > timedelta(days=3)
    receiver.behaviour = fine
    with system.http("admin") as http:
        assert http.post(f"/v1/webhooks/{webhook['webhook_id']}/enable", headers=key()).status_code == 200
    complete(receiver, ids)
    remove(system, webhook)


def test_a_receiver_that_wants_nothing_more_is_left_alone_and_goes_on_when_it_is_enabled(
    system: System, receiver: Receiver, clock: Clock
) -> None:
    receiver.behaviour = gone
    webhook = add(system, receiver)
    ids = happen(system, 2, 1)

    def state() -> str:
        with system.http("admin") as http:
            listed = http.get("/v1/webhooks").json()["webhooks"]
            return next(f"{one['state']}: {one['why']}" for one in listed if one["webhook_id"] == webhook["webhook_id"])

    until(lambda: state().startswith("disabled"), "it is disabled")
    assert "410" in state()
    asked = receiver.asked
    ahead(clock, system, webhook, timedelta(days=2))
    ids += happen(system, 1, 1)
    time.sleep(0.5)
    assert receiver.asked == asked, "nobody asks any more"
    receiver.behaviour = fine
    with system.http("admin") as http:
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        assert http.post(f"{path}/enable", headers=key()).status_code == 200
        complete(receiver, ids)
        record = http.get(f"/v1/properties/company/records/gateway/webhook-{webhook['webhook_id']}").json()["facts"]
        assert [fact["type"].split(".")[1] for fact in record] == [
            "webhook_added",
            "webhook_disabled",
            "webhook_enabled",
        ]
    remove(system, webhook)


def test_while_a_secret_is_changed_both_sign(system: System, receiver: Receiver) -> None:
    webhook = add(system, receiver)
    with system.http("admin") as http:
        rotated = http.post(f"/v1/webhooks/{webhook['webhook_id']}/rotate", json={"hours": 24}, headers=key())
        assert rotated.status_code == 200, rotated.text
        new = rotated.json()["secret"]
        complete(receiver, happen(system, 1))
        headers, body = receiver.taken[-1]
        Webhook(webhook["secret"]).verify(body, headers)
        Webhook(new).verify(body, headers)
        newest = http.post(f"/v1/webhooks/{webhook['webhook_id']}/rotate", json={"hours": 0}, headers=key()).json()[
            "secret"
        ]
        complete(receiver, happen(system, 1))
    headers, body = receiver.taken[-1]
    Webhook(newest).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers)
    remove(system, webhook)


def test_a_new_secret_whose_answer_was_lost_is_shown_again_hours_later(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, used = add(system, receiver), key()
    path = f"/v1/webhooks/{webhook['webhook_id']}/rotate"

    with system.http("admin") as http:
        first = http.post(path, json={"hours": 24}, headers=used).json()
        later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(hours=2))
        monkeypatch.setattr(administration, "datetime", later)
        again = http.post(path, json={"hours": 24}, headers=used)
        assert (again.json(), again.headers["idempotency-replayed"]) == (first, "true")
        assert http.post(path, json={"hours": 99}, headers=used).status_code == 422
    remove(system, webhook)


def test_sending_again_while_the_service_is_away_is_told_so(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = add(system, receiver)
    (first, *_) = happen(system, 1)
    complete(receiver, [first])

    async def away(*_: Any) -> bytes:
        raise NoRespondersError

    with system.http("admin") as http:
        path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{first}/resend"
        assert http.post(path, headers=key()).json() == {"delivered": True, "status": 204, "error": None}
        monkeypatch.setattr(door(system).deliverer, "_stored", away)
        answer = http.post(path, headers=key())
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    monkeypatch.undo()
    remove(system, webhook)


def test_sending_again_under_one_key_sends_once(system: System, receiver: Receiver) -> None:
    webhook = add(system, receiver)
    first, second, *_ = happen(system, 2)
    complete(receiver, [first, second])
    sent: list[str] = []

    def counting(handler: BaseHTTPRequestHandler) -> None:
        sent.append(handler.headers["webhook-id"])
        failing(handler)

    receiver.behaviour = counting
    with system.http("admin") as http:
        path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{{}}/resend"
        used = key()
        answer = http.post(path.format(first), headers=used)
        again = http.post(path.format(first), headers=used)
        assert (again.status_code, again.json()) == (200, answer.json())
        assert (answer.json()["delivered"], answer.json()["status"]) == (False, 500)
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in answer.headers
        assert sent.count(first) == 1
        other = http.post(path.format(second), headers=used)
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency_key_reused")
        assert "idempotency-replayed" not in http.post(path.format(first), headers=key()).headers
        assert (sent.count(first), sent.count(second)) == (2, 0)
    remove(system, webhook)


def test_a_webhook_begins_at_a_place_that_there_is(system: System, receiver: Receiver) -> None:
    """One that there is not would be told so never: nothing is ever sent."""
    with system.http("admin") as http, system.http("director") as elsewhere:
        for after in ("nonsense", "attendance-ffffffffffff.3", "v1.AAAA"):
            answer = http.post("/v1/webhooks", json={"url": receiver.url, "after": after}, headers=key())
            assert (answer.status_code, answer.json()["type"]) == (400, "/problems/cursor_unknown")
        # A place that was told to a director is one too.
        place = elsewhere.get("/v1/events?limit=500").json()["next"]
        added = http.post("/v1/webhooks", json={"url": receiver.url, "after": place}, headers=key())
        assert added.status_code == 200, added.text
        log = f"/v1/webhooks/{added.json()['webhook_id']}/deliveries"
        assert http.get(log, params={"after": "²"}).status_code == 422
        remove(system, added.json())


def test_another_beginning_under_a_taken_id_is_another_webhook() -> None:
    asked = AddWebhook(
        webhook_id="w1", url="https://x.example/", property_id=NORTH, types=("*",), secret="whsec_" + "c" * 44
    )
    (added,) = webhook.add(asked, webhook.Webhook())
    there = Given(webhook.WEBHOOK)(added)
    there.when(lambda one: webhook.add(asked, one)).then()
    other = asked.model_copy(update={"after": "registry-1.7"})
    there.when(lambda one: webhook.add(other, one)).then_rejects("webhook_id_reused")


def test_a_webhook_to_the_inside_is_refused_when_it_is_added(system: System) -> None:
    with system.http("admin") as http:
        for url in ("https://10.0.0.1/x", "http://93.184.216.34/x"):
            answer = http.post("/v1/webhooks", json={"url": url}, headers=key())
            assert answer.status_code == 422, answer.text
            assert answer.json()["problems"][0]["field"] == "url"
