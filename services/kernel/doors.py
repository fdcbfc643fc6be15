"""Doors: where an actor is authenticated. A door signs what it lets through, so a service need not believe its caller."""

import base64
import hashlib
import json
import os
import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bailiwick_contracts.envelope import Actor, Answer, Command, Precondition, stated
from bailiwick_contracts.message import Request
from bailiwick_contracts.subjects import Kind, subject_of
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from nats.aio.client import Client
from pydantic_core import to_json

from services.kernel.decision import Rejected
from services.kernel.ids import uuid7

CLOCK_TOLERANCE = timedelta(minutes=5)
_sorted_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def digest_of(salt: str, data: Any) -> str:
    """SHA-256 over the salt and the body in sorted JSON: hiding once the salt is thrown away."""
    return hashlib.sha256(f"{salt}\n{_sorted_json(data)}".encode(errors="surrogatepass")).hexdigest()


class Doors:
    """The doors a service trusts: one file `<door>.pub` each, 32 bytes of an Ed25519 public key."""

    def __init__(self, directory: Path) -> None:
        """Trust the doors whose public keys lie in `directory`."""
        self._directory = directory
        self._keys: dict[str, VerifyKey] = {}

    def check_body(self, command: Command[Any], data: Any) -> None:
        """Check that the body is the one of the claim, as cheap as reading it.

        Raises:
            Rejected: a body that was not signed, or a clock in the future.
        """
        if command.commanddigest != digest_of(command.salt, data):
            raise Rejected("the body is not the one that was signed", code="wrong_digest", field="commanddigest",
                           value=command.commanddigest, rule="SHA-256 of salt and body", remedy="have the door sign it again")  # fmt: skip
        ahead = datetime.now(UTC) + CLOCK_TOLERANCE
        for field in ("issuedat", "occurredat"):
            instant = getattr(command, field)
            if instant is not None and instant > ahead:
                raise Rejected(f"{field} lies in the future", code="clock_ahead", field=field, value=instant.isoformat(),
                               rule="at most 5 minutes ahead of the service's clock", remedy="set the sender's clock")  # fmt: skip

    def check_signature(self, command: Command[Any]) -> None:
        """Check who vouches for the claim. It takes its time and lets other threads work meanwhile: not for the loop.

        Raises:
            Rejected: an unknown door, or a claim that it did not sign.
        """
        try:
            self._key(command.door).verify(
                command.statement(command.property), base64.b64decode(command.doorsignature, validate=True)
            )
        except (BadSignatureError, ValueError) as error:
            raise Rejected("the signature is not this door's over this claim", code="wrong_signature", field="doorsignature",
                           value=command.door, rule="Ed25519 of the door over the claim",
                           remedy="have the door sign it again; a new key of a door goes into the doors directory") from error  # fmt: skip

    def _key(self, door: str) -> VerifyKey:
        if door not in self._keys:
            path = self._directory / f"{door}.pub"
            if not path.is_file():
                raise Rejected("this door is not trusted here", code="unknown_door", field="door", value=door,
                               rule=f"one of {sorted(p.stem for p in self._directory.glob('*.pub'))}",
                               remedy="add its public key to the doors directory")  # fmt: skip
            self._keys[door] = VerifyKey(path.read_bytes())
        return self._keys[door]


class Door:
    """A door of our own: the local one of the command line, or one in a test."""

    def __init__(self, directory: Path, name: str = "local") -> None:
        """Use the key pair of `name` in `directory`, made now if there is none."""
        self.name = name
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = directory / f"{name}.key"
        if not private.exists():
            fresh = private.with_suffix(f".{secrets.token_hex(8)}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(bytes(SigningKey.generate()))
            try:
                os.link(fresh, private)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        self._key = SigningKey(private.read_bytes())
        public = directory / f"{name}.pub"
        if not public.exists():
            part = public.with_suffix(f".{secrets.token_hex(8)}")
            part.write_bytes(bytes(self._key.verify_key))
            part.replace(public)

    def sign(
        self,
        request: Request,
        actor: Actor,
        property_id: str,
        *,
        command_id: str | None = None,
        issued_at: datetime | None = None,
        occurred_at: datetime | None = None,
        effective_on: date | None = None,
        import_file: str | None = None,
        import_row: int | None = None,
        trace_parent: str | None = None,
        precondition: Precondition | None = None,
        as_of: datetime | None = None,
    ) -> bytes:
        """The signed command, ready to send. The same command id again is the same command."""
        data = request.model_dump(mode="json", exclude_none=True)
        salt = secrets.token_hex(16)
        claims = actor.__dict__ | {
            "commandid": command_id or uuid7(),
            "commandtype": type(request).wire(),
            "commanddigest": digest_of(salt, data),
            "door": self.name,
            "property": property_id,
            "salt": salt,
            "issuedat": issued_at or datetime.now(UTC),
            "occurredat": occurred_at,
            "effectiveon": effective_on,
            "importfile": import_file,
            "importrow": import_row,
            "traceparent": trace_parent,
            "precondition": precondition,
            "asof": as_of,
            "doorsignature": "",
        }
        signature = base64.b64encode(self._key.sign(stated(property_id, claims)).signature).decode()
        return to_json({**claims, "doorsignature": signature, "data": data}, exclude_none=True)


async def ask(client: Client, body: bytes, request: type[Request], property_id: str, *, kind: Kind = "command",
              timeout: float = 30) -> Answer:  # fmt: skip
    """Send a signed command or query and await its answer.

    Raises:
        TimeoutError: nothing answered in time; whether it was decided is unknown, send the same body again.
    """
    reply = await client.request(subject_of(request.wire(), property_id, kind), body, timeout=timeout)
    return Answer.model_validate_json(reply.data)
