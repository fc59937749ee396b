"""Opens what a first import needs while its file is read: provider, index and collection take a second or two.

A later import may find nothing new, and then needs none of them. If workers embed the shows, only the width of the
vectors is needed here.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from animerag.indexing.indexer import Indexer
    from animerag.ports import CollectionSpec


@asynccontextmanager
async def preparing(indexer: Indexer, *, first: bool, embeds: bool) -> AsyncIterator[Awaitable[CollectionSpec] | None]:
    """Open everything in the background for a `first` import, and yield its future collection; otherwise yield None.

    `embeds` says whether this process embeds and indexes the shows.

    The collection raises ProviderError if its width cannot be determined. Any other failure is raised again, with its
    reason, when the part is needed.
    """
    if not first:
        yield None
        return
    spec = asyncio.create_task(_spec(indexer) if embeds else indexer.spec(), name="prepare-provider")
    tasks: list[asyncio.Task[Any]] = [spec]
    if embeds:
        tasks.append(asyncio.create_task(_open_index(indexer, spec), name="prepare-index"))
    try:
        yield spec
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _spec(indexer: Indexer) -> CollectionSpec:
    await indexer.embedder.warm()
    return await indexer.spec()


async def _open_index(indexer: Indexer, spec: asyncio.Task[CollectionSpec]) -> None:
    with suppress(AnimeRAGError):
        await indexer.index.start()
        await indexer.index.ensure(await asyncio.shield(spec))
