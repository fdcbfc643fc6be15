"""`bailiwick billing receipts` and what becomes of one: posted, allocated, refunded, bounced, matched, explained."""

from datetime import datetime
from typing import Annotated

import typer
from bailiwick_contracts.receipt import (
    AllocateReceipt,
    AllocateReceipts,
    BounceReceipt,
    ConfirmMatch,
    DismissMatch,
    ExplainReceipt,
    ListMatches,
    ListReceipts,
    PostReceipts,
    ReceiptRow,
    RefundReceipt,
)

from services.cli.billing_desk import By, Grounds, ask, parts_of, send
from services.cli.given import Property
from services.cli.output import BAD_INPUT, OUT, AsJson, emit, emit_rows, fail, print_json
from services.row_reasons import words_of

Receipt = Annotated[str, typer.Argument(help="The receipt's id.")]
Sum = Annotated[str, typer.Option(help="An amount such as 120.00.")]


def receive(
    receipt_id: Receipt,
    property_id: Property,
    amount: Sum,
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day it came in.")],
    unit: Annotated[str, typer.Option(help="Whose it is; none: nobody knows yet.")] = "",
    fee: Annotated[str, typer.Option(help="What the channel kept of it.")] = "0.00",
    method: Annotated[str, typer.Option(help="cash, bank, card …")] = "cash",
    hold: Annotated[
        bool, typer.Option("--hold", help="Leave it unapplied until it is allocated as instructed.")
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Post a receipt at the counter; it pays the oldest debt first, or waits with --hold."""
    row = {"receipt_id": receipt_id, "received_on": on.date(), "amount": amount, "fee": fee, "method": method}
    named = {"unit_id": unit} if unit else {}
    answer = send(
        lambda: PostReceipts(rows=(ReceiptRow.model_validate(row | named),), allocate=not hold),
        by,
        property_id,
        as_json,
        "receipt",
    )
    if answer.rows[0].outcome == "rejected":
        field, rule, remedy = words_of(answer.rows[0].reason or "")
        fail("the receipt was not taken", BAD_INPUT, False, field=field, rule=rule, remedy=remedy)


def allocate(
    receipt_id: Receipt,
    property_id: Property,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", help="CHARGE=AMOUNT, as the payer says; CHARGE alone, all of them: in proportion to what is open."
        ),
    ] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Allocate what is unapplied of a receipt: as instructed, or the oldest debt first where no --to is given."""
    if to:
        request = {"receipt_id": receipt_id, "instructions": parts_of(to)}
        send(lambda: AllocateReceipt.model_validate(request), by, property_id, as_json, "allocation")
    else:
        send(lambda: AllocateReceipts(receipt_ids=(receipt_id,)), by, property_id, as_json, "allocation")


def refund(
    receipt_id: Receipt, property_id: Property, amount: Sum, grounds: Grounds, by: By = "", as_json: AsJson = False
) -> None:
    """Pay back some of what is unapplied of a receipt."""
    request = {"receipt_id": receipt_id, "amount": amount, "grounds": grounds}
    send(lambda: RefundReceipt.model_validate(request), by, property_id, as_json, "refund")


def bounce(receipt_id: Receipt, property_id: Property, grounds: Grounds, by: By = "", as_json: AsJson = False) -> None:
    """A debit was returned: nothing of the receipt counts, and what it paid is open again."""
    send(lambda: BounceReceipt(receipt_id=receipt_id, grounds=grounds), by, property_id, as_json, "bounced")


def matches(property_id: Property, as_json: AsJson = False) -> None:
    """The match queue: receipts that nobody could put to a unit for sure, with proposals, reason and confidence."""
    shown = ask(lambda: ListMatches(limit=1000), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    rows = [
        {**one, "proposals": "; ".join(
            f"{p['unit_id']} ({p['reason']}, {100 * p['confidence']['numerator'] // p['confidence']['denominator']} %)"
            for p in one["proposals"])}
        for one in shown["matches"]
    ]  # fmt: skip
    emit_rows(rows, ("receipt_id", "received_on", "amount", "said", "proposals"), "match queue")


def confirm(
    receipt_id: Receipt,
    property_id: Property,
    unit: Annotated[str, typer.Option(help="The unit it belongs to.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say to which unit a receipt belongs; it is allocated at once, oldest debt first."""
    send(lambda: ConfirmMatch(receipt_id=receipt_id, unit_id=unit), by, property_id, as_json, "match")


def receipts(property_id: Property, as_json: AsJson = False) -> None:
    """Receipts (the first 1,000) and their totals: received = allocated + unapplied."""
    shown = ask(lambda: ListReceipts(limit=1000), property_id, as_json)
    if as_json:
        print_json(shown)
    else:
        emit_rows(shown["receipts"], ("receipt_id", "unit_id", "received_on", "amount", "unapplied"), "receipts")
        emit(shown["totals"], as_json, "totals")


def explain(receipt_id: Receipt, property_id: Property, as_json: AsJson = False) -> None:
    """What a receipt paid, why, and what was open before and after."""
    shown = ask(lambda: ExplainReceipt(receipt_id=receipt_id), property_id, as_json)
    if as_json:
        print_json(shown)
        return
    for one in shown["allocations"]:
        OUT.print(f"{one['recorded_at']} {one['fact_id']}", highlight=False)
        for sentence in one["says"]:
            OUT.print(f"  {sentence}", highlight=False)


def reject(receipt_id: Receipt, property_id: Property, by: By = "", as_json: AsJson = False) -> None:
    """Say that no proposal for a receipt is right: it leaves the queue and stays unapplied."""
    send(lambda: DismissMatch(receipt_id=receipt_id), by, property_id, as_json, "match")


def register(app: typer.Typer) -> None:
    """Add these to `bailiwick billing`."""
    for command in (receive, allocate, refund, bounce, matches, confirm, reject, receipts, explain):
        app.command(command.__name__)(command)
