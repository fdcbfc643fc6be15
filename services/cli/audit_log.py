"""`bailiwick audit verify, proof, cosign` and `bailiwick audit log …`: the transparency logs, and who vouches for them."""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from bailiwick_contracts.transparency import BuildLog, ChangeLogKey, CheckpointIssued, ListLogs, ProveDecision
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.audit.log.files import CHECKPOINT, POLICY, LogError, at
from services.audit.log.keeper import Keeper
from services.audit.log.note import Checkpoint, NoteError, Policy, Signature, VerifierKey, trusted, usable_name
from services.audit.log.proof import Proof
from services.audit.log.tree import ProofError
from services.audit.log.verification import verify as verify_log
from services.audit.log.witness import Witness, WitnessError
from services.audit.words import finding_words
from services.cli.audit_desk import Language, acting, bar, caught_up, operating, properties
from services.cli.given import typed_property
from services.cli.output import (
    BAD_INPUT,
    OUT,
    REFUSED,
    UNAVAILABLE,
    AsJson,
    directory,
    emit,
    emit_rows,
    fail,
    print_json,
    run,
    settle,
)
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.run.desk import Desk, system

app = typer.Typer(no_args_is_help=True, help="The transparency log of each property.")
Place = Annotated[str, typer.Argument(metavar="PATH|URL", help="A log's directory, or the prefix it is served at.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="A tlog-policy file; by default the log's own.")]
Taken = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint", help="A checkpoint taken before: a note, a proof, or events as JSON lines. Again for more."
    ),
]
Keys = Annotated[list[str] | None, typer.Option("--key", help="A vkey of the log that you trust, instead of a policy.")]
TWO_PROCESSES_FROM = 100_000
"""Entries from which hashing is shared with a second process."""


def verify(
    place: Place,
    checkpoint: Taken = None,
    policy: PolicyFile = None,
    key: Keys = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Recompute a whole log: signatures, every entry, every tile, every chain. Exit code 1 when something does not hold."""
    fetch = at(place)
    trust = _policy(place, policy, key, as_json)
    remembered = [one for path in checkpoint or () for one in checkpoints(path, as_json)]
    try:
        large = _size(place) >= TWO_PROCESSES_FROM
        with bar("verifying", as_json) as progress:
            if large:
                with ProcessPoolExecutor(2) as executor:
                    result = verify_log(fetch, trust, remembered, progress=progress, executor=executor)
            else:
                result = verify_log(fetch, trust, remembered, progress=progress)
    except httpx.HTTPError as error:
        fail(f"{place}: {error}", UNAVAILABLE, as_json)
    if as_json:
        shown = result.as_json()
        print_json(shown | {"findings": [one | {"words": finding_words(one, "en")} for one in shown["findings"]]})
    else:
        OUT.print(_verified(result.as_json(), language, own=policy is None and not key, remembered=len(remembered)))
    if not result.holds:
        raise typer.Exit(REFUSED)


def proof(
    decision: str,
    out: Annotated[Path | None, typer.Option(help="A directory to write the proof and its entry to.")] = None,
    as_json: AsJson = False,
) -> None:
    """The .tlog-proof of one decision, checked here before it is handed out. DECISION is the id of a fact or a command."""
    if out is not None:
        directory(out, as_json)

    async def work() -> dict[str, Any]:
        async with system(Settings()) as desk:
            await caught_up(desk)
            await built(desk, None, as_json)
            return dict(
                settle(await desk.query(ProveDecision(decision_id=decision), acting(), "company"), as_json).result or {}
            )

    found = run(work(), as_json)
    try:
        Proof.parse(found["proof"]).check(found["entry"].encode(), trusted(found["keys"]))
    except (ProofError, NoteError) as error:
        fail(f"the proof does not hold: {error}", REFUSED, as_json)
    if out is not None:
        (out / f"{found['id']}.tlog-proof").write_text(found["proof"])
        (out / f"{found['id']}.entry").write_text(found["entry"])
    if as_json:
        print_json(found)
    elif out is None:
        OUT.print(found["proof"], highlight=False, end="", soft_wrap=True)
    else:
        emit({"entry": found["index"], "written": str(out / f"{found['id']}.tlog-proof")}, as_json, "proof")


def cosign(
    place: Place,
    witness: Annotated[Path, typer.Option(help="The witness's own directory: its key and what it remembers.")],
    name: Annotated[str, typer.Option(help="The witness's name, e.g. witness.example/w1.")],
    policy: PolicyFile = None,
    key: Keys = None,
    put: Annotated[
        bool, typer.Option("--put", help="Put the signature under the checkpoint of a log on this machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Be a witness: check that a log goes on from what you remember, and cosign its checkpoint. Exit code 1 when not."""
    if put:
        operating(as_json)
    directory(witness, as_json, "witness", 0o700)
    try:
        who = Witness(witness, usable_name(name))
    except NoteError as error:
        fail(str(error), BAD_INPUT, as_json, field="name", value=name)
    try:
        found, signature = who.cosign(at(place), _policy(place, policy, key, as_json), int(time.time()))
        if put:
            _put(Path(place), signature)
    except (WitnessError, LogError) as error:
        fail(str(error), REFUSED, as_json)
    emit(
        {"origin": found.origin, "size": found.size, "witness": str(who.key), "signature": str(signature), "put": put},
        as_json,
        "cosigned",
    )


@app.command("build")
def build_now(
    property_id: Annotated[str | None, typer.Option("--property", help="Only this property.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write what the ledger gained into the logs now, and sign. Without being asked it happens every few seconds."""

    async def work() -> list[dict[str, Any]]:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            return await built(desk, property_id, as_json)

    rows = run(work(), as_json)
    if as_json:
        print_json({"logs": rows})
    else:
        emit_rows(rows, ("property", "size", "added", "witnesses"), "logs")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every log with its origin, size, key and directory."""

    async def work() -> list[dict[str, Any]]:
        async with system(Settings()) as desk:
            return list((settle(await desk.query(ListLogs(), acting(), "company"), as_json).result or {})["logs"])

    rows = run(work(), as_json)
    if as_json:
        print_json({"logs": rows})
    else:
        emit_rows(
            [row | {"key": row["keys"][-1]} for row in rows], ("property", "size", "origin", "key", "directory"), "logs"
        )


@app.command("change-key")
def change_key(
    property_id: Annotated[str, typer.Argument(metavar="PROPERTY", callback=typed_property)],
    reason: Annotated[str, typer.Option(help="Why, e.g. yearly.")],
    as_json: AsJson = False,
) -> None:
    """Sign a log with a new key from now on; the old one vouches for it, and earlier proofs stay good."""

    async def work() -> Any:
        async with system(Settings()) as desk:
            await caught_up(desk, property_id, as_json)
            await built(desk, property_id, as_json)
            return settle(
                await desk.send(ChangeLogKey(property_id=property_id, reason=reason), acting(), "company"), as_json
            )

    answer = run(work(), as_json)
    emit({"property": property_id, **(answer.facts[0].data or {})}, as_json, "key changed")


@app.command("trust")
def trust(
    property_id: Annotated[str, typer.Argument(metavar="PROPERTY", callback=typed_property)],
    name: Annotated[str, typer.Argument(help="How the policy calls the witness.")],
    vkey: Annotated[str, typer.Argument(help="The witness's vkey.")],
    url: Annotated[
        str | None, typer.Option(help="Where it takes checkpoints (C2SP tlog-witness); it is then asked for each.")
    ] = None,
    required: Annotated[
        bool, typer.Option("--required", help="A checkpoint counts only once a named witness cosigned it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Name a witness in the policy of a log on this machine."""
    operating(as_json)
    if not (Settings().data_dir / "tlog" / property_id / CHECKPOINT).is_file():
        fail(f"{property_id} has no log on this machine", BAD_INPUT, as_json, field="property", value=property_id,
             rule="a property that `bailiwick audit log list` names", remedy="bailiwick audit log build")  # fmt: skip
    try:
        made = _keeper().trust(property_id, name, VerifierKey.parse(vkey), required=required, url=url)
    except (NoteError, LogError) as error:
        fail(str(error), BAD_INPUT, as_json)
    emit({"property": property_id, "policy": str(made)}, as_json, "policy")


def _keeper() -> Keeper:
    settings = Settings()
    return Keeper(settings.data_dir / "tlog", KeyStore(settings.keys_dir))


def _put(place: Path, signature: Signature) -> None:
    keys = KeyStore(place.absolute().parent.parent / "keys")
    Keeper(place.absolute().parent, keys).cosigned(place.name, [signature])


async def built(desk: Desk, property_id: str | None, as_json: bool) -> list[dict[str, Any]]:
    """Every log, or one, brought up to the ledger: `property`, `size`, `added`, `note` of each."""
    return [
        dict(settle(await desk.query(BuildLog(property_id=owner), acting(), "company"), as_json).result or {})
        for owner in ([property_id] if property_id else await properties(desk, as_json))
    ]


def _policy(place: str, file: Path | None, keys: list[str] | None, as_json: bool) -> Policy:
    try:
        if keys:
            return trusted(keys)
        text = at(place)(POLICY) if file is None else file.read_bytes()
        if text is None and at(place)(CHECKPOINT) is None:
            fail(f"{place}: there is no log", BAD_INPUT, as_json, field="place", value=place,
                 rule="a directory or address with a file `checkpoint`", remedy="bailiwick audit log list names ours")  # fmt: skip
        if text is None:
            fail(
                f"{place}: no policy lies with this log",
                BAD_INPUT,
                as_json,
                remedy="name the log's key with --key, or a file with --policy",
            )
        return Policy.parse(text.decode())
    except (OSError, UnicodeDecodeError, NoteError) as error:
        fail(f"policy: {error}", BAD_INPUT, as_json)
    except httpx.HTTPError as error:
        fail(f"{place}: {error}", UNAVAILABLE, as_json)


def _size(place: str) -> int:
    try:
        data = at(place)("checkpoint") or b""
        return Checkpoint.parse(data.decode()).size
    except (NoteError, UnicodeDecodeError):
        return 0


def checkpoints(path: Path, as_json: bool) -> list[Checkpoint]:
    """The notes in a file, one at least: one note, a proof, or checkpoint events, one a line."""
    try:
        text = path.read_text()
        if text.startswith("{"):
            events = [json.loads(line) for line in text.splitlines()]
            found = [Checkpoint.parse(e["data"]["note"]) for e in events if e.get("type") == CheckpointIssued.wire()]
            if not found:
                raise ValueError(f"no line of it is an event {CheckpointIssued.wire()}")
            return found
        if text.startswith("c2sp.org/tlog-proof"):
            return [Proof.parse(text).checkpoint]
        return [Checkpoint.parse(text)]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        fail(f"checkpoint: {path} holds none: {error}", BAD_INPUT, as_json, field="checkpoint", value=str(path),
             rule="a note, a proof, or events, one a line", remedy="write each event of a page on a line of its own")  # fmt: skip


def _verified(result: dict[str, Any], language: str, *, own: bool, remembered: int) -> RenderableType:
    table = Table(title=f"{result['origin']}  {result['size']} entries", title_justify="left")
    for name in ("chain", "reaches"):
        table.add_column(name, overflow="fold")
    for chain, number in sorted(result["chains"].items()):
        table.add_row(chain, str(number))
    lines = [Text(finding_words(finding, language)) for finding in result["findings"]]
    if result["not_named"]:
        lines.append(Text(f"and {result['not_named']} more"))
    if result["holds"]:
        lines.append(Text(f"The log holds: {result['size']} entries give the signed root {result['root'][:16]}…"))
    else:
        lines.append(Text(f"The log does NOT hold: {len(result['findings']) + result['not_named']} findings."))
    if own:
        lines.append(
            Text(
                "Trusted: the log's own policy file. Name its key (--key) or your own policy (--policy) to trust nobody."
            )
        )
    lines.append(Text(f"Remembered checkpoints that it goes on from: {len(result['remembered'])} of {remembered}."))
    if result["cosigned_by"]:
        lines.append(Text(f"Cosigned by {', '.join(result['cosigned_by'])}."))
    return Group(table, *lines)
