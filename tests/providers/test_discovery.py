"""Model servers on this machine, recognised by their responses, on real sockets."""

import asyncio
import contextlib
import json
import time

import pytest

from animerag.providers import discovery
from animerag.simulator import SimulatorSettings
from animerag.simulator.server import listening


@contextlib.asynccontextmanager
async def answering(answer, *, pause_s=0.0):
    """Answer every request with these bytes, after a pause; yield the port."""

    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(pause_s)
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


def listing(body, status="200 OK"):
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}".encode()


OLLAMA = json.dumps(
    {
        "data": [{"id": name, "owned_by": "library"} for name in ("llama3.2:latest", "nomic-embed-text")],
        "object": "list",
    }
)


async def test_a_server_is_named_by_its_reply_and_lists_its_chat_models():
    async with answering(listing(OLLAMA)) as port:
        found = await discovery.find({port: "vLLM"})

    assert [(one.name, one.url, one.models) for one in found] == [
        ("Ollama", f"http://127.0.0.1:{port}/v1", ("llama3.2:latest",))
    ]


async def test_a_server_over_http_1_1_with_keep_alive_is_understood():
    async with listening(SimulatorSettings()) as url:
        port = int(url.split(":")[2].split("/")[0])
        found = await discovery.find({port: "LM Studio"})

    assert [(one.name, one.url) for one in found] == [("LM Studio", url)]
    assert all("embed" not in model for one in found for model in one.models)


@pytest.mark.parametrize(
    "answer",
    [
        listing("{}", status="404 Not Found"),
        listing("<html>a site of somebody's</html>"),
        listing('{"data":[{"id":"text-embedding-only"}]}'),
        listing('{"data":{"id":"x"}}'),
        listing("[1]"),
        listing('{"data":[{"id":7},"x"]}'),
        b"\x16\x03\x01garbage",
        b"",
    ],
)
async def test_other_programs_are_not_offered_as_servers(answer):
    async with answering(answer) as port:
        assert await discovery.find({port: "Ollama"}) == []


async def test_a_silent_port_does_not_delay_the_result(unused_tcp_port):
    async with answering(listing(OLLAMA), pause_s=5) as slow, answering(listing(OLLAMA)) as quick:
        began_s = time.perf_counter()
        found = await discovery.find({slow: "slow", unused_tcp_port: "nobody", quick: "quick"})
        took_s = time.perf_counter() - began_s

    assert [one.url for one in found] == [f"http://127.0.0.1:{quick}/v1"]
    assert took_s < 3  # the slow server takes five seconds, and this machine may be busy
