"""A minimal pooler for PostgreSQL: it shares one session between clients, or gives each its own."""

import asyncio
import contextlib
import struct
from contextlib import asynccontextmanager

IDLE = b"I"  # the transaction status of a session that is in no transaction


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


async def read_message(reader):
    """Return the type and the body of a message."""
    kind = await reader.readexactly(1)
    return kind, await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0] - 4)


class Session:
    """A connection to the server; one client at a time may use it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.turn = asyncio.Lock()
        self.greeting = []

    @classmethod
    async def connect(cls, socket, startup):
        session = cls(*await asyncio.open_unix_connection(socket))
        session.writer.write(startup)
        kind = b""
        while kind != b"Z":
            kind, body = await read_message(session.reader)
            if kind == b"S":
                session.greeting.append(message(kind, body))
        return session

    async def relay_answer(self, writer):
        """Pass on the answer to a query; return whether the transaction has ended."""
        kind = b""
        while kind != b"Z":
            kind, body = await read_message(self.reader)
            writer.write(message(kind, body))
        await writer.drain()
        return body == IDLE


class Pooler:
    """In the mode `transaction`, a session belongs to a client for one transaction, otherwise as long as it stays."""

    def __init__(self, socket, mode):
        self.socket, self.mode = socket, mode
        self.common = None
        self.clients = 0
        self.sessions = []

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._serve(reader, writer)
        writer.close()

    def close(self):
        for session in self.sessions:
            session.writer.close()

    async def _serve(self, reader, writer):
        length = await reader.readexactly(4)
        startup = length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)
        session = await self._session(startup)
        self.clients += 1
        writer.write(message(b"R", struct.pack("!I", 0)) + b"".join(session.greeting))
        writer.write(message(b"K", struct.pack("!II", 10_000_000 + self.clients, 1)) + message(b"Z", IDLE))
        holding = False
        try:
            while True:
                kind, body = await read_message(reader)
                if kind == b"X":
                    return
                if not holding:
                    await session.turn.acquire()
                    holding = True
                session.writer.write(message(kind, body))
                if kind in (b"Q", b"S") and await session.relay_answer(writer) and self.mode == "transaction":
                    session.turn.release()
                    holding = False
        finally:
            if holding:
                session.turn.release()

    async def _session(self, startup):
        if self.mode == "transaction" and self.common is not None:
            return self.common
        self.common = await Session.connect(self.socket, startup)
        self.sessions.append(self.common)
        return self.common


@asynccontextmanager
async def pooling(server_directory, directory, mode):
    """Run a pooler for the server with its socket in a directory; its own socket is in another directory."""
    name = ".s.PGSQL.5432"
    pooler = Pooler(str(server_directory / name), mode)
    listening = await asyncio.start_unix_server(pooler.serve, str(directory / name))
    async with listening:
        yield
        pooler.close()
