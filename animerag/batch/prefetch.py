"""Embeds and searches the questions of a sheet together instead of one by one.

If a shared request fails, each of its questions is embedded or searched on its own and gets its own error.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, OtherWidthError, ProviderError, ProviderUnusableError, UnusableAnswerError
from animerag.models.providers import Priority, Usage
from animerag.rate_limits import estimate_tokens
from animerag.retrieval.question_text import MAX_QUESTION_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from animerag.jobs.jobs import Control
    from animerag.ports import VectorHits, Vectors
    from animerag.retrieval.retriever import Retriever

log = logging.getLogger(__name__)

_TEXTS_A_REQUEST = 2048  # the API's maximum of texts in one embedding request
_TOKENS_A_REQUEST = 200_000  # below the API's limit of 300,000, because our token counts are estimates
_SEARCHED_TOGETHER = 50  # vectors in one call to Chroma; more of them would delay a live question


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The vector of the `number`th question, and its share of the embedding's usage."""

    number: int
    vector: Vectors
    usage: Usage


class QuestionPrefetcher:
    """Embeds all questions together and searches their vectors in chunks.

    A chunk is searched when its first question is asked; titles and words are searched meanwhile.
    """

    def __init__(self, retriever: Retriever, questions: Sequence[str], control: Control) -> None:
        """Start the embedding; stopping `control` ends it."""
        self._retriever = retriever
        self._embedding = asyncio.ensure_future(_embed_together(retriever, questions, control))
        self._chunks: dict[int, asyncio.Task[dict[str, VectorHits]]] = {}

    async def locate(self, text: str) -> VectorHits | Vectors | None:
        """Return the hits of a question, or only its vector if the shared search failed; None if it was not embedded.

        Raises ProviderUnusableError if the provider's vectors cannot be used.
        """
        prepared = await asyncio.shield(self._embedding)
        if text not in prepared:
            return None
        number = prepared[text].number // _SEARCHED_TOGETHER
        if number not in self._chunks:
            self._chunks[number] = asyncio.create_task(self._search(number, prepared), name="prefetch-search")
        located = await asyncio.shield(self._chunks[number])
        return located.pop(text, None) or prepared[text].vector

    async def usage(self, text: str) -> Usage:
        """Return a question's share of the embedding's usage, none if the embedding failed."""
        try:
            prepared = await asyncio.shield(self._embedding)
        except ProviderError:
            return Usage()
        return prepared[text].usage if text in prepared else Usage()

    async def close(self) -> None:
        """Cancel the requests and searches in progress."""
        tasks = [self._embedding, *self._chunks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _search(self, number: int, prepared: Mapping[str, _Prepared]) -> dict[str, VectorHits]:
        start = number * _SEARCHED_TOGETHER
        texts = list(islice(prepared, start, start + _SEARCHED_TOGETHER))
        try:
            located = await self._retriever.locate([prepared[text].vector for text in texts])
        except AnimeRAGError as error:
            log.info("%d questions are searched one by one: %s", len(texts), error)
            return {}
        return dict(zip(texts, located, strict=True))


async def _embed_together(retriever: Retriever, questions: Sequence[str], control: Control) -> dict[str, _Prepared]:
    """Embed all questions in as few requests as the limits allow: one round trip instead of one per question."""
    wanted = list(dict.fromkeys(text for text in questions if 0 < len(text) <= MAX_QUESTION_CHARACTERS))
    if len(wanted) < 2 or control.stopping or not retriever.embeds_over_a_network:
        return {}
    requests = asyncio.gather(*(_embed(retriever, texts) for texts in _cut(wanted)))
    stop = asyncio.create_task(control.stopped())
    try:
        await asyncio.wait([requests, stop], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        parts = requests.result() if requests.done() else []
    finally:
        stop.cancel()
        requests.cancel()
        await asyncio.gather(requests, return_exceptions=True)
    located = [embedded for part in parts for embedded in part]
    return {text: _Prepared(number, vector, usage) for number, (text, vector, usage) in enumerate(located)}


async def _embed(
    retriever: Retriever, texts: Sequence[str], *, is_half: bool = False
) -> list[tuple[str, Vectors, Usage]]:
    """Embed texts in one request; return an empty list if each of them may still succeed on its own.

    An unusable answer has most likely been paid for. As in an import, the request is tried once more and halved once;
    then the sheet stops, because every question would pay again. Raises ProviderUnusableError.
    """
    try:
        embedding = await retriever.embed(texts, priority=Priority.BATCH)
    except UnusableAnswerError as error:
        if is_half or len(texts) < 2 or isinstance(error, OtherWidthError):
            raise ProviderUnusableError(str(error)) from error
        half = len(texts) // 2
        first = await _embed(retriever, texts[:half], is_half=True)
        return first + await _embed(retriever, texts[half:], is_half=True)
    except ProviderError as error:
        log.info("%d questions were not embedded together: %s", len(texts), error)
        return []
    cost = embedding.usage.cost_usd
    usage = Usage(
        embedding_tokens=round(embedding.usage.embedding_tokens / len(texts)),
        cost_usd=None if cost is None else cost / len(texts),
        estimated=embedding.usage.estimated,
    )
    return [(text, vector, usage) for text, vector in zip(texts, embedding.vectors, strict=True)]


def _cut(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut texts into requests within the limits of count and tokens."""
    request: list[str] = []
    tokens = 0
    for text in texts:
        size = estimate_tokens(text)
        if request and (len(request) >= _TEXTS_A_REQUEST or tokens + size > _TOKENS_A_REQUEST):
            yield request
            request, tokens = [], 0
        request.append(text)
        tokens += size
    if request:
        yield request
