"""The store against the eventsourcing library's own persistence cases, on each database."""

import threading
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.tests import persistence as cases

from services.kernel import engine
from services.kernel.store import Head, Store, StoredFact


class Ids:
    """Streams are named by text here."""

    def new_originator_id(self) -> str:
        return str(uuid.uuid4())


CASES = (
    cases.ApplicationRecorderTestCase,
    cases.ProcessRecorderTestCase,
    cases.TrackingRecorderTestCase,
    cases.NonInterleavingNotificationIDsBaseCase,
)
_RUN = [
    (case, name)
    for case in CASES
    for name in dir(case)
    if name.startswith("test") and not name.startswith("test_performance") and name != "test_concurrent_throughput"
]


@pytest.mark.parametrize(("case", "name"), _RUN, ids=[f"{case.__name__}-{name}" for case, name in _RUN])
def test_the_library_finds_the_recorder_it_expects(case: type[Any], name: str, database_url: str) -> None:
    store = Store(database_url, schema="library")
    made = type("Case", (Ids, case), {"create_recorder": lambda _: store, "INITIAL_VERSION": 1})(name)
    try:
        result = made.run()
        assert result is not None
        assert result.testsRun == 1
        assert not result.errors + result.failures, (result.errors + result.failures)[0][1]
    finally:
        # The library leaves the readers of its concurrent case running; they end on their own.
        for thread in threading.enumerate():
            if "(read_continuously)" in thread.name:
                thread.join(10)
        store.close()


def test_positions_are_never_used_twice_even_when_the_end_of_the_log_is_deleted(database_url: str) -> None:
    store = Store(database_url, schema="kernel")
    assert store.insert_events([StoredEvent("a", 1, "t", b"1"), StoredEvent("a", 2, "t", b"2")]) == [1, 2]
    with store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM facts WHERE position = 2")
    assert store.insert_events([StoredEvent("a", 3, "t", b"3")]) == [3]
    store.close()


def test_a_taken_version_leaves_nothing_behind_and_no_hole(database_url: str) -> None:
    store = Store(database_url, schema="kernel")
    store.insert_events([StoredEvent("a", 1, "t", b"1")])
    with pytest.raises(IntegrityError):
        store.insert_events([StoredEvent("b", 1, "t", b"2"), StoredEvent("a", 1, "t", b"3")])
    assert store.insert_events([StoredEvent("b", 1, "t", b"4")]) == [2]
    assert store.insert_events([]) == []
    assert [(fact.position, fact.stream, fact.raw) for fact in store.after(0, 9)] == [(1, "a", b"1"), (2, "b", b"4")]
    store.close()


def test_who_adds_events_waits_for_whoever_holds_the_writers_lock(database_url: str) -> None:
    """Two instances: one decides in a transaction, the other only adds; the log has no hole and no position twice."""
    deciding, adding = Store(database_url, schema="kernel"), Store(database_url, schema="kernel")
    added: list[int] = []

    def add() -> None:
        for version in range(1, 21):
            added.extend(adding.insert_events([StoredEvent("added", version, "t", b"a")]) or ())

    thread = threading.Thread(target=add)
    with deciding.transaction() as connection:
        last = deciding.head(connection, "*").number
        thread.start()
        thread.join(0.3)
        assert not added
        deciding.append(connection, [StoredFact(last + 1, "decided-0", 1, "t", b"d")])
    for number in range(1, 20):
        with deciding.transaction(locked=False) as connection:
            head, _ = deciding.begin(connection, ())
            deciding.append(connection, [StoredFact(head.number + 1, f"decided-{number}", 1, "t", b"d")])
    thread.join(30)
    facts = deciding.after(0, 100)
    assert [fact.position for fact in facts] == list(range(1, 41))
    assert [fact.position for fact in facts if fact.stream == "added"] == added
    deciding.close()
    adding.close()


def test_a_refused_tracking_rolls_the_facts_back(database_url: str) -> None:
    store = Store(database_url, schema="kernel")
    store.insert_events([], tracking=Tracking("source", 5))
    with pytest.raises(IntegrityError):
        store.insert_events([StoredEvent("a", 1, "t", b"1")], tracking=Tracking("source", 5))
    assert store.max_notification_id() is None
    assert store.max_tracking_id("source") == 5
    store.close()


def test_a_chain_is_read_by_its_numbers(database_url: str) -> None:
    store = Store(database_url, schema="kernel")
    with store.transaction() as connection:
        facts = [
            StoredFact(n, "s", n, "t", str(n).encode(), "p1" if n % 2 else "p2", (n + 1) // 2) for n in range(1, 8)
        ]
        store.append(connection, facts)
        store.set_heads(connection, {"p1": Head(4, "x"), "p2": Head(3, "y")})
    assert [fact.raw for fact in store.chain("p1", 1, 2)] == [b"3", b"5"]
    assert store.heads() == {"p1": Head(4, "x"), "p2": Head(3, "y")}
    store.close()


def test_what_a_frozen_writer_holds_is_given_to_others(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FROZEN_SECONDS", 1)
    frozen, other = Store(postgres_url, schema="kernel"), Store(postgres_url, schema="kernel")
    with pytest.raises(sa.exc.DBAPIError), frozen.transaction() as connection:  # noqa: PT012 - the commit is what fails
        frozen.append(connection, [StoredFact(1, "a", 1, "t", b"1")])
        assert other.insert_events([StoredEvent("a", 1, "t", b"2")]) == [1]
    assert [fact.raw for fact in other.after(0, 10)] == [b"2"]
    frozen.close()
    other.close()


def test_a_database_that_restarts_under_a_reader_is_said_to_be_away_and_read_again_once_it_is_back(
    postgres_url: str,
) -> None:
    """A command that met the driver's own error showed its trace, and no log said why."""
    store, other = Store(postgres_url, schema="kernel"), sa.create_engine(postgres_url)
    store.insert_events([StoredEvent("a", 1, "t", b"1")])

    def restart() -> None:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with other.connect() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 5000) {others}")

    assert len(store.after(0, 1)) == 1
    restart()
    with pytest.raises(sa.exc.OperationalError):
        store.after(0, 1)
    with pytest.raises(sa.exc.OperationalError), store.reading() as connection:  # noqa: PT012 - the second is what fails
        restart()
        store.head(connection, "p1")
    assert [fact.raw for fact in store.after(0, 1)] == [b"1"]
    store.close()
    other.dispose()
