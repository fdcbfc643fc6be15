"""A line that is slow and breaks: a TCP proxy inside the test."""

import asyncio
import contextlib
import random
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards to a port of loopback with delays; `cut` breaks every line, in the middle of whatever it carries."""

    def __init__(self, to: int, chance: random.Random, delay_seconds: float = 0.02) -> None:
        self._to, self._chance, self._delay = to, chance, delay_seconds
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    @property
    def lines(self) -> int:
        """How many stand now."""
        return len(self._lines) // 2

    def cut(self) -> None:
        """Break every line that stands."""
        for line in list(self._lines):
            line.transport.abort()
        self._lines.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._lines |= {writer, onward}
        await asyncio.gather(self._carry(reader, onward), self._carry(onward_reader, writer))
        for line in (writer, onward):
            line.transport.abort()
            self._lines.discard(line)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self._chance.uniform(0, self._delay))
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
