"""Commands that are imported once one is asked for: each starts with what it needs, and the list of all needs none."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Later(NamedTuple):
    """Where a command, or a group of them, is made; and what the list says of it."""

    place: str
    """`module:name` of a function or of a `typer.Typer`."""
    told: str

    def made(self, name: str) -> Any:
        """The command itself, under this name."""
        module, _, attribute = self.place.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
            command.help = self.told
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(found)
            command = get_command(alone)
        command.name = name
        return command


class Commands(TyperGroup):
    """A group that lists the commands of `LATER` as they are told of, and imports the one that is run."""

    LATER: ClassVar[Mapping[str, Later]] = {}

    def __init__(self, **given: Any) -> None:
        """List what was given and what comes later."""
        super().__init__(**given)
        for name, later in self.LATER.items():
            self.add_command(TyperCommand(name, help=later.told), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is run, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.LATER:
            command = self.LATER[name].made(name)
        return name, command, rest
