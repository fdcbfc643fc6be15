"""The account: a person of the registry who comes in with a password."""

from dataclasses import dataclass, replace
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.gateway import (
    AccountAdded,
    AccountRemoved,
    AddAccount,
    ChangePassword,
    PasswordChanged,
    RemoveAccount,
)
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Account:
    """Whose it is; nobody's before it was added and after it was closed."""

    staff_id: str | None = None


def stream(account: str) -> str:
    """The stream of one account."""
    return f"account-{account}"


def add(request: AddAccount, account: Account) -> list[Fact]:
    """A new account, or nothing where the same person has it already."""
    if request.staff_id.startswith("system-"):
        raise Rejected("no person is called that", code="reserved_name", field="staff_id", value=request.staff_id,
                       rule="names that begin with system- are the system's own", remedy="use the person's staff id")  # fmt: skip
    if account.staff_id == request.staff_id:
        return []
    if account.staff_id is not None:
        raise Rejected("somebody else has this account", code="account_taken", field="account", value=request.account,
                       rule="one account, one person", remedy="choose another name, or close that account")  # fmt: skip
    sealed = Personal.of(request.staff_id, request.password_hash)
    return [AccountAdded(account=request.account, staff_id=request.staff_id, password_hash=sealed)]


def change_password(request: ChangePassword, account: Account) -> list[Fact]:
    """Another password for an account that is open."""
    staff_id = _open(account, request.account)
    sealed = Personal.of(staff_id, request.password_hash)
    return [PasswordChanged(account=request.account, staff_id=staff_id, password_hash=sealed)]


def remove(request: RemoveAccount, account: Account) -> list[Fact]:
    """The end of an account; nothing where it ended already."""
    return [AccountRemoved(account=request.account)] if account.staff_id is not None else []


def _open(account: Account, name: str) -> str:
    if account.staff_id is None:
        raise Rejected("there is no such account", code="unknown_account", field="account", value=name,
                       rule="an account that was added and not closed", remedy="add it first")  # fmt: skip
    return account.staff_id


def evolve(account: Account, event: Event[Any]) -> Account:
    """Whose it is after a fact."""
    match event.data:
        case AccountAdded():
            return replace(account, staff_id=event.data.staff_id)
        case AccountRemoved():
            return Account()
        case _:
            return account


ACCOUNT = Noun("account", Account(), evolve)
