"""Coming in with a password: a token for a program, a session cookie for a browser."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.gateway.ask import invalid, read_json
from services.gateway.identity import SESSION, Identity
from services.gateway.limits import Rates
from services.gateway.problem import ProblemError
from services.gateway.standing import Standing
from services.gateway.token import Tokens, password_fits


class Login(BaseModel):
    """What is typed at the login."""

    model_config = ConfigDict(extra="forbid", strict=True)

    account: str = Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9_-]+$")
    password: str = Field(min_length=1, max_length=256)


class Doorway:
    """Passwords in, tokens out; guessing is slow for each account and each address."""

    def __init__(self, standing: Standing, tokens: Tokens, identity: Identity, *, is_behind_tls: bool = False) -> None:
        """Everything a login needs. `is_behind_tls`: something in front speaks TLS with the browser."""
        self._standing, self._tokens, self._identity = standing, tokens, identity
        self._is_behind_tls = is_behind_tls
        self._guesses = Rates(5 / 60, 10)
        self._from_address = Rates(1, 100)
        self._hashing = asyncio.Semaphore(2)

    async def token(self, request: HttpRequest) -> Response:
        """A token of an hour."""
        token, seconds = await self._enter(request)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
        return Response(to_json(body), media_type="application/json")

    async def session(self, request: HttpRequest) -> Response:
        """The same as a cookie that scripts cannot read, and its counterpart for the header X-CSRF-Token."""
        token, seconds = await self._enter(request)
        body = {"csrf_token": self._identity.csrf_token(token), "expires_in": seconds}
        response = Response(to_json(body), media_type="application/json")
        secure = request.url.scheme == "https" or self._is_behind_tls
        response.set_cookie(SESSION, token, seconds, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    async def leave(self, request: HttpRequest) -> Response:
        """The browser forgets the session."""
        await self._identity.of(request)
        response = Response(status_code=204)
        response.delete_cookie(SESSION, path="/", httponly=True, samesite="strict")
        return response

    async def _enter(self, request: HttpRequest) -> tuple[str, int]:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ProblemError("unsupported_media_type", "Content-Type: application/json")
        try:
            given = Login.model_validate(read_json(await request.body()))
        except ValidationError as error:
            raise invalid(without_values(error)) from None
        self._guesses.take(f"account:{given.account}")
        self._from_address.take(f"{request.client.host if request.client else ''}")
        found = self._standing.account(given.account)
        async with self._hashing:
            fits = await asyncio.to_thread(password_fits, found[1] if found else None, given.password)
        if not fits:
            raise ProblemError("unauthenticated", "account or password")
        return self._tokens.issue(given.account)


def without_values(error: ValidationError) -> ValidationError:
    """A password that fits no rule is repeated in no answer."""
    lines: list[Any] = [one | {"input": "…"} for one in error.errors(include_url=False)]
    return ValidationError.from_exception_data(error.title, lines)
