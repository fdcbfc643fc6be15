"""An OpenID Connect provider on loopback: discovery, JWKS with rotation, and the code flow with PKCE, over real HTTP."""

import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


class Provider:
    """Its users sign in by naming themselves; everything else is as the specification has it."""

    def __init__(self, client_id: str = "bailiwick", redirect_uri: str = "http://127.0.0.1/callback") -> None:
        self._client_id, self._redirect_uri = client_id, redirect_uri
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.keys: dict[str, RSAPrivateKey] = {}
        self.rotate()
        self._codes: dict[str, dict[str, str]] = {}
        self.fetched = 0
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/jwks", self._jwks),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def rotate(self) -> str:
        """Sign with a new key from now on; answers its id."""
        self.kid = secrets.token_hex(4)
        self.keys[self.kid] = generate_private_key(65537, 2048)
        return self.kid

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token with any claims, signed by the provider's key."""
        given = {"kid": self.kid, "typ": "JWT", **header}
        return jwt.encode(claims, self.keys[self.kid], "RS256", headers=given)

    def claims(self, subject: str, **more: Any) -> dict[str, Any]:
        """What an ID token says."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": self._client_id,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
        } | more

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "subject_types_supported": ["public"],
            }
        )

    async def _jwks(self, _: Request) -> Response:
        self.fetched += 1
        algorithm = jwt.get_algorithm_by_name("RS256")
        keys = [
            json.loads(algorithm.to_jwk(k.public_key())) | {"kid": i, "use": "sig", "alg": "RS256"}
            for i, k in self.keys.items()
        ]
        return JSONResponse({"keys": keys})

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        good = asked.get("client_id") == self._client_id and asked.get("redirect_uri") == self._redirect_uri
        if not good or asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = {
            "challenge": asked["code_challenge"],
            "subject": asked["login_hint"],
            "nonce": asked.get("nonce", ""),
        }
        return RedirectResponse(f"{self._redirect_uri}?{urlencode({'code': code, 'state': asked.get('state', '')})}")

    async def _token(self, request: Request) -> Response:
        asked = dict(parse_qsl((await request.body()).decode()))
        known = self._codes.pop(asked.get("code", ""), None)
        proof = (
            base64.urlsafe_b64encode(hashlib.sha256(asked.get("code_verifier", "").encode()).digest())
            .rstrip(b"=")
            .decode()
        )
        if known is None or known["challenge"] != proof or asked.get("client_id") != self._client_id:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.sign(self.claims(known["subject"], nonce=known["nonce"]))
        return JSONResponse({"access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": 300})
