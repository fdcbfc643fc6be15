"""Our Merkle trees against RFC 6962's own words, tlog-scales and pymerkle."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from pymerkle import InmemoryTree
from pymerkle.proof import verify_consistency, verify_inclusion
from tlog_scales.tiles import tile_path as their_tile_path
from tlog_scales.tlog import ConsistencyProof, InclusionProof

from services.audit.log.tree import (
    EMPTY,
    WIDTH,
    Frontier,
    ProofError,
    Tree,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    root_of,
    tile_path,
    tiles_of,
)

SIZES = (1, 2, 3, 5, 7, 8, 255, 256, 257, 511, 512, 600, 1_000)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(f"entry {number}".encode()) for number in range(size)]


def mth(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(mth(hashes[:k]), mth(hashes[k:]))


def grown(size: int, *, at_once: int = 97) -> tuple[Frontier, Tree]:
    """A tree added to in parts, and the tiles it left."""
    frontier, tiles = Frontier(), {}
    hashes = leaves(size)
    for start in range(0, size, at_once):
        for level, index, data in frontier.append(hashes[start : start + at_once]):
            tiles[level, index] = data
    tiles |= {(level, index): data for level, index, data in frontier.partials()}
    return frontier, Tree(size, lambda level, index, width: tiles[level, index][: width * 32])


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_that_of_the_rfc_however_the_tree_grew(size: int) -> None:
    frontier, tree = grown(size)
    assert frontier.root() == tree.root() == root_of(leaves(size)) == mth(leaves(size))
    for end in range(0, size + 1, 41):
        assert tree.root(0, end) == mth(leaves(end))


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    assert Frontier().root() == root_of([]) == EMPTY


def test_the_tiles_of_seventy_thousand_entries_are_those_of_the_specification() -> None:
    found = list(tiles_of(70_000))
    assert sum(level == 0 and width == WIDTH for level, _, width in found) == 273
    assert [tile for tile in found if tile[2] != WIDTH] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert sum(level == 1 and width == WIDTH for level, _, width in found) == 1
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]


@pytest.mark.parametrize("index", [0, 7, 999, 1_000, 273_415, 1_234_067])
def test_a_tile_lies_where_others_look_for_it(index: int) -> None:
    assert tile_path(0, index) == "/".join(their_tile_path(0, index))
    assert tile_path("entries", index, 17) == "/".join(their_tile_path(-1, index, 17))
    assert tile_path(1, 1_234_067) == "tile/1/x001/x234/067"


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_convinces_us_and_others_and_no_wrong_one_does(size: int) -> None:
    _, tree = grown(size)
    hashes, root = leaves(size), tree.root()
    for index in {0, size // 2, size - 1, *range(0, size, 61)}:
        proof = tree.inclusion(index)
        check_inclusion(hashes[index], index, size, proof, root)
        InclusionProof(index, size, proof).check(hashes[index], root)
        with pytest.raises(ProofError):
            check_inclusion(leaf_hash(b"another"), index, size, proof, root)
        with pytest.raises(ProofError):
            check_inclusion(hashes[index], index, size, [*proof, EMPTY], root)
        for place in range(len(proof)):
            with pytest.raises(ProofError):
                check_inclusion(hashes[index], index, size, [*proof[:place], EMPTY, *proof[place + 1 :]], root)
    with pytest.raises(ProofError):
        tree.inclusion(size)


def test_every_consistency_proof_convinces_us_and_others_and_no_wrong_one_does() -> None:
    _, tree = grown(600)
    chance = random.Random(6962)
    for old, size in [
        (0, 600),
        (600, 600),
        (256, 600),
        (1, 2),
        *(sorted(chance.sample(range(601), 2)) for _ in range(120)),
    ]:
        proof, before, after = tree.consistency(old, size), tree.root(0, old), tree.root(0, size)
        check_consistency(old, size, proof, before, after)
        ConsistencyProof(old, size, proof).check(before, after)
        with pytest.raises(ProofError):
            check_consistency(old, size, proof, leaf_hash(b"another"), after)
        if 0 < old < size:
            with pytest.raises(ProofError):
                check_consistency(old, size, proof, before, leaf_hash(b"another"))


def test_pymerkle_gives_the_same_roots_and_accepts_the_same_proofs(tmp_path: Path) -> None:
    theirs = InmemoryTree(algorithm="sha256")
    entries = [f"entry {number}".encode() for number in range(300)]
    for entry in entries:
        theirs.append_entry(entry)
    _, tree = grown(300)
    for size in (1, 2, 77, 256, 299, 300):
        assert theirs.get_root(size) == tree.root(0, size)
    for index in (0, 130, 299):
        made = theirs.prove_inclusion(index + 1)  # it counts from one
        verify_inclusion(leaf_hash(entries[index]), tree.root(), made)
        ours = set(tree.inclusion(index))
        assert ours <= set(made.path)
    verify_consistency(tree.root(0, 130), tree.root(), theirs.prove_consistency(130, 300))
