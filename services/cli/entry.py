"""The first lines that run: what is to be ended from the first moment on must not wait for its imports."""

import sys

from services.run.signals import end_at_once


def main() -> None:
    """The entry point of the command `bailiwick`."""
    if sys.argv[1:2] in (["up"], ["serve"]):
        end_at_once()
    try:
        from services.cli.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
