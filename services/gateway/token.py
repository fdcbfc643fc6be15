"""Tokens of our own for local accounts: short-lived, signed with a key of the installation, worthless anywhere else."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = AUDIENCE = "bailiwick"
LIFETIME = timedelta(hours=1)
TYP = "at+jwt"
HASHER = PasswordHasher()
"""Argon2id with the library's parameters (RFC 9106, low memory)."""


@cache
def _nobody() -> str:
    """The hash of a password that nobody has."""
    return HASHER.hash(secrets.token_hex(16))


def hash_password(password: str, salt: bytes | None = None) -> str:
    """The Argon2id hash of a password, in its own notation; with the same salt the same hash, so a repeated request is the same."""
    return HASHER.hash(password, salt=salt[:16] if salt else None)


def password_fits(hashed: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed. An unknown account takes as long as a wrong password."""
    try:
        HASHER.verify(hashed or _nobody(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return hashed is not None


class Tokens:
    """Issues and reads the tokens of local accounts."""

    def __init__(self, key: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`key`: 32 bytes, of which the Ed25519 key is made."""
        self._private = Ed25519PrivateKey.from_private_bytes(key)
        self._public = self._private.public_key()
        self._now = now

    def issue(self, account: str) -> tuple[str, int]:
        """A token of an account, and the seconds it holds."""
        now = self._now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(claims, self._private, "EdDSA", headers={"typ": TYP}), int(LIFETIME.total_seconds())

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token of ours. Raises jwt.InvalidTokenError."""
        return read_token(token, self._public, "EdDSA", ISSUER, AUDIENCE, frozenset({TYP}))


def read_token(
    token: str, key: Any, algorithm: str, issuer: str, audience: str, types: frozenset[str]
) -> dict[str, Any]:
    """The claims of a token, after everything about it was checked: signature by this one algorithm, who, for whom, when.

    Raises:
        jwt.InvalidTokenError: anything is not as it should be.
    """
    header = jwt.get_unverified_header(token)
    if header.get("alg") != algorithm or str(header.get("typ", "JWT")).lower() not in types or "crit" in header:
        raise jwt.InvalidTokenError("algorithm, type or critical header")
    return jwt.decode(
        token, key, [algorithm], issuer=issuer, audience=audience, leeway=60,
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )  # fmt: skip
