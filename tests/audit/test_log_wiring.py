"""The log of a real ledger: who may read, what is signed, and what both databases together can no longer hide."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bailiwick_contracts.audit import HistoryOfDecision, HistoryOfPerson, ReadLedger
from bailiwick_contracts.consultation import AppointAuditor, DismissAuditor, RecordConsultation
from bailiwick_contracts.envelope import hash_of, read_event
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.transparency import BuildLog, ChangeLogKey, ListLogs, ProveDecision, RecordCheckpoint
from pydantic_core import from_json, to_json

from services.audit import inspection
from services.audit.gate import Gate
from services.audit.log.comparison import LogCopy
from services.audit.log.files import Salts, at
from services.audit.log.keeper import Keeper
from services.audit.log.leaf import commitment, read_leaf
from services.audit.log.note import Checkpoint, NoteError, Signer, trusted
from services.audit.log.proof import Proof
from services.audit.log.verification import verify
from services.audit.log.witness import Witness, WitnessError
from services.audit.views import CHAINS, LEDGER
from services.kernel.decision import Rejected
from services.kernel.reading import QueryReading
from services.kernel.tables import FACTS, HEADS
from tests.amounts import shows_amount
from tests.audit.audited import Audited
from tests.audit.office import MONDAY, Office


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Audited]:
    made = Audited.__new__(Audited)
    made.office = Office(tmp_path)
    made.office.set_up()
    made.office.roster(MONDAY)
    for number in range(1, 7):
        made.office.punch(f"s-{number}", MONDAY, late_seconds=300)
    made.office.close_day(MONDAY)
    made.made = {f"p-{number}": made.office.penalise(f"p-{number}", f"s-{number}", MONDAY) for number in range(1, 7)}
    yield made
    made.office.close()


def log_of(audited: Audited, tmp_path: Path, property_id: str = "north-court") -> Path:
    audited.office.ask_audit(BuildLog(property_id=property_id))
    return tmp_path / "tlog" / property_id


def copies(audited: Audited, tmp_path: Path) -> dict[str, LogCopy]:
    place = tmp_path / "tlog" / "north-court"
    return {"north-court": LogCopy.read(at(place), Salts(tmp_path / "keys" / "tlogsalts.north-court.bin"))}


def complete(audited: Audited, tmp_path: Path) -> dict[str, Any]:
    logs = copies(audited, tmp_path)
    return asyncio.run(inspection.complete(audited.query, audited.feed, audited.heads, logs=logs))


def test_the_log_of_a_property_holds_its_chains_and_goes_on_where_it_ended(audited: Audited, tmp_path: Path) -> None:
    place = log_of(audited, tmp_path)
    (listed,) = audited.office.ask_audit(ListLogs())["logs"]
    policy = trusted(listed["keys"])
    first = verify(at(place), policy)
    assert first.holds
    assert {chain.split("/")[0] for chain in first.chains} == {"registry", "attendance"}
    assert audited.office.ask_audit(BuildLog(property_id="north-court"))["added"] == 0
    audited.office.penalise("again", "s-1", MONDAY)
    assert audited.office.ask_audit(BuildLog(property_id="north-court"))["added"] == 1
    assert verify(at(place), policy, [Checkpoint.parse(listed["note"])]).holds


def test_a_decision_is_proved_to_somebody_who_trusts_the_key_alone(audited: Audited, tmp_path: Path) -> None:
    log_of(audited, tmp_path)
    event_id = audited.fact_id("p-3")
    told = audited.office.ask_audit(ProveDecision(decision_id=event_id))
    proof = Proof.parse(told["proof"])
    proof.check(told["entry"].encode(), trusted(told["keys"]))
    _, raw, _ = audited.find(event_id)
    assert read_leaf(told["entry"].encode())["commitment"] == commitment(proof.extra, raw)
    by_command = audited.office.ask_audit(ProveDecision(decision_id=audited.made["p-3"].commandid))
    assert by_command["index"] == told["index"]
    late = audited.office.penalise("late", "s-2", MONDAY).facts[0].id
    with pytest.raises(Rejected, match="yet to take this fact in"):
        audited.office.ask_audit(ProveDecision(decision_id=late))
    with pytest.raises(Rejected, match="neither a fact nor a command"):
        audited.office.ask_audit(ProveDecision(decision_id="nobody-knows"))


def test_after_a_person_is_erased_every_proof_and_commitment_still_holds(audited: Audited, tmp_path: Path) -> None:
    place = log_of(audited, tmp_path)
    before = audited.office.ask_audit(ListLogs())["logs"][0]
    audited.office.keys.erase("person/s-3")
    assert complete(audited, tmp_path)["complete"]
    assert verify(at(place), trusted(before["keys"]), [Checkpoint.parse(before["note"])]).holds
    told = audited.office.ask_audit(ProveDecision(decision_id=audited.fact_id("p-3")))
    Proof.parse(told["proof"]).check(told["entry"].encode(), trusted(told["keys"]))


def forge_both(audited: Audited, event_id: str, **changes: Any) -> None:
    """Alter a fact in the service's store and in the ledger, and chain every later fact and both heads anew."""
    raws = [
        fact for fact in audited.office.parts["attendance"].store.after(0, 100_000) if fact.property == "north-court"
    ]
    previous = ""
    for fact in raws:
        document = from_json(fact.raw)
        if previous:
            document["previoushash"] = previous
        if document["id"] == event_id:
            document |= changes
            previous = "x"
        forged = to_json(document) if previous else fact.raw
        if previous:
            previous = hash_of(forged)
        audited.by_hand("attendance", sa.update(FACTS).where(FACTS.c.position == fact.position).values(raw=forged))
        row = sa.update(LEDGER).where(LEDGER.c.event_id == document["id"])
        audited.by_hand("audit", row.values(raw=forged, hash=hash_of(forged)))
    audited.by_hand("attendance", sa.update(HEADS).where(HEADS.c.property == "north-court").values(hash=previous))
    head = sa.update(CHAINS).where(CHAINS.c.service == "attendance", CHAINS.c.property_id == "north-court")
    audited.by_hand("audit", head.values(hash=previous))


def test_a_change_in_both_copies_and_every_later_hash_is_named_by_the_log(audited: Audited, tmp_path: Path) -> None:
    log_of(audited, tmp_path)
    event_id = audited.fact_id("p-2")
    forge_both(audited, event_id, actor="s-forger")
    assert audited.complete()["complete"], "the two copies agree, so that they alone show nothing"
    found = complete(audited, tmp_path)
    assert not found["complete"]
    (chain,) = [one for one in found["chains"] if one.get("log", {}).get("differences")]
    named = chain["log"]["differences"]
    assert (named[0]["kind"], named[0]["event_id"]) == ("altered", event_id)
    assert "is not what the log committed to" in named[0]["words"]["en"]
    assert "存證日誌" in named[0]["words"]["zh-Hant"]


def test_a_database_swapped_for_an_older_backup_is_named_fact_by_fact(audited: Audited, tmp_path: Path) -> None:
    log_of(audited, tmp_path)
    facts = [f for f in audited.office.parts["attendance"].store.after(0, 100_000) if f.property == "north-court"]
    lost = [read_event(fact.raw).id for fact in facts[-4:]]
    audited.by_hand("attendance", sa.delete(FACTS).where(FACTS.c.position >= facts[-4].position))
    audited.by_hand("audit", sa.delete(LEDGER).where(LEDGER.c.event_id.in_(lost)))
    reached = {"number": facts[-5].number, "hash": hash_of(facts[-5].raw)}
    audited.by_hand("attendance", sa.update(HEADS).where(HEADS.c.property == "north-court").values(**reached))
    head = sa.update(CHAINS).where(CHAINS.c.service == "attendance", CHAINS.c.property_id == "north-court")
    audited.by_hand("audit", head.values(**reached))
    found = complete(audited, tmp_path)
    named = [d for chain in found["chains"] for d in chain.get("log", {}).get("differences", ())]
    assert [(d["kind"], d["event_id"]) for d in named] == [("lost", one) for one in lost]


def test_a_log_built_without_a_fact_says_so(audited: Audited, tmp_path: Path) -> None:
    event_id = audited.fact_id("p-2")
    audited.by_hand("audit", sa.delete(LEDGER).where(LEDGER.c.event_id == event_id))
    place = log_of(audited, tmp_path)
    _, raw, _ = audited.find(event_id)
    result = verify(at(place), trusted(audited.office.ask_audit(ListLogs())["logs"][0]["keys"]))
    number = from_json(raw)["chainnumber"]
    assert [(f.kind, f.chain.split("/")[0], f.number) for f in result.findings] == [("omitted", "attendance", number)]
    named = [d for chain in complete(audited, tmp_path)["chains"] for d in chain.get("log", {}).get("differences", ())]
    assert [(d["kind"], d["event_id"]) for d in named] == [("omitted", event_id)]


def test_a_key_is_changed_the_old_one_vouches_and_earlier_proofs_stay_good(audited: Audited, tmp_path: Path) -> None:
    place = log_of(audited, tmp_path)
    before = audited.office.ask_audit(ProveDecision(decision_id=audited.fact_id("p-1")))
    answer = audited.office.ask(ChangeLogKey(property_id="north-court", reason="yearly"), "owner-1", COMPANY)
    assert answer.outcome == "done"
    fact = read_event(audited.office.parts["audit"].store.after(0, 100)[-1].raw).data
    both = Checkpoint.parse(fact.note)
    assert len(both.signatures) == 2
    trusted([fact.before]).check(both)
    trusted([fact.key]).check(both)
    audited.office.penalise("later", "s-4", MONDAY)
    audited.office.ask_audit(BuildLog(property_id="north-court"))
    keys = audited.office.ask_audit(ListLogs())["logs"][0]["keys"]
    assert keys == [fact.before, fact.key]
    assert verify(at(place), trusted(keys), [both]).holds
    assert [f.kind for f in verify(at(place), trusted([fact.before])).findings] == ["not_signed"]
    Proof.parse(before["proof"]).check(before["entry"].encode(), trusted(keys))
    with pytest.raises(Rejected, match="no signed log yet"):
        raise_rejected(audited.office.ask(ChangeLogKey(property_id="south-court", reason="yearly"), "owner-1", COMPANY))


def raise_rejected(answer: Any) -> None:
    if answer.outcome == "rejected":
        raise Rejected(answer.error["message"])


def test_a_checkpoint_goes_on_record_once_and_another_root_of_its_size_never(audited: Audited, tmp_path: Path) -> None:
    log_of(audited, tmp_path)
    (listed,) = audited.office.ask_audit(ListLogs())["logs"]
    found = Checkpoint.parse(listed["note"])
    root = listed["note"].split("\n")[2]
    keys = tuple(listed["keys"])
    request = RecordCheckpoint(origin=found.origin, size=found.size, root=root, note=listed["note"], keys=keys)
    assert audited.office.ask(request, "system-audit").outcome == "done"
    assert audited.office.ask(request, "system-audit").outcome == "ignored"
    other = request.model_copy(update={"root": "A" * 43 + "="})
    answer = audited.office.ask(other, "system-audit")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "another_root")
    added = audited.office.ask_audit(BuildLog(property_id="north-court"))["added"]
    assert added == 0, "an announcement alone calls for no further checkpoint"


def test_nobody_but_the_service_puts_a_checkpoint_on_record(audited: Audited, tmp_path: Path) -> None:
    log_of(audited, tmp_path)
    (listed,) = audited.office.ask_audit(ListLogs())["logs"]
    beyond = RecordCheckpoint(
        origin="elsewhere", size=10**9, root="A" * 43 + "=", note="signed by nobody", keys=tuple(listed["keys"])
    )
    answer = audited.office.ask(beyond, "s-hr", "south-court")
    assert (answer.outcome, (answer.error or {})["code"]) == ("rejected", "not_yours")


def test_a_witness_cosigns_what_goes_on_from_its_memory_and_nothing_else(audited: Audited, tmp_path: Path) -> None:
    place = log_of(audited, tmp_path)
    keeper = Keeper(tmp_path / "tlog", audited.office.keys)
    witness = Witness(tmp_path / "witness", "witness.example/w1")
    policy = keeper.trust("north-court", "w1", witness.key, required=True)
    with pytest.raises(NoteError, match="listed twice"):
        keeper.trust("north-court", "w2", witness.key)
    assert [f.kind for f in verify(at(place), policy).findings] == ["not_signed"]
    _, signature = witness.cosign(at(place), policy, 1_772_000_000)
    keeper.cosigned("north-court", [signature])
    result = verify(at(place), policy)
    assert (result.holds, result.cosigned_by) == (True, ["w1"])
    audited.office.penalise("more", "s-5", MONDAY)
    audited.office.ask_audit(BuildLog(property_id="north-court"))
    _, again = witness.cosign(at(place), policy, 1_772_000_100)
    assert again.seconds == 1_772_000_100
    forged = Signer(policy.logs[0].name, audited.office.keys("tlog/north-court_1"))
    other = Checkpoint(forged.name, result.size, bytes(32)).signed(forged)
    (place / "checkpoint").write_text(str(other))
    with pytest.raises(WitnessError, match="cut back"):
        witness.cosign(at(place), policy, 1_772_000_200)
    (place / "checkpoint").write_text(str(Checkpoint(forged.name, result.size + 2, bytes(32)).signed(forged)))
    with pytest.raises(WitnessError, match="does not go on"):
        witness.cosign(at(place), policy, 1_772_000_200)
    with pytest.raises(WitnessError, match="knows no log"):
        witness.cosign(at(place), trusted([str(Signer("x.example", bytes(32)).key)]), 1)


def test_nobody_reads_about_people_without_a_role_and_every_reading_is_on_record(audited: Audited) -> None:
    office, event_id = audited.office, audited.fact_id("p-1")
    with pytest.raises(Rejected, match="only an appointed auditor"):
        office.ask_audit(HistoryOfPerson(staff_id="s-1"), actor="s-2")
    refused = office.readings[-1]
    assert (refused.reader_id, refused.about, refused.role) == ("s-2", "s-1", None)
    grounds = "年度審計"
    assert office.ask(AppointAuditor(auditor_id="a-1", grounds=grounds), "owner-1", COMPANY).outcome == "done"
    assert office.ask(AppointAuditor(auditor_id="a-1", grounds=grounds), "owner-1", COMPANY).outcome == "ignored"
    assert office.ask(AppointAuditor(auditor_id="a-2", grounds=grounds), "a-2", COMPANY).outcome == "rejected"
    until = AppointAuditor(auditor_id="a-3", until=date(2020, 1, 1), grounds=grounds)
    assert office.ask(until, "owner-1", COMPANY).outcome == "done"
    assert office.ask_audit(HistoryOfPerson(staff_id="s-1"), actor="a-1")["facts"]
    assert office.ask_audit(HistoryOfDecision(decision_id=event_id), actor="a-1")
    office.ask_audit(ReadLedger(), actor="a-1")
    assert [(one.query, one.about, one.role) for one in office.readings[-3:]] == [
        ("audit.history_of_person.v1", "s-1", "auditor"),
        ("audit.history_of_decision.v1", event_id, "auditor"),
        ("audit.read_ledger.v1", "everything", "auditor"),
    ]
    with pytest.raises(Rejected, match="only an appointed auditor"):
        office.ask_audit(HistoryOfPerson(staff_id="s-1"), actor="a-3")
    assert office.ask(DismissAuditor(auditor_id="a-1", grounds=grounds), "owner-1", COMPANY).outcome == "done"
    assert office.ask(DismissAuditor(auditor_id="a-1", grounds=grounds), "owner-1", COMPANY).outcome == "ignored"
    with pytest.raises(Rejected, match="only an appointed auditor"):
        office.ask_audit(HistoryOfPerson(staff_id="s-1"), actor="a-1")


def test_a_reading_becomes_a_fact_and_its_refusal_a_refusal(audited: Audited) -> None:
    asked = RecordConsultation(reader_id="a-1", query="audit.history_of_person.v1", about="s-1", role="auditor")
    done = audited.office.ask(asked, "system-audit", COMPANY)
    assert (done.outcome, done.facts[0].type) == ("done", "audit.personal_data_consulted.v1")
    refused = audited.office.ask(asked.model_copy(update={"role": None}), "system-audit", COMPANY)
    assert (refused.outcome, refused.facts[0].type) == ("refused", "audit.consultation_refused.v1")
    assert audited.office.ask(asked, "s-2", COMPANY).outcome == "rejected"


def test_what_cannot_be_put_on_record_is_not_answered(audited: Audited) -> None:
    behind = Gate().before(lambda reading, command: {"secret": 1}, lambda asked: asked.staff_id)
    audit = audited.office.parts["audit"]
    command = audited.office._command(HistoryOfPerson(staff_id="s-1"), "system-setup", COMPANY)
    with audit.store.reading() as connection:
        reading = QueryReading(audit.service, audit.store, audited.office.keys, connection)
        with pytest.raises(Rejected, match="cannot be put on record"):
            behind(reading, command)


def test_no_personal_data_and_no_amount_stands_in_a_log(audited: Audited, tmp_path: Path) -> None:
    place = log_of(audited, tmp_path)
    text = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file()).decode(errors="ignore")
    assert "s-3" in text
    for word in ("樣本", "ciphertext", "figures", "地址"):
        assert word not in text
    assert not shows_amount(text, "4360")
    assert json.loads((place / "progress.json").read_text())["size"] > 30
