"""Checkpoints as the specifications write them: their own example, tlog-scales and metamorphic-log judge ours."""

import pytest
from metamorphic_log import metamorphic_log as metamorphic
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from services.audit.log.note import (
    COSIGNED_ED25519,
    COSIGNED_MLDSA44,
    ED25519,
    Checkpoint,
    NoteError,
    Policy,
    Signer,
    VerifierKey,
    trusted,
)

# c2sp.org/tlog-cosignature, the example of the specification.
OF_THE_SPECIFICATION = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
LOG = Signer("log.example/north-court", bytes(range(32)))
WITNESS = Signer("witness.example/w1", bytes(range(1, 33)), COSIGNED_ED25519, seconds=1_772_000_000)
PLAIN = Checkpoint("log.example/north-court", 77, bytes(range(32)))


def test_the_specifications_example_is_read_and_written_byte_for_byte() -> None:
    read = Checkpoint.parse(OF_THE_SPECIFICATION)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert [one.name for one in read.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert read.signatures[1].seconds == 1_679_315_147
    assert str(read) == OF_THE_SPECIFICATION


@pytest.mark.parametrize("kind", [ED25519, COSIGNED_ED25519, COSIGNED_MLDSA44])
def test_the_type_of_a_signature_is_a_parameter_and_others_verify_each(kind: int) -> None:
    signer = Signer("somebody.example", bytes(range(32)), kind, seconds=1_772_000_000)
    signed = PLAIN.signed(LOG, signer)
    assert signed.by(signer.key) is not None
    theirs = TheirCheckpoint.from_text(str(signed))
    assert len(VkeySet(Vkey.from_string(str(signer.key))).verify(theirs.signatures, theirs)) == 1
    for forged in (Checkpoint(PLAIN.origin, 78, PLAIN.root), Checkpoint(PLAIN.origin, 77, bytes(32))):
        with pytest.raises(NoteError, match="not over this checkpoint"):
            Checkpoint(forged.origin, forged.size, forged.root, signed.signatures).by(signer.key)


def test_metamorphic_log_accepts_our_checkpoint_and_no_altered_one() -> None:
    note = str(PLAIN.signed(LOG, WITNESS))
    head = metamorphic.checkpoint_verify(note, [str(LOG.key)])
    assert (head.origin, head.size, head.root) == (PLAIN.origin, 77, PLAIN.root)
    with pytest.raises(metamorphic.VerifyError):
        metamorphic.checkpoint_verify(note.replace("\n77\n", "\n78\n"), [str(LOG.key)])


def test_a_key_is_read_back_from_its_text_and_a_wrong_id_is_named() -> None:
    assert VerifierKey.parse(str(LOG.key)) == LOG.key
    name, key_id, material = str(LOG.key).split("+", 2)
    for wrong in (f"{name}+00000000+{material}", "no key", f"{name}+{key_id}+%%%", f"+{key_id}+{material}"):
        with pytest.raises(NoteError):
            VerifierKey.parse(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n7\n\n",
        str(PLAIN.signed(LOG)).replace("\n77\n", "\n077\n"),
        str(PLAIN.signed(LOG)).replace("\n\n", "\n"),
        str(PLAIN.signed(LOG)).replace("—", "-"),
        str(PLAIN.signed(LOG)).replace("— log", "—  log"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_a_policy_names_logs_witnesses_groups_and_the_quorum() -> None:
    second = Signer("witness.example/w2", bytes(range(2, 34)), COSIGNED_ED25519, seconds=1)
    text = (
        f"# who is trusted\nlog {LOG.key}\n\nwitness w1 {WITNESS.key} https://w1.example/\n"
        f"witness\tw2 {second.key}\ngroup both all w1 w2\nquorum both\n"
    )
    policy = Policy.parse(text)
    assert Policy.parse(str(policy)) == policy
    assert policy.check(PLAIN.signed(LOG, WITNESS, second)) == ["w1", "w2"]
    with pytest.raises(NoteError, match="quorum both is not met"):
        policy.check(PLAIN.signed(LOG, WITNESS))
    with pytest.raises(NoteError, match="no key that the policy knows"):
        policy.check(PLAIN.signed(WITNESS, second))
    either = Policy.parse(text.replace("both all", "both any"))
    assert either.check(PLAIN.signed(LOG, second)) == ["w2"]
    with pytest.raises(NoteError, match="knows no log"):
        policy.check(Checkpoint("log.example/other", 1, bytes(32)).signed(LOG))


@pytest.mark.parametrize(
    "text",
    [
        f"log {LOG.key}\n",
        "quorum none\nquorum none\n",
        "quorum w1\n",
        f"log {LOG.key}\nlog {LOG.key}\nquorum none\n",
        f"witness w1 {WITNESS.key}\ngroup g 2 w1\nquorum g\n",
        f"witness none {WITNESS.key}\nquorum none\n",
        "group g any\nquorum none\n",
        "trust everybody\nquorum none\n",
    ],
)
def test_a_policy_that_says_nothing_sure_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Policy.parse(text)


def test_a_signature_by_a_key_of_another_name_counts_for_nothing() -> None:
    stranger = Signer(LOG.name, bytes(32))
    with pytest.raises(NoteError, match="no key that the policy knows"):
        trusted([str(LOG.key)]).check(PLAIN.signed(stranger))
