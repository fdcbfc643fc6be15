"""`bailiwick rebuild`: a view folded anew from the facts, beside the one in use, and swapped in one transaction."""

import asyncio
import threading
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer

from services.cli.audit_desk import bar
from services.cli.output import BAD_INPUT, REFUSED, AsJson, emit, fail, known_service, run
from services.kernel.settings import Settings

SOURCE_TRIES = 20


def rebuild(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service that has the view.")],
    view: Annotated[str, typer.Argument(metavar="VIEW", help="The view's name; an unknown one lists those there are.")],
    as_json: AsJson = False,
) -> None:
    """Rebuild a view while the system runs. Commands wait only for the swap; interrupted, it may be begun again."""
    emit(run(_rebuild(service, view, as_json), as_json), as_json, "rebuilt")


async def _rebuild(name: str, view: str, as_json: bool) -> dict[str, Any]:
    from eventsourcing.persistence import PersistenceError

    from services.kernel.dead_letter_requests import with_dead_letters
    from services.kernel.reactor import read_feed
    from services.kernel.rebuild import Rebuild, RebuildError, together
    from services.kernel.rebuilding import aside, waited_for
    from services.kernel.sealing import KeyStore
    from services.kernel.store import Store
    from services.run.catalogue import factories
    from services.run.desk import system

    settings = Settings()
    service = with_dead_letters(factories(known_service(name, as_json))[name](KeyStore(settings.keys_dir)))
    try:
        views = together(service, view)
    except RebuildError as error:
        fail(str(error), BAD_INPUT, as_json, field="view", value=view,
             rule=f"one of {', '.join(one.name for one in service.views)}", remedy="name one of them")  # fmt: skip
    async with system(settings) as desk:
        store = Store(settings.store_url(name), schema=name, views=[t for one in service.views for t in one.tables])
        stop = threading.Event()
        feed = waited_for(partial(read_feed, desk.client), asyncio.get_running_loop())
        try:
            with bar(f"rebuilding {name} {view}", as_json) as progress:
                made = Rebuild(service, store, views, feed, progress=progress, stop=stop, tries=SOURCE_TRIES)
                done = await aside(made.run, stop)
        except (RebuildError, PersistenceError) as error:
            fail(
                str(error),
                REFUSED,
                as_json,
                remedy="the view in use is as it was; put right what is named and begin again",
            )
        finally:
            store.close()
    return asdict(done) | {"seconds": round(done.seconds, 3), "locked_seconds": round(done.locked_seconds, 3)}
