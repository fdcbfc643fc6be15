"""What is to be delivered: what waits is kept as long as it waits, what was delivered as long as it is told to; an end holds at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import NoRespondersError
from sqlalchemy.exc import OperationalError

from services.gateway.deliverer import Deliverer
from services.gateway.delivery import Deliveries, Waiting
from services.gateway.tail import Announced
from tests.gateway.conftest import System, key
from tests.gateway.receiver import Receiver, failing, fine
from tests.gateway.test_webhooks import Clock, add, complete, door, happen, remove, until

BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def announced(number: int) -> Announced:
    return Announced(
        "tickets", "tickets-1", number, b"{}", f"e-{number}", "tickets.ticket_opened.v1", "north", f"t-{number}", ""
    )


@contextmanager
def refused(system: System) -> Iterator[tuple[Receiver, dict[str, Any]]]:
    """A webhook whose receiver takes nothing yet."""
    receiver = Receiver()
    receiver.start()
    receiver.behaviour = failing
    webhook = add(system, receiver)
    yield receiver, webhook
    remove(system, webhook)
    receiver.stop()


def test_what_was_delivered_is_let_go_after_its_time_and_what_waits_never_is(database_url: str) -> None:
    deliveries = Deliveries(database_url)
    try:
        for name in ("hook-1", "hook-2"):
            deliveries.begin(name, "", BEGUN)
            deliveries.take_in(name, [announced(number) for number in (1, 2)], "c1", BEGUN)
        late = BEGUN + timedelta(days=60)
        deliveries.take_in("hook-1", [announced(3)], "c2", late)

        def tried(name: str, number: int, at: datetime, *, taken: bool) -> None:
            one = deliveries.find(name, f"e-{number}")
            assert one is not None
            asked = f"{name}-{number}" if taken else None
            deliveries.tried(
                name, one, at=at, milliseconds=3, status=200 if taken else 500, error="", taken=taken, command_id=asked
            )

        tried("hook-1", 1, BEGUN, taken=False)
        tried("hook-1", 1, BEGUN + timedelta(minutes=1), taken=True)
        tried("hook-1", 2, BEGUN, taken=False)
        tried("hook-1", 3, late, taken=True)
        tried("hook-2", 1, BEGUN, taken=True)

        assert deliveries.forget(BEGUN) == 0
        assert deliveries.forget(BEGUN + timedelta(days=30)) == 2
        left = [(one["event_id"], one["state"], len(one["attempts"])) for one in deliveries.log("hook-1", 0, 10, None)]
        assert left == [("e-2", "waiting", 1), ("e-3", "delivered", 1)]
        assert [one["event_id"] for one in deliveries.log("hook-2", 0, 10, None)] == ["e-2"]
        assert deliveries.find("hook-1", "e-1") is None
        # With a delivery goes what its sending again was answered with.
        assert [deliveries.resent(one) is None for one in ("hook-1-1", "hook-1-3")] == [True, False]
        # What comes later is counted on from where it was.
        deliveries.take_in("hook-2", [announced(4)], "c3", late)
        assert [one["number"] for one in deliveries.log("hook-2", 0, 10, None)] == [2, 3]
    finally:
        deliveries.close()


def test_a_webhook_that_is_disabled_sends_nothing_more_and_starts_anew_when_it_is_enabled_at_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has mended a receiver and does both in one breath waits for no try that was put off for half a day."""
    monkeypatch.setattr("services.gateway.delivery.BACK_OFF", (timedelta(hours=12),) * 19)
    with refused(system) as (receiver, webhook):
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        ids = happen(system, 1)
        until(lambda: door(system).deliveries.place(webhook["webhook_id"]).failing, "put off")
        receiver.behaviour = fine
        with system.http("admin") as http:
            assert http.post(f"{path}/disable", json={"why": "mended"}, headers=key()).json()["outcome"] == "done"
            assert http.post(f"{path}/enable", headers=key()).json()["outcome"] == "done"
            complete(receiver, ids, 10)
            told = len(receiver.events())
            assert http.post(f"{path}/disable", json={"why": "for good"}, headers=key()).json()["outcome"] == "done"
            happen(system, 1)
            time.sleep(0.5)
            assert len(receiver.events()) == told


def test_an_event_that_is_never_taken_holds_up_no_other_stream_and_is_itself_tried_for_days(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the one that was tried, again and again, until the webhook was disabled; nothing else was sent meanwhile."""
    clock = Clock()
    monkeypatch.setattr(door(system).deliverer, "_now", clock)
    with refused(system) as (receiver, webhook):
        never, *rest = happen(system, 1)
        until(lambda: receiver.asked, "it was tried")
        taken: list[str] = []

        def picky(handler: BaseHTTPRequestHandler) -> None:
            if handler.headers["webhook-id"] == never:
                return failing(handler)
            taken.append(handler.headers["webhook-id"])
            return fine(handler)

        def arrived(ids: list[str]) -> bool:
            place = door(system).deliveries.place(webhook["webhook_id"])
            clock.ahead += max(timedelta(), place.next_at - clock())  # ten minutes at the most
            return set(taken) >= set(ids)

        receiver.behaviour = picky
        for _ in range(25):
            rest += happen(system, 1)
            clock.ahead += timedelta(minutes=10)
            door(system).deliverer.poke(webhook["webhook_id"])
            until(partial(arrived, rest), "the others arrive")
        waiting = partial(door(system).deliveries.log, webhook["webhook_id"], 0, 100, "waiting")
        until(lambda: [one["event_id"] for one in waiting()] == [never], "it is written down")
        assert waiting()[0]["tries"] < 12, "each arrival of another takes none of its tries"


def test_what_waits_behind_another_of_its_stream_is_not_sent_before_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.delivery.BACK_OFF", (timedelta(hours=12),) * 19)
    with refused(system) as (receiver, webhook):
        ids = happen(system, 3)
        waiting = door(system).deliveries
        until(lambda: len(waiting.log(webhook["webhook_id"], 0, 10, "waiting")) == len(ids), "they wait")
        streams: dict[str, list[str]] = {}
        for one in waiting.log(webhook["webhook_id"], 0, 10, "waiting"):
            streams.setdefault(one["stream"], []).append(one["event_id"])
        first, second, *_ = next(found for found in streams.values() if len(found) > 1)
        receiver.behaviour = fine
        with system.http("admin") as http:
            path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{{}}/resend"
            early = http.post(path.format(second), headers=key())
            assert (early.status_code, early.json()["reason"]) == (422, "waits_behind")
            assert first in early.json()["remedy"]
            assert http.post(path.format(first), headers=key()).json()["delivered"] is True
            assert http.post(path.format(second), headers=key()).json()["delivered"] is True
        assert [event["id"] for event in receiver.events()] == [first, second]


def test_of_a_webhook_that_was_disabled_and_then_removed_nothing_stays(system: System) -> None:
    receiver = Receiver()
    webhook = add(system, receiver)
    name, deliveries = webhook["webhook_id"], door(system).deliveries
    happen(system, 1)
    until(lambda: deliveries.log(name, 0, 10, "waiting"), "something waits")
    with system.http("admin") as http:
        assert http.post(f"/v1/webhooks/{name}/disable", json={"why": "away"}, headers=key()).status_code == 200
    until(lambda: name not in door(system).deliverer._tasks, "its task ended")
    remove(system, webhook)
    until(lambda: deliveries.place(name) is None, "its place is gone", 5)
    assert deliveries.log(name, 0, 10, None) == []


async def test_a_service_that_is_away_holds_up_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made = deliverer(SimpleNamespace())

    async def stored(one: Waiting) -> bytes:
        if one.service == "tickets":
            raise NoRespondersError
        return b"{}"

    monkeypatch.setattr(made, "_stored", stored)
    due = [
        Waiting(service, f"{service}-1", n, f"e-{n}", f"s-{n}", 0, BEGUN)
        for n, service in enumerate(["tickets", "tickets", "billing", "tickets", "billing"])
    ]
    for most, found in ((1, ["e-2"]), (8, ["e-2", "e-4"])):
        assert [one.event_id for one, _ in await made._readable(due, most)] == found


async def test_a_webhook_begins_behind_the_history_of_a_service_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its whole log was sent as what happened from now on, once it answered."""
    monkeypatch.setattr("services.gateway.deliverer.LOOK_SECONDS", 0.01)
    tail = SimpleNamespace(services=("billing", "tickets"), heads={"tickets": ("tickets-1", 7)})
    begun = asyncio.create_task(deliverer(tail)._ends())
    await asyncio.sleep(0.05)
    assert not begun.done()
    tail.heads = {"tickets": ("tickets-1", 9), "billing": ("billing-1", 120)}
    assert await begun == {"tickets": ("tickets-1", 7), "billing": ("billing-1", 120)}


async def test_a_database_that_is_away_for_a_moment_ends_no_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole door ended with them, and was started again."""
    monkeypatch.setattr("services.gateway.deliverer.LOOK_SECONDS", 0.01)
    made, back, looks = deliverer(SimpleNamespace()), asyncio.Event(), iter(range(100))

    def looked() -> dict[str, Any]:
        if next(looks) < 2:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        back.set()
        return {}

    monkeypatch.setattr(made, "endpoints", looked)
    running = asyncio.create_task(made.run())
    await asyncio.wait_for(back.wait(), 10)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})


def deliverer(tail: Any) -> Deliverer:
    none: Any = None
    return Deliverer(none, none, none, none, tail, none, none, timedelta(days=90))
