"""The command `bailiwick` run in this process: to start one anew takes longer than most of what commands do."""

import subprocess
from collections.abc import Mapping

from bailiwick_contracts.message import Request
from typer.testing import CliRunner

from services.cli.main import app


def bailiwick(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a terminal would show of it. Fails where the command ends by an error that it does not know."""
    done = CliRunner().invoke(app, list(arguments), env=dict(environment))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def missing(request: type[Request], *words: str) -> set[str]:
    """The fields of a request that its command has no option for, by the command's help."""
    done = CliRunner().invoke(app, [*words, "--help"], terminal_width=200)
    assert done.exit_code == 0, done.output
    flags = {
        name: "property" if name == "property_id" else name.replace("_", "-").rstrip("s")
        for name in request.model_fields
        if name != "type"
    }
    return {name for name, flag in flags.items() if f"--{flag}" not in done.output}
