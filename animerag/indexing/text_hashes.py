"""Notices stored shows whose text would be made differently today, so that indexing them again can be offered.

What `text.cleaning.story` leaves out of a text may change between versions. The hashes of stored texts are then worked
out again, once; shows whose text has changed count as not indexed until somebody pays for their new vectors.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from animerag.text.documents import TEXT_RULES

if TYPE_CHECKING:
    from animerag.indexing.indexer import Indexer

log = logging.getLogger(__name__)

_FACT = "text_rules"
_CHUNK = 500


async def refresh_text_hashes(indexer: Indexer) -> int:
    """Store the hashes that texts have by today's rules; returns how many shows have another text. Raises LibraryError.

    Does nothing where that was done by an earlier start.
    """
    library = indexer.library
    if await library.get_meta(_FACT) == TEXT_RULES:
        return 0
    stored = await library.hashes()
    ids, changed = list(stored), 0
    for start in range(0, len(ids), _CHUNK):
        documents = await indexer.documents(ids[start : start + _CHUNK])
        fresh = {one.show.id: one.text_hash for one in documents if one.text_hash != stored[one.show.id][1]}
        await library.put_text_hashes(fresh)
        changed += len(fresh)
    await library.set_meta(_FACT, TEXT_RULES)
    if changed:
        log.warning("%d shows have another text to search than before: index them again in System", changed)
    return changed
