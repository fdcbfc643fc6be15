"""Signed notes and checkpoints: C2SP signed-note, tlog-checkpoint and tlog-cosignature. The signature type is a parameter."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from services.audit.log.tree import HASH_BYTES

ED25519, COSIGNED_ED25519, COSIGNED_MLDSA44 = 0x01, 0x04, 0x06
"""Assigned signature types: of a log, of a witness, and of a witness against quantum computers."""
_DASH = "\u2014"
_STAMP_BYTES = 8


class NoteError(ValueError):
    """A note, key or signature is not what the format says, or does not verify."""


def decoded_text(text: str) -> bytes:
    """Base64 read strictly: one text for one value, so that no altered text passes for it. Raises ValueError."""
    decoded = base64.b64decode(text, validate=True)
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("base64 with stray bits at its end")
    return decoded


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name and signature type; its text form is a vkey."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type]) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey. Raises NoteError."""
        try:
            name, key_id, material = text.split("+", 2)
            decoded = decoded_text(material)
            made = cls(name, decoded[0], decoded[1:])
        except (ValueError, IndexError) as error:
            raise NoteError(f"{text[:80]!r} is no vkey: <name>+<id>+<base64 of type and key>") from error
        usable_name(name)
        if made.id.hex() != key_id:
            raise NoteError(f"the vkey of {name} names the id {key_id}; its key has {made.id.hex()}")
        return made


def usable_name(name: str) -> str:
    """The name of a key, as C2SP signed-note has it: not empty, no space, no plus sign. Raises NoteError."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError(f"{name!r} is no name of a key: one word without spaces or plus signs, e.g. witness.example/w1")
    return name


@dataclass(frozen=True)
class Signature:
    """One signature line of a note; `payload` is what follows the key's id."""

    name: str
    key_id: bytes
    payload: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {base64.b64encode(self.key_id + self.payload).decode()}"

    @property
    def seconds(self) -> int:
        """When a cosignature was made, in seconds of POSIX time."""
        return int.from_bytes(self.payload[:_STAMP_BYTES], "big")


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def body(self) -> bytes:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    def __str__(self) -> str:
        return self.body.decode() + "\n" + "".join(f"{signature}\n" for signature in self.signatures)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a signed checkpoint; nothing is verified. Raises NoteError naming the line."""
        body, separator, signed = text.rpartition("\n\n")
        lines = body.split("\n")
        try:
            origin, size, root = lines
            decoded = decoded_text(root)
            if not separator or str(int(size)) != size or len(decoded) != HASH_BYTES or not origin:
                raise ValueError(size)
        except ValueError as error:
            raise NoteError("not a checkpoint: origin, size and root each on a line, then a blank line") from error
        signatures = tuple(signature_line(line) for line in signed.removesuffix("\n").split("\n"))
        return cls(origin, int(size), decoded, signatures)

    def signed(self, *signers: "Signer") -> "Checkpoint":
        """The same with one signature more of each signer."""
        return Checkpoint(self.origin, self.size, self.root, (*self.signatures, *(one.sign(self) for one in signers)))

    def by(self, key: VerifierKey) -> Signature | None:
        """The signature that names this key, verified. Raises NoteError for one that does not verify."""
        for signature in self.signatures:
            if (signature.name, signature.key_id) == (key.name, key.id):
                if key.type not in SIGNATURES:
                    raise NoteError(f"signature type {key.type:#04x} of {key.name} is unknown here")
                SIGNATURES[key.type].verify(key, signature, self)
                return signature
        return None


def signature_line(line: str) -> Signature:
    """One signature line of a note, read and not verified. Raises NoteError."""
    try:
        dash, name, encoded = line.split(" ")
        decoded = decoded_text(encoded)
    except (ValueError, binascii.Error) as error:
        raise NoteError(f"not a signature line: {line[:80]!r}") from error
    if dash != _DASH or not name or len(decoded) <= 4:
        raise NoteError(f"not a signature line: {line[:80]!r}")
    return Signature(name, decoded[:4], decoded[4:])


@dataclass(frozen=True)
class SignatureType:
    """How one type signs and verifies: the message a checkpoint becomes, and whether a time is part of it."""

    message: Callable[[str, int, Checkpoint], bytes]
    public_of: Callable[[bytes], bytes]
    sign: Callable[[bytes, bytes], bytes]
    check: Callable[[bytes, bytes, bytes], None]
    timed: bool

    def verify(self, key: VerifierKey, signature: Signature, checkpoint: Checkpoint) -> None:
        """Raises NoteError."""
        seconds, proof = (signature.seconds, signature.payload[_STAMP_BYTES:]) if self.timed else (0, signature.payload)
        try:
            self.check(key.public, proof, self.message(key.name, seconds, checkpoint))
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"the signature of {key.name} is not over this checkpoint") from error


def _cosigned(_: str, seconds: int, checkpoint: Checkpoint) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + checkpoint.body


def _subtree(name: str, seconds: int, checkpoint: Checkpoint) -> bytes:
    parts = (
        b"subtree/v1\n\0",
        len(name.encode()).to_bytes(1, "big") + name.encode(),
        seconds.to_bytes(8, "big"),
        len(checkpoint.origin.encode()).to_bytes(1, "big") + checkpoint.origin.encode(),
        (0).to_bytes(8, "big"),
        checkpoint.size.to_bytes(8, "big"),
        checkpoint.root,
    )
    return b"".join(parts)


def _ed25519_public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _ed25519_sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def _ed25519_check(public: bytes, signature: bytes, message: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def _mldsa44_public(seed: bytes) -> bytes:
    return MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def _mldsa44_sign(seed: bytes, message: bytes) -> bytes:
    return MLDSA44PrivateKey.from_seed_bytes(seed).sign(message)


def _mldsa44_check(public: bytes, signature: bytes, message: bytes) -> None:
    MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)


SIGNATURES: Mapping[int, SignatureType] = {
    ED25519: SignatureType(lambda _, __, checkpoint: checkpoint.body, _ed25519_public, _ed25519_sign, _ed25519_check, timed=False),
    COSIGNED_ED25519: SignatureType(_cosigned, _ed25519_public, _ed25519_sign, _ed25519_check, timed=True),
    COSIGNED_MLDSA44: SignatureType(_subtree, _mldsa44_public, _mldsa44_sign, _mldsa44_check, timed=True),
}  # fmt: skip
"""Type byte to how it signs. A new type is one more line."""


@dataclass(frozen=True)
class Signer:
    """A private key of 32 bytes with its name and signature type; `seconds` is the time that a cosignature states."""

    name: str
    seed: bytes
    type: int = ED25519
    seconds: int = 0

    @property
    def key(self) -> VerifierKey:
        """Its public half."""
        return VerifierKey(self.name, self.type, SIGNATURES[self.type].public_of(self.seed))

    def sign(self, checkpoint: Checkpoint) -> Signature:
        """Its signature under a checkpoint."""
        how = SIGNATURES[self.type]
        stamp = self.seconds.to_bytes(_STAMP_BYTES, "big") if how.timed else b""
        made = how.sign(self.seed, how.message(self.name, self.seconds, checkpoint))
        return Signature(self.name, self.key.id, stamp + made)


@dataclass(frozen=True)
class Policy:
    """Which log keys and which witnesses a verifier trusts (C2SP tlog-policy)."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[tuple[str, VerifierKey], ...] = ()
    groups: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    """Name, how many of its members must have cosigned, and the members."""
    quorum: str = "none"
    urls: tuple[tuple[str, str], ...] = ()
    """A witness's name and the prefix under which it takes checkpoints (C2SP tlog-witness), where one is given."""

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Read a policy file. Raises NoteError naming the line."""
        logs: list[VerifierKey] = []
        witnesses: list[tuple[str, VerifierKey]] = []
        groups: list[tuple[str, int, tuple[str, ...]]] = []
        urls: list[tuple[str, str]] = []
        quorum: str | None = None
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.replace("\t", " ").split(" ")
            words = [word for word in words if word]
            if not words or words[0].startswith("#"):
                continue
            known = {name for name, _ in witnesses} | {name for name, _, _ in groups}
            match words:
                case ["log", vkey] | ["log", vkey, _]:
                    logs.append(VerifierKey.parse(vkey))
                case ["witness", name, vkey, *url] if len(url) <= 1 and name not in known and name != "none":
                    witnesses.append((name, VerifierKey.parse(vkey)))
                    urls += [(name, one) for one in url]
                case ["group", name, least, *members] if (
                    members and set(members) <= known and name not in known and name != "none"
                ):
                    needed = {"any": "1", "all": str(len(members))}.get(least, least)
                    if not needed.isdecimal() or not 1 <= int(needed) <= len(members):
                        raise NoteError(f"policy line {number}: {least} of {len(members)} members")
                    groups.append((name, int(needed), tuple(members)))
                case ["quorum", name] if quorum is None and name in known | {"none"}:
                    quorum = name
                case _:
                    raise NoteError(f"policy line {number}: {line[:80]!r} is no log, witness, group or quorum line")
        publics = [key.public for key in logs], [key.public for _, key in witnesses]
        if any(len(set(keys)) < len(keys) for keys in publics):
            raise NoteError("policy: a key is listed twice")
        if quorum is None:
            raise NoteError("policy: the quorum line is missing")
        return cls(tuple(logs), tuple(witnesses), tuple(groups), quorum, tuple(urls))

    def __str__(self) -> str:
        lines = [f"log {key}" for key in self.logs]
        urls = dict(self.urls)
        lines += [f"witness {name} {key} {urls.get(name, '')}".rstrip() for name, key in self.witnesses]
        lines += [f"group {name} {least} {' '.join(members)}" for name, least, members in self.groups]
        return "\n".join([*lines, f"quorum {self.quorum}"]) + "\n"

    def check(self, checkpoint: Checkpoint) -> list[str]:
        """Accept a checkpoint signed by one of the logs and cosigned by the quorum; answers who cosigned.

        Raises:
            NoteError: a signature of a known key does not verify, none is there, or the quorum is not met.
        """
        named = [key for key in self.logs if key.name == checkpoint.origin]
        if not named:
            raise NoteError(f"the policy knows no log {checkpoint.origin!r}")
        if not any([checkpoint.by(key) for key in named]):  # noqa: C419 - each of them is verified
            raise NoteError(f"no key that the policy knows of {checkpoint.origin} signed this checkpoint")
        cosigned = [name for name, key in self.witnesses if checkpoint.by(key) is not None]
        if not self._met(self.quorum, cosigned):
            raise NoteError(f"the quorum {self.quorum} is not met: cosigned by {', '.join(cosigned) or 'nobody'}")
        return cosigned

    def _met(self, name: str, cosigned: Sequence[str]) -> bool:
        if name == "none":
            return True
        for group, least, members in self.groups:
            if group == name:
                return sum(self._met(member, cosigned) for member in members) >= least
        return name in cosigned


def trusted(keys: Iterable[str]) -> Policy:
    """A policy of log keys alone, given as vkeys."""
    return Policy(tuple(VerifierKey.parse(key) for key in keys))
