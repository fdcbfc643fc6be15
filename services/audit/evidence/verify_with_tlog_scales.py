"""Verify an evidence bundle with the package tlog-scales alone: `python verify_with_tlog_scales.py DIRECTORY VKEY [VKEY …]`.

Nothing of bailiwick is imported. Checks the signature of every proof's checkpoint under the keys given, that every entry stands
in the tree of that checkpoint, that every fact is the one its entry commits to, that as many are here as `about.json` says, that
each log's own checkpoint is signed and of the size told, and that the texts in `versions/` are those that facts here adopted.
Names each fact that has no proof. Nothing signs `about.json`: README.md says how to find out that it was altered.
"""

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, InclusionProof
from tlog_scales.utils import b64dec

logging.getLogger("tlog_scales").addHandler(
    logging.NullHandler()
)  # a signature that does not hold is told by us, without a trace


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


def check_log(directory: Path, owner: str, size: object, keys: dict[str, list[Vkey]]) -> None:
    """Raises where the checkpoint of a property's log is not what it was when the bundle was made."""
    checkpoint = Checkpoint.from_text((directory / "logs" / owner / "checkpoint").read_text(encoding="utf-8"))
    if not VkeySet(*keys.get(checkpoint.origin, ())).verify(checkpoint.signatures, checkpoint):
        raise ValueError(f"no key given signed the checkpoint of {checkpoint.origin}")
    if checkpoint.size != size:
        raise ValueError(f"it is of {checkpoint.size} entries, about.json says {size}")


def main(location: str, *vkeys: str) -> int:
    """Print what holds and what does not; answers the exit code."""
    keys: dict[str, list[Vkey]] = {}
    for vkey in vkeys:
        try:
            keys.setdefault(vkey.split("+", 1)[0], []).append(Vkey.from_string(vkey.strip()))
        except ValueError:
            sys.exit(f"{vkey!r} is no vkey: <name>+<id>+<base64 of type and key>")
    directory = Path(location)
    told: list[dict[str, Any]] = []
    wrong: list[str] = []
    try:
        about = json.loads((directory / "about.json").read_text(encoding="utf-8"))
        put_in, not_proved, sizes = int(about["facts"]), set(about["not_proved"]), dict(about["checkpoints"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        wrong.append(f"about.json: {type(error).__name__}: {error}")
        put_in, not_proved, sizes = -1, set(), {}
    facts, proofs, entries = (
        {path.stem for path in (directory / name).glob("*")} for name in ("events", "proofs", "entries")
    )
    unproved = not_proved - proofs - entries
    for event_id in sorted((facts | proofs | entries) - unproved):
        try:
            told.append(check(directory, event_id, keys))
        except Exception as error:  # noqa: BLE001 - whatever it is, this fact is not verified
            wrong.append(f"{event_id}: {type(error).__name__}: {error}")
    if put_in not in (-1, len(facts)):
        wrong.append(f"about.json: {put_in} facts were put in, and {len(facts)} are here")
    for owner in sorted(set(sizes) | {path.name for path in (directory / "logs").glob("*")}):
        try:
            check_log(directory, owner, sizes.get(owner), keys)
        except Exception as error:  # noqa: BLE001 - whatever it is, this checkpoint is not verified
            wrong.append(f"logs/{owner}/checkpoint: {type(error).__name__}: {error}")
    texts = {
        json.dumps(data[name], ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for data in told
        for name in ("matrix", "policy")
        if name in data
    }
    here = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted((directory / "versions").glob("*"))
    }
    wrong.extend(
        f"versions/{name}: no verified fact adopted this text" for name, text in here.items() if text not in texts
    )
    wrong.extend(
        f"versions/: {json.loads(text)['version']}, which a fact here adopted, is not there"
        for text in sorted(texts - set(here.values()))
    )
    for one in wrong:
        sys.stdout.write(f"NOT verified: {one}\n")
    for event_id in sorted(unproved):
        sys.stdout.write(f"without a proof: {event_id}, so nothing here vouches for what it says\n")
    sys.stdout.write(f"{len(told)} facts verified, {len(wrong)} not, {len(unproved)} without a proof yet\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
