"""JSON that is parsed whole: complete and flat enough, or refused in a sentence; and lists of plain objects."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from animerag.errors import InvalidInputError
from animerag.models import RowError
from animerag.readers import cells, columns
from animerag.readers import encoding as sniff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from animerag.models import Show
    from animerag.readers.columns import Column

_BETWEEN = re.compile(r"[\s,:]*")
_ENDLESS_NUMBER = re.compile(r"[0-9]{4001}")
_WALK = json.JSONDecoder(parse_int=str, parse_float=str)  # it only looks for the ends of values


def load(path: Path, name: str, encoding: str) -> tuple[Any, str]:
    """Return a JSON document and its text. Raises InvalidInputError where it is broken, cut or nested too deeply."""
    with sniff.reading(path, name, encoding) as stream:
        source = stream.read().removeprefix("\ufeff")
    return parse(source, name), source


def parse(source: str, name: str) -> Any:
    """Parse JSON. Raises InvalidInputError with the line at which it stops being JSON."""
    try:
        return from_text(source)
    except ValueError as error:
        raise InvalidInputError(f"{name} {fault(error)}") from error


def from_text(source: str) -> Any:
    """Parse JSON. Raises ValueError for what is none, and for numbers that Python would refuse to write again."""
    if _ENDLESS_NUMBER.search(source):
        raise ValueError("a number of more than 4,000 digits")
    return from_json(source, allow_inf_nan=False)


def fault(error: ValueError) -> str:
    """Say in words what is wrong with JSON, for "FILE …" or "The line …"."""
    said = str(error)
    found = re.search(r" at line (\d+)", said)
    where = f" at line {found[1]}" if found else ""
    if "recursion" in said:
        return f"is nested too deeply{where}: at most 200 levels can be read."
    if "digits" in said:
        return f"holds {said}."
    what = said.split(" at line ", maxsplit=1)[0]
    return f"is not complete JSON: it stops{where} ({what})."


def rows(
    records: Sequence[Any], lines: Iterator[int], name: str, matched: Sequence[Column]
) -> Iterator[Show | RowError]:
    """Yield a show for each object of a list."""
    for line, record in zip(lines, records, strict=True):
        yield row(record, matched, name, line)


def row(record: Any, matched: Sequence[Column], name: str, line: int) -> Show | RowError:
    """Turn one object into a show, or into the reason why it is none."""
    if not isinstance(record, dict):
        reason = f"The record is {kind(record)}, not an object."
        return RowError(file=name, line=line, id=None, stage="validate", reason=reason, given=cells.given(record))
    return columns.show(record, matched, file=name, line=line)


def match_keys(records: Sequence[Any], given: dict[str, str], name: str) -> tuple[Column, ...]:
    """Match the keys of the first objects with fields. Raises InvalidInputError as `columns.match` does."""
    objects = [record for record in records[:200] if isinstance(record, dict)]
    keys = list(dict.fromkeys(key for record in objects for key in record))
    sample = [[cell(record.get(key)) for key in keys] for record in objects]
    return columns.match(keys, sample, named=True, given=given, name=name)


def cell(value: Any) -> str:
    """Return a value as a preview shows it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def kind(value: Any) -> str:
    """Name the kind of a JSON value."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def record_lines(source: str, count: int, key: str | None = None) -> Iterator[int]:
    """Yield the line that each of the `count` records of the list begins on; `key` is where it stands in an object."""
    at = _list_start(source, key) + 1
    line, counted = 1, 0
    for _ in range(count):
        at = _skip(source, at)
        line, counted = line + source.count("\n", counted, at), at
        yield line
        _, at = _WALK.raw_decode(source, at)


def _list_start(source: str, key: str | None) -> int:
    at = _skip(source, 0)
    if source[at] != "{":
        return at
    found, at = at, at + 1
    while source[at := _skip(source, at)] != "}":
        own, at = _WALK.raw_decode(source, at)
        at = _skip(source, at)
        if own == key and source[at] == "[":
            found = at  # of two with one key the last counts
        _, at = _WALK.raw_decode(source, at)
    return found


def _skip(source: str, at: int) -> int:
    found = _BETWEEN.match(source, at)
    return found.end() if found else at
