"""Embeddings and answers from any server that speaks the OpenAI protocol. Every vendor exception ends here.

The gate decides when a request leaves and whether it is tried again; here is only what one request means. How answers
are read: openai_answers.py, openai_values.py; what errors mean: openai_errors.py.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import weakref
from contextlib import aclosing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from animerag.errors import ProviderError, ProviderUnusableError, UnusableAnswerError
from animerag.models import AnswerStatus, Finish, Usage
from animerag.ports import Embedding
from animerag.providers.openai_errors import (
    NO_KEY,
    SECRET,
    AnswerTooLargeError,
    BrokeOffError,
    ContentFilteredError,
    NoSuchRouteError,
    meaning,
    translated,
)
from animerag.providers.openai_payloads import ErrorInAnswer, at, decoded, other_width, text_at
from animerag.providers.openai_streams import ChatReader, ResponsesReader
from animerag.providers.pricing import DEFAULT_PRICES, cost_usd
from animerag.providers.sse import EventDecoder
from animerag.rate_limits import estimate_tokens, spending
from animerag.telemetry import tracing

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    import httpx2
    from openai import AsyncOpenAI, AsyncStream

    from animerag.models import Priority, Prompt, ProviderName
    from animerag.ports import Memory
    from animerag.providers.openai_streams import Reader
    from animerag.rate_limits import Gate

Api = Literal["auto", "responses", "chat"]
_Pieces: TypeAlias = "AsyncGenerator[str | Finish, None]"

log = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
EMBEDDING_DEADLINE_S, CHAT_DEADLINE_S = 30.0, 120.0  # of one attempt; read time-outs alone restart with each byte
CALL_DEADLINE_S = 60.0  # of an embedding with all its attempts
CONNECT_S = 5.0
EXPECTED_OUTPUT_TOKENS = 500  # of an answer with its reasoning, until the usage says how many it took
USUAL_OUTPUT_TOKENS = 250  # what money is reserved for, as in the estimate of a sheet
DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}

LIST_BYTES = 4 * 2**20  # gateways list hundreds of models, each with its description
NUMBER_BYTES, FRAME_BYTES, WIDEST = (
    30,
    2**20,
    4096,
)  # of an embedding answer: a number as text, the rest, an unknown width
TEXT_CHARACTERS = 2**16  # of an answer, which is cut there
STREAM_BYTES, EVENT_BYTES = 16 * 2**20, 2**20  # a word comes in 300 bytes of event; the last event repeats the answer
PROBE = "width"  # the text that is embedded to learn the width, or whether the provider is back

DRAIN_S = 1.0  # after the end of an answer, for its usage and so that the connection can be used again

_SHORTENS = re.compile(r"text-embedding-3")  # the official models that take `dimensions`
_WIDTH = re.compile(r"\bdimensions?\b|matryoshka", re.IGNORECASE)  # what a server that does not take it complains of
_REASONS = re.compile(r"(gpt-5|o\d)")
_TALKS = re.compile(r"gpt-5")

# How a server that does not take an optional parameter calls it in its 400.
_CALLED: Mapping[str, re.Pattern[str]] = {
    "reasoning": re.compile(r"\breasoning(\b|_effort\b)"),
    "reasoning_effort": re.compile(r"\breasoning(\b|_effort\b)"),
    "text": re.compile(r"\bverbosity\b"),
    "verbosity": re.compile(r"\bverbosity\b"),
    "store": re.compile(r"\bstore\b"),
    "stream_options": re.compile(r"\bstream_options\b"),
}


class OpenAIConnection:
    """One address and key, with a client for the loop that uses it. Embedder and chat model share it."""

    def __init__(self, *, api_key: str | None, base_url: str | None, gate: Gate) -> None:
        self.gate = gate
        self.is_openai = base_url is None or base_url.rstrip("/") == OPENAI_URL
        self.lacks_responses = False
        self._key = api_key or NO_KEY
        self.address = (base_url or OPENAI_URL).rstrip("/")
        self._base_url = base_url or OPENAI_URL
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = weakref.WeakKeyDictionary()

    def client(self) -> AsyncOpenAI:
        """Return this loop's client: its connections cannot be used from another one."""
        import openai

        from animerag.providers.openai_capped import CappedClient

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            if not self._base_url.startswith(("http://", "https://")):
                raise ProviderUnusableError("OPENAI_BASE_URL must begin with http:// or https://.")
            self._clients[loop] = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self._base_url,
                max_retries=0,
                timeout=openai.Timeout(CHAT_DEADLINE_S, connect=CONNECT_S),
                # Five times the throughput of the default transport; a redirect would carry the key elsewhere.
                http_client=CappedClient(follow_redirects=False, verify=_tls()),
            )
        return self._clients[loop]

    async def warm(self) -> None:
        """Import the SDK and open a pooled connection; what the server says to that is of no matter."""
        await asyncio.to_thread(importlib.import_module, "openai")
        await asyncio.to_thread(_tls)
        from animerag.providers.openai_capped import capped

        try:
            with self.translating(""), capped(LIST_BYTES):
                await self.client().get("/models", cast_to=object, options={"timeout": CONNECT_S})
        except ProviderError as error:
            log.debug("warm-up of the provider: %s", error)

    async def models(self) -> list[str]:
        """Return the names of the server's models. Raises ProviderError; NoSuchRouteError where it has no list."""
        from animerag.providers.openai_capped import capped

        with self.translating(""), capped(LIST_BYTES):
            async with asyncio.timeout(EMBEDDING_DEADLINE_S):
                told = await self.client().get("/models", cast_to=object)
        listed = at(told, "data")
        return [text_at(one, "id") for one in listed] if isinstance(listed, list) else []

    async def post(self, path: str, body: Mapping[str, Any], *, limit_bytes: int) -> httpx2.Response:
        """Send one request and return the whole answer. Raises the SDK's errors, AnswerTooLargeError."""
        import httpx2

        from animerag.providers.openai_capped import capped

        # The SDK's own methods would check request and answer against types: 3 ms a call, and lists for vectors.
        with capped(limit_bytes):
            response: httpx2.Response = await self.client().post(path, body=body, cast_to=httpx2.Response)
        return response

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncStream[object]:
        """Send one request and return its events as plain values. Raises the SDK's errors."""
        import openai

        from animerag.providers.openai_capped import capped

        # Typed events cost 0.5 ms each, and the first one a second in which the loop stands still.
        with capped(STREAM_BYTES):
            stream: AsyncStream[object] = await self.client().post(
                path, body={**body, "stream": True}, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
            )
        return stream

    async def close(self) -> None:
        """Close this loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    @contextmanager
    def translating(self, model: str) -> Iterator[None]:
        """Turn every vendor error of the block into one of ours, and learn limits from refusals."""
        import aiohttp
        import httpx2
        import openai

        try:
            yield
        except (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, openai.RateLimitError):
                self.gate.learn(error.response.headers, model=model)
            problem = translated(error, model=model, hide=self._key)
            # A server may echo the key, and a logged traceback would show it.
            leaks = self._key in str(error) or SECRET.search(str(error)) is not None
            raise problem from (None if leaks else error)

    def failure(self, error: object, model: str) -> ProviderError:
        """Return our error for one that an answer holds, whose status said that all was well."""
        return meaning(error, model=model, hide=self._key)


@cache
def _tls() -> ssl.SSLContext:
    """Return the one TLS context: reading the certificates takes 50 ms, and a comparison makes a client per run."""
    import httpx2

    return httpx2.create_ssl_context()


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────────────────────────


class OpenAIEmbedder:
    """Embeds texts through an OpenAI-compatible server."""

    provider: ProviderName = "openai"

    def __init__(
        self,
        connection: OpenAIConnection,
        *,
        model: str,
        prices: Mapping[str, float] = DEFAULT_PRICES,
        dimensions: int | None = None,
        asked_dimensions: int | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`dimensions` is the width of the vectors where the caller knows it from earlier answers.

        `asked_dimensions` is asked for, where the server takes that. `memory` keeps the width that a server answers.
        """
        self.model = model
        self._connection = connection
        self._prices = prices
        self._seen = self._remembered = dimensions
        self._table_width: int | None = None  # other servers serve other models under OpenAI's names
        if connection.is_openai:
            asked_dimensions = asked_dimensions if _SHORTENS.match(model) else None
            self._table_width = asked_dimensions or DIMENSIONS.get(model)
        self._asked = asked_dimensions
        self._memory = memory
        self._fact = f"embedding_width {connection.address} {model} {asked_dimensions or ''}".strip()
        self._asking = asyncio.Lock()
        self._outdated = False

    async def dimensions(self) -> int:
        """Return the width of the vectors, from the table for OpenAI's own models.

        Any other server is asked once, with a short text; the memory keeps its answer. Raises as `embed`.
        """
        async with self._asking:
            if self._outdated:
                self._seen, self._outdated = None, False
                await self._keep_width(None)
            width = self._seen or self._table_width
            if width is None and self._memory is not None:
                remembered = await self._memory.get_meta(self._fact) or ""
                width = self._seen = self._remembered = int(remembered) if remembered.isdecimal() else None
            if width is None:
                from animerag.models import Priority

                width = (await self.embed([PROBE], priority=Priority.LIVE)).vectors.shape[1]
            return width

    async def embed(self, texts: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed `texts` in one request; tries again where that may help.

        Raises ProviderUnusableError, RequestRefusedError (a text may be too long: split the batch),
        TransientProviderError after the last try, RateLimitedError where the wait would be minutes.
        """
        if not texts:
            return Embedding(vectors=np.empty((0, self._seen or 0), np.float32), usage=Usage())
        tokens = sum(map(estimate_tokens, texts))
        async with spending(self.cost_usd(tokens)) as settle:
            embedding = await self._connection.gate.run(
                partial(self._attempt, list(texts), tokens),
                priority=priority,
                tokens=tokens,
                model=self.model,
                deadline_s=CALL_DEADLINE_S,
                probe=partial(self._attempt, [PROBE], estimate_tokens(PROBE)),
            )
            settle(embedding.usage.cost_usd)
        await self._keep_width(self._seen)
        return embedding

    def cost_usd(self, tokens: int) -> float | None:
        """Return what embedding so many tokens costs; None where the price is unknown."""
        return cost_usd(self._prices, self.model, input_tokens=tokens)

    async def warm(self) -> None:
        """Import the SDK and connect."""
        await self._connection.warm()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _attempt(self, texts: list[str], tokens: int) -> Embedding:
        with tracing.span("embedding"), self._connection.translating(self.model):
            async with asyncio.timeout(EMBEDDING_DEADLINE_S):
                response = await self._send(texts)
            # A hundred vectors take 10 ms to decode, and the answers of a wave arrive together.
            try:
                vectors, used = await asyncio.to_thread(decoded, response.content, len(texts))
            except ErrorInAnswer as told:
                raise self._connection.failure(told.error, self.model) from None
        self._check_width(vectors.shape[1])
        unused = tokens - used if used else 0
        self._connection.gate.learn(response.headers, model=self.model, unused_tokens=unused)
        counted = used or tokens  # a server that counts nothing is not free
        cost = cost_usd(self._prices, self.model, input_tokens=counted)
        usage = Usage(embedding_tokens=counted, cost_usd=cost, estimated=not used)
        return Embedding(vectors=vectors, usage=usage)

    async def _send(self, texts: list[str]) -> httpx2.Response:
        """Send one request; a width that the server does not let itself be asked for is left out from then on."""
        import openai

        width = self._seen or self._table_width or WIDEST
        limit_bytes = len(texts) * width * NUMBER_BYTES + FRAME_BYTES
        request: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "base64"}
        if self._asked is None:
            return await self._connection.post("/embeddings", request, limit_bytes=limit_bytes)
        try:
            asking = {**request, "dimensions": self._asked}
            return await self._connection.post("/embeddings", asking, limit_bytes=limit_bytes)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if not _WIDTH.search(error.param or error.message):
                raise
            if self._connection.is_openai:
                raise ProviderUnusableError(
                    f"{self.model} has no vectors of {self._asked} numbers. Change ANIMERAG_EMBEDDING_DIMENSIONS."
                ) from None
            log.info("the server does not let itself be asked for %d dimensions", self._asked)
            self._asked = None
        return await self._connection.post("/embeddings", request, limit_bytes=limit_bytes)

    def _check_width(self, width: int) -> None:
        expected = self._seen or self._table_width
        if expected is not None and width != expected:
            self._outdated = not self._connection.is_openai
            raise other_width(width, expected)
        self._seen, self._outdated = width, False

    async def _keep_width(self, width: int | None) -> None:
        """Keep the width for later processes. No width lets the next one ask again."""
        if self._memory is not None and self._table_width is None and width != self._remembered:
            await self._memory.set_meta(self._fact, str(width or ""))
            self._remembered = width


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class OpenAIChat:
    """Streams answers, by the Responses API where the server has it, by Chat Completions elsewhere."""

    provider: ProviderName = "openai"

    def __init__(
        self,
        connection: OpenAIConnection,
        *,
        model: str,
        api: Api = "auto",
        reasoning_effort: str = "low",
        verbosity: str = "low",
        prices: Mapping[str, float] = DEFAULT_PRICES,
    ) -> None:
        self.model = model
        self._connection = connection
        self._api = api
        self._effort = reasoning_effort if _REASONS.match(model) else ""
        self._verbosity = verbosity if _TALKS.match(model) else ""
        self._prices = prices
        self._refused_options = set[str]()

    async def stream(self, prompt: Prompt, *, priority: Priority) -> AsyncGenerator[str | Finish, None]:
        """Yield pieces of the answer and one `Finish`; closing the iterator closes the request at the server.

        Before the first piece it tries again as the gate does; an answer that breaks off later ends as truncated.
        Raises ProviderUnusableError, RequestRefusedError, TransientProviderError, RateLimitedError.
        """
        tokens = estimate_tokens(prompt.system) + estimate_tokens(prompt.user) + EXPECTED_OUTPUT_TOKENS
        expected = cost_usd(
            self._prices,
            self.model,
            input_tokens=tokens - EXPECTED_OUTPUT_TOKENS,
            output_tokens=USUAL_OUTPUT_TOKENS,
        )
        async with (
            spending(expected) as settle,
            self._connection.gate.held(
                partial(self._open, prompt, tokens),
                priority=priority,
                tokens=tokens,
                model=self.model,
                deadline_s=CHAT_DEADLINE_S,
            ) as (first, rest),
            aclosing(rest),
        ):
            settle(_cost_of(first))  # an answer that is broken off from here on costs what was expected
            yield first
            with tracing.span("model"):
                async for piece in rest:
                    if isinstance(piece, Finish):
                        settle(piece.usage.cost_usd)
                    yield piece

    async def check(self) -> str:
        """Look for the model in the server's list: key, address and name are tried, and nothing is paid.

        Raises ProviderUnusableError, TransientProviderError.
        """
        try:
            known = await self._connection.models()
        except NoSuchRouteError:
            known = []
        if not known:
            return f"The provider answers, and lists no models: a first question will tell whether it has {self.model}."
        if self.model not in known and f"{self.model}:latest" not in known:  # as Ollama names what has no tag
            some = ", ".join(sorted(known)[:8]) + (" …" if len(known) > 8 else "")
            raise ProviderUnusableError(f"The provider does not list {self.model}. It has: {some}.")
        return f"The provider answers, and lists {self.model}."

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _open(self, prompt: Prompt, tokens: int) -> tuple[str | Finish, _Pieces]:
        """Send the question and wait for the first piece."""
        with tracing.span("model"):
            if self._api == "chat" or (self._api == "auto" and self._connection.lacks_responses):
                return await _begin(self._pieces(ChatReader(self.model), prompt, tokens))
            try:
                return await _begin(self._pieces(ResponsesReader(self.model), prompt, tokens))
            except NoSuchRouteError:
                if self._api == "responses":
                    raise
            begun = await _begin(self._pieces(ChatReader(self.model), prompt, tokens))
            self._connection.lacks_responses = True
            return begun

    async def _pieces(self, reader: Reader, prompt: Prompt, tokens: int) -> _Pieces:
        """Make one request and yield its answer, and a `Finish` unless nothing came of it."""
        deadline = asyncio.get_running_loop().time() + CHAT_DEADLINE_S
        written: list[str] = []
        try:
            with self._connection.translating(self.model):
                async with asyncio.timeout_at(deadline):
                    stream = await self._send(reader, prompt)
                self._connection.gate.learn(stream.response.headers, model=self.model)
                async with stream, aclosing(_texts(reader, stream, deadline)) as texts:
                    async for text in texts:
                        written.append(text)
                        yield text
        except ContentFilteredError:  # refused with a 400 before anything was worked on, and not paid for
            yield Finish(status=AnswerStatus.REFUSED)
            return
        except (BrokeOffError, AnswerTooLargeError) as error:
            if not reader.told and reader.status is None:
                raise
            log.info("answer broke off: %s", error)
        if reader.failure is not None:
            problem = self._connection.failure(reader.failure, self.model)
            if not isinstance(problem, ContentFilteredError):
                raise problem
            reader.status = AnswerStatus.TRUNCATED if reader.told else AnswerStatus.REFUSED
        yield self._finish(reader, tokens, "".join(written))

    async def _send(self, reader: Reader, prompt: Prompt) -> AsyncStream[object]:
        """Start the stream; options that the server does not take are left out from then on."""
        import openai

        while True:
            options = {**reader.fixed_options, **self._options(reader)}
            options = {name: value for name, value in options.items() if name not in self._refused_options}
            try:
                return await self._connection.stream(reader.path, {**reader.request(prompt), **options})
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                blamed = _blamed(error.param or error.message, options)
                if not blamed:
                    raise
                self._refused_options |= blamed
                log.info("the server does not take %s", ", ".join(sorted(blamed)))

    def _options(self, reader: Reader) -> dict[str, Any]:
        chosen = reader.chosen_options(self._effort, self._verbosity)
        return {name: value for name, value in chosen.items() if value}

    def _finish(self, reader: Reader, tokens: int, written: str) -> Finish:
        if reader.status is None and not reader.told:
            raise BrokeOffError("The provider ended its answer before the first word. Try again.")
        status = reader.status or AnswerStatus.TRUNCATED
        if status is AnswerStatus.OK and not reader.told:
            raise UnusableAnswerError("The provider's answer is empty. Try again.")
        if reader.input_tokens + reader.output_tokens == 0:
            # Not counted, or broken off before the count: the estimate stands, as it did for the budget.
            read, answered = tokens - EXPECTED_OUTPUT_TOKENS, max(USUAL_OUTPUT_TOKENS, estimate_tokens(written))
            cost = cost_usd(self._prices, self.model, input_tokens=read, output_tokens=answered)
            usage = Usage(input_tokens=read, output_tokens=answered, cost_usd=cost, estimated=True)
            return Finish(status=status, usage=usage)
        used = reader.input_tokens + reader.output_tokens
        self._connection.gate.learn({}, model=self.model, unused_tokens=tokens - used)
        cost = cost_usd(self._prices, self.model, input_tokens=reader.input_tokens, output_tokens=reader.output_tokens)
        usage = Usage(input_tokens=reader.input_tokens, output_tokens=reader.output_tokens, cost_usd=cost)
        return Finish(status=status, usage=usage)


def _cost_of(piece: str | Finish) -> float | None:
    return piece.usage.cost_usd if isinstance(piece, Finish) else None


async def _begin(pieces: _Pieces) -> tuple[str | Finish, _Pieces]:
    """Wait for the first piece; an attempt that has none leaves nothing open."""
    begun = False
    try:
        first = await anext(pieces)
        begun = True
    finally:
        if not begun:
            await pieces.aclose()
    return first, pieces


async def _texts(reader: Reader, stream: AsyncStream[object], deadline: float) -> AsyncGenerator[str, None]:
    """Yield the text of a stream's events until its end, or until a moment after what must have been the end."""
    loop, events = asyncio.get_running_loop(), EventDecoder()
    chunk: bytes | None = b""
    left = TEXT_CHARACTERS
    async with aclosing(stream.response.aiter_bytes()) as chunks:
        while chunk is not None:
            latest = deadline if reader.status is None else min(deadline, loop.time() + DRAIN_S)
            async with asyncio.timeout_at(latest):
                chunk = await anext(chunks, None)
            for data in events.finish() if chunk is None else events.feed(chunk):
                if text := reader.take(data):
                    yield text[:left]
                left -= len(text)
                if left < 0:
                    reader.status = AnswerStatus.TRUNCATED
                if left < 0 or reader.failure is not None:
                    return
            if events.pending_bytes > EVENT_BYTES:
                raise AnswerTooLargeError(EVENT_BYTES)


def _blamed(complaint: str, options: Mapping[str, Any]) -> set[str]:
    return {name for name in options if _CALLED[name].search(complaint)}
