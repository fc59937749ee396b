"""Pairs of records that may be the same show: the user merges them or keeps them separate."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.ingestion.entity_resolution import split_id, united, with_mine
from animerag.ingestion.fingerprints import names_something
from animerag.storage import provenance
from animerag.text.cleaning import normalise
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models.shows import Provenance, Show, StoredShow

_CROWD = 12  # if more shows share a title, they are a franchise, not duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two records that may be the same show; `title` is the title they share."""

    first: StoredShow
    second: StoredShow
    title: str


class SameShows:
    """Finds possible duplicates, and merges them or keeps them separate."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def pairs(self, *, limit: int = 200) -> list[Pair]:
        """Return pairs with the same title and without a different year or number of episodes. Raises LibraryError."""
        shows = await provenance.stored(self._library)
        apart = await provenance.apart(self._library)
        return await asyncio.to_thread(_first_pairs, list(shows.values()), apart, limit)

    async def merge(self, keep: str, other: str) -> Show:
        """Merge two shows: `keep` gets missing values and all titles; files that contain `other` then refer to `keep`.

        The change is atomic. Raises InvalidInputError for an unknown show, ProviderError, VectorStoreError,
        LibraryError.
        """
        shows = await self._library.shows([keep, other])
        if keep == other or len(shows) < 2:
            raise InvalidInputError(
                f"{keep} and {other} cannot be merged: choose two different shows of the catalogue."
            )
        mine, theirs = shows[keep], shows[other]
        merged = with_mine(united(mine, theirs), mine, theirs)
        await self._ingestion.store(Document.of(merged), also=partial(provenance.merge, keep=keep, other=other))
        await self._indexer.remove_strays()
        return merged

    async def keep_both(self, one: str, two: str) -> None:
        """Keep both shows and do not offer this pair again. Raises LibraryError."""
        await provenance.keep_apart(self._library, one, two)

    async def provenance_of(self, show_id: str) -> list[Provenance]:
        """Return the files that a show was imported from, newest first. Raises LibraryError."""
        return await provenance.origins_of(self._library, show_id)


def _first_pairs(shows: list[StoredShow], apart: set[tuple[str, str]], limit: int) -> list[Pair]:
    pairs: dict[tuple[str, str], Pair] = {}
    for pair in _alike(shows):
        key = (pair.first.id, pair.second.id)
        if key not in apart:
            pairs.setdefault(key, pair)
        if len(pairs) >= limit:
            break
    return list(pairs.values())


def _alike(shows: list[StoredShow]) -> Iterator[Pair]:
    by_title: dict[str, list[StoredShow]] = defaultdict(list)
    for show in shows:
        for key in dict.fromkeys(map(normalise, (show.title, *show.titles))):
            if names_something(key):
                by_title[key].append(show)
    for key, called in by_title.items():
        if len(called) > _CROWD:
            continue
        for one, two in combinations(sorted(called, key=lambda show: show.id), 2):
            # Within one site a shared synonym is no evidence: sequels may share the Japanese title.
            sites = {split_id(one.id)[0], split_id(two.id)[0]}
            mains = key in {normalise(one.title)} & {normalise(two.title)}
            if (len(sites) == 2 or mains) and _agree(one, two):
                yield Pair(first=one, second=two, title=one.title if mains else key)


def _agree(one: StoredShow, two: StoredShow) -> bool:
    """Return whether year and episodes do not differ, and at least one of them is known and equal."""
    facts = [(one.year, two.year), (one.episodes, two.episodes)]
    known = [(a, b) for a, b in facts if a is not None and b is not None]
    return bool(known) and all(a == b for a, b in known)
