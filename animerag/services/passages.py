"""Passages: how near a question comes to any two sentences of a show, where embedding costs nothing.

A long question retells one scene, which the vector of a whole synopsis blurs. Only a few candidates are looked into,
when they are first needed; what was embedded stays in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.texts import clean, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models import Priority, Show
    from animerag.ports import Embedder, Vectors

_SENTENCES = 2
_PASSAGES = 12  # a show; the first ones tell the premise
MOST_KEPT = 4000  # shows: some 40 MB


class Passages:
    """Embeds the sentences of candidates, once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: dict[tuple[str, str], Vectors] = {}

    async def likeness(self, vector: Vectors, shows: Sequence[Show], *, priority: Priority) -> dict[str, float]:
        """Return by id the cosine similarity of the nearest passage; shows without sentences are left out.

        Raises ProviderError.
        """
        await self.look_into(shows, priority=priority)
        keys = [(show.id, show.description) for show in shows]
        near = {key[0]: float((self._kept[key] @ vector).max()) for key in keys if key in self._kept}
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return near

    async def look_into(self, shows: Sequence[Show], *, priority: Priority) -> None:
        """Embed what shows say, unless that is kept already. Raises ProviderError."""
        told = {(show.id, show.description): show for show in shows}
        missing = {key: _passages(show) for key, show in told.items() if key not in self._kept}
        texts = [text for listed in missing.values() for text in listed]
        if not texts:
            return
        vectors = (await self._embedder.embed(texts, priority=priority)).vectors
        start = 0
        for key, listed in missing.items():
            if listed:
                self._kept[key] = vectors[start : start + len(listed)]
            start += len(listed)


def _passages(show: Show) -> list[str]:
    told = sentences(clean(show.description))
    starts = range(max(1, len(told) - _SENTENCES + 1)) if told else ()
    return [" ".join(told[start : start + _SENTENCES]) for start in starts][:_PASSAGES]
