"""A small HTTP server on a raw socket, for providers that misbehave in ways that no framework allows."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict
    json: dict

    @property
    def texts(self):
        """Return the texts of an embedding request."""
        return self.json["input"] if self.path.endswith("/embeddings") else []


class RawServer:
    """Answers every request except GET with the result of `answer(request)`: bytes, or an async iterator of bytes."""

    def __init__(self, answer):
        self.answer, self.url, self.requests, self.sent_bytes = answer, "", [], 0

    @property
    def texts(self):
        """Return all texts that were sent to be embedded, in order."""
        return [text for request in self.requests for text in request.texts]

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if method == "GET":
                    answer = reply(404, {})
                else:
                    self.requests.append(Request(path, headers, json.loads(body)))
                    answer = self.answer(self.requests[-1])
                if not await self.send(writer, answer):
                    break
        writer.close()

    async def send(self, writer, answer):
        """Send an answer; return whether the connection stays open, according to its header."""
        stays = True
        if isinstance(answer, bytes):
            answer = pieces(answer)
        async with contextlib.aclosing(answer):
            async for piece in answer:
                writer.write(piece)
                await writer.drain()
                self.sent_bytes += len(piece)
                stays = stays and b"connection: close\r\n" not in piece
        return stays


async def pieces(*parts):
    for part in parts:
        yield part


@contextlib.asynccontextmanager
async def raw_server(answer):
    """Run a RawServer whose `url` ends in /v1; unfinished responses are cut off at the end."""
    server, tasks = RawServer(answer), set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await server.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reply(status, body, headers=None):
    """Return a complete HTTP response; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": len(content), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Any\r\n{head}\r\n".encode() + content


def error(status, message="", code=None, headers=None):
    return reply(status, {"error": {"message": message, "code": code, "type": "error"}}, headers)


def vector(text, width):
    """Return the same numbers for the same text, as a list."""
    return np.random.default_rng(list(text.encode())).normal(size=width).tolist()


def embedded(request, width=8):
    """Return a correct answer to an embedding request, with plain numbers."""
    data = [{"index": index, "embedding": vector(text, width)} for index, text in enumerate(request.texts)]
    return reply(200, {"data": data, "usage": {"total_tokens": 5 * len(data)}})


def events(*values, hold=False):
    """Return a stream of server-sent events that ends with the connection; `hold` keeps that open."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        + (b"" if hold else b"connection: close\r\n")
        + b"\r\n"
    )
    return head + b"".join(f"data: {json.dumps(value)}\n\n".encode() for value in values)
