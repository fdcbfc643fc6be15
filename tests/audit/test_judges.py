"""Several processes judge a history as one does: the same counts, the same findings, and a share that fails is said."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.finding import Finding
from bailiwick_contracts.judges import Judges, JudgingError
from bailiwick_contracts.readjudicate import Summary, readjudicate
from bailiwick_contracts.sealed import Keys, keys_from

from services.kernel.sealing import KeyStore
from tests.audit.office import Office, month

pytestmark = pytest.mark.xdist_group("judges")  # one set of processes for all of them


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    with Judges(3) as standing:
        yield standing


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    office.set_up()
    month(office)
    yield office
    office.close()


def both(judges: Judges, raws: list[bytes], keys: Keys, **chosen: str) -> tuple[list[Finding], Summary]:
    """What one process finds, once several found the same."""
    alone, together = Summary(), Summary()
    expected = list(readjudicate(raws, keys, summary=alone, **chosen))  # type: ignore[arg-type]
    found = list(judges.readjudicate(raws, keys, summary=together, **chosen))  # type: ignore[arg-type]
    assert together == alone
    assert len(found) == len(expected)
    assert all(one in expected for one in found)
    assert found == sorted(found, key=lambda one: one.recorded_at)
    return expected, alone


def test_the_same_comes_out_of_several_processes(judges: Judges, office: Office) -> None:
    found, summary = both(judges, office.raws(), office.keys)
    assert not found
    assert summary.judged > 10
    assert summary.derivations > 10


def test_what_was_altered_is_found_once_wherever_it_is_judged(judges: Judges, office: Office) -> None:
    raws = [raw.replace(b'"outcome":"granted"', b'"outcome":"refused"') for raw in office.raws()]
    raws = [raw.replace(b'"shift":0,"seconds":', b'"shift":0,"seconds":1') for raw in raws]
    raws.insert(len(raws) // 2, b'{"id":"torn","type":"attendance.punch_recorded.v1"')
    found, summary = both(judges, raws, office.keys)
    assert summary.unreadable == 1
    assert summary.differing > 3
    assert summary.derivations_differing > 3
    assert [one.fact_id for one in found if one.kind == "unreadable"] == ["torn"]


def test_a_part_of_the_history_is_chosen_alike(judges: Judges, office: Office) -> None:
    both(judges, office.raws(), office.keys, property_id="north-court")
    both(judges, office.raws(), office.keys, under="no-such-version")


def test_keys_reach_every_process(judges: Judges, office: Office, tmp_path: Path) -> None:
    _, known = both(judges, office.raws(), office.keys)
    _, unknown = both(judges, office.raws(), keys_from({}))
    _, elsewhere = both(judges, office.raws(), KeyStore(tmp_path))
    assert known.skipped["key_not_held"] == 0 < unknown.skipped["key_not_held"] == elsewhere.skipped["key_not_held"]


class Broken:
    """Keys that fail as none should."""

    def __call__(self, name: str) -> bytes:
        raise MemoryError(name)


def test_a_share_that_fails_is_said_and_the_next_history_is_judged(judges: Judges, office: Office) -> None:
    with pytest.raises(JudgingError, match=r"a process that judged failed: MemoryError"):
        list(judges.readjudicate(office.raws(), Broken()))
    both(judges, office.raws(), office.keys)


def test_a_process_that_is_killed_is_said(office: Office) -> None:
    with Judges(2) as judges:
        process_id = judges._judges[1].process.pid
        assert process_id is not None
        os.kill(process_id, signal.SIGKILL)
        with pytest.raises(JudgingError, match="exit code -9; judge again with fewer processes"):
            list(judges.readjudicate(office.raws(), office.keys))


def test_the_file_of_the_history_has_no_name_while_it_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, office: Office
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Judges(2) as judges:
        assert not list(tmp_path.iterdir())
        both(judges, office.raws(), office.keys)
    assert not list(tmp_path.iterdir())


def test_a_shorter_history_after_a_longer_one_is_judged_alone(judges: Judges, office: Office) -> None:
    raws = office.raws()
    both(judges, raws, office.keys)
    both(judges, raws[: len(raws) // 2], office.keys)


_CRAMPED = """
import resource, signal, sys, tempfile
from bailiwick_contracts.judges import Judges, JudgingError
from bailiwick_contracts.sealed import keys_from

if __name__ == "__main__":
    tempfile.tempdir = sys.argv[1]
    with Judges(2) as judges:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            list(judges.readjudicate([b"{}" * 1_000] * 1_000, keys_from({})))
        except JudgingError as error:
            print(error)
"""


def test_a_history_for_which_there_is_no_room_is_said_with_the_remedy(tmp_path: Path) -> None:
    script = tmp_path / "cramped.py"
    script.write_text(_CRAMPED)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"{tmp_path}: no room for a copy of the history (File too large); make room there")
    assert "TMPDIR" in done.stdout
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("bailiwick-")]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-2] + b',"staff_id":"s-2"}}',
        lambda raw: raw[:-2] + b',"type":"attendance.punch_recorded.v1","staff_id":"s-3"}}',
        lambda raw: raw.replace(b'"type":"attendance.punch_recorded.v1"', b'"type":"attendance.no_such.v1"', 1),
    ],
)
def test_a_fact_that_says_twice_whose_it_is_hides_from_no_share(
    judges: Judges, office: Office, change: Callable[[bytes], bytes]
) -> None:
    raws = office.raws()
    place = next(
        n for n, raw in enumerate(raws) if b'"data":{"type":"attendance.punch_recorded.v1","staff_id":"s-1"' in raw
    )
    summary = Summary()
    found = list(
        judges.readjudicate([*raws[:place], change(raws[place]), *raws[place + 1 :]], office.keys, summary=summary)
    )
    assert summary.unreadable == 1
    assert read_event(raws[place]).id in {one.fact_id for one in found if one.kind == "unreadable"}
