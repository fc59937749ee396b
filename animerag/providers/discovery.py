"""Finds model servers on this machine at their usual ports."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from animerag.models.providers import ModelServer

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHIN_S = 0.2
# Documented default ports.
USUAL: Mapping[int, str] = {11434: "Ollama", 1234: "LM Studio", 8080: "llama.cpp", 8000: "vLLM"}
# Values of `owned_by` in the list of models.
_OWNERS: Mapping[str, str] = {"library": "Ollama", "llamacpp": "llama.cpp", "vllm": "vLLM"}
_MOST = 2**20  # bytes of a model list
_NAME = 200  # characters of a model's name


async def find(ports: Mapping[int, str] = USUAL) -> list[ModelServer]:
    """Return the servers that list a chat model, in the order of their ports; takes at most 0.2 s."""
    servers = await asyncio.gather(*(_look(port, name) for port, name in ports.items()))
    return [server for server in servers if server is not None and server.models]


async def _look(port: int, name: str) -> ModelServer | None:
    try:
        async with asyncio.timeout(WITHIN_S):
            answer = await _listed(port)
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None  # no server, a slow one, or another kind of server
    listed = answer.get("data") if isinstance(answer, dict) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    models = [str(one["id"])[:_NAME] for one in entries if isinstance(one.get("id"), str) and _answers(one["id"])]
    owner = next((_OWNERS[str(one.get("owned_by"))] for one in entries if str(one.get("owned_by")) in _OWNERS), name)
    return ModelServer(name=owner, url=f"http://127.0.0.1:{port}/v1", models=tuple(models))


async def _listed(port: int) -> object:
    """Request the list with plain HTTP/1.0: no client has to be imported, and unused ports cost almost nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MOST)
    try:
        request = f"GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(None, 2)[1:2] != [b"200"]:
            return None
        body = bytearray()
        while len(body) <= _MOST and (part := await reader.read(2**16)):
            body += part
        return json.loads(body)
    finally:
        writer.close()


def _answers(model: str) -> bool:
    return "embed" not in model.lower()
