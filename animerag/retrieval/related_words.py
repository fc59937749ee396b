"""Words with similar meanings, because a retold plot shares few words with its synopsis.

The table is part of the package and the same for every catalogue and provider: the 30,000 most frequent English words,
each with the words that have the nearest vectors. `benchmarks/related_words.py` writes it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "related_words.npz"
STEPS = 255  # the similarity of two words is stored in a byte


class RelatedWords:
    """The table in memory, 4 MB."""

    def __init__(self, words: Sequence[str], ends: Sequence[int], related: Sequence[int], nearness: Any) -> None:
        """`related` and `nearness` hold the neighbours of word `n` from `ends[n - 1]` to `ends[n]`."""
        self._words = words
        self._place = {word: place for place, word in enumerate(words)}
        self._ends, self._related, self._nearness = ends, related, nearness

    def __contains__(self, word: str) -> bool:
        """Return whether a folded word is one of the most frequent ones."""
        return word in self._place

    def of(self, word: str) -> dict[str, float]:
        """Return a folded word and its related words, each with a similarity from 0 to 1; the word itself has 1."""
        weights = {word: 1.0}
        place = next((self._place[form] for form in _forms(word) if form in self._place), None)
        if place is None:
            return weights
        weights.setdefault(self._words[place], 1.0)
        for at in range(self._ends[place - 1] if place else 0, self._ends[place]):
            weights.setdefault(self._words[self._related[at]], float(self._nearness[at]) / STEPS)
        return weights


@cache
def related_words() -> RelatedWords:
    """Return the package's own table."""
    with as_file(files("animerag.retrieval").joinpath(FILE)) as path, np.load(path, allow_pickle=False) as stored:
        words = stored["words"].tobytes().decode().split("\n")
        return RelatedWords(words, stored["ends"].tolist(), stored["related"].tolist(), stored["nearness"].copy())


def _forms(word: str) -> tuple[str, ...]:
    """Return a word and its possible singulars."""
    return (word, word[:-1], word[:-2]) if word.endswith("s") else (word,)
