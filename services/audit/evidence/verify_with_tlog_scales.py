"""Verify an evidence bundle with the package tlog-scales alone: `python verify_with_tlog_scales.py DIRECTORY VKEY [VKEY …]`.

Nothing of bailiwick is imported. Checks the signature of every proof's checkpoint under the keys given, that every entry stands
in the tree of that checkpoint, that every fact is the one its entry commits to, that none was taken out, and that facts here
adopted the texts in `versions/`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, InclusionProof
from tlog_scales.utils import b64dec


def check(directory: Path, event_id: str, keys: dict[str, list[Vkey]]) -> dict[str, Any]:
    """What one fact says; raises whatever does not hold of it."""
    proof = (directory / "proofs" / f"{event_id}.tlog-proof").read_text(encoding="utf-8")
    entry = (directory / "entries" / f"{event_id}.entry").read_bytes()
    fact = (directory / "events" / f"{event_id}.json").read_bytes()
    head, _, note = proof.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1":
        raise ValueError("not a tlog-proof")
    salt = b64dec(lines[1].removeprefix("extra "))
    index, hashes = int(lines[2].removeprefix("index ")), [b64dec(line) for line in lines[3:]]
    checkpoint = Checkpoint.from_text(note)
    if not VkeySet(*keys.get(checkpoint.origin, ())).verify(checkpoint.signatures, checkpoint):
        raise ValueError(f"no key given signed the checkpoint of {checkpoint.origin}")
    InclusionProof(index, checkpoint.size, hashes).check(leaf_hash(entry), checkpoint.root_hash)
    told = json.loads(entry)
    if told["commitment"] != hashlib.sha256(salt + fact).hexdigest() or told["id"] != event_id:
        raise ValueError("the fact is not the one that the entry commits to")
    data: dict[str, Any] = json.loads(fact)["data"]
    return data


def main(location: str, *vkeys: str) -> int:
    """Print what holds and what does not; answers the exit code."""
    keys: dict[str, list[Vkey]] = {}
    for vkey in vkeys:
        keys.setdefault(vkey.split("+", 1)[0], []).append(Vkey.from_string(vkey.strip()))
    directory = Path(location)
    about = json.loads((directory / "about.json").read_text(encoding="utf-8"))
    facts, proofs, entries = (
        {path.stem for path in (directory / name).glob("*")} for name in ("events", "proofs", "entries")
    )
    unproved = set(about["not_proved"]) - proofs - entries
    told, wrong = [], []
    for event_id in sorted((facts | proofs | entries) - unproved):
        try:
            told.append(check(directory, event_id, keys))
        except Exception as error:  # noqa: BLE001 - whatever it is, this fact is not verified
            wrong.append(f"{event_id}: {type(error).__name__}: {error}")
    if len(facts) != about["facts"]:
        wrong.append(f"about.json: {about['facts']} facts were put in, and {len(facts)} are here")
    texts = {
        json.dumps(data[name], ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for data in told
        for name in ("matrix", "policy")
        if name in data
    }
    wrong.extend(
        f"versions/{path.name}: no verified fact adopted this text"
        for path in sorted((directory / "versions").glob("*"))
        if path.read_text(encoding="utf-8", errors="replace") not in texts
    )
    for one in wrong:
        sys.stdout.write(f"NOT verified: {one}\n")
    sys.stdout.write(f"{len(told)} facts verified, {len(wrong)} not, {len(unproved)} without a proof yet\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
