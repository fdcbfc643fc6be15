"""What can be wrong with a cluster of NATS servers, stream by stream: nobody leads, a copy is down or behind, there are too few."""

import json
import urllib.request
from collections.abc import Iterable
from typing import Any

from nats.js.api import ClusterInfo

from services.kernel.settings import Settings

COPIES = 3
BEHIND = 1_000
"""Entries a copy may lack while it catches up without anybody minding."""
SILENT_SECONDS = 10
NO_MAJORITY = "start the nodes that are down: more than half must run and reach each other, then they choose a leader by themselves"


def finding(check: str, ok: bool, found: object, remedy: str) -> dict[str, Any]:
    """One row: what was looked at, what was found, and how to put it right where it is wrong."""
    return {"check": check, "ok": ok, "found": str(found), "remedy": "" if ok else remedy}


def settings_of(settings: Settings, max_payload: int, clustered: bool) -> list[dict[str, Any]]:
    """How the server is set, as far as it says so."""
    found = [finding("nats max_payload", max_payload >= 512 * 1024, max_payload,
                     "set max_payload: 512KB on every node: a larger fact could be stored and never published")]  # fmt: skip
    if not clustered:
        return found
    found.append(finding("replicas", settings.replicas >= COPIES, settings.replicas,
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


def copies(what: str, replicas: int, cluster: ClusterInfo | None) -> list[dict[str, Any]]:
    """Findings about the copies of one stream or durable, by what its leader says of them."""
    if cluster is None or not cluster.name:
        return []
    if not cluster.leader:
        return [finding(f"{what}: leader", False, "nobody leads it", NO_MAJORITY)]
    wrong = list(_wrong(cluster))
    names = [f"{node} {said}" for node, said in wrong]
    found = [finding(f"{what}: copies", not wrong, "; ".join(names) or f"led by {cluster.leader}, all current",
                     _remedy([node for node, _ in wrong]))]  # fmt: skip
    if replicas < COPIES:
        said = f"{replicas} of {COPIES}"
        found.append(finding(f"{what}: number of copies", False, said,
                             "set BAILIWICK_REPLICAS=3 and let nats stream edit --replicas 3 add the others"))  # fmt: skip
    return found


def _wrong(cluster: ClusterInfo) -> Iterable[tuple[str, str]]:
    for peer in cluster.replicas or []:
        silent = (peer.active or 0) / 1e9
        behind = f"{peer.lag or 0} entries behind"
        if peer.offline or silent > SILENT_SECONDS:
            yield peer.name or "?", f"was not heard of for {silent:.0f} s, {behind}"
        elif not peer.current or (peer.lag or 0) > BEHIND:
            yield peer.name or "?", f"lags, {behind}"


def _remedy(nodes: list[str]) -> str:
    named = " and ".join(nodes)
    return (
        f"start {named}, or see why the others do not reach it; where it runs and does not catch up, stop it, empty its store "
        "directory and start it: it copies everything from the others"
    )
