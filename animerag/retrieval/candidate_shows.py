"""Holds the shows that searches return in memory, for one revision of the catalogue.

Ranking compares some hundred candidates of each question with its words and passages. Reading them each time took a
third of a question's processor time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from animerag.retrieval.word_coverage import words_of
from animerag.text.passages import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.models.shows import Show
    from animerag.storage.library import Library

_MOST_SHOWS = 3000  # in memory, without their records: some 15 MB
_AT_ONCE = 100  # shows that are prepared together, so that a question waits for few


class CandidateShows:
    """Reads each candidate once, until the catalogue changes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._revision = -1
        self._shows: dict[str, Show] = {}

    async def prepare(self, ids: Sequence[str], revision: int) -> None:
        """Read all shows of a catalogue, and split their descriptions in a thread, which takes about a second.

        `ids` are all ids; a catalogue that does not fit is left to the questions. Raises LibraryError.
        """
        if len(ids) > _MOST_SHOWS:
            return
        for start in range(0, len(ids), _AT_ONCE):
            shows = await self.read(ids[start : start + _AT_ONCE], revision)
            await asyncio.to_thread(_split, list(shows.values()))

    async def read(self, ids: Iterable[str], revision: int) -> dict[str, Show]:
        """Return those of the ids that are in the catalogue, as of `revision` or later. Raises LibraryError."""
        if revision != self._revision:
            self._revision, self._shows = revision, {}
        shows = self._shows  # another question may begin with a later revision while this one reads
        wanted = list(ids)
        known = {show_id: shows[show_id] for show_id in wanted if show_id in shows}
        missing = [show_id for show_id in wanted if show_id not in known]
        if missing:
            fresh = await self._library.shows(missing, records=False)
            known |= fresh
            shows |= fresh
            while len(shows) > _MOST_SHOWS:
                del shows[next(iter(shows))]
        return known


def _split(shows: Sequence[Show]) -> None:
    """Fill the caches of words and of passages."""
    for show in shows:
        words_of(show)
        texts_of(show)
