"""Proofs that stand alone: C2SP tlog-proof documents, one per decision, checked with the policy and nothing else."""

import base64
import binascii
from dataclasses import dataclass

from services.audit.log.note import Checkpoint, NoteError, Policy, decoded_text
from services.audit.log.tree import HASH_BYTES, ProofError, check_inclusion, leaf_hash

FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Proof:
    """That an entry stands at `index` of the tree of a checkpoint. `extra` is the salt of the entry's commitment."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint
    extra: bytes = b""

    def __str__(self) -> str:
        lines = [FIRST_LINE]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(link).decode() for link in self.hashes]
        return "\n".join([*lines, "", str(self.checkpoint)])

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Read a document; nothing is verified. Raises ProofError naming the line."""
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        extra = b""
        try:
            if lines.pop(0) != FIRST_LINE:
                raise ValueError(FIRST_LINE)
            if lines[0].startswith("extra "):
                extra = decoded_text(lines.pop(0)[6:])
            word, index = lines.pop(0).split(" ")
            hashes = tuple(decoded_text(line) for line in lines)
            if word != "index" or str(int(index)) != index or any(len(link) != HASH_BYTES for link in hashes):
                raise ValueError(index)
            return cls(int(index), hashes, Checkpoint.parse(note), extra)
        except (ValueError, IndexError, binascii.Error) as error:
            raise ProofError(f"not a {FIRST_LINE} document: {error}") from error

    def check(self, entry: bytes, policy: Policy) -> list[str]:
        """Check the proof of an entry; answers who cosigned. Raises ProofError."""
        try:
            cosigned = policy.check(self.checkpoint)
        except NoteError as error:
            raise ProofError(str(error)) from error
        check_inclusion(leaf_hash(entry), self.index, self.checkpoint.size, self.hashes, self.checkpoint.root)
        return cosigned
