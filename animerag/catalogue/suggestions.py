"""Suggests what to watch: the best unseen shows, unfinished ones, and sequels of completed ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from animerag.discovery.recommendations import WEIGHED, quality, suits
from animerag.discovery.similarity import one_of_each
from animerag.query.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show

_STARTED = ("watching", "on_hold")
_CONSIDERED = 200  # unseen shows from which the best of each franchise is chosen
_WISH = Plan(intent="recommend")  # without conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A suggested show and the reason."""

    show: Show
    reason: str


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
    started = tuple(islice(_started(collection), most))
    following = tuple(islice(_following(collection), most))
    suggested = {one.show.id for one in (*started, *following)}
    unseen = (one for one in _unseen(collection) if one.show.id not in suggested)
    return Suggested(unseen=tuple(islice(unseen, most)), started=started, following=following)


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


def _started(collection: Collection) -> Iterator[Suggestion]:
    """Yield unfinished shows, the fewest remaining episodes first."""
    begun = [show for show in collection.table.listed() if show.my_status in _STARTED and collection.may_suggest(show)]
    for show in sorted(begun, key=lambda show: (_left(show), -quality(show), show.id)):
        yield Suggestion(show=show, reason=_next_episode(show))


def _next_episode(show: Show) -> str:
    watched, paused = show.episodes_watched or 0, show.my_status == "on_hold"
    if show.type == "movie" or show.episodes == 1:
        return "On hold" if paused else "Started"
    if show.episodes and watched >= show.episodes:
        return "Every episode watched"
    of = f" of {show.episodes:,}" if show.episodes else ""
    return f"Next: episode {watched + 1:,}{of}" + (", on hold" if paused else "")


def _left(show: Show) -> float:
    return show.episodes - (show.episodes_watched or 0) if show.episodes else float("inf")


def _following(collection: Collection) -> Iterator[Suggestion]:
    """Yield unseen sequels of completed shows, those of the highest scored first."""
    completed = [show for show in collection.table.listed() if collection.seen(show)]
    liked = sorted(completed, key=lambda show: (-(show.my_score or 0), -quality(show), show.id))
    given: set[str] = set()
    for show in liked:
        for entry in collection.franchises.of(show.id).after(show.id):
            after = entry.show
            fits = not collection.begun(after) and collection.may_suggest(after)
            if after.id not in given and fits and entry.role == "main":
                given.add(after.id)
                yield Suggestion(show=after, reason=f"Continues {show.title}")
