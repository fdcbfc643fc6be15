"""Settings under which the door can never open are named before anything runs."""

import os
from pathlib import Path

import pytest

from services.kernel.settings import Settings
from tests.command_line import bailiwick


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "BAILIWICK_WEBHOOK_NETWORKS",
            "intranet",
            "BAILIWICK_WEBHOOK_NETWORKS: Value error, 'intranet' does not appear to be",
        ),
        (
            "BAILIWICK_WEBHOOK_NETWORKS",
            '["10.0.0.0/99"]',
            "BAILIWICK_WEBHOOK_NETWORKS: Value error, '10.0.0.0/99' does not",
        ),
        ("BAILIWICK_DATA_DIR", "", "BAILIWICK_DATA_DIR: Value error, a directory is named"),
        ("BAILIWICK_HTTP_HOST", "192.0.2.7", "BAILIWICK_HTTP_HOST is 192.0.2.7: "),
        ("BAILIWICK_HTTP_CERTIFICATE_FILE", __file__, "BAILIWICK_HTTP_KEY_FILE: one of the two is not set; "),
        ("BAILIWICK_HTTP_KEY_FILE", __file__, "BAILIWICK_HTTP_KEY_FILE: one of the two is not set; "),
    ],
)
def test_what_the_door_can_never_open_under_is_named_before_anything_runs(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    """The gateway began and ended again for ever; half of TLS was none; and nothing for a directory was the current one."""
    given = {"BAILIWICK_DATA_DIR": str(tmp_path / "data"), "BAILIWICK_UNSAFE_HTTP_WITHOUT_TLS": "1", name: value}
    done = bailiwick(os.environ | given, "up")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("value", ["10.1.0.0/16, 192.168.7.0/24", '["10.1.0.0/16", "192.168.7.0/24"]'])
def test_networks_are_given_as_the_page_shows_them(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BAILIWICK_WEBHOOK_NETWORKS", value)
    assert Settings().webhook_networks == ("10.1.0.0/16", "192.168.7.0/24")
