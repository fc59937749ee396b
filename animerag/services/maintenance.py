"""Doctor: hold the index against the library, id by id and hash by hash, and mend it without paying anybody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.texts import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.ports import CollectionSpec
    from animerag.services.indexing import Indexer

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What differs: ids that Chroma lacks, has too many of, holds in an older form, or cannot find."""

    shows: int
    indexed: int
    missing: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    unsearchable: tuple[str, ...] = ()
    repaired: int = 0

    @property
    def healthy(self) -> bool:
        """Tell whether library and index agree and every vector finds itself."""
        return not (self.missing or self.stray or self.stale or self.unsearchable)


class Maintenance:
    """Checks and repairs the index of the current model."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._library = indexer.library

    async def check(self) -> DoctorReport:
        """Compare both sides and let every vector find itself. Raises LibraryError, VectorStoreError."""
        spec = await self._indexer.spec()
        held = await self._indexer.index.metadata(spec, ["content_hash", "text_hash"])
        counts = await self._library.counts()
        wanted = await self._library.hashes()
        found = {show_id: (str(keys.get("content_hash")), str(keys.get("text_hash"))) for show_id, keys in held.items()}
        both = [show_id for show_id in wanted if show_id in found]
        stale = [show_id for show_id in both if wanted[show_id] != found[show_id]]
        return DoctorReport(
            shows=counts.shows,
            indexed=len(both),
            missing=tuple(show_id for show_id in wanted if show_id not in found),
            stray=tuple(show_id for show_id in found if show_id not in wanted),
            stale=tuple(stale),
            unsearchable=tuple(await self._indexer.unsearchable(spec, [i for i in both if i not in set(stale)])),
        )

    async def repair(self) -> DoctorReport:
        """Mend what kept vectors can mend; shows whose text was never embedded stay missing.

        Raises LibraryError, VectorStoreError.
        """
        before = await self.check()
        spec = await self._indexer.spec()
        if before.stray:
            await self._indexer.index.delete(spec, before.stray)
            await self._library.forget_indexed(spec.name, before.stray)
        if before.unsearchable:
            # An entry that its own vector cannot find is mended by leaving the graph and joining it anew.
            await self._indexer.index.delete(spec, before.unsearchable)
        broken = [*before.missing, *before.stale, *before.unsearchable]
        mended: set[str] = set(before.stray)
        for start in range(0, len(broken), _CHUNK):
            mended |= await self._write_again(spec, broken[start : start + _CHUNK])
        await self._library.forget_indexed(spec.name, set(broken) - mended)
        return replace(await self.check(), repaired=len(mended))

    async def _write_again(self, spec: CollectionSpec, ids: Sequence[str]) -> set[str]:
        documents = [Document.of(show) for show in (await self._library.shows(ids)).values()]
        vectors = await self._indexer.known_vectors(spec, documents)
        known = [document for document in documents if document.text_hash in vectors]
        await self._indexer.upsert(spec, known, vectors)
        held = {document.show.id: document.hashes for document in known}
        await self._library.note_indexed(spec.name, held)
        return set(held)
