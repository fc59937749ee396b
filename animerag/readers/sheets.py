"""Tables in Excel workbooks, read as they stream; every cell becomes the text that a CSV export would hold."""

from __future__ import annotations

import datetime as dt
import zipfile
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from animerag.errors import InvalidInputError
from animerag.readers.rows import MAX_CELL_CHARACTERS, SAMPLE_ROWS, Layout, NoRowsError, Record, headings, is_header
from animerag.readers.sniff import open_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# What openpyxl lets through from damaged files, seen by damaging some.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    AssertionError,
)


def layout(
    path: Path, name: str, *, known: Callable[[str], bool], sheet: str | None = None, header: bool | None = None
) -> Layout:
    """Choose the sheet with most known headings, the first one where none has any. Raises InvalidInputError."""
    with _opened(path, name) as book:
        wanted = [sheet] if sheet is not None else list(book.sheetnames)
        if sheet is not None and sheet not in book.sheetnames:
            raise InvalidInputError(f"{name} has no sheet {sheet[:40]}; it has {', '.join(book.sheetnames[:10])}.")
        firsts = {title: _first(book, title) for title in wanted if hasattr(book[title], "iter_rows")}
    filled = {title: cells for title, cells in firsts.items() if cells}
    if not filled:
        raise NoRowsError(f"{name} holds no row that could be read.")
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
            f"An Excel workbook; the sheet {chosen} is read.",
            "The first row names the columns." if has_header else "The first row names no columns: it is data.",
        ),
    )


def records(path: Path, name: str, written: Layout) -> Iterator[Record]:
    """Yield the rows of the layout's sheet; short ones are filled up, since a workbook leaves empty cells out."""
    width = len(written.headers)
    with _opened(path, name) as book:
        for line, values in enumerate(book[written.sheet].iter_rows(values_only=True), 1):
            cells = tuple(cell_text(value) for value in values)
            if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
                yield Record(line=line, fault=f"A cell is longer than {MAX_CELL_CHARACTERS:,} characters.")
            else:
                yield Record(line=line, cells=cells + ("",) * (width - len(cells)))


def cell_text(value: Any) -> str:
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


def _first(book: Any, sheet: str) -> list[tuple[str, ...]]:
    rows = (tuple(cell_text(value) for value in row) for row in book[sheet].iter_rows(values_only=True))
    return [cells for cells in islice(rows, SAMPLE_ROWS) if any(cell.strip() for cell in cells)]


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import openpyxl

    book = None
    stream = open_bytes(path, name)  # given a path, openpyxl would judge the file by its name
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # some writers state a wrong size, which would cut rows off
        yield book
    except _DAMAGE as error:
        raise InvalidInputError(f"{name} is a damaged workbook: open it in a spreadsheet and save it anew.") from error
    finally:
        if book is not None:
            book.close()
        stream.close()
