"""What the commands of the command line have in common: who asks, and how a property and a file are given."""

from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor

IMPORT = Actor(actor="system-import", authmethod="file", channel="import")
"""Who takes in the files of other systems."""
SETUP = Actor(actor="system-setup", authmethod="file", channel="import")
"""Who sets an installation up."""
Report = dict[str, Any]
"""What an import came to, as it is printed."""
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Property = Annotated[str, typer.Option("--property", help="The property it belongs to.")]
