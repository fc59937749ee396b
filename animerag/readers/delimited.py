"""Reads text tables: detects delimiter and quotes, and yields records with lines; a broken one affects no other."""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers.encoding import detect_encoding, reading
from animerag.readers.file_type import HEAD_BYTES
from animerag.readers.rows import MAX_CELL_CHARACTERS, SAMPLE_ROWS, Layout, NoRowsError, Record, headings, is_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    from animerag.readers.encoding import Encoding

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MAX_LINE_CHARACTERS = 2 * MAX_CELL_CHARACTERS

csv.field_size_limit(MAX_CELL_CHARACTERS)  # the module's own limit is 131,072, and global


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quoted: bool


def layout(
    path: Path,
    name: str,
    *,
    known: Callable[[str], bool],
    encoding: str | Encoding | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Layout:
    """Detect how a text table is written; given values are not detected. Raises InvalidInputError."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0 '):
        raise InvalidInputError(f"{delimiter[:20]!r} cannot separate columns: use one character, or \\t for a tab.")
    result = detect_encoding(path, name, encoding)
    lines = _first_lines(path, name, result.name)
    dialect = _dialect(lines, delimiter, known)
    records = [record.cells for record in _sound(lines, dialect)]
    if not records:
        raise NoRowsError(f"{name} has no readable row: check its format and encoding.")
    has_header = is_header(records, known) if header is None else header
    mark = DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))
    return Layout(
        encoding=result.name,
        delimiter=dialect.delimiter,
        quoted=dialect.quoted,
        has_header=has_header,
        headers=headings(records[0], has_header=has_header),
        sample=tuple(records[1 if has_header else 0 :][:20]),
        reasons=(
            f"Encoding {result.label}: {result.reason}.",
            f"Columns are separated by a {mark}." if len(records[0]) > 1 else "There is one column.",
            "The first row names the columns." if has_header else "The first row names no columns: it is data.",
        ),
    )


def records(path: Path, name: str, written: Layout) -> Iterator[Record]:
    """Yield the records of the file as a stream. Raises InvalidInputError if the file stops being text."""
    dialect = _Dialect(written.delimiter or ",", quoted=written.quoted)
    with reading(path, name, written.encoding or "utf-8") as stream:
        yield from _records(physical_lines(stream), dialect)


def physical_lines(stream: IO[str]) -> Iterator[str]:
    """Yield lines with their ends; an overlong line is cut just beyond `MAX_LINE_CHARACTERS`."""
    first = True
    while line := stream.readline(MAX_LINE_CHARACTERS + 2):
        yield line.removeprefix("\ufeff") if first else line
        first = False
        while len(line) > MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            line = stream.readline(MAX_LINE_CHARACTERS + 2)
            if len(line) <= MAX_LINE_CHARACTERS:
                break


def _first_lines(path: Path, name: str, encoding: str) -> list[str]:
    with reading(path, name, encoding) as stream:
        text = stream.read(HEAD_BYTES).removeprefix("\ufeff")
        whole = not stream.read(1)
    lines = list(io.StringIO(text, newline=""))
    return lines if whole or len(lines) < 2 else lines[:-1]  # the last one is incomplete


def _dialect(lines: list[str], given: str | None, known: Callable[[str], bool]) -> _Dialect:
    """Choose the dialect with the most known headings and the most rows of one width.

    Quotes count as letters only if they would break most rows as quotes.
    """
    choices = [_Dialect(mark, quoted=True) for mark in ([given] if given else DELIMITERS)]
    best = max(choices, key=lambda choice: _fit(lines, choice, known))
    plain = _Dialect(best.delimiter, quoted=False)
    spoilt = _fit(lines, best, known)[1] <= 0.5 < _fit(lines, plain, known)[1]
    return plain if spoilt else best


def _fit(lines: list[str], choice: _Dialect, known: Callable[[str], bool]) -> tuple[int, float]:
    result = [record for record in islice(_records(iter(lines), choice), SAMPLE_ROWS) if not record.blank]
    sound = [record.cells for record in result if record.fault is None]
    if not sound:
        return 0, 0.0
    width, often = max(Counter(map(len, sound)).items(), key=lambda item: (item[1], item[0]))
    share = often / len(result) if width > 1 else 0.0
    return sum(known(cell) for cell in sound[0]), round(share, 1)


def _sound(lines: list[str], dialect: _Dialect) -> Iterator[Record]:
    result = islice(_records(iter(lines), dialect), SAMPLE_ROWS)
    return (record for record in result if record.fault is None and not record.blank)


def _records(lines: Iterator[str], dialect: _Dialect) -> Iterator[Record]:
    """Yield records; after a broken record, continue with the line below its first one."""
    source = _Lines(lines)
    table = _reader(source, dialect)
    while True:
        source.begin()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line=source.first, fault=_fault(error))
            source.push_back()
            table = _reader(source, dialect)
        else:
            notes = ("Zero bytes were removed.",) if source.had_zero_bytes else ()
            yield Record(line=source.first, cells=tuple(cells), notes=notes)


def _reader(source: Iterator[str], dialect: _Dialect) -> Iterator[list[str]]:
    if dialect.quoted:
        return csv.reader(source, delimiter=dialect.delimiter, strict=True)
    return csv.reader(source, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=True)


def _fault(error: csv.Error) -> str:
    message = str(error)
    if "limit" in message:
        return f"A cell is longer than {MAX_CELL_CHARACTERS:,} characters."
    if "end of data" in message:
        return "A quote in this row is not closed."
    return "A quote in this row is not closed, or is inside a quoted cell without being doubled."


class _Lines:
    """Lines for the csv module that can be pushed back if their record is broken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._read_lines: list[str] = []
        self._size = 0
        self.first = 1
        self.had_zero_bytes = False

    def begin(self) -> None:
        """Start a record on the next line."""
        self.first += len(self._read_lines)
        self._read_lines.clear()
        self._size = 0
        self.had_zero_bytes = False

    def push_back(self) -> None:
        """Push back all lines of the record except the first."""
        self._again.extendleft(reversed(self._read_lines[1:]))
        del self._read_lines[1:]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._read_lines.append(line)
        self._size += len(line)
        if self._size > MAX_LINE_CHARACTERS:
            raise csv.Error("limit")
        if "\0" not in line:
            return line
        self.had_zero_bytes = True
        return line.replace("\0", "")
