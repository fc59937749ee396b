"""The words and tags of a large catalogue, in step with the counts in the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.query.title_names import TitleVocabulary, synopsis_words, title_words
from animerag.storage.catalogue_words import WordKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models.shows import Show
    from animerag.storage.catalogue_words import CatalogueWords

_ORDINARY = 2  # synopses; a word that fewer use in lower case may be a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of titles and ordinary words, and the numbers of shows by tag in lower case."""

    vocabulary: TitleVocabulary
    tag_counts: Mapping[str, int]


class StoredWords:
    """Words that are read from the database once, and afterwards where counts have changed."""

    def __init__(self, stored: CatalogueWords) -> None:
        """Read the counts of `stored`."""
        self._stored = stored
        self._counts: Mapping[WordKind, dict[str, int]] = {kind: {} for kind in WordKind}
        self._change = 0
        self._words: Words | None = None

    async def current(self) -> Words:
        """Return the words of all shows as they are now. Raises LibraryError."""
        await self._stored.refresh()
        change = await self._stored.change()
        if self._words is None or change != self._change:
            async for page in self._stored.changed(self._change, change):
                for kind, word, number in page:
                    self._count(kind, word, number)
            self._change = change
            self._words = await asyncio.to_thread(self._derived)
        return self._words

    def _count(self, kind: WordKind, word: str, number: int) -> None:
        fewest = _ORDINARY if kind == WordKind.SYNOPSIS else 1
        if number >= fewest:
            self._counts[kind][word] = number
        else:
            self._counts[kind].pop(word, None)

    def _derived(self) -> Words:
        words, ordinary = (self._counts[kind] for kind in (WordKind.TITLE, WordKind.SYNOPSIS))
        vocabulary = TitleVocabulary.restored({"words": words, "ordinary": ordinary})
        return Words(vocabulary=vocabulary, tag_counts=dict(self._counts[WordKind.TAG]))


def words_of(show: Show) -> Mapping[WordKind, Sequence[str]]:
    """Return the words and tags of a show that are counted."""
    return {
        WordKind.TITLE: list(title_words(show)),
        WordKind.SYNOPSIS: list(synopsis_words(show)),
        WordKind.TAG: list(dict.fromkeys(tag.casefold() for tag in show.tags)),
    }
