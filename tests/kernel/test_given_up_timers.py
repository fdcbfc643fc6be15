"""Timers that were given up: each is a dead letter like any other, counted, listed, tried again, dropped, and it has an end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import Actor, Answer, Command, Precondition, check_chain, read_command
from bailiwick_contracts.message import Request

from services.kernel.dead_letter_requests import standing, with_dead_letters
from services.kernel.decision import Rejected
from services.kernel.reading import QueryReading
from services.kernel.service import Unit
from services.kernel.writer import Writer
from tests.kernel.due import fire_due
from tests.kernel.test_writer import NOON, Bench
from tests.kernel.toy import TOY, GiveTokenBack, TakeToken

LETTERS = of_service("toy")


class Letters(Bench):
    """A bench whose timers fail, until they are dead letters."""

    def give_up(self, *holders: str) -> list[str]:
        """The letters' ids, in the order of the holders."""
        self.do(
            *(self.command(h, back_at=self.now, back=GiveTokenBack(holder_id=h, fail="crash")) for h in sorted(holders))
        )
        for _ in range(5):
            self.now += timedelta(minutes=2)
            fire_due(self.writer, self.store, self.now)
        raised = self.letters("raised")
        assert [(one.kind, one.stream, one.tries) for one in raised] == [("timer", f"back-{h}", 5) for h in holders]
        return [one.letter_id for one in raised]

    def letters(self, kind: str = "") -> list[Any]:
        facts = check_chain(iter(self.raws()))
        return [event.data for event in facts if f"dead_letter_{kind}" in event.type]

    def signed(self, request: Request, by: str) -> Command[Any]:
        body = self.door.sign(request, Actor(actor=by), "north-court", issued_at=self.now)
        return read_command(body, type(request))

    def ask(self, request: Request, by: str = "s1") -> str:
        (answer,) = self.do(self.signed(request, by))
        return str(answer.outcome)

    def listed(self) -> list[Any]:
        service = with_dead_letters(TOY)
        with self.store.reading() as connection:
            reading = QueryReading(service, self.store, self.keys, connection)
            found = service.queries[LETTERS.listing](reading, self.signed(LETTERS.listing(), "s1"))
        return list(found["letters"])

    def standing(self) -> int:
        with self.store.reading() as connection:
            return standing(connection)

    def fire(self, at: datetime) -> list[Answer]:
        return fire_due(self.writer, self.store, at)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Letters]:
    made = Letters(database_url, tmp_path)
    made.now = NOON
    yield made
    made.writer.close()
    made.store.close()


def test_a_timer_that_was_given_up_is_a_letter_like_any_other(bench: Letters) -> None:
    ann, bob = bench.give_up("ann", "bob")
    assert bench.standing() == 2, "health and the doctor count it"
    assert bench.ask(LETTERS.propose_drop(letter_id=ann, grounds="A trial.")) == "done"
    assert bench.ask(LETTERS.confirm_drop(letter_id=ann, grounds="Seen.")) == "refused"
    assert bench.ask(LETTERS.confirm_drop(letter_id=ann, grounds="Seen."), "s2") == "done"
    assert bench.standing() == 1
    assert bench.ask(LETTERS.retry(letter_id=bob, grounds="Mended.")) == "done"
    (letter,) = bench.listed()
    assert (letter["state"], letter["tries"]) == ("retrying", 0)
    (answer,) = bench.fire(bench.now)
    assert answer.error is not None
    assert (answer.error["tries"], answer.commandid) == (1, bob)


@pytest.mark.parametrize("state", ["given_up", "retrying"])
@pytest.mark.parametrize("what", ["cancelled", "set anew"])
def test_a_letter_whose_timer_a_command_takes_away_is_at_an_end_and_says_so(
    bench: Letters, what: str, state: str
) -> None:
    ann, bob = bench.give_up("ann", "bob")
    if state == "retrying":
        bench.ask(LETTERS.retry(letter_id=ann, grounds="Mended."))
        bench.fire(bench.now)
        assert [one["state"] for one in bench.listed() if one["letter_id"] == ann] == ["retrying"]
    unseen = bench.door.sign(
        TakeToken(holder_id="ann", keep=True),
        Actor(actor="s1"),
        "north-court",
        precondition=Precondition(),
        issued_at=bench.now,
    )
    (asked,) = bench.do(read_command(unseen, TakeToken))
    assert asked.error is not None
    assert asked.error["code"] == "precondition_required", "the end of the letter is no second record"
    members = {"keep": True} if what == "cancelled" else {"back_at": bench.now + timedelta(hours=1)}
    rejected, done, again = bench.do(
        bench.command("ann", fail="reject", **members), bench.command("ann", **members), bench.command("ann", **members)
    )
    assert [rejected.outcome, done.outcome, again.outcome] == ["rejected", "done", "done"]
    assert [one.type for one in done.facts] == ["toy.token_taken.v1", "toy.dead_letter_lapsed.v1"]
    assert len(again.facts) == 1
    assert [one.letter_id for one in bench.letters("lapsed")] == [ann]
    assert [one["letter_id"] for one in bench.listed()] == [bob]
    assert bench.standing() == 1


def test_a_letter_that_was_dropped_has_one_end_though_its_timer_is_set_anew_in_the_same_breath(bench: Letters) -> None:
    (letter_id,) = bench.give_up("ann")
    bench.ask(LETTERS.propose_drop(letter_id=letter_id, grounds="A trial."))
    drop = bench.signed(LETTERS.confirm_drop(letter_id=letter_id, grounds="Seen."), "s2")
    bench.do(drop, bench.command("ann", back_at=bench.now + timedelta(hours=1)))
    assert [len(bench.letters(kind)) for kind in ("dropped.", "lapsed")] == [1, 0]


def test_a_letter_whose_timer_is_rejected_when_it_is_tried_again_is_at_an_end_and_says_so(bench: Letters) -> None:
    (letter_id,) = bench.give_up("ann")
    bench.ask(LETTERS.retry(letter_id=letter_id, grounds="Mended."))
    bench.writer.close()

    def reject(_: Unit, __: Command[Any]) -> None:
        raise Rejected("nothing is to be given back")

    bench.writer = Writer(replace(TOY, timers={GiveTokenBack: reject}), bench.store, bench.keys)
    (answer,) = bench.fire(bench.now)
    assert answer.outcome == "rejected"
    assert (bench.listed(), bench.standing()) == ([], 0)
    assert [one.letter_id for one in bench.letters("resolved")] == [letter_id]
