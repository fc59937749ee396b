"""Compares questions that no cue decides with the examples of intents, by the embedded encoder."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from animerag.errors import ProviderError
from animerag.models.providers import Priority
from animerag.query.intents import Likely, likely

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.ports import Embedder, Vectors

log = logging.getLogger(__name__)

_MOST_HELD = 500  # questions whose vectors stay in memory: a megabyte
_ENCODER = "local"


class ExampleIntents:
    """Recognises intents by example; each question is encoded once."""

    def __init__(self, encoder: Embedder) -> None:
        """Only the embedded encoder is used, because it computed the vectors of the examples."""
        self._encoder = encoder if encoder.provider == _ENCODER else None
        self._held: dict[str, tuple[Vectors, Likely]] = {}

    async def warm(self) -> None:
        """Load the encoder and the examples, so that the first question does not wait for them."""
        if self._encoder is not None:
            vector = (await self._encoder.embed(["warm"], priority=Priority.LIVE)).vectors[0]
            await asyncio.to_thread(likely, vector)

    async def compare(self, questions: Sequence[str], priority: Priority) -> Mapping[str, Likely]:
        """Return the likeliest intent of each question; an empty result if the encoder cannot be used."""
        missing = [text for text in dict.fromkeys(questions) if text not in self._held]
        if missing and self._encoder is not None:
            try:
                vectors = (await self._encoder.embed(missing, priority=priority)).vectors
            except ProviderError as error:
                log.warning("intents are read without examples from now on: %s", error)
                self._encoder = None
                return {}
            self._held |= {text: (vector, likely(vector)) for text, vector in zip(missing, vectors, strict=True)}
        intents = {text: self._held[text][1] for text in questions if text in self._held}
        while len(self._held) > _MOST_HELD:
            del self._held[next(iter(self._held))]
        return intents

    def vector(self, question: str) -> Vectors | None:
        """Return the vector, of shape (512,), of a question that was compared without changes."""
        held = self._held.get(question)
        return held[0] if held else None
