"""The gateway: who may come in from outside (accounts, API keys), and who is told what happened (webhooks)."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bailiwick_contracts.message import COMPANY, Fact, Identifier, Instant, Label, PropertyId, Request, Text
from bailiwick_contracts.sealed import Personal

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,48}$")]
"""An id of the gateway's own, short enough to be part of a stream's."""
Access = Literal["command", "query", "events"]
Password = Annotated[str, StringConstraints(pattern=r"^\$argon2id\$", max_length=256)]
"""An Argon2id hash in its own notation; a password itself is in no message."""
SecretHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a secret of 256 random bits, as hexadecimal."""
WebhookSecret = Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/[^\s]*)?$", max_length=512)]
EventType = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z]+\.(\*|[a-z][a-z0-9_]*\.v[1-9][0-9]*))$")]
"""A wire type, every type of a service (`attendance.*`), or `*`."""
Members = Annotated[tuple[PropertyId, ...], Field(min_length=1, max_length=200)]


class AddAccount(Request):
    """Let a person of the registry in with a password. The account is named as it is typed at the login."""

    type: Literal["gateway.add_account.v1"] = "gateway.add_account.v1"
    account: Name
    staff_id: Identifier
    password_hash: Password


class AccountAdded(Fact):
    """A person has an account. The password's hash is sealed with the person's own key."""

    type: Literal["gateway.account_added.v1"] = "gateway.account_added.v1"
    account: Name
    staff_id: Identifier
    password_hash: Personal


class ChangePassword(Request):
    """Give an account another password; tokens issued before end."""

    type: Literal["gateway.change_password.v1"] = "gateway.change_password.v1"
    account: Name
    password_hash: Password


class PasswordChanged(Fact):
    """An account has another password."""

    type: Literal["gateway.password_changed.v1"] = "gateway.password_changed.v1"
    account: Name
    staff_id: Identifier
    password_hash: Personal


class RemoveAccount(Request):
    """Close an account; its tokens end."""

    type: Literal["gateway.remove_account.v1"] = "gateway.remove_account.v1"
    account: Name


class AccountRemoved(Fact):
    """An account was closed."""

    type: Literal["gateway.account_removed.v1"] = "gateway.account_removed.v1"
    account: Name


class AddApiKey(Request):
    """Let an integration in with a key of its own, for these properties and these kinds of access alone."""

    type: Literal["gateway.add_api_key.v1"] = "gateway.add_api_key.v1"
    key_id: Name
    name: Label
    acts_as: Identifier
    """The actor of what it sends: a pseudonymous staff id, whose position then counts, or a name of its own."""
    properties: Members
    access: Annotated[tuple[Access, ...], Field(min_length=1, max_length=3)]
    secret_hash: SecretHash


class ApiKeyAdded(Fact):
    """An integration has a key, of which only the hash is known."""

    type: Literal["gateway.api_key_added.v1"] = "gateway.api_key_added.v1"
    key_id: Name
    name: Label
    acts_as: Identifier
    properties: tuple[PropertyId, ...]
    access: tuple[Access, ...]
    secret_hash: SecretHash


class RevokeApiKey(Request):
    """End a key at once."""

    type: Literal["gateway.revoke_api_key.v1"] = "gateway.revoke_api_key.v1"
    key_id: Name
    why: Label


class ApiKeyRevoked(Fact):
    """A key lets nobody in any more."""

    type: Literal["gateway.api_key_revoked.v1"] = "gateway.api_key_revoked.v1"
    key_id: Name
    why: Label


class AddWebhook(Request):
    """Have the events of a property (of `company`: of every property) sent to an address, from now on."""

    type: Literal["gateway.add_webhook.v1"] = "gateway.add_webhook.v1"
    webhook_id: Name
    url: Address
    property_id: PropertyId = COMPANY
    types: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=50)] = ("*",)
    secret: WebhookSecret
    after: Text | None = None
    """The cursor of the event feed from which it begins; none: what happens from now on."""


class WebhookAdded(Fact):
    """An address is sent events. The secret that signs them is sealed."""

    type: Literal["gateway.webhook_added.v1"] = "gateway.webhook_added.v1"
    webhook_id: Name
    url: Address
    property_id: PropertyId
    types: tuple[EventType, ...]
    secret: Personal
    after: Text | None = None


class RotateWebhookSecret(Request):
    """Sign with a new secret; until `previous_until` the one before signs too, so that the receiver can change over."""

    type: Literal["gateway.rotate_webhook_secret.v1"] = "gateway.rotate_webhook_secret.v1"
    webhook_id: Name
    secret: WebhookSecret
    previous_until: Instant


class WebhookSecretRotated(Fact):
    """A webhook has a new secret."""

    type: Literal["gateway.webhook_secret_rotated.v1"] = "gateway.webhook_secret_rotated.v1"
    webhook_id: Name
    secret: Personal
    previous_until: Instant


class DisableWebhook(Request):
    """Send nothing more for now; what waits is kept."""

    type: Literal["gateway.disable_webhook.v1"] = "gateway.disable_webhook.v1"
    webhook_id: Name
    why: Label


class WebhookDisabled(Fact):
    """Nothing is sent until it is enabled again; `why` says whether a person did it or the address failed for too long."""

    type: Literal["gateway.webhook_disabled.v1"] = "gateway.webhook_disabled.v1"
    webhook_id: Name
    why: Label


class EnableWebhook(Request):
    """Send again, from where it stopped."""

    type: Literal["gateway.enable_webhook.v1"] = "gateway.enable_webhook.v1"
    webhook_id: Name


class WebhookEnabled(Fact):
    """A webhook is sent events again."""

    type: Literal["gateway.webhook_enabled.v1"] = "gateway.webhook_enabled.v1"
    webhook_id: Name


class RemoveWebhook(Request):
    """End a webhook for good, with what still waits for it."""

    type: Literal["gateway.remove_webhook.v1"] = "gateway.remove_webhook.v1"
    webhook_id: Name


class WebhookRemoved(Fact):
    """A webhook ended."""

    type: Literal["gateway.webhook_removed.v1"] = "gateway.webhook_removed.v1"
    webhook_id: Name


class ListAccounts(Request):
    """Every account with the person it belongs to, in pages by id."""

    type: Literal["gateway.list_accounts.v1"] = "gateway.list_accounts.v1"
    after: Name | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class ListApiKeys(Request):
    """Every key that lets somebody in, without its hash, in pages by id."""

    type: Literal["gateway.list_api_keys.v1"] = "gateway.list_api_keys.v1"
    after: Name | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class ListWebhooks(Request):
    """Every webhook with its state, without its secret, in pages by id."""

    type: Literal["gateway.list_webhooks.v1"] = "gateway.list_webhooks.v1"
    after: Name | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
