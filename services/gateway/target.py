"""Where a webhook may send: never into the network the gateway stands in, unless that is allowed; the address is fixed before use."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

ATTEMPT_SECONDS = 15
READ_BYTES = 4_096
REST_SECONDS = 1
"""How long of an answer is read that says what it says already: its status."""
PORTS = 65_535
_LOOKING_UP = ThreadPoolExecutor(32, thread_name_prefix="look-up")
"""Threads of their own: a name whose server is silent keeps one for half a minute, and the few of everybody else are soon all gone."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedTargetError(Exception):
    """The address is one that webhooks may not reach; the message says which."""


@dataclass(frozen=True)
class Answered:
    """What a receiver said: its status, or what kept it from saying anything."""

    status: int | None
    error: str = ""

    @property
    def taken(self) -> bool:
        """Whether the event arrived: any 2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more (410)."""
        return self.status == 410


class Target:
    """Sends to addresses outside, resolved once per attempt and then fixed, so that a second look-up cannot lead elsewhere."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: private networks that may be reached all the same."""
        self._allowed = [ipaddress.ip_network(one, strict=False) for one in allowed]

    def permits(self, address: str) -> bool:
        """Whether an IP address may be reached."""
        found: _Address = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address):
            if found.is_site_local:
                # Deprecated, and so no longer among what is_global leaves out; still the site's own (RFC 3879).
                return any(network.version == 6 and found in network for network in self._allowed)
            found = found.ipv4_mapped or found.sixtofour or found
        if any(found.version == network.version and found in network for network in self._allowed):
            return True
        return found.is_global and not found.is_multicast and not found.is_reserved

    async def resolve(self, url: httpx.URL) -> str:
        """The one address to connect to.

        Raises:
            RefusedTargetError: not https outside allowed networks, or any of the name's addresses is private.
            OSError: the name does not resolve.
        """
        port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
        if not 0 < port <= PORTS:
            raise RefusedTargetError(f"there is no port {port}")
        ask = partial(socket.getaddrinfo, _named(url), port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(_LOOKING_UP, ask)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not self.permits(address):
                raise RefusedTargetError(f"{url.host} is {address}, which webhooks may not reach")
        private = any(ipaddress.ip_address(a.partition("%")[0]) in n for a in addresses for n in self._allowed)
        if url.scheme != "https" and not private:
            raise RefusedTargetError("outside allowed networks webhooks go over https")
        return addresses[0]

    async def check(self, url: str) -> None:
        """Refuse an address when it is given. Raises RefusedTargetError, also for a name that does not resolve."""
        try:
            async with asyncio.timeout(5):
                await self.resolve(httpx.URL(url))
        except (OSError, TimeoutError, httpx.InvalidURL, UnicodeError) as error:
            raise RefusedTargetError(f"the address cannot be resolved ({type(error).__name__})") from None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answered:
        """Send once: no redirect followed, no proxy, 15 seconds to the status, and no more read than a few kilobytes."""
        try:
            return await self._post(httpx.URL(url), body, headers)
        except TimeoutError:
            return Answered(None, f"no answer within {ATTEMPT_SECONDS} s")
        except RefusedTargetError as error:
            return Answered(None, str(error))
        except Exception as error:  # noqa: BLE001 - whatever kept it from arriving, it was tried, and the log says so
            return Answered(None, f"{type(error).__name__}: {error}"[:200])

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> Answered:
        until = asyncio.get_running_loop().time() + ATTEMPT_SECONDS
        async with asyncio.timeout_at(until):
            fixed = url.copy_with(host=await self.resolve(url))
        named = headers | {"host": url.netloc.decode()}
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=ATTEMPT_SECONDS) as client:
            request = client.build_request("POST", fixed, content=body, headers=named)
            request.extensions["sni_hostname"] = _named(url)
            async with asyncio.timeout_at(until):
                response = await client.send(request, stream=True)
            try:
                # It was answered: a rest that is late, broken or without end takes nothing back.
                with contextlib.suppress(httpx.HTTPError, TimeoutError):
                    async with asyncio.timeout(REST_SECONDS):
                        await _read_a_little(response)
            finally:
                await response.aclose()
        shown = f"redirects to {response.headers.get('location', '')[:100]!a}" if response.is_redirect else ""
        return Answered(response.status_code, shown)


def _named(url: httpx.URL) -> str:
    """The host as DNS knows it: of `faß.de` Python itself would make `fass.de`, by older rules, which is somebody else's."""
    return url.raw_host.decode()


async def _read_a_little(response: httpx.Response) -> None:
    read = 0
    async for part in response.aiter_raw():
        read += len(part)
        if read > READ_BYTES:
            return
