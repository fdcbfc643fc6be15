"""Makes examples of new messages from what a test's office really stored: signed by the examples' second desk, sealed with their keys.

A service's own script plays a scene on a store made in a directory that `keys_in` prepared, then hands the stored bytes to
`keep_facts` and its requests to `keep_requests`. What has an example already is left as it is: a released one never changes.
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path

from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.message import Request
from bailiwick_contracts.schema import EXAMPLES

DOOR = "second-desk"
"""The door that signs examples made after the first release; its key lies beside them as `door/second-desk`."""
PERSON, PROPERTY = "s-0007", "north-court"
"""Whose sealed fields open with the keys beside the examples."""


def example_keys() -> dict[str, bytes]:
    """The made-up keys beside the examples, by name."""
    held = json.loads((EXAMPLES / "keys.json").read_text(encoding="utf-8"))
    return {name: base64.b64decode(key) for name, key in held.items()}


def keys_in(directory: Path) -> None:
    """Put the examples' keys where `KeyStore(directory / "keys")` and `Door(directory / "doors", DOOR)` look for them."""
    for name, key in example_keys().items():
        kind, _, owner = name.partition("/")
        path = directory / "doors" / f"{owner}.key" if kind == "door" else directory / "keys" / f"{kind}.{owner}.key"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(key)


def keep_facts(raws: Iterable[bytes]) -> list[str]:
    """Write the first stored fact of each type that has no example yet; answers their wire names."""
    kept = []
    for raw in raws:
        wire = read_event(raw).type
        if _write(wire, raw):
            kept.append(wire)
    return kept


def keep_requests(requests: Iterable[Request]) -> list[str]:
    """Write each request that has no example yet; answers their wire names."""
    return [
        type(one).wire()
        for one in requests
        if _write(type(one).wire(), one.model_dump_json(exclude_none=True).encode())
    ]


def _write(wire: str, document: bytes) -> bool:
    path = EXAMPLES / f"{wire}.json"
    if path.exists():
        return False
    path.write_text(json.dumps(json.loads(document), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return True
