"""Opens what a first import needs while its file is read: the provider's client and the index's server take a second.

A later import may find nothing new, and then needs neither. If workers embed the shows, only the width of the vectors
is needed here.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from animerag.indexing.indexer import Indexer


@asynccontextmanager
async def preparing(indexer: Indexer, *, first: bool, embeds: bool) -> AsyncIterator[None]:
    """Open provider and index in the background during a `first` import.

    `embeds` says whether this process embeds and indexes the shows. A failure is raised again, with its reason, when
    the part is needed.
    """
    opening = asyncio.create_task(_open(indexer, embeds=embeds), name="prepare-import") if first else None
    try:
        yield
    finally:
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)


async def _open(indexer: Indexer, *, embeds: bool) -> None:
    with suppress(AnimeRAGError):
        if not embeds:
            await indexer.spec()
            return
        await asyncio.gather(indexer.embedder.warm(), indexer.index.launch())
