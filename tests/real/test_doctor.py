"""`bailiwick doctor` finds what is wrong, says how to put it right, and ends with 1."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bailiwick_contracts.subjects import stream_of
from nats.js.api import ConsumerConfig

from services.kernel.bus import connect
from tests.real.test_embedded import _up


def examined(directory: Path, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.entry", "doctor", "--json"],
        env=os.environ | {"BAILIWICK_DATA_DIR": str(directory / "data")} | more, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout)["findings"]}


def test_before_anything_ran_only_the_machine_is_looked_at(tmp_path: Path) -> None:
    code, found = examined(tmp_path)
    assert code == 0, found
    assert "nothing runs" in found["running"]["found"]


@pytest.mark.parametrize(
    ("variable", "check"),
    [("BAILIWICK_UNSAFE_NATS_WITHOUT_TLS", "setting unsafe_nats_without_tls"),
     ("POSTGRES_ENABLE_DB_FUNCTIONS", "unsafe database functions")],
)  # fmt: skip
def test_each_switch_that_gives_up_a_protection_is_named(tmp_path: Path, variable: str, check: str) -> None:
    code, found = examined(tmp_path, **{variable: "true"})
    assert code == 1
    assert not found[check]["ok"]
    assert variable in found[check]["remedy"]


async def test_a_running_system_is_healthy_and_drift_and_open_keys_are_found(tmp_path: Path) -> None:
    with _up(tmp_path) as (_, said, _):
        code, found = examined(tmp_path)
        assert code == 0, [row for row in found.values() if not row["ok"]]
        assert found["attendance: health"]["found"] == "healthy"
        (tmp_path / "data" / "keys").chmod(0o755)
        client = await connect(said["nats_url"], "operator")
        js = client.jetstream()
        config = (await js.consumer_info(stream_of("registry"), "attendance")).config
        await js.add_consumer(stream_of("registry"), ConsumerConfig(**{**config.__dict__, "max_ack_pending": 7}))
        await client.close()
        code, found = examined(tmp_path)
        assert code == 1
        assert "max_ack_pending is 7" in found["attendance: as described"]["found"]
        assert not found["keys"]["ok"]
        assert found["keys"]["remedy"].startswith("chmod 700")
