"""The API key: an integration that comes in with a secret of its own."""

from dataclasses import dataclass
from typing import Any

from bailiwick_contracts.envelope import Event
from bailiwick_contracts.gateway import AddApiKey, ApiKeyAdded, ApiKeyRevoked, RevokeApiKey
from bailiwick_contracts.message import Fact

from services.kernel.decision import Noun, Rejected


@dataclass(frozen=True)
class ApiKey:
    """What the key was made for, and whether it still lets anybody in."""

    added: ApiKeyAdded | None = None
    revoked: bool = False


def stream(key_id: str) -> str:
    """The stream of one key."""
    return f"key-{key_id}"


def add(request: AddApiKey, key: ApiKey) -> list[Fact]:
    """A new key; nothing where the very same was added before."""
    if request.acts_as.startswith("system-"):
        raise Rejected("an integration cannot act as the system", code="reserved_name", field="acts_as", value=request.acts_as,
                       rule="names that begin with system- are the system's own", remedy="give the integration a name of its own")  # fmt: skip
    fact = ApiKeyAdded(**request.model_dump(exclude={"type"}))
    if key.added == fact and not key.revoked:
        return []
    if key.added is not None:
        raise Rejected("this key id was used before", code="key_id_reused", field="key_id", value=request.key_id,
                       rule="one id, one key, for ever", remedy="choose another id")  # fmt: skip
    return [fact]


def revoke(request: RevokeApiKey, key: ApiKey) -> list[Fact]:
    """The end of a key; nothing where it ended already."""
    if key.added is None:
        raise Rejected("there is no such key", code="unknown_key", field="key_id", value=request.key_id,
                       rule="a key that was added", remedy="list the keys")  # fmt: skip
    return [] if key.revoked else [ApiKeyRevoked(key_id=request.key_id, why=request.why)]


def evolve(key: ApiKey, event: Event[Any]) -> ApiKey:
    """The key after a fact."""
    match event.data:
        case ApiKeyAdded():
            return ApiKey(added=event.data)
        case ApiKeyRevoked():
            return ApiKey(added=key.added, revoked=True)
        case _:
            return key


API_KEY = Noun("api_key", ApiKey(), evolve)
