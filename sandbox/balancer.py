"""A pretend load balancer: the requests of every connection go in turn to one replica of the suite and to the next.

It carries bytes of HTTP/1.1, repeats nothing and remembers nobody; it must never know what a path means.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

HOST = "127.0.0.1"
HEAD = 128 * 1024
"""Most bytes of a head, and of what is carried at once."""
IDLE = 3.0
"""Seconds for which a connection to a replica may rest: the suite closes one after five, and must not do so under a
request on its way."""
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Wire(NamedTuple):
    """One connection, and since when it rests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float = 0.0

    def usable(self) -> bool:
        fresh = time.monotonic() - self.since < IDLE
        return fresh and not (self.reader.at_eof() or self.reader.exception() or self.writer.is_closing())


class Balancer:
    """Listens on `port` (0 takes a free one) before replicas on these ports. A replica is passed over only where it
    refuses the connection; a request that it took and did not answer ends as 502. `answered` counts by replica,
    `statuses` by what was answered."""

    def __init__(self, replicas: Sequence[int], port: int = 0) -> None:
        self.replicas, self.port = tuple(replicas), port
        self.answered: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self._resting: dict[int, deque[Wire]] = {replica: deque() for replica in replicas}
        self._connections: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._first = itertools.count()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=HEAD, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cuts short what is under way. May be called twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        open = [*self._clients, *(wire.writer for wire in itertools.chain(*self._resting.values()))]
        for writer in open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in open), return_exceptions=True)
        await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.close()
            return
        self._clients.add(writer)
        task = asyncio.ensure_future(self._serve(Wire(reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: Wire) -> None:
        """One client's connection; which replica comes first changes from one connection to the next."""
        turn = next(self._first)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._pass(client, turn):
                    turn += 1
        finally:
            client.writer.close()
            if self._server is not None:  # else it is waited for that all have closed
                self._clients.discard(client.writer)

    async def _pass(self, client: Wire, turn: int) -> bool:
        """One request and its answer; says whether the connection may be used again."""
        head = await client.reader.readuntil(b"\r\n\r\n")
        found = await self._connect(turn)
        if found is None:
            client.writer.write(UNAVAILABLE)
            return False
        replica, wire = found
        begun = False
        try:
            wire.writer.write(head)
            await _carry(head, client.reader, wire.writer, default=0)
            answer = await wire.reader.readuntil(b"\r\n\r\n")
            begun = True
            client.writer.write(answer)
            status = int(answer.split(b" ", 2)[1])
            bare = head.startswith(b"HEAD ") or status in (204, 304)
            await _carry(answer, wire.reader, client.writer, default=0 if bare else None, bare=bare)
        except (OSError, asyncio.IncompleteReadError):
            wire.writer.close()
            if not begun:
                client.writer.write(BAD_GATEWAY)
            return False
        except BaseException:
            wire.writer.close()
            raise
        self.answered[replica] += 1
        self.statuses[status] += 1
        if _says(answer, b"connection") == b"close":
            wire.writer.close()
        else:
            self._resting[replica].append(wire._replace(since=time.monotonic()))
        return b"close" not in (_says(head, b"connection"), _says(answer, b"connection"))

    async def _connect(self, turn: int) -> tuple[int, Wire] | None:
        """A connection to the replica whose turn it is, or to the next that does not refuse one."""
        for step in range(len(self.replicas)):
            replica = self.replicas[(turn + step) % len(self.replicas)]
            resting = self._resting[replica]
            while resting:
                wire = resting.pop()
                if wire.usable():
                    return replica, wire
                wire.writer.close()
            with contextlib.suppress(ConnectionRefusedError):
                return replica, Wire(*await asyncio.open_connection(HOST, replica, limit=HEAD))
        return None


async def _carry(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, default: int | None, bare: bool = False
) -> None:
    """Passes the body that belongs to this head: by its length, in chunks, or, where `default` is None, to the end."""
    length = _says(head, b"content-length")
    if bare:
        pass
    elif _says(head, b"transfer-encoding") == b"chunked":
        left = -1
        while left:
            line = await reader.readuntil(b"\r\n")
            left = int(line.partition(b";")[0], 16)
            writer.write(line)
            await _copy(reader, writer, left + 2)
    elif length or default is not None:
        await _copy(reader, writer, int(length or default or 0))
    else:
        while some := await reader.read(HEAD):
            writer.write(some)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    while size:
        some = await reader.readexactly(min(size, HEAD))
        writer.write(some)
        await writer.drain()
        size -= len(some)


def _says(head: bytes, name: bytes) -> bytes:
    """What a head says under a name, in small letters; nothing where it does not."""
    _, found, rest = head.lower().partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else b""
