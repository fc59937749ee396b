"""Embeddings and answers from any server that speaks the OpenAI protocol. One protocol, hence one longer file.

Every vendor exception ends here, as one of `animerag.errors` with a sentence that never holds the key. The gate decides
when a request leaves and whether it is tried again; here is only what one request means.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import logging
import re
import time
import weakref
from abc import ABC, abstractmethod
from contextlib import aclosing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from pydantic_core import from_json

from animerag import tracing
from animerag.adapters.server_events import EventDecoder
from animerag.errors import (
    ProviderError,
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
)
from animerag.limits import estimate_tokens, retry_after_s, spending
from animerag.models import AnswerStatus, Finish, Usage
from animerag.ports import Embedding
from animerag.prices import DEFAULT_PRICES, cost_usd

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    import httpx2
    from openai import AsyncOpenAI, AsyncStream

    from animerag.limits import Gate
    from animerag.models import Priority, Prompt, ProviderName
    from animerag.ports import Vectors

Api = Literal["auto", "responses", "chat"]
_Pieces: TypeAlias = "AsyncGenerator[str | Finish, None]"

log = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "not-needed"  # the SDK wants a key, a server of one's own does not
EMBEDDING_DEADLINE_S, CHAT_DEADLINE_S = 30.0, 120.0  # of one attempt; read time-outs alone restart with each byte
CALL_DEADLINE_S = 60.0  # of an embedding with all its attempts
CONNECT_S = 5.0
EXPECTED_OUTPUT_TOKENS = 500  # of an answer with its reasoning, until the usage says how many it took
DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}

DRAIN_S = 1.0  # after the end of an answer, for its usage and so that the connection can be used again

_SECRET = re.compile(r"\bsk-[\w*.-]{3,}")
_REASONS = re.compile(r"(gpt-5|o\d)")
_TALKS = re.compile(r"gpt-5")
_TOO_LARGE = re.compile(r"too large|must be reduced")
# How a server that does not take an optional parameter calls it in its 400.
_CALLED: Mapping[str, re.Pattern[str]] = {
    "reasoning": re.compile(r"\breasoning(\b|_effort\b)"),
    "reasoning_effort": re.compile(r"\breasoning(\b|_effort\b)"),
    "text": re.compile(r"\bverbosity\b"),
    "verbosity": re.compile(r"\bverbosity\b"),
    "store": re.compile(r"\bstore\b"),
    "stream_options": re.compile(r"\bstream_options\b"),
}


class _BrokeOffError(TransientProviderError):
    """The connection or the answer on it ended before its time, without a word from the provider."""


class _NoSuchRouteError(ProviderUnusableError):
    """The server has nothing at this path, or does not say what it is that it lacks."""


class OpenAIConnection:
    """One address and key, with a client for the loop that uses it. Embedder and chat model share it."""

    def __init__(self, *, api_key: str | None, base_url: str | None, gate: Gate) -> None:
        self.gate = gate
        self.is_openai = base_url is None or base_url.rstrip("/") == OPENAI_URL
        self.lacks_responses = False
        self._key = api_key or NO_KEY
        self._base_url = base_url or OPENAI_URL
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = weakref.WeakKeyDictionary()

    def client(self) -> AsyncOpenAI:
        """Return this loop's client: its connections cannot be used from another one."""
        import openai

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
                http_client=openai.DefaultAioHttpClient(follow_redirects=False, verify=_tls()),
            )
        return self._clients[loop]

    async def warm(self) -> None:
        """Import the SDK and open a pooled connection; what the server says to that is of no matter."""
        await asyncio.to_thread(importlib.import_module, "openai")
        await asyncio.to_thread(_tls)
        try:
            with self.translating(""):
                await self.client().get("/models", cast_to=object, options={"timeout": CONNECT_S})
        except ProviderError as error:
            log.debug("warm-up of the provider: %s", error)

    async def models(self) -> list[str]:
        """Return the names of the server's models. Raises ProviderError; _NoSuchRouteError where it has no list."""
        with self.translating(""):
            async with asyncio.timeout(EMBEDDING_DEADLINE_S):
                told = await self.client().get("/models", cast_to=object)
        listed = _at(told, "data")
        return [_text(one, "id") for one in listed] if isinstance(listed, list) else []

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Send one request and return the whole answer. Raises the SDK's errors."""
        import httpx2

        # The SDK's own methods would check request and answer against types: 3 ms a call, and lists for vectors.
        response: httpx2.Response = await self.client().post(path, body=body, cast_to=httpx2.Response)
        return response

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncStream[object]:
        """Send one request and return its events as plain values. Raises the SDK's errors."""
        import openai

        # Typed events cost 0.5 ms each, and the first one a second in which the loop stands still.
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
            leaks = self._key in str(error) or _SECRET.search(str(error)) is not None
            raise problem from (None if leaks else error)

    def failure(self, error: object, model: str) -> ProviderError:
        """Return our error for one that an answer's stream told."""
        code = _text(error, "code") or _text(error, "type")
        return _by_code(code, _told(_text(error, "message"), self._key), model)


@cache
def _tls() -> ssl.SSLContext:
    """Return the one TLS context: reading the certificates takes 50 ms, and a comparison makes a client per run."""
    import httpx2

    return httpx2.create_ssl_context()


def translated(error: Exception, *, model: str, hide: str) -> ProviderError:
    """Return our error for a vendor's, with a sentence for the user; `hide` is a secret that must not be in it."""
    status = getattr(error, "status_code", None)
    code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
    body = getattr(error, "body", None)
    detail = _told(_text(body, "message"), hide)
    if isinstance(status, int):
        response: Any = getattr(error, "response", None)
        wait_s = retry_after_s(response.headers, time.time()) if response is not None else None
        return _by_status(status, code, detail, model, wait_s)
    if body is not None:  # an error that a stream told in words
        return _by_code(code, detail, model)
    if isinstance(error, UnicodeEncodeError):
        return RequestRefusedError("A text holds characters that cannot be sent.")
    if isinstance(error, ValueError):
        return _BrokeOffError("The provider's answer is cut off or is not JSON. Try again.")
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return _BrokeOffError("The provider did not answer in time. Try again later.")
    return _BrokeOffError("The provider cannot be reached. Check the network and OPENAI_BASE_URL.")


def _by_status(status: int, code: str, detail: str, model: str, wait_s: float | None) -> ProviderError:
    if status == 429:
        return _by_code(code if code == "insufficient_quota" else "rate_limit_exceeded", detail, model, wait_s)
    if status == 401:
        return ProviderUnusableError("The provider refuses the key. Check OPENAI_API_KEY.")
    if status == 403:
        return ProviderUnusableError(f"The key may not be used for {model or 'this'}.{detail} Check its permissions.")
    if status in {404, 405, 501}:
        kind = ProviderUnusableError if code == "model_not_found" or (model and model in detail) else _NoSuchRouteError
        asked = model or "this address"
        return kind(f"The provider does not know {asked}.{detail} Check the model's name and OPENAI_BASE_URL.")
    if status >= 500 and _TOO_LARGE.search(detail):  # llama.cpp's word for a text beyond its batch
        return RequestRefusedError(f"The request is larger than the provider's limit.{detail}")
    if status in {408, 409} or status >= 500:
        return TransientProviderError(f"The provider has trouble (HTTP {status}). Try again later.")
    if status < 300:
        return _BrokeOffError("The provider's answer cannot be read. Try again.")
    if status < 400:
        return ProviderUnusableError("The provider's address redirects. Set OPENAI_BASE_URL to where it leads.")
    return RequestRefusedError(f"The provider refused the request (HTTP {status}).{detail}")


def _by_code(code: str, detail: str, model: str, wait_s: float | None = None) -> ProviderError:
    if code == "insufficient_quota":
        return ProviderUnusableError("The quota of this key is used up. Check the provider's plan and billing.")
    if code == "rate_limit_exceeded":
        # Waiting does not make a request smaller: OpenAI tells this one apart by its words alone.
        if _TOO_LARGE.search(detail):
            return RequestRefusedError(f"The request is larger than the provider's limit.{detail}")
        return RateLimitedError("The provider asks to slow down.", retry_after_s=wait_s)
    if code.startswith("invalid") or code == "context_length_exceeded":
        return RequestRefusedError(f"The provider refused the request.{detail}")
    return TransientProviderError(f"The provider failed while it worked on {model or 'the request'}.{detail}")


def _told(message: str, hide: str) -> str:
    """Return what the provider said, as an appendix to a sentence of ours, on one line and without secrets."""
    words = " ".join(message.split())
    if hide != NO_KEY:
        words = words.replace(hide, "…")
    words = _SECRET.sub("sk-…", words)[:300]
    return f" It says: {words.rstrip('.')}." if words else ""


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
    ) -> None:
        """`dimensions` is the width of the vectors where the caller knows it from earlier answers."""
        self.model = model
        self._connection = connection
        self._prices = prices
        self._seen = dimensions

    async def dimensions(self) -> int:
        """Return the width of the vectors; embeds a word where no answer and no table told it. Raises as `embed`."""
        if self._seen is None and self.model not in DIMENSIONS:
            from animerag.models import Priority

            await self.embed(["width"], priority=Priority.LIVE)
        return self._seen or DIMENSIONS[self.model]

    async def embed(self, texts: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed `texts` in one request; tries again where that may help.

        Raises ProviderUnusableError, RequestRefusedError (a text may be too long: split the batch),
        TransientProviderError after the last try, RateLimitedError where the wait would be minutes.
        """
        if not texts:
            return Embedding(vectors=np.empty((0, self._seen or 0), np.float32), usage=Usage())
        tokens = sum(map(estimate_tokens, texts))
        with spending(self.cost_usd(tokens)) as settle:
            embedding = await self._connection.gate.run(
                partial(self._attempt, list(texts), tokens),
                priority=priority,
                tokens=tokens,
                model=self.model,
                deadline_s=CALL_DEADLINE_S,
            )
            settle(embedding.usage.cost_usd)
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
                request = {"model": self.model, "input": texts, "encoding_format": "base64"}
                response = await self._connection.post("/embeddings", request)
            # A hundred vectors take 10 ms to decode, and the answers of a wave arrive together.
            vectors, used = await asyncio.to_thread(_decoded, response.content, len(texts))
        self._check_width(vectors.shape[1])
        unused = tokens - used if used else 0
        self._connection.gate.learn(response.headers, model=self.model, unused_tokens=unused)
        cost = cost_usd(self._prices, self.model, input_tokens=used)
        return Embedding(vectors=vectors, usage=Usage(embedding_tokens=used, cost_usd=cost))

    def _check_width(self, width: int) -> None:
        # The table holds for OpenAI's own server; another one may serve another model under the name.
        expected = self._seen or (DIMENSIONS.get(self.model) if self._connection.is_openai else None)
        if expected is not None and width != expected:
            raise _unusable(f"its vectors have {width} numbers instead of {expected}")
        self._seen = width


def _decoded(content: bytes, count: int) -> tuple[Vectors, int]:
    """Return the vectors of a response and the tokens it counted. Raises ValueError, TransientProviderError."""
    body = from_json(content)
    if not isinstance(body, dict):
        raise _unusable("it is not an object")
    used = _tokens(body.get("usage"), "total_tokens") or _tokens(body.get("usage"), "prompt_tokens")
    return _vectors(body.get("data"), count), used


def _vectors(data: Any, count: int) -> Vectors:
    """Return the vectors in the order of the texts. Raises TransientProviderError for less than all of them."""
    if not isinstance(data, list) or len(data) != count:
        raise _unusable(f"it has {len(data) if isinstance(data, list) else 'no'} vectors for {count} texts")
    given = [(item.get("index"), item.get("embedding")) for item in data if isinstance(item, dict)]
    by_index = {index: embedding for index, embedding in given if type(index) is int}
    if by_index.keys() != set(range(count)):
        raise _unusable("it does not say which vector belongs to which text")
    rows = [_vector(by_index[index]) for index in range(count)]
    if len({row.size for row in rows}) != 1:
        raise _unusable("its vectors have different lengths")
    vectors: Vectors = np.stack(rows)
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise _unusable("a vector is zero or has numbers that are none")
    return vectors


def _vector(value: Any) -> Vectors:
    """Read base64 of little-endian float32, or the plain numbers that some servers send all the same."""
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
        numbers = np.asarray(value)
    except ValueError as error:
        raise _unusable("a vector cannot be read") from error
    if numbers.ndim != 1 or numbers.size == 0 or numbers.dtype.kind not in "fi":
        raise _unusable("a vector cannot be read")
    with np.errstate(over="ignore"):  # too large becomes infinite, which is refused below
        return numbers.astype(np.float32)


def _unusable(why: str) -> TransientProviderError:
    return TransientProviderError(f"The provider's answer cannot be used: {why}. Try again.")


def _tokens(usage: Any, name: str) -> int:
    value = _at(usage, name)
    return value if type(value) is int and value > 0 else 0


def _at(value: Any, *names: str) -> Any:
    """Follow names into nested objects; None where one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any, *names: str) -> str:
    """Return a field that should be text, or nothing: what servers send is not checked before."""
    text = _at(value, *names)
    return text if isinstance(text, str) else ""


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
        async with (
            self._connection.gate.held(
                partial(self._open, prompt, tokens),
                priority=priority,
                tokens=tokens,
                model=self.model,
                deadline_s=CHAT_DEADLINE_S,
            ) as (first, rest),
            aclosing(rest),
        ):
            yield first
            with tracing.span("model"):
                async for piece in rest:
                    yield piece

    async def check(self) -> str:
        """Look for the model in the server's list: key, address and name are tried, and nothing is paid.

        Raises ProviderUnusableError, TransientProviderError.
        """
        try:
            known = await self._connection.models()
        except _NoSuchRouteError:
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
                return await _begin(self._pieces(_ChatReader(self.model), prompt, tokens))
            try:
                return await _begin(self._pieces(_ResponsesReader(self.model), prompt, tokens))
            except _NoSuchRouteError:
                if self._api == "responses":
                    raise
            begun = await _begin(self._pieces(_ChatReader(self.model), prompt, tokens))
            self._connection.lacks_responses = True
            return begun

    async def _pieces(self, reader: _Reader, prompt: Prompt, tokens: int) -> _Pieces:
        """Make one request and yield its answer, and a `Finish` unless nothing came of it."""
        deadline = asyncio.get_running_loop().time() + CHAT_DEADLINE_S
        try:
            with self._connection.translating(self.model):
                async with asyncio.timeout_at(deadline):
                    stream = await self._send(reader, prompt)
                self._connection.gate.learn(stream.response.headers, model=self.model)
                async with stream, aclosing(_texts(reader, stream, deadline)) as texts:
                    async for text in texts:
                        yield text
        except _BrokeOffError as error:
            if not reader.told:
                raise
            log.info("answer broke off: %s", error)
        if reader.failure is not None:
            raise self._connection.failure(reader.failure, self.model)
        yield self._finish(reader, tokens)

    async def _send(self, reader: _Reader, prompt: Prompt) -> AsyncStream[object]:
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

    def _options(self, reader: _Reader) -> dict[str, Any]:
        chosen = reader.chosen_options(self._effort, self._verbosity)
        return {name: value for name, value in chosen.items() if value}

    def _finish(self, reader: _Reader, tokens: int) -> Finish:
        if reader.status is None and not reader.told:
            raise _BrokeOffError("The provider ended its answer before the first word. Try again.")
        status = reader.status or AnswerStatus.TRUNCATED
        if status is AnswerStatus.OK and not reader.told:
            raise TransientProviderError("The provider's answer is empty. Try again.")
        if reader.input_tokens + reader.output_tokens == 0:
            return Finish(status=status)
        used = reader.input_tokens + reader.output_tokens
        self._connection.gate.learn({}, model=self.model, unused_tokens=tokens - used)
        cost = cost_usd(self._prices, self.model, input_tokens=reader.input_tokens, output_tokens=reader.output_tokens)
        usage = Usage(input_tokens=reader.input_tokens, output_tokens=reader.output_tokens, cost_usd=cost)
        return Finish(status=status, usage=usage)


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


async def _texts(reader: _Reader, stream: AsyncStream[object], deadline: float) -> AsyncGenerator[str, None]:
    """Yield the text of a stream's events until its end, or until a moment after what must have been the end."""
    loop, events = asyncio.get_running_loop(), EventDecoder()
    chunk: bytes | None = b""
    async with aclosing(stream.response.aiter_bytes()) as chunks:
        while chunk is not None:
            latest = deadline if reader.status is None else min(deadline, loop.time() + DRAIN_S)
            async with asyncio.timeout_at(latest):
                chunk = await anext(chunks, None)
            for data in events.finish() if chunk is None else events.feed(chunk):
                if text := reader.take(data):
                    yield text
                if reader.failure is not None:
                    return


def _blamed(complaint: str, options: Mapping[str, Any]) -> set[str]:
    return {name for name in options if _CALLED[name].search(complaint)}


class _Reader(ABC):
    """What has been read of one answer: `told` any text, how it ended, what it used."""

    path: str
    fixed_options: Mapping[str, Any]

    def __init__(self, model: str) -> None:
        self.model = model
        self.told = False
        self.status: AnswerStatus | None = None
        self.failure: object = None  # what a stream told of its error
        self.input_tokens = self.output_tokens = 0
        self._refused = False

    @abstractmethod
    def chosen_options(self, effort: str, verbosity: str) -> dict[str, Any]:
        """Return the user's options as this protocol spells them; empty ones are not sent."""

    @abstractmethod
    def request(self, prompt: Prompt) -> dict[str, Any]:
        """Return the request without its options."""

    def take(self, data: bytes) -> str:
        """Take one event in and return its text, which may be empty. Raises ValueError for what is not JSON."""
        if data.startswith(b"[DONE]"):
            return ""
        event = from_json(data)
        if error := _at(event, "error"):
            self.failure = error
            return ""
        text = self.read(event)
        self.told = self.told or bool(text)
        return text

    @abstractmethod
    def read(self, event: object) -> str:
        """Return an event's text."""

    def _end(self, *, cut: bool = False, filtered: bool = False) -> None:
        if self._refused or (filtered and not self.told):
            self.status = AnswerStatus.REFUSED
        else:
            self.status = AnswerStatus.TRUNCATED if cut or filtered else AnswerStatus.OK


class _ResponsesReader(_Reader):
    """The Responses API: only `response.completed` is a good end, and failures arrive as events."""

    path = "/responses"
    fixed_options: Mapping[str, Any] = {"store": False}

    def chosen_options(self, effort: str, verbosity: str) -> dict[str, Any]:
        return {"reasoning": effort and {"effort": effort}, "text": verbosity and {"verbosity": verbosity}}

    def request(self, prompt: Prompt) -> dict[str, Any]:
        return {"model": self.model, "instructions": prompt.system, "input": prompt.user}

    def read(self, event: object) -> str:
        match _text(event, "type"):
            case "response.output_text.delta":
                return _text(event, "delta")
            case "response.refusal.delta":
                self._refused = True
                return _text(event, "delta")
            case "response.refusal.done":
                self._refused = True
            case "response.completed":
                self._count(event)
                self._end()
                return "" if self.told else _whole_text(event)
            case "response.incomplete":
                self._count(event)
                reason = _text(event, "response", "incomplete_details", "reason")
                self._end(cut=True, filtered=reason == "content_filter")
            case "response.failed":
                self.failure = _at(event, "response", "error") or event
            case "error":
                self.failure = event
        return ""

    def _count(self, event: object) -> None:
        usage = _at(event, "response", "usage")
        self.input_tokens, self.output_tokens = _tokens(usage, "input_tokens"), _tokens(usage, "output_tokens")


def _whole_text(event: object) -> str:
    """Return the text of a server that sends it with the end and nothing before."""
    output = _at(event, "response", "output")
    contents = [_at(item, "content") for item in output] if isinstance(output, list) else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return "".join(_text(part, "text") for part in parts if _at(part, "type") == "output_text")


class _ChatReader(_Reader):
    """Chat Completions: a `finish_reason` is the end, the usage follows it."""

    path = "/chat/completions"
    fixed_options: Mapping[str, Any] = {"stream_options": {"include_usage": True}}

    def chosen_options(self, effort: str, verbosity: str) -> dict[str, Any]:
        return {"reasoning_effort": effort, "verbosity": verbosity}

    def request(self, prompt: Prompt) -> dict[str, Any]:
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        return {"model": self.model, "messages": messages}

    def read(self, event: object) -> str:
        usage = _at(event, "usage")
        if usage:
            self.input_tokens, self.output_tokens = _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens")
        choices = _at(event, "choices")
        if not isinstance(choices, list) or not choices:
            return ""
        refusal = _text(choices[0], "delta", "refusal")
        text = refusal or _text(choices[0], "delta", "content")
        self._refused = self._refused or bool(refusal)
        reason = _text(choices[0], "finish_reason")
        if reason:
            self._end(cut=reason == "length", filtered=reason == "content_filter")
        return text
