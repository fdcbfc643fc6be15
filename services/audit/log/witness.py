"""A witness: remembers the last checkpoint it saw of each log, and cosigns only one that goes on from it (C2SP tlog-cosignature)."""

import fcntl
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from services.audit.log.files import Fetch, checkpoint_of, hash_tiles
from services.audit.log.note import COSIGNED_ED25519, Checkpoint, NoteError, Policy, Signature, Signer, VerifierKey
from services.audit.log.tree import ProofError, TileMissingError, Tree, check_consistency

SEED_BYTES = 32


class WitnessError(Exception):
    """The witness does not cosign; the message says why, and the evidence is what it remembers."""


@dataclass(frozen=True)
class Witness:
    """A name, a key and a memory, in a directory of its own on a machine that is not the log's."""

    directory: Path
    name: str
    type: int = COSIGNED_ED25519

    def signer(self, seconds: int) -> Signer:
        """Its private key, made at the first use, signing at `seconds` of POSIX time."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.directory / "witness.key"
        if not path.exists():
            fresh = path.with_name(f".witness.{secrets.token_hex(8)}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(SEED_BYTES))
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return Signer(self.name, path.read_bytes(), self.type, seconds)

    @property
    def key(self) -> VerifierKey:
        """What goes into a log's policy."""
        return self.signer(0).key

    def remembered(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log that it cosigned. Raises NoteError when its own memory was altered."""
        path = self._memory(origin)
        return Checkpoint.parse(path.read_text()) if path.exists() else None

    def cosign(self, fetch: Fetch, policy: Policy, seconds: int) -> tuple[Checkpoint, Signature]:
        """Cosign the checkpoint of a log; it is remembered before the signature is given away.

        Args:
            fetch: reads the log.
            policy: which log keys the witness trusts; its witnesses and quorum do not matter here.
            seconds: now, in POSIX time.

        Raises:
            WitnessError: not signed by the log, or not a continuation of what is remembered.
        """
        try:
            found = checkpoint_of(fetch)
            if found is None:
                raise WitnessError("the log has no checkpoint")
            Policy(policy.logs).check(found)
        except NoteError as error:
            raise WitnessError(str(error)) from error
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._goes_on(fetch, found)
            self._remember(found)
        return found, self.signer(seconds).sign(found)

    def _goes_on(self, fetch: Fetch, found: Checkpoint) -> None:
        try:
            before = self.remembered(found.origin)
            if before is None:
                return
            if before.size > found.size:
                raise WitnessError(f"the log had {before.size} entries and now has {found.size}: it was cut back")
            proof = Tree(found.size, hash_tiles(fetch)).consistency(before.size)
            check_consistency(before.size, found.size, proof, before.root, found.root)
        except (ProofError, TileMissingError, NoteError) as error:
            raise WitnessError(f"the log does not go on from what is remembered of it: {error}") from error

    def _remember(self, found: Checkpoint) -> None:
        path = self._memory(found.origin)
        part = path.with_suffix(".part")
        with part.open("w") as file:
            file.write(str(found))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _memory(self, origin: str) -> Path:
        return self.directory / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.checkpoint"
