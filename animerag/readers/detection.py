"""The detected format of a file, for the preview and for the reader, and the options that override it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.readers.columns import Column
    from animerag.readers.rows import Layout

Format = Literal[
    "shoko",
    "table",
    "workbook",
    "jsonl",
    "records",
    "offline_database",
    "mal_list",
    "anilist_list",
    "notes",
    "shoko_database",
]
LABELS: dict[Format, str] = {
    "shoko": "Shoko/AniDB export",
    "table": "text table (CSV or TSV)",
    "workbook": "Excel workbook",
    "jsonl": "JSON lines",
    "records": "list of JSON objects",
    "offline_database": "anime-offline-database",
    "mal_list": "MyAnimeList user list",
    "anilist_list": "AniList user list",
    "notes": "notes (plain text or Markdown)",
    "shoko_database": "Shoko database",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The user's choices for reading a file; None or empty values are detected.

    `columns` maps headings, or column numbers from 1, to fields: one of `columns.FIELDS`, or `none` for no field.
    `user` is the user whose watch state is read from a Shoko database, "" for none.
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
    """The format of a file, how it is written, and the meaning of its columns.

    `problem` is a sentence if the file cannot be read until the user sets `ReadOptions.columns` or, to choose one of
    `users`, `ReadOptions.user`. `sample` has the first rows in the order of `columns`; `site` is the site that the ids
    come from, "" if unknown.
    """

    name: str
    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    has_header: bool = False
    columns: tuple[Column, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()
    site: str = ""
    reasons: tuple[str, ...] = ()
    problem: str | None = None
    layout: Layout | None = None
    place: int | None = None  # position of the list of records among the members of a JSON object
    users: tuple[str, ...] = ()  # of a Shoko database, who have watched something

    @property
    def label(self) -> str:
        """Return the name of the format."""
        return LABELS[self.format]

    @property
    def fixed(self) -> bool:
        """Return whether the format has fixed fields, so that there is nothing to choose."""
        return self.format in {"shoko", "offline_database", "mal_list", "anilist_list", "notes", "shoko_database"}

    @property
    def fields(self) -> dict[str, str | None]:
        """Return the field of each heading; empty for formats with fixed fields."""
        return {} if self.fixed else {column.heading: column.field for column in self.columns}


class DetectedFileError(InvalidInputError):
    """A detected file cannot be read; the user may correct its `detection`."""

    def __init__(self, detection: Detection, message: str | None = None) -> None:
        """Without a `message`, the error is the problem of the detection."""
        option = "--shoko-user NAME" if detection.users else "--column title=HEADING"
        super().__init__(message or f"{detection.problem} On the command line: {option}.")
        self.detection = detection
