"""Verify a log with the package tlog-scales alone: run as `python with_tlog_scales.py DIRECTORY|URL VKEY [OLD-CHECKPOINT]`.

Nothing of bailiwick is imported, so the file can be copied anywhere that has `pip install tlog-scales`. It checks the
checkpoint's signature, recomputes the root from every entry and from the tiles, an inclusion proof of every 97th entry, and,
where an older checkpoint is given, that the log goes on from it.
"""

import sys
from pathlib import Path

from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint
from tlog_scales.utils import sha256

EVERY = 97


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, from the leaves up."""
    while len(hashes) > 1:
        pairs = [sha256(b"\x01" + hashes[at] + hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(hashes) - len(hashes) % 2 :]
    return hashes[0] if hashes else sha256(b"")


def main(location: str, vkey: str, old: str | None = None) -> str:
    """Raises whatever does not hold; answers what held."""
    place = location if "://" in location else str(Path(location).absolute())
    reader = TilesReader(make_backend(place))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(vkey))
    hashes = []
    for index in range(checkpoint.size):
        hashes.append(leaf_hash(reader.get_entry(index)))
        if index % EVERY == 0:
            proof = reader.get_inclusion_proof(index, checkpoint.size)
            proof.check(hashes[-1], checkpoint.root_hash)
    for name, root in (("entries", root_of(hashes)), ("tiles", reader.calculate_root_hash())):
        if root != checkpoint.root_hash:
            raise ValueError(f"the {name} give the root {root.hex()}, the checkpoint {checkpoint.root_hash.hex()}")
    told = f"{checkpoint.size} entries of {checkpoint.origin} give the signed root {checkpoint.root_hash.hex()}"
    if old is not None:
        before = Checkpoint.from_text(Path(old).read_text(encoding="utf-8"))
        before.verify(Vkey.from_string(vkey))
        reader.get_consistency_proof(before.size, checkpoint.size).check(before.root_hash, checkpoint.root_hash)
        told += f", and go on from the {before.size} of {old}"
    return told


if __name__ == "__main__":
    try:
        sys.stdout.write(main(*sys.argv[1:]) + "\n")
    except Exception as error:  # noqa: BLE001 - whatever it is, the log is not verified
        sys.stderr.write(f"NOT verified: {type(error).__name__}: {error}\n")
        sys.exit(1)
