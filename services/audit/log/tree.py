"""Merkle trees of RFC 6962 in tiles of 256 hashes (C2SP tlog-tiles): roots, inclusion and consistency proofs. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

WIDTH = 256
"""Hashes of a full tile, entries of a full bundle."""
HASH_BYTES = 32
ENTRIES = "entries"
"""The level that holds entry bundles instead of hashes."""
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without entries."""
ReadTile = Callable[[int, int, int], bytes]
"""(level, index, width) to the first `width` hashes of that tile; raises `TileMissingError`."""


class TileMissingError(Exception):
    """A tile that a tree of this size has cannot be read. Its path is the message."""


class ProofError(ValueError):
    """A proof does not hold; the message says at which step."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over the hashes of perfect subtrees of one height, e.g. of leaves."""
    if not hashes:
        return EMPTY
    sha256 = hashlib.sha256
    level = list(hashes)
    while len(level) > 1:
        odd = level.pop() if len(level) % 2 else None
        pairs = iter(level)
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        if odd is not None:
            level.append(odd)
    return level[0]


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Where a tile lies: `tile/0/x001/x234/067`, with `.p/<W>` when it is partial."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    name = "/".join(parts)
    return f"tile/{level}/{name}" if width == WIDTH else f"tile/{level}/{name}.p/{width}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Every hash tile of a tree of `size` entries: (level, index, width), level by level."""
    level, hashes = 0, size
    while hashes:
        for index in range(hashes // WIDTH):
            yield level, index, WIDTH
        if hashes % WIDTH:
            yield level, hashes // WIDTH, hashes % WIDTH
        level, hashes = level + 1, hashes // WIDTH


def split(tile: bytes) -> list[bytes]:
    """A tile as its hashes."""
    return [tile[start : start + HASH_BYTES] for start in range(0, len(tile), HASH_BYTES)]


class Frontier:
    """The right edge of a growing tree: for each level the hashes that no full tile holds yet."""

    def __init__(self, size: int = 0, levels: Iterable[Sequence[bytes]] = ()) -> None:
        """Go on from a tree of `size` entries whose partial tiles hold `levels`, leaves first."""
        self.size = size
        self.levels = [list(level) for level in levels]

    @classmethod
    def of(cls, size: int, read: ReadTile) -> "Frontier":
        """The right edge of a stored tree. Raises TileMissingError."""
        levels = []
        level, hashes = 0, size
        while hashes:
            width = hashes % WIDTH
            levels.append(split(read(level, hashes // WIDTH, width)[: width * HASH_BYTES]) if width else [])
            level, hashes = level + 1, hashes // WIDTH
        return cls(size, levels)

    def append(self, leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        """Add leaf hashes; answers the tiles that became full: (level, index, bytes)."""
        full: list[tuple[int, int, bytes]] = []
        self.size += len(leaves)
        self._add(0, leaves, self.size - len(leaves), full)
        return full

    def _add(self, level: int, hashes: Sequence[bytes], before: int, full: list[tuple[int, int, bytes]]) -> None:
        if not hashes:
            return
        if level == len(self.levels):
            self.levels.append([])
        pending = [*self.levels[level], *hashes]
        first = before // WIDTH
        roots: list[bytes] = []
        while len(pending) >= WIDTH * (len(roots) + 1):
            part = pending[WIDTH * len(roots) : WIDTH * (len(roots) + 1)]
            full.append((level, first + len(roots), b"".join(part)))
            roots.append(root_of(part))
        self.levels[level] = pending[WIDTH * len(roots) :]
        self._add(level + 1, roots, first, full)

    def partials(self) -> Iterator[tuple[int, int, bytes]]:
        """The partial tiles of the tree as it stands: (level, index, bytes)."""
        hashes = self.size
        for level, pending in enumerate(self.levels):
            if pending:
                yield level, hashes // WIDTH, b"".join(pending)
            hashes //= WIDTH

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        peaks: list[bytes] = []
        for pending in reversed(self.levels):
            start = 0
            for bit in (128, 64, 32, 16, 8, 4, 2, 1):
                if len(pending) & bit:
                    peaks.append(root_of(pending[start : start + bit]))
                    start += bit
        root = peaks.pop() if peaks else EMPTY
        for peak in reversed(peaks):
            root = node_hash(peak, root)
        return root


class Tree:
    """A stored tree of `size` entries, read tile by tile."""

    def __init__(self, size: int, read: ReadTile) -> None:
        """`read` answers tiles of this tree."""
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self, start: int = 0, end: int | None = None) -> bytes:
        """The root over entries `start` to `end`, by default over all: what RFC 6962 calls MTH(D[start:end])."""
        end = self.size if end is None else end
        if start == end:
            return EMPTY
        level, first, last = 0, start, end
        while first % WIDTH == 0 and last % WIDTH == 0:
            level, first, last = level + 1, first // WIDTH, last // WIDTH
        if first // WIDTH == (last - 1) // WIDTH:
            return root_of([self._hash(level, index) for index in range(first, last)])
        middle = start + _below(end - start)
        return node_hash(self.root(start, middle), self.root(middle, end))

    def _hash(self, level: int, index: int) -> bytes:
        tile, place = divmod(index, WIDTH)
        if (level, tile) not in self._tiles:
            hashes = self.size // WIDTH**level
            width = WIDTH if tile < hashes // WIDTH else hashes % WIDTH
            self._tiles[level, tile] = self._read(level, tile, width)
        return self._tiles[level, tile][place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion proof of an entry in the tree of the first `size` entries (RFC 6962, 2.1.1)."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise ProofError(f"index {index} is none of a tree of {size} entries")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _below(end - start)
            if index < middle:
                proof.append(self.root(middle, end))
                end = middle
            else:
                proof.append(self.root(start, middle))
                start = middle
        return proof[::-1]

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the first `old` entries are the beginning of the first `size` (RFC 6962, 2.1.2)."""
        size = self.size if size is None else size
        if not 0 <= old <= size <= self.size:
            raise ProofError(f"a tree of {size} entries does not begin with {old}")
        return [] if old in (0, size) else self._subproof(old, 0, size, whole=True)

    def _subproof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        if old == end - start:
            return [] if whole else [self.root(start, end)]
        middle = start + _below(end - start)
        if old <= middle - start:
            return [*self._subproof(old, start, middle, whole=whole), self.root(middle, end)]
        return [*self._subproof(old - (middle - start), middle, end, whole=False), self.root(start, middle)]


def _below(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof (RFC 9162, 2.1.3.2). Raises ProofError."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} is none of a tree of {size} entries")
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is longer than the path to the root")
        if at % 2 or at == last:
            found = node_hash(sibling, found)
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise ProofError(f"entry {index} does not lead to the root of the checkpoint")


def check_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Check a consistency proof (RFC 9162, 2.1.4.2); every tree begins with the empty one. Raises ProofError."""
    if old in (0, size):
        if proof or (root if old else EMPTY) != old_root:
            raise ProofError(f"trees of {old} and {size} entries differ")
        return
    if not 0 < old < size:
        raise ProofError(f"a tree of {size} entries does not begin with {old}")
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, size - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    if not path:
        raise ProofError("the proof is empty")
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is longer than the path to the root")
        if at % 2 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    if last or older != old_root or newer != root:
        raise ProofError(f"the tree of {size} entries does not begin with the remembered {old}")
