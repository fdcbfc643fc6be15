"""Have somebody else's software verify a log: a process that runs tlog-scales and no line of this project's own verification."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from services.audit.log.note import Policy

SCRIPT = Path(__file__).parents[1] / "audit" / "log" / "with_tlog_scales.py"


def verified(log: Path) -> dict[str, Any]:
    """`property`, `holds`, `entries`, `by`, `why` it does not hold, and the `command` that does it again."""
    key = str(Policy.parse((log / "policy").read_text()).logs[-1])
    command = [sys.executable, str(SCRIPT), str(log.absolute()), key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
    return {
        "property": log.name,
        "holds": done.returncode == 0,
        "entries": said[-1].split(" ")[0] if done.returncode == 0 else "?",
        "by": "tlog-scales",
        "why": "" if done.returncode == 0 else f": {said[-1]}",
        "command": " ".join([*command[:3], f"'{key}'"]),
    }
