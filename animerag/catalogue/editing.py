"""Edits and deletions of shows: edits survive later imports, and a deletion can be undone until the next one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.ingestion.overrides import EDITABLE, FILE_PROGRESS, _checked, edited
from animerag.jobs.jobs import Control
from animerag.storage import deletions, provenance
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.storage.deletions import DeletedShow


class Editing:
    """Changes and deletes shows in library and index."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def edit(self, show_id: str, changes: Mapping[str, object]) -> Show:
        """Edit fields of a show; the edit survives later imports, and a new description is embedded.

        Raises InvalidInputError for an unknown show or an invalid value, and the errors of an import.
        """
        show = await self._library.show(show_id)
        if show is None:
            raise InvalidInputError("This show is no longer in the catalogue: reload the page.")
        checked = {name: _checked(name, value) for name, value in changes.items()}
        report = await self._ingestion.import_documents([Document.of(edited(show, checked))], Control())
        if report.rows:
            raise InvalidInputError(f"The show could not be stored: {report.rows[0].reason}")
        before: JsonObject = (await provenance.edits_of(self._library, [show_id])).get(show_id, {})
        if "episodes_watched" in checked:
            checked[FILE_PROGRESS] = max(show.episodes_watched or 0, before.get(FILE_PROGRESS) or 0)
        await provenance.keep_edits(self._library, show_id, {**before, **checked})
        return edited(show, checked)

    async def changed(self, show_id: str) -> Sequence[str]:
        """Return the names of the edited fields of a show. Raises LibraryError."""
        edits = (await provenance.edits_of(self._library, [show_id])).get(show_id, {})
        return sorted(name for name in edits if name in EDITABLE)

    async def forget(self, show_id: str) -> None:
        """Discard the edits of a show; the next import restores the file's values. Raises LibraryError."""
        await provenance.keep_edits(self._library, show_id, {})

    async def release(self, show_id: str, field: str) -> None:
        """Let imports change a field of a show again; until then it has its present value. Raises LibraryError."""
        edits = (await provenance.edits_of(self._library, [show_id])).get(show_id, {})
        await provenance.keep_edits(
            self._library, show_id, {name: value for name, value in edits.items() if name != field}
        )

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete shows and their vectors, and return their number. Raises LibraryError.

        If Chroma is unavailable, the vectors become strays: no page shows them, and a repair removes them.
        """
        removed = await deletions.remove(self._library, ids)
        if removed:
            with contextlib.suppress(AnimeRAGError):  # the library has recorded the vectors as strays
                await self._indexer.remove_strays()
        return removed

    async def deleted(self) -> Sequence[DeletedShow]:
        """Return the shows that `undo` can restore, most recently deleted first. Raises LibraryError."""
        return await deletions.listed(self._library)

    async def undo(self, ids: Sequence[str]) -> Sequence[str]:
        """Restore deleted shows with their edits, list entries and stored vectors, and return their ids.

        If Chroma is unavailable, they count as not indexed. Raises InvalidInputError after an import, LibraryError.
        """
        restored = await deletions.restore(self._library, ids)
        if not restored:
            raise InvalidInputError("This deletion can no longer be undone: import the show's file again.")
        with contextlib.suppress(AnimeRAGError):  # the library records what is not indexed
            await self._indexer.rewrite(await self._indexer.spec(), restored)
        return restored
