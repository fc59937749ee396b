"""Covers from local folders, found by a show's id or by Shoko's file name, and scaled down.

Nothing is fetched. A file counts only as a regular one inside its folder; decoding runs in a thread, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import re
import stat
from collections import OrderedDict
from typing import TYPE_CHECKING

from animerag.catalogue import thumbnails
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from animerag.models.shows import Show
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

DIRECTORY = "covers"  # in the data directory
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
_NAME = re.compile(r"\w[\w.-]{0,120}")
# Fields of a show's record that may name its picture.
_PICTURE = ("Picname", "PicName", "picname", "Picture", "picture")
_ANIDB_ID = ("AnimeID", "AniDB_AnimeID")
_REMEMBERED = 400  # covers in memory; a scaled-down one takes 20 KB


class Covers:
    """Scaled-down covers of shows, from the first folder that has one."""

    def __init__(self, library: Library, folders: Sequence[Path]) -> None:
        """`folders` hold `<id>.jpg` and the like, or are Shoko's folder of images."""
        self._library = library
        self._folders = folders
        self._cache: OrderedDict[tuple[str, int, int], bytes | None] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the JPEGs of all shows that have a usable cover, by id. Raises LibraryError."""
        if not await asyncio.to_thread(self._any_folder):
            return {}
        shows = await self._library.shows(ids)
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._thumbnails, list(shows.values()))

    def _any_folder(self) -> bool:
        return any(folder.is_dir() for folder in self._folders)

    def _thumbnails(self, shows: Sequence[Show]) -> dict[str, bytes]:
        thumbnails = ((show.id, self._thumbnail(show)) for show in shows)
        return {show_id: small for show_id, small in thumbnails if small is not None}

    def _thumbnail(self, show: Show) -> bytes | None:
        for folder in self._folders:
            for name in _names(show):
                if (small := self._cached_thumbnail(folder, folder / name)) is not None:
                    return small
        return None

    def _cached_thumbnail(self, folder: Path, path: Path) -> bytes | None:
        """Return a file's thumbnail; None if there is no usable file."""
        try:
            resolved = path.resolve(strict=True)
            state = resolved.stat()
            if not stat.S_ISREG(state.st_mode) or not resolved.is_relative_to(folder.resolve()):
                return None
        except (OSError, RuntimeError):  # a loop of symbolic links raises RuntimeError
            return None
        key = (str(resolved), state.st_mtime_ns, state.st_size)
        if key not in self._cache:
            self._cache[key] = _read(resolved)
            while len(self._cache) > _REMEMBERED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:  # the file may have grown since its size was checked
            return thumbnails.thumbnail(file.read(thumbnails.MOST_BYTES + 1))
    except InvalidInputError as error:
        log.warning("a cover cannot be used: %s", error)
    except (OSError, MemoryError) as error:
        log.warning("a cover cannot be read: %s", type(error).__name__)
    return None


def _names(show: Show) -> Iterator[str]:
    """Yield the paths, relative to a folder, at which a show's cover may be."""
    named = show.id.replace(":", "_")
    if _NAME.fullmatch(named):
        yield from (named + ending for ending in _ENDINGS)
    picture = next((show.record[name] for name in _PICTURE if show.record.get(name)), None)
    anidb = str(next((show.record[name] for name in _ANIDB_ID if show.record.get(name)), show.id))
    # Shoko files AniDB's pictures by the first two digits of the show's id.
    if isinstance(picture, str) and _NAME.fullmatch(picture) and anidb.isdecimal():
        yield from (f"AniDB/{anidb[:2]}/{picture}", f"{anidb[:2]}/{picture}")
