"""The catalogue as a list: searched, filtered, sorted and paged; and the shows that it lacks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from animerag.models.filters import Filters
from animerag.query.execution import meeting
from animerag.query.plan import EVERYTHING, parts_of
from animerag.storage import provenance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.models.shows import RelatedShow, Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Condition

Order: TypeAlias = Literal["rating", "title", "year", "air_date", "episodes", "votes", "my_score"]
PAGE = 200  # rows that a table draws without a noticeable delay
_REMEMBERED, _REMEMBERED_IDS = 16, 200_000  # lists, and ids in all of them
_FOLLOWS = ("sequel", "prequel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the selected shows, and the ids of all of them in order."""

    shows: Sequence[Show]
    ids: Sequence[str]

    @property
    def total(self) -> int:
        """Count the shows on all pages."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A show that is related to shows of the catalogue but missing from it."""

    show: RelatedShow
    named_by: Show


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """All tags, most frequent first, and all imported files, each with its number of shows."""

    tags: Sequence[str]
    files: Mapping[str, int]


class Browsing:
    """Lists shows from their fields in memory; only Ask searches descriptions."""

    def __init__(self, indexer: Indexer, table: Callable[[], Awaitable[FieldIndex]]) -> None:
        """`table` returns the current fields of all shows."""
        self._indexer = indexer
        self._library = indexer.library
        self._table = table
        self._asked: dict[Hashable, list[str]] = {}  # ids by request, for one revision of the catalogue
        self._asked_of: FieldIndex | None = None

    async def page(
        self,
        search: str = "",
        filters: Filters | None = None,
        *,
        order: Order = "rating",
        descending: bool = True,
        file: str | None = None,
        condition: Condition = EVERYTHING,
        number: int = 0,
    ) -> Page:
        """Return page `number`, counted from 0, of the shows with `search` in a title that meet `filters`.

        `file` limits the list to shows imported from that file, `condition` to those that meet a question's conditions.
        Shows without the sort field come last. Raises LibraryError.
        """
        table = await self._table()
        allowed = await provenance.ids_from(self._library, file) if file else None
        if table is not self._asked_of:
            self._asked, self._asked_of = {}, table

        def listed() -> list[str]:
            met = _met(table, search, filters or Filters(), allowed)
            if parts_of(condition):
                meets = frozenset(meeting(condition, table, Filters()).met)
                met = [one for one in met if one in meets]
            return _ordered(table, met, order, descending=descending)

        asked = (search, filters, order, descending, file, len(allowed or ()), condition)
        lists = self._asked
        ids = lists.get(asked)
        if ids is None:  # a page is drawn repeatedly with the same request
            ids = await asyncio.to_thread(listed)
            if len(lists) >= _REMEMBERED or sum(map(len, lists.values())) > _REMEMBERED_IDS:
                lists.clear()
            lists[asked] = ids  # for the same revision, even if the catalogue has changed since
        return Page(shows=await asyncio.to_thread(table.shows_of, ids[number * PAGE : (number + 1) * PAGE]), ids=ids)

    async def vocabulary(self) -> Vocabulary:
        """Return the tags and files that filters offer. Raises LibraryError."""
        return Vocabulary(tags=(await self._table()).tags, files=await provenance.files(self._library))

    async def missing(self) -> list[Missing]:
        """Return the sequels and prequels that the catalogue lacks, each once. Raises LibraryError."""
        table, merged = await self._table(), await provenance.merged_ids(self._library)
        return await asyncio.to_thread(_missing, table, merged.keys())

    async def stubs(self) -> list[Show]:
        """Return the shows without a description: questions about a plot cannot find them. Raises LibraryError."""
        table = await self._table()
        return await asyncio.to_thread(table.shows_of, await provenance.without_words(self._library))

    async def nearest(self, show_id: str, k: int = 6) -> list[Show]:
        """Return the shows with the most similar descriptions, nearest first; empty for a show without a vector.

        Raises LibraryError, VectorStoreError, and ProviderError if the provider has to be asked for the vector width.
        """
        spec = await self._indexer.spec()
        documents = await self._indexer.documents([show_id])
        known = await self._indexer.known_vectors(spec, documents)
        if not known:
            return []
        [vector] = known.values()
        [neighbours] = await self._indexer.index.query(spec, vector[None, :], k=k + 1)
        near = [one.id for one in neighbours if one.id != show_id][:k]
        shows = await self._library.shows(near, records=False)
        return [shows[one] for one in near if one in shows]


def _met(table: FieldIndex, search: str, filters: Filters, allowed: set[str] | None) -> list[str]:
    ids = [show_id for show_id in table.search_titles(search) if allowed is None or show_id in allowed]
    return table.filter_ids(ids, filters) if filters else ids


def _ordered(table: FieldIndex, ids: Sequence[str], order: Order, *, descending: bool) -> list[str]:
    values = {show.id: _value(table, show, order) for show in table.projected(ids, (order,))}
    known = [show_id for show_id in ids if values.get(show_id) is not None]
    known.sort(key=lambda show_id: (values[show_id], show_id), reverse=descending)
    return known + [show_id for show_id in ids if values.get(show_id) is None]


def _value(table: FieldIndex, show: Show, order: Order) -> str | float | None:
    value = table.value_in(show, order)
    return value.casefold() if isinstance(value, str) else value


def _missing(table: FieldIndex, merged: Iterable[str]) -> list[Missing]:
    gone = set(merged)
    missing: dict[str, Missing] = {}
    for show in table.projected(table.ids(), ("title", "relations")):
        for item in show.relations:
            follows = any(word in item.kind.casefold() for word in _FOLLOWS)
            if follows and item.id and item.id not in gone:
                missing.setdefault(item.id, Missing(show=item, named_by=show))
    known = table.known(missing)
    return sorted(
        (one for show_id, one in missing.items() if show_id not in known),
        key=lambda one: one.named_by.title.casefold(),
    )
