"""The command `bailiwick` run in this process: to start one anew takes longer than most of what commands do."""

import subprocess
from collections.abc import Mapping

from typer.testing import CliRunner

from services.cli.main import app


def bailiwick(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a terminal would show of it. Fails where the command ends by an error that it does not know."""
    done = CliRunner().invoke(app, list(arguments), env=dict(environment))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
