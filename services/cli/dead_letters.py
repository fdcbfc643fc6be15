"""`bailiwick dead-letters`: what a service's handlers failed on for the last time, and what is done about it."""

import asyncio
import contextlib
from typing import Annotated, Any

import typer
from bailiwick_contracts.dead_letter import of_service
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import Request
from bailiwick_contracts.subjects import SERVICES
from nats.errors import Error as NatsError
from pydantic import ValidationError
from pydantic_core import from_json

from services.cli.output import (
    BAD_INPUT,
    ERR,
    AsJson,
    emit,
    emit_rows,
    fail,
    invalid,
    known_service,
    print_json,
    run,
    settle,
)
from services.cli.properties import SETUP
from services.kernel.parked import service_of
from services.kernel.reactor import read_feed
from services.kernel.settings import Settings
from services.run.desk import Desk, system

app = typer.Typer(no_args_is_help=True)
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose handler failed.")]
Letter = Annotated[str, typer.Argument(metavar="LETTER", help="The letter's id, as `list` shows it.")]
By = Annotated[str, typer.Option("--by", help="Staff id of who asks.")]
Grounds = Annotated[str, typer.Option(help="Why; kept for the auditor.")]
_COLUMNS = ("service", "letter_id", "state", "type", "stream", "tries", "behind", "drop_proposed_by", "reason")


@app.command("list")
def list_all(
    service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="By default every service.")] = None,
    as_json: AsJson = False,
) -> None:
    """What was given up, and what is still being tried."""
    names = SERVICES if service is None else (known_service(service, as_json),)
    letters = run(_list(names, as_json), as_json)
    if as_json:
        print_json({"letters": letters})
    else:
        emit_rows(letters, _COLUMNS, "dead letters")


@app.command()
def show(service: ServiceName, letter: Letter, as_json: AsJson = False) -> None:
    """One letter: why, what was done about it, what waits behind it, and the fact itself, read again from its source."""
    found = run(_show(known_service(service, as_json), letter, as_json), as_json)
    if as_json:
        print_json(found)
        return
    emit(found["letter"], as_json, "dead letter")
    emit_rows(found["history"], ("at", "type", "actor", "grounds", "reason"), "what was done")
    emit_rows(found["behind"], ("number", "type", "fact_id"), "waits behind it")
    if found["fact"] is not None:
        emit(found["fact"], as_json, "the fact, as its source has it")
    elif found["letter"]["source"] is not None:
        ERR.print(f"the fact is not shown: {service_of(found['letter']['source'])} does not give it", markup=False)


@app.command()
def retry(service: ServiceName, letter: Letter, by: By, grounds: Grounds, as_json: AsJson = False) -> None:
    """Have it tried again, with all its tries; what waits behind it follows in order once it succeeds."""
    request = _request(of_service(known_service(service, as_json)).retry, letter, grounds, as_json)
    run(_send(service, letter, request, by, as_json), as_json)


@app.command()
def drop(
    service: ServiceName,
    letter: Letter,
    by: By,
    grounds: Grounds,
    confirm: Annotated[bool, typer.Option("--confirm", help="Agree to what another person proposed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forgo its effect for good: one person proposes it, another confirms with --confirm. What waits behind it follows."""
    messages = of_service(known_service(service, as_json))
    kind = messages.confirm_drop if confirm else messages.propose_drop
    request = _request(kind, letter, grounds, as_json)
    run(_send(service, letter, request, by, as_json), as_json)


def _request(kind: type[Any], letter: str, grounds: str, as_json: bool) -> Request:
    try:
        made: Request = kind(letter_id=letter, grounds=grounds)
    except ValidationError as error:
        invalid(error, as_json)
    return made


async def _list(names: tuple[str, ...], as_json: bool) -> list[dict[str, Any]]:
    async with system(Settings()) as desk:
        answers = await asyncio.gather(*(_every(desk, name, as_json) for name in names))
    return [{"service": name, **letter} for name, found in zip(names, answers, strict=True) for letter in found]


async def _every(desk: Desk, service: str, as_json: bool) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": None}
    while "next" in page:
        page = await _query(desk, service, None, as_json, page["next"])
        letters += page["letters"]
    return letters


async def _query(
    desk: Desk, service: str, letter: str | None, as_json: bool, after: str | None = None
) -> dict[str, Any]:
    request = of_service(service).listing(letter_id=letter, after=after)
    return settle(await desk.query(request, SETUP, "company"), as_json).result or {}


async def _show(service: str, letter: str, as_json: bool) -> dict[str, Any]:
    async with system(Settings()) as desk:
        found = await _query(desk, service, letter, as_json)
        (one,) = found["letters"]
        fact = None
        if one["source"] is not None:
            place = one["source"].partition(":")[2]
            with contextlib.suppress(NatsError, TimeoutError):  # its source may be what is wrong
                page = await read_feed(desk.client, service_of(one["source"]), place, one["number"] - 1)
                fact = from_json(page[0]) if page else None
    return {"letter": {"service": service, **one}, "history": found["history"], "behind": found["behind"], "fact": fact}


async def _send(service: str, letter: str, request: Request, by: str, as_json: bool) -> None:
    try:
        actor = Actor(actor=by)
    except ValidationError:
        fail(f"--by {by!r} is no staff id", BAD_INPUT, as_json, field="by", value=by, rule="letters, digits, - and _",
             remedy="give the staff id of who asks")  # fmt: skip
    async with system(Settings()) as desk:
        (one,) = (await _query(desk, service, letter, as_json))["letters"]
        answer = settle(await desk.send(request, actor, one["property"]), as_json)
    facts = [{"id": fact.id, "type": fact.type} for fact in answer.facts]
    emit({"letter_id": letter, "outcome": answer.outcome, "facts": facts}, as_json, "dead letter")
