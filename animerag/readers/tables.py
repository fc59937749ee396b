"""Reads tables from CSV, TSV and Excel files alike. It knows nothing of shows, because sheets of questions use it, too.

written = tables.layout(path, name, known=lambda heading: heading == "question") for row in tables.rows(path, name,
written): ... # Row or RowError, in file order
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.readers import delimited, excel, file_type
from animerag.readers.rows import Layout, NoRowsError, Row, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from animerag.models.imports import RowError
    from animerag.readers.encoding import Encoding

__all__ = ["Layout", "NoRowsError", "Row", "layout", "rows"]


def layout(
    path: Path,
    name: str,
    *,
    known: Callable[[str], bool],
    encoding: str | Encoding | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    sheet: str | None = None,
) -> Layout:
    """Detect how a table is written; given values are not detected. `known` recognises the expected headings.

    Raises InvalidInputError if the file is not a table, cannot be decoded, or has no row.
    """
    file_type.head(path, name)
    if file_type.is_workbook(path, name):
        return excel.layout(path, name, known=known, sheet=sheet, header=header)
    return delimited.layout(path, name, known=known, encoding=encoding, delimiter=delimiter, header=header)


def rows(path: Path, name: str, written: Layout) -> Iterator[Row | RowError]:
    """Yield the rows below the header as a stream, without blank ones; broken rows are RowErrors.

    Raises InvalidInputError if the file stops being readable or has too many rows.
    """
    read = excel.records if written.sheet is not None else delimited.records
    return checked(read(path, name, written), name, written)
