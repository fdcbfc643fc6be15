"""Asks every service of the running system how it is."""

import asyncio
import json
from typing import Any

from bailiwick_contracts.subjects import SERVICES, feed_of

from services.kernel.bus import connect
from services.kernel.settings import Settings, masked
from services.run.place import StartError, running_at


async def healths(settings: Settings) -> list[dict[str, Any]]:
    """One document a service; one that does not answer is not healthy and says so.

    Raises:
        StartError: nothing runs, or NATS does not answer.
    """
    url = settings.nats_url if "nats_url" in settings.model_fields_set else running_at(settings.data_dir)
    if url is None:
        raise StartError(f"nothing runs on {settings.data_dir}; bailiwick up starts it")
    try:
        async with asyncio.timeout(5):
            client = await connect(url, "health", **settings.nats_options("office"))
    except TimeoutError:
        raise StartError(f"NATS at {masked(url)} does not answer; start it, or correct BAILIWICK_NATS_URL") from None

    async def ask(name: str) -> dict[str, Any]:
        try:
            reply = await client.request(feed_of(name), b'{"health": true}', timeout=5)
            found: dict[str, Any] = json.loads(reply.data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not answer
            said = (
                f"it does not answer ({type(error).__name__}): see the log and bailiwick doctor for why it does not start; "
                f"where nothing runs it: bailiwick serve {name}"
            )
            return {"service": name, "healthy": False, "problems": [said]}
        else:
            return found

    try:
        return list(await asyncio.gather(*(ask(name) for name in SERVICES)))
    finally:
        await client.close()
