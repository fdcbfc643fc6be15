"""The log of deliveries: it keeps what waits as long as that waits, and what was delivered for as long as it is told to."""

from datetime import UTC, datetime, timedelta

from services.gateway.delivery import Deliveries
from services.gateway.tail import Announced

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
