"""Shows changed or deleted by hand: a change outlasts what files say later, a deletion lasts until a file brings it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control
from animerag.models import TYPE_LABELS
from animerag.readers import dates
from animerag.storage import provenance
from animerag.text.cleaning import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models import Show

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "year": (1900, 2200),
    "end_year": (1900, 2200),
    "episodes": (0, 100_000),
    "rating": (0, 10),
    "my_score": (0, 10),
    "episodes_watched": (0, 100_000),
}
_WORDS = {"title": 500, "description": 100_000}  # characters
_LISTS = {"titles": 200, "tags": 200}  # entries
_DATES = ("air_date", "end_date")
_STATUS = "my_status"
_TYPE = "type"
_EDITED = "edited by hand"
EDITABLE = (*_WORDS, *_LISTS, *_BOUNDS, *_DATES, _STATUS, _TYPE)


def edited(show: Show, changes: Mapping[str, Any]) -> Show:
    """Return a show with what its owner changed in it.

    Its record says so as well: that is what a show's hash is made of, and without it a new title would look unchanged.
    """
    told: dict[str, Any] = {name: value for name, value in changes.items() if name in EDITABLE}
    record = {**show.record, _EDITED: {**show.record.get(_EDITED, {}), **told}}
    fields: dict[str, Any] = {name: tuple(value) if name in _LISTS else value for name, value in told.items()}
    if _TYPE in told:
        fields["type_inferred"] = False
    if "air_date" in told:
        fields["season"] = dates.season_of(told["air_date"])
    return replace(show, record=record, **fields)


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


def _checked(name: str, value: Any) -> Any:
    if name in _WORDS:
        text = str(value or "").strip()
        if name == "title" and not text:
            raise InvalidInputError("A show needs a title.")
        if len(text) > _WORDS[name]:
            raise InvalidInputError(f"The {name} is longer than {_WORDS[name]:,} characters.")
        return text
    if name in _LISTS:
        entries = list(dict.fromkeys(filter(None, (str(one).strip()[:500] for one in value or ()))))
        if len(entries) > _LISTS[name]:
            raise InvalidInputError(f"There are more than {_LISTS[name]} {name}.")
        return entries
    if name in _BOUNDS:
        low, high = _BOUNDS[name]
        if value is not None and not low <= value <= high:
            raise InvalidInputError(f"{name.replace('_', ' ').capitalize()} must be between {low:g} and {high:g}.")
        return value
    if name in _DATES:
        date = str(value or "").strip() or None
        if date is not None and not dates.is_date(date):
            raise InvalidInputError("Write a date as 2012-04-07, or as 2012-04 where the day is not known.")
        return date
    if name == _TYPE and value is not None and value not in TYPE_LABELS:
        raise InvalidInputError(f"A type is one of {', '.join(TYPE_LABELS)}.")
    if name in (_STATUS, _TYPE):
        return value
    raise InvalidInputError(f"{name} cannot be changed here.")
