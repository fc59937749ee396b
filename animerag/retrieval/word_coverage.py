"""Measures how many of a question's words a show's description contains; related words count in part.

A word counts more the fewer shows have it or a related word.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

from animerag.retrieval.related_words import related_words
from animerag.text.cleaning import clean
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.retrieval.fusion import KnownPremise

T = TypeVar("T")
WeighedWord: TypeAlias = "tuple[Mapping[str, float], float]"  # a word with its related words, and its weight
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
    return shows[:: spacing(len(shows))]


def spacing(number: int) -> int:
    """Return the distance between the shows that `evenly_spread` returns of a number of shows."""
    return max(1, -(-number // _SAMPLE))


def coverage(
    question: str, shows: Iterable[Show], statistics: WordStatistics, premises: Mapping[str, KnownPremise] | None = None
) -> dict[str, float]:
    """Return by id the weighted share of the question's words in each show's description, tags or premise, 0 to 1."""
    wanted = weighed_words(question, statistics)
    total = sum(weight for _, weight in wanted)
    if not total:
        return {}
    words = {show_id: frozenset(terms(premise.text)) for show_id, premise in (premises or {}).items()}
    return {show.id: covered(wanted, words_of(show) | words.get(show.id, frozenset())) / total for show in shows}


def weighed_words(question: str, statistics: WordStatistics) -> list[WeighedWord]:
    """Return each word of a question with its related words, and its weight."""
    wanted = [related_words().of(word) for word in terms(question)]
    return [(related, statistics.weight(related)) for related in wanted]


def covered(wanted: Iterable[WeighedWord], words: AbstractSet[str]) -> float:
    """Return the sum of the weights of a question's words that are among others; related words count in part."""
    return sum(weight * _nearness(related, words) for related, weight in wanted)


def words_of(show: Show) -> frozenset[str]:
    """Return the meaningful words of a show's description and tags, folded."""
    return _words(show.description, show.tags)


def _nearness(related: Mapping[str, float], words: AbstractSet[str]) -> float:
    """Return the similarity of the nearest related word that is among others; 0 if none is."""
    return max((near for word, near in related.items() if word in words), default=0.0)


@lru_cache(maxsize=3000)  # the same shows are candidates again and again
def _words(description: str, tags: tuple[str, ...]) -> frozenset[str]:
    return frozenset(terms(f"{clean(description)} {' '.join(tags)}"))
