"""Where a webhook may be sent: what leads inside is refused, whatever it is written as and whenever it turns out to."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

import pytest

from services.gateway.target import RefusedTargetError, Target
from tests.gateway.receiver import Receiver


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://localhost/", "https://localhost./", "https://127.1/", "https://0/", "https://[::]/", "https://017700000001/",
        "https://[2002:0a00:0001::]/", "https://[::10.0.0.1]/", "https://10.1.2.3/", "https://172.16.0.1/", "https://192.168.1.1/",
        "https://169.254.169.254/latest", "https://[::1]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[fec0::1]/", "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/", "https://2130706433/", "https://0x7f.1/", "https://100.64.0.1/", "https://224.0.0.1/", "https://[64:ff9b::a00:1]/",
        "http://93.184.216.34/", "https://no-such-name.invalid/", "https://93.184.216.34:99999/",
        "https://93.184.216.34:0/",
    ],
)  # fmt: skip
async def test_an_address_inside_is_no_target(url: str) -> None:
    with pytest.raises(RefusedTargetError):
        await Target().check(url)


async def test_whatever_keeps_an_event_from_arriving_is_an_attempt_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be written down, and the webhook would be tried for ever and never disabled."""

    async def fails(*_: Any) -> None:
        raise ExceptionGroup("several", [OverflowError("port must be 0-65535.")])

    monkeypatch.setattr(Target, "_post", fails)
    answered = await Target().post("https://hook.example/", b"{}", {})
    assert (answered.taken, answered.status) == (False, None)
    assert "ExceptionGroup" in answered.error


async def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.216.34", "10.0.0.7", "10.0.0.7"])

    def lookup(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 443))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    target = Target()
    await target.check("https://rebinding.example/")
    refused = await target.post("https://rebinding.example/", b"{}", {})
    assert "10.0.0.7" in refused.error


async def test_the_address_that_was_looked_up_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    receiver.start()
    lookups = []

    def lookup(host: Any, port: Any, **_: Any) -> list[Any]:
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    target = Target(["127.0.0.0/8"])
    answered = await target.post(f"http://hook.example:{receiver.port}/x", b"{}", {"content-type": "application/json"})
    receiver.stop()
    assert answered.taken, answered
    assert lookups.count("hook.example") == 1
    assert receiver.taken[0][0]["host"] == f"hook.example:{receiver.port}"


@pytest.mark.parametrize("written", ["faß.de", "xn--fa-hia.de"])
async def test_a_name_in_letters_of_its_own_leads_to_its_owner_alone(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fass.de` is another's: it would have been looked up, named in the handshake, and sent the events."""
    greetings, lookups = [], []

    async def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.read(4_096))
        writer.close()

    def lookup(host: Any, port: Any, **_: Any) -> list[Any]:
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    server = await asyncio.start_server(greeted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    await Target(["127.0.0.0/8"]).post(f"https://{written}:{port}/", b"{}", {})
    server.close()
    assert lookups[0] == "xn--fa-hia.de"
    assert b"xn--fa-hia.de" in greetings[0]


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\n", 410),
    ],
)
@pytest.mark.parametrize("hangs", [False, True])
async def test_what_was_answered_counts_whatever_becomes_of_the_rest(
    monkeypatch: pytest.MonkeyPatch, rest: bytes, status: int, *, hangs: bool
) -> None:
    """Else one that took an event is sent it for four days and then disabled, and one that is gone is asked for ever."""
    monkeypatch.setattr("services.gateway.target.REST_SECONDS", 0.2)
    ended = asyncio.Event()

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(rest)
        await writer.drain()
        if hangs:
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.transport.abort()
        ended.set()

    async with await asyncio.start_server(receiver, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answered = await Target(["127.0.0.0/8"]).post(f"http://127.0.0.1:{port}/", b"{}", {})
        await ended.wait()
    assert (answered.status, answered.error) == (status, "")


async def test_a_name_whose_server_is_silent_keeps_nobody_elses_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()

    def lookup(*_: Any, **__: Any) -> list[Any]:
        silent.wait(10)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    asking = [asyncio.create_task(Target().post("https://silent.example/", b"{}", {})) for _ in range(32)]
    try:
        await asyncio.sleep(0.1)
        await asyncio.wait_for(asyncio.to_thread(str), 2)
    finally:
        silent.set()
        await asyncio.gather(*asking)
