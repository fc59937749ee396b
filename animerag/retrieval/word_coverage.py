"""Measures how many of a question's words a show's description contains; related words count in part.

A word counts more the fewer shows have it or a related word.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Self, TypeVar

from animerag.retrieval.related_words import related_words
from animerag.text.cleaning import clean
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show

T = TypeVar("T")
_SAMPLE = 1000  # shows; more of them take time at every change of the catalogue without better weights


class WordStatistics:
    """The number of shows in which each word occurs."""

    def __init__(self, shows: Sequence[Show]) -> None:
        """Count the words of at most 1,000 shows, evenly spread over the given ones."""
        sample = evenly_spread(shows)
        self._shows = len(sample)
        self._counts = Counter(word for show in sample for word in words_of(show))

    @classmethod
    def restored(cls, stored: JsonObject) -> Self:
        """Return the statistics from the JSON values of `stored`. Raises LookupError, TypeError."""
        statistics = cls(())
        statistics._shows, statistics._counts = int(stored["shows"]), Counter(stored["counts"])
        return statistics

    def stored(self) -> JsonObject:
        """Return the statistics as JSON values."""
        return {"shows": self._shows, "counts": self._counts}

    def weight(self, related: Mapping[str, float]) -> float:
        """Return the inverse document frequency of a word given with its related ones."""
        count = min(float(self._shows), sum(near * self._counts[word] for word, near in related.items()))
        return math.log(1 + (self._shows - count + 0.5) / (count + 0.5))


def evenly_spread(shows: Sequence[T]) -> Sequence[T]:
    """Return at most 1,000 of the shows, or of their ids, evenly spread."""
    return shows[:: max(1, -(-len(shows) // _SAMPLE))]


def coverage(question: str, shows: Iterable[Show], statistics: WordStatistics) -> dict[str, float]:
    """Return by id the weighted share of the question's words in each show's description or tags, 0 to 1."""
    wanted = [related_words().of(word) for word in terms(question)]
    weights = [statistics.weight(related) for related in wanted]
    total = sum(weights)
    if not total:
        return {}
    return {show.id: sum(map(_weighed, wanted, weights, [words_of(show)] * len(wanted))) / total for show in shows}


def words_of(show: Show) -> frozenset[str]:
    """Return the meaningful words of a show's description and tags, folded."""
    return _words(show.description, show.tags)


def _weighed(related: Mapping[str, float], weight: float, words: frozenset[str]) -> float:
    """Return the value of one word of a question for a show with these words: that of the nearest related word."""
    return weight * max((near for word, near in related.items() if word in words), default=0.0)


@lru_cache(maxsize=3000)  # the same shows are candidates again and again
def _words(description: str, tags: tuple[str, ...]) -> frozenset[str]:
    return frozenset(terms(f"{clean(description)} {' '.join(tags)}"))
