"""A unit's account as of an instant, from the ledger and by the folding that billing itself answers with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bailiwick_contracts.account import Account, charges_after, receipt_after
from bailiwick_contracts.billing import DisputeSet, UnitRegistered
from bailiwick_contracts.envelope import read_event
from pydantic_core import from_json


class AccountError(LookupError):
    """The ledger shows no such account at that instant, or several; the message says which."""


def account_of(
    raws: Iterable[bytes], unit_id: str, as_of: datetime | None = None, property_id: str | None = None
) -> dict[str, Any]:
    """The account as recorded by `as_of`, inclusive; now where that is None.

    Members: `unit`, `disputed`, `open` and `receipts` exactly as `billing.get_unit.v1` answers them; `property`; `owed` and
    `unapplied`, their sums; `facts`, each that touched the account with what it left (`charges`: id to what is open, `receipt`:
    what is unapplied of it).

    Raises:
        AccountError: no fact up to then registers the unit, or units of several properties have this id.
    """
    accounts: dict[str, Account] = {}
    told: dict[str, list[dict[str, Any]]] = {}
    for raw in raws:
        try:
            document = from_json(raw)
            _, _, place, service = document["source"].split("/")
        except (ValueError, KeyError, TypeError):
            continue
        if service != "billing" or property_id not in (None, place):
            continue
        if unit_id.encode() not in raw and not (place in accounts and _may_touch(document, accounts[place])):
            continue
        event = read_event(raw)
        if as_of is not None and event.recordedat > as_of:
            continue
        account = accounts.setdefault(place, Account(place, unit_id))
        if account.take(event):
            told.setdefault(place, []).append(_told(event, unit_id))
    held = {place: account for place, account in accounts.items() if account.unit is not None}
    if len(held) > 1:
        raise AccountError(f"units of {', '.join(sorted(held))} have the id {unit_id}; name the property")
    if not held:
        until = f" up to {as_of.isoformat()}" if as_of is not None else ""
        raise AccountError(f"no fact{until} registers the unit {unit_id}")
    ((place, account),) = held.items()
    sums = {"owed": f"{account.owed:.2f}", "unapplied": f"{account.unapplied:.2f}"}
    return {"property": place} | account.shown() | sums | {"facts": told[place]}


def _may_touch(document: dict[str, Any], account: Account) -> bool:
    """Whether a fact that does not name the unit is about a receipt of its account."""
    receipt = (document.get("data") or {}).get("receipt") or {}
    return receipt.get("receipt_id") in account.receipts


def _told(event: Any, unit_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {"id": event.id, "type": event.type, "recorded_at": event.recordedat.isoformat()}
    if isinstance(event.data, UnitRegistered | DisputeSet):
        return told
    left = {one.charge_id: f"{one.open:.2f}" for one in charges_after(event.data) if one.unit_id == unit_id}
    receipt = receipt_after(event.data)
    told |= {"charges": left} if left else {}
    return told | ({"receipt": {receipt.receipt_id: f"{receipt.unapplied:.2f}"}} if receipt is not None else {})
