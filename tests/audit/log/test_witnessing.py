"""Witnesses are asked over HTTP as C2SP writes it; the one that judges here is other people's software."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from services.audit.log.files import hash_tiles
from services.audit.log.keeper import Keeper
from services.audit.log.note import Checkpoint, NoteError, Policy, Signer, VerifierKey
from services.audit.log.verification import verify
from services.audit.log.witnessing import Answered, Post, Remembered, WitnessingError, cosignature, posted
from services.kernel.sealing import KeyStore
from tests.audit.log.other_witness import OtherWitness
from tests.audit.log.written import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "property").grow(300)


@pytest.fixture
def witness(written: Written) -> Iterator[OtherWitness]:
    made = OtherWitness(str(written.signer.key))
    yield made
    made.close()


@pytest.fixture
def keeper(written: Written, witness: OtherWitness, tmp_path: Path) -> Keeper:
    """The keeper of that log, which lies in the directory `property/log`; the witness is named and required."""
    made = Keeper(tmp_path / "property", KeyStore(tmp_path / "keys"))
    log = made.log("log")
    log.salts = written.salts
    log.replace("policy", str(Policy((written.signer.key,))).encode())
    made.trust("log", "w1", VerifierKey.parse(witness.vkey), required=True, url=witness.url)
    return made


def saying(answer: Answered) -> Post:
    return lambda _, __: answer


def signed_by(note: str, vkey: str) -> int:
    theirs = TheirCheckpoint.from_text(note)
    return len(VkeySet(Vkey.from_string(vkey)).verify(theirs.signatures, theirs))


def test_a_checkpoint_carries_the_cosignature_of_each_witness_of_the_policy(
    written: Written, witness: OtherWitness, keeper: Keeper
) -> None:
    policy = keeper.log("log").policy()
    assert policy is not None
    assert Policy.parse(str(policy)) == policy
    assert dict(policy.urls) == {"w1": witness.url}
    assert [one.kind for one in verify(written.fetch, policy).findings] == ["not_signed"]
    assert keeper.unwitnessed("log") == ["w1"]
    assert keeper.witness("log") == {"w1": "cosigned"}
    assert keeper.unwitnessed("log") == []
    note = (written.place / "checkpoint").read_text()
    assert (signed_by(note, witness.vkey), signed_by(note, str(written.signer.key))) == (1, 1)
    result = verify(written.fetch, policy, written.checkpoints)
    assert (result.holds, result.cosigned_by) == (True, ["w1"])


def test_a_second_witness_is_added_without_taking_the_first_away(
    written: Written, witness: OtherWitness, keeper: Keeper
) -> None:
    keeper.witness("log")
    other = OtherWitness(str(written.signer.key), seed=bytes(32), name="other.example/w2")
    try:
        keeper.trust("log", "w2", VerifierKey.parse(other.vkey), url=other.url)
        assert keeper.witness("log") == {"w2": "cosigned"}
    finally:
        other.close()
    policy = keeper.log("log").policy()
    assert policy is not None
    assert verify(written.fetch, policy).cosigned_by == ["w1", "w2"]


def test_a_witness_is_asked_from_the_size_it_remembers_and_says_it_where_that_was_forgotten(
    written: Written, witness: OtherWitness, keeper: Keeper
) -> None:
    keeper.witness("log")
    written.grow(500)
    assert keeper.witness("log") == {"w1": "cosigned"}
    (written.place / "witnessed.json").unlink()
    written.grow(7)
    assert keeper.witness("log") == {"w1": "cosigned"}
    (written.place / "witnessed.json").write_text("not JSON")
    written.grow(1)
    assert keeper.witness("log") == {"w1": "cosigned"}
    assert witness.asked == [(0, 200), (300, 200), (0, 409), (800, 200), (0, 409), (807, 200)]


def test_a_rewritten_history_gets_no_cosignature(
    written: Written, witness: OtherWitness, keeper: Keeper, tmp_path: Path
) -> None:
    keeper.witness("log")
    other = Written(tmp_path / "other")
    other.facts = [("registry/registry-1/north-court", 1, b"")]
    other.grow(400)
    remembered = Remembered(tmp_path / "size.json")
    key = VerifierKey.parse(witness.vkey)
    with pytest.raises(WitnessingError, match="422"):
        cosignature(other.checkpoints[-1], hash_tiles(other.fetch), key, witness.url, remembered)
    short = Written(tmp_path / "short").grow(40)
    with pytest.raises(WitnessingError, match="cosigned 300 entries, and the log has 40"):
        cosignature(short.checkpoints[-1], hash_tiles(short.fetch), key, witness.url, remembered)
    strange = Checkpoint("another.example/log", 300, bytes(32)).signed(Signer("another.example/log", bytes(32)))
    with pytest.raises(WitnessingError, match="404"):
        cosignature(strange, hash_tiles(written.fetch), key, witness.url, remembered)


def test_a_witness_that_is_away_or_lies_is_told_and_the_log_goes_on(
    written: Written, witness: OtherWitness, keeper: Keeper, tmp_path: Path
) -> None:
    witness.close()
    told = keeper.witness("log")
    assert "add-checkpoint" in told["w1"]
    assert written.grow(1).checkpoints[-1].size == 301
    found, tiles, key = written.checkpoints[-1], hash_tiles(written.fetch), VerifierKey.parse(witness.vkey)
    over_another = Checkpoint(found.origin, 5, bytes(32)).signed(Signer("w", bytes(32))).signatures[0]
    for answer, why in (
        (Answered(200, "nothing of the kind"), "not a signature line"),
        (Answered(200, f"{over_another}\n"), "carries no signature of the key"),
        (Answered(409, "7\n", "text/x.tlog.size"), "another size each time|add-checkpoint: 409"),
        (Answered(500, "down"), "500 down"),
    ):
        with pytest.raises(WitnessingError, match=why):
            cosignature(found, tiles, key, "http://w", Remembered(tmp_path / "s"), saying(answer))
    with pytest.raises(WitnessingError):
        posted("http://127.0.0.1:1/add-checkpoint", b"")
    with pytest.raises(NoteError, match="line 2"):
        Policy.parse(f"log {written.signer.key}\nwitness w1 {key} https://one https://two\nquorum none\n")
