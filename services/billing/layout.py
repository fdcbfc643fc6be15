"""A statement file read by its profile: every row, or why it is not taken; counts, totals and the chain of balances."""

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bailiwick_contracts.statement import Chain, Direction, StatementRow, check_chain, row_key, walk
from pydantic import ValidationError

from services.billing.entry import Entry, Reader
from services.billing.profile import Profile, normal, wanting
from services.billing.sheet import DELIMITERS, FileError, Line, decode, html_rows, rows_of, workbook_sheets
from services.table import BadRow

_SEARCHED = 400
_ZERO = Decimal(0)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class ReadStatement:
    """A statement as read: what a command line prints and what is asked of billing."""

    profile: str
    rows: tuple[StatementRow, ...]
    bad: tuple[BadRow, ...]
    chain: Chain
    currency: str = "CNY"
    notes: tuple[str, ...] = field(default=())

    def of(self, direction: Direction) -> tuple[int, Decimal]:
        """How many rows of a direction, and their total."""
        found = [row.amount for row in self.rows if row.direction == direction]
        return len(found), sum(found, _ZERO)


def numbered(entries: Sequence[Entry], scope: str) -> tuple[StatementRow, ...]:
    """Rows with their keys and their ordinals among equals."""
    seen: dict[tuple[Any, ...], int] = {}
    made = []
    for one in entries:
        key = row_key((scope, one.on.isoformat(), one.direction, f"{one.amount:.2f}", *one.content))
        ordinal, with_balance = seen.get((key,), 0), seen.get((key, one.balance), 0)
        seen[(key,)], seen[key, one.balance] = ordinal + 1, with_balance + 1
        made.append(
            StatementRow.model_validate(
                {"row": one.row, "key": key, "ordinal": ordinal, "balance_ordinal": with_balance, "on": one.on,
                 "direction": one.direction, "amount": one.amount, "balance": one.balance,
                 "counterparty": _shown(one.counterparty, 128), "account": _shown(one.account, 128),
                 "said": _shown(one.said, 500)}
            )
        )  # fmt: skip
    return tuple(made)


def _shown(text: str, most: int) -> str | None:
    return _UNPRINTABLE.sub(" ", text).strip()[:most] or None


def table_of(content: bytes, profiles: Mapping[str, Profile]) -> tuple[list[Profile], list[Line], int, list[int]]:
    """The profiles that fit a file best, its rows, where its header stands, and which further sheets have one; those with the most telling columns.

    Raises:
        FileError: none fits; the message names the profile that comes nearest and the columns it lacks.
    """
    best: tuple[int, list[Profile], list[Line], int] | None = None
    nearest: tuple[int, Profile, list[str], int] | None = None
    fits: dict[int, list[Line]] = {}
    for sheet, lines in enumerate(_readings(content), start=1):
        for index, line in enumerate(lines[:_SEARCHED]):
            names = {normal(cell) for cell in line.cells}
            for profile in profiles.values():
                lacks = wanting(profile, names)
                has = len(profile.header) - len(lacks)
                if not lacks:
                    fits[sheet] = lines
                if not lacks and (best is None or has > best[0]):
                    best = (has, [profile], lines, index)
                elif not lacks and best is not None and (has, lines, index) == (best[0], best[2], best[3]):
                    best[1].append(profile)
                elif has and (nearest is None or has > nearest[0]):
                    nearest = (has, profile, lacks, line.number)
    if best is not None:
        return best[1], best[2], best[3], [sheet for sheet, lines in fits.items() if lines is not best[2]]
    if nearest is None:
        raise FileError(f"no line of the file has a column of {', '.join(sorted(profiles))}")
    _, profile, lacks, number = nearest
    raise FileError(
        f"no line of the file has the columns of a profile; line {number} comes nearest to {profile.id} and lacks "
        f"{', '.join(lacks)[:400]}"
    )


def _readings(content: bytes) -> Iterator[list[Line]]:
    if content.startswith(b"PK\x03\x04"):
        yield from workbook_sheets(content)
        return
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileError("this is an old XLS workbook; open it and save it as XLSX or CSV")
    text = decode(content)
    if re.search(r"<(t[rdh]|(ss:)?row)[\s>]", text, re.IGNORECASE):
        yield list(html_rows(text))
        return
    for delimiter in DELIMITERS:
        if delimiter in text:
            yield list(rows_of(text, delimiter))


def read_table_statement(content: bytes, profiles: Mapping[str, Profile]) -> ReadStatement:
    """Read a statement of rows and columns.

    Args:
        content: the file.
        profiles: the profile to read it by, or all of them to find the one that fits.

    Raises:
        FileError: it cannot be read, or no profile fits.
    """
    fitting, lines, at, further = table_of(content, profiles)
    profile = fitting[0]
    reader = Reader(profile, lines[at].cells)
    reader.look_over(lines[at + 1 :])
    entries: list[Entry] = []
    bad: list[BadRow] = []
    passed: list[int] = []
    for line in lines[at + 1 :]:
        filled = [cell for cell in line.cells if cell]
        if not filled or reader.is_header(line):
            continue
        if re.match(r"^[-=*#]{4,}", filled[0]) and len(filled) < 3:
            break
        if reader.is_totals(line):
            continue
        made = reader.entry(line)
        if isinstance(made, Entry):
            entries.append(made)
        elif reader.is_prose(line):
            passed.append(line.number)
        else:
            bad.append(made)
    try:
        rows = numbered(entries, profile.id)
    except ValidationError as error:
        raise FileError(f"a row cannot be taken: {error.errors(include_url=False)[0]['msg']}") from None
    chain, cut = chain_beside(rows, [one.row for one in bad], {one.row: one.content[0] for one in entries})
    notes = [*_count_note(profile, lines[:at], len(rows) + len(bad)), *_untold(fitting, entries, chain), *cut]
    if further:
        notes.append(
            f"not read: sheet {', '.join(map(str, further[:12]))} of the workbook; save each as a file of its own"
        )
    if passed:
        notes.append(f"no rows, but text: lines {', '.join(map(str, passed[:12]))}{' …' if len(passed) > 12 else ''}")
    return ReadStatement(profile.id, rows, tuple(bad), chain, reader.currency or "CNY", tuple(notes))


def _untold(fitting: Sequence[Profile], entries: Sequence[Entry], chain: Chain) -> Iterator[str]:
    """What a file does not tell, so that a person looks."""
    profile = fitting[0]
    if len(fitting) > 1:
        yield f"read as {profile.id}; {', '.join(one.id for one in fitting[1:])} would fit as well: name one with --profile"[
            :128
        ]
    if profile.guessed:
        yield f"no bank's profile fits; read by the names of its columns as {profile.id}"
    unsigned = profile.amount and profile.direction is None and len(entries) > 1 and chain.state != "closed"
    if unsigned and len({one.direction for one in entries} - {"neutral"}) == 1:
        yield f"every amount has the same sign, so each was read as money that {'came in' if entries[0].direction == 'in' else 'went out'}"


def _count_note(profile: Profile, head: Sequence[Line], found: int) -> tuple[str, ...]:
    if profile.count is None:
        return ()
    for line in head:
        said = re.search(profile.count, " ".join(line.cells))
        if said is not None and int(said.group(1)) != found:
            return (f"the file says {said.group(1)} rows and has {found}",)
    return ()


def chain_of(
    rows: Sequence[StatementRow], opening: Decimal | None = None, closing: Decimal | None = None,
    times: Mapping[int, str] | None = None,
) -> Chain:  # fmt: skip
    """The chain of balances in whichever order the file lists its rows: as they stand, or each day's, by time, turned round.

    The order counts in which fewest balances do not follow from the one before.
    """
    first = check_chain(rows, opening=opening, closing=closing)
    if first.state != "broken":
        return first
    by_time = {one.row: (one.on, (times or {}).get(one.row, "").zfill(6)) for one in rows}
    forward, turned = list(rows), list(reversed(rows))
    orders = [forward, turned]
    for known in (forward, turned):
        orders += [sorted(known, key=lambda one: one.on), sorted(known, key=lambda one: by_time[one.row])]
    return min((walk(order, opening, closing) for order in orders), key=lambda one: one[1])[0]


def chain_beside(
    rows: Sequence[StatementRow], turned_down: Sequence[int], times: Mapping[int, str]
) -> tuple[Chain, tuple[str, ...]]:
    """The chain of a table some of whose rows were not taken: over those the balances cannot be followed.

    Each stretch between them is checked by itself. A break inside one is a break; otherwise the chain is unavailable.
    """
    chain = chain_of(rows, times=times)
    if chain.state != "broken" or not turned_down:
        return chain, ()
    stretches: dict[int, list[StatementRow]] = {}
    for row in rows:
        stretches.setdefault(bisect(turned_down, row.row), []).append(row)
    for stretch in stretches.values():
        part = chain_of(stretch, times=times)
        if part.state == "broken":
            return part, ()
    shown = ", ".join(map(str, turned_down[:6]))
    return Chain(state="unavailable"), (f"the balances cannot be followed over rows that were not taken: {shown}",)
