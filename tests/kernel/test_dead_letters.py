"""Dead letters: bounded tries, what follows in the stream waits and follows in order, and two persons to forgo an effect."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import Actor, Answer, Event, check_chain, read_command, read_event
from bailiwick_contracts.message import Request

from services.kernel.dead_letter_requests import with_dead_letters
from services.kernel.dead_letters import PAGE, DeadLetters
from services.kernel.parked import PARKED, Again
from services.kernel.reading import QueryReading
from services.kernel.store import Store
from services.kernel.versions import VIEWS
from services.kernel.work import Intake, Work
from services.kernel.writer import Writer
from tests.kernel.test_writer import Bench
from tests.kernel.toy import ECHO, NOTED, POISON

LETTERS = of_service("echo")


class Pair:
    """Toy, and echo that takes in what toy stored; echo's parked facts are read again from toy's store."""

    def __init__(self, url: str, directory: Path) -> None:
        self.toy = Bench(url, directory)
        self.url = url if "sqlite" not in url else f"{url}.echo"
        self.store, self.echo = self.open()
        self.reached = 0

    def open(self) -> tuple[Store, Writer]:
        store = Store(self.url, schema="echo", views=[NOTED])
        return store, Writer(ECHO, store, self.toy.keys, clock=lambda: self.toy.now)

    def close(self) -> None:
        for one in (self.echo, self.toy.writer, self.store, self.toy.store):
            one.close()

    def take(self, *holders: str) -> None:
        """Tokens taken, one after the other, and taken in by echo."""
        self.toy.do(*(self.toy.command(f"unbounded-{holder}") for holder in holders))
        self.take_in()

    def take_in(self) -> None:
        facts = self.toy.store.chain("north-court", self.reached, 10_000)
        source = f"{read_event(facts[0].raw).log}:north-court"
        assert self.echo.process([Intake(source, tuple(fact.raw for fact in facts))]) == [None]
        self.reached += len(facts)

    async def feed(self, service: str, property_id: str, after: int) -> list[bytes]:
        assert service == "toy"
        return [fact.raw for fact in self.toy.store.chain(property_id, after, 3)]

    async def work(self, echo: Writer | None = None, store: Store | None = None) -> None:
        """What the loop does now, until nothing is to be done."""
        writer = echo or self.echo
        running = asyncio.create_task(writer.run())
        loop = DeadLetters("echo", store or self.store, writer, self.feed, clock=lambda: self.toy.now)
        try:
            while await loop.work():
                pass
        finally:
            running.cancel()

    async def give_up(self) -> list[float]:
        """Let the clock run until nothing is tried any more; answers the seconds between the tries."""
        waits: list[float] = []
        while (upcoming := [row.next_us for row in self.parked() if row.next_us is not None]) and len(waits) < 9:
            waits.append(min(upcoming) / 1e6 - self.toy.now.timestamp())
            self.toy.now += timedelta(seconds=waits[-1])
            await self.work()
        return waits

    def parked(self) -> list[Any]:
        with self.store.reading() as connection:
            return list(connection.execute(sa.select(PARKED).order_by(PARKED.c.number)))

    def events(self, kind: str = "") -> list[Event[Any]]:
        facts = check_chain(fact.raw for fact in self.store.chain("north-court", 0, 10_000))
        return [event for event in facts if kind in event.type]

    def noted(self) -> list[int]:
        """The numbers of the facts that echo reacted to, in the order in which it did."""
        return [event.data.number for event in self.events("token_noted")]

    def copied(self) -> list[int]:
        with self.store.reading() as connection:
            return sorted(row.number for row in connection.execute(sa.select(NOTED)))

    def ask(self, request: Request, by: str = "ann-sample", **more: Any) -> Answer:
        actor = Actor.model_validate({"actor": by} | more)
        signed = self.toy.door.sign(request, actor, "north-court", issued_at=self.toy.now)
        (answer,) = self.echo.process([read_command(signed, type(request))])
        assert isinstance(answer, Answer)
        return answer

    def listed(self, letter_id: str | None = None, **more: Any) -> Any:
        request = LETTERS.listing(letter_id=letter_id, **more)
        signed = self.toy.door.sign(request, Actor(actor="ann-sample"), "north-court")
        service = with_dead_letters(ECHO)
        with self.store.reading() as connection:
            reading = QueryReading(service, self.store, self.toy.keys, connection)
            return service.queries[LETTERS.listing](reading, read_command(signed, LETTERS.listing))


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[Pair]:
    POISON.clear()
    made = Pair(database_url, tmp_path)
    yield made
    made.close()
    POISON.clear()


async def test_after_the_clock_ran_an_hour_ahead_and_was_put_right_a_bad_fact_is_tried_as_soon_as_ever(
    pair: Pair,
) -> None:
    POISON.add("unbounded-bad")
    pair.toy.now += timedelta(hours=1)
    pair.take("good")
    pair.toy.now -= timedelta(hours=1)
    pair.take("bad", "bad")
    assert await pair.give_up() == [1, 5, 15, 60]
    POISON.clear()
    assert pair.ask(LETTERS.retry(letter_id=pair.parked()[0].fact_id, grounds="mended")).outcome == "done"
    await pair.work()
    assert pair.noted() == [1, 2, 3]


async def test_one_bad_fact_is_tried_five_times_within_two_minutes_while_other_streams_go_on(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("good", "bad", "good", "bad", "good")
    assert pair.noted() == [1, 3, 5]
    assert pair.copied() == [1, 2, 3, 4, 5]
    waits = await pair.give_up()
    assert waits == [1, 5, 15, 60]
    pair.take("good", "bad")
    assert pair.noted() == [1, 3, 5, 6]
    first, second, third = pair.parked()
    assert [(row.number, row.tries, row.raised) for row in (first, second, third)] == [
        (2, 5, True),
        (4, 0, False),
        (7, 0, False),
    ]
    (raised,) = pair.events("dead_letter_raised")
    assert (raised.data.letter_id, raised.data.number, raised.data.tries) == (first.fact_id, 2, 5)
    assert (raised.actor, raised.causationid, raised.data.kind) == ("system-echo", first.fact_id, "fact")
    assert re.fullmatch(r"RuntimeError at tests/kernel/toy\.py:\d+", raised.data.reason)
    assert "poison: unbounded-bad" in first.reason


async def test_letters_are_listed_in_pages_and_one_that_is_resolved_meanwhile_loses_no_other(pair: Pair) -> None:
    POISON.update({"unbounded-bad", "unbounded-worse", "unbounded-worst"})
    pair.take("bad", "good", "worse", "worst")
    await pair.give_up()
    whole = pair.listed()["letters"]
    assert len(whole) == 3
    first = pair.listed(limit=1)
    POISON.discard("unbounded-bad")
    pair.ask(LETTERS.retry(letter_id=first["letters"][0]["letter_id"], grounds="Mended."))
    await pair.work()
    second = pair.listed(limit=1, after=first["next"])
    third = pair.listed(limit=1, after=second["next"])
    assert [*first["letters"], *second["letters"], *third["letters"]] == whole
    assert "next" not in third


async def test_what_waited_behind_it_follows_in_order_once_a_retry_succeeds(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad", "good", "bad", *["good"] * 5, "bad")
    await pair.give_up()
    (letter,) = pair.listed()["letters"]
    assert (letter["state"], letter["behind"], letter["tries"]) == ("given_up", 2, 5)
    still = pair.ask(LETTERS.retry(letter_id=letter["letter_id"], grounds="Mended, we think."))
    assert still.outcome == "done"
    assert len(await pair.give_up()) == 5
    assert pair.noted() == [2, 4, 5, 6, 7, 8]
    assert len(pair.events("dead_letter_raised")) == 2
    POISON.clear()
    pair.ask(LETTERS.retry(letter_id=letter["letter_id"], grounds="Mended."), by="ben-sample")
    await pair.work()
    assert pair.noted() == [2, 4, 5, 6, 7, 8, 1, 3, 9]
    assert (pair.parked(), pair.listed()) == ([], {"letters": []})
    assert [(e.type, e.actor) for e in pair.events("dead_letter")] == [
        ("echo.dead_letter_raised.v1", "system-echo"),
        ("echo.dead_letter_retried.v1", "ann-sample"),
        ("echo.dead_letter_raised.v1", "system-echo"),
        ("echo.dead_letter_retried.v1", "ben-sample"),
        ("echo.dead_letter_resolved.v1", "system-echo"),
    ]
    pair.take("bad")
    assert pair.noted()[-1] == 10


async def test_a_letter_is_listed_and_told_to_be_tried_while_nothing_tries_it_yet(pair: Pair) -> None:
    """As long as its source is away, for one."""
    POISON.add("unbounded-bad")
    pair.take("bad", "bad")
    await pair.give_up()
    letter_id = pair.parked()[0].fact_id
    again = LETTERS.retry(letter_id=letter_id, grounds="Mended.")
    assert pair.ask(again).outcome == "done"
    (letter,) = pair.listed()["letters"]
    assert (letter["letter_id"], letter["state"], letter["tries"], letter["behind"]) == (letter_id, "retrying", 0, 1)
    assert [one["number"] for one in pair.listed(letter_id)["behind"]] == [2]
    answer = pair.ask(again)
    assert answer.error is not None
    assert answer.error["message"] == f"{letter_id} is being tried"


async def test_forgoing_an_effect_needs_two_persons_and_each_step_is_recorded(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad", "bad")
    await pair.give_up()
    letter_id = pair.parked()[0].fact_id
    drop, agree = LETTERS.propose_drop, LETTERS.confirm_drop
    assert pair.ask(agree(letter_id=letter_id, grounds="Nobody asked.")).outcome == "refused"
    assert pair.ask(drop(letter_id=letter_id, grounds="A trial of ours.")).outcome == "done"
    assert pair.ask(drop(letter_id=letter_id, grounds="Asked twice.")).outcome == "ignored"
    assert pair.ask(drop(letter_id=letter_id, grounds="Me too."), by="eve-sample").outcome == "rejected"
    same = pair.ask(agree(letter_id=letter_id, grounds="Go on."))
    assert same.outcome == "refused"
    assert same.facts[0].data is not None
    assert (same.facts[0].data["reason"], same.facts[0].data["proposed_by"]) == ("same_person", "ann-sample")
    lent = pair.ask(agree(letter_id=letter_id, grounds="For her."), by="ben-sample", onbehalfof="ann-sample")
    assert lent.outcome == "refused"
    assert len(pair.parked()) == 2
    assert pair.listed(letter_id)["letters"][0]["drop_proposed_by"] == "ann-sample"
    POISON.clear()
    assert pair.ask(agree(letter_id=letter_id, grounds="Seen."), by="ben-sample").outcome == "done"
    (dropped,) = pair.events("dead_letter_dropped")
    proposal = pair.events("drop_proposed")[-1]
    assert (dropped.actor, dropped.data.proposed_by, dropped.data.proposal) == ("ben-sample", "ann-sample", proposal.id)
    await pair.work()
    assert (pair.noted(), pair.parked()) == ([2], [])
    assert pair.ask(agree(letter_id=letter_id, grounds="Again."), by="ben-sample").outcome == "rejected"


@pytest.mark.parametrize("by", ["system-echo", "system-setup"])
async def test_what_is_done_to_a_letter_a_person_answers_for(pair: Pair, by: str) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad")
    await pair.give_up()
    answer = pair.ask(LETTERS.propose_drop(letter_id=pair.parked()[0].fact_id, grounds="Because."), by=by)
    assert answer.outcome == "rejected"
    assert answer.error is not None
    assert answer.error["code"] == "not_a_person"


async def test_neither_what_is_still_tried_nor_what_only_waits_can_be_dropped(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad", "bad")
    for row in pair.parked():
        answer = pair.ask(LETTERS.propose_drop(letter_id=row.fact_id, grounds="Because."))
        assert answer.error is not None
        assert answer.error["code"] == "not_given_up"


async def test_a_letter_shows_why_what_was_done_and_what_waits_and_holds_nothing_of_the_fact(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.toy.do(pair.toy.command("unbounded-bad", note="Sample Person 樣本"))
    pair.take("bad")
    await pair.give_up()
    letter_id = pair.parked()[0].fact_id
    pair.ask(LETTERS.propose_drop(letter_id=letter_id, grounds="A trial."))
    found = pair.listed(letter_id)
    assert [one["number"] for one in found["behind"]] == [2]
    assert [(told["actor"], told.get("grounds")) for told in found["history"]] == [
        ("system-echo", None),
        ("ann-sample", "A trial."),
    ]
    raw = pair.toy.raws()[0]
    sealed = raw[raw.index(b'"note":') :][:60]
    for table in (PARKED, VIEWS):
        with pair.store.reading() as connection:
            assert sealed not in repr(list(connection.execute(sa.select(table)))).encode()
    assert all(sealed not in fact.raw for fact in pair.store.chain("north-court", 0, 100))


async def test_a_copy_that_fails_waits_too_is_put_right_in_order_and_marks_its_view_for_a_rebuild(pair: Pair) -> None:
    POISON.add("copy-unbounded-bad")
    pair.take("bad", "good", "bad")
    assert (pair.copied(), pair.noted()) == ([2], [2])
    await pair.give_up()
    assert "asked to fail in the copy" in pair.listed()["letters"][0]["reason"]
    POISON.clear()
    pair.ask(LETTERS.retry(letter_id=pair.parked()[0].fact_id, grounds="Mended."))
    await pair.work()
    assert (pair.copied(), pair.noted(), pair.parked()) == ([1, 2, 3], [2, 1, 3], [])
    with pair.store.reading() as connection:
        assert [tuple(row) for row in connection.execute(sa.select(VIEWS))] == [("noted", 0)]


async def test_a_copy_whose_row_the_database_refuses_is_parked_alone(pair: Pair) -> None:
    POISON.add("row-unbounded-bad")
    pair.take("good", "bad", "good")
    assert (pair.noted(), [(row.number, row.copied) for row in pair.parked()]) == ([1, 3], [(2, False)])
    POISON.clear()
    await pair.give_up()
    assert (pair.noted(), pair.copied(), pair.parked()) == ([1, 3, 2], [1, 2, 3], [])


async def test_a_reaction_that_breaks_its_transaction_is_parked_alone(pair: Pair) -> None:
    POISON.add("database-unbounded-bad")
    pair.take("good", "bad", "good")
    assert (pair.noted(), pair.copied()) == ([1, 3], [1, 2, 3])
    (row,) = pair.parked()
    assert (row.number, row.tries, "no_such_column" in row.reason) == (2, 1, True)
    POISON.clear()
    pair.toy.now += timedelta(seconds=2)
    await pair.work()
    assert pair.noted() == [1, 3, 2]


async def test_a_full_disk_is_no_failure_of_the_handler_and_is_waited_for(pair: Pair) -> None:
    POISON.add("disk-unbounded-bad")
    with pytest.raises(AssertionError, match="No space left"):
        pair.take("good", "bad", "good")
    assert (pair.noted(), pair.parked()) == ([], [])
    POISON.clear()
    pair.take_in()
    assert pair.noted() == [1, 2, 3]


async def test_what_is_parked_is_parked_after_a_restart_and_two_instances_handle_it_once(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad", "bad", "bad")
    store, second = pair.open()
    POISON.clear()
    pair.toy.now += timedelta(seconds=1)
    await asyncio.gather(pair.work(), pair.work(second, store))
    assert (pair.noted(), pair.parked()) == ([1, 2, 3], [])
    second.close()
    store.close()


async def test_a_fact_taken_in_beside_the_release_of_its_stream_is_not_left_waiting(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad")
    POISON.clear()
    pair.toy.now += timedelta(seconds=1)
    pair.toy.do(pair.toy.command("unbounded-bad"), pair.toy.command("unbounded-bad"))
    one, two, three = pair.toy.raws()
    source = pair.parked()[0].source
    works: list[Work] = [Intake(source, (two,)), Again(source, 1, one), Intake(source, (three,)), Again(source, 2, two)]
    assert pair.echo.process(works) == [None, "done", None, "done"]
    await pair.work()
    assert (pair.noted(), pair.parked()) == ([1, 2, 3], [])


async def test_a_source_that_does_not_answer_holds_up_no_fact_of_another(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad")
    POISON.clear()
    asked: list[str] = []

    async def feed(service: str, property_id: str, after: int) -> list[bytes]:
        asked.append(service)
        if service == "away":
            raise TimeoutError
        return await Pair.feed(pair, service, property_id, after)

    monkeypatch.setattr(pair, "feed", feed)
    of_away, many = {**pair.parked()[0]._mapping, "source": "away-1:north-court", "next_us": 0}, range(1, PAGE + 2)
    with pair.store.transaction() as connection:
        pair.store.put(connection, PARKED, [{**of_away, "number": n, "lane": f"away-1/{n}"} for n in many])
    pair.toy.now += timedelta(seconds=1)
    await pair.work()
    assert ([row.number for row in pair.parked()], pair.noted()) == (list(many), [1])
    assert asked == ["away", "toy", "away"], "in each of its two turns it asks a source that is away once"


async def test_a_log_that_was_exchanged_for_another_does_not_pass_for_the_fact(pair: Pair) -> None:
    POISON.add("unbounded-bad")
    pair.take("bad", "good")
    POISON.clear()
    pair.toy.now += timedelta(seconds=1)
    row, other = pair.parked()[0], pair.toy.raws()[1]
    assert pair.echo.process([Again(row.source, 1, other)]) == ["failed"]
    assert "exchanged" in pair.parked()[0].reason


async def test_a_fact_whose_data_cannot_be_read_is_parked_and_the_chain_goes_on(pair: Pair) -> None:
    pair.toy.do(*(pair.toy.command("unbounded-good") for _ in range(2)))
    one, two = pair.toy.raws()
    unreadable = one.replace(b'"count":1', b'"count":"x"')
    source = f"{read_event(one).log}:north-court"
    assert pair.echo.process([Intake(source, (unreadable,)), Intake(source, (two,))]) == [None, None]
    assert [(row.number, row.tries, row.copied) for row in pair.parked()] == [(1, 1, False), (2, 0, True)]
    assert "count" in pair.parked()[0].reason
