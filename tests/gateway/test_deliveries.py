"""What is to be delivered: what waits is kept as long as it waits, what was delivered as long as it is told to; an end holds at once."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.delivery import Deliveries
from services.gateway.tail import Announced
from tests.gateway.conftest import System, key
from tests.gateway.receiver import Receiver, failing, fine
from tests.gateway.test_webhooks import add, complete, door, happen, remove, until

BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def announced(number: int) -> Announced:
    return Announced(
        "tickets", "tickets-1", number, b"{}", f"e-{number}", "tickets.ticket_opened.v1", "north", f"t-{number}", ""
    )


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
    receiver = Receiver()
    receiver.start()
    receiver.behaviour = failing
    webhook = add(system, receiver)
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
    remove(system, webhook)
    receiver.stop()
