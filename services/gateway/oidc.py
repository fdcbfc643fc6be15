"""Tokens of an identity provider: its keys from the configured address alone, one algorithm, everything checked."""

import asyncio
import contextlib
import time
from typing import Any

import httpx
import jwt
import structlog

from services.gateway.problem import ProblemError
from services.gateway.token import read_token
from services.kernel.settings import Settings

LOG = structlog.get_logger()
KEYS_SECONDS = 300
AGAIN_SECONDS = 10
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


class Provider:
    """One identity provider. Its keys are fetched when needed, again when a new one appears, and never because a token says where."""

    def __init__(self, settings: Settings) -> None:
        """Take issuer, key address, audience and algorithm from the settings.

        Raises:
            ValueError: an issuer without a key address, or one that is not https and not on this machine.
        """
        self.issuer, self._audience = settings.oidc_issuer, settings.oidc_audience
        self._algorithm, self.system = settings.oidc_algorithm, settings.oidc_system
        self._address = settings.oidc_jwks_url or ""
        if self.issuer is not None and not self._address:
            raise ValueError(
                "BAILIWICK_OIDC_JWKS_URL: set it beside BAILIWICK_OIDC_ISSUER; it is never taken from a token"
            )
        url = httpx.URL(self._address or "https://unset.invalid")
        if url.scheme != "https" and url.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("BAILIWICK_OIDC_JWKS_URL: keys come over https, or from this machine")
        self._keys: dict[str, Any] = {}
        self._fetched = -1e9
        self._is_away = False
        self._lock = asyncio.Lock()

    async def read(self, token: str) -> dict[str, Any]:
        """The claims of a token of the provider.

        Raises:
            ProblemError: the provider does not answer, and the key is none that is known.
            jwt.PyJWTError: it is none, or not for us, or not now, or its key is of no use for the algorithm.
        """
        if self.issuer is None:
            raise jwt.InvalidTokenError("no identity provider is configured")
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") != self._algorithm or not isinstance(kid, str):
            raise jwt.InvalidTokenError("algorithm or key id")
        key = await self._key(kid)
        return read_token(token, key, self._algorithm, self.issuer, self._audience, TYPES)

    async def _key(self, kid: str) -> Any:
        age = time.monotonic() - self._fetched
        if age > KEYS_SECONDS or (kid not in self._keys and age > AGAIN_SECONDS):
            async with self._lock:
                if time.monotonic() - self._fetched > AGAIN_SECONDS:
                    await self._fetch()
        if kid not in self._keys and self._is_away:
            # Whether it is one of theirs nobody can say now; told that it is none, whoever has it would throw it away.
            raise ProblemError(
                "unavailable", "the identity provider's keys cannot be had", headers={"Retry-After": str(AGAIN_SECONDS)}
            )
        if kid not in self._keys:
            raise jwt.InvalidTokenError("a key that the provider does not publish")
        return self._keys[kid]

    async def _fetch(self) -> None:
        self._fetched, self._is_away = time.monotonic(), True
        try:
            async with httpx.AsyncClient(timeout=5, follow_redirects=False, trust_env=False) as client:
                answer = await client.get(self._address)
                answer.raise_for_status()
                published = list(answer.json()["keys"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError) as error:
            LOG.warning("oidc.keys", error=type(error).__name__)
            return
        kept: dict[str, Any] = {}
        for one in published:
            fits = (
                isinstance(one, dict)
                and one.get("kty") == _KEY_TYPES[self._algorithm]
                and one.get("use", "sig") == "sig"
            )
            if fits and one.get("alg", self._algorithm) == self._algorithm and isinstance(one.get("kid"), str):
                # One that cannot be used, of another curve for one, spoils no other.
                with contextlib.suppress(jwt.PyJWTError):
                    kept[one["kid"]] = jwt.PyJWK(one, self._algorithm).key
        self._keys, self._is_away = kept, False
