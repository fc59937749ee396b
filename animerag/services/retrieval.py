"""Retrieval: title match, word match and vector search at the same time, then one ranked list, each show once.

Evidence decides who leads. A show that the question clearly names comes first; the rest is ordered by the cosine
similarity of its vector plus a little BM25. Adding ranks with equal weights gave away what each search is good at.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.aliases import AliasIndex, AliasMatch
from animerag.errors import InvalidInputError, LibraryError
from animerag.models import Evidence, Priority, Retrieval, Source, Timings, Usage
from animerag.tracing import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.library import Library
    from animerag.models import Show
    from animerag.ports import Embedding, Neighbour, Vectors
    from animerag.services.indexing import Indexer
    from animerag.words import WordHit

log = logging.getLogger(__name__)

MAX_QUESTION_CHARACTERS = 4000
DEFAULT_K = 8
_CANDIDATES = 30  # a branch; deeper ones were never among the first five of any evaluation
# One point of BM25 against cosine similarity: the value that raised hits on names without costing plots
# (docs/quality.md has the curve).
_WORD_WEIGHT = 0.005
# Below this best score the catalogue has nothing on the question; calibrated on the sample's questions.
_NO_MATCH_BELOW = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vectors:
    """The vector branch's yield and what it took."""

    neighbours: Sequence[Neighbour]
    usage: Usage
    embed_s: float
    vector_s: float


class Retriever:
    """Finds the shows that a question is about."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._library: Library = indexer.library
        self._aliases: AliasIndex | None = None
        self._aliases_revision = -1
        self._loading = asyncio.Lock()

    async def search(
        self, question: str, *, k: int = DEFAULT_K, priority: Priority = Priority.LIVE, vector: Vectors | None = None
    ) -> Retrieval:
        """Return up to `k` sources, best first.

        `vector` of shape (dimensions,) spares the embedding when the caller has it. Raises InvalidInputError for a
        question without text, ProviderError or VectorStoreError when the vector search fails; a failing title or
        word search is noted and the others go on.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        searches = (
            asyncio.create_task(self._match(question, notes), name="alias"),
            asyncio.create_task(self._search_words(question, notes), name="words"),
            asyncio.create_task(self._near(question, priority, vector), name="vectors"),
        )
        try:
            (matches, alias_s), (hits, words_s), found = await asyncio.gather(*searches)
        finally:
            # The two that read the library take milliseconds; cut off half way they would leave a connection open.
            searches[2].cancel()
            await asyncio.gather(*searches, return_exceptions=True)
        sources = await self._fuse(matches, hits, found.neighbours, k)
        return Retrieval(
            question=question,
            sources=tuple(sources),
            no_match=not sources or (not _named(matches) and sources[0].score < _NO_MATCH_BELOW),
            notes=tuple(notes),
            usage=found.usage,
            timings=Timings(
                alias_s=alias_s,
                words_s=words_s,
                embed_s=found.embed_s,
                vector_s=found.vector_s,
                retrieve_s=time.perf_counter() - started_s,
            ),
        )

    async def warm(self) -> None:
        """Load the titles, so that the first question does not wait for them."""
        await self._alias_index()

    async def match_titles(self, question: str) -> list[AliasMatch]:
        """Return the shows whose titles stand in the question. Raises LibraryError."""
        return (await self._alias_index()).match(question)

    async def embed(self, questions: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed questions together, for `search` to be given their vectors. Raises ProviderError."""
        return await self._indexer.embedder.embed(questions, priority=priority)

    @property
    def embeds_over_a_network(self) -> bool:
        """Tell whether one request for many questions saves waiting."""
        return self._indexer.embedder.provider != "local"

    async def names_a_show(self, question: str) -> bool:
        """Tell whether the question clearly names a show of the catalogue."""
        return bool(_named((await self._alias_index()).match(question)))

    async def title_of(self, show_id: str) -> str | None:
        """Return the main title of a show."""
        show = await self._library.show(show_id)
        return show.title if show else None

    async def _match(self, question: str, notes: list[str]) -> tuple[list[AliasMatch], float]:
        started_s = time.perf_counter()
        try:
            with span("alias"):
                return await self.match_titles(question), time.perf_counter() - started_s
        except LibraryError as error:
            log.warning("title search failed: %s", error)
            notes.append(f"Titles were not searched: {error}")
            return [], time.perf_counter() - started_s

    async def _search_words(self, question: str, notes: list[str]) -> tuple[list[WordHit], float]:
        started_s = time.perf_counter()
        try:
            with span("words"):
                hits = await self._library.search_words(question, k=_CANDIDATES)
                return hits, time.perf_counter() - started_s
        except LibraryError as error:
            log.warning("word search failed: %s", error)
            notes.append(f"Words were not searched: {error}")
            return [], time.perf_counter() - started_s

    async def _near(self, question: str, priority: Priority, vector: Vectors | None) -> _Vectors:
        started_s = time.perf_counter()
        usage = Usage()
        spec = await self._indexer.spec()
        if vector is None:
            embedding = await self.embed([question], priority=priority)
            vector, usage = embedding.vectors[0], embedding.usage
        embedded_s = time.perf_counter()
        with span("vectors"):
            found = await self._indexer.index.query(spec, vector[None, :], k=_CANDIDATES)
        return _Vectors(
            neighbours=found[0] if found else (),
            usage=usage,
            embed_s=embedded_s - started_s,
            vector_s=time.perf_counter() - embedded_s,
        )

    async def _fuse(
        self, matches: Sequence[AliasMatch], hits: Sequence[WordHit], neighbours: Sequence[Neighbour], k: int
    ) -> list[Source]:
        evidence: dict[str, list[Evidence]] = {}
        for rank, match in enumerate(matches, 1):
            evidence.setdefault(match.id, []).append(Evidence(branch="alias", rank=rank, detail=match.title))
        for rank, hit in enumerate(hits, 1):
            evidence.setdefault(hit.id, []).append(Evidence(branch="words", rank=rank))
        for rank, neighbour in enumerate(neighbours, 1):
            found = Evidence(branch="vector", rank=rank, distance=neighbour.distance)
            evidence.setdefault(neighbour.id, []).append(found)
        scores = _scores(hits, neighbours)
        named = {match.id: place for place, match in enumerate(_named(matches))}
        order = sorted(evidence, key=lambda show_id: (named.get(show_id, len(named)), -scores.get(show_id, 0.0)))
        shows: dict[str, Show] = await self._library.shows(order)
        best = [show_id for show_id in order if show_id in shows][:k]
        return [
            Source(show=shows[show_id], evidence=tuple(evidence[show_id]), score=scores.get(show_id, 0.0))
            for show_id in best
        ]

    async def _alias_index(self) -> AliasIndex:
        """Return the titles as the catalogue has them now, whichever process changed it."""
        revision = await self._library.revision()
        async with self._loading:
            if self._aliases is None or revision != self._aliases_revision:
                shows = await self._library.names()
                self._aliases = await asyncio.to_thread(AliasIndex, shows)
                self._aliases_revision = revision
            return self._aliases


def checked_question(question: str) -> str:
    """Return the question trimmed. Raises InvalidInputError when it is empty or far too long."""
    question = question.strip()
    if not question:
        raise InvalidInputError("Question cannot be empty")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InvalidInputError(
            f"The question has {len(question):,} characters: shorten it to {MAX_QUESTION_CHARACTERS:,} or fewer."
        )
    return question


def _named(matches: Sequence[AliasMatch]) -> list[AliasMatch]:
    return [match for match in matches if match.named]


def _scores(hits: Sequence[WordHit], neighbours: Sequence[Neighbour]) -> Mapping[str, float]:
    """A show the vector search did not return is taken to be as far as the farthest one it did."""
    similarity = {neighbour.id: 1.0 - neighbour.distance for neighbour in neighbours}
    farthest = min(similarity.values(), default=0.0)
    scores = dict(similarity)
    for hit in hits:
        scores[hit.id] = similarity.get(hit.id, farthest) + _WORD_WEIGHT * hit.score
    return scores
