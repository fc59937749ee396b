"""Corrections by the user: the right show of a question gets the title that the question used, and a row in a sheet.

The sheet, `my_questions.csv` in the data directory, works with `animerag evaluate`, so that corrections can be tested.
"""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock

from animerag.batch.export import formula_safe
from animerag.errors import InvalidInputError, LibraryError
from animerag.text.cleaning import normalise

if TYPE_CHECKING:
    from pathlib import Path

    from animerag.catalogue.editing import Editing
    from animerag.models.shows import Show
    from animerag.storage.library import Library

SHEET = "my_questions.csv"
_COLUMNS = ("question", "expected_ids", "kind")
_TITLE, _PLOT = "title", "plot"
_LONGEST = 500  # characters of a title, and of a question in the sheet
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A question with the show that it means, and what `Teaching.undo` needs to restore the state before."""

    show: Show
    question: str
    added_title: str = ""  # empty if the show had the title, or the question describes the show
    titles_were_edited: bool = False
    row_before: tuple[str, ...] | None = None  # of this question in the sheet, from an earlier correction


class Teaching:
    """Stores the show that a question meant."""

    def __init__(self, library: Library, editing: Editing, sheet: Path) -> None:
        """`sheet` is created with the first correction."""
        self._library = library
        self._editing = editing
        self.sheet = sheet

    async def correct(self, question: str, show_id: str, title: str = "") -> Correction:
        """Record that a question means this show, and return the correction, which `undo` accepts.

        `title` is the question's name for the show, which is added to its titles; it is empty for a description. A
        question that was corrected before gets the new show. Raises InvalidInputError, LibraryError and what an edit
        raises.
        """
        asked, called = " ".join(question.split()), " ".join(title.split())
        if not asked or max(len(asked), len(called)) > _LONGEST:
            raise InvalidInputError(f"The question or title is too long or empty: use 1 to {_LONGEST} characters.")
        show = await self._library.show(show_id)
        if show is None:
            raise InvalidInputError("This show is no longer in the catalogue: choose another one.")
        added, edited = "", False
        if called and normalise(called) not in {normalise(one) for one in (show.title, *show.titles)}:
            added, edited = called, "titles" in await self._editing.changed(show_id)
            show = await self._editing.edit(show_id, {"titles": [*_titles(show), called]})
        row = (formula_safe(asked), show_id, _TITLE if called else _PLOT)
        before = await asyncio.to_thread(self._write, asked, row)
        return Correction(show=show, question=asked, added_title=added, titles_were_edited=edited, row_before=before)

    async def undo(self, correction: Correction) -> None:
        """Remove a correction: its title, and its row in the sheet, where an earlier correction returns.

        Raises LibraryError and what an edit raises.
        """
        added = normalise(correction.added_title)
        show = await self._library.show(correction.show.id) if added else None
        if show is not None:
            titles = [one for one in _titles(show) if normalise(one) != added]
            await self._editing.edit(show.id, {"titles": titles})
            if not correction.titles_were_edited:
                await self._editing.release(show.id, "titles")
        await asyncio.to_thread(self._write, correction.question, correction.row_before)

    def _write(self, question: str, row: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Replace a question's row in the sheet, or remove it, and return the row that was there."""
        asked = normalise(formula_safe(question))
        try:
            with FileLock(self.sheet.with_suffix(".lock"), timeout=_PATIENCE_S):
                rows = self._rows()
                others = [one for one in rows if normalise(one[0]) != asked]
                fresh = self.sheet.with_suffix(".new")
                with fresh.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([_COLUMNS, *others, *([row] if row else [])])
                fresh.replace(self.sheet)
                return next((tuple(one) for one in rows if normalise(one[0]) == asked), None)
        except (OSError, TimeoutError) as error:
            raise LibraryError(f"{self.sheet} cannot be written: close it in other programs and try again.") from error

    def _rows(self) -> list[list[str]]:
        """Return the rows below the heading; rows edited into another form are not changed."""
        if not self.sheet.exists():
            return []
        with self.sheet.open(encoding="utf-8-sig", newline="") as file:
            return [row for row in list(csv.reader(file))[1:] if row]


def _titles(show: Show) -> list[str]:
    """Return all titles of a show, its main title first."""
    return [show.title, *(one for one in show.titles if one != show.title)]
