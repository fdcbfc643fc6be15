"""Commands made from the requests of a service: one for each, an option for each of its fields, and what is said of the answer."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from bailiwick_contracts.envelope import Actor
from bailiwick_contracts.message import COMPANY, Record, Request
from bailiwick_contracts.registry import OffsetChange
from pydantic import ValidationError

from services.cli import form, verdict
from services.cli.given import SETUP, Property, typed_id
from services.cli.output import BAD_INPUT, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.ids import uuid7
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.run.desk import Desk, system
from services.wall_clock import BadCell, Clocks

_FOR_PROGRAMS = ("data", "place")
READER = Actor(actor="system-reader", authmethod="system", channel="system")


class Verb(NamedTuple):
    """A command: the request it makes, and what stands in it where nothing is typed."""

    request: type[Request]
    made_up: str | None = None
    """The field that is given a new id."""
    shipped: tuple[str, Callable[[], Record]] | None = None
    """A field, and what is shipped for it."""


By = Annotated[str, typer.Option("--by", callback=typed_id, help="Staff id of who asks; none for the set-up.")]
Behalf = Annotated[
    str | None,
    typer.Option("--on-behalf-of", callback=typed_id, help="Whose authority is used, where one is lent (delegation)."),
]
Delegation = Annotated[
    str | None, typer.Option("--delegation", callback=typed_id, help="The delegation that lends it.")
]


def commands(
    service: str,
    verbs: Mapping[str, Mapping[str, Verb]],
    said: Mapping[str, str],
    *,
    place: Callable[[Request], str] | None = None,
) -> typer.Typer:
    """Every noun of a service with its verbs.

    Args:
        service: which takes the requests.
        verbs: noun to name to command.
        said: what each noun is for.
        place: the property that a request is sent to; by default it is typed, as `--property`.
    """
    app = typer.Typer(no_args_is_help=True)
    for noun, named in verbs.items():
        group = typer.Typer(no_args_is_help=True, help=said[noun])
        for name, verb in named.items():
            told = inspect.cleandoc(verb.request.__doc__ or "").partition("\n")[0]
            group.command(name, help=told)(_Command(service, f"{noun} {name}", verb, place).made())
        app.add_typer(group, name=noun)
    return app


class _Command:
    """One command: how it is typed, and what it does."""

    def __init__(self, service: str, title: str, verb: Verb, place: Callable[[Request], str] | None) -> None:
        self._service, self._title, self._verb, self._place = service, title, verb, place
        self._asks = verb.request.__name__.startswith(("Get", "List"))

    def made(self) -> Callable[..., None]:
        """The function whose parameters are the options."""

        def command(
            as_json: bool,
            at: str = COMPANY,
            by: str = "",
            behalf: str | None = None,
            delegation: str | None = None,
            **typed: Any,
        ) -> None:
            if self._asks:
                run(self._read(typed, at, as_json), as_json)
                return
            if (behalf or delegation) and not (by and behalf and delegation):
                fail("--by, --on-behalf-of, --delegation: nobody acts for another without all three", BAD_INPUT, as_json,
                     field="on-behalf-of" if behalf is None else "by" if not by else "delegation", value="",
                     rule="who asks, for whom, and the delegation that lends it",
                     remedy="give all three, or --by alone")  # fmt: skip
            actor = Actor(actor=by, onbehalfof=behalf, delegation=delegation) if by else SETUP
            run(self._sent(typed, actor, at, as_json), as_json)

        common: list[tuple[str, Any, Any]] = [("as_json", AsJson, False)]
        if self._place is None:
            common.insert(0, ("at", Property, inspect.Parameter.empty))
        if not self._asks:
            common += [("by", By, ""), ("behalf", Behalf, None), ("delegation", Delegation, None)]
        fixed = [
            inspect.Parameter(key, form.KEYWORD, default=default, annotation=kind) for key, kind, default in common
        ]
        filled = (self._verb.made_up, self._verb.shipped[0] if self._verb.shipped is not None else None)
        own = form.options(self._verb.request, *filter(None, filled))
        command.__signature__ = inspect.Signature([*own, *fixed])  # type: ignore[attr-defined]
        command.__annotations__ = {}
        return command

    async def _sent(self, typed: Mapping[str, Any], actor: Actor, at: str, as_json: bool) -> None:
        given, verb = dict(typed), self._verb
        if verb.made_up is not None and given.get(verb.made_up) is None:
            given[verb.made_up] = uuid7()
        if verb.shipped is not None and given.get(verb.shipped[0]) is None:
            given[verb.shipped[0]] = verb.shipped[1]().model_dump_json()
        async with system(Settings()) as desk:
            request, place = await self._request(desk, given, at, as_json)
            if self._service != "registry":
                await caught_up(desk.client, self._service, "registry")
            answer = await desk.send(request, actor, place)
        known_by = {verb.made_up: getattr(request, verb.made_up)} if verb.made_up is not None else {}
        verdict.show(answer, request, place, known_by, self._title, as_json)

    async def _read(self, typed: Mapping[str, Any], at: str, as_json: bool) -> None:
        async with system(Settings()) as desk:
            request, place = await self._request(desk, typed, at, as_json)
            found = dict(settle(await desk.query(request, READER, place), as_json).result or {})
            paged = next((name for name, value in found.items() if isinstance(value, list)), None)
            while paged is not None and (after := found.pop("next", found.pop("after", None))) is not None:
                more = request.model_copy(update={"after": after})
                page = dict(settle(await desk.query(more, READER, place), as_json).result or {})
                found = {**page, paged: [*found[paged], *page[paged]]}
        if as_json:
            print_json(found)
            return
        rows = {name: _rows(value) for name, value in found.items()}
        emit({name: _cell(value) for name, value in found.items() if rows[name] is None}, as_json, self._title)
        for name, part in rows.items():
            if part:
                emit_rows(part, list(dict.fromkeys(key for row in part for key in row)), name)

    async def _request(self, desk: Desk, typed: Mapping[str, Any], at: str, as_json: bool) -> tuple[Request, str]:
        """The request that was typed and where it goes; what is wrong with it is said by field, value, rule and remedy."""
        from services.cli import taking_in

        changes: Sequence[OffsetChange] = ()
        if self._place is None and form.asks_for_clocks(self._verb.request, typed):
            zone = await taking_in.zone_of(desk, at)
            changes = tuple(OffsetChange.model_validate(change) for change in zone["changes"])
        remedy = f"bailiwick {self._service} {self._title} --help"
        try:
            request = self._verb.request.parse(form.body(self._verb.request, typed, lambda: Clocks(changes)))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            field = ".".join(map(str, problem["loc"])) or self._title
            value = "" if problem["type"] == "missing" else str(problem["input"])[:80]
            fail(f"{field}: {problem['msg']}", BAD_INPUT, as_json, field=field, value=value, rule=problem["msg"],
                 remedy=remedy)  # fmt: skip
        except BadCell as wrong:
            fail(f"{wrong.name}: {wrong.rule}", BAD_INPUT, as_json, field=wrong.name, value=wrong.value,
                 rule=wrong.rule, remedy=wrong.remedy)  # fmt: skip
        except ValueError as error:
            fail(str(error), BAD_INPUT, as_json, rule="a JSON file", remedy=remedy)
        return request, at if self._place is None else self._place(request)


def _rows(value: Any) -> list[dict[str, str]] | None:
    """A list of records, or records by id, as rows of a table; None for what is neither. Ids of facts are for `--json`."""
    if isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
        value = [{"id": key, **one} for key, one in value.items()]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return None
    rows = [
        {
            key: _cell(cell)
            for key, cell in row.items()
            if key not in _FOR_PROGRAMS and not key.endswith(("_fact", "fact_id"))
        }
        for row in value
    ]
    told = {key for row in rows for key, cell in row.items() if cell}
    return [{key: cell for key, cell in row.items() if key in told} for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return "sealed" if "ciphertext" in value else ", ".join(f"{key} {_cell(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(
            " ".join(map(_cell, one.values())) if isinstance(one, Mapping) else _cell(one) for one in value
        )
    return (
        ""
        if value is None
        else {True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )
