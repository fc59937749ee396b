"""Reads files into shows: `detect` recognises the format, `read_detected` yields `Show`s and `RowError`s.

Formats are recognised by content, never by file name. It knows nothing of storage, and never holds a whole file.
`detect`, then `read_detected`, or `read` for both; `confinement` does this in a process with limits.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers import (
    anilist,
    columns,
    file_type,
    json_records,
    json_stream,
    jsonl,
    mal_list,
    notes,
    offline_database,
    shoko,
    shoko_database,
    tables,
)
from animerag.readers import encoding as sniff
from animerag.readers.detection import DetectedFileError, Detection, Format, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from animerag.models.imports import RowError
    from animerag.models.shows import Show
    from animerag.readers.columns import Column
    from animerag.readers.encoding import Encoding
    from animerag.readers.rows import Layout

__all__ = ["DetectedFileError", "Detection", "ReadOptions", "detect", "read", "read_detected"]

_EXPECTED = f'a Shoko export with its shows under "{shoko.KEY}", or a list of shows'
_JSON_LIST = re.compile(r'\[\s*(?:[\[{"\]]|$)')
_NO_NOTES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".xlsx"))
_PREVIEW_ROWS = 20


def detect(path: Path, name: str | None = None, options: ReadOptions | None = None) -> Detection:
    """Recognise the format of a file and the meaning of its columns; `name` is the user's name for it.

    Raises InvalidInputError if no options could make the file readable.
    """
    return _detect(path, name or path.name, options or ReadOptions())


def read(path: Path, name: str | None = None, options: ReadOptions | None = None) -> Iterator[Show | RowError]:
    """Read the rows of a file in order, as a stream.

    Raises InvalidInputError: before the first row if the file cannot be read or `Detection.problem` needs an answer,
    later if the file turns out to be broken.
    """
    detection = detect(path, name, options)
    return read_detected(path, detection, options)


def read_detected(path: Path, detection: Detection, options: ReadOptions | None = None) -> Iterator[Show | RowError]:
    """Read the rows of a file that was detected with the same options. Raises what `read` raises."""
    if detection.problem:
        raise DetectedFileError(detection)
    if detection.format == "shoko_database":
        return shoko_database.read(path, detection.name, options or ReadOptions())
    name, encoding = detection.name, detection.encoding or "utf-8"
    id_field = (options or ReadOptions()).id_field or shoko.ID_FIELD
    if detection.layout is not None:
        return _table_rows(path, name, detection.layout, detection.columns)
    if detection.format == "jsonl":
        return jsonl.read(path, name, encoding=encoding, matched=detection.columns, id_field=id_field)
    if detection.format == "mal_list":
        return mal_list.read(path, name)
    if detection.format == "anilist_list":
        return anilist.read(path, name, encoding=encoding)
    if detection.format == "notes":
        return notes.read(path, name, encoding=encoding)
    numbered = partial(json_stream.records, path, name, encoding, detection.place)
    if detection.format == "offline_database":
        return (offline_database.row(record, name, line) for line, record in numbered())
    if detection.format == "records":
        return (json_records.row(record, detection.columns, name, line) for line, record in numbered())
    ids = shoko.moved_ids((record for _, record in numbered()), id_field) if id_field != shoko.ID_FIELD else None
    return (shoko.row(record, name, line, id_field=id_field, ids=ids) for line, record in numbered())


def _table_rows(path: Path, name: str, written: Layout, matched: Sequence[Column]) -> Iterator[Show | RowError]:
    for row in tables.rows(path, name, written):
        if not isinstance(row, tables.Row):
            yield row
            continue
        cells = dict(zip(written.headers, row.cells, strict=True))
        yield columns.show(cells, matched, file=name, line=row.line, notes=row.notes)


def _detect(path: Path, name: str, given: ReadOptions) -> Detection:
    if file_type.is_database(path, name):
        return shoko_database.detect(path, name, given)
    file_type.head(path, name)
    if file_type.is_workbook(path, name):
        written = _layout(path, name, given)
        assert written is not None
        return _table(written, name, given, "workbook")
    encoding = sniff.detect_encoding(path, name, given.encoding)
    with sniff.reading(path, name, encoding.name) as stream:
        text = stream.read(file_type.HEAD_BYTES).removeprefix("\ufeff")
    start = text.lstrip()
    reason = f"Encoding {encoding.label}: {encoding.reason}."
    if start.startswith("<"):
        return _xml(start, name)
    if start.startswith(("{", "[")) and anilist.is_list(start):
        return Detection(name=name, format="anilist_list", encoding=encoding.name, site="anilist", reasons=(reason,))
    if start.startswith("{") and anilist.names_shows_by_number(start):
        raise InvalidInputError(
            f"{name} has AniList's numbers without titles: save your list with titles, see docs/formats.md."
        )
    if start.startswith("{") or _JSON_LIST.match(start):
        if _is_jsonl(start):
            return _jsonl(start, name, encoding.name, reason, given)
        return _json(path, name, encoding.name, reason, given)
    written = _layout(path, name, given, encoding)
    if written is not None and (_asked(given) or _is_table(written, text)):
        return _table(written, name, given, "table")
    if PurePosixPath(name).suffix.lower() in _NO_NOTES:
        raise InvalidInputError(
            f"{name} contains neither a table nor a list: check its format, or choose its separator."
        )
    return Detection(name=name, format="notes", encoding=encoding.name, site=notes.PREFIX, reasons=(reason,))


def _layout(path: Path, name: str, given: ReadOptions, encoding: Encoding | None = None) -> Layout | None:
    """Return the layout of a table; None for text without a readable row."""
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
    """Return whether the options say that the file is a table."""
    return given.delimiter is not None or given.header is not None or bool(given.columns)


def _is_table(written: Layout, text: str) -> bool:
    """Return whether text is a table: by known headings, or by rows of one width without Markdown headings."""
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
        raise InvalidInputError(f"{name} has more than one column named {called}: rename one of them.")
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
        site=columns.site_of(matched),
        reasons=written.reasons,
        problem=columns.problem(matched, name),
        layout=written,
    )


def _given_columns(given: ReadOptions) -> dict[str, str]:
    own = given.id_field if given.id_field not in {None, shoko.ID_FIELD} else None
    return {**({own: "id"} if own else {}), **given.columns}


def _xml(start: str, name: str) -> Detection:
    if f"<{mal_list.ROOT}" not in start[:20_000]:
        raise InvalidInputError(
            f"{name} is XML or HTML but not a MyAnimeList export: export your list again, or use another format."
        )
    return Detection(name=name, format="mal_list", site="mal", reasons=("A MyAnimeList user's export.",))


def _is_jsonl(start: str) -> bool:
    """Return whether text is JSON lines, not one JSON document: several lines, each an object by itself."""
    lines = [line.strip() for line in start.split("\n")[:21] if line.strip()]
    if len(lines) < 2 or not lines[0].startswith("{"):
        return False
    whole = sum(line.startswith("{") and jsonl.parse_line(line)[1] is None for line in lines)
    return jsonl.parse_line(lines[0])[1] is None or whole * 2 >= len(lines)


def _jsonl(start: str, name: str, encoding: str, reason: str, given: ReadOptions) -> Detection:
    parsed = [jsonl.parse_line(line)[0] for line in start.split("\n")[:200] if line.strip()]
    records = [record for record in parsed if isinstance(record, dict) and not jsonl.is_heading(record)]
    fixed = bool(records) and (shoko.is_record(records[0]) or offline_database.is_record(records[0]))
    detection = Detection(name=name, format="jsonl", encoding=encoding, reasons=(reason,))
    return _of_records(records, detection, given, fixed=fixed)


def _of_records(
    records: Sequence[Mapping[str, object]], detection: Detection, given: ReadOptions, *, fixed: bool
) -> Detection:
    """Add columns and a sample to a detection; `fixed` for formats with fixed fields."""
    shown = records[:_PREVIEW_ROWS]
    matched = json_records.match_keys(records, {} if fixed else _given_columns(given), detection.name)
    sample = tuple(tuple(json_records.cell(record.get(c.heading))[:200] for c in matched) for record in shown)
    if fixed:
        return replace(detection, columns=matched, sample=sample)
    problem = columns.problem(matched, detection.name)
    return replace(detection, columns=matched, sample=sample, site=columns.site_of(matched), problem=problem)


def _json(path: Path, name: str, encoding: str, reason: str, given: ReadOptions) -> Detection:
    listed = json_stream.scan(path, name, encoding, (shoko.KEY, offline_database.KEY))
    if isinstance(listed, json_stream.NoRecords):
        raise InvalidInputError(f"{name} {_holds(listed)}; animerag expects {_EXPECTED}.")
    first = listed.head[0] if listed.head else None
    kind: Format = "records"
    if listed.key == shoko.KEY or shoko.is_record(first) or first is None:
        kind = "shoko"
    elif offline_database.is_record(first):
        kind = "offline_database"
    detection = Detection(name=name, format=kind, encoding=encoding, reasons=(reason,), place=listed.place)
    return _of_records(listed.head, detection, given, fixed=kind != "records")


def _holds(document: json_stream.NoRecords) -> str:
    if isinstance(document.value, dict):
        keys = ", ".join(f'"{key[:40]}"' for key in document.keys)
        return f"has {keys or 'nothing'}"
    return f"holds {json_records.kind(document.value)}"
