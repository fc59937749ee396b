"""A model that obeys its context: its answer repeats everything that it was sent, with arbitrary citations."""

import contextlib
import json

from aiohttp import web


async def complete(request):
    asked = await request.json()
    text = "Of course [1] [42].\n" + "\n".join(message["content"] for message in asked["messages"])
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    for start in range(0, len(text), 400):
        delta = {"choices": [{"index": 0, "delta": {"content": text[start : start + 400]}}]}
        await reply.write(f"data: {json.dumps(delta)}\n\n".encode())
    await reply.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    return reply


@contextlib.asynccontextmanager
async def listening():
    """Serve on a free port of this machine; yield the base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
