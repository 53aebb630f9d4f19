# SPDX-License-Identifier: Apache-2.0
"""A door on one loopback port to the node behind it: shut while blocks are made again, lest half a chain pass for a re-org."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

CHUNK_BYTES = 256 * 1024
SHUT_SECONDS = 5.0

Answer = TypeVar("Answer")


class Door:
    """Forwards connections from one port to another. The port stays the same however often the node behind is replaced."""

    def __init__(self, *, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._thread.start()

    def open(self, node_port: int) -> int:
        """Take connections for the node on `node_port`; return the port on which they arrive. Raises OSError when the port is taken."""
        return self._run(self._open(node_port))

    def shut(self) -> None:
        """Take no more connections and break those that stand: their node is gone."""
        self._run(self._shut())

    def stop(self) -> None:
        """Shut it for good."""
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SHUT_SECONDS)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SHUT_SECONDS)

    async def _open(self, node_port: int) -> int:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._forward(reader, writer, node_port)

        self._server = await asyncio.start_server(forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node_port: int) -> None:
        self._connections.add(writer)
        try:
            node_reader, node_writer = await asyncio.open_connection("127.0.0.1", node_port)
        except OSError:
            # The node died this instant: the caller sees a broken connection, which is what it is.
            writer.transport.abort()
            self._connections.discard(writer)
            return
        self._connections.add(node_writer)
        try:
            await asyncio.gather(_pump(reader, node_writer), _pump(node_reader, writer))
        finally:
            for end in (writer, node_writer):
                end.transport.abort()
                self._connections.discard(end)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until an end; a broken connection is such an end."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
