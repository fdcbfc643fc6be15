"""`bailiwick audit views`: are the rows that services answer from, and those they act on, what their facts say?"""

import asyncio
import threading
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from bailiwick_contracts.subjects import SERVICES
from eventsourcing.persistence import PersistenceError
from nats.errors import Error as NatsError

from services.audit.rows.comparison import RowComparison
from services.audit.rows.finding import Compared
from services.audit.rows.stored import stored_compared
from services.cli.audit_desk import bar, caught_up, operating
from services.cli.output import BAD_INPUT, REFUSED, UNAVAILABLE, AsJson, emit_rows, fail, print_json, run
from services.kernel.compared import Comparison
from services.kernel.dead_letter_requests import with_dead_letters
from services.kernel.reactor import read_feed, read_heads
from services.kernel.rebuild import RebuildError, together
from services.kernel.rebuilding import aside, waited_for
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.run.catalogue import factories
from services.run.desk import Desk, system

SOURCE_TRIES = 5


def views(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service, or all.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Fold every view anew, and tell each other row from facts: timers, parked facts, positions, answers; name what differs.

    Exit code 1 when one does.
    """
    operating(as_json)
    if service not in ("all", *SERVICES):
        fail(f"service: {service!r} is none", BAD_INPUT, as_json, field="service", value=service,
             rule=f"all, or one of {', '.join(SERVICES)}")  # fmt: skip

    async def work() -> list[dict[str, Any]]:
        async with system(Settings()) as desk:
            await caught_up(desk)
            chosen = SERVICES if service == "all" else (service,)
            return [row for name in chosen for row in await compared(desk, name, as_json)]

    rows = run(work(), as_json)
    holds = not any(row["differences"] for row in rows)
    if as_json:
        print_json({"holds": holds, "views": rows})
    else:
        emit_rows(({**row, "views": ", ".join(row["views"]), "differences": len(row["differences"]) + row["not_named"]}
                   for row in rows),
                  ("service", "views", "facts", "rows", "differences"), "views against their facts")  # fmt: skip
        if not holds:
            emit_rows(({"service": row["service"], **one} for row in rows for one in row["differences"]),
                      ("service", "table", "kind", "key", "columns", "says"), "rows that no fact accounts for")  # fmt: skip
    if not holds:
        raise typer.Exit(REFUSED)


async def compared(desk: Desk, name: str, quiet: bool) -> list[dict[str, Any]]:
    """Its facts and what was answered; every view, in groups that share a table; its timers, parked facts and positions.

    Where the rows of its facts do not hold, nothing else is told from them.
    """
    settings = Settings()
    made = with_dead_letters(factories(name)[name](KeyStore(settings.keys_dir)))
    store = Store(settings.store_url(name), schema=name, views=[t for one in made.views for t in one.tables])
    loop = asyncio.get_running_loop()
    feed = waited_for(partial(read_feed, desk.client), loop)

    def heads(source: str) -> dict[str, tuple[int, str]]:
        return asyncio.run_coroutine_threadsafe(read_heads(desk.client, source), loop).result()

    told, seen = list[dict[str, Any]](), set[str]()
    try:
        with bar(f"{name} facts", quiet):
            told.append(_beside(name, await asyncio.to_thread(stored_compared, store)))
        if any(one["table"] == "facts" for one in told[0]["differences"]):
            return told
        for view in made.views:
            if view.name in seen:
                continue
            group = together(made, view.name)
            seen.update(one.name for one in group)
            with bar(f"{name} {view.name}", quiet) as progress:
                stop = threading.Event()
                comparison = Comparison(made, store, group, feed, progress=progress, stop=stop, tries=SOURCE_TRIES)
                told.append({"service": name} | asdict(await aside(comparison.compare, stop)))
        with bar(f"{name} timers", quiet):
            told.append(_beside(name, await asyncio.to_thread(RowComparison(made, store, feed, heads).compare)))
    except (TimeoutError, NatsError) as error:
        fail(f"a source of {name} does not give its facts ({type(error).__name__})", UNAVAILABLE, quiet,
             remedy="start it, and begin again")  # fmt: skip
    except (RebuildError, PersistenceError) as error:
        fail(str(error), REFUSED, quiet, remedy="put right what is named and begin again")
    finally:
        store.close()
    return told


def _beside(name: str, compared: Compared) -> dict[str, Any]:
    told = asdict(compared)
    return {"service": name, "views": told.pop("tables"), **told, "not_named": 0}
