"""Who is asking: a token of ours, a token of the identity provider, an API key, or a session cookie with its counterpart."""

import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Any

import jwt
from starlette.requests import HTTPConnection

from services.gateway.oidc import Provider
from services.gateway.permission import Who
from services.gateway.problem import ProblemError
from services.gateway.standing import Standing
from services.gateway.token import ISSUER, Tokens

TOKEN_BYTES = 8_192
SESSION = "bailiwick_session"
API_KEY_PREFIX = "bwk_"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="bailiwick"'}
_REMEMBERED = 5_000


class Identity:
    """Reads who is asking from a request. What a token says of roles is not believed: the registry says."""

    def __init__(self, standing: Standing, tokens: Tokens, provider: Provider, secret: bytes) -> None:
        """`secret` makes the CSRF tokens."""
        self._standing, self._tokens, self._provider, self._secret = standing, tokens, provider, secret
        self._read: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    async def of(self, request: HTTPConnection) -> Who:
        """Who is asking.

        Raises:
            ProblemError: nobody that is known, or a cookie used by another site's page.
        """
        given = request.headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        if not given and SESSION in request.cookies:
            token = request.cookies[SESSION]
            self._same_site(request, token)
        elif scheme.lower() != "bearer" or not token:
            raise ProblemError("unauthenticated", headers=_CHALLENGE)
        if len(token) > TOKEN_BYTES:
            raise ProblemError("unauthenticated", headers=_CHALLENGE)
        who = self._by_key(token) if token.startswith(API_KEY_PREFIX) else await self._by_token(token)
        if who is None:
            raise ProblemError("unauthenticated", headers=_CHALLENGE)
        return who

    def csrf_token(self, session: str) -> str:
        """The counterpart of a session cookie, which a page of another site cannot know."""
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    def _same_site(self, request: HTTPConnection, session: str) -> None:
        if request.scope.get("method") in ("GET", "HEAD"):
            return
        origin = request.headers.get("origin")
        # Where something in front speaks TLS, the page is an https one although this end is not.
        ours = {f"{request.url.scheme}://{request.url.netloc}", f"https://{request.url.netloc}"}
        given = request.headers.get("x-csrf-token", "")
        if (origin is not None and origin not in ours) or not hmac.compare_digest(
            given.encode(), self.csrf_token(session).encode()
        ):
            raise ProblemError("csrf")

    def _by_key(self, token: str) -> Who | None:
        key_id, _, secret = token.removeprefix(API_KEY_PREFIX).partition(".")
        found = self._standing.api_key(key_id, secret)
        if found is None:
            return None
        actor, key = found
        return self._standing.who(actor, "apikey", f"apikey:{key_id}", key)

    async def _by_token(self, token: str) -> Who | None:
        try:
            claims = await self._claims(token)
        except (jwt.PyJWTError, ValueError, KeyError):
            return None
        subject = str(claims["sub"])
        if claims["iss"] == ISSUER:
            account = self._standing.account_since(subject)
            # A token carries whole seconds, so one issued in the second of the change may be of either password.
            if account is None or int(claims["iat"]) < int(account[1].timestamp()):
                return None
            return self._standing.who(account[0], "local", f"local:{subject}")
        person = self._standing.person_of(self._provider.system, subject)
        return None if person is None else self._standing.who(person, "oidc", f"oidc:{subject}")

    async def _claims(self, token: str) -> dict[str, Any]:
        known = self._read.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        claims = self._tokens.read(token) if issuer == ISSUER else await self._provider.read(token)
        while len(self._read) >= _REMEMBERED:
            self._read.popitem(last=False)
        self._read[token] = (min(float(claims["exp"]) + 60, time.time() + 300), claims)
        return claims
