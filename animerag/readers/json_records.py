"""Parses JSON strictly, describes its errors, and reads plain objects as shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from animerag.models.imports import RowError
from animerag.readers import cells, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.shows import Show
    from animerag.readers.columns import Column

_ENDLESS_NUMBER = re.compile(r"[0-9]{4001}")


def from_text(source: str) -> Any:
    """Parse JSON. Raises ValueError for invalid JSON, and for numbers that Python cannot write back."""
    if _ENDLESS_NUMBER.search(source):
        raise ValueError("a number of more than 4,000 digits")
    return from_json(source, allow_inf_nan=False)


def fault(error: ValueError, line: int) -> str:
    """Describe an error in JSON that starts at a line of a file, to follow the file's name."""
    message = str(error)
    inside = re.search(r" at line (\d+)", message)
    where = f" at line {line + int(inside[1]) - 1}" if inside else f" at line {line}"
    if "recursion" in message:
        return f"is nested too deeply{where}: at most 200 levels are supported."
    if "digits" in message:
        return f"contains {message}."
    what = message.split(" at line ", maxsplit=1)[0]
    return f"is not complete JSON: it stops{where} ({what})."


def row(record: object, matched: Sequence[Column], name: str, line: int) -> Show | RowError:
    """Return an object as a show, or the reason why it cannot be used."""
    if not isinstance(record, dict):
        reason = f"The record is {kind(record)}, not an object."
        return RowError(file=name, line=line, id=None, stage="validate", reason=reason, given=cells.given(record))
    return columns.show(record, matched, file=name, line=line)


def match_keys(records: Sequence[object], given: dict[str, str], name: str) -> tuple[Column, ...]:
    """Map the keys of the first objects to fields. Raises what `columns.match` raises."""
    objects = [record for record in records[:200] if isinstance(record, dict)]
    keys = list(dict.fromkeys(key for record in objects for key in record))
    sample = [[cell(record.get(key)) for key in keys] for record in objects]
    return columns.match(keys, sample, named=True, given=given, name=name)


def cell(value: object) -> str:
    """Return a value as text for a preview."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def kind(value: object) -> str:
    """Return the name of a JSON value's type."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
