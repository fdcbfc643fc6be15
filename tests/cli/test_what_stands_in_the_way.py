"""What stands in the way of a command is said in a line that names it, with an exit code that tells the truth."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import demo
from services.kernel.settings import Settings
from services.run import desk, up
from services.run.nats import free_port
from services.run.place import announced, running_at, taken
from tests.command_line import bailiwick
from tests.servers import NatsServer


@pytest.mark.parametrize("command", [("doctor",), ("health",), ("config", "show"), ("serve", "registry")])
@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("BAILIWICK_HEALTH_PORT", "many", "a valid integer"),
        ("BAILIWICK_PROGRESS_SECONDS", "0", "greater than 0"),
        ("BAILIWICK_RETRY_SECONDS", "soon", "a valid number"),
        ("BAILIWICK_RETRY_SECONDS", "inf", "less than or equal to 86400"),
        ("BAILIWICK_BATCH_LIMIT", "0", "greater than or equal to 1"),
        ("BAILIWICK_REPLICAS", "0", "greater than or equal to 1"),
        ("BAILIWICK_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("BAILIWICK_CHECKPOINT_SECONDS", "nan", "a finite number"),
        ("BAILIWICK_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
    ],
)
def test_a_setting_that_cannot_be_is_named_by_every_command(
    tmp_path: Path, command: tuple[str, ...], name: str, value: str, rule: str
) -> None:
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path), name: value}, *command)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert f"{name}: Input should be" in said
    assert rule in said
    assert f"value: {value}" in said


@pytest.mark.parametrize("command", [("doctor",), ("serve", "registry"), ("--help",)])
def test_a_setting_that_cannot_be_is_named_by_a_process_of_its_own(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Whatever is imported before the command is looked at must not read a setting: it would end in a trace."""
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_RETRY_SECONDS": "soon"}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.entry", *command],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if command == ("--help",):
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 2
    assert done.stderr.startswith("error BAILIWICK_RETRY_SECONDS: Input should be a valid number")


@pytest.mark.parametrize("command", [("health",), ("doctor",), ("serve", "registry"), ("property", "list")])
@pytest.mark.parametrize(
    ("name", "value", "url"),
    [
        ("BAILIWICK_NATS_URL", "nats://10.0.0.1:4222", "nats://10.0.0.1:4222"),
        ("BAILIWICK_NATS_URL: each server is", "", ""),
        ("BAILIWICK_NATS_URL: each server is", "", "nats://127.0.0.1:9,nats://127.0.0.1:none"),
        ("BAILIWICK_NATS_URL: each server is", "", "nats://127.0.0.1:9,"),
        ("BAILIWICK_NATS_URL: each server is", "", "http://127.0.0.1:9"),
        ("BAILIWICK_NATS_URL: each server is", "", "nats://[::1"),
        ("BAILIWICK_NATS_CA_FILE", "/nowhere/ca.pem", "tls://127.0.0.1:9"),
        ("BAILIWICK_NATS_CA_FILE", __file__, "tls://127.0.0.1:9"),
        ("BAILIWICK_NATS_NKEYS_DIR", "/nowhere", "nats://127.0.0.1:9"),
    ],
)
def test_a_connection_that_cannot_be_made_names_the_setting(
    tmp_path: Path, command: tuple[str, ...], name: str, value: str, url: str
) -> None:
    environment = {"BAILIWICK_DATA_DIR": str(tmp_path), name.partition(":")[0]: value, "BAILIWICK_NATS_URL": url}
    done = bailiwick(os.environ | environment, *command)
    assert done.returncode == 2
    assert f"error {name}" in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", [("health",), ("serve", "registry"), ("nats-accounts", ".")])
def test_a_seed_that_a_full_disk_cut_off_is_named(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a place whose name fills a line of the terminal, and more"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("office.nk", "registry.nk"):
        (place / name).touch()
    given = {"BAILIWICK_DATA_DIR": str(tmp_path / "data"), "BAILIWICK_NATS_URL": "nats://127.0.0.1:9"}
    done = bailiwick(os.environ | given | {"BAILIWICK_NATS_NKEYS_DIR": str(place)}, *command)
    assert done.returncode == 2
    assert "registry.nk holds no seed" in done.stderr or "office.nk holds no seed" in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("nats-accounts", "/proc/nowhere"), "error /proc/nowhere: No such file or directory"),
        (("listen", "--count", "0"), "Invalid value for '--count'"),
    ],
)
def test_an_argument_that_cannot_be_is_named(tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}, *command)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (("rebuild", "registries", "people"), "service", "registries"),
        (("rebuild", "registry", ""), "view", ""),
        (("dead-letters", "list", "人"), "service", "人"),
        (("dead-letters", "show", "registry", "a b"), "letter_id", "a b"),
        (("dead-letters", "retry", "registry", "f-1", "--by", "ann-sample", "--grounds", ""), "grounds", ""),
        (("dead-letters", "drop", "registry", "f-1", "--by", "", "--grounds", "A trial."), "by", ""),
        (("account", "add", "a b", "--staff", "s-1"), "account", "a b"),
        (("api-key", "add", "k", "--acts-as", "", "--property", "east-court", "--access", "query"), "acts_as", ""),
        (("property", "add", "East"), "property_id", "East"),
        (("listen", "--type", "nothing.at_all.v1"), "type", "nothing.at_all.v1"),
        (("registry", "staff", "show", "--staff-id", "\udcc4\udce3"), "staff_id", "??"),
    ],
)
def test_what_is_wrong_is_told_by_its_field_value_rule_and_remedy(
    tmp_path: Path, nats_url: str, command: tuple[str, ...], field: str, value: str
) -> None:
    environment = {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_NATS_URL": nats_url}
    done = bailiwick(os.environ | environment, *command, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert (error["field"], error["value"]) == (field, value)
    assert error["rule"]
    assert error["remedy"]


@pytest.mark.parametrize(
    ("encoding", "in_table", "in_json"),
    [("utf-8", "北\U00020bb7", "北\U00020bb7"), ("big5", "北\\U00020bb7", "\\u5317\\ud842\\udfb7")],
)
def test_a_character_that_the_terminal_lacks_loses_nothing_of_the_rest(
    tmp_path: Path, encoding: str, in_table: str, in_json: str
) -> None:
    """It was a trace, after what was asked for had been done."""
    given = {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_PROFILES": "北\U00020bb7", "PYTHONIOENCODING": encoding}
    for options, shown in (((), in_table), (("--json",), in_json)):
        done = subprocess.run(
            [sys.executable, "-m", "services.cli.entry", "config", "show", *options],
            env=os.environ | given, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout.decode(encoding)


@pytest.mark.parametrize("given", ["[/x]", "[red]", ":x:"])
def test_what_was_typed_is_shown_as_it_was_typed(tmp_path: Path, given: str) -> None:
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}, "dead-letters", "list", given)
    assert done.returncode == 2
    assert f"error '{given}' is no service" in done.stderr
    assert f"value: {given}" in done.stderr


@pytest.mark.parametrize("command", [("property", "list"), ("property", "add", "north-court")])
def test_a_service_that_is_not_there_is_asked_again_and_then_said_not_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(desk, "ATTEMPTS", 2)
    with NatsServer(tmp_path / "nats") as server:
        environment = {"BAILIWICK_DATA_DIR": str(tmp_path / "data"), "BAILIWICK_NATS_URL": server.url}
        done = bailiwick(os.environ | environment, *command, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["message"].startswith("no answer to registry.")


@pytest.mark.parametrize("command", [("serve", "registry"), ("rebuild", "registry", "people")])
@pytest.mark.parametrize("url", ["", "mysql://office:right@127.0.0.1/none", "postgresql://office:right@127.0.0.1/none"])
def test_a_database_of_another_kind_names_the_setting_and_tells_no_password(
    tmp_path: Path, nats_url: str, command: tuple[str, ...], url: str
) -> None:
    environment = {
        "BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_NATS_URL": nats_url, "BAILIWICK_DATABASE_URL": url,
    }  # fmt: skip
    done = bailiwick(os.environ | environment, *command)
    assert done.returncode == 2
    assert done.stderr.startswith("error BAILIWICK_DATABASE_URL: it begins with postgresql+psycopg://")
    assert "right" not in done.stderr


def test_a_database_that_is_not_there_is_said_not_to_answer(tmp_path: Path, nats_url: str) -> None:
    """Though NATS is there: what folds facts anew opens the database itself."""
    done = bailiwick(
        os.environ | {
            "BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_NATS_URL": nats_url,
            "BAILIWICK_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
        },
        "rebuild", "registry", "people", "--json",
    )  # fmt: skip
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith("the database does not answer: connection failed")
    assert "bailiwick doctor" in error["remedy"]


def test_a_server_that_is_not_there_is_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "CONNECT_SECONDS", 0.5)
    url = f"nats://127.0.0.1:{free_port()}"
    done = bailiwick(
        os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_NATS_URL": url}, "property", "list", "--json"
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["message"].startswith(f"NATS at {url} does not answer")


async def test_a_system_that_is_not_ready_yet_can_be_asked_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    async def not_ready(*_: object) -> None:
        found.append(running_at(tmp_path))

    monkeypatch.setattr(up, "_until_ready", not_ready)
    async with up.up(Settings(data_dir=tmp_path), ("registry",)) as (settings, _):
        assert found == [settings.nats_url]
    assert running_at(tmp_path) is None


def test_what_a_killed_system_left_is_not_taken_for_a_system_though_its_number_is_another_process_s(
    tmp_path: Path,
) -> None:
    """After a restart of the machine, or in a container, where numbers begin anew."""
    settings = Settings(data_dir=tmp_path)
    with taken(tmp_path), announced(settings):
        note = (tmp_path / "running.json").read_text()
        assert running_at(tmp_path) == settings.nats_url
    (tmp_path / "running.json").write_text(note)
    assert json.loads(note)["pid"] == os.getpid()
    assert running_at(tmp_path) is None


@pytest.mark.parametrize("command", [("serve", "registry"), ("up",)])
def test_a_port_for_health_that_another_has_is_named_before_anything_runs(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        environment = {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_HEALTH_PORT": str(other.getsockname()[1])}
        done = bailiwick(os.environ | environment, *command)
    assert done.returncode == 2
    assert f"error BAILIWICK_HEALTH_PORT: {environment['BAILIWICK_HEALTH_PORT']}: Address already in use" in done.stderr


def test_a_door_that_could_never_open_is_not_served(tmp_path: Path) -> None:
    environment = {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_HTTP_HOST": "192.0.2.1"}
    done = bailiwick(os.environ | environment, "serve", "gateway")
    assert done.returncode == 2
    assert "BAILIWICK_HTTP_HOST is 192.0.2.1: give BAILIWICK_HTTP_CERTIFICATE_FILE" in done.stderr


@pytest.mark.parametrize(
    "command", [("config", "show"), ("health",), ("doctor",), ("provision",), ("property", "list")]
)
def test_what_lets_a_process_into_nats_is_shown_by_no_command(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "CONNECT_SECONDS", 0.5)
    url = f"nats://office:half@secret-word@127.0.0.1:{free_port()}"
    done = bailiwick(os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path), "BAILIWICK_NATS_URL": url}, *command)
    said = done.stdout + done.stderr
    assert "127.0.0.1" in said
    assert "secret-word" not in said


SLOW = """
import sys, time
class Slow:
    def find_spec(self, name, *_):
        if name == "services.cli.main":
            print("it loads", flush=True)
            time.sleep(20)
sys.meta_path.insert(0, Slow())
sys.argv[1:] = ["doctor"]
from services.cli.entry import main
main()
"""


def test_a_command_that_is_interrupted_while_it_loads_ends_without_a_trace(tmp_path: Path) -> None:
    environment = os.environ | {"BAILIWICK_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "it loads\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")


@pytest.mark.parametrize(
    "command",
    [
        ("attendance", "day", "list", "--first-on", "2026-03-01", "--last-on", "2026-03-31"),
        ("attendance", "month", "confirm", "--month", "2026-03"),
        ("billing", "ledger"),
        ("tickets", "board"),
        ("payroll", "march.csv", "--month", "2026-03"),
    ],
)
@pytest.mark.parametrize("typed", ["North Court", "", "北苑", "north-court\n"])
def test_what_can_be_no_property_is_named_before_anything_is_asked(
    tmp_path: Path, command: tuple[str, ...], typed: str
) -> None:
    done = bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path / "data")}, *command, "--property", typed)
    assert done.returncode == 2
    assert f"{typed!r} is no property's id" in " ".join(done.stderr.split())
    assert "bailiwick property list" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("typed", ["../../keys", "n" * 300])
@pytest.mark.parametrize("command", [("trust", "{}", "w1", "w1+0+AQ=="), ("change-key", "{}", "--reason", "yearly")])
def test_what_can_be_no_property_of_a_log_is_named(tmp_path: Path, command: tuple[str, ...], typed: str) -> None:
    done = bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path)}, "audit", "log", *(one.format(typed) for one in command))
    assert done.returncode == 2
    assert f"{typed!r} is no property's id" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (("--by", "s 1"), "by", "s 1"),
        (("--by", "樣本"), "by", "樣本"),
        (("--by", "s-1", "--on-behalf-of", "s-2", "--delegation", ""), "delegation", ""),
        (("--by", "s-1", "--on-behalf-of", "s" * 65, "--delegation", "d-1"), "on-behalf-of", "s" * 65),
        (("--on-behalf-of", "s-2", "--delegation", "d-1"), "by", ""),
        (("--by", "s-1", "--on-behalf-of", "s-2"), "delegation", ""),
        (("--by", "s-1", "--delegation", "d-1"), "on-behalf-of", ""),
    ],
)
def test_who_can_be_nobody_is_named_and_nobody_else_asks_instead(
    tmp_path: Path, options: tuple[str, ...], field: str, value: str
) -> None:
    """It was a trace; and who lent without a name to lend to had the set-up itself ask."""
    end = ("registry", "staff", "end", "--staff-id", "s-1", "--last-on", "2026-03-31")
    done = bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path / "data")}, *end, *options)
    assert done.returncode == 2
    assert f"field: {field}\n  value: {value}\n" in done.stderr
    assert "remedy: give" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_clause_under_which_the_demonstration_decides_nothing_is_named_with_those_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shown(*_: object, **__: object) -> dict[str, object]:
        return {"clauses": ["A10", "A13"], "decisions": [], "agrees": True}

    monkeypatch.setattr(demo, "_demo", shown)
    done = bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path / "data")}, "demo", "--only", "A99")
    assert done.returncode == 2
    assert "nothing is decided under 'A99' here" in done.stderr
    assert "one of A10, A13" in done.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("billing", "report", "--property", "north-court", "--month", "2026-01"), "out"),
        (("billing", "dunning", "--property", "north-court"), "out"),
        (("audit", "proof", "some-fact"), "out"),
        (("audit", "cosign", "some-log", "--name", "witness.example/w1"), "witness"),
        (("audit", "restore", "some.tar"), "to"),
    ],
)
def test_a_directory_that_cannot_be_written_to_is_named_before_anything_is_recorded(
    tmp_path: Path, command: tuple[str, ...], option: str
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "letters")
    done = bailiwick({"BAILIWICK_DATA_DIR": str(tmp_path / "data")}, *command, f"--{option}", place, "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)["error"]
    assert (told["message"], told["field"], told["value"]) == (f"{place}: Not a directory", option, place)
    assert not (tmp_path / "data").exists()
