"""Rows of text tables and workbooks alike: the layout, the detection of headings, and the check of each row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import cells as values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_ROWS = 1_000_000
MAX_CELL_CHARACTERS = 2_000_000
SAMPLE_ROWS = 200
_LONGEST_HEADING = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the file at `line`, counted from 1: cells, or a `fault`; `notes` say what was corrected."""

    line: int
    cells: tuple[str, ...] = ()
    fault: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def blank(self) -> bool:
        """Return whether the record is empty."""
        return self.fault is None and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A valid record: `line` is where it starts, counted from 1; `notes` say what was corrected."""

    line: int
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a table is written. `headers` names every column: the file's headings, or "column 1" and so on."""

    encoding: str | None  # None in a workbook
    delimiter: str | None
    quoted: bool
    has_header: bool
    headers: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]  # the first rows below the header
    sheet: str | None = None  # of a workbook
    reasons: tuple[str, ...] = ()


class NoRowsError(InvalidInputError):
    """A table has no readable row."""


def checked(records: Iterable[Record], name: str, written: Layout) -> Iterator[Row | RowError]:
    """Yield the rows below the header, without blank ones. Raises InvalidInputError if there are too many."""
    width = len(written.headers)
    header_left = written.has_header
    number = 0
    for record in records:
        if record.blank:
            continue
        if header_left and record.fault is None:
            header_left = False
            continue
        number += 1
        if number > MAX_ROWS:
            raise InvalidInputError(f"{name} has more than {MAX_ROWS:,} rows: split it into smaller files.")
        cells = record.cells
        fault = record.fault
        if fault is None and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
            fault = f"The row has {len(cells)} cells instead of {width}."
        if fault is not None:
            shown = next(iter(cells), "").strip()[:64] or None
            excerpt = values.given(dict(zip_longest(written.headers, cells[:width], fillvalue="")) if cells else "")
            yield RowError(file=name, line=record.line, id=shown, stage="read", reason=fault, given=excerpt)
        else:
            yield Row(line=record.line, cells=cells[:width], notes=record.notes)


def headings(first: Sequence[str], *, has_header: bool) -> tuple[str, ...]:
    """Return a name for every column; trailing blank headings do not count."""
    if not has_header:
        return tuple(f"column {place}" for place in range(1, len(first) + 1))
    named = [" ".join(cell.split()) for cell in first]
    while named and not named[-1]:
        named.pop()
    return tuple(cell or f"column {place}" for place, cell in enumerate(named, 1))


def is_header(records: Sequence[Sequence[str]], known: Callable[[str], bool]) -> bool:
    """Return whether the first record is a header: by known headings, otherwise by the form of its cells."""
    first = [cell.strip() for cell in records[0]]
    hits = sum(known(cell) for cell in first)
    numbers = sum(_is_number(cell) for cell in first)
    if hits >= 2 or (hits and not numbers):
        return True
    filled = [cell for cell in first if cell]
    names = len(filled) == len(set(filled)) == len(first) and all(len(cell) <= _LONGEST_HEADING for cell in filled)
    below = any(_is_number(cell.strip()) for record in records[1:] for cell in record)
    return names and not numbers and below


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
