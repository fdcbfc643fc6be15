"""`bailiwick account`, `bailiwick api-key`, `bailiwick listen`: who comes in from outside, and what is happening."""

import asyncio
import contextlib
import hashlib
import json
import secrets
import sys
from typing import Annotated, Any

import typer
from bailiwick_contracts.envelope import Actor, read_event
from bailiwick_contracts.gateway import AddAccount, AddApiKey, ListAccounts
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.registry import GetProperty, GetStaff
from pydantic import ValidationError

from services.cli.output import BAD_INPUT, UNAVAILABLE, AsJson, emit, emit_rows, fail, invalid, print_json, run, settle
from services.kernel.bus import connect
from services.kernel.doors import Door
from services.kernel.settings import Settings
from services.run.desk import Desk, system

account = typer.Typer(no_args_is_help=True)
api_key = typer.Typer(no_args_is_help=True)
LOOK_SECONDS = 10.0
"""How long every service has to say where its log ends."""
SETUP = Actor(actor="system-setup", authmethod="system", channel="system")


@account.command("add")
def add_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As it is typed at the login.")],
    staff: Annotated[str, typer.Option(help="The person's staff id in the registry; the position held there counts.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a person an account. Without a password given one is made, and shown this once."""
    from services.gateway.token import hash_password

    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(15)
    if len(password) < 12:
        fail("the password: at least 12 characters", BAD_INPUT, as_json, field="password", value="",
             rule="at least 12 characters", remedy="give a longer one; nothing was recorded")  # fmt: skip
    try:
        request = AddAccount(account=name, staff_id=staff, password_hash=hash_password(password))
    except ValidationError as error:
        invalid(error, as_json)
    run(_add_account(request, password, password_stdin, as_json), as_json)


async def _add_account(request: AddAccount, password: str, is_given: bool, as_json: bool) -> None:
    async with system(Settings()) as desk:
        settle(await desk.query(GetStaff(staff_id=request.staff_id), SETUP, COMPANY), as_json)  # a person who is there
        answer = settle(await desk.send(request, SETUP, COMPANY), as_json)
    shown = {} if is_given or answer.outcome != "done" else {"password": password}
    emit(
        {"account": request.account, "staff_id": request.staff_id, "outcome": answer.outcome} | shown,
        as_json,
        "account",
    )


@account.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """Every account with the person it belongs to."""
    run(_list_accounts(as_json), as_json)


async def _list_accounts(as_json: bool) -> None:
    rows: list[Any] = []
    asked: ListAccounts | None = ListAccounts()
    async with system(Settings()) as desk:
        while asked is not None:
            found = settle(await desk.query(asked, SETUP, COMPANY), as_json).result or {}
            rows += found.get("accounts", [])
            asked = ListAccounts(after=found["next"]) if "next" in found else None
    if as_json:
        print_json({"accounts": rows})
    else:
        emit_rows(rows, ("account", "staff_id"), "accounts")


@api_key.command("add")
def add_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the integration is called.")],
    acts_as: Annotated[str, typer.Option(help="The actor of what it sends: a staff id, or a name of its own.")],
    properties: Annotated[list[str], typer.Option("--property", help="A property it is for; again for more.")],
    access: Annotated[list[str], typer.Option("--access", help="command, query or events; again for more.")],
    as_json: AsJson = False,
) -> None:
    """Give an integration a key, which is shown this once."""
    key_id, secret = f"k{secrets.token_hex(8)}", secrets.token_urlsafe(32)
    body = {
        "key_id": key_id, "name": name, "acts_as": acts_as, "properties": tuple(properties), "access": tuple(access),
        "secret_hash": hashlib.sha256(secret.encode()).hexdigest(),
    }  # fmt: skip
    try:
        request = AddApiKey.model_validate(body)
    except ValidationError as error:
        invalid(error, as_json)
    run(_add_key(request, f"bwk_{key_id}.{secret}", as_json), as_json)


async def _add_key(request: AddApiKey, secret: str, as_json: bool) -> None:
    async with system(Settings()) as desk:
        for named in request.properties:
            await _look_up(desk, named, as_json)
        settle(await desk.send(request, SETUP, COMPANY), as_json)
    emit({"key_id": request.key_id, "api_key": secret}, as_json, "API key")


def listen(
    property_id: Annotated[str | None, typer.Option("--property", help="One property; by default every one.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="A wire type, 'attendance.*' or '*'; again for more.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Begin behind this cursor; 'start': with the first event.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print events as they happen, one a line, until Ctrl-C; with --json the documents as they are stored."""
    from services.gateway.problem import ProblemError
    from services.gateway.tail import chosen

    try:
        wanted = chosen(types or ("*",))
    except ProblemError as problem:
        (first,) = problem.more["problems"]
        fail(f"--{problem.detail}", BAD_INPUT, as_json, **first, remedy=problem.more["remedy"])
    run(_listen(property_id, wanted, after, count, as_json), as_json)


async def _look_up(desk: Desk, property_id: str, as_json: bool) -> None:
    """A property that is there, or the company."""
    if property_id != COMPANY:
        settle(await desk.query(GetProperty(property_id=property_id), SETUP, COMPANY), as_json)


async def _listen(
    property_id: str | None, types: tuple[str, ...], after: str | None, count: int | None, as_json: bool
) -> None:
    from bailiwick_contracts.subjects import SERVICES

    from services.gateway.cursor import read
    from services.gateway.problem import ProblemError
    from services.gateway.tail import Tail, Wanted

    wanted = Wanted(types, None if property_id is None else frozenset({property_id}))
    async with system(Settings()) as desk:
        if property_id is not None:
            await _look_up(desk, property_id, as_json)  # of one that is not there nothing is ever told
        tail = Tail(desk.client, SERVICES)
        following = asyncio.create_task(tail.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    while len(tail.heads) < len(SERVICES):  # noqa: ASYNC110 - each is asked where its log ends
                        await asyncio.sleep(0.05)
            silent = [service for service in SERVICES if service not in tail.heads]
            if silent:
                fail(f"{', '.join(silent)}: no answer; what happens there would be missed", UNAVAILABLE, as_json)
            cursor = read(after) if after is not None else dict(tail.heads)
            left = count
            async for found in tail.follow(cursor, wanted):
                for event in found.events:
                    if as_json:
                        sys.stdout.buffer.write(event.raw + b"\n")
                    else:
                        actor = read_event(event.raw).actor
                        data = json.dumps(json.loads(event.raw)["data"], ensure_ascii=False)
                        sys.stdout.write(f"{event.recorded_at} {event.property_id} {event.type} {actor} {data}\n")
                    left = None if left is None else left - 1
                    if left == 0:
                        return
                sys.stdout.flush()
        except ProblemError as problem:
            if problem.code == "unavailable":
                fail(problem.detail, UNAVAILABLE, as_json)
            fail(problem.detail, BAD_INPUT, as_json, field="after", value=(after or "")[:80],
                 rule="a cursor of this installation", remedy="begin with 'start', or leave --after away")  # fmt: skip
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def has_accounts(settings: Settings) -> bool:
    """Whether anybody has a local account yet."""
    client = await connect(settings.nats_url, "command-line", **settings.nats_options("office"))
    try:
        answer = await Desk(client, Door(settings.doors_dir)).query(ListAccounts(), SETUP, COMPANY)
    finally:
        await client.close()
    return bool((answer.result or {}).get("accounts"))
