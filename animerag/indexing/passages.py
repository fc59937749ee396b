"""Embeds the passages and tags of every show while the machine is idle, so that questions do not have to.

This is done only with the embedded encoder, which costs nothing. Vectors are stored by their texts: a changed
description gets new ones, and the next process continues where this one stopped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, TypeAlias

from animerag.errors import AnimeRAGError
from animerag.models.providers import Priority
from animerag.text.documents import text_hash
from animerag.text.passages import texts_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from animerag.ports import Embedder, Vectors
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

Texts: TypeAlias = tuple[str, ...]  # the texts of one show: its passages, then its tags

_QUIET_S = 20.0  # seconds between two checks for work and for an idle processor
_BUSY = 0.8  # load average per processor above which the machine is not idle
_SHOWS = 16  # per commit
_MOST = 100_000  # passages: 200 MB on disk


class PassageVectors:
    """The stored vectors of shows' passages and tags: one row a show, found by its texts."""

    def __init__(self, library: Library, embedder: Embedder) -> None:
        self._embeddings = library.embeddings
        self._embedder = embedder
        self._model = f"{embedder.model} passages"  # apart from shows' vectors, which are counted and searched

    async def load(self, shows: Iterable[Texts]) -> dict[Texts, Vectors]:
        """Return the vectors of each show that has them, by its texts, of shape (texts, dimensions).

        Raises LibraryError, ProviderError.
        """
        by_hash = {_hash(texts): texts for texts in shows if texts}
        stored = await self._embeddings.load(self._model, None, by_hash)
        width = await self._embedder.dimensions()
        return {
            by_hash[key]: vectors.reshape(-1, width)
            for key, vectors in stored.items()
            if vectors.size == width * len(by_hash[key])
        }

    async def missing(self, shows: Iterable[Texts]) -> list[Texts]:
        """Return the texts of shows without vectors. Raises LibraryError."""
        by_hash = {_hash(texts): texts for texts in shows if texts}
        known = await self._embeddings.known(self._model, None, by_hash)
        return [texts for key, texts in by_hash.items() if key not in known]

    async def save(self, vectors: Mapping[Texts, Vectors]) -> None:
        """Store the vectors of shows by their texts. Raises LibraryError."""
        await self._embeddings.save(self._model, {_hash(texts): rows.ravel() for texts, rows in vectors.items()})


def _hash(texts: Texts) -> str:
    return text_hash("\n".join(texts))


class PassageIndexer:
    """Stores the vectors of passages of all shows in the background."""

    def __init__(self, library: Library, embedder: Embedder, importing: Callable[[], bool]) -> None:
        """`importing` returns whether any process changes the catalogue."""
        self._library = library
        self._embedder = embedder
        self._importing = importing
        self._vectors = PassageVectors(library, embedder)
        self._done: set[str] = set()  # text hashes of shows
        self._stored = 0

    async def run(self) -> None:
        """Embed missing passages whenever the machine is idle, until cancelled; does nothing with a paid encoder."""
        if self._embedder.provider != "local":
            return
        while True:
            await asyncio.sleep(_QUIET_S)
            await self._idle()
            try:
                count = await self.fill(pause=self._idle)
            except AnimeRAGError as error:  # the next round tries again
                log.info("passages were not embedded: %s", error)
            else:
                if count:
                    log.info("%d passages were embedded while the machine was idle", count)

    async def fill(self, pause: Callable[[], Awaitable[None]] | None = None) -> int:
        """Embed every passage that is not stored, and return their number.

        `pause` is awaited before each show; afterwards this waits as long as the encoder took. Raises LibraryError,
        ProviderError.
        """
        count = 0
        hashes = await self._library.hashes()
        pending = [show_id for show_id, (_, of_text) in hashes.items() if of_text not in self._done]
        for start in range(0, len(pending), _SHOWS):
            if self._stored >= _MOST:
                break
            ids = pending[start : start + _SHOWS]
            shows = await self._library.shows(ids, records=False)
            texts = await asyncio.to_thread(lambda some: [texts_of(show) for show in some], list(shows.values()))
            count += await self._fill(texts, pause)
            self._stored += sum(map(len, texts))
            self._done |= {hashes[show_id][1] for show_id in ids}
        return count

    async def _fill(self, shows: Sequence[Texts], pause: Callable[[], Awaitable[None]] | None) -> int:
        """Embed the missing texts of some shows, one at a time, store them in one commit, and count them."""
        fresh: dict[Texts, Vectors] = {}
        for texts in await self._vectors.missing(shows):
            if pause is not None:
                await pause()
            began_s = time.perf_counter()
            fresh[texts] = (await self._embedder.embed(texts, priority=Priority.INGEST)).vectors
            if pause is not None:
                await asyncio.sleep(time.perf_counter() - began_s)
        await self._vectors.save(fresh)
        return sum(map(len, fresh))

    async def _idle(self) -> None:
        """Wait until no import is running and the processors are idle."""
        while self._importing() or _load() > _BUSY:  # noqa: ASYNC110 - nothing signals that the load has fallen
            await asyncio.sleep(_QUIET_S)


def _load() -> float:
    """Return the load average per processor; 0 if the system does not report it."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):
        return 0.0
