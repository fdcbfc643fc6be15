"""What a command prints: a table for people, or with `--json` one stable JSON document; and its exit code."""

import asyncio
import errno
import json
import os
import sqlite3
import sys
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from bailiwick_contracts.envelope import Answer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
OUT = Console(width=None if sys.stdout.isatty() else 150, emoji=False)
ERR = Console(stderr=True, emoji=False, soft_wrap=True)
"""What is wrong is said in one line, which the terminal breaks: a path in it stays whole, to be copied."""
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
REFUSED, BAD_INPUT, UNAVAILABLE = 1, 2, 3
"""Exit codes: turned down by a rule; wrong input; the system or a part of it does not answer."""


def emit(result: Mapping[str, Any], as_json: bool, title: str = "") -> None:
    """Print a result of one level: as JSON, or as a table of two columns."""
    if as_json:
        print_json(result)
        return
    table = Table(title=title or None, show_header=False)
    for name, value in result.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        table.add_row(name, Text(shown))
    OUT.print(table)


def print_json(result: Any) -> None:
    """One JSON document on standard output, Chinese as it is where standard output can hold it."""
    written = json.dumps(result, ensure_ascii=False, indent=2, default=str)
    try:
        written.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        written = json.dumps(result, indent=2, default=str)
    sys.stdout.write(written + "\n")


def emit_rows(rows: Iterable[Mapping[str, Any]], columns: Iterable[str], title: str) -> None:
    """Print rows as a table. Ids stay in one piece, to be copied; what is not there is left empty."""
    table = Table(title=title, title_justify="left")
    names = list(columns)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name == "id" or name.endswith("_id"))
    for row in rows:
        table.add_row(*(Text("" if row.get(name) is None else str(row[name])) for name in names))
    OUT.print(table)


def fail(message: str, exit_code: int, as_json: bool = False, /, **more: Any) -> NoReturn:
    """Say what is wrong and end with a code that tells the truth."""
    if as_json:
        print_json({"error": {"message": message, **more}})
    else:
        ERR.print(f"[bold red]error[/] {escape(message)}", highlight=False)
        for name, value in more.items():
            ERR.print(f"  {name}: {value}", highlight=False, markup=False)
    raise typer.Exit(exit_code)


def settle(answer: Answer, as_json: bool) -> Answer:
    """Pass an answer on, or end with what it says: 1 for a recorded refusal, 2 for a rejected command."""
    if answer.outcome == "rejected":
        error = dict(answer.error or {"message": "rejected"})
        fail(error.pop("message"), BAD_INPUT, as_json, **error)
    if answer.outcome == "refused":
        refusal = next(fact for fact in answer.facts if fact.type.split(".")[1].endswith("_refused"))
        told = dict(refusal.data or {})
        if not as_json and (ruling := told.pop("ruling", None)):
            told |= {"clause": ruling["row_id"], "who_may": ruling.get("escalate_to")}
        fail(f"refused, and recorded as {refusal.id}", REFUSED, as_json, **told)
    return answer


def invalid(error: ValidationError, as_json: bool) -> NoReturn:
    """Say of a request that cannot be what is wrong with it: the first field, what it holds, and what it is to be."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "request"
    value = "" if first["type"] == "missing" else str(first["input"])[:80]
    fail(f"{field}: {first['msg']}", BAD_INPUT, as_json, field=field, value=value, rule=first["msg"],
         remedy=f"correct the {field} and ask again; nothing was recorded")  # fmt: skip


def directory(place: Path, as_json: bool, option: str = "out", mode: int = 0o777) -> None:
    """Make a directory that files are to be written into, before anything is recorded that they are to show."""
    try:
        place.mkdir(parents=True, exist_ok=True, mode=mode)
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        fail(f"{place}: {error.strerror}", BAD_INPUT, as_json, field=option, value=str(place),
             rule="a directory that can be written to", remedy=f"name another with --{option}")  # fmt: skip


def known_service(name: str, as_json: bool) -> str:
    """The name of a service, as it was typed; one that is none ends the command and names those there are."""
    from bailiwick_contracts.subjects import SERVICES

    if name not in SERVICES:
        fail(f"{name!r} is no service", BAD_INPUT, as_json, field="service", value=name, rule=f"one of {', '.join(SERVICES)}",
             remedy="name one of them")  # fmt: skip
    return name


def run(work: Coroutine[Any, Any, T], as_json: bool = False) -> T:
    """Run a command's work; what stands in the way of it is said in a line, not in a trace."""
    import sqlalchemy as sa
    from nats.errors import Error as NatsError

    from services.kernel.failure import damaged
    from services.kernel.settings import SettingError
    from services.run.nats import NatsMissingError
    from services.run.place import StartError

    try:
        return asyncio.run(work)
    except NatsError as error:
        fail(f"{error}; bailiwick health names what does not answer", UNAVAILABLE, as_json)
    except (StartError, NatsMissingError, TimeoutError) as error:
        fail(str(error) or "no answer in time", UNAVAILABLE, as_json)
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        said = str(error.orig).partition("\n")[0]
        fail(f"the database does not answer: {said}", UNAVAILABLE, as_json,
             remedy="see that it runs and can be written; bailiwick doctor looks at each")  # fmt: skip
    except (sqlite3.DatabaseError, sa.exc.DatabaseError) as error:
        if not damaged(error):
            raise
        fail(f"a database is damaged: {getattr(error, 'orig', error)}", UNAVAILABLE, as_json,
             remedy="bailiwick doctor names it; put a backup of it back")  # fmt: skip
    except SettingError as error:
        fail(str(error), BAD_INPUT, as_json)
    except ValidationError as error:
        invalid(error, as_json)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of a write, which names no file
            fail(f"{error.filename or 'a file cannot be written'}: {error.strerror}", UNAVAILABLE, as_json,
                 remedy="make room below BAILIWICK_DATA_DIR and where files are to be written; bailiwick doctor says what is left")  # fmt: skip
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror}", BAD_INPUT, as_json, value=str(error.filename))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
