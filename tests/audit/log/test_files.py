"""A log on disk: a kill at any moment leaves a valid log that goes on, and other people's software reads every state of it."""

import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import rfc8785
from metamorphic_log import metamorphic_log as metamorphic
from pydantic_core import from_json
from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash as their_leaf_hash

from services.audit.log import with_tlog_scales
from services.audit.log.files import LogError, LogFiles, Salts, at, checkpoint_of, entry_at, hash_tiles
from services.audit.log.leaf import LeafError, bundle, commitment, leaf_of, read_leaf, unbundle
from services.audit.log.note import NoteError
from services.audit.log.proof import Proof
from services.audit.log.tree import ProofError, Tree
from services.audit.log.verification import verify
from tests.audit.log.written import ORIGIN, Written, raw_of, salt_of

GROWTH = (1, 6, 249, 1, 300, 13)
POINTS = ("log-salts", "log-entries", "log-tiles", "log-checkpoint")
CHILD = """
import sys
import threading
from functools import partial
from pathlib import Path
from tests.audit.log.written import Written
written = Written(Path(sys.argv[1]))
written.facts = [None] * int(sys.argv[2])
written.grow(int(sys.argv[3]))
"""
WAITING = CHILD.replace("written.grow(", "print('ready', flush=True)\nwritten.grow(")


@pytest.fixture
def written(tmp_path: Path) -> Written:
    made = Written(tmp_path)
    for count in GROWTH:
        made.grow(count)
    return made


def test_every_state_a_log_ever_had_is_read_and_verified_by_others(written: Written) -> None:
    for number, checkpoint in enumerate(written.checkpoints):
        reader = TilesReader(make_backend(str(written.place)))
        reader.set_size(checkpoint.size)
        assert reader.calculate_root_hash() == checkpoint.root
        for older in written.checkpoints[: number + 1]:
            reader.get_consistency_proof(older.size, checkpoint.size).check(older.root, checkpoint.root)
        if number:
            before = written.checkpoints[number - 1]
            proof = Tree(checkpoint.size, hash_tiles(written.fetch)).consistency(before.size)
            metamorphic.checkpoint_verify_consistency(str(before), str(checkpoint), [str(written.signer.key)], proof)
    reader = TilesReader(make_backend(str(written.place)))
    found = reader.get_checkpoint()
    found.verify(Vkey.from_string(str(written.signer.key)))
    for index in range(found.size):
        entry = reader.get_entry(index)
        assert entry == leaf_of(written.facts[index][2], salt_of(index))
        proof = Tree(found.size, hash_tiles(written.fetch)).inclusion(index)
        assert reader.get_inclusion_proof(index, found.size).node_hashes == proof
        metamorphic.checkpoint_verify_inclusion(
            str(written.checkpoints[-1]), [str(written.signer.key)], index, their_leaf_hash(entry), proof
        )


def test_the_script_that_runs_tlog_scales_alone_verifies_a_log_and_refuses_an_altered_one(
    written: Written, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.write_text(str(written.checkpoints[2]))
    key = str(written.signer.key)
    assert "570 entries" in with_tlog_scales.main(str(written.place), key, str(old))
    script = [sys.executable, with_tlog_scales.__file__, str(written.place), key]
    assert subprocess.run(script, check=True, capture_output=True, text=True).stdout.startswith("570 entries")
    path = written.place / "tile/entries/001"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    done = subprocess.run(script, check=False, capture_output=True, text=True)
    assert (done.returncode, "NOT verified" in done.stderr) == (1, True)


def test_a_partial_tile_is_served_until_the_full_one_is_there(written: Written) -> None:
    assert not (written.place / "tile/0/000.p").exists()
    assert not (written.place / "tile/entries/000.p").exists()
    assert {path.name for path in (written.place / "tile/0/002.p").iterdir()} == {"45", "58"}
    assert (written.place / "tile/1/000.p/2").stat().st_size == 64


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("count", [700])
def test_a_kill_at_any_moment_leaves_a_valid_log_that_goes_on(tmp_path: Path, point: str, count: int) -> None:
    written = Written(tmp_path).grow(200)
    for attempt in range(2):
        child = [sys.executable, "-c", CHILD, str(tmp_path), "200", str(count + attempt)]
        killed = subprocess.run(child, env=os.environ | {"BAILIWICK_CRASH_AT": point}, check=False, cwd=Path.cwd())
        assert killed.returncode == -signal.SIGKILL
        found = checkpoint_of(written.fetch)
        assert found is not None
        assert verify(written.fetch, written.policy, written.checkpoints).holds
        if point == "log-checkpoint":
            assert found.size == 200 + count
            return
        assert found.size == 200
    before = written.checkpoints[-1]
    written.grow(500)
    result = verify(written.fetch, written.policy, [before])
    assert (result.holds, result.size) == (True, 700)
    assert [salt for salt in written.salts.several(0, 700) if salt is None] == []


@pytest.mark.crash
@pytest.mark.timeout(1_800)
def test_a_kill_at_a_random_instant_leaves_a_valid_log(tmp_path: Path) -> None:
    seed = int(os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
    rounds = int(os.environ.get("BAILIWICK_TEST_ROUNDS", "100"))
    print(f"BAILIWICK_TEST_SEED={seed} BAILIWICK_TEST_ROUNDS={rounds}")  # noqa: T201 - with it the run can be repeated
    chance, written, size, grown = random.Random(seed), Written(tmp_path).grow(200), 200, 0
    for _ in range(rounds):
        command = [sys.executable, "-c", WAITING, str(tmp_path), str(size), str(chance.choice((300, 3_000)))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(chance.random() * chance.choice((0.02, 0.2, 1.0)))
            except subprocess.TimeoutExpired:
                process.kill()
        result = verify(written.fetch, written.policy, written.checkpoints)
        assert result.holds, result.findings
        grown += result.size > size
        size = result.size
    assert 0 < grown < rounds
    written.facts = [None] * size  # type: ignore[list-item]
    written.grow(500)
    result = verify(written.fetch, written.policy, written.checkpoints)
    assert (result.holds, result.size) == (True, size + 500)
    assert [salt for salt in written.salts.several(0, result.size) if salt is None] == []


def test_where_to_go_on_is_found_again_when_the_note_of_it_is_gone(written: Written) -> None:
    (written.place / "progress.json").unlink()
    written.grow(5)
    assert verify(written.fetch, written.policy, written.checkpoints).holds


def test_a_log_whose_files_do_not_hold_together_is_not_added_to(written: Written) -> None:
    path = written.place / "tile/0/002.p/58"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    with pytest.raises(LogError, match="bailiwick audit verify"), LogFiles(written.place, written.salts).adding():
        pass
    (written.place / "checkpoint").write_text("nothing of the kind")
    with pytest.raises(LogError), LogFiles(written.place, written.salts).adding():
        pass


def test_an_entry_is_canonical_json_and_commits_to_the_stored_bytes_under_its_salt() -> None:
    raw, salt = (
        raw_of("tickets/tickets-1/north-court", 7, opened_by_staff_id="s-9", wait={"staff_ids": ["s-2"]}),
        salt_of(0),
    )
    entry = leaf_of(raw, salt)
    assert entry == rfc8785.dumps(from_json(entry))
    told = read_leaf(entry)
    assert told["commitment"] == commitment(salt, raw)
    assert told["people"] == ["s-0", "s-2", "s-9", "s-director"]
    assert "樣本" not in entry.decode()
    assert commitment(salt, raw + b" ") != told["commitment"] != commitment(salt_of(1), raw)
    with pytest.raises(LeafError):
        read_leaf(entry.replace(b'":', b'": ', 1))
    with pytest.raises(LeafError):
        leaf_of(b"{}", salt)


def test_a_roster_of_thousands_makes_an_entry_that_still_fits() -> None:
    raw = raw_of("tickets/tickets-1/north-court", 1, staff_ids=[f"s-{n}" for n in range(5_000)])
    told = read_leaf(leaf_of(raw, salt_of(0)))
    assert (len(told["people"]), told["peoplecount"]) == (100, 5_001)
    assert unbundle(bundle([leaf_of(raw, salt_of(0))] * 3)) == [leaf_of(raw, salt_of(0))] * 3


def test_the_proof_of_one_decision_stands_alone(written: Written, tmp_path: Path) -> None:
    size = written.checkpoints[-1].size
    tree = Tree(size, hash_tiles(written.fetch))
    entry = entry_at(written.fetch, 321, size)
    proof = Proof(321, tuple(tree.inclusion(321)), written.checkpoints[-1], salt_of(321))
    shutil.rmtree(written.place)
    assert Proof.parse(str(proof)) == proof
    assert proof.check(entry, written.policy) == []
    assert len(str(proof)) < 2_048
    assert commitment(proof.extra, written.facts[321][2]) == read_leaf(entry)["commitment"]
    with pytest.raises(ProofError):
        proof.check(entry + b" ", written.policy)
    with pytest.raises(ProofError):
        Proof(320, proof.hashes, proof.checkpoint).check(entry, written.policy)
    for wrong in (str(proof).replace("@v1", "@v2"), str(proof).replace("index 321", "index 0321"), "index 3\n\n"):
        with pytest.raises((ProofError, NoteError)):
            Proof.parse(wrong)


def test_an_erased_salt_is_gone_and_no_other(written: Written) -> None:
    written.salts.erase(9)
    assert written.salts.read(9) is None
    assert written.salts.read(10) == salt_of(10)
    assert written.salts.read(10_000) is None
    assert Salts(written.directory / "nowhere").read(0) is None


def test_a_place_in_the_log_is_found_without_a_search(written: Written) -> None:
    log = LogFiles(written.place, written.salts)
    for index, (chain, number, _) in enumerate(written.facts):
        assert log.place(chain, number) == index
    assert log.place(written.facts[0][0], 9_999) is None
    assert log.place("billing/b/north-court", 1) is None


def test_a_log_is_the_same_behind_a_url(written: Written) -> None:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(written.place))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        result = verify(at(f"http://127.0.0.1:{server.server_port}/"), written.policy, written.checkpoints)
        server.shutdown()
    assert (result.holds, result.size, result.origin) == (True, 570, ORIGIN)
