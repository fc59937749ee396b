"""The same show from two sites: pairs that look like one, merged or kept as two by the user."""

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

_CROWD = 12  # shows that share a title beyond this are a franchise, not copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two shows that look like one: `title` is what both are called."""

    first: StoredShow
    second: StoredShow
    title: str


class SameShows:
    """Finds pairs and merges them or keeps them as two."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def pairs(self, *, limit: int = 200) -> list[Pair]:
        """Return pairs whose titles agree and whose year and episodes do not differ. Raises LibraryError."""
        shows = await provenance.stored(self._library)
        apart = await provenance.apart(self._library)
        return await asyncio.to_thread(_first_pairs, list(shows.values()), apart, limit)

    async def merge(self, keep: str, other: str) -> Show:
        """Make one show of two: `keep` gets what it lacks and both names; files that contain `other` then mean `keep`.

        All of it is stored in one step or nothing. Raises InvalidInputError for a show that is not there,
        ProviderError, VectorStoreError, LibraryError.
        """
        shows = await self._library.shows([keep, other])
        if keep == other or len(shows) < 2:
            raise InvalidInputError(f"{keep} and {other} are not two shows of the catalogue.")
        mine, theirs = shows[keep], shows[other]
        merged = with_mine(united(mine, theirs), mine, theirs)
        await self._ingestion.store(Document.of(merged), also=partial(provenance.merge, keep=keep, other=other))
        await self._indexer.remove_strays()
        return merged

    async def keep_both(self, one: str, two: str) -> None:
        """Do not offer this pair again. Raises LibraryError."""
        await provenance.keep_apart(self._library, one, two)

    async def provenance_of(self, show_id: str) -> list[Provenance]:
        """Return the files that a show was imported from, the newest first. Raises LibraryError."""
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
            # Within one site a common synonym is no evidence: sequels share the Japanese title, say.
            sites = {split_id(one.id)[0], split_id(two.id)[0]}
            mains = key in {normalise(one.title)} & {normalise(two.title)}
            if (len(sites) == 2 or mains) and _agree(one, two):
                yield Pair(first=one, second=two, title=one.title if mains else key)


def _agree(one: StoredShow, two: StoredShow) -> bool:
    """Tell whether year and episodes do not differ, and at least one of them is known to be equal."""
    facts = [(one.year, two.year), (one.episodes, two.episodes)]
    known = [(a, b) for a, b in facts if a is not None and b is not None]
    return bool(known) and all(a == b for a, b in known)
