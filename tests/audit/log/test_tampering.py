"""Whatever somebody does to a log or to the databases behind it is found, and the report says where: none is missed."""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from services.audit.log.comparison import LogCopy, LogDifference
from services.audit.log.files import Salts, at
from services.audit.log.note import Checkpoint, Policy, Signer
from services.audit.log.tree import leaf_hash
from services.audit.log.verification import Finding, verify
from tests.audit.log.crimes import (
    DEEDS,
    OF_THE_LOG,
    OF_THE_STORES,
    Crime,
)
from tests.audit.log.written import CHAINS, ORIGIN, Written

SIZES = (90, 300, 200)
SMALL, LARGE = 58, 464
"""How many alterations a quick run tries, and the long one."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Written:
    made = Written(tmp_path_factory.mktemp("clean"))
    for count in SIZES:
        made.grow(count)
    return made


def committed(clean: Written, number: int, where: Path, deed: Callable[[Crime], None]) -> Crime:
    chance = random.Random(number)
    place = where / f"case-{number}" / "log"
    shutil.copytree(clean.place, place)
    shutil.copy(clean.directory / "salts.bin", place.parent / "salts.bin")
    stores: dict[str, list[bytes]] = {chain: [] for chain in CHAINS}
    for chain, _, raw in clean.facts:
        stores[chain].append(raw)
    crime = Crime(clean, place, stores, chance, deed.__name__)
    deed(crime)
    return crime


def of_the_log(crime: Crime) -> list[Finding]:
    if crime.replaced:
        new, last = Signer(ORIGIN, bytes(range(7, 39))), crime.clean.checkpoints[-1]
        policy = Policy((crime.clean.signer.key, new.key))
        both = Checkpoint(last.origin, last.size, last.root).signed(crime.clean.signer, new)
        assert verify(crime.clean.fetch, policy, [both]).holds is False
        return verify(at(crime.place), policy, [*crime.clean.checkpoints, both]).findings
    return verify(at(crime.place), crime.clean.policy, crime.clean.checkpoints).findings


def of_the_stores(crime: Crime, salts: Salts) -> list[LogDifference]:
    copy = LogCopy.read(at(crime.place), salts)
    found: list[LogDifference] = []
    for chain, raws in crime.stores.items():
        comparison = copy.compared(chain)
        assert list(comparison.passing(raws)) == raws
        found.extend(comparison.finish())
    return found


def names(findings: Iterable[Finding], guilty: tuple[int, int]) -> bool:
    """Whether a finding with a place lies within what was touched, and none accuses all for one."""
    return any(finding.first >= 0 and finding.first <= guilty[1] and finding.last >= guilty[0] for finding in findings)


def test_an_honest_log_is_accused_of_nothing(clean: Written) -> None:
    result = verify(clean.fetch, clean.policy, clean.checkpoints)
    assert result.holds
    assert result.remembered == [90, 390, 590]
    stores: dict[str, list[bytes]] = {chain: [] for chain in CHAINS}
    for chain, _, raw in clean.facts:
        stores[chain].append(raw)
    crime = Crime(clean, clean.place, stores, random.Random(0))
    assert of_the_stores(crime, clean.salts) == []


def judge(clean: Written, number: int, where: Path) -> str:
    crime = committed(clean, number, where, DEEDS[number % len(DEEDS)])
    if DEEDS[number % len(DEEDS)] in OF_THE_STORES:
        found = of_the_stores(crime, crime.salts)
        assert found, crime.done
        named = [(one.chain, one.number) for one in found]
        first = named if crime.done == "swap_the_salts_for_an_older_backup" else named[:1]
        assert crime.fact in first, (crime.done, number, found[:3])
        shutil.rmtree(crime.place.parent)
        return crime.done
    findings = of_the_log(crime)
    assert findings, (crime.done, number)
    if crime.guilty[0] >= 0:
        assert names(findings, crime.guilty), (crime.done, number, crime.guilty, findings[:3])
    if crime.done == "leave_a_fact_out_and_sign_with_the_true_key":
        omitted = [(finding.chain, finding.number) for finding in findings if finding.kind == "omitted"]
        assert omitted == [crime.fact], (number, findings[:3])
    if crime.done == "rewrite_history_and_sign_with_the_true_key":
        exact = of_the_stores(crime, clean.salts)
        assert [(one.kind, one.chain, one.number) for one in exact] == [("altered", *crime.fact)]
    if crime.done in ("alter_entry", "remove_entry"):
        kind = {"alter_entry": "altered", "remove_entry": "removed"}[crime.done]
        assert [f.first for f in findings if f.kind == kind] == [crime.guilty[0]], (number, findings[:3])
    shutil.rmtree(crime.place.parent)
    return crime.done


def test_each_kind_of_tampering_is_found_and_located(clean: Written, tmp_path: Path) -> None:
    tried = Counter(judge(clean, number, tmp_path) for number in range(SMALL))
    assert len(tried) == len(OF_THE_LOG) + len(OF_THE_STORES)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_none_of_hundreds_of_random_alterations_is_missed(clean: Written, tmp_path: Path) -> None:
    seed = int(os.environ.get("BAILIWICK_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"BAILIWICK_TEST_SEED={seed}")  # noqa: T201 - with it the run can be repeated
    tried = Counter(judge(clean, len(DEEDS) * (seed % 10**9) + number, tmp_path) for number in range(LARGE))
    assert sum(tried.values()) == LARGE
    assert min(tried.values()) >= LARGE // len(DEEDS)


def test_a_log_cut_back_to_nothing_is_no_log(clean: Written, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text(str(Checkpoint(ORIGIN, 0, leaf_hash(b"")).signed(clean.signer)))
    kinds = {finding.kind for finding in verify(at(tmp_path), clean.policy, clean.checkpoints).findings}
    assert {"root_differs", "cut_back"} <= kinds
    assert [finding.kind for finding in verify(at(tmp_path / "nowhere"), clean.policy).findings] == [
        "checkpoint_missing"
    ]
