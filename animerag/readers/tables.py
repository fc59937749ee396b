"""Tables out of CSV, TSV and Excel files alike. Knows nothing of shows: questions are read through it as well.

written = tables.layout(path, name, known=lambda heading: heading == "question")
for row in tables.rows(path, name, written): ...   # Row or RowError, in file order
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.readers import delimited, file_type, sheets
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
    """Find out how a table is written; what is given is taken as given. `known` tells headings that are expected.

    Raises InvalidInputError when the file is no table, cannot be decoded, or holds no row.
    """
    file_type.head(path, name)
    if file_type.is_workbook(path, name):
        return sheets.layout(path, name, known=known, sheet=sheet, header=header)
    return delimited.layout(path, name, known=known, encoding=encoding, delimiter=delimiter, header=header)


def rows(path: Path, name: str, written: Layout) -> Iterator[Row | RowError]:
    """Yield the rows below the header as they are read; blank ones are passed over, broken ones are RowErrors.

    Raises InvalidInputError when the file stops being readable or has too many rows.
    """
    read = sheets.records if written.sheet is not None else delimited.records
    return checked(read(path, name, written), name, written)
