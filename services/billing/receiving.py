"""The wiring of what comes in: receipts, their allocation, statements, the match queue, waivers."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from bailiwick_contracts.authority import Ruling
from bailiwick_contracts.billing import settings_stream
from bailiwick_contracts.envelope import Command, RowAnswer
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    ConfirmMatch,
    DismissMatch,
    Instruction,
    MatchDismissed,
    Mode,
    Part,
    PostReceipts,
    Proposal,
    ReceiptPosted,
    ReceiptRow,
    ReceiptStanding,
    RefundReceipt,
    Source,
    in_proportion,
    oldest_first,
    receipt_stream,
)
from bailiwick_contracts.sealed import Personal
from bailiwick_contracts.statement import (
    ImportStatement,
    ImportStatementRows,
    OverrideStatement,
    PreviewStatementRows,
    StatementRow,
    StatementRowsTaken,
    TakenRow,
    statement_stream,
)
from bailiwick_contracts.tariff import Standing

from services.billing import gathering as gather
from services.billing import receipt as receipts
from services.billing import statement as statements
from services.billing.match import Directory, directory, propose, surest
from services.billing.receipt import RECEIPT, Debts
from services.billing.setting import unknown_unit
from services.billing.statement import STATEMENT
from services.kernel.service import Outcome, Reading, Unit

ZERO = Decimal(0)


def _debts(unit: Unit, unit_ids: Iterable[str]) -> Debts:
    debts = Debts()
    for charges in gather.open_charges(unit, unit.property_id, set(unit_ids)).values():
        for charge in charges:
            debts.add(charge)
    return debts


def on_post_receipts(unit: Unit, command: Command[PostReceipts]) -> Outcome:
    """Post receipts (B3), row by row, and allocate those of a known unit."""
    request, place = command.data, unit.property_id
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, settings_stream(place), command):
        return Outcome()
    on, currency = gather.today(unit, place), gather.setting(unit, place).currency
    named = {row.unit_id for row in request.rows if row.unit_id is not None}
    known = gather.units(unit, place, named) if named else {}
    unit.load(receipt_stream(row.receipt_id) for row in request.rows)
    debts = _debts(unit, named) if request.allocate else Debts()
    answers = []
    for row in request.rows:
        stream = receipt_stream(row.receipt_id)
        reason = _refusal_of(row, unit.state(RECEIPT, stream), place, set(known), on)
        if reason is not None:
            answers.append(RowAnswer(row=row.receipt_id, outcome="ignored" if reason == "posted" else "rejected",
                                     reason=None if reason == "posted" else reason))  # fmt: skip
            continue
        standing = ReceiptStanding(
            receipt_id=row.receipt_id, unit_id=row.unit_id, received_on=row.received_on, method=row.method,
            currency=currency, amount=row.amount, fee=row.fee, unapplied=row.amount,
        )  # fmt: skip
        unit.append(stream, ReceiptPosted(receipt=standing, booked_on=on, ruling=found.ruling))
        if request.allocate and row.unit_id is not None:
            paid = receipts.allocate(standing, oldest_first(row.amount, debts.of(row.unit_id)), "oldest_first", on)
            unit.append(stream, *paid)
            debts.settle(paid)
        answers.append(RowAnswer(row=row.receipt_id, outcome="done"))
    return Outcome(rows=tuple(answers))


def _refusal_of(row: ReceiptRow, known: receipts.Receipt, place: str, unit_ids: set[str], on: date) -> str | None:
    if known.standing is not None:
        same = (known.property_id, known.standing.amount, known.standing.received_on)
        return "posted" if same == (place, row.amount, row.received_on) else "receipt_id_reused"
    if row.unit_id is not None and row.unit_id not in unit_ids:
        return "unknown_unit"
    if row.received_on > on:
        return "received_in_future"
    return "fee_beyond_amount" if row.fee >= row.amount else None


def on_allocate_receipts(unit: Unit, command: Command[AllocateReceipts]) -> Outcome:
    """Allocate receipts oldest debt first (B3), in the order given."""
    place, ids = unit.property_id, list(dict.fromkeys(command.data.receipt_ids))
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, receipt_stream(ids[0]), command, ids[0]):
        return Outcome()
    unit.load(receipt_stream(one) for one in ids)
    standing = [receipts.existing(unit.state(RECEIPT, receipt_stream(one)), one, place) for one in ids]
    debts = _debts(unit, {one.unit_id for one in standing if one.unit_id is not None})
    on = gather.today(unit, place)
    answers = []
    for one in standing:
        paid = receipts.allocate(one, oldest_first(one.unapplied, debts.of(one.unit_id)), "oldest_first", on)
        unit.append(receipt_stream(one.receipt_id), *paid)
        debts.settle(paid)
        answers.append(RowAnswer(row=one.receipt_id, outcome="done" if paid else "ignored"))
    return Outcome(rows=tuple(answers))


def on_allocate_receipt(unit: Unit, command: Command[AllocateReceipt]) -> None:
    """Allocate a receipt as its payer instructed (B3)."""
    request, place = command.data, unit.property_id
    stream = receipt_stream(request.receipt_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.receipt_id):
        return
    standing = receipts.existing(unit.state(RECEIPT, stream), request.receipt_id, place)
    charges = gather.existing_charges(unit, place, [one.charge_id for one in request.instructions])
    parts = _instructed(standing, request.instructions, charges)
    on = gather.today(unit, place)
    if isinstance(parts, str):
        gather.refuse(unit, stream, command, parts, request.receipt_id, found.ruling)
    else:
        mode: Mode = "proportional" if request.instructions[0].amount is None else "instructed"
        unit.append(stream, *receipts.allocate(standing, parts, mode, on, found.ruling))


def _instructed(
    standing: ReceiptStanding, instructions: Sequence[Instruction], charges: dict[str, Standing]
) -> list[Part] | str:
    if standing.bounced:
        return "receipt_bounced"
    named = [charges[one.charge_id] for one in instructions]
    if instructions[0].amount is None:
        return in_proportion(standing.unapplied, named)
    parts = [Part(charges[one.charge_id], one.amount or ZERO) for one in instructions]
    if any(part.amount > part.charge.open or part.amount <= 0 for part in parts):
        return "beyond_open"
    return "beyond_unapplied" if sum((part.amount for part in parts), ZERO) > standing.unapplied else parts


def on_refund_receipt(unit: Unit, command: Command[RefundReceipt]) -> None:
    """Pay back some of what is unapplied (B3)."""
    request, place = command.data, unit.property_id
    stream = receipt_stream(request.receipt_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.receipt_id):
        return
    standing = receipts.existing(unit.state(RECEIPT, stream), request.receipt_id, place)
    if standing.bounced or request.amount > standing.unapplied:
        reason = "receipt_bounced" if standing.bounced else "beyond_unapplied"
        gather.refuse(unit, stream, command, reason, request.receipt_id, found.ruling)
        return
    on = gather.today(unit, place)
    unit.append(stream, *receipts.refund(standing, request.amount, request.grounds, on, found.ruling))


def on_bounce_receipt(unit: Unit, command: Command[BounceReceipt]) -> None:
    """A receipt never arrived (B3): what it paid is open again."""
    request, place = command.data, unit.property_id
    stream = receipt_stream(request.receipt_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.receipt_id):
        return
    receipt = unit.state(RECEIPT, stream)
    standing = receipts.existing(receipt, request.receipt_id, place)
    if standing.bounced:
        return
    if standing.refunded:
        gather.refuse(unit, stream, command, "receipt_is_refunded", request.receipt_id, found.ruling)
        return
    on = gather.today(unit, place)
    charges = gather.existing_charges(unit, place, sorted({line.after.charge_id for line in receipt.paid}))
    unit.append(stream, *receipts.release(receipt, standing, charges, "receipt_bounced", on))
    unit.append(stream, *receipts.bounce(unit.state(RECEIPT, stream).known, request.grounds, on, found.ruling))


def on_confirm_match(unit: Unit, command: Command[ConfirmMatch]) -> None:
    """A person says whose a receipt is (B3); it is allocated at once."""
    request, place = command.data, unit.property_id
    stream = receipt_stream(request.receipt_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.receipt_id):
        return
    receipt = unit.state(RECEIPT, stream)
    standing = receipts.existing(receipt, request.receipt_id, place)
    if request.unit_id not in gather.units(unit, place, [request.unit_id]):
        raise unknown_unit(request.unit_id)
    if standing.bounced:
        gather.refuse(unit, stream, command, "receipt_bounced", request.receipt_id, found.ruling)
        return
    confirmed = receipts.confirm(receipt, request.unit_id, found.ruling)
    unit.append(stream, *confirmed)
    for fact in confirmed:
        debts = _debts(unit, [request.unit_id])
        parts = oldest_first(fact.receipt.unapplied, debts.of(request.unit_id))
        on = gather.today(unit, place)
        unit.append(stream, *receipts.allocate(fact.receipt, parts, "oldest_first", on, found.ruling))


def on_dismiss_match(unit: Unit, command: Command[DismissMatch]) -> None:
    """A person says that no proposal is right (B3)."""
    request, place = command.data, unit.property_id
    stream = receipt_stream(request.receipt_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.receipt_id):
        return
    receipt = unit.state(RECEIPT, stream)
    standing = receipts.existing(receipt, request.receipt_id, place)
    if standing.unit_id is None and not receipt.dismissed:
        unit.append(stream, MatchDismissed(receipt=standing, ruling=found.ruling))


def on_import_statement(unit: Unit, command: Command[ImportStatement]) -> Outcome:
    """Know a statement file (B3)."""
    request, place = command.data, unit.property_id
    stream = statement_stream(request.statement_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.statement_id):
        return Outcome()
    gather.reject_currency(unit, place, request.currency)
    unit.append(stream, *statements.take_in(request, unit.state(STATEMENT, stream), place, found.ruling))
    return Outcome(result={"held": unit.state(STATEMENT, stream).held})


def on_override_statement(unit: Unit, command: Command[OverrideStatement]) -> None:
    """A person takes a held statement all the same (B3)."""
    stream = statement_stream(command.data.statement_id)
    found = gather.gate(unit, command, "B3")
    if not gather.barred(unit, found, stream, command, command.data.statement_id):
        state = unit.state(STATEMENT, stream)
        unit.append(stream, *statements.override(command.data, state, unit.property_id, found.ruling))


def _judged(
    unit: Reading, place: str, statement_id: str, rows: Sequence[StatementRow]
) -> tuple[list[tuple[StatementRow, str | None]], Callable[[StatementRow], tuple[str | None, tuple[Proposal, ...]]]]:
    apart = statements.told_apart(rows, gather.known_rows(unit, place, {row.key for row in rows}), statement_id)
    keys = {
        row.row: gather.payer_key(unit, place, row.counterparty, row.account) for row in rows if row.direction == "in"
    }
    incoming = any(row.direction == "in" and first is None for row, first in apart)
    known: Directory = Directory()
    if incoming:
        owed = {
            unit_id: sum((one.open for one in charges), ZERO)
            for unit_id, charges in gather.open_charges(unit, place).items()
        }
        before = gather.payers(unit, place, {key for key in keys.values() if key is not None})
        known = directory(gather.units(unit, place).values(), before, owed)

    def judge(row: StatementRow) -> tuple[str | None, tuple[Proposal, ...]]:
        text = " ".join(one for one in (row.said, row.counterparty) if one)
        return keys.get(row.row), propose(text, keys.get(row.row), row.amount, known)

    return apart, judge


def on_import_statement_rows(unit: Unit, command: Command[ImportStatementRows]) -> Outcome:
    """Take in rows of a statement: each credit is a receipt, matched where that is nearly sure, unapplied otherwise."""
    request, place = command.data, unit.property_id
    stream = statement_stream(request.statement_id)
    found = gather.gate(unit, command, "B3")
    if gather.barred(unit, found, stream, command, request.statement_id):
        return Outcome()
    statement = unit.state(STATEMENT, stream)
    statements.existing(statement, request.statement_id, place)
    if statement.held:
        gather.refuse(unit, stream, command, "statement_held", request.statement_id, found.ruling)
        return Outcome()
    fresh = [row for row in request.rows if row.row not in statement.taken]
    on, terms = gather.today(unit, place), gather.setting(unit, place).terms_on(gather.today(unit, place))
    apart, judge = _judged(unit, place, request.statement_id, fresh)
    taken, answers = [], [RowAnswer(row=f"r{row.row}", outcome="ignored") for row in request.rows if row not in fresh]
    posted: list[tuple[ReceiptStanding, ReceiptPosted]] = []
    for row, first in apart:
        receipt_id = None
        if first is None and row.direction == "in" and row.amount > 0:
            fact = _posted(unit, request.statement_id, row, judge, terms.auto_match, on, found.ruling)
            posted.append((fact.receipt, fact))
            receipt_id = fact.receipt.receipt_id
        taken.append(
            TakenRow(row=row.row, key=row.key, ordinal=row.ordinal, on=row.on, direction=row.direction, amount=row.amount,
                     balance=row.balance, duplicate_of=first, receipt_id=receipt_id)
        )  # fmt: skip
        answers.append(RowAnswer(row=f"r{row.row}", outcome="ignored" if first else "done"))
    if taken:
        unit.append(stream, StatementRowsTaken(statement_id=request.statement_id, rows=tuple(taken)))
    unit.load(receipt_stream(standing.receipt_id) for standing, _ in posted)
    debts = _debts(unit, {standing.unit_id for standing, _ in posted if standing.unit_id is not None})
    for standing, fact in posted:
        unit.append(receipt_stream(standing.receipt_id), fact)
        if standing.unit_id is not None:
            parts = oldest_first(standing.unapplied, debts.of(standing.unit_id))
            paid = receipts.allocate(standing, parts, "oldest_first", on)
            unit.append(receipt_stream(standing.receipt_id), *paid)
            debts.settle(paid)
    return Outcome(rows=tuple(answers), result=_counted(apart, [standing for standing, _ in posted]))


def _counted(apart: Sequence[tuple[StatementRow, str | None]], posted: Sequence[ReceiptStanding]) -> dict[str, Any]:
    unapplied = sum((one.amount for one in posted if one.unit_id is None), ZERO)
    return {
        "matched": sum(one.unit_id is not None for one in posted),
        "unapplied": f"{unapplied:.2f}",
        "duplicates": sum(first is not None for _, first in apart),
    }


def _posted(
    unit: Unit, statement_id: str, row: StatementRow,
    judge: Callable[[StatementRow], tuple[str | None, tuple[Proposal, ...]]], threshold: Any, on: Any, ruling: Ruling | None,
) -> ReceiptPosted:  # fmt: skip
    payer, proposals = judge(row)
    unit_id = surest(proposals, threshold)
    name = hashlib.sha256(f"{unit.property_id}\x1f{statement_id}\x1f{row.row}".encode()).hexdigest()[:32]
    currency = unit.state(STATEMENT, statement_stream(statement_id)).imported
    standing = ReceiptStanding(
        receipt_id=f"s-{name}", unit_id=unit_id, received_on=row.on, method="statement",
        currency=currency.currency if currency else "CNY", amount=row.amount, unapplied=row.amount,
    )  # fmt: skip
    said = " · ".join(one for one in (row.counterparty, row.account, row.said) if one)
    return ReceiptPosted(
        receipt=standing,
        booked_on=on,
        payer=payer,
        source=Source(statement_id=statement_id, row=row.row),
        proposals=proposals,
        said=Personal.of(f"payer-{payer or name}", said[:500]) if said and unit_id is None else None,
        ruling=ruling,
    )


def preview_statement_rows(reading: Reading, command: Command[PreviewStatementRows]) -> dict[str, Any]:
    """`matched`, `unapplied`, `duplicates` of rows, as taking them in would answer."""
    request, place = command.data, command.property
    terms = gather.setting(reading, place).terms_on(gather.today(reading, place))
    taken = reading.state(STATEMENT, statement_stream(request.statement_id)).taken
    rows = [row for row in request.rows if row.row not in taken]
    apart, judge = _judged(reading, place, request.statement_id, rows)
    matched, open_ = 0, ZERO
    for row, first in apart:
        if first is None and row.direction == "in":
            is_sure = surest(judge(row)[1], terms.auto_match) is not None
            matched += is_sure
            open_ += ZERO if is_sure else row.amount
    known = len(request.rows) - len(rows) + sum(first is not None for _, first in apart)
    return {"matched": matched, "unapplied": f"{open_:.2f}", "duplicates": known}
