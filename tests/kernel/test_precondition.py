"""A version that was read is held against the record with the lock held; what changed since is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Actor, Answer, Precondition, read_command
from bailiwick_contracts.message import COMPANY

from services.kernel.reading import QueryReading
from services.kernel.scope import ScopedReading
from tests.kernel.test_writer import Bench
from tests.kernel.toy import HOLDER, TOY, TakeToken

NOTHING = Precondition()
ANY = Precondition(any_version=True)


def seen(sequence: int, stream: str = "holder-ann") -> Precondition:
    return Precondition(stream=stream, sequence=sequence)


class Asking(Bench):
    def take(self, said: Precondition | None, holder: str = "ann", place: str = "north-court", **more: Any) -> Answer:
        body = self.door.sign(TakeToken(holder_id=holder), Actor(actor="boss"), place, precondition=said, **more)
        (answer,) = self.do(read_command(body, TakeToken))
        return answer


@pytest.fixture
def asking(database_url: str, tmp_path: Path) -> Iterator[Asking]:
    made = Asking(database_url, tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def error(answer: Answer) -> dict[str, Any]:
    assert answer.outcome == "rejected"
    assert answer.error is not None
    return answer.error


def test_a_new_record_needs_no_version_and_an_existing_one_does(asking: Asking) -> None:
    assert asking.take(NOTHING).outcome == "done"
    missing = error(asking.take(NOTHING))
    assert (missing["code"], missing["stream"], missing["sequence"]) == ("precondition_required", "holder-ann", 1)
    assert len(asking.raws()) == 1
    assert asking.take(seen(1)).outcome == "done"
    assert asking.take(ANY).outcome == "done"
    assert len(asking.raws()) == 3


def test_who_saw_an_older_version_learns_what_changed_since(asking: Asking) -> None:
    asking.take(NOTHING)
    asking.take(seen(1))
    stale = error(asking.take(seen(1)))
    assert (stale["code"], stale["sequence"]) == ("precondition_failed", 2)
    assert [(fact["type"], fact["sequence"], fact["actor"]) for fact in stale["since"]] == [
        ("toy.token_taken.v1", "0000000002", "boss")
    ]
    assert error(asking.take(seen(2), holder="ben"))["code"] == "precondition_failed"
    assert len(asking.raws()) == 2


def test_of_two_who_saw_the_same_version_in_one_batch_one_wins(asking: Asking) -> None:
    asking.take(NOTHING)
    bodies = [
        asking.door.sign(TakeToken(holder_id="ann"), Actor(actor=who), "north-court", precondition=seen(1))
        for who in "ab"
    ]
    answers = asking.do(*[read_command(body, TakeToken) for body in bodies])
    assert [answer.outcome for answer in answers] == ["done", "rejected"]


def test_a_refusal_is_recorded_whatever_was_known_of_the_record(asking: Asking) -> None:
    for version in range(3):
        asking.take(seen(version))
    assert asking.take(NOTHING).outcome == "refused"
    assert len(asking.raws()) == 4


def test_a_record_of_another_property_is_none_and_keeps_its_facts(asking: Asking) -> None:
    asking.take(NOTHING)
    for said in (NOTHING, ANY):
        assert error(asking.take(said, place="south-court"))["code"] == "no_such_record"
    stale = error(asking.take(seen(1), place="south-court"))
    assert (stale["code"], stale["sequence"], stale["since"]) == ("precondition_failed", 0, [])
    assert asking.take(ANY, place=COMPANY).outcome == "done"
    assert len(asking.raws()) == 1


def test_if_match_tells_nothing_of_a_record_that_the_command_is_not_about(asking: Asking) -> None:
    """Whether there is one, of which version, and what became of it: one answer for what is the company's, another's and nobody's."""
    asking.take(NOTHING, holder="eve", place="south-court")
    asking.take(NOTHING, holder="all", place=COMPANY)
    asking.take(seen(1, "holder-all"), holder="all", place=COMPANY)
    texts = set()
    for version in (0, 1, 2, 3):
        for holder in ("eve", "all", "nil"):
            answer = error(asking.take(seen(version, f"holder-{holder}")))
            texts.add(str(answer).replace(f"holder-{holder}", "holder-x"))
    assert texts == {texts.copy().pop()}, texts
    assert "the command changes holder-ann" in texts.pop()
    # Of a record of the company that the command would change, it is told what changed since.
    stale = error(asking.take(seen(1, "holder-all"), holder="all"))
    assert (stale["sequence"], [fact["sequence"] for fact in stale["since"]]) == (2, ["0000000002"])


def test_a_repeated_command_says_that_it_is_a_repetition(asking: Asking) -> None:
    first = asking.take(NOTHING, command_id="once")
    again = asking.take(NOTHING, command_id="once")
    assert (first.replayed, again.replayed) == (None, True)
    assert again.facts == first.facts


def test_a_query_of_one_property_sees_no_record_of_another(asking: Asking) -> None:
    asking.take(NOTHING)
    asking.take(NOTHING, holder="eve", place="south-court")
    with asking.store.reading() as connection:
        for place, holders in (("north-court", {"ann"}), ("south-court", {"eve"}), (COMPANY, {"ann", "eve"})):
            reading = ScopedReading(QueryReading(TOY, asking.store, asking.keys, connection), place)
            found = {name for name in ("ann", "eve") if reading.state(HOLDER, f"holder-{name}").count}
            assert found == holders
            assert {n for n in ("ann", "eve") if reading.history(f"holder-{n}")} == holders
        one = ScopedReading(QueryReading(TOY, asking.store, asking.keys, connection), "north-court")
        one.state(HOLDER, "holder-ann")
        record = one.record()
        assert record is not None
        assert (record.stream, record.sequence) == ("holder-ann", 1)
        none = ScopedReading(QueryReading(TOY, asking.store, asking.keys, connection), "south-court")
        none.state(HOLDER, "holder-ann")
        assert none.record() is None
