"""Reads sheets of questions from tables, workbooks, JSON lines and text; every row is returned, even a broken one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain, islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

from animerag.errors import InvalidInputError
from animerag.models.filters import Filters, WatchState
from animerag.models.questions import QuestionRow, asked_as, plain
from animerag.readers import delimited, excel, file_type, jsonl, tables
from animerag.readers import encoding as sniff
from animerag.readers.rows import NoRowsError, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.readers.rows import Layout

COLUMN = "question"
MAX_QUESTIONS = 10_000
MAX_K = 50
LINES = "lines"  # instead of a delimiter: one question per line

Format = Literal["table", "workbook", "jsonl", "lines"]
_Cells: TypeAlias = "tuple[tuple[object, ...], str | None]"  # the cells of a row, and the reason if it is broken
T = TypeVar("T")

_NAMES = ("question", "questions", "query", "prompt", "frage", "pregunta", "質問", "q")
_SETTINGS = {"k", "kind", "expected_ids", "year", "tag", *(item.name for item in fields(Filters))}
_PARTS = re.compile(r"[|;,]")
_SCORED_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOptions:
    """The user's choices for reading a sheet; None is detected. `delimiter` may be `LINES`."""

    column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Questions in the order of the file; their `column` is a guess unless `certain`."""

    name: str
    format: Format
    headings: tuple[str, ...]
    column: str
    certain: bool
    rows: tuple[QuestionRow, ...]
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def empty(self) -> int:
        """Return the number of rows without a question."""
        return sum(not row.question.strip() for row in self.rows)

    @property
    def repeated(self) -> int:
        """Return the number of rows that repeat an earlier question with the same settings."""
        return len(self.rows) - self.empty - len({asked_as(row) for row in self.rows if row.question.strip()})

    @property
    def unusable(self) -> int:
        """Return the number of rows with a question that cannot be asked."""
        return sum(row.problem is not None and bool(row.question.strip()) for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Cells with headings, before the question column is known."""

    format: Format
    headings: tuple[str, ...]
    records: Sequence[_Cells]  # a cell is None if a JSON object lacks the key
    encoding: str | None = None
    delimiter: str | None = None


def read(path: Path, name: str, options: SheetOptions = SheetOptions()) -> Sheet:
    """Read the questions in a file.

    Raises InvalidInputError if it is not a table, or has no question or too many.
    """
    table = _table(path, name, options)
    column, certain = _question_column(table, name, options.column)
    place = table.headings.index(column)
    rows = tuple(_row(table.headings, place, cells, fault) for cells, fault in table.records)
    if not any(row.question.strip() for row in rows):
        raise InvalidInputError(f"{name} has no questions: the column {column} is empty. Choose another column.")
    return Sheet(
        name=name,
        format=table.format,
        headings=table.headings,
        column=column,
        certain=certain,
        rows=rows,
        encoding=table.encoding,
        delimiter=table.delimiter,
    )


def _table(path: Path, name: str, options: SheetOptions) -> _Table:
    file_type.head(path, name)
    try:
        if file_type.is_workbook(path, name):
            return _of_layout(path, name, _layout(path, name, options))
        encoding = sniff.detect_encoding(path, name, options.encoding).name
        if options.delimiter == LINES:
            return _of_lines(path, name, encoding)
        if options.delimiter is None and _starts_with_an_object(path, name, encoding):
            return _of_objects(path, name, encoding)
        layout = _layout(path, name, options)
    except NoRowsError as error:
        raise InvalidInputError(f"{name} has no questions: write one per row.") from error
    named = any(plain(heading) in _NAMES for heading in layout.headers)
    if options.delimiter is None and not named and PurePath(name).suffix.lower() in ("", ".txt", ".md"):
        return _of_lines(path, name, encoding)
    return _of_layout(path, name, layout)


def _layout(path: Path, name: str, options: SheetOptions) -> Layout:
    """Detect how a table is written; plain words above questions are headings."""

    def known(heading: str) -> bool:
        return plain(heading) in (*_NAMES, *_SETTINGS, plain(options.column or ""))

    look = partial(tables.layout, path, name, known=known, encoding=options.encoding, delimiter=options.delimiter)
    layout = look()
    if layout.has_header or len(layout.sample) < 2:
        return layout
    first, *below = layout.sample
    names = len(set(first)) == len(first) and all(cell.strip() and not _looks_asked(cell) for cell in first)
    asked = any(sum(map(_looks_asked, cells)) * 2 > len(below) for cells in zip(*below, strict=False))
    return look(header=True) if names and asked else layout


def _of_layout(path: Path, name: str, layout: Layout) -> _Table:
    read_records = excel.records if layout.sheet is not None else delimited.records
    result: Iterator[Record] = (record for record in read_records(path, name, layout) if not record.blank)
    if layout.has_header:
        result = _below_header(result)
    return _Table(
        format="table" if layout.sheet is None else "workbook",
        headings=_distinct(layout.headers),
        records=_limited((_fitted(record, layout) for record in result), name),
        encoding=layout.encoding,
        delimiter=layout.delimiter,
    )


def _below_header(result: Iterator[Record]) -> Iterator[Record]:
    limited = []
    for record in result:
        if record.fault is None:
            break
        limited.append(record)
    return chain(limited, result)


def _fitted(record: Record, layout: Layout) -> _Cells:
    """Return as many cells as there are headings: fill up a short row, report a long one."""
    width, cells = len(layout.headers), record.cells
    if width == 1 and len(cells) > 1:  # a sentence with commas that is not quoted
        return ((layout.delimiter or ",").join(cells),), record.fault
    fault = record.fault
    if any(cell.strip() for cell in cells[width:]):
        fault = f"The row has {len(cells)} cells instead of {width}: quote cells that contain a separator."
    return (*cells[:width], *[""] * (width - len(cells))), fault


def _of_lines(path: Path, name: str, encoding: str) -> _Table:
    with sniff.reading(path, name, encoding) as stream:
        lines = (line.strip().lstrip("\ufeff") for line in delimited.physical_lines(stream))
        records = _limited((((line,), None) for line in lines if line), name)
    if records and plain(records[0][0][0]) in _NAMES:
        records = records[1:]
    return _Table(format="lines", headings=(COLUMN,), records=records, encoding=encoding, delimiter=LINES)


def _starts_with_an_object(path: Path, name: str, encoding: str) -> bool:
    with sniff.reading(path, name, encoding) as stream:
        first = next((line for line in delimited.physical_lines(stream) if line.strip()), "")
    return first.lstrip("\ufeff \t").startswith("{") and isinstance(jsonl.parse_line(first.lstrip("\ufeff"))[0], dict)


def _of_objects(path: Path, name: str, encoding: str) -> _Table:
    with sniff.reading(path, name, encoding) as stream:
        parsed = _limited((_object(line) for line in delimited.physical_lines(stream) if line.strip()), name)
    headings = tuple(dict.fromkeys(key for record, _ in parsed for key in record))
    records = [(tuple(record.get(key) for key in headings), fault) for record, fault in parsed]
    return _Table(format="jsonl", headings=headings, records=records, encoding=encoding)


def _object(line: str) -> tuple[dict[str, object], str | None]:
    value, fault = jsonl.parse_line(line.lstrip("\ufeff"))
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items()}, fault
    return {}, fault or "The line is not a JSON object."


def _limited(records: Iterable[T], name: str) -> list[T]:
    limited = list(islice(records, MAX_QUESTIONS + 1))
    if len(limited) > MAX_QUESTIONS:
        raise InvalidInputError(f"{name} has more than {MAX_QUESTIONS:,} questions: split it into smaller files.")
    if not limited:
        raise InvalidInputError(f"{name} has no questions: write one per row.")
    return limited


def _distinct(headings: Sequence[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    named = []
    for heading in headings:
        seen[heading] += 1
        named.append(heading if seen[heading] == 1 else f"{heading} ({seen[heading]})")
    return tuple(named)


# ── The question column ──────────────────────────────────────────────────────────────────────────────────────────────


def _question_column(table: _Table, name: str, given: str | None) -> tuple[str, bool]:
    by_name = {plain(heading): heading for heading in reversed(table.headings)}
    shown = ", ".join(heading[:30] for heading in table.headings[:8]) or "none"
    if given is not None:
        if plain(given) not in by_name:
            raise InvalidInputError(f"{name} has no column named {given[:40]}: choose from {shown}.")
        return by_name[plain(given)], True
    known = next((by_name[wanted] for wanted in _NAMES if wanted in by_name), None)
    if known is not None:
        return known, True
    scores = {heading: _likeness(table, place) for place, heading in enumerate(table.headings)}
    best = max(scores, key=scores.__getitem__, default="")
    if not best or scores[best] <= 0:
        raise InvalidInputError(f"{name} has no column that looks like questions: choose one of {shown}.")
    return best, False


def _likeness(table: _Table, place: int) -> float:
    """Score how much a column looks like questions: sentences, especially those with a question mark."""
    cells = [str(cells[place] or "").strip() for cells, _ in table.records[:_SCORED_ROWS] if place < len(cells)]
    asking = sum(cell.endswith(("?", "\uff1f")) for cell in cells)
    return (asking + sum(map(_looks_asked, cells))) / max(1, len(cells))


def _looks_asked(cell: str) -> bool:
    """Return whether a cell looks like a sentence: three words, a question mark, or eight Japanese characters."""
    text = cell.strip()
    return len(text.split()) >= 3 or text.endswith(("?", "\uff1f")) or (len(text) >= 8 and not text.isascii())


# ── The settings of a row ────────────────────────────────────────────────────────────────────────────────────────────


def _row(headings: Sequence[str], place: int, cells: Sequence[object], fault: str | None) -> QuestionRow:
    question = cells[place] if place < len(cells) else ""
    others = {
        heading: cell
        for number, (heading, cell) in enumerate(zip(headings, cells, strict=False))
        if number != place and cell is not None
    }
    row = QuestionRow(question="" if question is None else str(question), columns=others, problem=fault)
    return row if fault is not None else _with_settings(row)


def _with_settings(row: QuestionRow) -> QuestionRow:
    given = {plain(name): value for name, value in row.columns.items() if value not in ("", None)}
    expected = _parts(given.get("expected_ids", ()))
    try:
        k, filters = _k(given), _filters(given)
    except ValueError as error:
        return QuestionRow(question=row.question, columns=row.columns, expected_ids=expected, problem=str(error))
    return QuestionRow(question=row.question, columns=row.columns, k=k, filters=filters, expected_ids=expected)


def _k(given: Mapping[str, object]) -> int | None:
    k: int | None = _number(given, "k", int)
    if k is not None and not 1 <= k <= MAX_K:
        raise ValueError(f"k must be a number from 1 to {MAX_K}, not {k}.")
    return k


def _filters(given: Mapping[str, object]) -> Filters:
    year = _number(given, "year", int)
    bounds: JsonObject = {
        f"{name}_{end}": _number(given, f"{name}_{end}", float if name == "rating" else int)
        for name in ("year", "episodes", "rating", "votes")
        for end in ("from", "to")
    }
    if year is not None:
        bounds |= {"year_from": year, "year_to": year}
    statuses = _parts(given.get("statuses", ()))
    if unknown := set(statuses) - set(get_args(WatchState)):
        allowed = ", ".join(get_args(WatchState))
        raise ValueError(f"{', '.join(sorted(unknown))[:40]} is not a status: use {allowed}.")
    return Filters(
        **bounds,
        tags=_parts(given.get("tags", ())) + _parts(given.get("tag", ())),
        without_tags=_parts(given.get("without_tags", ())),
        statuses=statuses,  # type: ignore[arg-type] # checked above
    )


def _number(given: JsonMapping, name: str, kind: type[int | float]) -> Any:
    if name not in given:
        return None
    try:
        value = float(str(given[name]).strip().replace(",", "."))
        return value if kind is float else int(str(value).removesuffix(".0"))
    except (ValueError, OverflowError):
        raise ValueError(f"{name} must be a number, not {str(given[name])[:40]}.") from None


def _parts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else _PARTS.split(str(value))
    return tuple(filter(None, (str(item).strip() for item in items)))
