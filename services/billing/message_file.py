"""Statements as messages between banks: MT940, and camt.053 of ISO 20022; each with its opening and closing balance."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.statement import Chain, Direction, StatementRow
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from services.billing.entry import Entry
from services.billing.layout import ReadStatement, chain_of, numbered, read_table_statement
from services.billing.profile import Profile, family
from services.billing.sheet import FileError, decode
from services.table import BadRow

Piece = tuple[list[Entry], Decimal | None, Decimal | None, str]
"""The entries of one statement of a file, its opening and closing balance, and its account."""
_BLOCK = re.compile(r"(?m)^(?=:20:)")


def is_mt940(content: bytes) -> bool:
    """Whether a file looks like MT940."""
    plain = content.replace(b"\0", b"").replace(b"\r", b"\n")
    return re.search(rb"(?m)^\W{0,3}:20:", plain[:4096]) is not None and b":60" in plain


def is_camt(content: bytes) -> bool:
    """Whether a file looks like camt.053."""
    return b"BkToCstmrStmt" in content[:8192].replace(b"\0", b"")


def read_mt940(content: bytes) -> ReadStatement:
    """Read MT940: one or more statements of one account, each with its balances.

    Raises:
        FileError: it is none.
    """
    import mt940  # noqa: PLC0415 - slow to load, and most statements are tables

    text = decode(content).replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[Piece] = []
    currency, row = "CNY", 0
    bad: list[BadRow] = []
    for block in _BLOCK.split(text):
        if ":60" not in block:
            continue
        plain = re.sub(r"^-\}?\s*$", "", block, flags=re.MULTILINE)
        try:
            found: Any = mt940.parse(plain)
        except Exception:  # noqa: BLE001 - whatever the library finds wrong is what is wrong with the file
            plain, wrong = _without_wrong(mt940.parse, plain, row)
            bad += wrong
            try:
                found = mt940.parse(plain)
            except Exception as error:  # noqa: BLE001 - as above
                raise FileError(f"this MT940 cannot be read: {error}") from None
        opening = found.data.get("final_opening_balance") or found.data.get("intermediate_opening_balance")
        closing = found.data.get("final_closing_balance") or found.data.get("intermediate_closing_balance")
        entries = []
        for one in found.transactions:
            if "amount" not in one.data:
                continue
            row += 1
            entries.append(_mt940_entry(one.data, row))
            currency = str(one.data["amount"].currency or currency)
        if opening is not None:
            currency = str(opening.amount.currency or currency)
        pieces.append(
            (entries, _balance(opening), _balance(closing), str(found.data.get("account_identification") or ""))
        )
    if not pieces:
        raise FileError("this MT940 has no statement with balances (:60F: and :62F:)")
    return _assembled(
        "mt940", pieces, currency, bad, ("the balances cannot be followed over rows that were not taken",) * bool(bad)
    )


def _without_wrong(parse: Callable[[str], Any], block: str, before: int) -> tuple[str, list[BadRow]]:
    """A block without the transactions that cannot be read by themselves, and these."""
    head, *moved = re.split(r"(?m)^(?=:61:)", block)
    kept, wrong = [head], []
    for number, one in enumerate(moved, start=before + 1):
        alone, _, rest = one.partition("\n:62")
        try:
            parse(f":20:X\n:25:X\n:28C:1\n:60F:C260101CNY0,\n{alone}\n:62F:C260101CNY0,\n")
            kept.append(one)
        except Exception as error:  # noqa: BLE001 - whatever the library finds wrong
            line = one.splitlines()[0]
            wrong.append(
                BadRow(
                    number,
                    ":61:",
                    line[:80],
                    f"a transaction of MT940 ({error})"[:120],
                    "ask the bank for the file anew",
                )
            )
            kept.append(f":62{rest}" if rest else "")
    return "".join(kept), wrong


def _balance(found: Any) -> Decimal | None:
    return None if found is None else Decimal(found.amount.amount).quantize(Decimal("0.01"))


def _mt940_entry(data: dict[str, Any], row: int) -> Entry:
    amount = abs(Decimal(data["amount"].amount).quantize(Decimal("0.01")))
    # RC takes a credit back, RD a debit; the library knows the sign of C and D alone.
    amount = amount if data.get("status") in ("C", "RD") else -amount
    on = data.get("entry_date") or data["date"]
    details = " ".join(
        str(data.get(name) or "") for name in ("transaction_details", "purpose", "extra_details")
    ).split()
    reference = " ".join(str(data.get(name) or "") for name in ("customer_reference", "bank_reference"))
    name = str(data.get("applicant_name") or "")
    text = " ".join(details)[:500]
    return Entry(
        row=row, on=date(data["date"].year, data["date"].month, data["date"].day), direction=_sign(amount),
        amount=abs(amount), counterparty=name, account=str(data.get("applicant_iban") or ""), said=text,
        content=(str(on), name, text, reference),
    )  # fmt: skip


def _sign(amount: Decimal) -> Direction:
    return "in" if amount > 0 else "out" if amount < 0 else "neutral"


def _assembled(
    profile: str, pieces: Sequence[Piece], currency: str,
    bad: Sequence[BadRow] = (), notes: Sequence[str] = (),
) -> ReadStatement:  # fmt: skip
    entries = [entry for piece, *_ in pieces for entry in piece]
    rows = numbered(entries, profile)
    chain = _chain(rows, pieces)
    if bad and chain.state == "broken":
        chain = Chain(state="unavailable")
    return ReadStatement(profile, rows, tuple(bad), chain, currency, tuple(notes))


def _chain(rows: Sequence[StatementRow], pieces: Sequence[Piece]) -> Chain:
    start, states = 0, []
    last: dict[str, Decimal | None] = {}
    for entries, opening, closing, account in pieces:
        before = last.get(account)
        part = rows[start : start + len(entries)]
        start += len(entries)
        if before is not None and opening is not None and before != opening:
            return Chain(state="broken", row=part[0].row if part else None, expected=before, found=opening)
        chain = chain_of(part, opening, closing)
        if chain.state == "broken":
            return chain
        states.append(chain.state)
        last[account] = closing
    return Chain(state="unavailable" if "unavailable" in states else "closed")


def read_camt(content: bytes) -> ReadStatement:
    """Read camt.053: booked entries, each transaction of a batch on its own; what is only pending is left out.

    Raises:
        FileError: it is none, or holds what no statement needs (entities, a DTD).
    """
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", decode(content)))
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise FileError(f"this camt.053 cannot be read: {error}") from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    pieces: list[Piece] = []
    notes: list[str] = []
    bad: list[BadRow] = []
    currency, row = "", 0
    for statement in root.iter("Stmt"):
        entries: list[Entry] = []
        for entry in statement.findall("Ntry"):
            row += 1
            status = entry.findtext("Sts/Cd") or entry.findtext("Sts") or "BOOK"
            if status.strip() != "BOOK":
                notes.append(f"entry {row} is {status.strip()[:20]}, not booked, and left out")
                continue
            written = entry.find("Amt")
            code = written.get("Ccy", "") if written is not None else ""
            currency = currency or code
            if code != currency:
                bad.append(BadRow(row, "Amt", code, f"one currency a statement, here {currency}", "split the file"))
                continue
            try:
                entries += _camt_entries(entry, row)
            except (ValueError, ArithmeticError, TypeError) as error:
                shown = f"{entry.findtext('BookgDt/Dt') or entry.findtext('BookgDt/DtTm') or ''} {entry.findtext('Amt') or ''}"
                bad.append(
                    BadRow(
                        row,
                        "Ntry",
                        shown.strip()[:80],
                        f"a date and an amount ({type(error).__name__})",
                        "ask the bank for the file anew",
                    )
                )
        opening, closing = _camt_balances(statement)
        account = statement.findtext("Acct/Id/IBAN") or statement.findtext("Acct/Id/Othr/Id") or ""
        pieces.append((entries, opening, closing, account))
    if not pieces:
        raise FileError("this camt.053 has no statement (Stmt)")
    return _assembled("camt053", pieces, currency or "CNY", bad, notes[:20])


def _camt_balances(statement: Any) -> tuple[Decimal | None, Decimal | None]:
    found: dict[str, Decimal] = {}
    for balance in statement.findall("Bal"):
        code = balance.findtext("Tp/CdOrPrtry/Cd") or ""
        amount = Decimal((balance.findtext("Amt") or "0").strip())
        sign = -1 if (balance.findtext("CdtDbtInd") or "").strip() == "DBIT" else 1
        found.setdefault(code.strip(), (sign * amount).quantize(Decimal("0.01")))
    return found.get("OPBD", found.get("PRCD")), found.get("CLBD")


def _camt_entries(entry: Any, row: int) -> Iterator[Entry]:
    day = (entry.findtext("BookgDt/Dt") or entry.findtext("BookgDt/DtTm") or entry.findtext("ValDt/Dt") or "").strip()
    on = date.fromisoformat(day[:10])
    direction: Direction = "out" if (entry.findtext("CdtDbtInd") or "").strip() == "DBIT" else "in"
    whole = Decimal((entry.findtext("Amt") or "").strip())
    details = entry.findall("NtryDtls/TxDtls")
    amounts = [(one.findtext("Amt") or one.findtext("AmtDtls/TxAmt/Amt") or "").strip() for one in details]
    parts: list[tuple[Any, Decimal]] = [(details[0] if details else entry, whole)]
    if len(details) > 1 and all(amounts) and sum(map(Decimal, amounts)) == whole:
        parts = list(zip(details, map(Decimal, amounts), strict=True))
    party = "Dbtr" if direction == "in" else "Cdtr"
    for index, (part, amount) in enumerate(parts):
        name = part.findtext(f"RltdPties/{party}/Nm") or part.findtext(f"RltdPties/{party}/Pty/Nm") or ""
        account = (
            part.findtext(f"RltdPties/{party}Acct/Id/IBAN") or part.findtext(f"RltdPties/{party}Acct/Id/Othr/Id") or ""
        )
        said = [one.text or "" for one in part.findall("RmtInf/Ustrd")]
        said += [entry.findtext("AddtlNtryInf") or ""]
        references = [
            part.findtext("Refs/EndToEndId") or "",
            entry.findtext("AcctSvcrRef") or "",
            entry.findtext("NtryRef") or "",
        ]
        text = " ".join(" ".join(said).split())[:500]
        yield Entry(
            row * 1000 + index if len(parts) > 1 else row, on, direction, amount.quantize(Decimal("0.01")),
            (name, account, text, *references), None, name, account, text,
        )  # fmt: skip


def read_statement(content: bytes, profile: str, profiles: Mapping[str, Profile]) -> ReadStatement:
    """Read a statement of any kind by the named profile or one of its variants, or `auto` by the one that fits.

    Raises:
        FileError: it cannot be read, the profile is unknown, or none fits.
    """
    if profile == "mt940" or (profile == "auto" and is_mt940(content)):
        return read_mt940(content)
    if profile in ("camt053", "camt") or (profile == "auto" and is_camt(content)):
        return read_camt(content)
    meant = profiles if profile == "auto" else family(profiles, profile)
    if not meant:
        raise FileError(f"no profile is named {profile}; there are auto, mt940, camt053, {', '.join(sorted(profiles))}")
    return read_table_statement(content, meant)
