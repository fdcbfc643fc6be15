"""`make bench`: every figure on real servers beside its reference of the same run. Nothing fails on a number.

make bench                                  all measures on both databases, five runs
make bench ARGS="requests pipeline"         these measures alone
make bench ARGS="--runs 1 --sqlite"         one run, on SQLite
make bench ARGS="--markdown"                the table of the README; --json for programs
"""

import argparse
import asyncio
import inspect
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from services.kernel.heap import collect_less
from services.run.logs import configure
from tests import servers
from tests.bench.emmett import emmett
from tests.bench.figures import DATABASES, Figures, Summary, markdown, table
from tests.bench.fold import fold
from tests.bench.growth import growth
from tests.bench.judging import judging
from tests.bench.pipeline import pipeline
from tests.bench.place import Place
from tests.bench.punches import punches
from tests.bench.rebuild import rebuild
from tests.bench.refill import refill
from tests.bench.request import requests
from tests.bench.streams import streams
from tests.bench.timers import timers

Measure = Callable[[Place], Figures | Awaitable[Figures]]
MEASURES: dict[str, Measure] = {
    "requests": requests,
    "pipeline": pipeline,
    "streams": streams,
    "fold": fold,
    "judging": judging,
    "emmett": emmett,
    "punches": punches,
    "refill": refill,
    "timers": timers,
    "rebuild": rebuild,
    "growth": growth,
}
ONCE = {"growth": 1, "refill": 1, "punches": 2, "rebuild": 2, "timers": 2}
"""What takes long is run fewer times."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], help=f"of {', '.join(MEASURES)}; all of them")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median is shown")
    parser.add_argument(
        "--minutes", type=float, default=13, help="begin no further run after so long; the first is whole"
    )
    parser.add_argument("--sqlite", action="store_true", help="SQLite alone")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL alone")
    parser.add_argument("--markdown", action="store_true", help="a table for the README")
    parser.add_argument("--json", action="store_true", help="every value of every run")
    return parser.parse_args()


def _run(measure: Measure, place: Place) -> Figures:
    with place:
        found = measure(place)
        return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found


async def _awaited(found: Awaitable[Figures]) -> Figures:
    return await found


def main() -> None:
    """Run what was asked for and show medians."""
    asked = _arguments()
    configure("CRITICAL")
    collect_less()  # as every process of a service does
    names = asked.measures or list(MEASURES)
    both = asked.sqlite == asked.postgresql
    databases = [name for name in DATABASES if both or (name == "SQLite") == asked.sqlite]
    values: dict[tuple[str, str], list[float]] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bailiwick-bench-") as directory, ExitStack() as stack:
        server = stack.enter_context(servers.postgres()) if "PostgreSQL" in databases else None
        for number in range(asked.runs):
            for name in names:
                late = number > 0 and time.monotonic() - begun > asked.minutes * 60
                if late or number >= ONCE.get(name, asked.runs):
                    continue
                for database in databases:
                    place = Place(
                        Path(directory) / f"{name}-{number}-{database}", server if database == "PostgreSQL" else None
                    )
                    try:
                        found = _run(MEASURES[name], place)
                    except Exception as error:  # noqa: BLE001 - the other measures are worth having
                        print(f"{name} on {database} failed: {type(error).__name__}: {error}", file=sys.stderr)
                        continue
                    for figure, value in found.items():
                        values.setdefault((figure, database), []).append(value)
                print(f"run {number + 1}: {name} done after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    summaries = [Summary(figure, database, found) for (figure, database), found in values.items()]
    if asked.json:
        print(
            json.dumps(
                [{"figure": s.name, "database": s.database, "median": s.median, "runs": s.values} for s in summaries]
            )
        )
    else:
        print(markdown(summaries) if asked.markdown else table(summaries))


if __name__ == "__main__":
    main()
