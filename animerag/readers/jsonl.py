"""Reads JSON lines as a stream: one object per line, each line independent of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import encoding as sniff
from animerag.readers import json_records, offline_database, shoko
from animerag.readers.delimited import MAX_LINE_CHARACTERS, physical_lines
from animerag.readers.rows import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from animerag.models.shows import Show
    from animerag.readers.columns import Column


def read(
    path: Path, name: str, *, encoding: str, matched: Sequence[Column], id_field: str
) -> Iterator[Show | RowError]:
    """Yield a show or a row error for each line that is not blank. Raises InvalidInputError for too many lines."""
    number = 0
    with sniff.reading(path, name, encoding) as stream:
        for line, source in enumerate(physical_lines(stream), 1):
            if not source.strip(" \t\r\n\ufeff"):
                continue
            number += 1
            if number > MAX_ROWS:
                raise InvalidInputError(f"{name} has more than {MAX_ROWS:,} rows: split it into smaller files.")
            record, fault = parse_line(source)
            if fault is not None:
                yield RowError(file=name, line=line, id=None, stage="read", reason=fault, given=source.strip())
            elif not is_heading(record):
                yield _row(record, name, line, matched, id_field)


def parse_line(source: str) -> tuple[object, str | None]:
    """Return the value of a line, or the reason why it cannot be read."""
    if len(source) > MAX_LINE_CHARACTERS:
        return None, f"The line is longer than {MAX_LINE_CHARACTERS:,} characters."
    try:
        return json_records.from_text(source.strip()), None
    except ValueError as error:
        message = str(error).split(" at line ")[0]
        if "trailing characters" in message:
            return None, "The line contains more than one JSON value."
        return None, f"The line is not complete JSON ({message})."


def is_heading(record: object) -> bool:
    """Return whether a line describes the file instead of a show, like the first line of anime-offline-database."""
    return isinstance(record, dict) and "license" in record and "title" not in record


def _row(record: object, name: str, line: int, matched: Sequence[Column], id_field: str) -> Show | RowError:
    if shoko.is_record(record):
        return shoko.row(record, name, line, id_field=id_field)
    if offline_database.is_record(record):
        return offline_database.row(record, name, line)
    return json_records.row(record, matched, name, line)
