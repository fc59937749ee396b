"""Suggests what to watch: the best unseen shows, unfinished ones, and sequels of completed ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from animerag.discovery.next_up import Suggestion, following, started
from animerag.discovery.recommendations import WEIGHED, quality, suits
from animerag.discovery.similarity import one_of_each
from animerag.query.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from animerag.discovery.collection import Collection

_CONSIDERED = 200  # unseen shows from which the best of each franchise is chosen
_WISH = Plan(intent="recommend")  # without conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """Three lists of suggestions, most relevant first."""

    unseen: tuple[Suggestion, ...]
    started: tuple[Suggestion, ...]
    following: tuple[Suggestion, ...]


class Suggestions:
    """Suggests shows from those in memory."""

    def __init__(self, collection: Callable[[], Awaitable[Collection]]) -> None:
        """`collection` returns the current shows and franchises."""
        self._collection = collection

    async def suggested(self, most: int) -> Suggested:
        """Return up to `most` shows of each kind. Raises LibraryError."""
        collection = await self._collection()
        return await asyncio.to_thread(_suggested, collection, most)


def _suggested(collection: Collection, most: int) -> Suggested:
    begun = tuple(islice(started(collection), most))
    sequels = tuple(islice(following(collection), most))
    suggested = {one.show.id for one in (*begun, *sequels)}
    unseen = (one for one in _unseen(collection) if one.show.id not in suggested)
    return Suggested(unseen=tuple(islice(unseen, most)), started=begun, following=sequels)


def _unseen(collection: Collection) -> Iterator[Suggestion]:
    """Yield the best-rated shows that can be started, one per franchise."""
    rated = collection.table.projected(collection.table.ids(), ("rating", "votes"))
    ranked = sorted((-quality(show), -(show.votes or 0), show.id) for show in rated if show.rating)
    ids = [show_id for _, _, show_id in ranked]
    pages = (ids[start : start + _CONSIDERED] for start in range(0, len(ids), _CONSIDERED))
    shows = chain.from_iterable(collection.table.projected(page, WEIGHED) for page in pages)
    fitting = (show.id for show in shows if suits(show, _WISH, (), collection))
    for show_id in one_of_each(list(islice(fitting, _CONSIDERED)), collection):
        show = collection.show(show_id)
        yield Suggestion(
            show=show, reason=f"Rated by {show.votes:,} people" if show.votes else ", ".join(show.tags[:2])
        )
