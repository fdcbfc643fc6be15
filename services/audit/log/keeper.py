"""The keeper of the logs: writes what the ledger gained into each property's log, and signs a checkpoint over it."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.transparency import CheckpointIssued

from services.audit.ledger import chains
from services.audit.log.files import POLICY, LogError, LogFiles, Salts, hash_tiles
from services.audit.log.leaf import SALT_BYTES, LeafError, leaf_of
from services.audit.log.note import ED25519, Checkpoint, NoteError, Policy, Signature, Signer, VerifierKey
from services.audit.log.tree import TileMissingError
from services.audit.log.witnessing import Post, Remembered, WitnessingError, cosignature, posted
from services.audit.views import LEDGER
from services.kernel.sealing import KeyStore
from services.kernel.service import Reading

ENTRIES_AT_ONCE = 4_096
"""Entries between two writes, so that memory stays small however far the log is behind."""
CHECKPOINT_ENTRIES = 262_144
"""Entries after which a checkpoint is signed though more are waiting."""


@dataclass(frozen=True)
class Built:
    """What one build came to."""

    property_id: str
    added: int
    checkpoint: Checkpoint | None
    unreadable: int = 0
    """Rows of the ledger that are no stored facts; the log goes on without them, and verification names the hole."""


class Keeper:
    """The logs of one installation below one directory, their keys and salts beside the other keys."""

    def __init__(self, directory: Path, keys: KeyStore) -> None:
        """`directory` holds one log per property."""
        self.directory, self._keys = directory, keys
        self._logs: dict[str, LogFiles] = {}
        self._lock = threading.Lock()

    def log(self, property_id: str) -> LogFiles:
        """The files of a property's log."""
        if property_id not in self._logs:
            salts = Salts(self._keys.directory / f"tlogsalts.{property_id}.bin")
            self._logs[property_id] = LogFiles(self.directory / property_id, salts)
        return self._logs[property_id]

    def signer(self, property_id: str, origin: str, generation: int) -> Signer:
        """The private key of a log; its 32 bytes lie with the other keys."""
        return Signer(origin, self._keys.ensure(f"tlog/{property_id}_{generation}"), ED25519)

    def build(self, reading: Reading, property_id: str) -> Built:
        """Write what the ledger holds beyond the log, and sign.

        Nothing is added or signed while there is nothing new but the announcements of checkpoints, which would otherwise
        call for the next one for ever.

        Raises:
            LogError: the files of the log do not hold together, or cannot be written.
        """
        with self._lock, self.log(property_id).adding() as log:
            cursors = dict(log.cursors)
            heads = chains(reading, property_id)
            behind = [chain for chain, (number, _) in heads.items() if number > cursors.get(chain, 0)]
            policy = self._policy(log, property_id)
            if not any(_worth(reading, chain, cursors.get(chain, 0)) for chain in behind):
                return Built(property_id, 0, log.checkpoint)
            added = unreadable = since = 0
            for chain, rows in _rows(reading, behind, cursors):
                entries, salts, places = [], [], []
                random = os.urandom(SALT_BYTES * len(rows))
                for place, (number, raw) in enumerate(rows):
                    salt = random[place * SALT_BYTES : (place + 1) * SALT_BYTES]
                    try:
                        entries.append(leaf_of(raw, salt))
                    except LeafError:
                        unreadable += 1
                        continue
                    salts.append(salt)
                    places.append((chain, number))
                if places:
                    cursors[chain] = places[-1][1]
                log.append(entries, salts, places)
                added, since = added + len(entries), since + len(entries)
                if since >= CHECKPOINT_ENTRIES:
                    log.commit(policy.logs[0].name, self._signers(property_id, policy), cursors)
                    since = 0
            if since:
                log.commit(policy.logs[0].name, self._signers(property_id, policy), cursors)
            return Built(property_id, added, log.checkpoint, unreadable)

    def _signers(self, property_id: str, policy: Policy) -> Sequence[Signer]:
        """The newest key signs; the first checkpoint after a change is signed by its predecessor too (`change_key`)."""
        return [self.signer(property_id, policy.logs[0].name, len(policy.logs))]

    def _policy(self, log: LogFiles, property_id: str) -> Policy:
        try:
            found = log.policy()
        except NoteError as error:
            raise LogError(f"{log.directory / POLICY}: {error}") from error
        if found is None or not found.logs:
            origin = f"{self._installation()}/{property_id}"
            found = Policy((self.signer(property_id, origin, 1).key,))
            log.replace(POLICY, str(found).encode())
        return found

    def _installation(self) -> str:
        """A name nobody else's logs have: the beginning of a key of our own."""
        seed = self._keys.ensure("tlog/installation")
        return f"bailiwick-{Signer('installation', seed).key.id.hex()}.invalid"

    def change_key(self, property_id: str) -> tuple[VerifierKey, Checkpoint]:
        """Sign with a new key from now on. The old one vouches for it: it signs the same checkpoint beside the new one.

        Answers the new key and the checkpoint that both signed.

        Raises:
            LogError: the log has no checkpoint yet.
        """
        with self._lock, self.log(property_id).adding() as log:
            policy = self._policy(log, property_id)
            if log.checkpoint is None:
                raise LogError(f"{log.directory}: there is no checkpoint yet; build the log first")
            origin = policy.logs[0].name
            new = self.signer(property_id, origin, len(policy.logs) + 1)
            log.replace(POLICY, str(replace(policy, logs=(*policy.logs, new.key))).encode())
            both = Checkpoint(origin, log.checkpoint.size, log.checkpoint.root).signed(
                self.signer(property_id, origin, len(policy.logs)), new
            )
            log.replace("checkpoint", str(both).encode())
            log.checkpoint = both
            return new.key, both

    def trust(
        self, property_id: str, name: str, witness: VerifierKey, *, required: bool = False, url: str | None = None
    ) -> Policy:
        """Name a witness in the policy. `required`: from now on a checkpoint counts once any named witness cosigned it.

        `url` is where it takes checkpoints: it is then asked for a cosignature of each.

        Raises:
            NoteError: the name or the key is taken.
        """
        with self._lock, self.log(property_id).adding() as log:
            policy = self._policy(log, property_id)
            witnesses = dict(policy.witnesses) | {name: witness}
            urls = dict(policy.urls) | ({name: url} if url else {})
            quorum = "witnesses" if required or policy.quorum != "none" else "none"
            groups = (("witnesses", 1, tuple(witnesses)),)
            made = Policy(policy.logs, tuple(witnesses.items()), groups, quorum, tuple(urls.items()))
            made = Policy.parse(str(made))
            log.replace(POLICY, str(made).encode())
            return made

    def cosigned(self, property_id: str, signatures: Iterable[Signature]) -> Checkpoint:
        """Put witnesses' signatures under the checkpoint, where it is still the one they are over.

        Raises:
            LogError: the log went on meanwhile, or the policy names no such witness.
        """
        with self._lock, self.log(property_id).adding() as log:
            policy = self._policy(log, property_id)
            found = log.checkpoint
            if found is None:
                raise LogError(f"{log.directory}: there is no checkpoint to cosign")
            known = {(key.name, key.id): key for _, key in policy.witnesses}
            fresh = {(one.name, one.key_id): one for one in signatures if (one.name, one.key_id) in known}
            if not fresh:
                raise LogError(f"{log.directory}: the policy names no such witness")
            kept = [one for one in found.signatures if (one.name, one.key_id) not in fresh]
            made = Checkpoint(found.origin, found.size, found.root, (*kept, *fresh.values()))
            try:
                for named in fresh:
                    made.by(known[named])
            except NoteError as error:
                raise LogError(f"{log.directory}: {error}; ask the witness about the checkpoint of now") from error
            log.replace("checkpoint", str(made).encode())
            log.checkpoint = made
            return made

    def unwitnessed(self, property_id: str) -> list[str]:
        """Names of the witnesses with an address whose cosignature the checkpoint does not carry yet."""
        log = self.log(property_id)
        found, policy = log.current(), log.policy()
        if found is None or policy is None or not found.size:
            return []
        there = {(one.name, one.key_id) for one in found.signatures}
        urls = dict(policy.urls)
        return [name for name, key in policy.witnesses if name in urls and (key.name, key.id) not in there]

    def witness(self, property_id: str, post: Post = posted) -> dict[str, str]:
        """Ask each witness with an address to cosign the checkpoint, and keep what they sign under it.

        Answers each witness's name with `cosigned`, or with why not. The log goes on meanwhile; nothing is waited for with
        its lock held.
        """
        log = self.log(property_id)
        found, policy = log.current(), log.policy()
        if found is None or policy is None:
            return {}
        keys, urls, told = dict(policy.witnesses), dict(policy.urls), {}
        remembered = Remembered(log.directory / "witnessed.json")
        made: list[Signature] = []
        for name in self.unwitnessed(property_id):
            try:
                made.append(cosignature(found, hash_tiles(log.fetch), keys[name], urls[name], remembered, post))
                told[name] = "cosigned"
            except (WitnessingError, TileMissingError) as error:
                told[name] = str(error)
        if made:
            try:
                self.cosigned(property_id, made)
            except LogError as error:
                told |= {name: str(error) for name, said in told.items() if said == "cosigned"}
        return told

    def properties(self) -> list[str]:
        """The properties that have a log."""
        return sorted(path.parent.name for path in self.directory.glob("*/checkpoint"))


def _worth(reading: Reading, chain: str, after: int) -> bool:
    """Whether a chain went on by anything but announcements of checkpoints."""
    service, log, property_id = chain.split("/")
    if service != "audit":
        return True
    beyond = _beyond(sa.select(LEDGER.c.event_id), service, log, property_id, after)
    return bool(reading.rows(beyond.where(LEDGER.c.type != CheckpointIssued.wire()).limit(1)))


def _beyond(query: sa.Select[Any], service: str, log: str, property_id: str, after: int) -> sa.Select[Any]:
    return query.where(
        LEDGER.c.service == service,
        LEDGER.c.log == log,
        LEDGER.c.property_id == property_id,
        LEDGER.c.chainnumber > after,
    )


def _rows(
    reading: Reading, behind: Iterable[str], cursors: Mapping[str, int]
) -> Iterator[tuple[str, Sequence[tuple[int, bytes]]]]:
    """What each chain holds beyond its cursor, chain by chain in the order of its numbers: (number, stored bytes)."""
    for chain in sorted(behind):
        service, log, property_id = chain.split("/")
        after = cursors.get(chain, 0)
        while True:
            query = _beyond(sa.select(LEDGER.c.chainnumber, LEDGER.c.raw), service, log, property_id, after)
            found = reading.rows(query.order_by(LEDGER.c.chainnumber, LEDGER.c.event_id).limit(ENTRIES_AT_ONCE))
            rows: list[tuple[int, bytes]] = [(row.chainnumber, bytes(row.raw)) for row in found]
            if rows:
                yield chain, rows
            if len(rows) < ENTRIES_AT_ONCE:
                break
            after = rows[-1][0]
