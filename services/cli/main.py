"""The command `bailiwick`. Each command talks to the running system, or starts the embedded one while it needs it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from pydantic import ValidationError

from services.cli.later import Commands, Later
from services.cli.output import BAD_INPUT, OUT, UNAVAILABLE, AsJson, emit, emit_rows, fail, print_json, run
from services.kernel.settings import SettingError, Settings, masked
from services.run import logs, traces


class Bailiwick(Commands):
    """Everything there is: what is defined here, and what other modules define."""

    LATER: ClassVar = {
        "property": Later("services.cli.properties:app", "Properties."),
        "registry": Later(
            "services.cli.registry:app", "People, positions, wages, lent authority; the matrix and the law that hold."
        ),
        "import": Later("services.cli.imports:app", "Take in files of other systems."),
        "attendance": Later(
            "services.cli.attendance:app",
            "Attendance and discipline: leave, overtime, cases, sheets, appraisals.",
        ),
        "tickets": Later(
            "services.cli.tickets:app", "Complaints, repairs, incidents and the rest: boards, histories, figures."
        ),
        "billing": Later("services.cli.billing:app", "Charges, receipts and what is said of them."),
        "audit": Later("services.cli.audit:app", "Replay the history of decisions."),
        "dead-letters": Later("services.cli.dead_letters:app", "Facts and timers that a handler failed on."),
        "account": Later("services.cli.door:account", "People who come in with a password."),
        "api-key": Later("services.cli.door:api_key", "Integrations that come in with a key."),
        "listen": Later("services.cli.door:listen", "Print events as they happen, one a line, until Ctrl-C"),
        "demo": Later(
            "services.cli.demo:demo",
            "Run a month of an office, decide at, under and over each limit, and judge everything again.",
        ),
        "payroll": Later(
            "services.cli.payroll:payroll", "Write a month's deductions, each with its clause, ruling and clamps."
        ),
        "rebuild": Later("services.cli.rebuild:rebuild", "Rebuild a view while the system runs."),
    }


app = typer.Typer(
    cls=Bailiwick,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The back office of property management.",
)
config = typer.Typer(no_args_is_help=True, help="Settings.")
app.add_typer(config, name="config")


@app.callback()
def setup() -> None:
    """The back office of property management: decisions checked against written authority, kept for good."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"BAILIWICK_{first['loc'][0]}".upper()
        fail(f"{name}: {first['msg']}", BAD_INPUT, "--json" in sys.argv, field=name, value=first["input"],
             remedy="correct it, or unset it and its default holds")  # fmt: skip
    logs.configure(settings.log_level if "log_level" in settings.model_fields_set else "ERROR")
    traces.configure()


@app.command()
def up(as_json: AsJson = False) -> None:
    """Run everything in one process tree below BAILIWICK_DATA_DIR until Ctrl-C."""
    from services.run.signals import until_stopped

    run(until_stopped(_up(as_json)), as_json)


async def _up(as_json: bool) -> None:
    from bailiwick_contracts.subjects import SERVICES

    from services.cli.door import has_accounts
    from services.gateway import serve as gateway
    from services.run import observe
    from services.run.up import up as running

    given = Settings()
    _look_first(given, gateway.check, gateway.check_port, observe.check, as_json=as_json)
    async with running(given, SERVICES) as (settings, _):
        result: dict[str, object] = {
            "ready": True,
            "data_dir": str(settings.data_dir.absolute()),
            "nats_url": settings.nats_url,
            "services": sorted(SERVICES),
            "http_url": settings.http_url,
        }
        with contextlib.suppress(TimeoutError):
            if not await has_accounts(settings):
                result["first_account"] = "bailiwick account add NAME --staff STAFF_ID"
        emit(result, as_json, "bailiwick is up; Ctrl-C stops it")
        OUT.file.flush()
        await asyncio.Event().wait()


def _look_first(settings: Settings, *checks: Callable[[Settings], None], as_json: bool = False) -> None:
    """Say what is wrong before anything runs: the processes would end and begin again for ever."""
    try:
        for check in checks:
            check(settings)
    except ValueError as error:
        fail(str(error), BAD_INPUT, as_json)


@app.command()
def serve(services: Annotated[list[str], typer.Argument(help="Names of services, e.g. registry attendance.")]) -> None:
    """Run services against the NATS of BAILIWICK_NATS_URL; SIGTERM ends them cleanly."""
    from services.gateway import serve as gateway
    from services.run import observe
    from services.run.catalogue import GATEWAY, factories
    from services.run.serve import serve as serve_until_stopped

    try:
        chosen = factories(*services)
    except KeyError as error:
        fail(str(error.args[0]), BAD_INPUT)
    settings = Settings()
    logs.configure(settings.log_level)
    _look_first(settings, *([gateway.check] if GATEWAY in chosen else []), observe.check)
    run(serve_until_stopped(settings, chosen))


@app.command()
def provision(as_json: AsJson = False) -> None:
    """Create the streams and durables in the NATS of BAILIWICK_NATS_URL, or name how they differ."""
    run(_provision(as_json), as_json)


async def _provision(as_json: bool) -> None:
    from services.kernel.bus import DriftError, connect
    from services.kernel.bus import provision as provision_service
    from services.kernel.sealing import KeyStore
    from services.run.catalogue import factories

    settings = Settings()
    try:
        async with asyncio.timeout(15):
            client = await connect(settings.nats_url, "provision", **settings.nats_options("provision"))
    except TimeoutError:
        fail(
            f"NATS at {masked(settings.nats_url)} does not answer; start it, or correct BAILIWICK_NATS_URL",
            UNAVAILABLE,
            as_json,
        )
    made = []
    try:
        for name, factory in factories().items():
            service = factory(KeyStore(settings.keys_dir))
            made += await provision_service(client.jetstream(), name, service.consumes, replicas=settings.replicas)
    except DriftError as error:
        fail(str(error), 1, as_json)
    finally:
        await client.close()
    emit({"made": made, "as_described": True}, as_json, "JetStream")


@app.command("nats-accounts")
def nats_accounts(
    directory: Annotated[Path, typer.Argument(help="Where seeds, accounts.conf and certificates are written.")],
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address of the server, for its certificate.")
    ] = None,
    subscriber: Annotated[
        list[str] | None, typer.Option(help="Another system that reads events: NAME, or NAME:PROPERTY.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the users of NATS: an nkey for each service, with the least that it needs. Run again, it keeps what is there."""
    import tempfile

    from services.kernel.sealing import KeyStore
    from services.run.catalogue import factories
    from services.run.nats_accounts import subscribers_of, write

    with tempfile.TemporaryDirectory() as empty:
        services = [factory(KeyStore(Path(empty))) for factory in factories().values()]
    try:
        made = write(directory, services, subscribers_of(subscriber or (), services), host or ())
    except OSError as error:
        fail(
            f"{error.filename or directory}: {error.strerror}",
            BAD_INPUT,
            as_json,
            field="directory",
            value=str(directory),
        )
    except SettingError as error:
        fail(str(error), BAD_INPUT, as_json)
    emit({"directory": str(directory), "users": made}, as_json, "NATS accounts")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this machine and the data directory; each finding names its remedy. Exit code 1 when something is wrong."""
    from services.run.doctor import examine

    findings = run(examine(Settings()), as_json)
    if as_json:
        print_json({"findings": findings, "healthy": all(finding["ok"] for finding in findings)})
    else:
        shown = [finding | {"ok": "ok" if finding["ok"] else "WRONG"} for finding in findings]
        emit_rows(shown, ("check", "ok", "found", "remedy"), "doctor")
    if not all(finding["ok"] for finding in findings):
        raise typer.Exit(1)


@app.command()
def health(as_json: AsJson = False) -> None:
    """What each running service says of itself. Exit code 1 when one is not healthy, 3 when one does not answer."""
    run(_health(as_json), as_json)


async def _health(as_json: bool) -> None:
    from services.run.ask_health import healths

    found = await healths(Settings())
    if as_json:
        print_json({"healthy": all(row["healthy"] for row in found), "services": found})
    else:
        shown = [
            {
                "service": row["service"],
                "healthy": "yes" if row["healthy"] else "NO",
                "ready": "yes" if row.get("ready") else "NO",
                "not published": row.get("unpublished", {}).get("waiting", ""),
                "not taken in": sum(lag["waiting"] for lag in row.get("untaken", {}).values()),
                "dead letters": row.get("dead_letters", ""),
                "problems": "\n".join(row["problems"]),
            }
            for row in found
        ]
        emit_rows(shown, list(shown[0]), "health")
    if not all(row["healthy"] for row in found):
        raise typer.Exit(UNAVAILABLE if any("ready" not in row for row in found) else 1)


_OF_COMMANDS = {
    "BAILIWICK_FONTS_DIR": "as --fonts has it by default",
    "BAILIWICK_PROFILES": "the shipped ones",
}
"""Variables that stand for an option of some commands, and what holds without them."""


@config.command("show")
def config_show(as_json: AsJson = False) -> None:
    """Every setting with its value, secrets masked, and unknown BAILIWICK_ variables named."""
    settings = Settings()
    known = {f"BAILIWICK_{name.upper()}" for name in Settings.model_fields} | set(_OF_COMMANDS)
    unknown = sorted({v for v in os.environ if v.startswith("BAILIWICK_") and "_TEST_" not in v} - known)
    shown: dict[str, object] = {f"BAILIWICK_{n.upper()}": masked(str(v)) for n, v in settings}
    shown |= {name: os.environ.get(name) or told for name, told in _OF_COMMANDS.items()}
    if unknown:
        shown["unknown"] = unknown
    emit(shown, as_json, "settings")
