"""`bailiwick import`: files of other systems, row by row; what is wrong with a row is said, and the rest is taken."""

import typer

app = typer.Typer(no_args_is_help=True, help="Take in files of other systems.")
