"""The webhook: an address that is sent events, and whether it is at the moment."""

from dataclasses import dataclass, replace
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.gateway import (
    AddWebhook,
    DisableWebhook,
    EnableWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    WebhookAdded,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRemoved,
    WebhookSecretRotated,
)
from bailiwick_contracts.message import Fact
from bailiwick_contracts.sealed import Personal

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class Webhook:
    """Where it sends, and what became of it."""

    url: str | None = None
    property_id: str | None = None
    types: tuple[str, ...] = ()
    after: str | None = None
    enabled: bool = False
    removed: bool = False


def stream(webhook_id: str) -> str:
    """The stream of one webhook."""
    return f"webhook-{webhook_id}"


def key_of(webhook_id: str) -> str:
    """Whose key seals the secrets of a webhook: no person's, the webhook's own."""
    return f"webhook-{webhook_id}"


def add(request: AddWebhook, webhook: Webhook) -> list[Fact]:
    """A new webhook; nothing where the same one is there."""
    asked = (request.url, request.property_id, request.types, request.after)
    same = (webhook.url, webhook.property_id, webhook.types, webhook.after) == asked
    if webhook.url is not None and not webhook.removed and same:
        return []
    if webhook.url is not None:
        raise Rejected("this webhook id was used before", code="webhook_id_reused", field="webhook_id", value=request.webhook_id,
                       rule="one id, one webhook, for ever", remedy="choose another id")  # fmt: skip
    return [
        WebhookAdded(
            webhook_id=request.webhook_id,
            url=request.url,
            property_id=request.property_id,
            types=request.types,
            secret=Personal.of(key_of(request.webhook_id), request.secret),
            after=request.after,
        )
    ]


def rotate(request: RotateWebhookSecret, webhook: Webhook) -> list[Fact]:
    """A new secret beside the one before."""
    _known(webhook, request.webhook_id)
    secret = Personal.of(key_of(request.webhook_id), request.secret)
    return [WebhookSecretRotated(webhook_id=request.webhook_id, secret=secret, previous_until=request.previous_until)]


def disable(request: DisableWebhook, webhook: Webhook) -> list[Fact]:
    """Nothing more is sent; nothing where that holds already."""
    _known(webhook, request.webhook_id)
    return [WebhookDisabled(webhook_id=request.webhook_id, why=request.why)] if webhook.enabled else []


def enable(request: EnableWebhook, webhook: Webhook) -> list[Fact]:
    """Events are sent again; nothing where they are."""
    _known(webhook, request.webhook_id)
    return [] if webhook.enabled else [WebhookEnabled(webhook_id=request.webhook_id)]


def remove(request: RemoveWebhook, webhook: Webhook) -> list[Fact]:
    """The end of a webhook; nothing where it ended already."""
    if webhook.removed:
        return []
    _known(webhook, request.webhook_id)
    return [WebhookRemoved(webhook_id=request.webhook_id)]


def _known(webhook: Webhook, webhook_id: str) -> None:
    if webhook.url is None or webhook.removed:
        raise Rejected("there is no such webhook", code="unknown_webhook", field="webhook_id", value=webhook_id,
                       rule="a webhook that was added and not removed", remedy="list the webhooks")  # fmt: skip


def evolve(webhook: Webhook, event: Event[Any]) -> Webhook:
    """The webhook after a fact."""
    match event.data:
        case WebhookAdded():
            added = event.data
            return Webhook(added.url, added.property_id, added.types, added.after, enabled=True)
        case WebhookDisabled():
            return replace(webhook, enabled=False)
        case WebhookEnabled():
            return replace(webhook, enabled=True)
        case WebhookRemoved():
            return replace(webhook, enabled=False, removed=True)
        case WebhookSecretRotated():
            return webhook
        case _:
            return webhook


WEBHOOK = Noun("webhook", Webhook(), evolve)
