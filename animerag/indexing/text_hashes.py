"""Finds stored shows whose text would differ in this version, so that the app can offer to index them again.

A new version may change which sentences `text.cleaning.story` leaves out. The hashes of stored texts are then computed
again, once; shows whose text has changed count as not indexed until they are embedded.
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
    """Store the hashes of texts by this version's rules; return how many shows have a different text.

    Does nothing if an earlier start has done it. Raises LibraryError.
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
        log.warning("the searched text of %d shows has changed: index them again in System", changed)
    return changed
