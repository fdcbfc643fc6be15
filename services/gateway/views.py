"""What the gateway looks up: accounts, keys and webhooks of its own; positions, powers and names copied from the registry."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.gateway import (
    AccountAdded,
    AccountRemoved,
    ApiKeyAdded,
    ApiKeyRevoked,
    PasswordChanged,
    WebhookAdded,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRemoved,
    WebhookSecretRotated,
)
from bailiwick_contracts.registry import AuthorityMatrixAdopted, PropertyAdded
from bailiwick_contracts.staff import (
    EmploymentEnded,
    ExternalIdMapped,
    FactRetracted,
    PersonErased,
    PositionAssigned,
    StaffMerged,
    StaffRegistered,
    StaffRehired,
)
from pydantic_core import to_json

from services.kernel.service import Change, Put, Remove, View

_tables = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(f"gateway_{name}", _tables, *columns)


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=True)


ACCOUNTS = _table(
    "accounts", _key("account"), sa.Column("staff_id", sa.Text), sa.Column("event_id", sa.Text),
    sa.Column("sealed", sa.Text), sa.Column("since", sa.Text),
)  # fmt: skip
"""`sealed` opens with `event_id` and the path `password_hash`; tokens issued before `since` have ended."""
API_KEYS = _table(
    "api_keys", _key("key_id"), sa.Column("name", sa.Text), sa.Column("acts_as", sa.Text),
    sa.Column("properties", sa.Text), sa.Column("access", sa.Text), sa.Column("secret_hash", sa.Text),
)  # fmt: skip
WEBHOOKS = _table(
    "webhooks", _key("webhook_id"), sa.Column("url", sa.Text), sa.Column("property_id", sa.Text), sa.Column("types", sa.Text),
    sa.Column("begins", sa.Text),
)  # fmt: skip
WEBHOOK_STATES = _table("webhook_states", _key("webhook_id"), sa.Column("state", sa.Text), sa.Column("why", sa.Text))
WEBHOOK_SECRETS = _table(
    "webhook_secrets", _key("event_id"), sa.Column("webhook_id", sa.Text, index=True), sa.Column("sealed", sa.Text),
    sa.Column("number", sa.Integer), sa.Column("previous_until", sa.Text),
)  # fmt: skip
"""The latest signs, and until its `previous_until` the one before it too."""
POSITIONS = _table(
    "positions", _key("event_id"), sa.Column("staff_id", sa.Text, index=True), sa.Column("property_id", sa.Text),
    sa.Column("position", sa.Text), sa.Column("effective_on", sa.Date), sa.Column("number", sa.Integer),
)  # fmt: skip
EMPLOYED = _table(
    "employed",
    _key("staff_id"),
    sa.Column("last_on", sa.Date),
    sa.Column("gone", sa.Boolean),
    sa.Column("into", sa.Text),
)
ENDS = _table("ends", _key("event_id"), sa.Column("staff_id", sa.Text, index=True), sa.Column("last_on", sa.Date))
"""Last days, which outlast a rehiring: no position from before one holds again."""
HOMES = _table("homes", _key("staff_id"), sa.Column("property_id", sa.Text))
NAMES = _table("names", _key("system"), _key("external_id"), sa.Column("staff_id", sa.Text))
"""How an identity provider names a person: external ids of the company."""
PROPERTIES = _table("properties", _key("property_id"))
POWERS = _table(
    "powers", _key("version"), sa.Column("holds_from", sa.Text), sa.Column("number", sa.Integer),
    sa.Column("holders", sa.Text), sa.Column("doorkeepers", sa.Text),
)  # fmt: skip
"""Of each adopted matrix: the positions that hold any power, and those that may trust a door (R7)."""
DOORKEEPING = "R7"


def fold_own(event: Event[Any], _: bytes) -> Iterable[Change]:
    """Accounts, keys and webhooks."""
    match event.data:
        case AccountAdded() | PasswordChanged():
            fact = event.data
            row = {"account": fact.account, "staff_id": fact.staff_id, "event_id": event.id}
            yield Put(
                ACCOUNTS, row | {"sealed": fact.password_hash.model_dump_json(), "since": event.recordedat.isoformat()}
            )
        case AccountRemoved():
            yield Remove(ACCOUNTS, {"account": event.data.account})
        case ApiKeyAdded():
            kept = event.data.model_dump(include={"key_id", "name", "acts_as", "secret_hash"})
            yield Put(API_KEYS, kept | {"properties": _text(event.data.properties), "access": _text(event.data.access)})
        case ApiKeyRevoked():
            yield Remove(API_KEYS, {"key_id": event.data.key_id})
        case WebhookAdded():
            added = event.data
            yield Put(WEBHOOKS, {"webhook_id": added.webhook_id, "url": added.url, "property_id": added.property_id,
                                 "types": _text(added.types), "begins": added.after})  # fmt: skip
            yield _state(added.webhook_id, "enabled")
            yield _secret(event, added.webhook_id, added.secret.model_dump_json(), None)
        case WebhookSecretRotated():
            turned = event.data
            yield _secret(event, turned.webhook_id, turned.secret.model_dump_json(), turned.previous_until.isoformat())
        case WebhookDisabled():
            yield _state(event.data.webhook_id, "disabled", event.data.why)
        case WebhookEnabled():
            yield _state(event.data.webhook_id, "enabled")
        case WebhookRemoved():
            yield Remove(WEBHOOKS, {"webhook_id": event.data.webhook_id})
            yield Remove(WEBHOOK_STATES, {"webhook_id": event.data.webhook_id})
        case _:
            """Nothing here is looked up of it."""


def _state(webhook_id: str, state: str, why: str | None = None) -> Put:
    return Put(WEBHOOK_STATES, {"webhook_id": webhook_id, "state": state, "why": why})


def _secret(event: Event[Any], webhook_id: str, sealed: str, until: str | None) -> Put:
    row = {"event_id": event.id, "webhook_id": webhook_id, "sealed": sealed, "number": event.chainnumber}
    return Put(WEBHOOK_SECRETS, row | {"previous_until": until})


def fold_registry(event: Event[Any], _: bytes) -> Iterable[Change]:
    """Who holds which position where, who left, and what positions hold a power."""
    match event.data:
        case PropertyAdded():
            yield Put(PROPERTIES, {"property_id": event.data.property_id})
        case StaffRegistered() | StaffRehired():
            yield _employed(event.data.staff_id)
            yield Put(HOMES, {"staff_id": event.data.staff_id, "property_id": event.data.home_property})
        case PositionAssigned():
            kept = event.data.model_dump(include={"staff_id", "property_id", "position", "effective_on"})
            yield Put(POSITIONS, kept | {"event_id": event.id, "number": event.chainnumber})
        case EmploymentEnded():
            yield _employed(event.data.staff_id, last_on=event.data.last_on)
            yield Put(ENDS, event.data.model_dump(include={"staff_id", "last_on"}) | {"event_id": event.id})
        case PersonErased():
            yield from (_employed(staff_id, gone=True) for staff_id in {event.data.staff_id, *event.data.staff_ids})
        case StaffMerged():
            yield _employed(event.data.staff_id, gone=True, into=event.data.into_staff_id)
            yield from (_name(one.system, one.external_id, event.data.into_staff_id) for one in event.data.external_ids)
        case ExternalIdMapped():
            if event.data.external.property_id == "company":
                yield _name(event.data.external.system, event.data.external.external_id, event.data.staff_id)
        case FactRetracted():
            if event.data.fact_type == PositionAssigned.wire():
                yield Remove(POSITIONS, {"event_id": event.data.fact_id})
            elif event.data.external is not None:
                one = event.data.external
                yield Remove(NAMES, {"system": one.system, "external_id": one.external_id})
        case AuthorityMatrixAdopted():
            rows = event.data.matrix.rows
            holders = sorted({holder for row in rows for holder in row.holders})
            keepers = sorted({holder for row in rows if row.row_id == DOORKEEPING for holder in row.holders})
            yield Put(POWERS, {"version": event.data.version, "holds_from": event.data.holds_from.isoformat(),
                               "number": event.chainnumber, "holders": _text(holders), "doorkeepers": _text(keepers)})  # fmt: skip
        case _:
            """Nothing that decides who may come in."""


def _employed(staff_id: str, *, last_on: Any = None, gone: bool = False, into: str | None = None) -> Put:
    return Put(EMPLOYED, {"staff_id": staff_id, "last_on": last_on, "gone": gone, "into": into})


def _name(system: str, external_id: str, staff_id: str) -> Put:
    return Put(NAMES, {"system": system, "external_id": external_id, "staff_id": staff_id})


def _text(values: Iterable[str]) -> str:
    return to_json(list(values)).decode()


VIEWS = (
    View("own", 1, "gateway", (ACCOUNTS, API_KEYS, WEBHOOKS, WEBHOOK_STATES, WEBHOOK_SECRETS), fold_own),
    View("registry", 2, "registry", (POSITIONS, EMPLOYED, ENDS, HOMES, NAMES, PROPERTIES, POWERS), fold_registry),
)
