"""What somebody may do to a log, or to the databases behind it."""

import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic_core import from_json, to_json

from services.audit.log.files import LogFiles, Salts
from services.audit.log.leaf import bundle, leaf_of, unbundle
from services.audit.log.note import Checkpoint, Signer
from services.audit.log.tree import WIDTH, leaf_hash, tile_path, tiles_of
from tests.audit.log.written import CHAINS, ORIGIN, Written, raw_of, salt_of


class Kept(Salts):
    """Salts whose file a hand can reach."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


@dataclass
class Crime:
    """A copy of the log and of the stores, one thing done to it, and who may be blamed for it."""

    clean: Written
    place: Path
    stores: dict[str, list[bytes]]
    chance: random.Random
    done: str = ""
    guilty: tuple[int, int] = (-1, -1)
    """The entries, first and last, of which one at least has to be named."""
    fact: tuple[str, int] = ("", 0)
    """The stored fact that has to be named."""
    replaced: bool = False
    """Whether the log's key was changed before."""

    @property
    def salts(self) -> "Kept":
        return Kept(self.place.parent / "salts.bin")

    @property
    def size(self) -> int:
        return self.clean.checkpoints[-1].size

    def bundle_at(self, index: int) -> tuple[Path, list[bytes], int]:
        number = index // WIDTH
        path = self.place / tile_path("entries", number, min(WIDTH, self.size - number * WIDTH))
        return path, unbundle(path.read_bytes()), index % WIDTH

    def anyone(self) -> int:
        return self.chance.randrange(self.size)

    def rewritten(self, facts: Iterable[bytes], signer: Signer | None = None, *, keep: int | None = None) -> None:
        """A whole log written anew from other facts, and signed."""
        forged = Written(self.place.parent / "forged", signer or self.clean.signer)
        raws = list(facts)[: keep if keep is not None else None]
        _write(forged, raws)
        shutil.rmtree(self.place)
        shutil.move(forged.place, self.place)


def _write(written: Written, raws: list[bytes]) -> None:
    with LogFiles(written.place, written.salts).adding() as log:
        entries = [leaf_of(raw, salt_of(index)) for index, raw in enumerate(raws)]
        told = [from_json(entry) for entry in entries]
        log.append(entries, [salt_of(n) for n in range(len(raws))], [(one["chain"], one["number"]) for one in told])
        log.commit(ORIGIN, [written.signer], {})


def alter_entry(crime: Crime) -> None:
    index = crime.anyone()
    path, entries, place = crime.bundle_at(index)
    entry = bytearray(entries[place])
    at_byte = crime.chance.randrange(len(entry))
    entry[at_byte] ^= 1 << crime.chance.randrange(8)
    path.write_bytes(bundle([*entries[:place], bytes(entry), *entries[place + 1 :]]))
    crime.guilty = (index, index)


def alter_any_byte_of_a_bundle(crime: Crime) -> None:
    path, entries, _ = crime.bundle_at(crime.anyone())
    data = bytearray(path.read_bytes())
    data[crime.chance.randrange(len(data))] ^= 1 << crime.chance.randrange(8)
    path.write_bytes(data)
    first = int(str(path.relative_to(crime.place)).split("/")[2][:3]) * WIDTH
    crime.guilty = (first, first + len(entries) - 1)


def remove_entry(crime: Crime) -> None:
    index = crime.anyone()
    path, entries, place = crime.bundle_at(index)
    path.write_bytes(bundle(entries[:place] + entries[place + 1 :]))
    crime.guilty = (index, index)


def insert_entry(crime: Crime) -> None:
    index = crime.anyone()
    path, entries, place = crime.bundle_at(index)
    forged = leaf_of(raw_of(CHAINS[0], 9_999), salt_of(9_999))
    path.write_bytes(bundle([*entries[:place], forged, *entries[place:]]))
    crime.guilty = (index, index)


def swap_entries(crime: Crime) -> None:
    first = crime.anyone()
    path, entries, place = crime.bundle_at(first)
    other = crime.chance.choice([n for n in range(len(entries)) if n != place])
    entries[place], entries[other] = entries[other], entries[place]
    path.write_bytes(bundle(entries))
    start = first - place
    crime.guilty = (start + min(place, other), start + max(place, other))


def delete_a_file(crime: Crime) -> None:
    level, index, width = crime.chance.choice(list(tiles_of(crime.size)))
    kind: int | str = crime.chance.choice((level, "entries")) if level == 0 else level
    (crime.place / tile_path(kind, index, width)).unlink()
    crime.guilty = (index * WIDTH ** (level + 1), min((index + 1) * WIDTH ** (level + 1), crime.size) - 1)


def alter_a_tile(crime: Crime) -> None:
    level, index, width = crime.chance.choice(list(tiles_of(crime.size)))
    path = crime.place / tile_path(level, index, width)
    data = bytearray(path.read_bytes())
    at_byte = crime.chance.randrange(len(data))
    data[at_byte] ^= 1 << crime.chance.randrange(8)
    path.write_bytes(data)
    span = WIDTH**level
    first = (index * WIDTH + at_byte // 32) * span
    crime.guilty = (first, min(first + span, crime.size) - 1)


def alter_entry_and_tile(crime: Crime) -> None:
    """A careful hand corrects the tile of level 0 as well; the checkpoint it cannot sign."""
    alter_entry(crime)
    index = crime.guilty[0]
    _, entries, place = crime.bundle_at(index)
    path = crime.place / tile_path(0, index // WIDTH, min(WIDTH, crime.size - index // WIDTH * WIDTH))
    data = path.read_bytes()
    path.write_bytes(data[: place * 32] + leaf_hash(entries[place]) + data[(place + 1) * 32 :])
    crime.guilty = (
        _between_checkpoints(crime, index)
        if index // WIDTH == crime.size // WIDTH
        else (index // WIDTH * WIDTH, index // WIDTH * WIDTH + WIDTH - 1)
    )


def cut_back_to_an_older_log(crime: Crime) -> None:
    keep = crime.chance.randrange(1, crime.size)
    crime.rewritten([raw for _, _, raw in crime.clean.facts], keep=keep)
    crime.guilty = (keep, crime.size - 1)


def rewrite_history_and_sign_with_the_true_key(crime: Crime) -> None:
    index = crime.anyone()
    raws = [raw for _, _, raw in crime.clean.facts]
    raws[index] = to_json(from_json(raws[index]) | {"actor": "s-forger"})
    crime.rewritten(raws)
    crime.guilty = _between_checkpoints(crime, index)
    crime.fact = (crime.clean.facts[index][0], crime.clean.facts[index][1])


def leave_a_fact_out_and_sign_with_the_true_key(crime: Crime) -> None:
    index = crime.chance.randrange(crime.size - 3)
    raws = [raw for _, _, raw in crime.clean.facts]
    crime.fact = (crime.clean.facts[index][0], crime.clean.facts[index][1])
    crime.rewritten(raws[:index] + raws[index + 1 :])


def sign_with_another_key(crime: Crime) -> None:
    crime.rewritten([raw for _, _, raw in crime.clean.facts], Signer(ORIGIN, bytes(32)))


def alter_the_checkpoint(crime: Crime) -> None:
    path = crime.place / "checkpoint"
    data = bytearray(path.read_bytes())
    data[crime.chance.randrange(len(data) - 1)] ^= 1 << crime.chance.randrange(7)
    path.write_bytes(data)


def alter_entry_and_every_tile_above(crime: Crime) -> None:
    """A whole tree that fits itself; only the checkpoint it cannot sign."""
    index = crime.anyone()
    raws = [raw for _, _, raw in crime.clean.facts]
    raws[index] = to_json(from_json(raws[index]) | {"actor": "s-forger"})
    note = (crime.place / "checkpoint").read_bytes()
    crime.rewritten(raws)
    (crime.place / "checkpoint").write_bytes(note)
    crime.guilty = _between_checkpoints(crime, index)


def _between_checkpoints(crime: Crime, index: int) -> tuple[int, int]:
    sizes = [0, *(checkpoint.size for checkpoint in crime.clean.checkpoints)]
    return next((a, b - 1) for a, b in pairwise(sizes) if a <= index < b)


def cut_a_file_off(crime: Crime) -> None:
    level, index, width = crime.chance.choice(list(tiles_of(crime.size)))
    kind: int | str = crime.chance.choice((level, "entries")) if level == 0 else level
    path = crime.place / tile_path(kind, index, width)
    data = path.read_bytes()
    path.write_bytes(data[: crime.chance.randrange(len(data))])
    crime.guilty = (index * WIDTH ** (level + 1), min((index + 1) * WIDTH ** (level + 1), crime.size) - 1)


def drop_the_last_entries_of_the_partial_bundle(crime: Crime) -> None:
    path, entries, _ = crime.bundle_at(crime.size - 1)
    keep = crime.chance.randrange(len(entries))
    path.write_bytes(bundle(entries[:keep]))
    crime.guilty = (crime.size - len(entries) + keep, crime.size - 1)


def swap_two_bundles(crime: Crime) -> None:
    one, other = (crime.place / tile_path("entries", number) for number in (0, 1))
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    crime.guilty = (0, 2 * WIDTH - 1)


def put_another_log_s_checkpoint(crime: Crime) -> None:
    """Of another property's log, signed with its own key, or of this name with a foreign one."""
    origin = crime.chance.choice(["log.example/south-court", ORIGIN])
    signer = Signer(origin, bytes([crime.chance.randrange(1, 256)]) * 32)
    found = crime.clean.checkpoints[-1]
    (crime.place / "checkpoint").write_text(str(Checkpoint(origin, found.size, found.root).signed(signer)))


def sign_with_the_key_that_was_replaced(crime: Crime) -> None:
    """Rewritten behind the change, and signed with the old key, which somebody kept."""
    crime.replaced = True
    keep = crime.chance.randrange(1, 40)
    raws = [raw for _, _, raw in crime.clean.facts]
    for _ in range(keep):
        chain = CHAINS[len(raws) % len(CHAINS)]
        number = sum(1 for raw in raws if from_json(raw)["source"].endswith(chain.split("/")[0])) + 1
        raws.append(raw_of(chain, number))
    crime.rewritten(raws)


def _stored(crime: Crime) -> tuple[str, list[bytes], int]:
    chain = crime.chance.choice(CHAINS)
    raws = crime.stores[chain]
    return chain, raws, crime.chance.randrange(len(raws))


def alter_a_stored_fact(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    raws[place] = to_json(from_json(raws[place]) | {"actor": "s-forger"})
    crime.fact = (chain, place + 1)


def delete_a_stored_fact(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    del raws[place]
    crime.fact = (chain, place + 1)


def delete_a_stored_fact_and_number_the_rest_anew(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    rest = [
        to_json(from_json(raw) | {"chainnumber": n}) for n, raw in enumerate(raws[:place] + raws[place + 1 :], start=1)
    ]
    raws[:] = rest
    crime.fact = (chain, place + 1)


def alter_a_salt(crime: Crime) -> None:
    index = crime.anyone()
    kept = bytearray(crime.salts.path.read_bytes())
    kept[index * 16 + crime.chance.randrange(16)] ^= 1 << crime.chance.randrange(8)
    crime.salts.path.write_bytes(kept)
    crime.fact = crime.clean.facts[index][:2]


def swap_the_salts_for_an_older_backup(crime: Crime) -> None:
    index = crime.anyone()
    crime.salts.path.write_bytes(crime.salts.path.read_bytes()[: index * 16])
    crime.fact = crime.clean.facts[index][:2]


def name_another_person_in_a_stored_fact(crime: Crime) -> None:
    """The pseudonym of somebody else, in the very place."""
    chain, raws, place = _stored(crime)
    document = from_json(raws[place])
    document["data"]["staff_id"] += "1"
    raws[place] = to_json(document)
    crime.fact = (chain, place + 1)


def move_a_stored_fact(crime: Crime) -> None:
    """Two facts exchange their numbers."""
    chain, raws, place = _stored(crime)
    other = crime.chance.choice([n for n in range(len(raws)) if n != place])
    first, second = (from_json(raws[n]) for n in (place, other))
    raws[place] = to_json(second | {"chainnumber": place + 1})
    raws[other] = to_json(first | {"chainnumber": other + 1})
    crime.fact = (chain, min(place, other) + 1)


def insert_a_fact_and_number_the_rest_anew(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    raws.insert(place, raw_of(chain, place + 1, note="put in"))
    raws[:] = [to_json(from_json(raw) | {"chainnumber": n}) for n, raw in enumerate(raws, start=1)]
    crime.fact = (chain, place + 1)


def swap_the_database_for_an_older_backup(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    crime.fact = (chain, place + 1)
    del raws[place:]


def swap_for_an_older_backup_that_went_on_differently(crime: Crime) -> None:
    chain, raws, place = _stored(crime)
    count = len(raws)
    crime.fact = (chain, place + 1)
    raws[place:] = [raw_of(chain, number, note="another life") for number in range(place + 1, count + 1)]


OF_THE_LOG: tuple[Callable[[Crime], None], ...] = (
    alter_entry,
    alter_any_byte_of_a_bundle,
    remove_entry,
    insert_entry,
    swap_entries,
    delete_a_file,
    alter_a_tile,
    alter_entry_and_tile,
    cut_back_to_an_older_log,
    rewrite_history_and_sign_with_the_true_key,
    leave_a_fact_out_and_sign_with_the_true_key,
    sign_with_another_key,
    alter_the_checkpoint,
    alter_entry_and_every_tile_above,
    cut_a_file_off,
    drop_the_last_entries_of_the_partial_bundle,
    swap_two_bundles,
    put_another_log_s_checkpoint,
    sign_with_the_key_that_was_replaced,
)
OF_THE_STORES: tuple[Callable[[Crime], None], ...] = (
    alter_a_stored_fact,
    delete_a_stored_fact,
    delete_a_stored_fact_and_number_the_rest_anew,
    swap_the_database_for_an_older_backup,
    swap_for_an_older_backup_that_went_on_differently,
    alter_a_salt,
    swap_the_salts_for_an_older_backup,
    name_another_person_in_a_stored_fact,
    move_a_stored_fact,
    insert_a_fact_and_number_the_rest_anew,
)
DEEDS = (*OF_THE_LOG, *OF_THE_STORES)
