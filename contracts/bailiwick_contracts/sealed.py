"""Sealed fields: what only the holder of a key may read, inside facts whose bytes never change.

`Personal` is encrypted with the data subject's own key: deleting that key erases the person everywhere at once.
`Confidential` is encrypted with the property's payroll key: it outlives erasure, so decisions can be re-adjudicated.
AES-256-GCM; the associated data is `<event id>/<field path>`, so a sealed value cannot be moved to another place.
Opening needs the extra `bailiwick-contracts[sealing]`; reading facts with the fields closed does not.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self, TypeVar, get_args, get_origin

from pydantic import model_serializer

from bailiwick_contracts.message import Identifier, Label, Record

NONCE_BYTES = 12
R = TypeVar("R", bound=Record)


class SealingError(Exception):
    """A sealed value cannot be opened: no key, an erased key, or bytes that are not what was sealed."""


class KeyErasedError(SealingError):
    """The key was deleted: the person is erased, and so is this value."""


class Keys(Protocol):
    """Where keys come from: a key name, as found in `Sealed.key`, to its 32 bytes."""

    def __call__(self, name: str) -> bytes:
        """Raises SealingError when the key is not held, KeyErasedError when it was deleted."""


class Sealed(Record):
    """A value that travels encrypted. Built open with `of`, sealed by the store, opened with `open_field`."""

    key: Label
    """`person/<staff id>` or `payroll/<property>`."""
    nonce: str
    ciphertext: str

    @property
    def _open(self) -> str | None:
        """What is still to be sealed. Declared as a private attribute it would be set in each of the many that are closed."""
        held = self.__pydantic_private__
        return held["_open"] if held is not None else None

    @_open.setter
    def _open(self, plaintext: str) -> None:
        object.__setattr__(self, "__pydantic_private__", {"_open": plaintext})

    @classmethod
    def _of(cls, key: str, plaintext: str) -> Self:
        made: Self = cls.model_construct(key=key, nonce="", ciphertext="")  # type: ignore[assignment]
        made._open = plaintext
        return made

    @model_serializer(mode="wrap")
    def _closed_only(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        if not self.ciphertext:
            raise SealingError(f"a value for {self.key} was about to leave unsealed; seal the fact first")
        return handler(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key={self.key!r}, {'sealed' if self.ciphertext else 'open'})"

    __str__ = __repr__


class Personal(Sealed):
    """A name, phone, address or free text about one person; unreadable for ever once the person's key is deleted."""

    seal: Literal["personal"] = "personal"

    @classmethod
    def of(cls, subject_id: Identifier, plaintext: str) -> "Personal":
        """An open value about the person `subject_id`; the store seals it when the fact gets its id."""
        return cls._of(f"person/{subject_id}", plaintext)


class Confidential(Sealed):
    """A wage, or an amount from which a wage follows, as the JSON of a record; readable with the payroll key."""

    seal: Literal["confidential"] = "confidential"

    @classmethod
    def of(cls, property_id: str, record: Record) -> "Confidential":
        """An open record for the payroll of `property_id`; the store seals it when the fact gets its id."""
        return cls._of(f"payroll/{property_id}", written(record))


def written(record: Record) -> str:
    """A confidential record as the text that is sealed."""
    text: bytes = record.__pydantic_serializer__.to_json(record)
    return text.decode()


def may_seal(kind: type[Record]) -> bool:
    """Whether records of a kind can hold a sealed value at all; most kinds of fact cannot."""
    return bool(_sealing(kind))


@cache
def _sealing(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a kind of record in which a sealed value may stand."""
    return tuple(name for name, field in kind.__pydantic_fields__.items() if _may_hold(field.annotation))


def _may_hold(annotation: Any) -> bool:
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, Sealed) or (
            may_seal(annotation) if issubclass(annotation, Record) else issubclass(annotation, tuple | list)
        )
    if get_origin(annotation) is Literal or annotation is Ellipsis:
        return False
    if get_origin(annotation) is Annotated:
        return _may_hold(get_args(annotation)[0])
    parts = get_args(annotation)
    return any(map(_may_hold, parts)) if parts else True


def sealed_fields(record: Record, path: str = "") -> Iterator[tuple[str, Sealed]]:
    """Every sealed value in a record with its field path, e.g. `figures` or `contacts.0.phone`."""
    for name in _sealing(type(record)):
        yield from _sealed_in(getattr(record, name, None), f"{path}{name}")


def _sealed_in(value: Any, path: str) -> Iterator[tuple[str, Sealed]]:
    if isinstance(value, Sealed):
        yield path, value
    elif isinstance(value, Record):
        yield from sealed_fields(value, f"{path}.")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _sealed_in(item, f"{path}.{index}")


@cache
def _sealing_by() -> tuple[Any, type[Exception]]:
    """AES-GCM and what it raises, imported once there is something to seal or to open."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM, InvalidTag


def seal_field(sealed: Sealed, *, event_id: str, path: str, key: bytes, nonce: bytes) -> dict[str, str]:
    """The closed form of an open value: the two fields it gains, `nonce` and `ciphertext`, in base64."""
    aes_gcm, _ = _sealing_by()
    if sealed._open is None:  # noqa: SLF001
        raise SealingError(f"{path} is sealed already")
    secret = aes_gcm(key).encrypt(nonce, sealed._open.encode(), f"{event_id}/{path}".encode())  # noqa: SLF001
    return {"nonce": base64.b64encode(nonce).decode(), "ciphertext": base64.b64encode(secret).decode()}


def open_field(sealed: Sealed, *, event_id: str, path: str, keys: Keys) -> str:
    """The plaintext of a sealed value found at `path` of the fact `event_id`.

    Raises:
        KeyErasedError: the person was erased.
        SealingError: the key is not held, or the bytes were altered or moved.
    """
    aes_gcm, invalid_tag = _sealing_by()
    if sealed._open is not None:  # noqa: SLF001
        return sealed._open  # noqa: SLF001
    key = keys(sealed.key)
    try:
        nonce = binascii.a2b_base64(sealed.nonce, strict_mode=True)
        secret = binascii.a2b_base64(sealed.ciphertext, strict_mode=True)
        opened: bytes = aes_gcm(key).decrypt(nonce, secret, f"{event_id}/{path}".encode())
        return opened.decode()
    except (binascii.Error, invalid_tag, ValueError) as error:
        raise SealingError(
            f"{path} of event {event_id} does not open with key {sealed.key}: altered or moved"
        ) from error


def open_record(sealed: Sealed, model: type[R], *, event_id: str, path: str, keys: Keys) -> R:
    """A confidential record, opened and validated as `model`. Raises as `open_field`."""
    return model.model_validate_json(open_field(sealed, event_id=event_id, path=path, keys=keys))


def keys_from(mapping: Mapping[str, bytes]) -> Keys:
    """Keys held in memory, e.g. a payroll key handed to an auditor."""
    return _Held(mapping)


class _Held(NamedTuple):
    mapping: Mapping[str, bytes]

    def __call__(self, name: str) -> bytes:
        try:
            return self.mapping[name]
        except KeyError:
            raise SealingError(f"no key named {name} is held here; ask the property's payroll for it") from None
