"""Your list, one click at a time: watched, one more episode, a score."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, get_args

from animerag.errors import InvalidInputError
from animerag.models.shows import MyStatus

if TYPE_CHECKING:
    from animerag.catalogue.editing import Editing
    from animerag.models.shows import Show
    from animerag.storage.library import Library

_STATUSES = get_args(MyStatus)
_NOT_BEGUN = (None, "plan_to_watch")


class MyList:
    """Changes status, progress and score of single shows; a later import does not undo that."""

    def __init__(self, library: Library, editing: Editing) -> None:
        """`editing` stores what changes."""
        self._library = library
        self._editing = editing
        self._lock = asyncio.Lock()  # two quick clicks on "+1" count two episodes

    async def update(
        self, show_id: str, *, status: MyStatus | None = None, progress: int | None = None, score: float | None = None
    ) -> Show:
        """Change the given values of a show's entry, and return the show; None keeps a value.

        `progress` counts episodes watched, `score` runs from 0 to 10. A completed show counts as watched to its last
        episode; progress starts a show that has not been started, and its last episode completes it.
        Raises InvalidInputError for an unknown show or an invalid value, and the errors of an import.
        """
        async with self._lock:
            return await self._update(await self._show(show_id), status, progress, score)

    async def watched(self, show_id: str) -> Show:
        """Mark a show as completed. Raises like `update`."""
        return await self.update(show_id, status="completed")

    async def next_episode(self, show_id: str) -> Show:
        """Count one more episode as watched. Raises like `update`."""
        async with self._lock:
            show = await self._show(show_id)
            return await self._update(show, None, (show.episodes_watched or 0) + 1, None)

    async def _show(self, show_id: str) -> Show:
        show = await self._library.show(show_id)
        if show is None:
            raise InvalidInputError("This show is no longer in the catalogue: reload the page.")
        return show

    async def _update(self, show: Show, status: MyStatus | None, progress: int | None, score: float | None) -> Show:
        if status is not None and status not in _STATUSES:
            raise InvalidInputError(f"This is not a status: use one of {', '.join(_STATUSES)}.")
        if progress is not None and show.episodes and progress > show.episodes:
            raise InvalidInputError(f"{show.title} has {show.episodes:,} episodes: {progress:,} cannot be watched.")
        if status == "completed" and progress is None:
            progress = show.episodes or show.episodes_watched
        if status is None and progress is not None:
            status = _status_at(progress, show)
        wanted = {"my_status": status, "episodes_watched": progress, "my_score": score}
        changes = {name: value for name, value in wanted.items() if value not in (None, getattr(show, name))}
        return await self._editing.edit(show.id, changes) if changes else show


def _status_at(progress: int, show: Show) -> MyStatus | None:
    """Return the status that follows from the number of watched episodes; None if it does not change."""
    if show.episodes and progress == show.episodes:
        return "completed"
    return "watching" if progress and show.my_status in _NOT_BEGUN else None
