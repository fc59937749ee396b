"""Compares questions with passages and tags of candidates, if embedding is free.

A long question retells one scene, which is blurred in the vector of a whole synopsis; a short one names a kind of show,
like tags. If vectors of passages are stored (`indexing.passages`), all passages of many candidates are compared. Of the
best of the others, only promising passages are embedded, when they are first needed; they stay in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from animerag.retrieval.fusion import Likeness, rounded
from animerag.retrieval.word_coverage import covered
from animerag.text.passages import passages_of, tags_of, texts_of
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from animerag.indexing.passages import PassageVectors, Texts
    from animerag.models.providers import Priority
    from animerag.models.shows import Show
    from animerag.ports import Embedder, Vectors
    from animerag.retrieval.word_coverage import WeighedWord

_EMBEDDED = 8  # best candidates whose passages are embedded if none are stored
_TELLING = 2  # passages of each of these: those with most of the question's words
_MOST_CACHED = 5000  # texts whose vectors stay in memory: about 10 MB
_MOST_SHOWS = 2000  # shows whose stored vectors stay in memory: about 30 MB

Key = TypeVar("Key")


class Passages:
    """Compares passages and tags of candidates with questions; the vectors of recent candidates stay in memory."""

    def __init__(self, embedder: Embedder, stored: PassageVectors) -> None:
        self._embedder = embedder
        self._stored = stored
        self._encoded: dict[str, Vectors] = {}
        self._shows: dict[Texts, Vectors] = {}

    async def likeness(
        self,
        wanted: Sequence[WeighedWord],
        vector: Vectors,
        shows: Sequence[Show],
        *,
        priority: Priority,
        tags: bool = True,
    ) -> dict[str, Likeness]:
        """Return the similarity of the nearest passage and of the tags by id, for candidates in order, best first.

        `wanted` are the question's words. Candidates without stored passages are left out, except for the first eight:
        of these, two passages and the tags are embedded; without `tags`, the passages only.
        Raises ProviderError, LibraryError.
        """
        texts = {show.id: texts_of(show) for show in shows}
        stored = await self._in_store(texts.values())
        near = {show.id: _likeness(show, stored[texts[show.id]], vector) for show in shows if texts[show.id] in stored}
        others = [show for show in shows[:_EMBEDDED] if show.id not in near]
        telling = {show.id: (_telling(show, wanted), tags_of(show) if tags else "") for show in others}
        fresh = [text for passages, of_tags in telling.values() for text in (*passages, of_tags) if text]
        vectors = await self._embedded(fresh, priority)
        for show_id, (passages, of_tags) in telling.items():
            passage = max((_similarity(vectors[text], vector) for text in passages), default=0.0)
            near[show_id] = Likeness(passage=passage, tags=_similarity(vectors[of_tags], vector) if of_tags else 0.0)
        return near

    async def _in_store(self, shows: Collection[Texts]) -> dict[Texts, Vectors]:
        """Return the vectors of shows, given by their texts, that are in memory or stored."""
        cached = {texts: self._shows[texts] for texts in shows if texts in self._shows}
        missing = [texts for texts in shows if texts not in cached]
        if missing:
            fresh = await self._stored.load(missing)
            cached |= fresh
            _keep(self._shows, fresh, _MOST_SHOWS)
        return cached

    async def _embedded(self, texts: Sequence[str], priority: Priority) -> dict[str, Vectors]:
        """Return a vector for each text; while new ones are computed, other questions may evict older ones."""
        cached = {text: self._encoded[text] for text in texts if text in self._encoded}
        missing = [text for text in dict.fromkeys(texts) if text not in cached]
        if missing:
            embedded = (await self._embedder.embed(missing, priority=priority)).vectors
            fresh = dict(zip(missing, np.asarray(embedded), strict=True))
            cached |= fresh
            _keep(self._encoded, fresh, _MOST_CACHED)
        return cached


def _keep(held: dict[Key, Vectors], fresh: Mapping[Key, Vectors], most: int) -> None:
    """Add vectors to those in memory, and drop the oldest beyond `most`."""
    held |= fresh
    while len(held) > most:
        del held[next(iter(held))]


def _likeness(show: Show, vectors: Vectors, question: Vectors) -> Likeness:
    """Compare all texts of a show, given by vectors of shape (texts, dimensions), with a question."""
    near = [rounded(float(one)) for one in vectors @ question]
    passages = near[:-1] if show.tags else near
    return Likeness(passage=max(passages, default=0.0), tags=near[-1] if show.tags else 0.0)


def _similarity(one: Vectors, other: Vectors) -> float:
    return rounded(float(one @ other))


def _telling(show: Show, wanted: Sequence[WeighedWord]) -> list[str]:
    """Return the passages with most of a question's words; of as many, those with the rare ones or related words."""
    asked = {next(iter(related)) for related, _ in wanted}  # a word comes before its related ones

    def promise(passage: str) -> tuple[int, float]:
        words = set(terms(passage))
        return len(asked & words), rounded(covered(wanted, words))

    return sorted(passages_of(show), key=promise, reverse=True)[:_TELLING]
