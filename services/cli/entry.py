"""The first lines that run: what is to be ended from the first moment on must not wait for its imports."""

import io
import sys

from services.run.signals import end_at_once


def main() -> None:
    """The entry point of the command `bailiwick`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character of a name is shown its number: what was done is told, not lost in a trace.
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.argv[1:2] in (["up"], ["serve"]):
        end_at_once()
    try:
        from services.cli.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
