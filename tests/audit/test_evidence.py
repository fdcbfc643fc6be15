"""Evidence that leaves the house: the same bytes again, verified by somebody else's software, and nothing altered passes."""

import asyncio
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.envelope import Answer, read_event
from bailiwick_contracts.message import Request
from bailiwick_contracts.transparency import BuildLog, ListLogs, RecordCheckpoint
from pydantic_core import from_json, to_json
from pypdf import PdfReader

from services.audit.evidence import archive as cold
from services.audit.evidence import gathering, paper
from services.audit.evidence.bundle import Bundle
from services.audit.log.note import Checkpoint, Signer, trusted
from services.audit.selection import Selection
from services.kernel.decision import Rejected
from tests.audit.audited import Audited
from tests.audit.office import MONDAY, Office


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    made = Audited.__new__(Audited)
    made.office = Office(tmp_path_factory.mktemp("evidence"))
    made.office.set_up()
    made.office.roster(MONDAY)
    for number in range(1, 7):
        made.office.punch(f"s-{number}", MONDAY, late_seconds=600)
    made.office.close_day(MONDAY)
    made.made = {f"p-{number}": made.office.penalise(f"p-{number}", f"s-{number}", MONDAY) for number in range(1, 7)}
    for owner in ("north-court", "company", "south-court"):
        signed(made, owner)
    yield made
    made.office.close()


def signed(audited: Audited, owner: str) -> None:
    """Build a log and put its checkpoint on record, as the running service does."""
    audited.office.ask_audit(BuildLog(property_id=owner))
    log = next(one for one in audited.office.ask_audit(ListLogs())["logs"] if one["property"] == owner)
    root = log["note"].split("\n")[2]
    request = RecordCheckpoint(
        origin=log["origin"], size=log["size"], root=root, note=log["note"], keys=tuple(log["keys"])
    )
    audited.office.ask(request, "system-audit", owner)


def gathered(audited: Audited, as_of: datetime, **asked: Any) -> Bundle:
    async def ask(request: Request) -> Answer:
        try:
            return Answer(commandid="q", outcome="done", result=audited.office.ask_audit(request))
        except Rejected as rejection:
            return Answer(commandid="q", outcome="rejected", error=rejection.as_error())

    return asyncio.run(gathering.bundle(audited.query, ask, as_of, **asked))


def unpacked(bundle: Path, into: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(into)  # noqa: S202 - written by us a moment ago
    return into


def opened(audited: Audited, decision: str, directory: Path) -> tuple[Bundle, Path]:
    """The bundle of a decision, and where it lies unpacked."""
    made = gathered(audited, audited.office.now, decision=decision)
    made.write(directory / "bundle.zip")
    return made, unpacked(directory / "bundle.zip", directory / "open")


def by_strangers(directory: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, "-I", str(directory / "verify_with_tlog_scales.py"), str(directory), *keys]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def test_a_bundle_is_the_same_bytes_as_of_the_same_instant_whatever_happened_since(
    audited: Audited, tmp_path: Path
) -> None:
    as_of = audited.office.now
    decision = audited.fact_id("p-2")
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    gathered(audited, as_of, decision=decision).write(first)
    audited.office.penalise("p-late", "s-2", MONDAY)
    signed(audited, "north-court")
    gathered(audited, as_of, decision=decision).write(second)
    assert first.read_bytes() == second.read_bytes()


def test_a_bundle_of_a_decision_holds_its_evidence_and_convinces_somebody_else(
    audited: Audited, tmp_path: Path
) -> None:
    decision = audited.fact_id("p-2")
    made, place = opened(audited, decision, tmp_path)
    untold = by_strangers(place)
    assert (untold.returncode, "DIRECTORY VKEY" in untold.stderr, "Traceback" in untold.stderr) == (1, True, False)
    about = json.loads((place / "about.json").read_text())
    assert (about["decision"], about["not_proved"]) == (decision, [])
    assert about["histories"] == {"told": 1, "rulings": 1}
    types = {from_json(path.read_bytes())["type"] for path in (place / "events").iterdir()}
    assert {
        "attendance.penalty_decided.v1", "attendance.day_derived.v1", "registry.base_wage_set.v1",
        "registry.authority_matrix_adopted.v1", "registry.legal_policy_adopted.v1",
    } <= types  # fmt: skip
    assert {path.stem for path in (place / "schemas").iterdir()} == types
    assert len(list((place / "versions").iterdir())) == 2
    keys = [str(log["keys"][-1]) for log in made.logs.values()]
    done = by_strangers(place, *keys)
    assert (done.returncode, done.stdout) == (0, f"{about['facts']} facts verified, 0 not, 0 without a proof yet\n")
    altered = place / "events" / f"{decision}.json"
    altered.write_bytes(altered.read_bytes().replace(b"s-director", b"s-direktor"))
    done = by_strangers(place, *keys)
    assert done.returncode == 1
    assert f"NOT verified: {decision}: ValueError: the fact is not the one" in done.stdout
    assert by_strangers(place, keys[0]).returncode == 1, "a key that was not named is not trusted"


def taken_out(place: Path, event_id: str) -> None:
    (place / "events" / f"{event_id}.json").unlink()


def taken_out_with_its_proof(place: Path, event_id: str) -> None:
    for path in place.glob(f"*/{event_id}.*"):
        path.unlink()


def altered_and_said_to_have_no_proof_yet(place: Path, event_id: str) -> None:
    fact, about = place / "events" / f"{event_id}.json", place / "about.json"
    fact.write_bytes(fact.read_bytes().replace(b"s-director", b"s-direktor"))
    about.write_text(json.dumps(json.loads(about.read_text()) | {"not_proved": [event_id]}))


def cut_off(place: Path, event_id: str) -> None:
    fact = place / "events" / f"{event_id}.json"
    fact.write_bytes(fact.read_bytes()[:-9])


def another_text(place: Path, _: str) -> None:
    text = next((place / "versions").glob("matrix-*"))
    text.write_text(text.read_text().replace("A13", "A31"))


def a_text_taken_out(place: Path, _: str) -> None:
    next((place / "versions").glob("matrix-*")).unlink()


def another_checkpoint(place: Path, _: str) -> None:
    checkpoint = place / "logs" / "north-court" / "checkpoint"
    origin, size, *rest = checkpoint.read_text().split("\n")
    checkpoint.write_text("\n".join((origin, str(int(size) + 1), *rest)))


def a_checkpoint_taken_out(place: Path, _: str) -> None:
    (place / "logs" / "north-court" / "checkpoint").unlink()


def told_of_nothing(place: Path, _: str) -> None:
    (place / "about.json").unlink()


@pytest.mark.parametrize(
    "deed",
    [
        taken_out,
        taken_out_with_its_proof,
        altered_and_said_to_have_no_proof_yet,
        cut_off,
        another_text,
        a_text_taken_out,
        another_checkpoint,
        a_checkpoint_taken_out,
        told_of_nothing,
    ],
)
def test_whatever_somebody_does_to_a_bundle_the_stranger_is_told(
    audited: Audited, tmp_path: Path, deed: Callable[[Path, str], None]
) -> None:
    decision = audited.fact_id("p-2")
    made, place = opened(audited, decision, tmp_path)
    deed(place, decision)
    done = by_strangers(place, *(str(log["keys"][-1]) for log in made.logs.values()))
    assert (done.returncode, "NOT verified: " in done.stdout, done.stderr) == (1, True, "")


def test_a_fact_whose_proof_is_gone_is_named_though_about_json_says_that_it_never_had_one(
    audited: Audited, tmp_path: Path
) -> None:
    decision = audited.fact_id("p-2")
    made, place = opened(audited, decision, tmp_path)
    altered_and_said_to_have_no_proof_yet(place, decision)
    (place / "proofs" / f"{decision}.tlog-proof").unlink()
    (place / "entries" / f"{decision}.entry").unlink()
    done = by_strangers(place, *(str(log["keys"][-1]) for log in made.logs.values()))
    assert f"without a proof: {decision}" in done.stdout


def test_the_report_is_pdf_a_that_people_can_read(audited: Audited, tmp_path: Path) -> None:
    made = gathered(audited, audited.office.now, decision=audited.fact_id("p-2"))
    for fonts in (paper.FONTS_DIRECTORY, tmp_path / "nowhere"):
        pdf = made.documents(fonts)["report.pdf"]
        assert b"pdfaid:part" in pdf
        text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
        assert "A13" in text
        assert ("權限表" in text) is (paper.family_in(fonts) is not None)


def test_a_persons_bundle_holds_every_fact_that_names_them_and_a_periods_every_fact_of_it(audited: Audited) -> None:
    as_of = audited.office.now
    of_person = gathered(audited, as_of, person="s-3")
    named = {read_event(raw).id for raw in audited.office.raws() if b'"s-3"' in raw}
    assert named <= set(of_person.raws)
    assert all(b'"s-3"' in raw or b"adopted" in raw for raw in of_person.raws.values())
    assert of_person.histories
    elsewhere = gathered(audited, as_of, person="s-3", selection=Selection(property_id="south-court"))
    assert not elsewhere.raws, "s-3 works at north-court"
    period = Selection(property_id="north-court", since=datetime(2026, 3, 2, tzinfo=UTC))
    of_period = gathered(audited, as_of, selection=period)
    wanted = {
        event.id
        for event in map(read_event, audited.office.raws())
        if event.property_id == "north-court" and period.since is not None and event.recordedat >= period.since
    }
    assert wanted <= set(of_period.raws)
    assert audited.office.readings[-1].about


def archived(audited: Audited, tmp_path: Path, name: str = "archive.tar") -> Path:
    place = audited.office.keys.directory.parent
    cold.archive(audited.office.raws(), Selection(), place / "tlog", place / "keys", tmp_path / name)
    return tmp_path / name


def test_an_archive_is_restored_and_every_fact_of_it_verified(audited: Audited, tmp_path: Path) -> None:
    signed(audited, "north-court")
    path = archived(audited, tmp_path)
    assert path.read_bytes() == archived(audited, tmp_path, "again.tar").read_bytes()
    result = cold.restore(path, tmp_path / "restored")
    assert result["holds"], result
    assert result["facts"] == len(audited.office.raws())
    restored = {
        raw for file in (tmp_path / "restored").glob("*/events.ndjson") for raw in file.read_bytes().split(b"\n") if raw
    }
    assert restored == set(audited.office.raws())
    with pytest.raises(cold.ArchiveError, match="not empty"):
        cold.restore(path, tmp_path / "restored")
    stranger = trusted([str(Signer("log.example", bytes(32)).key)])
    assert not cold.restore(path, tmp_path / "elsewhere", policy=stranger)["holds"]


@pytest.mark.parametrize("part", ["events.ndjson", "log/checkpoint", "log/tile/entries", "salts.bin"])
def test_an_archive_altered_in_any_part_does_not_hold(audited: Audited, tmp_path: Path, part: str) -> None:
    signed(audited, "north-court")
    path = archived(audited, tmp_path)
    changed = tmp_path / "changed.tar"
    with tarfile.open(path) as old, tarfile.open(changed, "w") as new:
        for entry in old.getmembers():
            file = old.extractfile(entry)
            assert file is not None
            data = file.read()
            if entry.name.startswith(f"north-court/{part}"):
                middle = len(data) // 2
                data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            new.addfile(entry, io.BytesIO(data))
    assert not cold.restore(changed, tmp_path / "restored")["holds"]


@pytest.mark.parametrize("place", [0, -1, 20])
def test_a_fact_left_out_of_an_archive_that_says_one_less_is_named(
    audited: Audited, tmp_path: Path, place: int
) -> None:
    signed(audited, "north-court")
    path, changed, gone = archived(audited, tmp_path), tmp_path / "changed.tar", ""
    with tarfile.open(path) as old, tarfile.open(changed, "w") as new:
        for entry in old.getmembers():
            file = old.extractfile(entry)
            assert file is not None
            data = file.read()
            if entry.name == "about.json":
                data = to_json(from_json(data) | {"facts": from_json(data)["facts"] - 1})
            if entry.name == "north-court/events.ndjson":
                lines = data.splitlines(keepends=True)
                gone = from_json(lines.pop(place))["id"]
                data = b"".join(lines)
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    result = cold.restore(changed, tmp_path / "restored")
    (named,) = [problem for one in result["properties"] for problem in one["problems"]]
    assert (result["holds"], named.startswith("left out "), named.endswith(gone)) == (False, True, True)


def test_a_remembered_checkpoint_is_held_against_its_own_property_s_archived_log(
    audited: Audited, tmp_path: Path
) -> None:
    signed(audited, "north-court")
    logs = {one["property"]: one for one in audited.office.ask_audit(ListLogs())["logs"]}
    note = Checkpoint.parse(logs["north-court"]["note"])
    trust = trusted([key for one in logs.values() for key in one["keys"]])
    path = archived(audited, tmp_path)
    held = cold.restore(path, tmp_path / "held", policy=trust, remembered=[note])
    assert held["holds"], held["properties"]
    other = Checkpoint(note.origin, note.size, bytes(32), note.signatures)
    refused = cold.restore(path, tmp_path / "refused", policy=trust, remembered=[other])
    assert [one["property"] for one in refused["properties"] if not one["holds"]] == ["north-court"]
    gone = Checkpoint(note.origin.replace("north", "west"), note.size, note.root, note.signatures)
    without = cold.restore(path, tmp_path / "without", policy=trust, remembered=[note, gone])
    assert not without["holds"], "a property whose checkpoint is remembered was taken out of the archive"
    assert [one["property"] for one in without["properties"] if not one["holds"]] == ["west-court"]


def test_an_archive_of_a_part_holds_though_the_log_has_more(audited: Audited, tmp_path: Path) -> None:
    signed(audited, "north-court")
    place, instants = (
        audited.office.keys.directory.parent,
        sorted(read_event(r).recordedat for r in audited.office.raws()),
    )
    part = Selection(since=instants[len(instants) // 4], until=instants[len(instants) // 2])
    made = cold.archive(audited.office.raws(), part, place / "tlog", place / "keys", tmp_path / "part.tar")
    assert 0 < made["facts"] < len(instants)
    result = cold.restore(tmp_path / "part.tar", tmp_path / "restored")
    assert (result["holds"], result["filter"]) == (True, part.as_json())


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(to_json({"no": "archive"}))
    with pytest.raises(cold.ArchiveError, match="no archive of ours"):
        cold.restore(tmp_path / "x.tar", tmp_path / "out")
