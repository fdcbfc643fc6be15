"""Whatever is done by hand to the store or to the ledger is found and named by number, id and type."""

from typing import Literal

import pytest
from bailiwick_contracts.envelope import hash_of, read_event
from bailiwick_contracts.message import Fact, Identifier
from hypothesis import given
from hypothesis import strategies as st

from services.audit.completeness import ChainReport, compare
from tests.audit.chains import Chain, rechained, rewritten

WIRE = "completenesstest.thing_noted.v1"


class ThingNoted(Fact):
    """A fact, for these tests."""

    type: Literal["completenesstest.thing_noted.v1"] = "completenesstest.thing_noted.v1"
    thing_id: Identifier


def chain(length: int = 9) -> list[bytes]:
    made = Chain("completenesstest")
    for number in range(1, length + 1):
        made.add(f"thing-{number % 3}", ThingNoted(thing_id=f"t-{number}"))
    return made.raws


def head_of(raws: list[bytes]) -> tuple[int, str]:
    return len(raws), hash_of(raws[-1])


def check(store: list[bytes], ledger: list[bytes]) -> ChainReport:
    whole = chain()
    return compare("chain", store, ledger, head=head_of(whole), ledger_head=head_of(whole))


def named(report: ChainReport) -> list[tuple[str, str, int]]:
    assert all(difference.type == WIRE for difference in report.differences if difference.event_id)
    return [(difference.kind, difference.side, difference.number) for difference in report.differences]


def altered(raw: bytes) -> bytes:
    return rewritten(raw, data={"thing_id": "t-other"})


def test_two_equal_copies_differ_in_nothing() -> None:
    report = check(chain(), chain())
    assert (report.holds, report.agreeing, report.differences) == (True, 9, ())
    assert (report.store_reaches, report.ledger_reaches) == (9, 9)


@pytest.mark.parametrize("at", range(9))
def test_a_fact_deleted_from_the_store_is_named(at: int) -> None:
    raws = chain()
    report = check(raws[:at] + raws[at + 1 :], raws)
    kind = "truncated" if at == 8 else "deleted"
    assert named(report) == [(kind, "store", at + 1)]
    assert report.differences[0].event_id == read_event(raws[at]).id


@pytest.mark.parametrize("at", range(9))
def test_a_fact_deleted_from_the_ledger_is_named(at: int) -> None:
    raws = chain()
    report = check(raws, raws[:at] + raws[at + 1 :])
    kind = "truncated" if at == 8 else "deleted"
    assert named(report) == [(kind, "ledger", at + 1)]
    assert report.differences[0].event_id == read_event(raws[at]).id


@pytest.mark.parametrize("at", range(9))
@pytest.mark.parametrize("side", ["store", "ledger"])
def test_an_altered_fact_is_named_with_the_copy_that_lies(at: int, side: str) -> None:
    raws = chain()
    wrong = [altered(raw) if index == at else raw for index, raw in enumerate(raws)]
    report = check(wrong, raws) if side == "store" else check(raws, wrong)
    assert named(report) == [("altered", side, at + 1)]
    assert report.differences[0].event_id == read_event(raws[at]).id


@pytest.mark.parametrize("at", range(8))
def test_a_fact_altered_in_both_copies_breaks_its_chain(at: int) -> None:
    wrong = [altered(raw) if index == at else raw for index, raw in enumerate(chain())]
    assert named(check(wrong, wrong)) == [("altered", "both", at + 1)]


def test_the_last_fact_altered_in_both_copies_is_not_what_the_heads_remember() -> None:
    wrong = [*chain()[:-1], altered(chain()[-1])]
    assert named(check(wrong, wrong)) == [("altered", "both", 9)]


def test_a_fact_deleted_from_both_copies_leaves_a_hole() -> None:
    raws = chain()
    assert named(check(raws[:4] + raws[5:], raws[:4] + raws[5:])) == [("deleted", "both", 5)]


def test_two_facts_that_changed_places_are_named() -> None:
    raws = chain()
    swapped = [*raws[:3], raws[4], raws[3], *raws[5:]]
    report = check(swapped, raws)
    assert [kind for kind, _, _ in named(report)] == ["reordered"]
    assert named(report)[0][2] in (4, 5)


def test_a_fact_moved_far_away_is_named() -> None:
    raws = chain()
    report = check([*raws[:2], *raws[3:], raws[2]], raws)
    assert named(report) == [("reordered", "store", 3)]


def test_an_inserted_fact_is_named() -> None:
    raws = chain()
    forged = rewritten(raws[4], id="forged")
    report = check([*raws[:5], forged, *raws[5:]], raws)
    assert [(d.kind, d.side, d.event_id) for d in report.differences] == [("inserted", "store", "forged")]


def test_an_inserted_fact_with_an_absurd_number_is_named_alone() -> None:
    raws = chain()
    for number in (1, 99_999):
        forged = rewritten(raws[4], id="forged", chainnumber=number)
        report = check([*raws[:5], forged, *raws[5:]], raws)
        assert [d.event_id for d in report.differences] == ["forged"]


def test_a_tail_cut_off_is_named_fact_by_fact() -> None:
    raws = chain()
    assert named(check(raws[:6], raws)) == [
        ("truncated", "store", 7),
        ("truncated", "store", 8),
        ("truncated", "store", 9),
    ]
    assert named(check(raws, raws[:8])) == [("truncated", "ledger", 9)]


def test_a_tail_cut_off_from_both_copies_is_missed_by_the_heads() -> None:
    raws = chain()
    assert named(check(raws[:8], raws[:8])) == [("truncated", "both", 9)]


def test_a_ledger_that_lags_is_behind_and_holds() -> None:
    raws = chain()
    report = compare("chain", raws, raws[:7], head=head_of(raws), ledger_head=(7, hash_of(raws[6])))
    assert named(report) == [("behind", "ledger", 8), ("behind", "ledger", 9)]
    assert report.holds


def test_a_store_chained_afresh_after_a_change_differs_from_there_on() -> None:
    raws = chain()
    forged = rechained([*raws[:4], altered(raws[4]), *raws[5:]])
    report = check([*raws[:4], *forged[4:]], raws)
    assert [number for _, _, number in named(report)] == [5, 6, 7, 8, 9]
    assert {side for _, side, _ in named(report)} == {"store"}


def test_bytes_that_are_no_fact_are_named_at_their_place() -> None:
    raws = chain()
    report = check([*raws[:3], b"\x00 rubbish", *raws[4:]], raws)
    assert [(difference.number, difference.side) for difference in report.differences] == [(4, "store")]


@given(st.data())
def test_any_change_by_hand_is_found(data: st.DataObject) -> None:
    raws = chain()
    tampered = list(raws)
    for _ in range(data.draw(st.integers(1, 3))):
        what = data.draw(st.sampled_from(["delete", "alter", "swap", "repeat"]))
        at = data.draw(st.integers(0, len(tampered) - 1))
        if what == "delete":
            del tampered[at]
        elif what == "alter":
            tampered[at] = altered(tampered[at])
        elif what == "swap":
            other = data.draw(st.integers(0, len(tampered) - 1))
            tampered[at], tampered[other] = tampered[other], tampered[at]
        else:
            tampered.insert(at, tampered[at])
    for report in (check(tampered, raws), check(raws, tampered)):
        assert report.holds == (tampered == raws)
        touched = {read_event(raw).chainnumber for raw in set(raws) ^ set(tampered)}
        assert touched <= {difference.number for difference in report.differences}


def test_differences_beyond_a_thousand_are_counted() -> None:
    raws = chain(1_500)
    report = compare("chain", raws[:1], raws, head=head_of(raws))
    assert (len(report.differences), report.not_named) == (1_000, 499)
