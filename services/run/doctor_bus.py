"""What can be wrong with the broker and with what lies in it; and what the running services say of themselves."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.subjects import stream_of
from eventsourcing.persistence import PersistenceError
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamState
from nats.js.errors import NotFoundError
from sqlalchemy.exc import DBAPIError

from services.kernel.bus import JETSTREAM_ON, connect, drift
from services.kernel.failure import reason_of
from services.kernel.health import OLD_SECONDS
from services.kernel.relay import Tail, last_fact, stranger
from services.kernel.sealing import KeyStore
from services.kernel.settings import Settings, masked
from services.kernel.store import Store
from services.run.ask_health import healths
from services.run.catalogue import factories
from services.run.doctor_cluster import NO_MAJORITY, copies, finding, settings_of
from services.run.place import running_at


async def bus(settings: Settings) -> list[dict[str, Any]]:
    """Findings about NATS, its streams and durables, and the services that run on it."""
    url = settings.nats_url if "nats_url" in settings.model_fields_set else running_at(settings.data_dir)
    if url is None:
        return [finding("running", True, "nothing runs on this data directory", "")]
    try:
        async with asyncio.timeout(5):
            client = await connect(url, "doctor", **settings.nats_options("office"))
    except TimeoutError:
        return [finding("nats", False, f"{masked(url)} does not answer", "start it, or correct BAILIWICK_NATS_URL")]
    try:
        return [*_server(client, settings), *await _streams(client, settings), *await _services(settings)]
    finally:
        await client.close()


def _server(client: Client, settings: Settings) -> list[dict[str, Any]]:
    version = client.connected_server_version
    clustered = bool(client._server_info.get("cluster"))  # noqa: SLF001 - what the server said when it greeted us
    return [
        finding("nats version", (version.major, version.minor) >= (2, 10), str(version), "2.10 or later is needed"),
        *settings_of(settings, client.max_payload, clustered),
    ]


async def _streams(client: Client, settings: Settings) -> list[dict[str, Any]]:
    findings = []
    js = client.jetstream(timeout=3)
    keys = KeyStore(settings.keys_dir)
    try:
        await js.account_info()
    except Exception as error:  # noqa: BLE001 - whatever fails is the finding
        said = f"{type(error).__name__}: it does not answer"
        remedy = f"where it has none, {JETSTREAM_ON}; where it is a cluster, {NO_MAJORITY}; else see the server's log"
        return [finding("jetstream", False, said, remedy)]
    for name, factory in factories().items():
        consumes = factory(keys).consumes
        try:
            different = await drift(js, name, consumes, replicas=settings.replicas)
            findings.append(finding(f"{name}: as described", not different, "; ".join(different) or "yes",
                                    "put the settings back, or delete it while its service runs: it is made anew and nothing is lost"))  # fmt: skip
            info = await js.stream_info(stream_of(name))
            findings += copies(f"{name}: stream", info.config.num_replicas or 1, info.cluster)
            try:
                findings.append(await _lag(js, name, info.state, settings))
            except (DBAPIError, PersistenceError) as error:
                remedy = f"put right what is said of {name}: database"
                findings.append(finding(f"{name}: published", False, reason_of(error), remedy))
        except NotFoundError:
            findings.append(
                finding(f"{name}: stream", False, "missing", f"bailiwick provision, or start {name}: it is refilled")
            )
        except Exception as error:  # noqa: BLE001 - whatever fails is the finding
            said = f"{type(error).__name__}: {error}"
            findings.append(
                finding(f"{name}: stream", False, said, f"where it is a cluster, {NO_MAJORITY}; else see its log")
            )
    return findings


async def _lag(js: JetStreamContext, name: str, state: StreamState, settings: Settings) -> dict[str, Any]:
    tail = await last_fact(js, stream_of(name), state) if state.messages else Tail()
    published = tail.position
    store = Store(settings.store_url(name), schema=name)
    try:
        stored = await asyncio.to_thread(store.max_notification_id) or 0
        if not state.messages and state.last_seq:
            published = stored
        strange = await asyncio.to_thread(stranger, store, stream_of(name), tail)
        waiting = await asyncio.to_thread(store.after, published, 1) if published < stored else []
    finally:
        store.close()
    oldest = (datetime.now(UTC) - read_event(waiting[0].raw).recordedat).total_seconds() if waiting else 0.0
    said = f"{published} of {stored}" + (f", the oldest waits for {oldest:.0f} s" if waiting else "")
    remedy = strange or f"see that {name} runs, and its log: nothing is lost, the relay goes on where the stream ends"
    return finding(f"{name}: published", strange is None and oldest < OLD_SECONDS, said, remedy)


async def _services(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for health in await healths(settings):
        lags = {source: lag["waiting"] for source, lag in health.get("untaken", {}).items() if lag["waiting"]}
        said = "; ".join(health["problems"]) or (f"not taken in yet: {lags}" if lags else "healthy")
        rows.append(
            finding(f"{health['service']}: health", health["healthy"], said, "bailiwick health shows all of it")
        )
    return rows
