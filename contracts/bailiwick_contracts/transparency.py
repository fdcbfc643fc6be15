"""The transparency log of a property: its checkpoints as facts that others remember, and what may be asked of it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bailiwick_contracts.message import Fact, Identifier, Instant, Label, PropertyId, Request

Note = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
"""A C2SP signed note, as it stands in the log's file `checkpoint`."""
VerifierKeyText = Annotated[str, StringConstraints(pattern=r"^[^ +]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$", max_length=4_096)]
"""A C2SP vkey: `<name>+<id>+<base64>`."""
Root = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""A SHA-256 root, base64 as in the note."""


class BuildLog(Request):
    """Write what the ledger gained into a property's log now, and sign; without being asked it happens every few seconds.

    Answers `property`, `size`, `added`, `note`, and `witnesses`: what each one that was asked said.
    """

    type: Literal["audit.build_log.v1"] = "audit.build_log.v1"
    property_id: PropertyId


class ListLogs(Request):
    """Every log with its origin, size, note, keys, and the directory that holds its files on the service's machine."""

    type: Literal["audit.list_logs.v1"] = "audit.list_logs.v1"
    as_of: Instant | None = None
    """The last checkpoint on record at this instant instead of the one of now; `recorded_at` says when it was recorded."""


class ProveDecision(Request):
    """The `.tlog-proof` of a fact in the log of its property, with the entry and the salt of its commitment.

    Answers `index`, `proof`, `entry`, `salt` (hexadecimal), `note` and `keys`; rejected with `not_in_the_log` while the log
    has yet to take the fact in.
    """

    type: Literal["audit.prove_decision.v1"] = "audit.prove_decision.v1"
    decision_id: Identifier
    size: Annotated[int, Field(ge=1)] | None = None
    """Under the checkpoint on record of this size instead of the one of now."""


class RecordCheckpoint(Request):
    """Put a checkpoint on record, so that whoever receives events remembers it."""

    type: Literal["audit.record_checkpoint.v1"] = "audit.record_checkpoint.v1"
    origin: Label
    size: Annotated[int, Field(ge=0)]
    root: Root
    note: Note
    keys: Annotated[tuple[VerifierKeyText, ...], Field(min_length=1, max_length=64)]


class ChangeLogKey(Request):
    """Sign a property's log with a new key from now on; the key before it vouches for the new one."""

    type: Literal["audit.change_log_key.v1"] = "audit.change_log_key.v1"
    property_id: PropertyId
    reason: Label


class CheckpointIssued(Fact):
    """The log of this fact's property had `size` entries with this root when it was signed: from now on it cannot have had others.

    Keep it: a log that does not go on from every checkpoint ever published was rewritten.
    """

    type: Literal["audit.checkpoint_issued.v1"] = "audit.checkpoint_issued.v1"
    origin: Label
    size: int
    root: str
    note: str
    """The signed note itself."""
    keys: tuple[str, ...]
    """The log's keys as vkeys, oldest first; the last one signs."""


class LogKeyChanged(Fact):
    """The log of this fact's property is signed with a new key; the note carries the signatures of both."""

    type: Literal["audit.log_key_changed.v1"] = "audit.log_key_changed.v1"
    key: str
    before: str
    note: str
    reason: str
