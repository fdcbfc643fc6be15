"""Keys and erasure: one small file per key, apart from every database, so that deleting one really deletes it."""

import os
import secrets
from functools import lru_cache
from pathlib import Path

from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import (
    NONCE_BYTES,
    KeyErasedError,
    Sealed,
    SealingError,
    may_seal,
    seal_field,
    sealed_fields,
)

KEY_BYTES = 32
_ERASED = b"erased"


class KeyStore:
    """The 32-byte keys of one installation, in a directory of its own with short backup retention.

    A key is made when a value is first sealed with it. An erased key leaves a tombstone and is never made again.
    Calling the store with a key's name answers its bytes: it is a `bailiwick_contracts.sealed.Keys`.
    """

    def __init__(self, directory: Path) -> None:
        """Use `directory`, made readable by its owner alone."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cached = lru_cache(maxsize=4096)(self._load)

    def __reduce__(self) -> tuple[type["KeyStore"], tuple[Path]]:
        """Another process opens the same directory."""
        return KeyStore, (self._directory,)

    @property
    def directory(self) -> Path:
        """Where the keys lie."""
        return self._directory

    def _path(self, name: str) -> Path:
        kind, _, owner = name.partition("/")
        if not kind.isalnum() or not owner.replace("-", "").replace("_", "").isalnum():
            raise SealingError(f"{name!r} is not the name of a key: <kind>/<owner>")
        return self._directory / f"{kind}.{owner}.key"

    def _load(self, name: str) -> bytes:
        path = self._path(name)
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            raise SealingError(f"no key named {name} is held in {self._directory}") from None
        if key == _ERASED:
            raise KeyErasedError(f"the key {name} was erased, and what it sealed with it")
        if len(key) != KEY_BYTES:
            raise SealingError(f"{path} holds {len(key)} bytes; a key has {KEY_BYTES}. Restore it from its backup")
        return key

    def __call__(self, name: str) -> bytes:
        """The key of that name. Raises SealingError, KeyErasedError."""
        if self._path(name).is_file() and self._path(name).stat().st_size == len(_ERASED):
            self._cached.cache_clear()
        return self._cached(name)

    def ensure(self, name: str) -> bytes:
        """The key of that name, made now if there is none. Raises KeyErasedError."""
        try:
            return self(name)
        except KeyErasedError:
            raise
        except SealingError:
            path = self._path(name)
            if path.exists():
                raise
            fresh = path.with_suffix(f".{secrets.token_hex(8)}")
            try:
                _write(fresh, secrets.token_bytes(KEY_BYTES))
                os.link(fresh, path)
            except FileExistsError:
                return self(name)
            finally:
                fresh.unlink(missing_ok=True)
            _sync(self._directory)
            return self(name)

    def erase(self, name: str) -> None:
        """Overwrite and delete a key for ever; doing it again changes nothing."""
        path = self._path(name)
        if path.exists():
            # In its own place, which a disk without room has for it too.
            with path.open("r+b") as file:
                for content in (secrets.token_bytes(KEY_BYTES), _ERASED):
                    file.seek(0)
                    file.write(content)
                    file.truncate()
                    file.flush()
                    os.fsync(file.fileno())
        else:
            tombstone = path.with_suffix(".erased")
            _write(tombstone, _ERASED)
            tombstone.replace(path)
            _sync(self._directory)
        self._cached.cache_clear()

    def seal(self, fact: Fact, event_id: str) -> bytes:
        """The data of a stored event: the fact's JSON with every open value sealed for `event_id`."""
        if not may_seal(type(fact)):
            return fact.as_json()
        closed = {
            path: seal_field(
                sealed,
                event_id=event_id,
                path=path,
                key=self.ensure(sealed.key),
                nonce=secrets.token_bytes(NONCE_BYTES),
            )
            for path, sealed in sealed_fields(fact)
            if not sealed.ciphertext
        }
        return (_closed(fact, closed) if closed else fact).as_json()


def _closed(fact: Fact, closed: dict[str, dict[str, str]], prefix: str = "") -> Fact:
    changes = {}
    for name in type(fact).__pydantic_fields__:
        value = getattr(fact, name, None)
        changed = _closed_value(value, closed, f"{prefix}{name}")
        if changed is not value:
            changes[name] = changed
    return fact.model_copy(update=changes)


def _closed_value(value: object, closed: dict[str, dict[str, str]], path: str) -> object:
    if path in closed and isinstance(value, Sealed):
        return type(value)(key=value.key, **closed[path])
    inside = [key for key in closed if key.startswith(f"{path}.")]
    if not inside:
        return value
    if isinstance(value, tuple | list):
        return tuple(_closed_value(item, closed, f"{path}.{index}") for index, item in enumerate(value))
    return _closed(value, closed, f"{path}.")  # type: ignore[arg-type]


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
