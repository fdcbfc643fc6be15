"""What the commands of the command line have in common: who asks, and how a property and a file are given."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import IDENTIFIER_PATTERN, PROPERTY_PATTERN

from services.cli.output import BAD_INPUT, fail

IMPORT = Actor(actor="system-import", authmethod="file", channel="import")
"""Who takes in the files of other systems."""
SETUP = Actor(actor="system-setup", authmethod="file", channel="import")
"""Who sets an installation up."""
Report = dict[str, Any]
"""What an import came to, as it is printed."""
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def typed_property(given: str) -> str:
    """A property as it was typed; what can be no property's id ends the command before anything is asked."""
    if re.fullmatch(PROPERTY_PATTERN, given) is None:
        fail(f"{given!r} is no property's id", BAD_INPUT, "--json" in sys.argv, field="property", value=given,
             rule="lower-case letters, digits and hyphens, 32 at most",
             remedy="bailiwick property list names those there are")  # fmt: skip
    return given


Property = Annotated[str, typer.Option("--property", callback=typed_property, help="The property it belongs to.")]


def typed_id(option: typer.CallbackParam, given: str | None) -> str | None:
    """An id as it was typed, of a person or a delegation; what can be none ends the command before anything is asked."""
    if given not in (None, option.default) and re.fullmatch(IDENTIFIER_PATTERN, str(given)) is None:
        flag = option.opts[0]
        fail(f"{flag}: {given!r} is no id", BAD_INPUT, "--json" in sys.argv, field=flag.removeprefix("--"), value=given,
             rule="letters, digits, - and _, 64 at most",
             remedy="give the id as it was registered, or leave the option away")  # fmt: skip
    return given
