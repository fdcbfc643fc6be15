"""`bailiwick import statement`, `units`, `meters`, `readings`: what billing takes from other systems' files."""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from bailiwick_contracts.billing import UNITS_LIMIT, RegisterUnits
from bailiwick_contracts.message import Request
from bailiwick_contracts.meter import METERS_LIMIT, READINGS_LIMIT, RecordReadings, RegisterMeters
from bailiwick_contracts.registry import ListProperties
from bailiwick_contracts.statement import (
    ROWS_PER_REQUEST,
    ImportStatement,
    ImportStatementRows,
    OverrideStatement,
    PreviewStatementRows,
)
from pydantic import ValidationError

from services.cli.audit_desk import bar
from services.cli.given import IMPORT, SETUP, File, Property
from services.cli.output import BAD_INPUT, ERR, OUT, REFUSED, AsJson, emit, emit_rows, fail, print_json, run, settle
from services.kernel.reactor import caught_up
from services.kernel.settings import Settings
from services.row_reasons import words_of
from services.run.desk import Desk, system
from services.table import BadRow, read_table

ProfileFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--profile-file", exists=True, envvar="BAILIWICK_PROFILES", help="Your own profile, or a directory of them."
    ),
]
_SHOWN = 20
_PART_BYTES = 180_000


def statement(
    file: File,
    profile: Annotated[
        str,
        typer.Option(help="wechat, alipay, boc, icbc, ccb, cmb, abc (with their variants), mt940, camt053, … or auto."),
    ] = "auto",
    property_id: Annotated[
        str, typer.Option("--property", help="Whose account; the only property where there is one.")
    ] = "",
    profile_file: ProfileFiles = None,
    override: Annotated[
        str, typer.Option(help="Take a broken balance chain all the same, for this reason (a code).")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, check and match; record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """A statement of a bank or payment provider: every credit a receipt, matched where that is nearly sure."""
    from services.billing.message_file import read_statement
    from services.billing.profile import ProfileError, known_profiles
    from services.billing.sheet import FileError

    content = file.read_bytes()
    try:
        read = read_statement(content, profile, known_profiles(profile_file or ()))
    except (FileError, ProfileError, UnicodeDecodeError) as error:
        fail(f"{file.name}: {error}", BAD_INPUT, as_json, field="file", value=file.name,
             rule="a statement that a profile describes", remedy="name another --profile, or add one with --profile-file")  # fmt: skip
    if dry_run and not property_id:
        _say(read, _counted(read), {"held": read.chain.state == "broken"}, as_json)
        return

    async def work() -> tuple[dict[str, Any], dict[str, Any]]:
        async with system(Settings()) as desk:
            place = property_id or await _only_property(desk, as_json)
            await caught_up(desk.client, "billing", "registry")
            if dry_run:
                return await _preview(desk, read, content, place, as_json)
            return await _take(desk, read, content, file.name, place, override, as_json)

    counted, more = run(work(), as_json)
    _say(read, counted, more, as_json)


def _counted(read: Any, duplicates: int = 0, matched: int = 0, unapplied: Decimal | None = None) -> dict[str, Any]:
    credits_, credit_total = read.of("in")
    debits, debit_total = read.of("out")
    return {
        "rows": len(read.rows) + len(read.bad),
        "credits": credits_,
        "debits": debits,
        "credit_total": f"{credit_total:.2f}",
        "debit_total": f"{debit_total:.2f}",
        "duplicates": duplicates,
        "rejected": len(read.bad),
        "matched": matched,
        "unapplied_total": f"{credit_total if unapplied is None else unapplied:.2f}",
    }


def _say(read: Any, counted: dict[str, Any], more: Mapping[str, Any], as_json: bool) -> None:
    chain = read.chain
    if as_json:
        bad = [vars(one) for one in read.bad]
        told = {
            "profile": read.profile,
            "balance_chain": chain.state,
            "held": bool(more.get("held")),
            "notes": list(read.notes),
        }
        print_json(counted | told | {"bad_rows": bad})
    else:
        emit({"profile": read.profile, **counted, "balance_chain": chain.state}, as_json, "statement")
        if read.bad:
            rows = [vars(one) for one in read.bad[:_SHOWN]]
            emit_rows(rows, ("row", "field", "value", "rule", "remedy"), "rows that were not taken")
        for note in read.notes:
            OUT.print(note, highlight=False)
    if more.get("held"):
        ERR.print(
            f"held: at row {chain.row} the balance is {chain.found}, {chain.expected} was expected; nothing of the file "
            "counts until somebody takes it with --override CODE", highlight=False,
        )  # fmt: skip
    if read.bad or more.get("held"):
        raise typer.Exit(REFUSED)


async def _only_property(desk: Desk, as_json: bool) -> str:
    found = (await desk.query(ListProperties(), SETUP, "company")).result or {}
    places = [one["property_id"] for one in found.get("properties", ())]
    if len(places) != 1:
        fail("which property is it of?", BAD_INPUT, as_json, field="property", value="",
             rule=f"one of {', '.join(places) or 'none: add one first'}", remedy="name it with --property")  # fmt: skip
    return str(places[0])


def _announced(read: Any, content: bytes, place: str) -> ImportStatement:
    digest = hashlib.sha256(content).hexdigest()
    credits_, credit_total = read.of("in")
    debits, debit_total = read.of("out")
    name = hashlib.sha256(f"{place}\x1f{read.profile}\x1f{digest}".encode()).hexdigest()[:32]
    days = [row.on for row in read.rows]
    return ImportStatement.model_validate(
        {"statement_id": f"st-{name}", "profile": read.profile, "file_sha256": digest, "currency": read.currency,
         "rows": len(read.rows), "rejected": len(read.bad), "credits": credits_, "debits": debits,
         "credit_total": credit_total, "debit_total": debit_total, "first_on": min(days, default=None),
         "last_on": max(days, default=None), "chain": read.chain.model_dump(mode="json", exclude_none=True),
         "notes": tuple(read.notes)}
    )  # fmt: skip


def _parts(rows: tuple[Any, ...], size: int) -> Iterable[tuple[Any, ...]]:
    """As many rows as one message holds: at most `size`, and under its bytes."""
    part: list[Any] = []
    held = 0
    for row in rows:
        needs = len(row.model_dump_json().encode())
        if part and (len(part) == size or held + needs > _PART_BYTES):
            yield tuple(part)
            part, held = [], 0
        part.append(row)
        held += needs
    if part:
        yield tuple(part)


async def _preview(
    desk: Desk, read: Any, content: bytes, place: str, as_json: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    statement_id = _announced(read, content, place).statement_id
    duplicates = matched = 0
    unapplied = Decimal(0)
    for part in _parts(read.rows, ROWS_PER_REQUEST):
        request = PreviewStatementRows(statement_id=statement_id, rows=part)
        found = settle(await desk.query(request, IMPORT, place), as_json).result or {}
        duplicates, matched = duplicates + found["duplicates"], matched + found["matched"]
        unapplied += Decimal(found["unapplied"])
    return _counted(read, duplicates, matched, unapplied), {"held": read.chain.state == "broken"}


async def _take(
    desk: Desk, read: Any, content: bytes, name: str, place: str, override: str, as_json: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    request = _announced(read, content, place)
    answer = settle(await desk.send(request, IMPORT, place, import_file=name[:128]), as_json)
    held = bool((answer.result or {}).get("held"))
    if held and override:
        settle(
            await desk.send(OverrideStatement(statement_id=request.statement_id, grounds=override), IMPORT, place),
            as_json,
        )
        held = False
    if held:
        return _counted(read, unapplied=Decimal(0)), {"held": True}
    duplicates = matched = done = 0
    unapplied = Decimal(0)
    with bar("rows", as_json) as progress:
        for part in _parts(read.rows, ROWS_PER_REQUEST):
            rows = ImportStatementRows(statement_id=request.statement_id, rows=part)
            answer = settle(await desk.send(rows, IMPORT, place, import_file=name[:128]), as_json)
            duplicates += sum(row.outcome == "ignored" for row in answer.rows)
            found = answer.result or {}
            matched += found.get("matched", 0)
            unapplied += Decimal(found.get("unapplied", "0"))
            done += len(part)
            progress(done, len(read.rows))
    return _counted(read, duplicates, matched, unapplied), {}


def _bad(rows: Iterable[BadRow | Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown = [dict(one) if isinstance(one, Mapping) else vars(one) for one in rows]
    return sorted(shown, key=lambda one: int(one["row"]))


def _finish(total: int, done: int, known: int, bad: list[dict[str, Any]], as_json: bool) -> None:
    report = {"rows": total, "accepted": done, "duplicates": known, "rejected": len(bad), "bad_rows": bad}
    if as_json:
        print_json(report)
    else:
        emit({name: value for name, value in report.items() if name != "bad_rows"}, as_json, "import")
        if bad:
            emit_rows(bad, ("row", "field", "value", "rule", "remedy"), "rows that were not taken")
    if bad:
        raise typer.Exit(REFUSED)


def _lines(content: bytes, columns: tuple[str, ...], optional: tuple[str, ...]) -> tuple[list[Any], list[BadRow]]:
    """Rows with the columns that the file has of the optional ones."""
    head = content[:2000].decode("utf-8", "replace").partition("\n")[0]
    return read_table(content, (*columns, *(one for one in optional if one in head)))


def _row_error(number: int, error: ValidationError) -> dict[str, Any]:
    found = error.errors(include_url=False)[0]
    return {"row": number, "field": ".".join(str(one) for one in found["loc"]), "value": str(found["input"])[:80],
            "rule": found["msg"], "remedy": "correct the row and import the file again"}  # fmt: skip


async def _send_rows(
    desk: Desk, place: str, file: Path, rows: list[tuple[int, str, Any]], size: int, make: Any, as_json: bool
) -> tuple[int, int, list[dict[str, Any]]]:
    done = known = 0
    bad: list[dict[str, Any]] = []
    with bar("rows", as_json) as progress:
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            numbers = {key: number for number, key, _ in part}
            request: Request = make(tuple(row for _, _, row in part))
            answer = settle(await desk.send(request, IMPORT, place, import_file=file.name[:128]), as_json)
            for one in answer.rows:
                done += one.outcome == "done"
                known += one.outcome == "ignored"
                if one.outcome == "rejected":
                    field, rule, remedy = words_of(one.reason or "")
                    bad.append(
                        {"row": numbers[one.row], "field": field, "value": one.row, "rule": rule, "remedy": remedy}
                    )
            progress(start + len(part), len(rows))
    return done, known, bad


def _import_rows(
    file: Path, place: str, lines: list[Any], unread: list[BadRow], size: int, model: Any, make: Any, key: str, as_json: bool,
    *, shape: Any,
) -> None:  # fmt: skip
    bad = _bad(unread)
    rows: list[tuple[int, str, Any]] = []
    seen: dict[str, int] = {}
    for line in lines:
        try:
            made = model.model_validate(shape(line, file))
        except ValidationError as error:
            bad.append(_row_error(line.number, error))
            continue
        name = str(getattr(made, key))
        if name in seen:
            bad.append({"row": line.number, "field": key, "value": name, "rule": f"once in a file; row {seen[name]} has it too",
                        "remedy": "remove one of the two"})  # fmt: skip
            continue
        seen[name] = line.number
        rows.append((line.number, name, made))

    async def work() -> tuple[int, int, list[dict[str, Any]]]:
        async with system(Settings()) as desk:
            await caught_up(desk.client, "billing", "registry")
            return await _send_rows(desk, place, file, rows, size, make, as_json)

    done, known, turned_down = run(work(), as_json)
    _finish(
        len(lines) + len(unread), done, known, sorted([*bad, *turned_down], key=lambda one: int(one["row"])), as_json
    )


def _filled(cells: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: cells[name] for name in names if cells.get(name)}


def units(file: File, property_id: Property, as_json: AsJson = False) -> None:
    """Units: columns unit_id, label, area, since; optional kind, bays, payer (owner or developer), until, references (by |)."""
    from bailiwick_contracts.tariff import BilledUnit

    def shape(line: Any, _: Path) -> dict[str, Any]:
        cells = line.cells
        spell = {"payer_class": cells.get("payer") or "owner", "first_on": cells["since"]}
        spell |= {"until_on": cells["until"]} if cells.get("until") else {}
        references = [one.strip() for one in cells.get("references", "").split("|") if one.strip()]
        bays = {"bays": int(cells["bays"])} if cells.get("bays", "").isdigit() else _filled(cells, "bays")
        named = _filled(cells, "unit_id", "label", "area", "kind")
        return {**named, **bays, "spells": (spell,), "references": tuple(references)}

    wanted = ("unit_id", "label", "area", "since")
    lines, bad = _lines(file.read_bytes(), wanted, ("kind", "bays", "payer", "until", "references"))
    _import_rows(file, property_id, lines, bad, UNITS_LIMIT, BilledUnit, lambda rows: RegisterUnits(units=rows), "unit_id",
                 as_json, shape=shape)  # fmt: skip


def meters(file: File, property_id: Property, as_json: AsJson = False) -> None:
    """Meters: columns meter_id, unit_id, kind, installed_on; optional digits, factor, usage_limit, start."""
    from bailiwick_contracts.meter import Meter

    def shape(line: Any, _: Path) -> dict[str, Any]:
        cells = line.cells
        digits = {"digits": int(cells["digits"])} if cells.get("digits", "").isdigit() else _filled(cells, "digits")
        return {
            **_filled(cells, "meter_id", "unit_id", "kind", "installed_on", "factor", "usage_limit", "start"),
            **digits,
        }

    wanted = ("meter_id", "unit_id", "kind", "installed_on")
    lines, bad = _lines(file.read_bytes(), wanted, ("digits", "factor", "usage_limit", "start"))
    _import_rows(file, property_id, lines, bad, METERS_LIMIT, Meter, lambda rows: RegisterMeters(meters=rows), "meter_id",
                 as_json, shape=shape)  # fmt: skip


def readings(file: File, property_id: Property, as_json: AsJson = False) -> None:
    """Meter readings: columns meter_id, read_on, value; optional kind (reading, estimate, rollover, replacement) and start."""
    from bailiwick_contracts.meter import ReadingRow

    def shape(line: Any, _: Path) -> dict[str, Any]:
        cells = line.cells
        name = hashlib.sha256("\x1f".join((cells["meter_id"], cells["read_on"], cells["value"])).encode()).hexdigest()[
            :24
        ]
        known = _filled(cells, "meter_id", "read_on", "value", "kind", "start")
        return {**known, "read_on": _date(cells["read_on"]), "reading_id": f"rd-{name}", "file_row": line.number}

    lines, bad = _lines(file.read_bytes(), ("meter_id", "read_on", "value"), ("kind", "start"))
    _import_rows(file, property_id, lines, bad, READINGS_LIMIT, ReadingRow, lambda rows: RecordReadings(rows=rows),
                 "reading_id", as_json, shape=shape)  # fmt: skip


def _date(text: str) -> Any:
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        return text
