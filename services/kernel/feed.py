"""The feed: stored facts from a position, for whoever misses some and for those who follow the whole log."""

from collections.abc import Iterable

from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.subjects import feed_of
from nats.aio.client import Client
from pydantic_core import from_json, to_json

from services.kernel.store import Store

FEED_BYTES = 200 * 1024


def page(lines: Iterable[bytes]) -> bytes:
    """As many lines as one message holds, at least one."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > FEED_BYTES and kept:
            break
        kept.append(line)
    return b"\n".join(kept)


def log_page(store: Store, after: int) -> bytes:
    """The log's name and last position on the first line; then `<position> <document>` of each fact after a position."""
    with store.reading() as connection:
        name = store.setting(connection, "log") or ""
        last = store.head(connection, "*").number
    head = f"{name} {last}".encode()
    return head + b"\n" + page(f"{fact.position} ".encode() + fact.raw for fact in store.after(after, 500))


def stream_page(store: Store, stream: str, property_id: str, after: int) -> bytes:
    """The facts of one stream after a version, those alone that belong to the property or to the company."""
    with store.reading() as connection:
        facts = store.facts_of(connection, [stream])[stream]
    may_see = (property_id, COMPANY)
    return page(f.raw for f in facts if f.version > after and (property_id == COMPANY or f.property in may_see))


async def read_log(
    client: Client, service: str, after: int, *, timeout: float = 5
) -> tuple[str, int, list[tuple[int, bytes]]]:
    """The name of a service's log, its last position, and its facts after a position with theirs, as many as fit a message.

    Raises:
        TimeoutError: the service did not answer.
    """
    reply = await client.request(feed_of(service), to_json({"log": True, "after": after}), timeout=timeout)
    head, _, rest = reply.data.partition(b"\n")
    name, _, last = head.decode().partition(" ")
    lines = (line.partition(b" ") for line in rest.split(b"\n") if line)
    return name, int(last or 0), [(int(position), raw) for position, _, raw in lines]


async def read_stream(
    client: Client, service: str, stream: str, property_id: str, *, timeout: float = 5
) -> list[bytes]:
    """Every fact of one stream that the property may see, oldest first."""
    facts: list[bytes] = []
    while True:
        asked = {
            "stream": stream,
            "property": property_id,
            "after": len(facts) and int(from_json(facts[-1])["sequence"]),
        }
        reply = await client.request(feed_of(service), to_json(asked), timeout=timeout)
        more = [line for line in reply.data.split(b"\n") if line]
        if not more:
            return facts
        facts += more
