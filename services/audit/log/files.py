"""A log on disk: static files in the layout of C2SP tlog-tiles, written so that a kill at any moment leaves a valid log.

Order: salts, entries, tiles, where to go on, checkpoint. Each file is written beside its place, synced and renamed. Whatever
lies beyond the size of the checkpoint is what a dead process left; the next build writes it anew.
"""

import contextlib
import fcntl
import json
import os
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from services.audit.log.disk import Disk, write_whole
from services.audit.log.leaf import SALT_BYTES, bundle, read_leaf, unbundle
from services.audit.log.note import Checkpoint, NoteError, Policy, Signer
from services.audit.log.tree import ENTRIES, HASH_BYTES, WIDTH, Frontier, TileMissingError, leaf_hash, tile_path
from services.kernel.crash import crash_point

Fetch = Callable[[str], bytes | None]
"""A path below a log's prefix to its bytes, None where there is none."""
CHECKPOINT, POLICY, PROGRESS = "checkpoint", "policy", "progress.json"
_PLACE_BYTES = 8


class LogError(Exception):
    """The files of a log are not what its checkpoint says; the message names the file."""


def at(place: str | Path, *, client: httpx.Client | None = None) -> Fetch:
    """Reads a log in a directory or below an `http(s)://` prefix."""
    if str(place).startswith(("http://", "https://")):
        prefix, asked = str(place).rstrip("/"), client or httpx.Client(timeout=30)

        def over_http(path: str) -> bytes | None:
            answer = asked.get(f"{prefix}/{path}")
            if answer.status_code in (404, 403, 410):
                return None
            return answer.raise_for_status().content

        return over_http
    directory = Path(place)

    def from_disk(path: str) -> bytes | None:
        try:
            return (directory / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    return from_disk


def read_tile(fetch: Fetch, level: int | str, index: int, width: int) -> bytes:
    """A tile or bundle; where the partial one is gone, the full one that replaced it. Raises TileMissingError."""
    data = fetch(tile_path(level, index, width))
    if data is None and width != WIDTH:
        data = fetch(tile_path(level, index))
    if data is None:
        raise TileMissingError(tile_path(level, index, width))
    return data


def hash_tiles(fetch: Fetch) -> Callable[[int, int, int], bytes]:
    """The hash tiles of a log, as `Tree` and `Frontier` read them."""

    def read(level: int, index: int, width: int) -> bytes:
        data = read_tile(fetch, level, index, width)[: width * HASH_BYTES]
        if len(data) < width * HASH_BYTES:
            raise TileMissingError(f"{tile_path(level, index, width)} is cut off")
        return data

    return read


def entries_of(fetch: Fetch, index: int, width: int) -> list[bytes]:
    """The first `width` entries of a bundle. Raises TileMissingError, LeafError."""
    return unbundle(read_tile(fetch, ENTRIES, index, width))[:width]


def entry_at(fetch: Fetch, index: int, size: int) -> bytes:
    """One entry of a log of `size` entries. Raises TileMissingError, LeafError."""
    number, place = divmod(index, WIDTH)
    width = WIDTH if number < size // WIDTH else size % WIDTH
    return entries_of(fetch, number, width)[place]


def checkpoint_of(fetch: Fetch) -> Checkpoint | None:
    """The checkpoint of a log, unverified. Raises NoteError."""
    data = fetch(CHECKPOINT)
    return None if data is None else Checkpoint.parse(data.decode(errors="strict"))


class Salts:
    """The salts of a log's commitments, apart from it: 16 bytes an entry in one file beside the keys.

    They hide what an entry commits to from whoever reads the log alone. Overwriting one makes its commitment say nothing for
    ever, for a fact whose very bytes must go; the erasure of a person needs none of that, for sealed fields keep the bytes.
    """

    def __init__(self, path: Path) -> None:
        """`path` is made readable by its owner alone when the first salt is written."""
        self._path = path

    def write(self, first: int, salts: bytes) -> None:
        """Put salts in their places from entry `first` on, synced."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, salts, first * SALT_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, index: int) -> bytes | None:
        """The salt of an entry; None where it is not held or was erased."""
        return self.several(index, 1)[0]

    def several(self, first: int, count: int) -> list[bytes | None]:
        """The salts of `count` entries from `first` on."""
        try:
            with self._path.open("rb") as file:
                file.seek(first * SALT_BYTES)
                data = file.read(count * SALT_BYTES)
        except FileNotFoundError:
            data = b""
        parts = [data[at * SALT_BYTES : (at + 1) * SALT_BYTES] for at in range(count)]
        return [part if len(part) == SALT_BYTES and any(part) else None for part in parts]

    def erase(self, index: int) -> None:
        """Overwrite one salt for ever."""
        self.write(index, bytes(SALT_BYTES))


class LogFiles:
    """The log of one property, open for adding by one process at a time."""

    def __init__(self, directory: Path, salts: Salts) -> None:
        """Use `directory`; what a killed build left behind is written anew by the next."""
        self.directory, self.salts = directory, salts
        self.fetch = at(directory)
        self.frontier = Frontier()
        self.cursors: dict[str, int] = {}
        """Chain to the number of its last fact in the log."""
        self._pending: list[bytes] = []
        """Entries of the bundle that is not full yet."""
        self.checkpoint: Checkpoint | None = None
        with contextlib.suppress(NoteError):
            self.checkpoint = checkpoint_of(self.fetch)
        self._loaded = False
        self._uncommitted = False
        self._unsynced: set[Path] = set()
        self._disk = Disk()

    @contextlib.contextmanager
    def adding(self) -> Iterator["LogFiles"]:
        """Hold the log's lock, at the state of its checkpoint. Raises LogError when its files do not hold together."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._disk.forget()
            self._load()
            try:
                yield self
            finally:
                self._disk.forget()

    def _load(self) -> None:
        try:
            found = checkpoint_of(self.fetch)
            same = found is not None and self.checkpoint is not None and found.body == self.checkpoint.body
            if same and self._loaded and not self._uncommitted:
                self.checkpoint = found
                return
            self.checkpoint, size = found, 0 if found is None else found.size
            self.frontier = Frontier.of(size, hash_tiles(self.fetch))
            self._pending = entries_of(self.fetch, size // WIDTH, size % WIDTH) if size % WIDTH else []
            if found is not None and self.frontier.root() != found.root:
                raise LogError(
                    f"{self.directory}: the tiles do not give the root of the checkpoint; `bailiwick audit verify` says where"
                )
            self.cursors = self._progress(size)
        except (TileMissingError, NoteError, ValueError) as error:
            raise LogError(f"{self.directory}: {error}; `bailiwick audit verify` says what is wrong") from error
        self._loaded, self._uncommitted = True, False

    def _progress(self, size: int) -> dict[str, int]:
        if size == 0:
            return {}
        noted = json.loads(self.fetch(PROGRESS) or b"{}")
        if noted.get("size") == size:
            return {str(chain): int(number) for chain, number in noted["chains"].items()}
        cursors: dict[str, int] = {}
        for index in range((size + WIDTH - 1) // WIDTH):
            for entry in entries_of(self.fetch, index, min(WIDTH, size - index * WIDTH)):
                told = read_leaf(entry)
                cursors[told["chain"]] = max(cursors.get(told["chain"], 0), told["number"])
        return cursors

    def append(self, entries: Sequence[bytes], salts: Sequence[bytes], places: Sequence[tuple[str, int]]) -> None:
        """Add entries behind the last, with the salt, and the chain and number, of each; nothing counts before `commit`."""
        first = self.frontier.size
        self._note_places(first, places)
        self.salts.write(first, b"".join(salts))
        crash_point("log-salts")
        self._uncommitted = True
        self._pending.extend(entries)
        number = first // WIDTH
        while len(self._pending) >= WIDTH:
            self._write(tile_path(ENTRIES, number), bundle(self._pending[:WIDTH]))
            del self._pending[:WIDTH]
            number += 1
        for level, index, data in self.frontier.append([leaf_hash(entry) for entry in entries]):
            self._write(tile_path(level, index), data)

    def place(self, chain: str, number: int) -> int | None:
        """Where in the log a fact of a chain stands, as noted when it was added; None where it is not in the log."""
        size = self.checkpoint.size if self.checkpoint is not None else 0
        try:
            with self._places(chain).open("rb") as file:
                file.seek((number - 1) * _PLACE_BYTES)
                data = file.read(_PLACE_BYTES)
        except FileNotFoundError:
            return None
        found = int.from_bytes(data, "big") - 1 if len(data) == _PLACE_BYTES else -1
        return found if 0 <= found < size else None

    def _places(self, chain: str) -> Path:
        return self.directory / "places" / chain.replace("/", ".")

    def _note_places(self, first: int, places: Sequence[tuple[str, int]]) -> None:
        """Per chain a file of eight bytes a number, so that a proof is found without a search. It is no part of the log."""
        runs: list[tuple[str, int, list[int]]] = []
        chain, expected = "", 0
        for index, (name, number) in enumerate(places, start=first + 1):
            if name != chain or number != expected:
                runs.append((name, number, []))
                chain = name
            runs[-1][2].append(index)
            expected = number + 1
        for name, start, held in runs:
            path = self._places(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            os.pwrite(descriptor, struct.pack(f">{len(held)}Q", *held), (start - 1) * _PLACE_BYTES)
            self._disk.settle(descriptor)

    def commit(self, origin: str, signers: Iterable[Signer], cursors: Mapping[str, int]) -> Checkpoint:
        """Make what was added part of the log: partial tiles, then where to go on, then the checkpoint by rename."""
        size = self.frontier.size
        if self._pending:
            self._write(tile_path(ENTRIES, size // WIDTH, size % WIDTH), bundle(self._pending))
        self._sync()
        crash_point("log-entries")
        for level, index, data in self.frontier.partials():
            self._write(tile_path(level, index, len(data) // HASH_BYTES), data)
        self._write(PROGRESS, json.dumps({"size": size, "chains": dict(sorted(cursors.items()))}).encode())
        self._sync()
        crash_point("log-tiles")
        made = Checkpoint(origin, size, self.frontier.root()).signed(*signers)
        self.replace(CHECKPOINT, str(made).encode())
        crash_point("log-checkpoint")
        before = self.checkpoint.size if self.checkpoint is not None else 0
        self.checkpoint, self.cursors, self._uncommitted = made, dict(cursors), False
        self._tidy(before, size)
        return made

    def replace(self, path: str, data: bytes) -> None:
        """Put one file in its place, whole or not at all, synced."""
        self._write(path, data)
        self._sync()

    def _write(self, path: str, data: bytes) -> None:
        place = self.directory / path
        if place.parent not in self._unsynced:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._unsynced.update(
                {place.parent, *[p for p in place.parent.parents if p.is_relative_to(self.directory)]}
            )
        part = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        write_whole(descriptor, data)
        self._disk.settle(descriptor, part, place)

    def _sync(self) -> None:
        """Everything written so far lies on the disk, and in its place."""
        self._disk.wait()
        for directory in sorted(self._unsynced, reverse=True):
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._unsynced.clear()

    def _tidy(self, before: int, size: int) -> None:
        """Take partial tiles away that full ones have replaced."""
        hashes, after, level = before, size, 0
        while hashes:
            if hashes % WIDTH and hashes // WIDTH < after // WIDTH:
                for kind in (level, ENTRIES) if level == 0 else (level,):
                    place = self.directory / f"{tile_path(kind, hashes // WIDTH)}.p"
                    for part in place.glob("*") if place.is_dir() else ():
                        part.unlink()
                    with contextlib.suppress(OSError):
                        place.rmdir()
            hashes, after, level = hashes // WIDTH, after // WIDTH, level + 1

    def current(self) -> Checkpoint | None:
        """The checkpoint as it lies there now, with whatever a witness put under it. Raises NoteError."""
        return checkpoint_of(self.fetch)

    def policy(self) -> Policy | None:
        """The policy file. Raises NoteError."""
        data = self.fetch(POLICY)
        return None if data is None else Policy.parse(data.decode())
