"""Asking a witness over HTTP to cosign a checkpoint (C2SP tlog-witness): the log's side of `add-checkpoint`."""

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.audit.log.note import Checkpoint, NoteError, Signature, VerifierKey, signature_line
from services.audit.log.tree import ReadTile, Tree

ASK_SECONDS = 10.0
ATTEMPTS = 3
"""A witness that remembers another size says so, and is asked again from there."""
SIZE = "text/x.tlog.size"


class WitnessingError(Exception):
    """A witness did not cosign; the message says what it answered."""


@dataclass(frozen=True)
class Answered:
    """What a witness answered."""

    status: int
    text: str
    kind: str = ""
    """Its content type."""


Post = Callable[[str, bytes], Answered]
"""Posts a body to an address. Raises WitnessingError."""


def posted(url: str, body: bytes) -> Answered:
    """Post over HTTP(S), ten seconds at most."""
    try:
        answer = httpx.post(url, content=body, timeout=ASK_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WitnessingError(f"{url}: {type(error).__name__}: {error}") from error
    return Answered(answer.status_code, answer.text, answer.headers.get("content-type", ""))


class Remembered:
    """What size each witness cosigned last, in a file beside the log; it saves a question, and nothing rests on it."""

    def __init__(self, path: Path) -> None:
        """Read the file, where there is one."""
        self._path = path
        self._sizes: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._sizes = {str(key): int(size) for key, size in json.loads(path.read_text()).items()}

    def size(self, key: VerifierKey) -> int:
        """The size it cosigned last, 0 where that is unknown."""
        return self._sizes.get(str(key), 0)

    def note(self, key: VerifierKey, size: int) -> None:
        """It cosigned this size."""
        self._sizes[str(key)] = size
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._sizes))
        part.replace(self._path)


def request_of(old: int, proof: list[bytes], checkpoint: Checkpoint) -> bytes:
    """The body of `add-checkpoint`: the old size, the consistency proof, an empty line, the checkpoint."""
    lines = [f"old {old}", *(base64.b64encode(link).decode() for link in proof)]
    return ("\n".join(lines) + "\n\n" + str(checkpoint)).encode()


def cosignature(
    checkpoint: Checkpoint, tiles: ReadTile, witness: VerifierKey, url: str, remembered: Remembered, post: Post = posted
) -> Signature:
    """A witness's signature over a checkpoint of a log, verified.

    Args:
        checkpoint: as the log signed it.
        tiles: the log's hash tiles, for the consistency proof.
        witness: the key that the policy names.
        url: its submission prefix.
        remembered: what it cosigned last, as far as known.
        post: how it is asked.

    Raises:
        WitnessingError: it refused, answered something else, or its signature does not verify.
        TileMissingError: the log's files do not give the proof.
    """
    place = f"{url.rstrip('/')}/add-checkpoint"
    old = min(remembered.size(witness), checkpoint.size)
    for _ in range(ATTEMPTS):
        proof = Tree(checkpoint.size, tiles).consistency(old) if old else []
        answer = post(place, request_of(old, proof, checkpoint))
        if answer.status == 200:
            found = _verified(answer.text, checkpoint, witness)
            remembered.note(witness, checkpoint.size)
            return found
        said = answer.text.strip()
        if answer.status == 409 and answer.kind.startswith(SIZE) and said.isdecimal() and int(said) != old:
            old = int(said)
            if old <= checkpoint.size:
                continue
            raise WitnessingError(f"{place}: it cosigned {old} entries, and the log has {checkpoint.size}")
        raise WitnessingError(f"{place}: {answer.status} {said[:200]}")
    raise WitnessingError(f"{place}: it names another size each time it is asked")


def _verified(text: str, checkpoint: Checkpoint, witness: VerifierKey) -> Signature:
    """The one line of the answer that is of the witness's key; others are of no account."""
    try:
        lines = tuple(signature_line(line) for line in text.splitlines() if line)
        found = Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, lines).by(witness)
    except NoteError as error:
        raise WitnessingError(f"{witness.name}: {error}") from error
    if found is None:
        raise WitnessingError(f"{witness.name}: its answer carries no signature of the key that the policy names")
    return found
