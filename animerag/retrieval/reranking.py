"""What a show is like apart from its synopsis as a whole: its telling passages and its tags, where embedding is free.

A long question retells one scene, which the vector of a whole synopsis blurs; a short one names a kind of show, as tags
do. Of a few candidates only what may tell is embedded, when it is first needed; what was embedded stays in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from animerag.retrieval.fusion import Likeness, rounded
from animerag.text.cleaning import clean, plot
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.providers import Priority
    from animerag.models.shows import Show
    from animerag.ports import Embedder, Vectors

_SENTENCES = 2
_PASSAGES = 12  # a show; the first ones tell the premise
_TELLING = 2  # of these: the ones that share most words with the question, the earlier first
_MOST_KEPT = 20_000  # texts: some 40 MB


class Passages:
    """Embeds passages and tags of candidates, once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: dict[str, Vectors] = {}

    async def likeness(
        self, question: str, vector: Vectors, shows: Sequence[Show], *, priority: Priority
    ) -> dict[str, Likeness]:
        """Return by id how near the nearest telling passage and the tags come to the question.

        Raises ProviderError.
        """
        words = frozenset(terms(question))
        texts = {show.id: (_telling(show, words), ", ".join(show.tags)) for show in shows}
        wanted = [text for passages, tags in texts.values() for text in (*passages, tags) if text]
        vectors = await self._vectors(wanted, priority)
        near = {}
        for show_id, (passages, tags) in texts.items():
            passage = max((rounded(float(vectors[text] @ vector)) for text in passages), default=0.0)
            likeness_of_tags = rounded(float(vectors[tags] @ vector)) if tags else 0.0
            near[show_id] = Likeness(passage=passage, tags=likeness_of_tags)
        return near

    async def _vectors(self, texts: Sequence[str], priority: Priority) -> dict[str, Vectors]:
        """Return a vector for each text; while new ones are made, other questions may push stored ones out."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            embedded = (await self._embedder.embed(missing, priority=priority)).vectors
            fresh = dict(zip(missing, np.asarray(embedded), strict=True))
            self._kept |= fresh
            found |= fresh
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def _telling(show: Show, words: frozenset[str]) -> list[str]:
    lines = plot(clean(show.description))
    starts = range(max(1, len(lines) - _SENTENCES + 1)) if lines else ()
    passages = [" ".join(lines[start : start + _SENTENCES]) for start in starts][:_PASSAGES]
    return sorted(passages, key=lambda passage: -len(words.intersection(terms(passage))))[:_TELLING]
