"""Audit on a real ledger: it answers who, why and on what evidence; and what is changed by hand, in any store, is found and named."""

import asyncio
import base64
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.audit import (
    ChainDifference,
    CompletenessCheck,
    HistoryOfDecision,
    HistoryOfPerson,
    ListChains,
    Readjudicate,
    ReadLedger,
    ReportCompleteness,
    ReportReadjudication,
)
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.readjudicate import readjudicate
from bailiwick_contracts.subjects import SERVICES
from bailiwick_contracts.transparency import BuildLog
from rich.console import Console

from services.audit import inspection, report
from services.audit.mining.export import export
from services.audit.oversight import Oversight
from services.audit.selection import Reached, Selection
from services.audit.views import CHAINS, LEDGER
from services.kernel.decision import Rejected
from services.kernel.tables import FACTS
from tests.amounts import shows_amount
from tests.audit.audited import Audited
from tests.audit.chains import rewritten
from tests.audit.office import MONDAY, Office
from tests.audit.test_readjudicate import with_penalty


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    made = Audited(tmp_path_factory.mktemp("audited"))
    yield made
    made.office.close()


@pytest.fixture
def tampered(audited: Audited) -> Iterator[Audited]:
    """The same office; whatever a test does to its tables by hand is put back."""
    kept = {}
    for name, table in (("registry", FACTS), ("attendance", FACTS), ("audit", LEDGER)):
        with audited.office.parts[name].store.reading() as connection:
            kept[name, table] = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    yield audited
    for (name, table), rows in kept.items():
        with audited.office.parts[name].store.transaction() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table), rows)


def shown(renderable: Any) -> str:
    console = Console(width=400)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_every_fact_of_every_service_is_in_the_ledger_byte_for_byte(audited: Audited) -> None:
    page, raws = audited.office.ask_audit(ReadLedger()), []
    while True:
        raws += [base64.b64decode(raw) for raw in page["raws"]]
        if "next" not in page:
            break
        page = audited.office.ask_audit(ReadLedger(after=page["next"]))
    assert sorted(raws) == sorted(audited.office.raws())
    times = [read_event(raw).recordedat for raw in raws]
    assert times == sorted(times)


def test_a_page_of_the_ledger_fits_a_message(audited: Audited) -> None:
    page = audited.office.ask_audit(ReadLedger())
    assert sum(map(len, page["raws"])) < 256 * 1024
    assert "next" in page


def test_the_history_of_a_penalty_says_who_why_and_on_what_evidence(audited: Audited) -> None:
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=audited.fact_id("on-30-minutes")))
    assert told["decision"]["type"] == "attendance.penalty_decided.v1"
    assert (told["who"]["actor"], told["who"]["on_behalf_of"], told["who"]["door"]) == ("s-director", None, "local")
    assert told["clause"]["row_id"] == "A13"
    assert told["clause"]["sentence"] == "對遲到/早退30分鐘以內/次的管理處員工扣罰其基本工資20%以內的權力"
    assert (told["versions"]["matrix"]["version"], told["versions"]["legal_policy"]["version"]) == (
        "manual-unblocked",
        "law-1",
    )
    assert told["versions"]["matrix"]["adopted_by"]
    evidence = {item["input"]: item["facts"] for item in told["evidence"]}
    assert [fact["type"] for fact in evidence["day"]] == ["attendance.day_derived.v1"]
    assert [fact["type"] for fact in evidence["base_wage"]] == ["registry.base_wage_set.v1"]
    assert all(fact["type"] for facts in evidence.values() for fact in facts)
    assert "figures" in told["data"]
    assert not shows_amount(str(told), "4360")
    assert any("A13" in line and "granted" in line for line in told["words"]["en"])
    assert any("A13" in line and "獲准" in line for line in told["words"]["zh-Hant"])


def test_a_command_id_finds_its_decision_and_an_unknown_id_says_so(audited: Audited) -> None:
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=audited.made["lent"].commandid))
    assert told["decision"]["id"] == audited.fact_id("lent")
    assert (told["who"]["actor"], told["who"]["on_behalf_of"], told["who"]["delegation"]) == (
        "s-6",
        "s-director",
        "lent-1",
    )
    assert any("on behalf of s-director" in line for line in told["words"]["en"])
    with pytest.raises(Rejected, match="neither a fact nor a command"):
        audited.office.ask_audit(HistoryOfDecision(decision_id="nobody-knows"))


def test_a_refusal_has_its_history_too(audited: Audited) -> None:
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=audited.fact_id("own-case")))
    assert any("nobody decides on a matter of their own" in line for line in told["words"]["en"])
    assert any("不得決定與本人有關的事" in line for line in told["words"]["zh-Hant"])
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=audited.fact_id("same-again")))
    assert any("a penalty stands on the same occurrence already" in line for line in told["words"]["en"])
    assert any("同一情況已有扣罰" in line for line in told["words"]["zh-Hant"])


def test_a_decision_names_what_else_its_command_led_to(audited: Audited) -> None:
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=audited.fact_id("forgotten-1")))
    assert [fact["type"] for fact in told["same_command"]] == ["attendance.day_derived.v1"]


def test_a_fact_without_a_ruling_has_a_history_without_a_clause(audited: Audited) -> None:
    punch = next(read_event(raw).id for raw in audited.office.raws() if "punch_recorded" in read_event(raw).type)
    told = audited.office.ask_audit(HistoryOfDecision(decision_id=punch))
    assert (told["ruling"], told["clause"], told["evidence"]) == (None, None, [])


def test_a_persons_history_names_every_fact_about_them_and_by_them(audited: Audited) -> None:
    of_subject = asyncio.run(inspection.person(audited.query, "s-1"))
    named = {fact["id"] for fact in of_subject["facts"]}
    for raw in audited.office.raws():
        event = read_event(raw)
        if getattr(event.data, "staff_id", None) == "s-1" or event.actor == "s-1":
            assert event.id in named
    fact = next(one for one in of_subject["facts"] if one["id"] == audited.fact_id("on-30-minutes"))
    assert (fact["outcome"], fact["clause"]) == ("granted", "A13")
    assert "data.staff_id" in fact["as"]
    by_director = asyncio.run(inspection.person(audited.query, "s-director"))
    assert any(one["as"] == ["actor", "data.ruling.asked.actor_id"] for one in by_director["facts"])
    assert len(by_director["facts"]) > 30
    with pytest.raises(Rejected, match="no fact in the ledger names this person"):
        audited.office.ask_audit(HistoryOfPerson(staff_id="s-nobody"))


def test_a_long_history_comes_in_pages_that_overlap_in_nothing(audited: Audited) -> None:
    first = audited.office.ask_audit(HistoryOfPerson(staff_id="s-2", limit=5))
    second = audited.office.ask_audit(HistoryOfPerson(staff_id="s-2", limit=5, after=first["next"]))
    ids = [fact["id"] for page in (first, second) for fact in page["facts"]]
    assert len(ids) == len(set(ids)) == 10


def test_the_service_and_the_auditors_own_process_judge_alike(audited: Audited) -> None:
    steps: list[tuple[int, int]] = []
    here = asyncio.run(
        inspection.rulings(audited.query, audited.office.keys, progress=lambda done, total: steps.append((done, total)))
    )
    there = audited.office.ask_audit(Readjudicate())
    assert here == there
    assert (here["agrees"], here["judged"], here["differing"]) == (True, 32, 0)
    assert steps[-1] == (317, 317)
    assert "All 32 rulings come out as recorded" in shown(report.readjudication_view(here))


def test_an_altered_ruling_in_the_ledger_is_found_and_no_amount_leaves_the_service(tampered: Audited) -> None:
    event_id = tampered.fact_id("lent")
    _, raw, _ = tampered.find(event_id)
    forged = with_penalty(tampered.office.keys, "99.99")(raw)
    tampered.by_hand("audit", sa.update(LEDGER).where(LEDGER.c.event_id == event_id).values(raw=forged))
    here = asyncio.run(inspection.rulings(tampered.query, tampered.office.keys))
    assert [(f["fact_id"], f["was"]) for f in here["findings"]] == [(event_id, "99.99")]
    assert "99.99" in shown(report.readjudication_view(here))
    there = tampered.office.ask_audit(Readjudicate())
    assert (there["agrees"], there["by_clause"]) == (False, {"A13": [event_id]})
    assert "99.99" not in str(there)


def test_the_ledger_holds_what_the_services_hold(audited: Audited) -> None:
    steps: list[tuple[int, int]] = []
    found = asyncio.run(
        inspection.complete(
            audited.query, audited.feed, audited.heads, progress=lambda done, total: steps.append((done, total))
        )
    )
    assert (found["complete"], found["facts"]) == (True, 317)
    assert {chain["chain"].split("/")[0] for chain in found["chains"]} == {"registry", "attendance"}
    assert steps[-1] == (317, 317)
    assert audited.office.ask_audit(CompletenessCheck())["complete"] is True
    assert "Every chain holds" in shown(report.completeness_view(found))


@pytest.mark.parametrize("name", ["on-30-minutes", "own-case", "forgotten-2"])
def test_a_fact_deleted_from_a_services_store_by_hand_is_named(tampered: Audited, name: str) -> None:
    event_id = tampered.fact_id(name)
    service, _, position = tampered.find(event_id)
    tampered.by_hand(service, sa.delete(FACTS).where(FACTS.c.position == position))
    assert tampered.differences() == [("deleted", "store", event_id)]
    view = shown(report.completeness_view(tampered.complete()))
    assert event_id in view
    assert "was deleted in the service's store" in view
    assert "在服務的資料庫被刪除" in shown(report.completeness_view(tampered.complete(), "zh-Hant"))


@pytest.mark.parametrize("name", ["on-30-minutes", "lent", "forgotten-2"])
def test_a_fact_altered_in_a_services_store_by_hand_is_named(tampered: Audited, name: str) -> None:
    event_id = tampered.fact_id(name)
    tampered.alter_in_store(event_id, lambda raw: rewritten(raw, data={"day": "2026-03-30"}))
    assert tampered.differences() == [("altered", "store", event_id)]


def test_a_fact_deleted_from_the_ledger_by_hand_is_named(tampered: Audited) -> None:
    event_id = tampered.fact_id("share-on")
    tampered.by_hand("audit", sa.delete(LEDGER).where(LEDGER.c.event_id == event_id))
    assert tampered.differences() == [("deleted", "ledger", event_id)]
    own = tampered.office.ask_audit(CompletenessCheck())
    assert own["complete"] is False


def test_a_fact_altered_in_the_ledger_by_hand_is_named(tampered: Audited) -> None:
    event_id = tampered.fact_id("share-on")
    _, raw, _ = tampered.find(event_id)
    forged = rewritten(raw, data={"clause": "A15"})
    tampered.by_hand("audit", sa.update(LEDGER).where(LEDGER.c.event_id == event_id).values(raw=forged))
    assert tampered.differences() == [("altered", "ledger", event_id)]
    own = tampered.office.ask_audit(CompletenessCheck())
    assert [d["event_id"] for chain in own["chains"] for d in chain["differences"]] == [event_id]


def test_the_newest_facts_cut_off_a_store_are_named(tampered: Audited) -> None:
    facts = [f for f in tampered.office.parts["attendance"].store.after(0, 1_000_000) if f.property == "north-court"]
    tampered.by_hand("attendance", sa.delete(FACTS).where(FACTS.c.position > facts[-3].position))
    assert tampered.differences() == [("truncated", "store", read_event(fact.raw).id) for fact in facts[-2:]]


def test_a_fact_put_into_the_ledger_by_hand_is_named(tampered: Audited) -> None:
    _, raw, _ = tampered.find(tampered.fact_id("lent"))
    with tampered.office.parts["audit"].store.reading() as connection:
        row = dict(
            connection.execute(sa.select(LEDGER).where(LEDGER.c.event_id == tampered.fact_id("lent"))).one()._mapping
        )
    for number in (7, 9_999):
        forged = rewritten(raw, id=f"forged-{number}", chainnumber=number)
        values = row | {"event_id": f"forged-{number}", "chainnumber": number, "raw": forged}
        tampered.by_hand("audit", sa.insert(LEDGER).values(values))
    assert tampered.differences() == [("inserted", "ledger", "forged-7"), ("inserted", "ledger", "forged-9999")]


def test_a_store_that_is_gone_leaves_its_chain_truncated(tampered: Audited) -> None:
    tampered.by_hand("attendance", sa.delete(FACTS))
    found = tampered.differences()
    assert {(kind, side) for kind, side, _ in found} == {("truncated", "store")}
    assert len(found) > 200


def test_a_ledger_that_lags_is_behind_and_no_fault(tmp_path: Path) -> None:
    audited = Audited(tmp_path)
    deliver, audited.office.deliver = audited.office.deliver, lambda *to, of=None: None  # type: ignore[method-assign]
    event_id = audited.office.confirm("late-one", "s-5", MONDAY).facts[0].id
    assert audited.differences() == [("behind", "ledger", event_id)]
    audited.office.deliver = deliver  # type: ignore[method-assign]
    audited.office.deliver()
    assert audited.differences() == []
    audited.office.close()


def test_an_examination_is_put_on_record_and_examined_like_everything_else(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set_up()
    chain = office.ask_audit(ListChains())["chains"][0]
    good = ReportCompleteness(chain=chain["chain"], agreeing=5, store_reaches=5, ledger_reaches=5)
    verified = office.ask(good, "s-auditor", COMPANY)
    broken = office.ask(
        good.model_copy(
            update={"differences": (ChainDifference(kind="deleted", side="store", number=3, event_id="e-3"),)}
        ),
        "s-auditor",
        COMPANY,
    )
    judged = office.ask(ReportReadjudication(judged=3, equal=2, differing=1, skipped=0), "s-auditor", COMPANY)
    types = [answer.facts[0].type for answer in (verified, broken, judged)]
    assert types == ["audit.chain_verified.v1", "audit.chain_broken.v1", "audit.readjudication_reported.v1"]
    assert (broken.facts[0].data or {})["differences"][0]["event_id"] == "e-3"
    chains = {one["chain"].split("/")[0]: one["number"] for one in office.ask_audit(ListChains())["chains"]}
    assert chains["audit"] == 3
    told = office.ask_audit(HistoryOfDecision(decision_id=broken.facts[0].id))
    assert told["who"]["actor"] == "s-auditor"
    office.close()


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "no object": lambda _: b"[]",
    "no log": lambda raw: raw.replace(b'"log":', b'"lag":'),
    "a number for a type": lambda raw: raw.replace(b'"type":"', b'"type":7,"was":"', 1),
    "a source of nobody": lambda raw: raw.replace(b'"source":"/properties/', b'"source":"/'),
}  # fmt: skip


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_fact_that_cannot_be_read_any_more_ends_no_question_without_a_word(
    tampered: Audited, how: str, tmp_path: Path
) -> None:
    altered = tampered.fact_id("on-30-minutes")
    _, held, _ = tampered.find(altered)
    raw = UNREADABLE[how](held)
    raws = [raw if one == held else one for one in tampered.office.raws()]
    assert raw in raws
    assert export(iter(raws), Selection(), "ocel2-json", tmp_path / "log.json")["facts"] == len(raws) - 1
    Oversight(keys=tampered.office.keys).read((one, True) for _, one in Reached().passing(raws, Selection()))
    found = readjudicate(raws, tampered.office.keys)
    assert any((one.kind, one.field) == ("unreadable", "event") for one in found)
    tampered.by_hand("audit", sa.update(LEDGER).where(LEDGER.c.event_id == altered).values(raw=raw))
    with pytest.raises(Rejected, match=r"cannot be read in the ledger"):
        tampered.office.ask_audit(HistoryOfDecision(decision_id=altered))


def test_of_a_property_that_is_not_there_nothing_is_said_to_be_complete_and_nothing_is_begun(audited: Audited) -> None:
    with pytest.raises(Rejected, match="holds no fact of nort-court"):
        audited.office.ask_audit(CompletenessCheck(property_id="nort-court"))
    with pytest.raises(Rejected, match="holds no fact of nort-court"):
        audited.office.ask_audit(BuildLog(property_id="nort-court"))
    reported = ReportReadjudication(judged=3, equal=3, differing=0, skipped=0)
    answer = audited.office.ask(reported, "s-auditor", "nort-court")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "unknown_property")
    assert not (audited.office.keys.directory.parent / "tlog" / "nort-court").exists()


def test_a_history_is_shown_to_people_in_their_language(audited: Audited) -> None:
    told = asyncio.run(inspection.history(audited.query, audited.fact_id("on-30-minutes")))
    assert "evidence: day" in shown(report.history_view(told))
    assert "條文:" in shown(report.history_view(told, "zh-Hant"))
    person = asyncio.run(inspection.person(audited.query, "s-1"))
    assert "was granted: it lies within every limit of the clause" in shown(report.person_view(person))


@pytest.mark.parametrize("after", ["nonsense", "a|b|c"])
def test_a_place_that_is_none_is_rejected(audited: Audited, after: str) -> None:
    with pytest.raises(Rejected, match="no place in the ledger"):
        audited.office.ask_audit(ReadLedger(after=after))


def test_a_fact_moved_far_beyond_its_chain_is_named_without_reading_on_for_ever(tampered: Audited) -> None:
    event_id = tampered.fact_id("on-30-minutes")
    service, _, position = tampered.find(event_id)
    tampered.by_hand(service, sa.update(FACTS).where(FACTS.c.position == position).values(number=10**9))
    asked = Counter[str]()

    async def feed(service: str, owner: str, after: int) -> list[bytes]:
        asked[service] += 1
        return await tampered.feed(service, owner, after)

    found = asyncio.run(inspection.complete(tampered.query, feed, tampered.heads))
    assert [d["event_id"] for chain in found["chains"] for d in chain["differences"]] == [event_id]
    assert asked[service] < 40


def test_a_chain_put_into_the_ledger_of_a_service_that_there_is_not_is_named(tampered: Audited) -> None:
    row = {"service": "forged", "log": "forged-1", "property_id": "north-court", "number": 2, "hash": "0" * 64}
    tampered.by_hand("audit", sa.insert(CHAINS).values(**row, recordedat="2026-03-02T00:00:00+00:00"))

    async def heads(service: str) -> dict[str, tuple[int, str]]:
        assert service in SERVICES, "nobody answers for it"
        return await tampered.heads(service)

    found = asyncio.run(inspection.complete(tampered.query, tampered.feed, heads))
    tampered.by_hand("audit", sa.delete(CHAINS).where(CHAINS.c.service == "forged"))
    assert [chain["chain"] for chain in found["chains"] if chain["differences"]] == ["forged/forged-1/north-court"]
