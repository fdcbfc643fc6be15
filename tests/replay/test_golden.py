"""The histories of every release are read by today's code, byte for byte, and come out the same."""

import base64
import json
from pathlib import Path

import pytest
from bailiwick_contracts import attendance, audit, registry  # noqa: F401 - their types register
from bailiwick_contracts.envelope import Unknown, check_chain, hash_of, read_event, render
from bailiwick_contracts.readjudicate import Summary, in_recorded_order, readjudicate
from bailiwick_contracts.sealed import keys_from
from pydantic_core import from_json

GOLDEN = Path(__file__).parent / "golden"
RELEASES = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def _raws(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/*.ndjson")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_kept_chain_holds_and_every_fact_in_it_is_known(file: Path) -> None:
    events = list(check_chain(iter(_raws(file))))
    assert events
    assert not [event.type for event in events if isinstance(event.data, Unknown)]


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/*.ndjson")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_today_s_writer_makes_the_same_bytes_of_the_same_fact(file: Path) -> None:
    for raw in _raws(file):
        document = from_json(raw)
        data = read_event(raw).data.as_json()
        attributes = {name: value for name, value in document.items() if name != "data"}
        assert hash_of(render(attributes, data)) == hash_of(raw), raw[:200]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_every_ruling_of_a_kept_history_comes_out_again(release: Path) -> None:
    keys = {name: base64.b64decode(key) for name, key in json.loads((release / "payroll.json").read_text()).items()}
    raws = [raw for file in sorted(release.glob("*.ndjson")) for raw in _raws(file)]
    summary = Summary()
    assert not list(readjudicate(iter(in_recorded_order(raws)), keys_from(keys), summary=summary))
    assert summary.judged >= 20
