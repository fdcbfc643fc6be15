"""What can be wrong with the broker and with what lies in it; and what the running services say of themselves."""

import asyncio
import json
import urllib.request
from typing import Any

from bailiwick_contracts.subjects import stream_of
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from services.kernel.bus import connect, drift
from services.kernel.relay import POSITION_HEADER
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.run.ask_health import healths
from services.run.catalogue import factories
from services.run.place import running_at


def finding(check: str, ok: bool, found: object, remedy: str) -> dict[str, Any]:
    """One row: what was looked at, what was found, and how to put it right where it is wrong."""
    return {"check": check, "ok": ok, "found": str(found), "remedy": "" if ok else remedy}


async def bus(settings: Settings) -> list[dict[str, Any]]:
    """Findings about NATS, its streams and durables, and the services that run on it."""
    url = settings.nats_url if "nats_url" in settings.model_fields_set else running_at(settings.data_dir)
    if url is None:
        return [finding("running", True, "nothing runs on this data directory", "")]
    try:
        async with asyncio.timeout(5):
            client = await connect(url, "doctor", **settings.nats_options("office"))
    except TimeoutError:
        return [finding("nats", False, f"{url} does not answer", "start it, or correct BAILIWICK_NATS_URL")]
    try:
        return [*_server(client, settings), *await _streams(client, settings), *await _services(settings)]
    finally:
        await client.close()


def _server(client: Client, settings: Settings) -> list[dict[str, Any]]:
    version = client.connected_server_version
    found = [
        finding("nats version", (version.major, version.minor) >= (2, 10), str(version), "2.10 or later is needed")
    ]
    if not client._server_info.get("cluster"):  # noqa: SLF001 - what the server said when it greeted us
        return found
    found.append(finding("replicas", settings.replicas >= 3, settings.replicas,
                         "set BAILIWICK_REPLICAS=3: on a cluster a stream with one copy is lost with its node"))  # fmt: skip
    return [*found, _sync(settings)]


def _sync(settings: Settings) -> dict[str, Any]:
    remedy = "set sync_interval: always in the jetstream block of every node: acknowledged messages are lost with the power else"
    if settings.nats_monitor_url is None:
        return finding("sync_interval", False, "not known", "set BAILIWICK_NATS_MONITOR_URL to a node's http address")
    try:
        with urllib.request.urlopen(f"{settings.nats_monitor_url}/jsz?config=true", timeout=3) as reply:  # noqa: S310 - an address the operator set
            said = json.load(reply).get("config", {})
    except (OSError, ValueError) as error:
        return finding("sync_interval", False, type(error).__name__, "correct BAILIWICK_NATS_MONITOR_URL")
    return finding("sync_interval", bool(said.get("sync_always")), said.get("sync_interval", "default"), remedy)


async def _streams(client: Client, settings: Settings) -> list[dict[str, Any]]:
    findings = []
    js = client.jetstream(timeout=3)
    keys = KeyStore(settings.keys_dir)
    for name, factory in factories().items():
        try:
            different = await drift(js, name, factory(keys).consumes, replicas=settings.replicas)
            findings.append(finding(f"{name}: as described", not different, "; ".join(different) or "yes",
                                    "put the settings back, or delete the durable: it is made anew and nothing is lost"))  # fmt: skip
            state = (await js.stream_info(stream_of(name))).state
            last = await js.get_msg(stream_of(name), state.last_seq) if state.messages else None
            published = int((last.headers or {})[POSITION_HEADER]) if last is not None else 0
            store = Store(settings.store_url(name), schema=name)
            stored = await asyncio.to_thread(store.max_notification_id) or 0
            store.close()
            if not state.messages and state.last_seq:
                published = stored
            lag = stored - published
            findings.append(finding(f"{name}: published", 0 <= lag < 10_000, f"{published} of {stored}",
                                    "a database older than its stream was restored; restore a newer backup" if lag < 0
                                    else "the relay is behind; see its log"))  # fmt: skip
        except NotFoundError:
            findings.append(
                finding(f"{name}: stream", False, "missing", f"bailiwick provision, or start {name}: it is refilled")
            )
        except Exception as error:  # noqa: BLE001 - whatever fails is the finding
            findings.append(
                finding(f"{name}: stream", False, f"{type(error).__name__}: {error}", "see the server's log")
            )
    return findings


async def _services(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for health in await healths(settings):
        lags = {source: lag["waiting"] for source, lag in health.get("untaken", {}).items() if lag["waiting"]}
        said = "; ".join(health["problems"]) or (f"not taken in yet: {lags}" if lags else "healthy")
        rows.append(
            finding(f"{health['service']}: health", health["healthy"], said, "bailiwick health shows all of it")
        )
    return rows
