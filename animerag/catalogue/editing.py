"""Shows edited or deleted: an edit outlasts later imports, a deletion can be undone until the next one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.ingestion.overrides import _checked, edited
from animerag.jobs.jobs import Control
from animerag.storage import deletions, provenance
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models.shows import Show
    from animerag.storage.deletions import DeletedShow


class Editing:
    """Changes and deletes shows in library and index."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def edit(self, show_id: str, changes: Mapping[str, object]) -> Show:
        """Edit fields of a show; the edit outlasts later imports, and a new description is embedded.

        Raises InvalidInputError for an unknown show or a value that cannot be, and what an ingestion raises.
        """
        show = await self._library.show(show_id)
        if show is None:
            raise InvalidInputError("This show is not in the catalogue any more.")
        checked = {name: _checked(name, value) for name, value in changes.items()}
        report = await self._ingestion.import_documents([Document.of(edited(show, checked))], Control())
        if report.rows:
            raise InvalidInputError(f"The show could not be stored: {report.rows[0].reason}")
        before = (await provenance.edits_of(self._library, [show_id])).get(show_id, {})
        await provenance.keep_edits(self._library, show_id, {**before, **checked})
        return edited(show, checked)

    async def changed(self, show_id: str) -> Sequence[str]:
        """Name the fields of a show that its owner changed. Raises LibraryError."""
        return sorted((await provenance.edits_of(self._library, [show_id])).get(show_id, {}))

    async def forget(self, show_id: str) -> None:
        """Discard the edits of a show; the next import of its file restores the file's values. Raises LibraryError."""
        await provenance.keep_edits(self._library, show_id, {})

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete shows and their vectors in the index, and return how many there were. Raises LibraryError.

        While Chroma is away the vectors stay strays, which no page shows and a repair removes.
        """
        removed = await deletions.remove(self._library, ids)
        if removed:
            with contextlib.suppress(AnimeRAGError):  # they are journalled as strays
                await self._indexer.remove_strays()
        return removed

    async def deleted(self) -> Sequence[DeletedShow]:
        """Return the shows that `undo` can restore, the one that was deleted last first. Raises LibraryError."""
        return await deletions.listed(self._library)

    async def undo(self, ids: Sequence[str]) -> Sequence[str]:
        """Restore deleted shows with their edits, their owner's list and their stored vectors; returns their ids.

        While Chroma is away they count as not indexed. Raises InvalidInputError after an import, LibraryError.
        """
        restored = await deletions.restore(self._library, ids)
        if not restored:
            raise InvalidInputError("This deletion cannot be undone any more: import the show's file again.")
        with contextlib.suppress(AnimeRAGError):  # the library says what is not indexed
            await self._indexer.write_again(await self._indexer.spec(), restored)
        return restored
