"""The simulated provider's HTTP server: admits requests, waits, fails as configured, answers and counts."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import signal
import sys
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from animerag.errors import InvalidInputError
from animerag.simulator.protocol import (
    RefusedError,
    Reply,
    Stream,
    chat_reply,
    duration,
    embeddings_reply,
    over_limit,
    refuse_by,
    responses_reply,
)
from animerag.simulator.traffic import Endpoint, Ledger, SimulatedBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from animerag.models.json_types import JsonObject
    from animerag.simulator.settings import Fault, SimulatorSettings

_MAX_BODY_BYTES = 64 * 2**20  # 2048 texts, the most one request may hold, exceed aiohttp's 1 MiB
_BACKLOG = 1024  # hundreds of clients connect at the same time; a full backlog would delay them by a second
_GRACE_S = 0.1  # for answers in progress when the simulator is stopped
_HTML = "<html><body>Bad gateway</body></html>"  # the answer of a proxy in between, with status 200
_MODELS = ("gpt-5-nano", "text-embedding-3-small")


class Dice:
    """Seeded random numbers: the n-th request gets the same fault and latency in every run."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._fault = random.Random(f"faults {settings.seed}")  # noqa: S311 - for a simulation, not for secrets
        self._pace = random.Random(f"jitter {settings.seed}")  # noqa: S311 - as above

    def fault(self) -> Fault | None:
        """Return the fault of the next request, if any."""
        thrown = self._fault.random()
        for fault in self._settings.faults:
            if thrown < fault.rate:
                return fault
            thrown -= fault.rate
        return None

    def pace(self) -> float:
        """Return the latency of the next request, as a factor."""
        jitter = self._settings.jitter
        return self._pace.uniform(1 - jitter, 1 + jitter)


class _Simulator:
    """One simulated provider; belongs to one event loop."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._ledger = Ledger()
        self._dice = Dice(settings)
        self._buckets: dict[str, SimulatedBucket] = {}
        if rpm := settings.requests_per_minute:
            self._buckets["requests"] = SimulatedBucket(per_minute=rpm, capacity=settings.burst or rpm)
        if tpm := settings.tokens_per_minute:
            self._buckets["tokens"] = SimulatedBucket(per_minute=tpm, capacity=tpm)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        return await self._receive(
            request, "embeddings", lambda given: embeddings_reply(given, self._settings.dimensions)
        )

    async def responses(self, request: web.Request) -> web.StreamResponse:
        return await self._receive(request, "responses", responses_reply)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self._receive(request, "chat", chat_reply)

    async def models(self, _: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "animerag"} for name in _MODELS]
        return web.json_response({"object": "list", "data": data}, headers=self._limit_headers())

    async def stats(self, request: web.Request) -> web.Response:
        wants_times = request.query.get("times") == "1"
        return web.json_response(asdict(self._ledger.stats(times=wants_times)))

    async def reset(self, _: web.Request) -> web.Response:
        self._begin()
        return web.json_response({})

    async def _receive(
        self, request: web.Request, endpoint: Endpoint, read: Callable[[JsonObject], Reply]
    ) -> web.StreamResponse:
        ledger = self._ledger  # after a reset, this request still belongs to the old statistics
        visit = ledger.arrive(endpoint)
        fault, pace = self._dice.fault(), self._dice.pace()
        try:
            reply = read(_parsed(await request.read()))
            self._admit(reply)
            if fault:
                ledger.faults[fault.kind] += 1
                refuse_by(fault)
            ledger.texts += reply.texts
            ledger.tokens += reply.tokens
            response = await self._deliver(request, reply, fault, pace)
            visit.status = "drop" if fault and fault.kind == "drop" else str(response.status)
        except RefusedError as refusal:
            ledger.rate_limited += refusal.code == "rate_limit_exceeded"
            visit.status = str(refusal.status)
            response = self._refuse(refusal)
        finally:
            ledger.leave(visit)
        return response

    def _admit(self, reply: Reply) -> None:
        amounts = {"requests": 1, "tokens": reply.tokens}
        for unit, bucket in self._buckets.items():
            if wait_s := bucket.wait_s(amounts[unit]):
                raise over_limit(unit, bucket.per_minute, wait_s)
        for unit, bucket in self._buckets.items():
            bucket.take(amounts[unit])

    async def _deliver(
        self, request: web.Request, reply: Reply, fault: Fault | None, pace: float
    ) -> web.StreamResponse:
        kind = fault.kind if fault else None
        if fault and kind == "slow":
            pace *= fault.value or 10
        if reply.stream and kind not in {"drop", "malformed"}:
            return await self._stream(request, reply.stream, pace, is_cut=kind == "truncated")
        body = await self._worked_on(reply, pace)
        match kind:
            case "drop":
                _hang_up(request)
                return web.Response()
            case "malformed":
                return web.Response(text=_HTML, content_type="text/html", headers=self._limit_headers())
            case "truncated":
                return await self._cut_short(request, body)
        return web.Response(body=body, content_type="application/json", headers=self._limit_headers())

    async def _worked_on(self, reply: Reply, pace: float) -> bytes:
        """Return the body after its latency; it is built halfway.

        Requests arrive and leave in bursts, and work at those times would delay others.
        """
        begun_s = asyncio.get_running_loop().time()
        wait_s = pace * self._latency_s(reply)
        await asyncio.sleep(wait_s / 2)
        body = reply.body()
        await _sleep_until(begun_s + wait_s)
        return body

    def _latency_s(self, reply: Reply) -> float:
        settings = self._settings
        if reply.texts:
            return settings.embed_latency_s + settings.embed_per_item_s * reply.texts
        return settings.chat_latency_s

    async def _stream(self, request: web.Request, stream: Stream, pace: float, *, is_cut: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **self._limit_headers()})
        await response.prepare(request)
        begun_s = asyncio.get_running_loop().time()
        if stream.opening:
            await response.write(stream.opening)
        deltas = stream.deltas
        number = len(deltas) // 2 if is_cut else len(deltas)
        for delta, due_s in zip(deltas[:number], self._schedule(len(deltas)), strict=False):
            await _sleep_until(begun_s + pace * due_s)
            await response.write(delta)
        if is_cut:
            _hang_up(request)
        else:
            await response.write(stream.closing)
            await response.write_eof()
        return response

    def _schedule(self, count: int) -> list[float]:
        """Return when each of `count` deltas is due, in seconds: from the first token on to the end, evenly."""
        whole_s, given_s = self._settings.chat_latency_s, self._settings.first_token_s
        first_s = whole_s / 4 if given_s is None else given_s
        step_s = max(0.0, whole_s - first_s) / max(1, count - 1)
        return [first_s + index * step_s for index in range(count)]

    async def _cut_short(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", **self._limit_headers()})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        _hang_up(request)
        return response

    def _refuse(self, refusal: RefusedError) -> web.Response:
        headers = self._limit_headers()
        if (wait_s := refusal.retry_after_s) is not None:
            headers["retry-after"] = str(math.ceil(wait_s))
            headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
        return web.Response(status=refusal.status, body=refusal.body, content_type="application/json", headers=headers)

    def _limit_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for unit, bucket in self._buckets.items():
            headers[f"x-ratelimit-limit-{unit}"] = str(bucket.per_minute)
            headers[f"x-ratelimit-remaining-{unit}"] = str(bucket.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = duration(bucket.reset_s)
        return headers


def _parsed(body: bytes) -> JsonObject:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise RefusedError(400, "invalid_request_error", None, "The body of your request is not a JSON object.")
    return payload


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


async def _sleep_until(due_s: float) -> None:
    await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))


def create_app(settings: SimulatorSettings) -> web.Application:
    """Return an application with the OpenAI endpoints under `/v1`, and `/stats` and `/reset` beside them."""
    simulator = _Simulator(settings)
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.add_routes(
        [
            web.post("/v1/embeddings", simulator.embeddings),
            web.post("/v1/responses", simulator.responses),
            web.post("/v1/chat/completions", simulator.chat),
            web.get("/v1/models", simulator.models),
            web.get("/stats", simulator.stats),
            web.post("/reset", simulator.reset),
        ]
    )
    return app


@asynccontextmanager
async def listening(settings: SimulatorSettings, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve on this event loop and yield the base URL for clients; port 0 takes a free one.

    Raises InvalidInputError when the port is not available.
    """
    # With handler cancellation, a client that disconnects does not stay in flight for its whole latency.
    runner = web.AppRunner(create_app(settings), access_log=None, handler_cancellation=True, shutdown_timeout=_GRACE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise InvalidInputError(f"Port {port} on {host} is not available ({reason}): choose another.") from error
        yield f"http://{host}:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def serve(
    settings: SimulatorSettings, port: int = 0, host: str = "127.0.0.1", *, watch_stdin: bool = False
) -> None:
    """Serve until SIGINT, SIGTERM or, with `watch_stdin`, the end of standard input; only in the main thread.

    Prints `{"url": …}` once it accepts requests. Raises InvalidInputError when the port is not available.
    """
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        async with listening(settings, port, host) as url:
            if watch_stdin:
                _stop_when_stdin_ends(stop)
            sys.stdout.write(json.dumps({"url": url}) + "\n")
            sys.stdout.flush()
            await stop.wait()


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    # loop.add_signal_handler does not exist on Windows.
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_when_stdin_ends(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # Not sys.stdin: its lock, held by a waiting daemon thread, is a fatal error when the interpreter ends.
        while os.read(0, 1024):
            pass
        with suppress(RuntimeError):  # the loop has ended already, for another reason
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="animerag-simulator-stdin", daemon=True).start()
