"""Embeddings from a server that speaks the OpenAI protocol, and their number of dimensions."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from animerag.errors import OtherWidthError, ProviderUnusableError
from animerag.models.providers import Priority, Usage
from animerag.ports import Embedding
from animerag.providers.openai_payloads import ErrorInAnswer, decoded
from animerag.providers.pricing import DEFAULT_PRICES, cost_usd
from animerag.rate_limits import estimate_tokens, spending
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx2

    from animerag.models.providers import ProviderName
    from animerag.ports import Memory
    from animerag.providers.openai_connection import OpenAIConnection

log = logging.getLogger(__name__)

EMBEDDING_DEADLINE_S = 30.0  # seconds for one attempt
CALL_DEADLINE_S = 60.0  # seconds for an embedding with all its attempts
DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
# Of a response: bytes per number as text, other bytes, and the width if it is unknown.
NUMBER_BYTES, FRAME_BYTES, WIDEST = 30, 2**20, 4096
PROBE = "width"  # embedded to learn the width, or to test whether the provider is available

_SHORTENS = re.compile(r"text-embedding-3")  # the official models that accept `dimensions`
# Matches the error of a server that rejects the parameter.
_WIDTH = re.compile(r"\bdimensions?\b|matryoshka", re.IGNORECASE)


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
        """`dimensions` is the width of the vectors, if the caller knows it from earlier responses.

        `asked_dimensions` is requested from servers that accept it. `memory` stores the width that a server returns.
        """
        self.model = model
        self._connection = connection
        self._prices = prices
        self._seen = self._remembered = dimensions
        self._table_width: int | None = None  # other servers may use OpenAI's names for other models
        if connection.is_openai:
            asked_dimensions = asked_dimensions if _SHORTENS.match(model) else None
            self._table_width = asked_dimensions or DIMENSIONS.get(model)
        self._asked = asked_dimensions
        self._memory = memory
        self._fact = f"embedding_width {connection.address} {model} {asked_dimensions or ''}".strip()
        self._asking, self._remembering = asyncio.Lock(), asyncio.Lock()
        self._outdated = False
        self._unanswered: set[asyncio.Future[None]] = set()  # requests whose responses will tell the width

    async def dimensions(self) -> int:
        """Return the width of the vectors, from the table for OpenAI's own models.

        Any other server is asked once, with a short text unless a request is in flight, and the result is stored.
        Raises like `embed`.
        """
        async with self._asking:
            width = await self.known_dimensions()
            while width is None and self._unanswered:
                await asyncio.wait(self._unanswered, return_when=asyncio.FIRST_COMPLETED)
                width = self._seen
            if width is None:
                width = (await self.embed([PROBE], priority=Priority.LIVE)).vectors.shape[1]
            return width

    async def known_dimensions(self) -> int | None:
        """Return the width from the table or from an earlier response; None if there is none."""
        async with self._remembering:
            if self._outdated:
                self._seen, self._outdated = None, False
                await self._keep_width(None)
            width = self._seen or self._table_width
            if width is None and self._memory is not None:
                remembered = await self._memory.get_meta(self._fact) or ""
                if self._seen is None:  # no response has told it meanwhile
                    self._seen = self._remembered = int(remembered) if remembered.isdecimal() else None
                width = self._seen
            return width

    async def embed(self, texts: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed `texts` in one request, with retries where they may help.

        Raises ProviderUnusableError, RequestRefusedError (a text may be too long: split the batch),
        TransientProviderError after the last retry, RateLimitedError if the wait would take minutes.
        """
        if not texts:
            return Embedding(vectors=np.empty((0, self._seen or 0), np.float32), usage=Usage())
        await self._connection.load()
        tokens = sum(map(estimate_tokens, texts))
        async with spending(self.cost_usd(tokens)) as settle:
            with self._awaited():
                embedding = await self._connection.gate.run(
                    partial(self._attempt, list(texts), tokens, self._seen or self._table_width),
                    priority=priority,
                    tokens=tokens,
                    model=self.model,
                    deadline_s=CALL_DEADLINE_S,
                    probe=partial(self._attempt, [PROBE], estimate_tokens(PROBE), self._seen or self._table_width),
                )
            settle(embedding.usage.cost_usd)
        await self._keep_width(self._seen)
        return embedding

    def cost_usd(self, tokens: int) -> float | None:
        """Return the cost of embedding so many tokens; None if the price is unknown."""
        return cost_usd(self._prices, self.model, input_tokens=tokens)

    async def warm(self) -> None:
        """Import the SDK and connect."""
        await self._connection.warm()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _attempt(self, texts: list[str], tokens: int, expected: int | None) -> Embedding:
        """Send one request; `expected` is the width when the call began, whatever another call learns meanwhile."""
        with tracing.span("embedding"), self._connection.translating(self.model):
            async with asyncio.timeout(EMBEDDING_DEADLINE_S):
                response = await self._send(texts)
            # Decoding a hundred vectors takes 10 ms, and several responses may arrive together.
            try:
                vectors, used = await asyncio.to_thread(decoded, response.content, len(texts))
            except ErrorInAnswer as reported:
                raise self._connection.failure(reported.error, self.model) from None
        self._check_width(vectors.shape[1], expected)
        unused = tokens - used if used else 0
        self._connection.gate.learn(response.headers, model=self.model, unused_tokens=unused)
        counted = used or tokens  # a server that reports no usage is not free
        cost = cost_usd(self._prices, self.model, input_tokens=counted)
        usage = Usage(embedding_tokens=counted, cost_usd=cost, estimated=not used)
        return Embedding(vectors=vectors, usage=usage)

    async def _send(self, texts: list[str]) -> httpx2.Response:
        """Send one request; if the server rejects a requested width, the width is left out from then on."""
        import openai

        width = self._seen or self._table_width or WIDEST
        limit_bytes = len(texts) * width * NUMBER_BYTES + FRAME_BYTES
        request: dict[str, object] = {"model": self.model, "input": texts, "encoding_format": "base64"}
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
                    f"{self.model} does not support {self._asked} dimensions. Change ANIMERAG_EMBEDDING_DIMENSIONS."
                ) from None
            log.info("the server does not accept a request for %d dimensions", self._asked)
            self._asked = None
        await self._connection.gate.next_request()
        return await self._connection.post("/embeddings", request, limit_bytes=limit_bytes)

    @contextmanager
    def _awaited(self) -> Iterator[None]:
        """Let `dimensions` wait for a block that sends a request, instead of sending one of its own."""
        answered = asyncio.get_running_loop().create_future()
        self._unanswered.add(answered)
        try:
            yield
        finally:
            self._unanswered.discard(answered)
            answered.set_result(None)

    def _check_width(self, width: int, expected: int | None) -> None:
        if expected is None:  # several requests are the first ones: their widths have to agree
            expected = self._seen
        if expected is not None and width != expected:
            self._outdated = not self._connection.is_openai and width != self._seen
            raise OtherWidthError.between(width, expected)
        self._seen, self._outdated = width, False

    async def _keep_width(self, width: int | None) -> None:
        """Store the width for later processes; without one, the next process asks again."""
        if self._memory is not None and self._table_width is None and width != self._remembered:
            await self._memory.set_meta(self._fact, str(width or ""))
            self._remembered = width
