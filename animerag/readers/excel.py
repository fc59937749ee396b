"""Reads Excel workbooks as a stream; every cell becomes the text that a CSV export would contain."""

from __future__ import annotations

import datetime as dt
import zipfile
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from animerag.errors import InvalidInputError
from animerag.readers.file_type import open_bytes
from animerag.readers.rows import MAX_CELL_CHARACTERS, SAMPLE_ROWS, Layout, NoRowsError, Record, headings, is_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_LINES = 1_048_576  # Excel's limit; blank lines count, although a workbook need not contain them
MAX_COLUMNS = 2_000
MAX_CELLS = 20_000_000  # blank ones count as well
MAX_SHARED_TEXTS = 2_000_000
_TAGS_A_TEXT = 4  # <si><t>…</t></si>, more tags if it has fonts
_MAX_TAGS = 500_000  # of a part that is parsed whole: styles, the list of sheets, relationships
_SHARED = "xl/sharedstrings.xml"
_SHEETS = "xl/worksheets/sheet"

# The exceptions that openpyxl raised for damaged files in tests.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError),
    *(AttributeError, NotImplementedError, AssertionError),
)


def layout(
    path: Path, name: str, *, known: Callable[[str], bool], sheet: str | None = None, header: bool | None = None
) -> Layout:
    """Choose the sheet with the most known headings, or the first one. Raises InvalidInputError."""
    with _opened(path, name) as book:
        wanted = [sheet] if sheet is not None else list(book.sheetnames)
        if sheet is not None and sheet not in book.sheetnames:
            raise InvalidInputError(f"{name} has no sheet {sheet[:40]}: choose from {', '.join(book.sheetnames[:10])}.")
        firsts = {title: _first(book, title, name) for title in wanted if hasattr(book[title], "iter_rows")}
    filled = {title: cells for title, cells in firsts.items() if cells}
    if not filled:
        raise NoRowsError(f"{name} has no readable row: check that it contains a table.")
    chosen = max(filled, key=lambda title: sum(map(known, filled[title][0])))
    cells = filled[chosen]
    has_header = is_header(cells, known) if header is None else header
    headers = headings(cells[0], has_header=has_header)
    return Layout(
        encoding=None,
        delimiter=None,
        quoted=False,
        has_header=has_header,
        headers=headers,
        sample=tuple(row[: len(headers)] for row in cells[1 if has_header else 0 :][:20]),
        sheet=chosen,
        reasons=(
            f"An Excel workbook, sheet {chosen}.",
            "The first row names the columns." if has_header else "The first row names no columns: it is data.",
        ),
    )


def records(path: Path, name: str, written: Layout) -> Iterator[Record]:
    """Yield the rows of the layout's sheet; short rows are filled up, because workbooks omit empty cells."""
    width = len(written.headers)
    with _opened(path, name) as book:
        for line, values in enumerate(_rows(book[written.sheet], name), 1):
            cells = tuple(cell_text(value) for value in values)
            if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
                yield Record(line=line, fault=f"A cell is longer than {MAX_CELL_CHARACTERS:,} characters.")
            else:
                yield Record(line=line, cells=cells + ("",) * (width - len(cells)))


def _rows(sheet: Any, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row. Raises InvalidInputError if the sheet is too large."""
    cells = 0
    for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells += len(row)
        for size, most, what in (
            (line, MAX_LINES, "rows"),
            (len(row), MAX_COLUMNS, "columns"),
            (cells, MAX_CELLS, "cells"),
        ):
            if size > most:
                raise InvalidInputError(
                    f"{name} has more than {most:,} {what} in the sheet {sheet.title}, including blank ones:"
                    " delete the blank ones, or save the sheet as CSV."
                )
        yield row


def cell_text(value: object) -> str:
    """Return a cell as text: whole numbers without a fraction, dates as 2012-04-03."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
    return str(value)


def _first(book: Any, sheet: str, name: str) -> list[tuple[str, ...]]:
    rows = (tuple(cell_text(value) for value in row) for row in _rows(book[sheet], name))
    return [cells for cells in islice(rows, SAMPLE_ROWS) if any(cell.strip() for cell in cells)]


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import openpyxl

    book = None
    stream = open_bytes(path, name)  # with a path, openpyxl would go by the file's name
    try:
        _check_parts(path, name)
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # some writers state a wrong size, which would hide rows
        yield book
    except _DAMAGE as error:
        raise InvalidInputError(f"{name} is a damaged workbook: open it in a spreadsheet and save it again.") from error
    finally:
        if book is not None:
            book.close()
        stream.close()


def _check_parts(path: Path, name: str) -> None:
    """Check the size of parts that openpyxl parses whole. Raises InvalidInputError if one is too large."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            part = entry.filename.lower()
            if part.startswith(_SHEETS):  # streamed; a part that only has such a name meets other limits
                continue
            most = MAX_SHARED_TEXTS * _TAGS_A_TEXT if part == _SHARED else _MAX_TAGS
            if entry.file_size > most and _tags(archive, entry, most) > most:
                what = f"{MAX_SHARED_TEXTS:,} shared texts" if part == _SHARED else f"{most:,} tags in {part[:60]}"
                raise InvalidInputError(f"{name} has more than {what}: save it as CSV and choose that.")


def _tags(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> int:
    number = 0
    with archive.open(entry) as stream:
        while number <= most and (chunk := stream.read(2**20)):
            number += chunk.count(b"<")
    return number
