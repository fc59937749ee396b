"""Answers from a server that speaks the OpenAI protocol, streamed, by the Responses API or by Chat Completions.

openai_streams.py reads the events of an answer.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from animerag.errors import ProviderUnusableError, UnusableAnswerError
from animerag.models.answers import AnswerStatus, Finish
from animerag.models.providers import Usage
from animerag.providers.openai_connection import CHAT_DEADLINE_S
from animerag.providers.openai_errors import (
    AnswerTooLargeError,
    BrokeOffError,
    ContentFilteredError,
    NoSuchRouteError,
)
from animerag.providers.openai_streams import ChatReader, ResponsesReader
from animerag.providers.pricing import DEFAULT_PRICES, cost_usd
from animerag.providers.sse import EventDecoder
from animerag.rate_limits import estimate_tokens, spending
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from openai import AsyncStream

    from animerag.models.answers import Prompt
    from animerag.models.providers import Priority, ProviderName
    from animerag.providers.openai_connection import OpenAIConnection
    from animerag.providers.openai_streams import Reader

Api = Literal["auto", "responses", "chat"]
_Pieces: TypeAlias = "AsyncGenerator[str | Finish, None]"

log = logging.getLogger(__name__)

EXPECTED_OUTPUT_TOKENS = 500  # assumed for an answer with its reasoning, until the actual usage is known
USUAL_OUTPUT_TOKENS = 250  # the basis for reserving cost, as in the estimate of a sheet
TEXT_CHARACTERS = 2**16  # maximum length of an answer; the rest is cut off
EVENT_BYTES = 2**20
DRAIN_S = 1.0  # seconds after the end of an answer for reading its usage, so that the connection can be reused

_REASONS = re.compile(r"(gpt-5|o\d)")
_TALKS = re.compile(r"gpt-5")

# The names by which a server rejects an optional parameter in its 400 response.
_CALLED: Mapping[str, re.Pattern[str]] = {
    "reasoning": re.compile(r"\breasoning(\b|_effort\b)"),
    "reasoning_effort": re.compile(r"\breasoning(\b|_effort\b)"),
    "text": re.compile(r"\bverbosity\b"),
    "verbosity": re.compile(r"\bverbosity\b"),
    "store": re.compile(r"\bstore\b"),
    "stream_options": re.compile(r"\bstream_options\b"),
}


class OpenAIChat:
    """Streams answers with the Responses API, or with Chat Completions if the server lacks it."""

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
        """Yield pieces of the answer and one `Finish`; closing the iterator cancels the request.

        The gate retries it before the first piece; an answer that breaks off later ends as truncated.
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
            settle(_cost_of(first))  # an answer that breaks off after this is charged as expected
            yield first
            with tracing.span("model"):
                async for piece in rest:
                    if isinstance(piece, Finish):
                        settle(piece.usage.cost_usd)
                    yield piece

    async def check(self) -> str:
        """Look up the model in the server's list, which tests key, address and name at no cost.

        Raises ProviderUnusableError, TransientProviderError.
        """
        try:
            known = await self._connection.models()
        except NoSuchRouteError:
            known = []
        if not known:
            return f"The provider answers, but lists no models: ask a question to see whether it has {self.model}."
        if self.model not in known and f"{self.model}:latest" not in known:  # Ollama's name for a model without a tag
            some = ", ".join(sorted(known)[:8]) + (" …" if len(known) > 8 else "")
            raise ProviderUnusableError(
                f"The provider does not list {self.model}. It has: {some}. Choose one of these."
            )
        return f"The provider works and has {self.model}."

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _open(self, prompt: Prompt, tokens: int) -> tuple[str | Finish, _Pieces]:
        """Send the request and wait for the first piece."""
        with tracing.span("model"):
            if self._api == "chat" or (self._api == "auto" and self._connection.lacks_responses):
                return await _begin(self._pieces(ChatReader(self.model), prompt, tokens))
            try:
                return await _begin(self._pieces(ResponsesReader(self.model), prompt, tokens))
            except NoSuchRouteError:
                if self._api == "responses":
                    raise
            await self._connection.gate.next_request()
            begun = await _begin(self._pieces(ChatReader(self.model), prompt, tokens))
            self._connection.lacks_responses = True
            return begun

    async def _pieces(self, reader: Reader, prompt: Prompt, tokens: int) -> _Pieces:
        """Make one request and yield its answer, followed by `Finish` unless it failed."""
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
        except ContentFilteredError:  # rejected with a 400 before processing, and not charged
            yield Finish(status=AnswerStatus.REFUSED)
            return
        except (BrokeOffError, AnswerTooLargeError) as error:
            if not reader.has_text and reader.status is None:
                raise
            log.info("answer broke off: %s", error)
        if reader.failure is not None:
            problem = self._connection.failure(reader.failure, self.model)
            if not isinstance(problem, ContentFilteredError):
                raise problem
            reader.status = AnswerStatus.TRUNCATED if reader.has_text else AnswerStatus.REFUSED
        yield self._finish(reader, tokens, "".join(written))

    async def _send(self, reader: Reader, prompt: Prompt) -> AsyncStream[object]:
        """Start the stream; options that the server rejects are left out from then on."""
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
                log.info("the server does not accept %s", ", ".join(sorted(blamed)))

    def _options(self, reader: Reader) -> dict[str, object]:
        chosen = reader.chosen_options(self._effort, self._verbosity)
        return {name: value for name, value in chosen.items() if value}

    def _finish(self, reader: Reader, tokens: int, written: str) -> Finish:
        if reader.status is None and not reader.has_text:
            raise BrokeOffError("The provider ended its answer before the first word. Try again.")
        status = reader.status or AnswerStatus.TRUNCATED
        if status is AnswerStatus.OK and not reader.has_text:
            raise UnusableAnswerError("The provider's answer is empty. Try again.")
        if reader.input_tokens + reader.output_tokens == 0:
            # No usage was reported: use the estimate that was reserved from the budget.
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
    """Wait for the first piece; a failed attempt leaves nothing open."""
    begun = False
    try:
        first = await anext(pieces)
        begun = True
    finally:
        if not begun:
            await pieces.aclose()
    return first, pieces


async def _texts(reader: Reader, stream: AsyncStream[object], deadline: float) -> AsyncGenerator[str, None]:
    """Yield the text of a stream's events until it ends, or until shortly after its last event."""
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


def _blamed(complaint: str, options: Mapping[str, object]) -> set[str]:
    return {name for name in options if _CALLED[name].search(complaint)}
