"""Files in, shows out: `detect` says what was understood of a file, `read` turns it into `Show`s and `RowError`s.

Content decides, names do not. Nothing here knows of storage; both calls may be repeated.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.readers import columns, file_type, json_records, jsonl, mal_list, notes, offline_database, shoko, tables
from animerag.readers import encoding as sniff
from animerag.readers.detection import Detection, Format, ReadOptions
from animerag.readers.rows import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from animerag.models import RowError, Show
    from animerag.readers.columns import Column
    from animerag.readers.encoding import Encoding
    from animerag.readers.rows import Layout

__all__ = ["Detection", "ReadOptions", "begin", "detect", "read"]

_EXPECTED = f'a Shoko export with its shows under "{shoko.KEY}", or a list of shows'
_JSON_LIST = re.compile(r'\[\s*(?:[\[{"\]]|$)')
_NO_NOTES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".xlsx"))
_PREVIEW_ROWS = 20


def detect(path: Path, name: str | None = None, options: ReadOptions | None = None) -> Detection:
    """Say what a file is and what its columns mean; `name` is what the user calls it.

    Raises InvalidInputError when it is nothing that can be read, whatever its owner would say about it.
    """
    return _detect(path, name or path.name, options or ReadOptions())[0]


def read(path: Path, name: str | None = None, options: ReadOptions | None = None) -> Iterator[Show | RowError]:
    """Read a file's rows in order; CSV, TSV, Excel, JSON lines and XML as they stream.

    Raises InvalidInputError, before the first row, when the file cannot be read as a whole or without an answer to
    `Detection.problem`; and mid-way when what streams turns out not to be what it began as.
    """
    return begin(path, name, options)[1]


def begin(
    path: Path, name: str | None = None, options: ReadOptions | None = None
) -> tuple[Detection, Iterator[Show | RowError]]:
    """Return what `detect` and `read` return, at the price of one. Raises InvalidInputError as `read` does."""
    shown, given = name or path.name, options or ReadOptions()
    found, document = _detect(path, shown, given)
    if found.problem:
        raise InvalidInputError(f"{found.problem} On the command line: --column title=HEADING.")
    return found, _rows(path, found, given, document)


def _rows(path: Path, found: Detection, given: ReadOptions, document: _Document | None) -> Iterator[Show | RowError]:
    name, encoding = found.name, found.encoding or "utf-8"
    id_field = given.id_field or shoko.ID_FIELD
    if found.layout is not None:
        return _table_rows(path, name, found.layout, found.columns)
    if found.format == "jsonl":
        return jsonl.read(path, name, encoding=encoding, matched=found.columns, id_field=id_field)
    if found.format == "mal_list":
        return mal_list.read(path, name)
    if found.format == "notes":
        return notes.read(path, name, encoding=encoding)
    assert document is not None
    records, source, key = document
    lines = json_records.record_lines(source, len(records), key)
    if found.format == "shoko":
        return shoko.rows(records, lines, name, id_field=id_field)
    if found.format == "offline_database":
        return offline_database.rows(records, lines, name)
    return json_records.rows(records, lines, name, found.columns)


def _table_rows(path: Path, name: str, written: Layout, matched: Sequence[Column]) -> Iterator[Show | RowError]:
    for row in tables.rows(path, name, written):
        if not isinstance(row, tables.Row):
            yield row
            continue
        cells = dict(zip(written.headers, row.cells, strict=True))
        yield columns.show(cells, matched, file=name, line=row.line, notes=row.notes)


_Document = tuple[list[Any], str, str | None]  # the records, the text they stand in, the key they stand under


def _detect(path: Path, name: str, given: ReadOptions) -> tuple[Detection, _Document | None]:
    file_type.head(path, name)
    if file_type.is_workbook(path, name):
        written = _layout(path, name, given)
        assert written is not None
        return _table(written, name, given, "workbook"), None
    encoding = sniff.detect_encoding(path, name, given.encoding)
    with sniff.reading(path, name, encoding.name) as stream:
        text = stream.read(file_type.HEAD_BYTES).removeprefix("\ufeff")
    start = text.lstrip()
    reason = f"Encoding {encoding.label}: {encoding.reason}."
    if start.startswith("<"):
        return _xml(start, name), None
    if start.startswith("{") or _JSON_LIST.match(start):
        if _is_jsonl(start):
            return _jsonl(start, name, encoding.name, reason, given), None
        return _json(path, name, encoding.name, reason, given)
    written = _layout(path, name, given, encoding)
    if written is not None and (_asked(given) or _is_table(written, text)):
        return _table(written, name, given, "table"), None
    if PurePosixPath(name).suffix.lower() in _NO_NOTES:
        raise InvalidInputError(f"{name} holds no table and no list: its text has neither columns nor known headings.")
    return Detection(name=name, format="notes", encoding=encoding.name, world=notes.WORLD, reasons=(reason,)), None


def _layout(path: Path, name: str, given: ReadOptions, encoding: Encoding | None = None) -> Layout | None:
    """Return how a table is written; None for text of which not one row can be read."""
    try:
        return tables.layout(
            path,
            name,
            known=columns.is_known,
            encoding=encoding,
            delimiter=given.delimiter,
            header=given.header,
            sheet=given.sheet,
        )
    except tables.NoRowsError:
        if encoding is None or _asked(given):
            raise
        return None


def _asked(given: ReadOptions) -> bool:
    """Tell whether the owner calls it a table."""
    return given.delimiter is not None or given.header is not None or bool(given.columns)


def _is_table(written: Layout, text: str) -> bool:
    """Tell whether text is a table: by headings that we know, or by rows of one width and no Markdown."""
    if any(columns.is_known(heading) for heading in written.headers):
        return True
    if any(notes.HEADING.fullmatch(line) for line in text.splitlines()):
        return False
    same = sum(len(cells) == len(written.headers) for cells in written.sample)
    return len(written.headers) > 1 and len(written.sample) > 0 and same * 5 >= len(written.sample) * 4


def _table(written: Layout, name: str, given: ReadOptions, kind: Format) -> Detection:
    doubled = {heading for heading in written.headers if written.headers.count(heading) > 1}
    if doubled:
        called = ", ".join(sorted(doubled))[:80]
        raise InvalidInputError(f"{name} has more than one column called {called}: rename one.")
    matched = columns.match(
        written.headers, written.sample, named=written.has_header, given=_given_columns(given), name=name
    )
    return Detection(
        name=name,
        format=kind,
        encoding=written.encoding,
        delimiter=written.delimiter,
        has_header=written.has_header,
        columns=matched,
        sample=written.sample,
        world=columns.world_of(matched),
        reasons=written.reasons,
        problem=columns.problem(matched, name),
        layout=written,
    )


def _given_columns(given: ReadOptions) -> dict[str, str]:
    own = given.id_field if given.id_field not in {None, shoko.ID_FIELD} else None
    return {**({own: "id"} if own else {}), **given.columns}


def _xml(start: str, name: str) -> Detection:
    if f"<{mal_list.ROOT}" not in start[:20_000]:
        raise InvalidInputError(f"{name} is XML or HTML, but no list that MyAnimeList exports.")
    return Detection(name=name, format="mal_list", world="mal", reasons=("An export of a MyAnimeList user.",))


def _is_jsonl(start: str) -> bool:
    """Tell JSON lines from one JSON document: more than one line, and lines that are objects by themselves."""
    lines = [line.strip() for line in start.split("\n")[:21] if line.strip()]
    if len(lines) < 2 or not lines[0].startswith("{"):
        return False
    whole = sum(line.startswith("{") and jsonl.parse_line(line)[1] is None for line in lines)
    return jsonl.parse_line(lines[0])[1] is None or whole * 2 >= len(lines)


def _jsonl(start: str, name: str, encoding: str, reason: str, given: ReadOptions) -> Detection:
    parsed = [jsonl.parse_line(line)[0] for line in start.split("\n")[:200] if line.strip()]
    records = [record for record in parsed if isinstance(record, dict) and not jsonl.is_heading(record)]
    told = records and (shoko.is_record(records[0]) or offline_database.is_record(records[0]))
    return _of_records(
        records, Detection(name=name, format="jsonl", encoding=encoding, reasons=(reason,)), given, told=bool(told)
    )


def _of_records(records: list[Any], found: Detection, given: ReadOptions, *, told: bool) -> Detection:
    """Add columns and a sample to what was found; `told` where the records are of a shape with fixed fields."""
    shown = [record for record in records[:_PREVIEW_ROWS] if isinstance(record, dict)]
    matched = json_records.match_keys(records, {} if told else _given_columns(given), found.name)
    sample = tuple(tuple(json_records.cell(record.get(c.heading))[:200] for c in matched) for record in shown)
    if told:
        return replace(found, columns=matched, sample=sample)
    problem = columns.problem(matched, found.name)
    return replace(found, columns=matched, sample=sample, world=columns.world_of(matched), problem=problem)


def _json(path: Path, name: str, encoding: str, reason: str, given: ReadOptions) -> tuple[Detection, _Document]:
    document, source = json_records.load(path, name, encoding)
    records, key = _list_in(document, name)
    first = next((record for record in records if isinstance(record, dict)), None)
    kind: Format = "records"
    if key == shoko.KEY or shoko.is_record(first) or first is None:
        kind = "shoko"
    elif offline_database.is_record(first):
        kind = "offline_database"
    found = Detection(name=name, format=kind, encoding=encoding, reasons=(reason,))
    return _of_records(records, found, given, told=kind != "records"), (records, source, key)


def _list_in(document: Any, name: str) -> tuple[list[Any], str | None]:
    key = None
    if isinstance(document, dict):
        key = next((k for k in (shoko.KEY, offline_database.KEY) if isinstance(document.get(k), list)), None)
        if key is None:
            found = ", ".join(f'"{own[:40]}"' for own in list(document)[:5]) or "nothing"
            raise InvalidInputError(f"{name} has {found} where {_EXPECTED} was expected.")
        document = document[key]
    if not isinstance(document, list):
        raise InvalidInputError(f"{name} holds {json_records.kind(document)} where {_EXPECTED} was expected.")
    if len(document) > MAX_ROWS:
        raise InvalidInputError(f"{name} has more than {MAX_ROWS:,} records: split it into smaller files.")
    return document, key
