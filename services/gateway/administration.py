"""Accounts, API keys and webhooks: made and ended by whoever may trust a door (R7)."""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bailiwick_contracts.envelope import Precondition
from bailiwick_contracts.gateway import (
    Access,
    AddAccount,
    AddApiKey,
    Address,
    AddWebhook,
    ChangePassword,
    DisableWebhook,
    EnableWebhook,
    EventType,
    ListAccounts,
    ListApiKeys,
    ListWebhooks,
    Name,
    RemoveAccount,
    RemoveWebhook,
    RevokeApiKey,
    RotateWebhookSecret,
)
from bailiwick_contracts.message import COMPANY, Identifier, Label, PropertyId, Request
from nats.errors import NoRespondersError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway.ask import (
    Asker,
    actor_of,
    command_id,
    given_once,
    idempotency_key,
    invalid,
    precondition_of,
    read_json,
    validated,
)
from services.gateway.deliverer import Deliverer
from services.gateway.delivery import Deliveries, Resent
from services.gateway.identity import API_KEY_PREFIX, Identity
from services.gateway.limits import Rates
from services.gateway.login import without_values
from services.gateway.permission import Resource, Who, may
from services.gateway.problem import ProblemError, not_found
from services.gateway.query import as_of_in, given_in, next_page, query_of, wrong
from services.gateway.reply import answered
from services.gateway.standing import Standing
from services.gateway.surface import AS_OF, Operation
from services.gateway.tail import chosen
from services.gateway.target import Answered, RefusedTargetError, Target
from services.gateway.token import hash_password

_LISTS: dict[type[Request], Operation] = {
    kind: Operation("gateway", kind.wire().split(".")[1], 1, "query", kind)
    for kind in (ListAccounts, ListApiKeys, ListWebhooks)
}
ROTATION_HOURS = 24
REPEATED_HOURS = 25
"""So much later a rotation whose answer was lost is still answered as it was."""
PAGE = 100


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AccountBody(_Body):
    """A person who is let in, with the first password."""

    account: Name
    staff_id: Identifier
    password: str = Field(min_length=12, max_length=256)


class PasswordBody(_Body):
    """Another password."""

    password: str = Field(min_length=12, max_length=256)


class KeyBody(_Body):
    """An integration that is let in: as whom, where, and for what."""

    name: Label
    acts_as: Identifier
    properties: list[PropertyId] = Field(min_length=1, max_length=200)
    access: list[Access] = Field(min_length=1, max_length=3)


class WebhookBody(_Body):
    """An address that is to be sent events."""

    url: Address
    property_id: PropertyId = COMPANY
    types: list[EventType] = Field(default=["*"], min_length=1, max_length=50)
    after: str | None = Field(default=None, max_length=2000, min_length=1)


class RotationBody(_Body):
    """For how many hours the secret before signs too."""

    hours: int = Field(default=ROTATION_HOURS, ge=0, le=24 * 30)


class WhyBody(_Body):
    """Why something ends."""

    why: Label


BODIES: dict[str, type[BaseModel]] = {"AccountBody": AccountBody, "PasswordBody": PasswordBody, "KeyBody": KeyBody, "WebhookBody": WebhookBody,
          "RotationBody": RotationBody, "WhyBody": WhyBody}  # fmt: skip


class Administration:
    """Each endpoint: who may, what was asked, the gateway's own request, and what to show once."""

    def __init__(
        self, identity: Identity, standing: Standing, asker: Asker, rates: Rates, target: Target, deliveries: Deliveries,
        deliverer: Deliverer, place: Callable[[str], Awaitable[str]], secret: bytes,
    ) -> None:  # fmt: skip
        """`place` answers the place in the feed that a cursor is.

        `secret` makes what is shown once: the same for the same Idempotency-Key, so that a lost answer can be asked for again.
        """
        self._identity, self._standing, self._asker, self._rates = identity, standing, asker, rates
        self._target, self._deliveries, self._deliverer, self._place = target, deliveries, deliverer, place
        self._secret = secret
        self._resending: set[str] = set()

    async def _who(self, request: HttpRequest) -> Who:
        who = await self._identity.of(request)
        self._rates.take(who.caller)
        verdict = may(who, "administer", Resource(frozenset({COMPANY}), "gateway"))
        if verdict != "granted":
            raise ProblemError("forbidden") if who.positions or who.key else not_found()
        given_once(request)
        return who

    async def _read(self, request: HttpRequest, model: type[_Body]) -> Any:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ProblemError("unsupported_media_type", "Content-Type: application/json")
        try:
            return model.model_validate(read_json(await request.body()))
        except ValidationError as error:
            raise invalid(without_values(error) if "password" in model.model_fields else error) from None

    async def _do(
        self, request: HttpRequest, who: Who, asked: Request, shown: dict[str, Any] | None = None
    ) -> Response:
        given = request.headers.get("if-match")
        precondition = precondition_of(request.headers) if given is not None else Precondition(any_version=True)
        reply = await self._asker.ask(
            asked, actor_of(who, {}), COMPANY, "command",
            command_id=command_id(who, idempotency_key(request.headers)), precondition=precondition,
        )  # fmt: skip
        response = answered(reply, query=False)
        self._standing.forget()
        headers = {name: value for name, value in response.headers.items() if name in ("etag", "idempotency-replayed")}
        answer = from_json(bytes(response.body))
        body = {"commandid": answer["commandid"], "outcome": answer["outcome"]} | (shown or {})
        return Response(to_json(body), headers=headers, media_type="application/json")

    def _derived(self, who: Who, request: HttpRequest, what: str) -> bytes:
        """32 bytes that only this installation can make, the same for the same caller and key."""
        name = f"{what}\n{who.caller}\n{idempotency_key(request.headers)}".encode()
        return hashlib.blake2b(name, key=self._secret, digest_size=32).digest()

    async def _list(self, request: HttpRequest, asked: type[Request]) -> Response:
        who = await self._who(request)
        operation = _LISTS[asked]
        body = query_of(request.url.query, operation)
        claims = {"as_of": as_of_in(body.pop(AS_OF))} if AS_OF in body else {}
        reply = await self._asker.ask(validated(operation, body), actor_of(who, {}), COMPANY, "query", **claims)
        response = answered(reply, query=True)
        link = next_page(request, operation, reply)
        if link is not None:
            response.headers["Link"] = link
        return response

    async def accounts(self, request: HttpRequest) -> Response:
        """List accounts, or add one."""
        if request.method != "POST":
            return await self._list(request, ListAccounts)
        who = await self._who(request)
        body = await self._read(request, AccountBody)
        if not self._standing.is_person(body.staff_id):
            raise wrong("staff_id", body.staff_id, "a person of the registry")
        hashed = hash_password(body.password, self._derived(who, request, "account"))
        return await self._do(
            request, who, AddAccount(account=body.account, staff_id=body.staff_id, password_hash=hashed)
        )

    async def account(self, request: HttpRequest) -> Response:
        """Change an account's password, or close it."""
        who, name = await self._who(request), request.path_params["account"]
        if request.method == "DELETE":
            return await self._do(request, who, _made(RemoveAccount, account=name))
        body = await self._read(request, PasswordBody)
        hashed = hash_password(body.password, self._derived(who, request, "password"))
        return await self._do(request, who, _made(ChangePassword, account=name, password_hash=hashed))

    async def api_keys(self, request: HttpRequest) -> Response:
        """List keys, or add one, whose secret is shown this once."""
        if request.method != "POST":
            return await self._list(request, ListApiKeys)
        who = await self._who(request)
        body = await self._read(request, KeyBody)
        for named in body.properties:
            self._check_place("properties", named)
        key_id = "k" + self._derived(who, request, "key-id").hex()[:20]
        secret = base64.urlsafe_b64encode(self._derived(who, request, "key")).decode().rstrip("=")
        asked = _made(
            AddApiKey, key_id=key_id, name=body.name, acts_as=body.acts_as, properties=tuple(body.properties),
            access=tuple(body.access), secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        )  # fmt: skip
        return await self._do(request, who, asked, {"key_id": key_id, "api_key": f"{API_KEY_PREFIX}{key_id}.{secret}"})

    async def api_key(self, request: HttpRequest) -> Response:
        """End a key."""
        who = await self._who(request)
        why = (await self._read(request, WhyBody)).why
        return await self._do(request, who, _made(RevokeApiKey, key_id=request.path_params["key_id"], why=why))

    async def webhooks(self, request: HttpRequest) -> Response:
        """List webhooks, or add one, whose secret is shown this once."""
        if request.method != "POST":
            return await self._list(request, ListWebhooks)
        who = await self._who(request)
        body = await self._read(request, WebhookBody)
        types = chosen(body.types)
        self._check_place("property_id", body.property_id)
        await self._check(body.url)
        after = await self._place(body.after) if body.after is not None else None
        webhook_id = "w" + self._derived(who, request, "webhook-id").hex()[:20]
        secret = "whsec_" + base64.b64encode(self._derived(who, request, "webhook")).decode()
        asked = _made(
            AddWebhook, webhook_id=webhook_id, url=body.url, property_id=body.property_id, types=types,
            secret=secret, after=after,
        )  # fmt: skip
        return await self._do(request, who, asked, {"webhook_id": webhook_id, "secret": secret})

    def _check_place(self, field: str, named: str) -> None:
        if not self._standing.is_place(named):
            raise wrong(field, named, f"a property that there is, or {COMPANY}")

    async def _check(self, url: str) -> None:
        try:
            await self._target.check(url)
        except RefusedTargetError as error:
            problems = [{"field": "url", "rule": str(error)}]
            raise ProblemError("invalid", f"url: {error}", problems=problems) from None

    async def webhook(self, request: HttpRequest) -> Response:
        """Rotate the secret of a webhook, disable, enable or remove it."""
        who, path = await self._who(request), request.path_params
        name, act = path["webhook_id"], path.get("act", "remove")
        if act == "rotate":
            hours = (await self._read(request, RotationBody)).hours
            secret = "whsec_" + base64.b64encode(self._derived(who, request, "rotation")).decode()
            # Whole hours, so that a repetition is the very same command, of this hour or of one before.
            begun = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            for ago in range(REPEATED_HOURS):
                until = begun + timedelta(hours=(hours + 1 if hours else 0) - ago)
                asked = _made(RotateWebhookSecret, webhook_id=name, secret=secret, previous_until=until)
                try:
                    return await self._do(request, who, asked, {"secret": secret})
                except ProblemError as problem:
                    if problem.code != "idempotency_key_reused":
                        raise
            raise ProblemError("idempotency_key_reused")
        if act == "enable":
            return await self._do(request, who, _made(EnableWebhook, webhook_id=name))
        asked = (
            _made(DisableWebhook, webhook_id=name, why=(await self._read(request, WhyBody)).why)
            if act == "disable"
            else _made(RemoveWebhook, webhook_id=name)
        )
        response = await self._do(request, who, asked)
        self._deliverer.ended(name)
        return response

    async def deliveries(self, request: HttpRequest) -> Response:
        """The delivery log of a webhook: every event with its attempts."""
        await self._who(request)
        name, query = request.path_params["webhook_id"], request.query_params
        after, state = query.get("after", "0"), query.get("state")
        if AS_OF in query:
            as_of_in(query[AS_OF])
            raise ProblemError("rejected", "the delivery log is about now alone", reason="as_of_impossible", field=AS_OF,
                               rule="what was sent to whom is no fact", remedy="each attempt is named with its instant")  # fmt: skip
        given_in(request.scope["query_string"].decode(), {"after": False, "state": False})
        if not (after.isascii() and after.isdigit()) or len(after) > 15:
            raise wrong("after", after, "a number of the log")
        if state not in (None, "waiting", "delivered"):
            raise wrong("state", state, "waiting or delivered")
        if name not in self._deliverer.endpoints():
            raise not_found()
        rows = self._deliveries.log(name, int(after), PAGE, state)
        headers = {}
        if len(rows) == PAGE:
            more = f"state={state}&" if state else ""
            headers["Link"] = f'<{request.url.path}?{more}after={rows[-1]["number"]}>; rel="next"'
        return Response(to_json({"deliveries": rows}), headers=headers, media_type="application/json")

    async def resend(self, request: HttpRequest) -> Response:
        """Send one event again, now, and once for each Idempotency-Key."""
        who = await self._who(request)
        asked, path = command_id(who, idempotency_key(request.headers)), request.path_params
        endpoint = self._deliverer.endpoints().get(path["webhook_id"])
        one = self._deliveries.find(path["webhook_id"], path["event_id"])
        if endpoint is None or one is None:
            raise not_found()
        if asked in self._resending:
            raise ProblemError("still_running", headers={"Retry-After": "1"})
        done = self._deliveries.resent(asked)
        if done is not None:
            if (done.webhook_id, done.event_id) != (path["webhook_id"], path["event_id"]):
                raise ProblemError("idempotency_key_reused")
            return _resent(done, {"Idempotency-Replayed": "true"})
        first = self._deliveries.before(path["webhook_id"], one)
        if first is not None:
            raise ProblemError("rejected", "an earlier event of its stream has not arrived", reason="waits_behind",
                               field="event_id", value=one.event_id, rule="each stream arrives in its order",
                               remedy=f"send {first} first")  # fmt: skip
        self._resending.add(asked)
        try:
            return _resent(await self._deliverer.attempt(endpoint, one, asked), {})
        except (NoRespondersError, TimeoutError):
            raise ProblemError("unavailable", headers={"Retry-After": "1"}) from None
        finally:
            self._resending.discard(asked)


def _resent(result: Answered | Resent, headers: dict[str, str]) -> Response:
    body = {"delivered": result.taken, "status": result.status, "error": result.error or None}
    return Response(to_json(body), headers=headers, media_type="application/json")


def _made(kind: type[Request], **members: Any) -> Request:
    try:
        return kind(**members)
    except ValidationError as error:
        raise invalid(error) from None
