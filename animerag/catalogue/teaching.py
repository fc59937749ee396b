"""Corrections by the user: the right show of a question gets the title that the question used, and a row in a sheet.

The sheet, `my_questions.csv` in the data directory, works with `animerag evaluate`, so that corrections can be tested.
"""

from __future__ import annotations

import asyncio
import csv
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


class Teaching:
    """Stores the show that a question meant."""

    def __init__(self, library: Library, editing: Editing, sheet: Path) -> None:
        """`sheet` is created with the first correction."""
        self._library = library
        self._editing = editing
        self.sheet = sheet

    async def correct(self, question: str, show_id: str, title: str = "") -> Show:
        """Record that a question means this show, and return the show.

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
        if called and normalise(called) not in {normalise(one) for one in (show.title, *show.titles)}:
            others = [one for one in show.titles if one != show.title]
            show = await self._editing.edit(show_id, {"titles": [show.title, *others, called]})
        await asyncio.to_thread(self._note, asked, show_id, _TITLE if called else _PLOT)
        return show

    def _note(self, question: str, show_id: str, kind: str) -> None:
        row = (formula_safe(question), show_id, kind)
        try:
            with FileLock(self.sheet.with_suffix(".lock"), timeout=_PATIENCE_S):
                rows = [one for one in self._rows() if normalise(one[0]) != normalise(row[0])]
                fresh = self.sheet.with_suffix(".new")
                with fresh.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([_COLUMNS, *rows, row])
                fresh.replace(self.sheet)
        except (OSError, TimeoutError) as error:
            raise LibraryError(f"{self.sheet} cannot be written: close it in other programs and try again.") from error

    def _rows(self) -> list[list[str]]:
        """Return the rows below the heading; rows edited into another form are not changed."""
        if not self.sheet.exists():
            return []
        with self.sheet.open(encoding="utf-8-sig", newline="") as file:
            return [row for row in list(csv.reader(file))[1:] if row]
