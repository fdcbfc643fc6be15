"""A cold archive: old facts with the log that proves them and the salts that open their commitments, verified when restored."""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from services.audit.log.comparison import LogCopy
from services.audit.log.files import CHECKPOINT, POLICY, Fetch, Salts, at, checkpoint_of, entries_of
from services.audit.log.leaf import SALT_BYTES, LeafError, read_leaf
from services.audit.log.note import Checkpoint, NoteError, Policy
from services.audit.log.tree import WIDTH, TileMissingError
from services.audit.log.verification import verify
from services.audit.selection import Reached, Selection


class ArchiveError(Exception):
    """An archive is not what it should be; the message names the part."""


def archive(raws: Iterable[bytes], selection: Selection, logs: Path, keys: Path, path: Path) -> dict[str, Any]:
    """Write the facts of a selection, each property's log and its salts into one TAR file.

    The same facts and logs give the same bytes. Nothing is taken out of the ledger. Facts that no log has taken in yet stay out.

    Args:
        raws: stored facts in the order recorded.
        selection: which of them.
        logs: the directory that holds a log per property.
        keys: the directory that holds their salts.
        path: the archive.
    """
    reached = Reached()
    by_owner: dict[str, list[bytes]] = {}
    for raw, document in reached.passing(raws, selection):
        by_owner.setdefault(document["source"].split("/")[2], []).append(raw)
    by_owner = {owner: _in_the_log(facts, logs / owner, keys) for owner, facts in by_owner.items()}
    facts = sum(map(len, by_owner.values()))
    reaches = {owner: _reaches(members) for owner, members in sorted(by_owner.items())}
    about = {"filter": selection.as_json(), "facts": facts, "properties": sorted(by_owner), "reaches": reaches}
    part = path.with_name(f".{path.name}.part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as file:
        _add(file, "about.json", json.dumps(about, indent=2, sort_keys=True).encode() + b"\n")
        for owner, members in sorted(by_owner.items()):
            _add(file, f"{owner}/events.ndjson", b"".join(raw + b"\n" for raw in members))
            found = checkpoint_of(at(logs / owner))
            assert found is not None  # noqa: S101 - its facts were found in it
            for name in _log_files(logs / owner):
                _add(file, f"{owner}/log/{name}", (logs / owner / name).read_bytes())
            salts = (keys / f"tlogsalts.{owner}.bin").read_bytes()[: found.size * SALT_BYTES]
            _add(file, f"{owner}/salts.bin", salts)
    part.replace(path)
    return about | {"bytes": path.stat().st_size}


def _reaches(raws: Iterable[bytes]) -> dict[str, int]:
    """Chain to the number of its last fact in here."""
    found: dict[str, int] = {}
    for raw in raws:
        document = from_json(raw)
        _, _, owner, service = document["source"].split("/")
        chain = f"{service}/{document['log']}/{owner}"
        found[chain] = max(found.get(chain, 0), document["chainnumber"])
    return found


def _in_the_log(raws: list[bytes], log: Path, keys: Path) -> list[bytes]:
    """The facts that the log has taken in; younger ones wait for the next archive."""
    if checkpoint_of(at(log)) is None:
        raise ArchiveError(f"{log.name} has no signed log yet: bailiwick audit log build")
    copy = LogCopy.read(at(log), Salts(keys / f"tlogsalts.{log.name}.bin"))
    reach = {chain: max(entries) for chain, entries in copy.chains.items()}
    kept = []
    for raw in raws:
        document = from_json(raw)
        _, _, owner, service = document["source"].split("/")
        if document["chainnumber"] <= reach.get(f"{service}/{document['log']}/{owner}", 0):
            kept.append(raw)
    return kept


def _log_files(log: Path) -> Iterator[str]:
    yield from (CHECKPOINT, POLICY)
    for path in sorted((log / "tile").rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield str(path.relative_to(log))


def _add(file: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mode = 0o600 if name.endswith("salts.bin") else 0o644
    file.addfile(entry, io.BytesIO(data))


def restore(
    path: Path, into: Path, *, policy: Policy | None = None, remembered: Iterable[Checkpoint] = ()
) -> dict[str, Any]:
    """Unpack an archive into an empty directory and verify all of it: logs, signatures, every fact against its entry.

    Args:
        path: the archive.
        into: where it goes; made if it is not there.
        policy: the log keys trusted; by default those that lie in the archive.
        remembered: checkpoints taken before, which the archived logs have to go on from.

    Raises:
        ArchiveError: the file is no archive, or the directory is not empty.
    """
    if into.exists() and any(into.iterdir()):
        raise ArchiveError(f"{into} is not empty; name another directory")
    into.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path) as file:
            file.extractall(into, filter="data")
        about = json.loads((into / "about.json").read_text())
        owners = list(about["properties"])
        selection, reaches = Selection.parse(about["filter"]), about.get("reaches", {})
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{path} is no archive of ours: {error}") from error
    kept = list(remembered)
    found = [_restored(into / owner, policy, kept, selection, reaches.get(owner)) for owner in owners]
    found += [_not_archived(one) for one in kept if _owner_of(one) not in owners]
    facts = sum(one["facts"] for one in found)
    holds = all(one["holds"] for one in found) and facts == about["facts"]
    return {
        "holds": holds,
        "filter": selection.as_json(),
        "facts": facts,
        "expected": about["facts"],
        "properties": found,
        "directory": str(into),
    }


def _owner_of(checkpoint: Checkpoint) -> str:
    return checkpoint.origin.rpartition("/")[2]


def _not_archived(remembered: Checkpoint) -> dict[str, Any]:
    said = f"a checkpoint of {remembered.size} entries is remembered, and the archive has no log that goes on from it"
    return {"property": _owner_of(remembered), "facts": 0, "proved": 0, "holds": False, "problems": [said]}


def _restored(
    place: Path,
    policy: Policy | None,
    remembered: Iterable[Checkpoint],
    selection: Selection,
    reaches: Mapping[str, int],
) -> dict[str, Any]:
    raws = [line for line in (place / "events.ndjson").read_bytes().split(b"\n") if line]
    problems: list[str] = []
    agreeing = 0
    try:
        trust = policy or Policy.parse((place / "log" / POLICY).read_text())
        fetch = at(place / "log")
        mine = [one for one in remembered if _owner_of(one) == place.name]
        result = verify(fetch, trust, mine)
        problems += [f"{finding.kind} {finding.first}: {finding.what}" for finding in result.findings[:100]]
        copy = LogCopy.read(fetch, Salts(place / "salts.bin"))
        chains: dict[str, list[bytes]] = {}
        held: set[tuple[str, int]] = set()
        for raw in raws:
            try:
                document = from_json(raw)
                _, _, owner, service = document["source"].split("/")
                chain = f"{service}/{document['log']}/{owner}"
                chains.setdefault(chain, []).append(raw)
                held.add((chain, document["chainnumber"]))
            except (ValueError, KeyError, TypeError):
                problems.append(f"a fact that cannot be read: {raw[:60]!r}")
        for chain, members in chains.items():
            comparison = copy.compared(chain)
            for raw in members:
                comparison.take(raw)
            agreeing += comparison.agreeing
            named = [one for one in comparison.finish() if one.kind != "lost"]
            problems += [f"{one.kind} {one.chain} number {one.number} {one.event_id}" for one in named[:100]]
            if comparison.behind:
                problems.append(f"{comparison.behind} facts of {chain} are younger than the archived log")
        # An archive that does not say how far it reaches is held to reach as far as its last facts.
        problems += _left_out(fetch, selection, _reaches(raws) if reaches is None else reaches, held)
    except (OSError, TileMissingError, LeafError, NoteError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{type(error).__name__}: {error}")
    return {
        "property": place.name,
        "facts": len(raws),
        "proved": agreeing,
        "holds": not problems and agreeing == len(raws),
        "problems": problems,
    }


def _left_out(
    fetch: Fetch, selection: Selection, reaches: Mapping[str, int], held: set[tuple[str, int]]
) -> Iterator[str]:
    """Facts of the selection that the log has and the archive does not."""
    checkpoint = checkpoint_of(fetch)
    size = 0 if checkpoint is None else checkpoint.size
    for start in range(0, size, WIDTH):
        for entry in entries_of(fetch, start // WIDTH, min(WIDTH, size - start)):
            told = read_leaf(entry)
            service, _, owner = told["chain"].split("/")
            chosen = selection.takes(told | {"source": f"/properties/{owner}/{service}"})
            if (
                chosen
                and told["number"] <= reaches.get(told["chain"], 0)
                and (told["chain"], told["number"]) not in held
            ):
                yield f"left out {told['chain']} number {told['number']} {told['id']}"
