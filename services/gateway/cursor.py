"""A place in the feed: how far each service's log was read. It holds for ever: logs have no holes and are never renumbered.

A JetStream sequence would not do: a stream that was wiped and filled again counts anew.
"""

import base64
import re
import secrets
from collections.abc import Mapping

from bailiwick_contracts.subjects import SERVICES
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.problem import ProblemError

_part = re.compile(r"^([a-z]+)-([a-z0-9]+)\.([0-9]{1,15})$")
_VEILED, _NONCE, _BLOCK = "v1.", 12, 256
Cursor = Mapping[str, tuple[str, int]]
"""Service to the name of its log and the position read last."""


def written(cursor: Cursor) -> str:
    """The text of a cursor, e.g. `attendance-1f0c.120~registry-9ab2.45`."""
    return "~".join(f"{log}.{position}" for _, (log, position) in sorted(cursor.items()) if log) or "start"


def read(text: str) -> dict[str, tuple[str, int]]:
    """The cursor that a text is. Raises ProblemError."""
    if text == "start":
        return {}
    found: dict[str, tuple[str, int]] = {}
    for part in text.split("~"):
        match = _part.fullmatch(part)
        if match is None or len(text) > 2000 or match.group(1) not in SERVICES or match.group(1) in found:
            raise _unknown()
        found[match.group(1)] = (f"{match.group(1)}-{match.group(2)}", int(match.group(3)))
    return found


class Veil:
    """Cursors as they are told to whoever sees some properties alone: how far the logs are would tell what happens at the others.

    Each is another text every time and as long as any other, so that two cannot be compared either.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes of the installation's."""
        self._cipher = AESGCM(key)

    def hidden(self, text: str) -> str:
        """A cursor that only this installation reads."""
        nonce = secrets.token_bytes(_NONCE)
        padded = text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode()
        sealed = self._cipher.encrypt(nonce, padded, None)
        return _VEILED + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def read(self, text: str, *, plain: bool) -> dict[str, tuple[str, int]]:
        """The cursor that a text is. `plain`: one that is not hidden is taken too. Raises ProblemError."""
        if not text.startswith(_VEILED):
            if not plain and text != "start":
                raise _unknown()
            return read(text)
        inside = text[len(_VEILED) :]
        try:
            given = base64.b64decode(inside + "=" * (-len(inside) % 4), altchars=b"-_", validate=True)
            return read(self._cipher.decrypt(given[:_NONCE], given[_NONCE:], None).decode().rstrip())
        except (ValueError, InvalidTag):
            raise _unknown() from None


def _unknown() -> ProblemError:
    return ProblemError("cursor_unknown", "after: a cursor as it was answered")
