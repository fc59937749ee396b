"""What was understood of a file before it is read: for a preview, for questions to its owner, and for the reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.readers.columns import Column
    from animerag.readers.rows import Layout

Format = Literal[
    "shoko", "table", "workbook", "jsonl", "records", "offline_database", "mal_list", "notes", "shoko_database"
]
LABELS: dict[Format, str] = {
    "shoko": "Shoko/AniDB export",
    "table": "table in text (CSV or TSV)",
    "workbook": "Excel workbook",
    "jsonl": "JSON lines",
    "records": "list of JSON objects",
    "offline_database": "anime-offline-database",
    "mal_list": "MyAnimeList user list",
    "notes": "notes in plain text or Markdown",
    "shoko_database": "Shoko database",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the owner of a file says about it; None or empty leaves it to detection.

    `columns` maps headings, or column numbers from 1, to fields: `columns.FIELDS`, or `none` to leave a column out.
    `user` names whose watch state a Shoko database is read for; "" reads nobody's.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    sheet: str | None = None
    id_field: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a file is, how it is written and what its columns mean.

    `problem` is a sentence where the file cannot be read before somebody answers it, by `ReadOptions.columns` or, where
    there are `users` to choose from, by `ReadOptions.user`.
    `sample` has the first rows in the order of `columns`; `world` is the site whose ids these are, "" if unknown.
    """

    name: str
    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    has_header: bool = False
    columns: tuple[Column, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()
    world: str = ""
    reasons: tuple[str, ...] = ()
    problem: str | None = None
    layout: Layout | None = None
    place: int | None = None  # of the list of records among the members of a JSON object
    users: tuple[str, ...] = ()  # of a Shoko database, who have watched something

    @property
    def label(self) -> str:
        """Name the format in words."""
        return LABELS[self.format]

    @property
    def fixed(self) -> bool:
        """Tell whether the format itself says what its fields are, so that there is nothing to choose."""
        return self.format in {"shoko", "offline_database", "mal_list", "notes", "shoko_database"}

    @property
    def fields(self) -> dict[str, str | None]:
        """Return the field of each heading; nothing where the format fixes them."""
        return {} if self.fixed else {column.heading: column.field for column in self.columns}


class DetectedFileError(InvalidInputError):
    """A file that was detected cannot be read: `detection` is what its owner may correct."""

    def __init__(self, detection: Detection, message: str | None = None) -> None:
        """Without a `message` the detection's own problem is what keeps the file from being read."""
        option = "--shoko-user NAME" if detection.users else "--column title=HEADING"
        super().__init__(message or f"{detection.problem} On the command line: {option}.")
        self.detection = detection
