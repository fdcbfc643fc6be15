"""The gateway's wiring: its own requests to their decisions, and the door to the outside beside them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from bailiwick_contracts.envelope import Command
from bailiwick_contracts.gateway import (
    AccountAdded,
    AccountRemoved,
    AddAccount,
    AddApiKey,
    AddWebhook,
    ApiKeyAdded,
    ApiKeyRevoked,
    ChangePassword,
    DisableWebhook,
    EnableWebhook,
    ListAccounts,
    ListApiKeys,
    ListWebhooks,
    PasswordChanged,
    RemoveAccount,
    RemoveWebhook,
    RevokeApiKey,
    RotateWebhookSecret,
    WebhookAdded,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRemoved,
    WebhookSecretRotated,
)
from bailiwick_contracts.message import COMPANY, Fact
from pydantic_core import from_json

from services.gateway import account, apikey, webhook
from services.gateway.account import ACCOUNT
from services.gateway.apikey import API_KEY
from services.gateway.serve import serve_http
from services.gateway.surface import Surface
from services.gateway.views import ACCOUNTS, API_KEYS, VIEWS, WEBHOOK_STATES, WEBHOOKS
from services.gateway.webhook import WEBHOOK
from services.kernel.decision import Noun
from services.kernel.sealing import KeyStore
from services.kernel.service import CommandHandler, Reading, Service, Unit

PUBLISHES = (
    AccountAdded, PasswordChanged, AccountRemoved, ApiKeyAdded, ApiKeyRevoked,
    WebhookAdded, WebhookSecretRotated, WebhookDisabled, WebhookEnabled, WebhookRemoved,
)  # fmt: skip


def _of(
    noun: Noun[Any], stream: Callable[[str], str], name: str, decide: Callable[[Any, Any], Iterable[Fact]]
) -> CommandHandler:
    """The handler of a request about one record of the company's: its state, the decision, its facts."""

    def on_request(unit: Unit, command: Command[Any]) -> None:
        record = stream(getattr(command.data, name))
        unit.append(record, *decide(command.data, unit.state(noun, record)), property_id=COMPANY)

    return on_request


COMMANDS: Mapping[Any, CommandHandler] = {
    AddAccount: _of(ACCOUNT, account.stream, "account", account.add),
    ChangePassword: _of(ACCOUNT, account.stream, "account", account.change_password),
    RemoveAccount: _of(ACCOUNT, account.stream, "account", account.remove),
    AddApiKey: _of(API_KEY, apikey.stream, "key_id", apikey.add),
    RevokeApiKey: _of(API_KEY, apikey.stream, "key_id", apikey.revoke),
    AddWebhook: _of(WEBHOOK, webhook.stream, "webhook_id", webhook.add),
    RotateWebhookSecret: _of(WEBHOOK, webhook.stream, "webhook_id", webhook.rotate),
    DisableWebhook: _of(WEBHOOK, webhook.stream, "webhook_id", webhook.disable),
    EnableWebhook: _of(WEBHOOK, webhook.stream, "webhook_id", webhook.enable),
    RemoveWebhook: _of(WEBHOOK, webhook.stream, "webhook_id", webhook.remove),
}


def _page(
    reading: Reading, query: sa.Select[Any], key: sa.Column[Any], asked: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows by a key after the last one of the page before, and `next` where there are more."""
    if asked.after is not None:
        query = query.where(key > asked.after)
    rows = [row._asdict() for row in reading.rows(query.order_by(key).limit(asked.limit + 1))]
    shown = rows[: asked.limit]
    return shown, {"next": shown[-1][key.name]} if len(rows) > asked.limit else {}


def on_list_accounts(reading: Reading, command: Command[ListAccounts]) -> Mapping[str, Any]:
    """`accounts`: `account` and `staff_id` of each; `next` where there are more."""
    rows, more = _page(reading, sa.select(ACCOUNTS.c.account, ACCOUNTS.c.staff_id), ACCOUNTS.c.account, command.data)
    return {"accounts": rows} | more


def on_list_api_keys(reading: Reading, command: Command[ListApiKeys]) -> Mapping[str, Any]:
    """`api_keys`: each with what it was made for; `next` where there are more."""
    columns = (API_KEYS.c.key_id, API_KEYS.c.name, API_KEYS.c.acts_as, API_KEYS.c.properties, API_KEYS.c.access)
    rows, more = _page(reading, sa.select(*columns), API_KEYS.c.key_id, command.data)
    return {
        "api_keys": [row | {name: from_json(row[name]) for name in ("properties", "access")} for row in rows]
    } | more


def on_list_webhooks(reading: Reading, command: Command[ListWebhooks]) -> Mapping[str, Any]:
    """`webhooks`: where each sends what, its `state`, and `why` it is disabled; `next` where there are more."""
    query = sa.select(WEBHOOKS, WEBHOOK_STATES.c.state, WEBHOOK_STATES.c.why)
    query = query.join(WEBHOOK_STATES, WEBHOOK_STATES.c.webhook_id == WEBHOOKS.c.webhook_id)
    rows, more = _page(reading, query, WEBHOOKS.c.webhook_id, command.data)
    return {"webhooks": [row | {"types": from_json(row["types"])} for row in rows]} | more


def service(_: KeyStore, catalogue: Callable[[], Iterable[Service]] = tuple) -> Service:
    """The gateway of an installation; `catalogue` answers the other services, whose requests it lets in."""
    return Service(
        "gateway",
        publishes=PUBLISHES,
        commands=COMMANDS,
        queries={ListAccounts: on_list_accounts, ListApiKeys: on_list_api_keys, ListWebhooks: on_list_webhooks},
        views=VIEWS,
        consumes=("registry",),
        alongside=(lambda runtime, client: serve_http(runtime, client, Surface(catalogue())),),
    )
