"""Is a log what its checkpoint says, and what checkpoints remembered elsewhere said? Every difference is named by its entry."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from services.audit.log.alignment import moved_of, paired
from services.audit.log.files import CHECKPOINT, Fetch, checkpoint_of, hash_tiles, read_tile
from services.audit.log.leaf import LeafError, read_leaf, unbundle
from services.audit.log.note import Checkpoint, NoteError, Policy, VerifierKey
from services.audit.log.tree import (
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    TileMissingError,
    Tree,
    root_of,
    split,
    tile_path,
    tiles_of,
)

Kind = Literal[
    "checkpoint_missing",
    "not_signed",
    "altered",
    "removed",
    "inserted",
    "reordered",
    "bundle_unreadable",
    "tile_altered",
    "tile_missing",
    "root_differs",
    "rewritten",
    "cut_back",
    "omitted",
    "repeated",
    "not_an_entry",
]
NAMED_LIMIT = 1_000
BUNDLES_AT_ONCE = 64


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold. `first` and `last` are entries of the log, from 0, inclusive; -1 where it is no entry."""

    kind: Kind
    first: int = -1
    last: int = -1
    chain: str = ""
    number: int = 0
    """The fact's number in its chain, where that is known."""
    event_id: str = ""
    what: str = ""

    def as_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


@dataclass
class Verified:
    """What a verification came to."""

    origin: str = ""
    size: int = 0
    root: str = ""
    signed_by: list[str] = field(default_factory=list)
    cosigned_by: list[str] = field(default_factory=list)
    remembered: list[int] = field(default_factory=list)
    """Sizes of the remembered checkpoints that this log goes on from."""
    chains: dict[str, int] = field(default_factory=dict)
    """Chain to the number of its last fact in the log."""
    findings: list[Finding] = field(default_factory=list)
    not_named: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings and not self.not_named

    def found(self, finding: Finding) -> None:
        """Note a finding; beyond a thousand they are counted."""
        if len(self.findings) < NAMED_LIMIT:
            self.findings.append(finding)
        else:
            self.not_named += 1

    def as_json(self) -> dict[str, Any]:
        """Members: `holds` and every field."""
        return {"holds": self.holds} | asdict(self)


def verify(
    fetch: Fetch,
    policy: Policy,
    remembered: Iterable[Checkpoint] = (),
    *,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> Verified:
    """Check signatures, recompute the whole tree from the entries, follow every chain, and go on from what is remembered.

    Args:
        fetch: reads the log's files.
        policy: the log keys and witnesses that the verifier trusts; never the log's own file alone, which lies with the log.
        remembered: earlier checkpoints, from events, witnesses, bundles or notes taken before.
        progress: called with entries read and entries in all.
        executor: hashes bundles in other processes, where the log is large.
    """
    result = Verified()
    try:
        checkpoint = checkpoint_of(fetch)
    except (NoteError, UnicodeDecodeError) as error:
        result.found(Finding("checkpoint_missing", what=f"{CHECKPOINT}: {error}"))
        return result
    if checkpoint is None:
        result.found(Finding("checkpoint_missing", what=f"there is no {CHECKPOINT}"))
        return result
    result.origin, result.size, result.root = checkpoint.origin, checkpoint.size, checkpoint.root.hex()
    remembered = list(remembered)
    _signatures(checkpoint, policy, result)
    _keys_go_on(checkpoint, policy, remembered, result)
    whole = _Whole(fetch, checkpoint, result)
    whole.read(progress or (lambda _, __: None), executor)
    whole.judge()
    _remembered(whole, policy, remembered, result)
    result.findings.sort(key=lambda finding: (finding.first, finding.kind))
    return result


def _signatures(checkpoint: Checkpoint, policy: Policy, result: Verified) -> None:
    try:
        result.cosigned_by = policy.check(checkpoint)
        result.signed_by = [str(key) for key in policy.logs if key.name == checkpoint.origin and checkpoint.by(key)]
    except NoteError as error:
        result.found(Finding("not_signed", what=str(error)))


def _keys_go_on(checkpoint: Checkpoint, policy: Policy, remembered: Sequence[Checkpoint], result: Verified) -> None:
    """A key that was replaced signs nothing any more: its successor was vouched for in a checkpoint of a size up to this one."""
    named = [key for key in policy.logs if key.name == checkpoint.origin]

    def newest(one: Checkpoint) -> int:
        return max((at for at, key in enumerate(named) if _signed(one, key)), default=-1)

    since = max((newest(one) for one in remembered if one.size <= checkpoint.size), default=-1)
    if 0 <= newest(checkpoint) < since:
        result.found(Finding("not_signed", what=f"signed with a key that {named[since]} had replaced"))


def _signed(checkpoint: Checkpoint, key: VerifierKey) -> bool:
    try:
        return checkpoint.by(key) is not None
    except NoteError:
        return False


def hashed(bundle: bytes, count: int) -> tuple[list[bytes], list[tuple[int, str, int, str]], int]:
    """A bundle's first `count` entries: their hashes, (place, chain, number, id) of each, and how many are no entries.

    Raises:
        LeafError: the bundle is cut off.
    """
    sha256 = hashlib.sha256
    entries = unbundle(bundle)[:count]
    named, wrong = [], 0
    for place, entry in enumerate(entries):
        try:
            told = read_leaf(entry)
            named.append((place, told["chain"], told["number"], told["id"]))
        except LeafError:
            named.append((place, "", 0, ""))
            wrong += 1
    return [sha256(b"\x00" + entry).digest() for entry in entries], named, wrong


def _hashed_all(
    work: Sequence[tuple[bytes, int]],
) -> list[tuple[list[bytes], list[tuple[int, str, int, str]], int] | None]:
    done: list[tuple[list[bytes], list[tuple[int, str, int, str]], int] | None] = []
    for data, count in work:
        try:
            done.append(hashed(data, count))
        except LeafError:
            done.append(None)
    return done


class _Whole:
    """Every entry and every tile of a log, read once."""

    def __init__(self, fetch: Fetch, checkpoint: Checkpoint, result: Verified) -> None:
        self._fetch, self._checkpoint, self._result = fetch, checkpoint, result
        self.leaves: list[bytes] = []
        """Leaf hashes computed from the entries as they lie there."""
        self.named: list[tuple[str, int, str]] = []
        """(chain, number, id) of each entry read."""
        self.stored: list[bytes] = []
        """Leaf hashes as the tiles of level 0 hold them."""
        self.tree = Tree(0, hash_tiles(fetch))
        """The tree of the log: over its entries, or over its tiles where these alone give the root that was signed."""
        self._unread: list[tuple[int, int]] = []
        self._ragged = False

    def read(self, progress: Callable[[int, int], None], executor: Executor | None) -> None:
        size = self._checkpoint.size
        widths = [(index, min(WIDTH, size - index * WIDTH)) for index in range((size + WIDTH - 1) // WIDTH)]
        groups = [widths[start : start + BUNDLES_AT_ONCE] for start in range(0, len(widths), BUNDLES_AT_ONCE)]
        works = (self._load(group) for group in groups)
        results = executor.map(_hashed_all, works) if executor is not None else map(_hashed_all, works)
        for group, done in zip(groups, results, strict=True):
            for (index, width), part in zip(group, done, strict=True):
                self._take(index, width, part)
            progress(min(size, (group[-1][0] + 1) * WIDTH), size)
        for index, width in widths:
            try:
                tile = read_tile(self._fetch, 0, index, width)[: width * HASH_BYTES]
                self.stored.extend(split(tile.ljust(width * HASH_BYTES, b"\0")))
            except TileMissingError as error:
                self.stored.extend([b""] * width)
                self._result.found(Finding("tile_missing", index * WIDTH, index * WIDTH + width - 1, what=str(error)))

    def _load(self, group: Sequence[tuple[int, int]]) -> list[tuple[bytes, int]]:
        loaded = []
        for index, width in group:
            try:
                # One entry more than there should be shows what was put in behind the last.
                loaded.append((read_tile(self._fetch, ENTRIES, index, width), WIDTH + 1 if width == WIDTH else width))
            except TileMissingError as error:
                loaded.append((b"", 0))
                self._unread.append((index, width))
                self._result.found(Finding("tile_missing", index * WIDTH, index * WIDTH + width - 1, what=str(error)))
        return loaded

    def _take(self, index: int, width: int, part: Any) -> None:
        if part is None:
            what = f"{tile_path(ENTRIES, index, width)} ends inside an entry"
            self._result.found(Finding("bundle_unreadable", index * WIDTH, index * WIDTH + width - 1, what=what))
            self._unread.append((index, width))
            part = ([], [], 0)
        hashes, named, _ = part
        self._ragged = self._ragged or len(hashes) != width
        self.leaves.extend(hashes)
        self.named.extend((chain, number, event_id) for _, chain, number, event_id in named)

    def judge(self) -> None:
        """Which copy is wrong, the entries or the tiles: the root of the checkpoint vouches for one of them."""
        root = self._checkpoint.root
        self.tree, levels = _tree_of(self.leaves)
        given = self.tree.root()
        if self.leaves == self.stored:
            if given != root:
                what = "entries and tiles agree, and give another root than the checkpoint's"
                self._result.found(Finding("root_differs", what=what))
            self._tiles_above(levels)
        elif not self._ragged and given == root:
            for place, (mine, stored) in enumerate(zip(self.leaves, self.stored, strict=True)):
                if mine != stored and stored:
                    self._result.found(
                        Finding("tile_altered", place, place, *self._name(place), what=tile_path(0, place // WIDTH))
                    )
            self._tiles_above(levels)
        else:
            tree, levels = _tree_of(self.stored)
            if tree.root() == root:
                self.tree = tree
            else:
                self._result.found(
                    Finding("root_differs", what="neither entries nor tiles give the root of the checkpoint")
                )
            self._entries_against(self.stored)
            self._tiles_above(levels)
        self._chains()

    def _name(self, place: int) -> tuple[str, int, str]:
        return self.named[place] if place < len(self.named) else ("", 0, "")

    def _entries_against(self, stored: Sequence[bytes]) -> None:
        """Name what became of each entry, by the hashes that the tiles hold."""
        where: dict[bytes, int] = {}
        for place, link in enumerate(stored):
            where.setdefault(link, place)
        unread = {place for index, width in self._unread for place in range(index * WIDTH, index * WIDTH + width)}
        present: set[int] = set()
        kept: list[tuple[int, int]] = []
        strange: list[int] = []
        for place, link in enumerate(self.leaves):
            meant = where.get(link)
            if meant is None or meant in present:
                strange.append(place)
            else:
                present.add(meant)
                kept.append((place, meant))
        missing = [p for p in range(len(stored)) if p not in present and stored[p] and p not in unread]
        moved = moved_of([meant for _, meant in kept])
        for position, (place, meant) in enumerate(kept):
            if position in moved:
                self._result.found(Finding("reordered", meant, meant, *self._name(place), what=f"lies at {place}"))
        for kind, meant, place in paired(missing, strange, kept):
            if kind == "removed":
                self._result.found(Finding("removed", meant, meant, *self._gap(place), what="its hash is in the tiles"))
            elif kind == "altered":
                self._result.found(
                    Finding("altered", meant, meant, *self._name(place), what="its hash in the tiles is another")
                )
            else:
                self._result.found(Finding("inserted", place, place, *self._name(place), what="no tile holds its hash"))

    def _gap(self, place: int) -> tuple[str, int, str]:
        """What was removed before the entry that now lies at `place`: a hole in the chain of a neighbour names it."""
        after = self._name(place)
        before = next((self.named[p] for p in range(place - 1, -1, -1) if self.named[p][0] == after[0]), None)
        if after[0] and before is not None and after[1] - before[1] == 2:
            return after[0], before[1] + 1, ""
        return "", 0, ""

    def _tiles_above(self, levels: Sequence[Sequence[bytes]]) -> None:
        """Every tile above level 0 against the hashes below it."""
        read = hash_tiles(self._fetch)
        for level, index, width in tiles_of(self._checkpoint.size):
            if level == 0:
                continue
            try:
                tile = split(read(level, index, width))
            except TileMissingError as error:
                first, last = index * WIDTH ** (level + 1), self._checkpoint.size - 1
                last = min(first + WIDTH ** (level + 1) - 1, last)
                self._result.found(Finding("tile_missing", first, last, what=str(error)))
                continue
            meant = levels[level][index * WIDTH : index * WIDTH + width] if level < len(levels) else ()
            for place, link in enumerate(tile):
                if place >= len(meant) or link != meant[place]:
                    first = (index * WIDTH + place) * WIDTH**level
                    last = min(first + WIDTH**level, self._checkpoint.size) - 1
                    self._result.found(Finding("tile_altered", first, last, what=tile_path(level, index, width)))

    def _chains(self) -> None:
        """Every chain in the log begins at 1 and leaves no number out."""
        reached = self._result.chains
        for place, (chain, number, event_id) in enumerate(self.named):
            if not chain:
                self._result.found(
                    Finding("not_an_entry", place, place, what="not canonical JSON of the members it should have")
                )
                continue
            expected = reached.get(chain, 0) + 1
            if number > expected:
                for absent in range(expected, min(number, expected + NAMED_LIMIT)):
                    self._result.found(
                        Finding("omitted", place, place, chain, absent, what="the log was built without it")
                    )
            elif number < expected:
                self._result.found(
                    Finding("repeated", place, place, chain, number, event_id, what="the chain was past this number")
                )
            reached[chain] = max(number, expected - 1)


def _remembered(whole: _Whole, policy: Policy, remembered: Iterable[Checkpoint], result: Verified) -> None:
    """The log goes on from each remembered checkpoint; where it does not, the entries between two of them were rewritten."""
    tree, held = whole.tree, 0
    for checkpoint in sorted(remembered, key=lambda one: one.size):
        if checkpoint.origin != result.origin:
            result.found(Finding("rewritten", what=f"a checkpoint of {checkpoint.origin} is none of {result.origin}"))
            continue
        try:
            policy.check(checkpoint)
        except NoteError as error:
            if "quorum" not in str(error):
                result.found(Finding("not_signed", what=f"remembered checkpoint of {checkpoint.size} entries: {error}"))
                continue
        if checkpoint.size > result.size:
            what = f"a checkpoint of {checkpoint.size} entries is remembered; the log now has {result.size}"
            result.found(Finding("cut_back", result.size, checkpoint.size - 1, what=what))
            continue
        if checkpoint.size <= tree.size and tree.root(0, checkpoint.size) == checkpoint.root:
            held = checkpoint.size
            result.remembered.append(checkpoint.size)
        else:
            what = f"entries {held} to {checkpoint.size - 1} are not those of the remembered checkpoint of {checkpoint.size} entries"
            result.found(Finding("rewritten", held, checkpoint.size - 1, what=what))
            break


def _tree_of(leaves: Sequence[bytes]) -> tuple[Tree, list[list[bytes]]]:
    """A tree over leaf hashes, and its hashes level by level as tiles hold them."""
    levels: list[list[bytes]] = [list(leaves)]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        levels.append([root_of(below[n * WIDTH : (n + 1) * WIDTH]) for n in range(len(below) // WIDTH)])

    def read(level: int, index: int, width: int) -> bytes:
        return b"".join(levels[level][index * WIDTH : index * WIDTH + width])

    return Tree(len(leaves), read), levels
