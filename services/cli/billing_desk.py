"""What every `bailiwick billing` command shares: who asks, how a request is sent, how a query is read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor, Answer
from bailiwick_contracts.message import Request
from pydantic import ValidationError

from services.cli.given import SETUP, typed_id
from services.cli.output import BAD_INPUT, emit, fail, run, settle
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.desk import Desk, system

Month = Annotated[str, typer.Option(help="Of the property's calendar, e.g. 2026-03.")]
By = Annotated[
    str, typer.Option("--by", callback=typed_id, help="Staff id of who asks; none for the set-up and imports.")
]
Grounds = Annotated[str, typer.Option(help="A code of the office's list, e.g. overpaid.")]


def actor_of(by: str) -> Actor:
    """Who asks: a person by staff id, or the set-up."""
    return Actor(actor=by) if by else SETUP


@contextmanager
def checked(as_json: bool) -> Iterator[None]:
    """Say which field of a request is wrong, and end."""
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in found["loc"]) or "request"
        fail(f"{field}: {found['msg']}", BAD_INPUT, as_json, field=field, value=str(found["input"])[:80])


def at_desk(work: Callable[[Desk], Awaitable[Any]], as_json: bool) -> Any:
    """Do something with the system that runs, or with one of its own."""

    async def connected() -> Any:
        async with system(Settings()) as desk:
            await caught_up(desk.client, "billing", "registry")
            return await work(desk)

    with checked(as_json):
        return run(connected(), as_json)


def send(request: Callable[[], Request], by: str, place: str, as_json: bool, title: str) -> Answer:
    """Send one command and print what it led to, with the ruling where one was given."""
    with checked(as_json):
        made = request()

    async def work(desk: Desk) -> Answer:
        return settle(await desk.send(made, actor_of(by), place), as_json)

    answer: Answer = at_desk(work, as_json)
    shown: dict[str, Any] = {"property": place, "outcome": answer.outcome, **(answer.result or {})}
    if answer.rows:
        shown["rows"] = [row.model_dump(mode="json", exclude_none=True) for row in answer.rows]
    shown |= {"facts": [fact.id for fact in answer.facts], "became": [fact.type.split(".")[1] for fact in answer.facts]}
    ruling = next((fact.data["ruling"] for fact in answer.facts if fact.data and fact.data.get("ruling")), None)
    if ruling is not None:
        shown["ruling"] = " ".join(str(ruling.get(name, "")) for name in ("row_id", "outcome", "reason")).strip()
    emit(shown, as_json, title)
    return answer


def ask(request: Callable[[], Request], place: str, as_json: bool) -> dict[str, Any]:
    """Read one answer."""
    with checked(as_json):
        made = request()

    async def work(desk: Desk) -> dict[str, Any]:
        return settle(await desk.query(made, SETUP, place), as_json).result or {}

    found: dict[str, Any] = at_desk(work, as_json)
    return found


async def pages(
    desk: Desk, request: Callable[[str | None], Request], place: str, as_json: bool
) -> AsyncIterator[dict[str, Any]]:
    """Every page of a query."""
    after: str | None = None
    while True:
        page = settle(await desk.query(request(after), SETUP, place), as_json).result or {}
        yield page
        after = page.get("next")
        if after is None:
            return


def parts_of(named: list[str]) -> tuple[dict[str, str], ...]:
    """`CHARGE=AMOUNT`, or `CHARGE` alone, as a request has them."""
    found = [one.partition("=") for one in named]
    return tuple({"charge_id": charge} | ({"amount": amount} if amount else {}) for charge, _, amount in found)
