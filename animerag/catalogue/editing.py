"""Shows changed or deleted by hand: a change outlasts what files say later, a deletion lasts until a file brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.ingestion.overrides import _checked, edited
from animerag.jobs.jobs import Control
from animerag.storage import provenance
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models import Show


class Editing:
    """Changes and deletes shows in library and index."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def edit(self, show_id: str, changes: Mapping[str, Any]) -> Show:
        """Change fields of a show, and keep the change over later uploads; a new description is embedded.

        Raises InvalidInputError for an unknown show or a value that cannot be, and what an ingestion raises.
        """
        show = await self._library.show(show_id)
        if show is None:
            raise InvalidInputError("This show is not in the catalogue any more.")
        checked = {name: _checked(name, value) for name, value in changes.items()}
        report = await self._ingestion.take_in([Document.of(edited(show, checked))], Control())
        if report.rows:
            raise InvalidInputError(f"The show could not be stored: {report.rows[0].reason}")
        before = (await provenance.edits_of(self._library, [show_id])).get(show_id, {})
        await provenance.keep_edits(self._library, show_id, {**before, **checked})
        return edited(show, checked)

    async def changed(self, show_id: str) -> Sequence[str]:
        """Name the fields of a show that its owner changed. Raises LibraryError."""
        return sorted((await provenance.edits_of(self._library, [show_id])).get(show_id, {}))

    async def forget(self, show_id: str) -> None:
        """Let files have the last word again; the next upload of one brings its own words back. Raises LibraryError."""
        await provenance.keep_edits(self._library, show_id, {})

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete shows with their vectors in the index, and return how many there were.

        Raises LibraryError; while Chroma is away the vectors stay strays, which nothing shows and a repair removes.
        """
        removed = await provenance.remove(self._library, ids)
        if removed:
            await self._indexer.remove_strays()
        return removed
